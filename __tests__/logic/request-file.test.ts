import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';

import { python } from '../../scripts/tools.mjs';
import {
  closeFiles,
  fillFiles,
  type Offer,
  plainFile,
  type Resolved,
  withUserSources,
} from '../../src/logic/request-file.ts';
import type { DirectRequirement, RequestLine } from '../../src/logic/requirement-line.ts';
import { directRequirements, gatherLines } from '../../src/logic/requirements.ts';

const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;
const constraintsFile = '/s/constraints.txt';

async function linesOf(text: string, constraints = ''): Promise<readonly RequestLine[]> {
  const { lines } = await gatherLines(
    {
      requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
      constraints: [{ location: '/w/c.txt', shown: 'c.txt' }],
      packages: [],
      groups: [],
    },
    {
      workingDirectory: '/w',
      environment: { T: 's3cret' },
      read: async (location) => (location === '/w/r.txt' ? text : constraints),
    },
  );
  return lines;
}

/** A generated file's lines without its first one, which says the encoding. */
function body(file: { readonly text: string }): string[] {
  const [first, ...lines] = file.text.split('\n');
  assert.match(first ?? '', /^# .*coding: utf-8/);
  assert.equal(lines.pop(), '', 'ends with a line end');
  return lines;
}

const offer: Offer = {
  name: 'sd',
  version: '1.0',
  url: 'file:///w/sd-1.0-py3-none-any.whl',
  sha256: 'f'.repeat(64),
  isPin: false,
};

function resolvedOf(requirement: DirectRequirement | undefined): Resolved {
  assert.ok(requirement);
  const { extras, marker, source } = requirement;
  const file = { url: 'file:///s/local.whl', sha256: 'e'.repeat(64) };
  return { name: 'local', extras, marker, source, ...file };
}

describe('request of the fill', () => {
  test("the fill gets the user's lines with variables unexpanded", async () => {
    const secret = `--find-links https://u:\${T}@h.example/simple`;
    const lines = await linesOf(`${secret}\n--pre\na[x]>=1 ; os_name=="nt"  # why\nb==1`);
    const { request, constraints } = fillFiles(lines, constraintsFile);
    assert.deepEqual(body(request), [secret, '--pre', 'a[x]>=1 ; os_name=="nt"', 'b==1']);
    assert.deepEqual(body(constraints), []);
  });

  test('the fill gets its constraints in a separate file', async () => {
    const lines = await linesOf('a', 'a<2\nb @ https://h.example/b.zip');
    const { request, constraints } = fillFiles(lines, constraintsFile);
    assert.deepEqual(body(request), [`-c "${constraintsFile}"`, 'a']);
    assert.deepEqual(body(constraints), ['a<2', 'b @ https://h.example/b.zip']);
  });

  test('the fill gets files instead of direct requirements', async () => {
    const lines = await linesOf('-e ./p[x]\na\n./q ; os_name=="nt"');
    const resolved = directRequirements(lines).map(resolvedOf);
    assert.deepEqual(body(fillFiles(lines, constraintsFile, { resolved }).request), [
      'a',
      'local[x] @ file:///s/local.whl',
      'local @ file:///s/local.whl ; os_name=="nt"',
    ]);
    assert.deepEqual(
      body(fillFiles(lines, constraintsFile, { resolved, hashMode: true }).request).at(1),
      `local[x] @ file:///s/local.whl --hash=sha256:${'e'.repeat(64)}`,
    );
  });

  test('the fill offers built wheels', async () => {
    const lines = await linesOf('sd==1.0');
    assert.deepEqual(body(fillFiles(lines, constraintsFile, { offers: [offer] }).request), [
      `--find-links "${offer.url}"`,
      'sd==1.0',
    ]);
  });

  test('the fill offers a pinned built wheel as a constraint, which applies under --no-binary too', async () => {
    const lines = await linesOf('--no-binary sd\nsd==1.0', 'sd<2');
    const pinned = { ...offer, isPin: true };
    const { request, constraints } = fillFiles(lines, constraintsFile, { offers: [pinned] });
    assert.deepEqual(body(request), [`-c "${constraintsFile}"`, '--no-binary sd', 'sd==1.0']);
    assert.deepEqual(body(constraints), ['sd<2', `sd @ ${offer.url}`]);
  });

  test('in hash mode the hash of a built wheel replaces those of its sdist', async () => {
    const lines = await linesOf(
      `SD==1.0 ; os_name=="posix" --hash=${hash('a')} --hash=${hash('b')}\nc==1 --hash=${hash('c')}`,
    );
    assert.deepEqual(
      body(fillFiles(lines, constraintsFile, { offers: [offer], hashMode: true }).request),
      [
        `--find-links "${offer.url}"`,
        `SD==1.0 ; os_name=="posix" --hash=sha256:${offer.sha256}`,
        `c==1 --hash=${hash('c')}`,
      ],
    );
  });

  // pip splits options as a shell does, on Windows too.
  const wordsOf = (line: string | undefined): string[] => {
    const split = 'import json, shlex, sys; print(json.dumps(shlex.split(sys.argv[1])))';
    const words = execFileSync(python, ['-c', split, line ?? ''], { encoding: 'utf8' });
    return JSON.parse(words) as string[];
  };
  for (const file of ['/my work/constraints.txt', 'C:\\a\\_temp\\constraints.txt', "/it's/c.txt"]) {
    test(`the path of ${file} is quoted so that pip finds it`, async () => {
      const { request } = fillFiles(await linesOf('a', 'a<2'), file);
      assert.deepEqual(wordsOf(body(request)[0]), ['-c', file]);
    });
  }

  test('the path of an offer is quoted', async () => {
    const url = "file:///it's/sd-1.0-py3-none-any.whl";
    const { request } = fillFiles(await linesOf('sd'), constraintsFile, {
      offers: [{ ...offer, url }],
    });
    assert.deepEqual(wordsOf(body(request)[0]), ['--find-links', url]);
  });

  test('a line with several options is copied without its secrets', async () => {
    const lines = await linesOf(`--no-index --find-links https://u:\${T}@h.example/simple`);
    const { request } = fillFiles(lines, constraintsFile);
    assert.deepEqual(body(request), [
      '--no-index',
      `--find-links "https://u:\${T}@h.example/simple"`,
    ]);
  });
});

describe('request of the offline resolution', () => {
  test('the offline resolution gets no hashes, no options and no build settings', async () => {
    const lines = await linesOf(
      `--pre\n-i https://h.example\na==1 --hash=${hash('a')}\nb ; os_name=="nt" --config-settings="x=y"`,
      `a<2 --hash=${hash('a')}`,
    );
    const { request, constraints } = closeFiles(lines, [], constraintsFile);
    assert.deepEqual(body(request), [`-c "${constraintsFile}"`, 'a==1', 'b ; os_name=="nt"']);
    assert.deepEqual(body(constraints), ['a<2']);
  });

  test('the offline resolution gets files without hashes instead of direct requirements', async () => {
    const lines = await linesOf(`local[x] @ https://h.example/l.zip --hash=${hash('a')}\na`);
    const resolved = directRequirements(lines).map(resolvedOf);
    assert.deepEqual(body(closeFiles(lines, resolved, constraintsFile).request), [
      'a',
      'local[x] @ file:///s/local.whl',
    ]);
  });

  test('the offline resolution gets no requirement twice', async () => {
    const lines = await linesOf('', 'a<2\np @ https://h.example/p.zip');
    const { request, constraints } = closeFiles(lines, [], constraintsFile);
    assert.deepEqual(body(request), [`-c "${constraintsFile}"`]);
    assert.deepEqual(body(constraints), ['a<2']);
  });
});

describe('places in the output of pip', () => {
  test("the place in a generated file becomes the place in the user's file", async () => {
    const lines = await linesOf('\na\nb==1', 'a<2');
    const { request, constraints } = fillFiles(lines, constraintsFile, { offers: [offer] });
    const files = new Map([
      ['/s/request.txt', request],
      [constraintsFile, constraints],
    ]);
    const requestLine = (text: string): number => request.text.split('\n').indexOf(text) + 1;
    assert.equal(
      withUserSources(
        [
          `Collecting a (from -r /s/request.txt (line ${requestLine('a')}))`,
          `Collecting b==1 (from -r /s/request.txt (line ${requestLine('b==1')}))`,
          `a<2 (from -c ${constraintsFile} (line 2))`,
          `Invalid requirement: 'b' (from line ${requestLine('b==1')} of /s/request.txt)`,
          '-r /other/request.txt (line 2)',
        ].join('\n'),
        files,
      ),
      [
        'Collecting a (from r.txt (line 2))',
        'Collecting b==1 (from r.txt (line 3))',
        'a<2 (from c.txt (line 1))',
        "Invalid requirement: 'b' (from r.txt (line 3))",
        '-r /other/request.txt (line 2)',
      ].join('\n'),
    );
  });

  test('the file of a stub becomes the name of its project', () => {
    const stub = '/t/staged-1/0/my_app-1.0-0wheelhouse-py3-none-any.whl';
    const file = plainFile(['x'], { file: 'input project', line: undefined });
    assert.equal(
      withUserSources(
        [
          `Processing ${stub} (from -r /s/x.txt (line 2))`,
          'Processing C:\\my t\\my_app-1.0-0wheelhouse-py3-none-any.whl (from x)',
          `Collecting b (from my-app[test]@ file://${stub}->-r /s/x.txt (line 2))`,
          `Collecting c (from b->my-app @ file://${stub}->-r /s/x.txt (line 2))`,
          `ERROR: Cannot install my-app 1.0 (from ${stub}) because`,
        ].join('\n'),
        new Map([['/s/x.txt', file]]),
      ),
      [
        'Processing my_app 1.0 (from input project)',
        'Processing my_app 1.0 (from x)',
        'Collecting b (from my-app[test]->input project)',
        'Collecting c (from b->my-app->input project)',
        'ERROR: Cannot install my-app 1.0 because',
      ].join('\n'),
    );
  });

  test('a line of an input has no line number', () => {
    const file = plainFile(['a'], { file: 'input packages', line: undefined });
    assert.equal(
      withUserSources('-r /s/x.txt (line 2), -r /s/x.txt (line 99)', new Map([['/s/x.txt', file]])),
      'input packages, wheelhouse',
    );
  });
});

test('a plain file has only the given lines', () => {
  assert.deepEqual(body(plainFile(['setuptools>=40', 'wheel'])), ['setuptools>=40', 'wheel']);
  assert.deepEqual(body(plainFile([])), []);
});
