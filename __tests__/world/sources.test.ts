import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { loadRequest } from '../../src/inputs.ts';
import { UserError } from '../../src/logic/errors.ts';
import type { Request } from '../../src/logic/model.ts';
import { decode } from '../../src/world/decode.ts';
import { sourcesAdapter } from '../../src/world/sources.ts';

const sources = sourcesAdapter();
let scratch: string;
let workspace: string;

beforeEach(() => {
  scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'sources-')));
  workspace = path.join(scratch, 'workspace');
  mkdirSync(workspace);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function write(name: string, content: string | Buffer = 'a\n'): string {
  const file = path.resolve(workspace, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

function request(change: Partial<Request> = {}): Request {
  const { request } = loadRequest(() => '', {
    workspace,
    directory: workspace,
    temporary: scratch,
    environment: {},
    event: undefined,
  });
  return { ...request, ...change };
}

const found = async (change: Partial<Request>): Promise<string[]> =>
  (await sources.find(request(change))).requirements.map((file) => file.shown);

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return error.message;
  }
  return assert.fail('it was accepted');
}

describe('decoding a requirement file', () => {
  const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
  const table: readonly [string, Buffer, string][] = [
    ['an empty file', Buffer.alloc(0), ''],
    ['UTF-8', Buffer.from('ä\n🐍\n'), 'ä\n🐍\n'],
    ['UTF-8 with a byte-order mark', Buffer.from('\uFEFFä\n'), 'ä\n'],
    ['UTF-16, little-endian', Buffer.from('\uFEFFä\r\n', 'utf16le'), 'ä\r\n'],
    ['UTF-16, big-endian', utf16be('\uFEFFä\r\n'), 'ä\r\n'],
    [
      'Latin-1 with a coding comment',
      Buffer.from('# coding: latin1\n# ä\n', 'latin1'),
      '# coding: latin1\n# ä\n',
    ],
    // Python knows names that the encoding standard of the web does not; this is PEP 263's own example.
    [
      'Latin-1, as PEP 263 spells it',
      Buffer.from('# -*- coding: latin-1 -*-\n# ä\n', 'latin1'),
      '# -*- coding: latin-1 -*-\n# ä\n',
    ],
    [
      'Latin-1, as Python spells it',
      Buffer.from('# coding: iso-8859-1\n# ä\n', 'latin1'),
      '# coding: iso-8859-1\n# ä\n',
    ],
    ['UTF-8, as Python spells it', Buffer.from('# coding: utf_8\n# ä\n'), '# coding: utf_8\n# ä\n'],
    [
      'a coding comment in the second line',
      Buffer.from('\n# vim: set fileencoding=cp1252 :\n# \xE4\x80', 'latin1'),
      '\n# vim: set fileencoding=cp1252 :\n# ä€',
    ],
    [
      'a coding comment in the third line is ignored',
      Buffer.from('\n\n# coding: latin1\nä\n'),
      '\n\n# coding: latin1\nä\n',
    ],
    // pip looks at lines that begin with # only.
    [
      'an indented coding comment is ignored',
      Buffer.from('  # coding: latin1\nä\n'),
      '  # coding: latin1\nä\n',
    ],
    [
      'a coding comment after a requirement is ignored',
      Buffer.from('a # coding: latin1\nä\n'),
      'a # coding: latin1\nä\n',
    ],
    [
      'a byte-order mark wins over a coding comment',
      Buffer.from('\uFEFF# coding: latin1\nä'),
      '# coding: latin1\nä',
    ],
  ];
  for (const [description, content, expected] of table) {
    test(description, () => assert.equal(decode(content), expected));
  }

  for (const [description, content, message] of [
    [
      'invalid UTF-8',
      Buffer.from('a\nb\n\xFF\nc\n', 'latin1'),
      'line 3 is not valid UTF-8; save the file as UTF-8',
    ],
    [
      'invalid UTF-8 in the last line',
      Buffer.from('a\n\xE4', 'latin1'),
      'line 2 is not valid UTF-8; save the file as UTF-8',
    ],
    [
      'Latin-1 without a coding comment',
      Buffer.from('# f\xFCr\n', 'latin1'),
      'line 1 is not valid UTF-8; save the file as UTF-8',
    ],
    [
      'an unknown encoding',
      Buffer.from('# coding: klingon\n'),
      'line 1 is not valid klingon; save the file as UTF-8',
    ],
    [
      'a NUL character',
      Buffer.from('a\nb\0c\n'),
      'line 2 contains a NUL character; save the file as UTF-8 text',
    ],
    [
      'UTF-16 without a byte-order mark',
      Buffer.from('a\n', 'utf16le'),
      'line 1 contains a NUL character; save the file as UTF-8 text',
    ],
  ] as const) {
    test(`refused: ${description}`, () => {
      assert.throws(() => decode(content), { message });
    });
  }

  test('refused: a truncated character of UTF-16', () => {
    assert.throws(() => decode(Buffer.from([0xff, 0xfe, 0x61])), /is not valid utf-16le/);
  });
});

describe('reading a location', () => {
  test('returns the text of a file, whatever its name', async () => {
    assert.equal(await sources.read(write('ü "q" $(x).txt', 'ä')), 'ä');
  });

  test('says that a missing file does not exist', async () => {
    await assert.rejects(sources.read(path.join(workspace, 'no')), {
      message: 'it does not exist',
    });
  });

  test('says that a directory is one', async () => {
    await assert.rejects(sources.read(workspace), /^Error: it is a directory$/);
  });

  test('returns the text behind a URL, and errors without its credentials', async () => {
    const server = createServer((incoming, response) => {
      if (incoming.url?.startsWith('/r.txt')) response.end('\uFEFFä\n');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      assert.equal(await sources.read(`http://127.0.0.1:${port}/r.txt?token=x`), 'ä\n');
      await assert.rejects(sources.read(`http://u:s3cret@127.0.0.1:${port}/no`), (error: Error) => {
        assert.match(error.message, /the server answers 404/);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      });
    } finally {
      server.close();
    }
  });
});

describe('reading a file of the checkout', () => {
  test('returns its text', async () => {
    assert.equal(await sources.readInside(request(), write('sub/pyproject.toml', 'a')), 'a');
  });

  test('refuses a file outside the workspace, by path or through a link', async () => {
    const outside = path.join(scratch, 'pyproject.toml');
    writeFileSync(outside, 'a');
    symlinkSync(outside, path.join(workspace, 'link.toml'));
    symlinkSync(scratch, path.join(workspace, 'up'));
    for (const file of [outside, ...['link.toml', 'up/pyproject.toml', '../pyproject.toml']]) {
      await assert.rejects(sources.readInside(request(), path.resolve(workspace, file)), {
        message: 'it leads outside the workspace, and only files of the checkout can be used',
      });
    }
  });

  test('says that a missing file does not exist', async () => {
    await assert.rejects(sources.readInside(request(), path.join(workspace, 'no')), {
      message: 'it does not exist',
    });
  });
});

describe('finding the files of the inputs', () => {
  test('accepts names and globs, and lists each file once, sorted', async () => {
    for (const name of ['requirements.txt', 'b/r.txt', 'a/r.txt', 'a/r.in', 'c/d/r.txt'])
      write(name);
    assert.deepEqual(await found({ requirements: ['requirements.txt'] }), ['requirements.txt']);
    assert.deepEqual(await found({ requirements: ['*/r.txt', 'a/r.txt', './b/../a/r.txt'] }), [
      'a/r.txt',
      'b/r.txt',
    ]);
    assert.deepEqual(await found({ requirements: ['**/r.txt'] }), [
      'a/r.txt',
      'b/r.txt',
      'c/d/r.txt',
    ]);
    assert.deepEqual(await found({ requirements: ['a/r.[ti]?t', 'a/r.?n'] }), [
      'a/r.in',
      'a/r.txt',
    ]);
  });

  test('starts from the working directory, and may leave it', async () => {
    write('sub/r.txt');
    write('other/r.txt');
    const at = (requirements: string[]): Promise<string[]> =>
      found({ requirements, workingDirectory: path.join(workspace, 'sub') });
    assert.deepEqual(await at(['r.txt', '../other/r.txt']), ['other/r.txt', 'sub/r.txt']);
    assert.deepEqual(await at(['../*/r.txt']), ['other/r.txt', 'sub/r.txt']);
  });

  test('accepts an absolute name inside the workspace', async () => {
    assert.deepEqual(await found({ requirements: [write('sub/r.txt')] }), ['sub/r.txt']);
  });

  test('accepts an absolute glob inside the workspace', async () => {
    write('sub/r.txt');
    assert.deepEqual(await found({ requirements: [path.join(workspace, '*/r.txt')] }), [
      'sub/r.txt',
    ]);
  });

  for (const name of [
    'a b.txt',
    "it's.txt",
    'ü🐍.txt',
    '$(id).txt',
    '`id`;x.txt',
    '::error::x.txt',
    '[dev].txt',
    'a*b.txt',
    '#r.txt',
    '~r.txt',
    '!r.txt',
    `${'x'.repeat(250)}.txt`,
  ]) {
    test(`accepts a file named ${name.slice(0, 20)}`, async () => {
      write(name);
      assert.deepEqual(await found({ requirements: [name] }), [name]);
    });
  }

  test('works in a checkout whose own path contains wildcards', async () => {
    const odd = path.join(scratch, 'w [x] * ü');
    mkdirSync(path.join(odd, 'sub'), { recursive: true });
    writeFileSync(path.join(odd, 'sub/r.txt'), 'a');
    assert.deepEqual(
      await found({ workspace: odd, workingDirectory: odd, requirements: ['*/r.txt'] }),
      ['sub/r.txt'],
    );
  });

  test('follows a link inside the workspace', async () => {
    write('real/r.txt');
    symlinkSync('real', path.join(workspace, 'link'));
    assert.deepEqual(await found({ requirements: ['link/r.txt'] }), ['link/r.txt']);
  });

  test('finishes in spite of a symbolic-link loop', { timeout: 20_000 }, async () => {
    write('a/r.txt');
    symlinkSync('..', path.join(workspace, 'a/up'));
    assert.ok((await found({ requirements: ['**/r.txt'] })).includes('a/r.txt'));
  });

  test('finds constraints and cache-dependency-path the same way', async () => {
    write('requirements.txt');
    write('c.txt');
    write('x.toml', 'a\n');
    const all = await sources.find(
      request({ constraints: ['c.*'], cacheDependencyPath: ['x.toml'] }),
    );
    assert.deepEqual(all.constraints, [
      { location: path.join(workspace, 'c.txt'), shown: 'c.txt' },
    ]);
    assert.deepEqual(
      all.extra.map((file) => file.path),
      ['x.toml'],
    );
  });

  test("a dependency file's digest ignores line endings and the byte-order mark", async () => {
    write('requirements.txt');
    const digest = async (content: string | Buffer): Promise<string | undefined> => {
      write('x', content);
      return (await sources.find(request({ cacheDependencyPath: ['x'] }))).extra[0]?.digest;
    };
    const plain = await digest('a\nb\n');
    assert.match(plain ?? '', /^[0-9a-f]{64}$/);
    assert.equal(await digest('\uFEFFa\r\nb\r\n'), plain);
    assert.notEqual(await digest('a\nc\n'), plain);
    assert.notEqual(await digest('a\nb'), plain);
    assert.notEqual(await digest(Buffer.from('\0a\r\n')), await digest(Buffer.from('\0a\n')));
  });

  const outside = (what: string): string =>
    `${what} leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.`;
  for (const pattern of [
    '../r.txt',
    '../*.txt',
    'a/../../r.txt',
    '/etc/hosts',
    '/etc/*',
    '../workspace2/r.txt',
  ]) {
    test(`refused: ${pattern}`, async () => {
      writeFileSync(path.join(scratch, 'r.txt'), 'a');
      mkdirSync(path.join(scratch, 'workspace2'));
      writeFileSync(path.join(scratch, 'workspace2/r.txt'), 'a');
      assert.equal(await refusal(found({ requirements: [pattern] })), outside(`"${pattern}"`));
    });
  }

  test('refused: a link that leads out of the workspace', async () => {
    writeFileSync(path.join(scratch, 'secret.txt'), 'a');
    symlinkSync('../secret.txt', path.join(workspace, 'r.txt'));
    mkdirSync(path.join(scratch, 'out'));
    writeFileSync(path.join(scratch, 'out/s.txt'), 'a');
    symlinkSync('../out', path.join(workspace, 'dir'));
    for (const pattern of ['r.txt', 'dir/s.txt', '*.txt', 'dir/*']) {
      assert.equal(
        await refusal(found({ requirements: [pattern] })),
        outside(`"${pattern}" of the input requirements`),
      );
    }
  });

  for (const pattern of ['no.txt', 'no/*.txt', 'sub', 'su*', 'broken.txt', 'loop/x']) {
    test(`refused: ${pattern} matches no file`, async () => {
      mkdirSync(path.join(workspace, 'sub'));
      symlinkSync('nowhere', path.join(workspace, 'broken.txt'));
      symlinkSync('loop', path.join(workspace, 'loop'));
      assert.equal(
        await refusal(found({ requirements: [pattern] })),
        `No file matches "${pattern}" of the input requirements in the working directory. Correct the input, or set working-directory to the folder that contains it.`,
      );
    });
  }

  test('refused: a pattern without matches in a subdirectory, which the message names', async () => {
    mkdirSync(path.join(workspace, 'sub'));
    assert.equal(
      await refusal(
        found({ workingDirectory: path.join(workspace, 'sub'), requirements: ['some.txt'] }),
      ),
      'No file matches "some.txt" of the input requirements in sub. Correct the input, or set working-directory to the folder that contains it.',
    );
  });

  test('refused: a working directory that does not exist', async () => {
    for (const name of ['no', 'file']) {
      write('file');
      const workingDirectory = path.join(workspace, name);
      assert.equal(
        await refusal(sources.check(request({ workingDirectory }))),
        `The working-directory ${workingDirectory} does not exist. Check the input, and that actions/checkout ran before this step.`,
      );
    }
  });
});

describe('reading a local project', () => {
  const project = (name: string): ReturnType<typeof sources.project> =>
    sources.project(path.join(workspace, name), `./${name}`);

  test('hashes only the files that decide its dependencies', async () => {
    write('p/pyproject.toml', '[build-system]\nrequires = ["x"]\n');
    const one = await project('p');
    assert.deepEqual(one, {
      ...one,
      path: path.join(workspace, 'p'),
      shown: './p',
      buildRequires: ['x'],
    });
    write('p/module.py', 'more');
    assert.deepEqual(await project('p'), one);
    write('p/setup.py', 'more');
    assert.notEqual((await project('p')).digest, one.digest);
  });

  test('hashes an archive as a whole', async () => {
    write('a.whl', 'abc');
    const { digest, buildRequires } = await project('a.whl');
    assert.equal(digest, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.deepEqual(buildRequires, []);
  });

  test('refuses a path that is missing, not a project, or unreadable', async () => {
    mkdirSync(path.join(workspace, 'empty'));
    write('bad/pyproject.toml', Buffer.from('a = "\xFF"', 'latin1'));
    write('dir/pyproject.toml/x');
    write('dir/setup.py');
    for (const [name, message] of [
      ['no', './no does not exist.'],
      ['empty', './empty is not a Python project: it has neither pyproject.toml nor setup.py.'],
      [
        'bad',
        "bad/pyproject.toml can't be read: line 1 is not valid UTF-8; save the file as UTF-8.",
      ],
    ] as const) {
      assert.equal(await refusal(project(name)), message);
    }
    assert.match(await refusal(project('dir')), /^dir\/pyproject\.toml can't be read: /);
  });
});
