/** What an environment has already counts as it does for pip: each case beside plain pip. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import { promisify } from 'node:util';

import { pipVersions } from '../../scripts/tools.mjs';
import { sdist, wheel } from '../support/packages.ts';
import { freshPython, installed } from '../support/python.ts';
import { type JobResult, type RunOptions, startScenario } from '../support/scenario.ts';

const app = wheel({ name: 'app', version: '1.0', requires: ['base>=1'] });
const built = sdist({ name: 'built', version: '1.0', requires: ['base>=1'] });
const distributions = [
  app,
  built,
  wheel({ name: 'base', version: '0.5' }),
  wheel({ name: 'base', version: '1.0' }),
  wheel({ name: 'base', version: '2.0' }),
  wheel({ name: 'base', version: '3.0', requires: ['helper'] }),
  wheel({ name: 'helper', version: '1.0' }),
];
const { index, cache, run } = await startScenario({ distributions });
beforeEach(() => cache.reset());

const hashed = `app==1.0 --hash=sha256:${app.sha256}\n`;

/** Not in a way that keeps the index from answering: it runs in this process. */
async function pipInstall(
  python: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<void> {
  const flags = ['--no-input', '--disable-pip-version-check', '-q', '--index-url', index.url];
  await promisify(execFile)(python, ['-m', 'pip', 'install', ...flags, ...args], {
    env: { PATH: process.env['PATH'] ?? '', PIP_CONFIG_FILE: '/dev/null', ...env },
  });
}

/** Runs the action and plain pip in two environments that have the same packages installed. */
async function beside(
  options: RunOptions & { readonly has: string[]; readonly text: string },
): Promise<{ readonly job: JobResult; readonly plain: string[] }> {
  let plain: string[] = [];
  const { has, text, ...rest } = options;
  const job = await run({
    ...rest,
    files: { 'requirements.txt': text },
    before: async ({ root, workspace }, python) => {
      const other = freshPython(join(root, 'plain'), rest.pip);
      const first = ['--no-deps', ...has];
      for (const each of has.length > 0 ? [python, other] : []) await pipInstall(each, first);
      await pipInstall(other, ['-r', join(workspace, 'requirements.txt')], rest.env);
      plain = installed(other);
    },
  });
  return { job, plain };
}

const cases: readonly {
  readonly what: string;
  readonly has: string[];
  readonly text: string;
  readonly env?: Record<string, string>;
  readonly expected: string[];
}[] = [
  {
    what: 'a dependency that satisfies stays, and nothing comes for the one that it is not replaced by',
    has: ['base==1.0'],
    text: 'app\n',
    expected: ['app==1.0', 'base==1.0'],
  },
  {
    what: 'a requirement without a version that is installed stays',
    has: ['base==2.0'],
    text: 'base\napp\n',
    expected: ['app==1.0', 'base==2.0'],
  },
  {
    what: 'a dependency that is too old is replaced',
    has: ['base==0.5'],
    text: 'app\n',
    expected: ['app==1.0', 'base==3.0', 'helper==1.0'],
  },
  {
    what: 'a pin replaces another version',
    has: ['base==1.0'],
    text: 'app\nbase==2.0\n',
    expected: ['app==1.0', 'base==2.0'],
  },
  {
    what: 'PIP_UPGRADE replaces what is required by name',
    has: ['base==1.0'],
    text: 'base\n',
    env: { PIP_UPGRADE: '1' },
    expected: ['base==3.0', 'helper==1.0'],
  },
  {
    what: 'hashes need not name what is installed',
    has: ['base==2.0'],
    text: hashed,
    expected: ['app==1.0', 'base==2.0'],
  },
];

for (const pip of [pipVersions[0], pipVersions.at(-1)]) {
  if (pip === undefined) continue;
  for (const { what, has, text, env = {}, expected } of cases) {
    test(`in an environment with packages: ${what} (pip ${pip})`, async () => {
      const options = { has, text, env, pip };
      const cold = await beside(options);
      assert.equal(cold.job.main.conclusion, 'success', cold.job.main.log);
      assert.deepEqual(cold.plain, expected);
      assert.deepEqual(cold.job.installed, expected, cold.job.main.log);
      const warm = await beside(options);
      assert.equal(warm.job.main.outputs['cache-hit'], 'true', warm.job.main.log);
      assert.deepEqual(warm.job.installed, expected, warm.job.main.log);
    });
  }
}

test('an installation fails as in pip if the hashes miss a dependency that is not installed', async () => {
  const first = await beside({ has: ['base==2.0'], text: hashed });
  assert.deepEqual(first.job.installed, ['app==1.0', 'base==2.0'], first.job.main.log);
  const second = await run({ files: { 'requirements.txt': hashed } });
  assert.equal(second.main.conclusion, 'failure', second.main.log);
  assert.match(second.main.log, /base>=1/);
});

test('a wheelhouse made in an environment with packages serves a fresh environment', async () => {
  const first = await beside({ has: ['base==1.0'], text: 'app\n' });
  assert.deepEqual(first.job.installed, ['app==1.0', 'base==1.0'], first.job.main.log);
  const second = await run({ files: { 'requirements.txt': 'app\n' } });
  assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
  assert.deepEqual(second.installed, ['app==1.0', 'base==3.0', 'helper==1.0'], second.main.log);
});

test('--no-binary does not build a pinned project again when another pin changes', async () => {
  const text = (version: string): string => `--no-binary built\nbuilt==1.0\nbase==${version}\n`;
  const cold = await run({ files: { 'requirements.txt': text('1.0') } });
  assert.deepEqual(cold.installed, ['base==1.0', 'built==1.0'], cold.main.log);
  const bumped = await run({ files: { 'requirements.txt': text('2.0') } });
  assert.deepEqual(bumped.installed, ['base==2.0', 'built==1.0'], bumped.main.log);
  assert.deepEqual(bumped.artifacts, ['base-2.0-py3-none-any.whl'], bumped.main.log);
  assert.match(bumped.main.log, /, 1 downloaded .*, 0 built/);
});

test("a wheel from pip's own cache of built wheels counts as built", async () => {
  const options: RunOptions = {
    files: { 'requirements.txt': 'built==1.0\n' },
    before: async ({ root, home }) => {
      await pipInstall(freshPython(join(root, 'plain')), ['built==1.0'], { HOME: home });
    },
  };
  const { main } = await run(options);
  assert.equal(main.conclusion, 'success', main.log);
  assert.match(main.log, /, 1 built/);
});

test('the spelling of the name in the metadata decides the directory of headers', async () => {
  const headers = wheel({
    name: 'Zope.Proxy',
    version: '1.0',
    files: { 'zope_proxy-1.0.data/headers/proxy.h': '/* */\n' },
  });
  index.add(headers);
  const { main } = await run({
    files: { 'requirements.txt': 'zope-proxy==1.0\n' },
    between: ({ root }, step) => {
      const include = join(root, 'environment', 'include', 'site');
      const [python = ''] = readdirSync(include);
      assert.deepEqual(readdirSync(join(include, python)), ['Zope.Proxy'], step.log);
    },
  });
  assert.equal(main.conclusion, 'success', main.log);
});
