/** A lock in the standard format installs exactly what it lists, whoever offers the files. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { uvCommand } from '../../scripts/tools.mjs';
import { startIndex } from '../support/index-server.ts';
import {
  type Distribution,
  projectDirectory,
  sdist,
  tinybuildWheel,
  wheel,
} from '../support/packages.ts';
import { type RunOptions, startScenario } from '../support/scenario.ts';

const one = wheel({ name: 'one', version: '1.0', requires: ['three'] });
const oneNext = wheel({ name: 'one', version: '2.0' });
const two = wheel({ name: 'two', version: '1.0', requires: ['nowhere'] });
const three = wheel({ name: 'three', version: '1.0' });
const source = sdist({ name: 'source', version: '1.0', backend: 'tinybuild' });
// No index page lists it.
const vendored = wheel({ name: 'vendored', version: '1.0' });
const { index, cache, run } = await startScenario({
  distributions: [one, oneNext, two, three, source, tinybuildWheel()],
});
// An index that lacks everything.
const empty = await startIndex({ distributions: [] });
after(() => empty.close());
beforeEach(() => cache.reset());

const url = (file: Distribution): string => new URL(`/files/${file.filename}`, index.url).href;

/** The table of a package. */
function locked(file: Distribution, { address = url(file), sha256 = file.sha256, more = '' } = {}) {
  const { project: name, version, kind } = file;
  const entry = `{ url = "${address}", hashes = { sha256 = "${sha256}" } }`;
  const files = kind === 'sdist' ? `sdist = ${entry}` : `wheels = [${entry}]`;
  return `[[packages]]\nname = "${name}"\nversion = "${version}"\n${files}\n${more}\n`;
}

function lock(packages: readonly string[], head = ''): Record<string, string> {
  return {
    'pylock.toml': `lock-version = "1.0"\ncreated-by = "a test"\n${head}\n${packages.join('\n')}`,
  };
}

interface Case extends RunOptions {
  readonly what: string;
  readonly installs: readonly string[];
}

const cases: Case[] = [
  {
    what: 'a lock and no inputs, without dependencies that it does not list',
    files: lock([locked(two), locked(source)]),
    installs: ['source==1.0', 'two==1.0'],
  },
  {
    what: 'a lock beside a project',
    files: lock([locked(one)]),
    before: (job) => {
      projectDirectory(job.workspace, { name: 'app', version: '0.1', requires: ['one', 'three'] });
    },
    installs: ['app==0.1', 'one==1.0'],
  },
  {
    what: 'a lock that lists its project itself, beside the project',
    files: lock([
      locked(one),
      '[[packages]]\nname = "app"\ndirectory = { path = ".", editable = true }\n',
    ]),
    before: (job) => void projectDirectory(job.workspace, { name: 'app', version: '0.1' }),
    installs: ['app==0.1', 'one==1.0'],
  },
  {
    what: 'versions for several Pythons',
    files: lock([
      locked(one, { more: `marker = "python_version >= '3.8'"` }),
      locked(oneNext, { more: `marker = "python_version < '3.8'"` }),
    ]),
    installs: ['one==1.0'],
  },
  {
    what: 'extras and groups',
    files: lock(
      [
        locked(one, { more: `marker = "'cli' in extras"` }),
        locked(two, { more: `marker = "'docs' in dependency_groups"` }),
        locked(three, { more: `marker = "'test' in dependency_groups"` }),
      ],
      'extras = ["cli"]\ndependency-groups = ["docs", "test"]\ndefault-groups = ["test"]',
    ),
    with: { requirements: 'pylock.toml', extras: 'cli', groups: 'docs' },
    installs: ['one==1.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'a wheel in the checkout that no index offers',
    files: {
      ...lock([
        `[[packages]]\nname = "vendored"\nversion = "1.0"\nwheels = [{ path = "wheels/${vendored.filename}", hashes = { sha256 = "${vendored.sha256}" } }]\n`,
      ]),
      [`wheels/${vendored.filename}`]: vendored.content,
    },
    installs: ['vendored==1.0'],
  },
  {
    what: 'a file that the configured index lacks, at the address in the lock',
    files: lock([locked(one)]),
    with: { 'index-url': empty.url },
    installs: ['one==1.0'],
  },
  {
    what: 'the configured index instead of an address that does not answer',
    files: lock([locked(one, { address: `http://127.0.0.1:9/${one.filename}` })]),
    installs: ['one==1.0'],
  },
];

describe('a lock installs the same on a first and a second run, the second without requests:', () => {
  for (const { what, installs, ...options } of cases) {
    test(what, async () => {
      const cold = await run(options);
      assert.equal(cold.main.conclusion, 'success', cold.main.log);
      assert.deepEqual(cold.installed, installs, cold.main.log);
      assert.deepEqual(cold.main.annotations, []);
      const warm = await run(options);
      assert.deepEqual(warm.installed, installs, warm.main.log);
      assert.equal(warm.main.outputs['cache-hit'], 'true', warm.main.log);
      assert.equal(warm.requests, 0, warm.main.log);
    });
  }
});

test('the newest pip and uv have nothing to do in an environment that a lock was installed into', async () => {
  const { main } = await run({
    files: lock([locked(one), locked(three), locked(source)]),
    between: async (job, _main, python) => {
      const options = {
        cwd: job.workspace,
        env: { PATH: process.env['PATH'] ?? '', HOME: job.root },
      };
      const dryRun = ['install', '--dry-run', '-r', 'pylock.toml'];
      const pip = await promisify(execFile)(
        python,
        ['-m', 'pip', '--isolated', '--disable-pip-version-check', ...dryRun, '--no-index'],
        options,
      );
      assert.doesNotMatch(pip.stdout, /Would install/);
      assert.match(pip.stdout, /Requirement already satisfied: source/);
      const uv = await promisify(execFile)(
        uvCommand(),
        ['pip', ...dryRun, '--no-config', '--no-cache', '--preview', '--python', python],
        options,
      );
      assert.match(uv.stderr, /Would make no changes/);
    },
  });
  assert.equal(main.conclusion, 'success', main.log);
});

test('a bumped package of a lock downloads exactly one file', async () => {
  await run({ files: lock([locked(one), locked(three)]) });
  const bumped = await run({ files: lock([locked(oneNext), locked(three)]) });
  assert.deepEqual(bumped.installed, ['one==2.0', 'three==1.0'], bumped.main.log);
  assert.deepEqual(bumped.artifacts, [oneNext.filename]);
});

describe('exactly one error, and nothing is installed, for a lock', () => {
  const table: readonly [string, RunOptions, RegExp][] = [
    [
      'with another hash than the file has',
      { files: lock([locked(one, { sha256: 'a'.repeat(64) })]) },
      /THESE PACKAGES DO NOT MATCH THE HASHES/,
    ],
    [
      'beside a requirement file',
      {
        files: { ...lock([locked(one)]), 'dev.txt': 'three\n' },
        with: { requirements: 'pylock.toml\ndev.txt' },
      },
      /^pylock\.toml lists everything that is installed, so "dev\.txt" can't be added\. Lock it too, or install it in another step\.$/,
    ],
    [
      'beside a package',
      { files: lock([locked(one)]), with: { requirements: 'pylock.toml', packages: 'three' } },
      /so "three" can't be added/,
    ],
    [
      'for other Pythons',
      { files: lock([locked(one)], 'requires-python = "<3"') },
      /^pylock\.toml is not for Python 3\.\S+ on linux \S+: it requires python_full_version < "3"\. Lock again for this environment, or use another Python\.$/,
    ],
    [
      'for other environments',
      { files: lock([locked(one)], `environments = ["sys_platform == 'win32'"]`) },
      /is not for Python .*: its environments are sys_platform == "win32"/,
    ],
    [
      'of a package for other Pythons',
      { files: lock([locked(one, { more: 'requires-python = ">=4"' })]) },
      /packages\[0\] \(one\) requires python_full_version >= "4"/,
    ],
    [
      'with two packages of one project for the same environment',
      { files: lock([locked(one), locked(oneNext, { more: `marker = "os_name != 'x'"` })]) },
      /packages\[0\] \(one\) and packages\[1\] \(one\) both apply\. Lock again/,
    ],
    [
      'with an extra that it lacks',
      { files: lock([locked(one)]), with: { requirements: 'pylock.toml', extras: 'cli' } },
      /pylock\.toml .*"cli"/,
    ],
    [
      'with a directory outside the workspace',
      {
        files: lock(['[[packages]]\nname = "app"\ndirectory = { path = "../app" }\n']),
      },
      /"\.\.\/app" leads outside the workspace/,
    ],
  ];
  for (const [what, options, message] of table) {
    test(what, async () => {
      const { main, installed } = await run({ noPost: true, ...options });
      assert.equal(main.conclusion, 'failure', main.log);
      assert.deepEqual(installed, []);
      const errors = main.annotations.filter(({ level }) => level === 'error');
      assert.equal(errors.length, 1, main.log);
      assert.match(String(errors[0]?.message), message);
    });
  }
});

test('extras without a project or a lock are an error', async () => {
  const { main } = await run({
    files: { 'requirements.txt': 'one\n' },
    with: { requirements: 'requirements.txt', extras: 'cli' },
  });
  assert.match(
    main.annotations.map(({ message }) => message).join(),
    /^The input extras is set, but requirement files have no extras\./,
  );
});

test('a lock gives pip no credentials for addresses on other hosts', async () => {
  const { main } = await run({
    files: lock([locked(one, { address: url(one).replace('127.0.0.1', 'localhost') })]),
    with: {
      'index-url': empty.url,
      'index-username': 'ci',
      'index-password': 's3cret-token',
    },
  });
  assert.equal(main.conclusion, 'success', main.log);
  const sent = index.log.filter(({ path }) => path.includes(one.filename));
  assert.ok(sent.length > 0);
  assert.doesNotMatch(JSON.stringify(sent), /authorization/i);
});
