/**
 * The installation methods that are compared. Each is a whole step as in a workflow: restore,
 * environment, install, post, in a job of its own with a fresh home and workspace.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { RequestKind } from '../__tests__/support/index-server.ts';
import { sitePackages } from '../__tests__/support/python.ts';
import { createJob, type Job, type StepResult } from '../__tests__/support/runner.ts';
import { requirementsOf, type WheelSet } from './sets.ts';
import { type Cost, costsIn, exchangePip, settle, type Workbench } from './workbench.ts';

/** The parts of a step, in order; `rest` is the time between and around them. */
export const parts = ['restore', 'environment', 'install', 'post', 'rest'] as const;
export type Part = (typeof parts)[number];

/** The measurements of one run of a lane. */
export interface Sample {
  readonly seconds: number;
  readonly parts: Partial<Record<Part, number>>;
  /** Requests to the index and bytes from it. */
  readonly requests: Partial<Record<RequestKind, { count: number; bytes: number }>>;
  /** Number of wheels and sdists that the index sent whole. */
  readonly artifacts: number;
  /** Size in bytes of the cache entry that was restored, or saved if none was. */
  readonly entry: number;
  /** Phases as the action reports them, and the cost of its own processes. */
  readonly own?: {
    readonly phases: Readonly<Record<string, number>>;
    readonly costs: Readonly<Record<string, Omit<Cost, 'program'>>>;
  };
}

export interface Lane {
  readonly id: string;
  readonly title: string;
  /** Lanes with the same name restore the same cache entry. */
  readonly cacheName: string;
  run(place: Place): Promise<void>;
}

/** The surroundings of a lane: a job, and a clock for its parts. */
interface Place {
  readonly workbench: Workbench;
  readonly set: WheelSet;
  readonly job: Job;
  readonly environment: string;
  /** Runs a command of the step. If it fails, the benchmark fails. */
  run(part: Part, command: string, ...args: string[]): Promise<StepResult>;
  restore(paths: string): Promise<void>;
  save(paths: string): Promise<void>;
  /** Adds seconds that were measured elsewhere to a part. */
  add(part: Part, seconds: number): void;
  own(main: StepResult, post: StepResult | undefined): void;
}

const pipFlags = ['-r', 'requirements.txt'];

async function makeVenv({ run, environment }: Place): Promise<string> {
  await run('environment', 'python', '-m', 'venv', '.venv');
  // Not timed, because users already have this pip.
  exchangePip(environment);
  return join(environment, 'bin', 'python');
}

function pip(id: string, title: string, ...flags: string[]): Lane {
  return {
    ...{ id, title, cacheName: 'pip' },
    async run(place) {
      await place.restore('~/.cache/pip');
      const python = await makeVenv(place);
      await place.run('install', python, '-m', 'pip', 'install', ...flags, ...pipFlags);
      await place.save('~/.cache/pip');
    },
  };
}

function uv(id: string, title: string, ...flags: string[]): Lane {
  return {
    ...{ id, title, cacheName: 'uv' },
    async run(place) {
      await place.restore('~/.cache/uv');
      await place.run('environment', 'uv', 'venv', '--python', place.workbench.python);
      await place.run('install', 'uv', 'pip', 'install', ...flags, ...pipFlags);
      await place.save('~/.cache/uv');
    },
  };
}

function action(id: string, title: string, inputs: Record<string, string | boolean>): Lane {
  return {
    ...{ id, title, cacheName: 'action' },
    async run({ job, workbench, own }) {
      const main = await job.step({ action: workbench.action, with: { venv: '.venv', ...inputs } });
      const [post] = await job.post();
      own(main, post);
    },
  };
}

export const lanes: readonly Lane[] = [
  pip('pip', 'pip, restored HTTP cache'),
  pip('pip-no-compile', 'pip --no-compile, restored HTTP cache', '--no-compile'),
  {
    ...{ id: 'classic', title: 'classic two commands, restored wheelhouse', cacheName: 'classic' },
    async run(place) {
      await place.restore('wheelhouse');
      const python = await makeVenv(place);
      const links = ['--find-links', 'wheelhouse'];
      const wheel = ['-m', 'pip', 'wheel', ...links, '-w', 'wheelhouse', ...pipFlags];
      await place.run('install', python, ...wheel);
      const install = ['-m', 'pip', 'install', '--no-index', ...links, ...pipFlags];
      await place.run('install', python, ...install);
      await place.save('wheelhouse');
    },
  },
  {
    ...{ id: 'venv', title: 'restored virtual environment', cacheName: 'venv' },
    async run(place) {
      await place.restore('.venv');
      if (!existsSync(place.environment)) {
        const python = await makeVenv(place);
        await place.run('install', python, '-m', 'pip', 'install', ...pipFlags);
      }
      await place.save('.venv');
    },
  },
  uv('uv', 'uv, restored cache'),
  uv('uv-compile', 'uv --compile-bytecode, restored cache', '--compile-bytecode'),
  action('action-pip', 'this action, pip', {}),
  action('action-uv', 'this action, uv', { installer: 'uv' }),
  action('action-pip-compile', 'this action, pip, compile-bytecode', { 'compile-bytecode': true }),
  action('action-uv-compile', 'this action, uv, compile-bytecode', {
    ...{ installer: 'uv', 'compile-bytecode': true },
  }),
  {
    ...{ id: 'unpack', title: 'the same files, only unpacked', cacheName: 'unpack' },
    async run({ run, set }) {
      const archive = archives.get(set.directory);
      assert(archive, 'the archive must be created before the measurement');
      await run('install', 'tar', '--use-compress-program', archive.program, '-xf', archive.file);
    },
  },
];

/** Which requirements a step uses, and what it finds in the cache. */
export type State = 'cold' | 'exact' | 'bumped';

export interface Circumstances {
  readonly workbench: Workbench;
  readonly set: WheelSet;
  readonly state: State;
  /** Part of the cache keys, because entries for one kind of URLs are useless with another. */
  readonly scope: string;
}

/** Runs a lane once. What it saves stays in the cache. */
export async function runLane(lane: Lane, circumstances: Circumstances): Promise<Sample> {
  const { workbench, set, state, scope } = circumstances;
  const { index, cache, bin, uvBin, nodeOptions, peerCache, directory } = workbench;
  const changed = state === 'bumped' ? { [set.bump.name]: set.bump.to } : {};
  const requirements = requirementsOf(set, changed);
  const usage = join(directory, 'usage');
  rmSync(usage, { force: true });
  const job = createJob({
    timeout: 900_000,
    path: [bin, uvBin],
    files: { 'requirements.txt': requirements },
    env: {
      ...cache.env(),
      TMPDIR: directory,
      NODE_OPTIONS: nodeOptions,
      WHEELHOUSE_BENCH_USAGE: usage,
      PIP_CONFIG_FILE: '/dev/null',
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
      PIP_INDEX_URL: index.url,
      // pip does not cache responses over plain http from a host that it does not trust.
      PIP_TRUSTED_HOST: '127.0.0.1',
      UV_DEFAULT_INDEX: index.url,
      UV_NO_CONFIG: '1',
    },
  });
  const spent: Partial<Record<Part, number>> = {};
  const add = (part: Part, seconds: number): void => {
    spent[part] = (spent[part] ?? 0) + seconds;
  };
  let seconds = 0;
  const timed = async (part: Part | undefined, work: Promise<StepResult>): Promise<StepResult> => {
    const start = performance.now();
    const result = await work;
    const took = (performance.now() - start) / 1000;
    seconds += took;
    if (part !== undefined) add(part, took);
    assert.equal(result.exitCode, 0, `${lane.id} failed:\n${result.log.slice(-3000)}`);
    return result;
  };
  const prefix = `${lane.cacheName}-${scope}-`;
  const key = prefix + createHash('sha256').update(requirements).digest('hex').slice(0, 16);
  const mark = join(job.temp, 'cache-state');
  const cached = (part: Part, operation: string, path: string): Promise<StepResult> => {
    const args = [peerCache, operation, mark, key, prefix, path];
    return timed(part, job.run(process.execPath, args));
  };
  let own: Sample['own'];
  const place: Place = {
    ...{ workbench, set, job, add },
    environment: join(job.workspace, '.venv'),
    run: (part, command, ...args) => timed(part, job.run(command, args)),
    restore: async (path) => void (await cached('restore', 'restore', path)),
    save: async (path) => void (await cached('post', 'save', path)),
    own(main, post) {
      const phases = phasesIn(main.log);
      const costs = costsIn(usage).map(({ program, ...cost }) => [roleOf(program), cost] as const);
      own = { phases, costs: Object.fromEntries(costs) };
      const { python = 0, venv = 0, restore = 0, install = 0, fill = 0 } = phases;
      // The environment is created during the restore.
      const environment = python + Math.max(0, venv - restore);
      add('restore', restore);
      add('environment', environment);
      add('install', install + fill);
      add('post', (post?.durationMs ?? 0) / 1000);
      add('rest', main.durationMs / 1000 - environment - restore - install - fill);
      seconds += (main.durationMs + (post?.durationMs ?? 0)) / 1000;
      for (const step of [main, post]) {
        assert.equal(step?.exitCode ?? 0, 0, `${lane.id} failed:\n${step?.log.slice(-3000)}`);
      }
    },
  };
  try {
    await settle();
    index.reset();
    const before = cache.log.length;
    await lane.run(place);
    if (lane.cacheName !== 'unpack') checkInstalled(place, circumstances);
    const requests: Sample['requests'] = {};
    for (const { kind, bytes } of index.log) {
      const sum = requests[kind] ?? { count: 0, bytes: 0 };
      requests[kind] = { count: sum.count + 1, bytes: sum.bytes + bytes };
    }
    const calls = cache.log.slice(before);
    const used = calls.findLast((call) => ['download', 'finalize'].includes(call.operation))?.key;
    const entry = cache.entries().findLast((each) => each.key === used)?.size ?? 0;
    if (lane.cacheName !== 'unpack') checkState(lane, state, calls);
    const artifacts = index.artifacts().length;
    const sample = { seconds, parts: spent, requests, artifacts, entry };
    return own === undefined ? sample : { ...sample, own };
  } finally {
    job.cleanup();
  }
}

/** Checks the installation, because a step that installs nothing is fast. */
function checkInstalled({ environment }: Place, { set, state }: Circumstances): void {
  const packages = sitePackages(environment);
  const installed = new Set(readdirSync(packages));
  for (const [name, pinned] of set.pins) {
    const version = state === 'bumped' && name === set.bump.name ? set.bump.to : pinned;
    const info = `${name.replaceAll('-', '_')}-${version}.dist-info`;
    assert(installed.has(info), `${info} is missing in ${packages}`);
  }
}

/** Checks the cache operations, because with the wrong cache state a step measures something else. */
function checkState(
  lane: Lane,
  state: State,
  calls: readonly { operation: string; status: number }[],
): void {
  const operations = new Set(calls.map((call) => call.operation));
  assert.equal(operations.has('download'), state !== 'cold', `${lane.id}: restored`);
  assert.equal(operations.has('finalize'), state !== 'exact', `${lane.id}: saved`);
}

/** Parses `time: 5.2 s (python 0.40 s, restore 2.10 s)` in the action's log. */
function phasesIn(log: string): Record<string, number> {
  const [, list = ''] = /^time: [\d.]+ s \((.*)\)$/m.exec(log) ?? [];
  const phases: Record<string, number> = {};
  for (const [, name = '', seconds] of list.matchAll(/([a-z ]+?) ([\d.]+) s(?:, |$)/g)) {
    phases[name] = (phases[name] ?? 0) + Number(seconds);
  }
  assert(Object.keys(phases).length > 0, 'the log contains no times');
  return phases;
}

/** Returns `main`, `transfer` or `post`, the directory of the bundle. */
function roleOf(program: string): string {
  return /([\w-]+)[\\/]index\.m?js$/.exec(program)?.[1] ?? program;
}

interface Archive {
  readonly file: string;
  readonly program: string;
}

/** Archives by the directory of their set. */
const archives = new Map<string, Archive>();

/** Creates an archive of the installed files of a set, without bytecode, unless it exists. */
export async function makeArchive(workbench: Workbench, set: WheelSet): Promise<void> {
  const run = promisify(execFile);
  const hasZstd = await run('zstd', ['--version']).then(
    () => true,
    () => false,
  );
  const program = hasZstd ? 'zstd' : 'gzip';
  const file = join(set.directory, `installed.tar.${program}`);
  archives.set(set.directory, { file, program });
  if (existsSync(file)) return;
  const environment = join(workbench.directory, 'to-archive');
  const requirements = join(workbench.directory, 'to-archive.txt');
  writeFileSync(requirements, requirementsOf(set));
  const uv = join(workbench.uvBin, 'uv');
  const env = { PATH: process.env['PATH'] ?? '', UV_NO_CONFIG: '1', HOME: workbench.directory };
  await run(uv, ['venv', '--python', workbench.python, environment], { env });
  const python = join(environment, 'bin', 'python');
  const install = ['pip', 'install', '--no-index', '--find-links', set.directory];
  await run(uv, [...install, '--python', python, '-r', requirements], { env });
  const packages = sitePackages(environment);
  await run('tar', ['--use-compress-program', program, '-cf', `${file}.new`, '-C', packages, '.']);
  renameSync(`${file}.new`, file);
  rmSync(environment, { recursive: true });
}
