/** The lock of uv, read by real uv: what `uv sync` would install is installed from the wheelhouse. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { uvCommand } from '../../scripts/tools.mjs';
import { type ProjectDescription, projectDirectory, wheel } from '../support/packages.ts';
import { installed } from '../support/python.ts';
import type { Job } from '../support/runner.ts';
import { annotations, type RunOptions, startScenario } from '../support/scenario.ts';

const { cache, index, run } = await startScenario({
  distributions: [
    wheel({ name: 'one', version: '1.0', requires: ['two'] }),
    wheel({ name: 'one', version: '2.0', requires: ['two'] }),
    wheel({ name: 'two', version: '1.0' }),
    wheel({ name: 'three', version: '1.0' }),
    wheel({ name: 'four', version: '1.0' }),
    wheel({ name: 'windows-only', version: '1.0' }),
  ],
});
beforeEach(() => cache.reset());

const app: ProjectDescription = {
  ...{ name: 'app', version: '0.1', requiresPython: '>=3.9' },
  requires: ['one', 'member', "windows-only ; sys_platform == 'win32'"],
  extras: { web: ['three'] },
  groups: { dev: ['four'] },
};

const workspaceTables = (): string => `
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
member = { workspace = true }
[[tool.uv.index]]
url = "${index.url}"
default = true
`;

/** Runs uv in the workspace, as a developer does; the index answers in this process meanwhile. */
async function uv(job: Job, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(uvCommand(), args, {
    cwd: job.workspace,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: job.home,
      UV_CACHE_DIR: join(job.root, 'uv-cache'),
      UV_NO_PROGRESS: '1',
    },
  });
  return stdout + stderr;
}

/** Writes a project with one workspace member, and its lock. */
function checkout(lock: readonly string[] = [], description = app): RunOptions['before'] & object {
  return async (job) => {
    projectDirectory(job.workspace, description);
    const member = join(job.workspace, 'packages', 'member');
    projectDirectory(member, { name: 'member', version: '0.2', requiresPython: '>=3.9' });
    const file = join(job.workspace, 'pyproject.toml');
    writeFileSync(file, workspaceTables(), { flag: 'a' });
    await uv(job, 'lock', ...lock);
  };
}

const job = { path: [dirname(uvCommand())] };
const inVenv = (each: Job): string => join(each.workspace, '.venv', 'bin', 'python');

describe('a project with uv.lock and no inputs', () => {
  test('installs what the lock says; the second job asks no index; uv sync has nothing to do', async () => {
    const first: string[] = [];
    const second: string[] = [];
    const checks: string[] = [];
    const check = async (each: Job): Promise<void> => {
      checks.push(await uv(each, 'sync', '--locked', '--check'));
    };
    const one = await run({
      job,
      before: checkout(),
      between: async (each) => {
        first.push(...installed(inVenv(each)));
        await check(each);
      },
    });
    assert.equal(one.main.conclusion, 'success', one.main.log);
    assert.deepEqual(first, ['app==0.1', 'four==1.0', 'member==0.2', 'one==2.0', 'two==1.0']);
    assert.match(one.main.log, /Found uv\.lock/);
    assert.match(one.main.log, /Reading uv\.lock with the uv on PATH\./);

    const two = await run({
      job,
      before: checkout(),
      between: async (each) => {
        second.push(...installed(inVenv(each)));
        await check(each);
      },
    });
    assert.equal(two.main.outputs['cache-hit'], 'true', two.main.log);
    assert.equal(two.requests, 0);
    assert.deepEqual(second, first);
    for (const text of checks) assert.match(text, /Would make no changes/);
    assert.equal(checks.length, 2);
  });

  test('a bumped pin downloads exactly one wheel', async () => {
    await run({ job, before: checkout(['--upgrade-package=one==1.0']) });
    const { main, artifacts } = await run({ job, before: checkout() });
    assert.equal(main.conclusion, 'success', main.log);
    assert.deepEqual(artifacts, ['one-2.0-py3-none-any.whl']);
  });

  test('extras and groups are handed on', async () => {
    const names: string[] = [];
    const { main } = await run({
      job,
      before: checkout(),
      with: { requirements: 'uv.lock', extras: 'web', 'install-project': false },
      between: (each) => void names.push(...installed(inVenv(each))),
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.ok(names.includes('three==1.0'));
    assert.ok(!names.includes('app==0.1'));
  });

  test('a lock that is out of date fails in the words of uv', async () => {
    const { main } = await run({
      job,
      before: async (each, python) => {
        await checkout()(each, python);
        const stale = { ...app, requires: [...(app.requires ?? []), 'three'] };
        projectDirectory(each.workspace, stale);
        writeFileSync(join(each.workspace, 'pyproject.toml'), workspaceTables(), { flag: 'a' });
      },
    });
    assert.equal(main.conclusion, 'failure');
    const [error = ''] = annotations(main, 'error');
    assert.match(
      error,
      /The lockfile at `uv\.lock` needs to be updated, but `--locked` was provided/,
    );
    assert.match(error, /run "uv lock" and commit the result\.$/);
  });

  test('settings of uv in the environment count, without their credentials', async () => {
    const { main } = await run({
      job,
      before: checkout(),
      env: { UV_NO_DEV: '1', UV_INDEX: 'http://user:geheim@127.0.0.1:9/simple' },
      between: (each) => {
        assert.ok(!installed(inVenv(each)).includes('four==1.0'));
      },
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.doesNotMatch(main.log, /geheim/);
  });
});
