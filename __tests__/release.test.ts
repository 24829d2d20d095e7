/** Runs the checks of release.yml unchanged, with a stand-in for gh. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, test } from 'node:test';

import { canBeAccount, filesWithPlaceholder, placeholder, putIn } from '../scripts/owner.mjs';
import { root } from '../scripts/tools.mjs';
import { type Mapping, parseYaml } from './support/yaml.ts';

const place = mkdtempSync(join(tmpdir(), 'release-'));
after(() => rmSync(place, { recursive: true, force: true }));

/** The script of a step of release.yml. */
function scriptOf(step: string): string {
  const text = readFileSync(join(root, '.github', 'workflows', 'release.yml'), 'utf8');
  const jobs = Object.values(parseYaml(text)['jobs'] as Record<string, { steps: Mapping[] }>);
  const script = jobs.flatMap(({ steps }) => steps).find(({ name }) => name === step)?.['run'];
  assert.ok(typeof script === 'string', step);
  return script;
}

/** What GitHub has; `gh` answers from it through the real jq. */
interface Github {
  readonly tags: Readonly<Record<string, string>>;
  readonly draft?: string;
  /** The commit that the tag is at once the release is published. */
  readonly published?: string;
}

const approved = 'a'.repeat(40);
const foreign = 'b'.repeat(40);

function run(step: string, { tags, draft = '', published = approved }: Github) {
  const refs = Object.entries(tags).map(([tag, sha]) => ({
    ref: `refs/tags/${tag}`,
    object: { sha },
  }));
  const json = (value: unknown): string => `'${JSON.stringify(value)}'`;
  const release = { isDraft: draft !== '', targetCommitish: draft };
  const gh = [
    '#!/usr/bin/env bash',
    'set -euo pipefail',
    `echo "$*" >> "${place}/calls"`,
    'case "$*" in "release edit "*) exit 0 ;; esac',
    'for word; do filter=$word; done',
    'case "$*" in',
    `  *git/matching-refs*) echo ${json(refs)} ;;`,
    `  *commits/tags/v1.2.3*) echo ${json({ sha: published })} ;;`,
    `  "release view"*) echo ${json(release)} ;;`,
    '  *) exit 1 ;;',
    'esac | jq --raw-output "$filter"',
  ].join('\n');
  writeFileSync(join(place, 'gh'), `${gh}\n`);
  writeFileSync(join(place, 'calls'), '');
  chmodSync(join(place, 'gh'), 0o755);
  const { status, stdout } = spawnSync(
    'bash',
    ['--noprofile', '--norc', '-eo', 'pipefail', '-c', scriptOf(step)],
    {
      encoding: 'utf8',
      env: {
        PATH: [place, process.env['PATH']].join(delimiter),
        GH_REPO: 'acme/wheelhouse',
        GITHUB_SHA: approved,
        TAG: 'v1.2.3',
      },
    },
  );
  return { status, stdout, calls: readFileSync(join(place, 'calls'), 'utf8') };
}

const skip = spawnSync('jq', ['--version']).error ? 'jq is not installed' : false;

describe('release.yml', { skip }, () => {
  const noTag = 'Check that the tag does not exist yet';
  const publish = 'Publish what was approved';
  /** `matching-refs` also has what begins so. */
  const others = { 'v1.2.3-rc.1': foreign, 'v1.2.30': foreign };

  test('a draft is created when no tag of that name exists', () => {
    assert.equal(run(noTag, { tags: others }).status, 0);
  });

  test('a draft is not created when somebody has pushed the tag', () => {
    const { status, stdout } = run(noTag, { tags: { ...others, 'v1.2.3': foreign } });
    assert.notEqual(status, 0);
    assert.match(stdout, /^::error::The tag v1\.2\.3 already exists/m);
  });

  test('the approved draft is published', () => {
    const { status, calls } = run(publish, { tags: others, draft: approved });
    assert.equal(status, 0);
    assert.match(calls, /^release edit v1\.2\.3 --draft=false$/m);
  });

  test('nothing is published when the tag was pushed after the draft was created', () => {
    const { status, stdout, calls } = run(publish, {
      tags: { 'v1.2.3': foreign },
      draft: approved,
    });
    assert.notEqual(status, 0);
    assert.match(stdout, /^::error::Someone else created the tag v1\.2\.3 after the draft/m);
    assert.doesNotMatch(calls, /release edit/);
  });

  test('a draft for another commit is not published', () => {
    const { status, calls } = run(publish, { tags: {}, draft: foreign });
    assert.notEqual(status, 0);
    assert.doesNotMatch(calls, /release edit/);
  });

  test('a tag that appears at another commit while the release is published is an error', () => {
    const { status, stdout } = run(publish, { tags: {}, draft: approved, published: foreign });
    assert.notEqual(status, 0);
    assert.match(stdout, new RegExp(`^::error::v1\\.2\\.3 was published for ${foreign}`, 'm'));
  });
});

describe('the account in the name of the action', () => {
  test('cannot be registered while it is the placeholder', () => {
    assert.equal(canBeAccount(placeholder), false);
    for (const name of ['OWNER', 'acme', 'a', 'a-b-c', '4711']) assert.ok(canBeAccount(name), name);
    for (const name of ['', '-a', 'a-', 'a--b', 'a_b', 'a/b', 'a'.repeat(40)]) {
      assert.equal(canBeAccount(name), false, name);
    }
  });

  test('is the placeholder or one account, never a name that anybody could register', () => {
    const lines = execFileSync(
      'git',
      [
        'grep',
        '-hE',
        '(uses:|github\\.com/|github:|name:) ?[^ ]*/wheelhouse',
        '--',
        '.',
        ':!dist',
        ':(exclude)__tests__/release.test.ts',
      ],
      { cwd: root, encoding: 'utf8' },
    );
    const owners = [...lines.matchAll(/([\w-]+)\/wheelhouse(?=[@/.#]|$)/gm)].map(
      ([, name]) => name,
    );
    assert.ok(owners.length > 10);
    assert.ok(!owners.includes('OWNER'), lines);
    assert.equal(new Set(owners).size, 1, [...new Set(owners)].join());
  });

  test('replaces the placeholder in every committed file', () => {
    const copy = mkdtempSync(join(place, 'copy-'));
    const git = (...args: string[]) => execFileSync('git', args, { cwd: copy, stdio: 'pipe' });
    const line = `- uses: ${placeholder}/wheelhouse@v1\n`;
    writeFileSync(join(copy, 'a file.md'), line + line);
    writeFileSync(join(copy, 'other.md'), 'nothing\n');
    git('init', '-q');
    git('add', '.');
    assert.deepEqual(filesWithPlaceholder(copy), ['a file.md']);
    putIn('acme', copy);
    assert.equal(
      readFileSync(join(copy, 'a file.md'), 'utf8'),
      '- uses: acme/wheelhouse@v1\n- uses: acme/wheelhouse@v1\n',
    );
    assert.deepEqual(filesWithPlaceholder(copy), []);
  });

  test('must replace the placeholder before a release', () => {
    const check = spawnSync(process.execPath, [join(root, 'scripts', 'owner.mjs'), '--check'], {
      encoding: 'utf8',
    });
    const isThere = filesWithPlaceholder().length > 0;
    assert.equal(check.status, isThere ? 1 : 0);
    if (isThere) assert.match(check.stderr, /README\.md.*npm run owner NAME/);
  });
});
