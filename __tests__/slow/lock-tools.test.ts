/** Locks that real uv, Poetry, PDM and pipenv write are installed as the tools themselves do it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { lockToolCommand, python } from '../../scripts/tools.mjs';
import type { LockTool } from '../../src/logic/lock-files.ts';
import { projectDirectory, wheel } from '../support/packages.ts';
import { installed } from '../support/python.ts';
import { createJob, type Job } from '../support/runner.ts';
import { annotations, startScenario } from '../support/scenario.ts';

const { cache, index, run } = await startScenario({
  distributions: [
    wheel({ name: 'one', version: '1.0', requires: ['two'] }),
    wheel({ name: 'one', version: '2.0', requires: ['two'] }),
    wheel({ name: 'two', version: '1.0' }),
    wheel({ name: 'three', version: '1.0' }),
    wheel({ name: 'four', version: '1.0' }),
    wheel({ name: 'five', version: '1.0' }),
    wheel({ name: 'windows-only', version: '1.0' }),
  ],
});
beforeEach(() => cache.reset());

/** A tool, and a project whose dependencies it locks. */
interface Case {
  readonly tool: LockTool;
  readonly lockFile: string;
  /** Writes the project. @param one the version of `one` to require; any by default */
  readonly write: (job: Job, one?: string) => void;
  readonly lock: readonly string[];
  /** Installs what is locked into `.venv`. */
  readonly install: readonly string[];
  /** Finds nothing to do in an environment that the tool accepts; matches `accepted`. */
  readonly check: readonly string[];
  readonly accepted: RegExp;
  /** Inputs that add `three` and `five`, and the same for the tool. */
  readonly selection: Record<string, string>;
  readonly installSelection: readonly string[];
  readonly stale: RegExp;
}

const requires = (one: string): string[] => [`one${one}`, "windows-only ; sys_platform == 'win32'"];

function writeProject(job: Job, one: string, tables: string): void {
  projectDirectory(job.workspace, {
    ...{ name: 'app', version: '0.1', requiresPython: '>=3.9', requires: requires(one) },
    extras: { web: ['three'] },
  });
  projectDirectory(join(job.workspace, 'packages', 'member'), {
    ...{ name: 'member', version: '0.2', requiresPython: '>=3.9' },
  });
  appendFileSync(join(job.workspace, 'pyproject.toml'), tables);
}

const cases: Case[] = [
  {
    tool: 'uv',
    lockFile: 'uv.lock',
    write: (job, one = '') =>
      writeProject(
        job,
        one,
        `
[dependency-groups]
dev = ["four", "member"]
docs = ["five"]
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
member = { workspace = true }
[[tool.uv.index]]
url = "${index.url}"
default = true
`,
      ),
    lock: ['lock'],
    install: ['sync', '--locked'],
    check: ['sync', '--locked', '--check', '--offline'],
    accepted: /Would make no changes/,
    selection: { extras: 'web', groups: 'docs' },
    installSelection: ['sync', '--locked', '--extra=web', '--group=docs'],
    stale: /needs to be updated, but `--locked` was provided/,
  },
  {
    tool: 'poetry',
    lockFile: 'poetry.lock',
    write: (job, one = '') =>
      writeProject(
        job,
        one,
        `
[dependency-groups]
dev = ["four"]
[tool.poetry]
packages = [{ include = "app", from = "src" }]
[tool.poetry.group.local.dependencies]
member = { path = "packages/member", develop = true }
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
five = "*"
[[tool.poetry.source]]
name = "local"
url = "${index.url}"
`,
      ),
    lock: ['lock'],
    install: ['install'],
    check: ['install', '--dry-run'],
    accepted: /Package operations: 0 installs, 0 updates, 0 removals/,
    selection: { extras: 'web', groups: 'docs' },
    installSelection: ['install', '--extras=web', '--with=docs'],
    stale: /pyproject\.toml changed significantly since poetry\.lock was last\s+generated/,
  },
  {
    tool: 'pdm',
    lockFile: 'pdm.lock',
    write: (job, one = '') =>
      writeProject(
        job,
        one,
        `
[tool.pdm.dev-dependencies]
dev = ["four", "-e file:///\${PROJECT_ROOT}/packages/member#egg=member"]
docs = ["five"]
[[tool.pdm.source]]
name = "pypi"
url = "${index.url}"
`,
      ),
    lock: ['lock', '--group=:all'],
    install: ['sync'],
    check: ['sync', '--dry-run'],
    // PDM installs local dependencies whenever it runs, even right after it has installed them.
    accepted: /^Packages to update:\n {2}- member 0\.2 -> 0\.2\n(?! {2}-|Packages)/,
    selection: { extras: 'web', groups: 'docs' },
    installSelection: ['sync', '--group=web', '--group=docs'],
    stale: /Lockfile doesn't satisfy the\s+project requirements/,
  },
  {
    tool: 'pipenv',
    lockFile: 'Pipfile.lock',
    write: (job, one = '') => {
      mkdirSync(job.workspace, { recursive: true });
      projectDirectory(join(job.workspace, 'packages', 'member'), {
        ...{ name: 'member', version: '0.2', requiresPython: '>=3.9' },
      });
      writeFileSync(
        join(job.workspace, 'Pipfile'),
        `
[[source]]
name = "local"
url = "${index.url}"
verify_ssl = false
[packages]
one = "${one === '' ? '*' : one}"
windows-only = { version = "*", markers = "sys_platform == 'win32'" }
member = { path = "./packages/member", editable = true }
[dev-packages]
three = "*"
[docs]
five = "*"
`,
      );
    },
    lock: ['lock'],
    install: ['sync'],
    check: ['verify'],
    accepted: /up-to-date/,
    selection: { groups: 'dev\ndocs' },
    installSelection: ['sync', '--categories=packages dev-packages docs'],
    stale: /Pipfile\.lock is out-of-date/,
  },
];

/** Runs a tool in the workspace, as a developer does; the index answers in this process meanwhile. */
async function runTool(tool: LockTool, job: Job, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(lockToolCommand(tool), [...args], {
    cwd: job.workspace,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: job.home,
      NO_COLOR: '1',
      UV_CACHE_DIR: join(job.root, 'uv-cache'),
      POETRY_VIRTUALENVS_IN_PROJECT: 'true',
      PDM_CHECK_UPDATE: 'false',
      PIPENV_VENV_IN_PROJECT: '1',
      PIPENV_NOSPIN: '1',
    },
  });
  return stdout + stderr;
}

/** A directory that makes a job find a tool on PATH, and nothing else of the tool's environment. */
function directoryOf(tool: LockTool): string {
  const directory = mkdtempSync(join(tmpdir(), 'lock-tool-'));
  symlinkSync(lockToolCommand(tool), join(directory, tool));
  after(() => rmSync(directory, { recursive: true }));
  return directory;
}

const venvPython = (job: Job): string => join(job.workspace, '.venv', 'bin', 'python');

/** Names and versions, without what some tools put into each environment they make. */
function namesIn(job: Job): string[] {
  return installed(venvPython(job)).filter((line) => !/^(?:setuptools|wheel)==/.test(line));
}

for (const each of cases) {
  const { tool, lockFile } = each;
  describe(`${lockFile}, written by real ${tool}`, () => {
    const job = { path: [directoryOf(tool)] };
    /** The locks by the version that is required of `one`, each written once. */
    const locks = new Map<string, Buffer>();

    function checkout(one = ''): (job: Job) => Promise<void> {
      return async (job) => {
        each.write(job, one);
        const file = join(job.workspace, lockFile);
        const known = locks.get(one);
        if (known !== undefined) return writeFileSync(file, known);
        await runTool(tool, job, each.lock);
        locks.set(one, readFileSync(file));
        rmSync(join(job.workspace, '.venv'), { recursive: true, force: true });
      };
    }

    /** What the tool itself installs into a new environment. */
    async function installedByTool(job: Job, args: readonly string[]): Promise<string[]> {
      const venv = join(job.workspace, '.venv');
      rmSync(venv, { recursive: true, force: true });
      await promisify(execFile)(python, ['-m', 'venv', venv]);
      await runTool(tool, job, args);
      return namesIn(job);
    }

    test('installs what the tool installs, which then has nothing to do', async () => {
      let ours: string[] = [];
      let theirs: string[] = [];
      let said = '';
      const { main } = await run({
        job,
        before: checkout(),
        between: async (job, { conclusion, log }) => {
          assert.equal(conclusion, 'success', log);
          ours = namesIn(job);
          said = await runTool(tool, job, each.check);
          theirs = await installedByTool(job, each.install);
        },
      });
      assert.ok(main.log.includes(`Reading ${lockFile} with the ${tool} on PATH.`), main.log);
      assert.ok(ours.includes('one==2.0') && ours.includes('member==0.2'), String(ours));
      assert.deepEqual(ours, theirs);
      assert.match(said, each.accepted);
    });

    test('selected extras and groups are those of the tool', async () => {
      let ours: string[] = [];
      let theirs: string[] = [];
      await run({
        job,
        before: checkout(),
        with: { requirements: lockFile, ...each.selection },
        between: async (job, { conclusion, log }) => {
          assert.equal(conclusion, 'success', log);
          ours = namesIn(job);
          theirs = await installedByTool(job, each.installSelection);
        },
      });
      assert.ok(ours.includes('three==1.0') && ours.includes('five==1.0'), String(ours));
      assert.deepEqual(ours, theirs);
    });

    test('the second job asks no index, and a bumped pin downloads one wheel', async () => {
      const first = await run({ job, before: checkout('==1.0') });
      assert.equal(first.main.conclusion, 'success', first.main.log);
      const second = await run({ job, before: checkout('==1.0') });
      assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
      assert.equal(second.requests, 0);
      const third = await run({ job, before: checkout('==2.0') });
      assert.equal(third.main.conclusion, 'success', third.main.log);
      assert.deepEqual(third.artifacts, ['one-2.0-py3-none-any.whl']);
    });

    test('a lock that is out of date fails in the words of the tool', async () => {
      const { main } = await run({
        job,
        before: async (job) => {
          await checkout('==2.0')(job);
          each.write(job, '==1.0');
        },
      });
      assert.equal(main.conclusion, 'failure', main.log);
      assert.match(annotations(main, 'error').join('\n'), each.stale);
    });
  });
}

test('plugins of Poetry in the checkout do not run when its lock is exported', async () => {
  const poetry = cases.find(({ tool }) => tool === 'poetry');
  assert.ok(poetry);
  const job = createJob({});
  try {
    poetry.write(job);
    await runTool('poetry', job, poetry.lock);
    rmSync(join(job.workspace, '.venv'), { recursive: true, force: true });
    const plugins = join(job.workspace, '.poetry', 'plugins');
    const trace = join(job.root, 'trace');
    mkdirSync(plugins, { recursive: true });
    writeFileSync(join(plugins, 'evil.pth'), `import os; open(${JSON.stringify(trace)}, 'w')\n`);

    const { main } = await run({
      job: { path: [directoryOf('poetry')] },
      before: (other) => cpSync(job.workspace, other.workspace, { recursive: true }),
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.ok(!existsSync(trace), 'code of the checkout ran');
    // The trap works: Poetry runs it in the checkout even for its help.
    await runTool('poetry', job, ['export', '--help']);
    assert.ok(existsSync(trace));
  } finally {
    job.cleanup();
  }
});
