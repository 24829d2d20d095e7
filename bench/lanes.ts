/**
 * The installation methods that are compared. Each is a whole step as in a workflow: restore,
 * environment, install, post, in a job of its own with a fresh home and workspace.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { CacheOperation } from '../__tests__/support/cache-service.ts';
import type { RequestKind } from '../__tests__/support/index-server.ts';
import { sitePackages } from '../__tests__/support/python.ts';
import { createJob, type Job, type StepResult } from '../__tests__/support/runner.ts';
import { olderPip } from '../scripts/tools.mjs';
import { type Packages, requirementsOf } from './packages.ts';
import { type Cost, costsIn, exchangePip, newestPip, settle, type Workbench } from './workbench.ts';

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
  /** Bytes from the cache service and to it. */
  readonly restored: number;
  readonly saved: number;
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
  /** Whether it restores another entry where the key has none. */
  readonly hasRestoreKeys: boolean;
  /** The version of pip that the environment has. */
  readonly pip: string;
  run(place: Place): Promise<void>;
}

/** The surroundings of a lane: a job, and a clock for its parts. */
interface Place {
  readonly workbench: Workbench;
  readonly packages: Packages;
  readonly job: Job;
  readonly environment: string;
  /** The interpreter that the environment is made with. */
  readonly python: string;
  /** Runs a command of the step. If it fails, the benchmark fails. */
  run(part: Part, command: string, ...args: string[]): Promise<StepResult>;
  restore(paths: string): Promise<void>;
  save(paths: string): Promise<void>;
  /** Adds seconds that were measured elsewhere to a part. */
  add(part: Part, seconds: number): void;
  own(main: StepResult, post: StepResult | undefined): void;
}

const pipFlags = ['-r', 'requirements.txt'];

async function makeVenv({ run, environment }: Place, pip: string): Promise<string> {
  await run('environment', 'python', '-m', 'venv', '.venv');
  // Not timed, because users already have this pip.
  exchangePip(environment, pip);
  return join(environment, 'bin', 'python');
}

/** pip with a restored HTTP cache, as with `cache: pip` of setup-python. */
function pipLane(id: string, title: string, pip: string, ...flags: string[]): Lane {
  return {
    ...{ id, title, cacheName: 'pip', hasRestoreKeys: true, pip },
    async run(place) {
      await place.restore('~/.cache/pip');
      const python = await makeVenv(place, pip);
      await place.run('install', python, '-m', 'pip', 'install', ...flags, ...pipFlags);
      await place.save('~/.cache/pip');
    },
  };
}

/** uv with a restored cache, as with setup-uv. */
function uvLane(id: string, title: string, ...flags: string[]): Lane {
  return {
    ...{ id, title, cacheName: 'uv', hasRestoreKeys: false, pip: newestPip },
    async run(place) {
      await place.restore('~/.cache/uv');
      await place.run('environment', 'uv', 'venv', '--python', place.python);
      await place.run('install', 'uv', 'pip', 'install', ...flags, ...pipFlags);
      await place.save('~/.cache/uv');
    },
  };
}

function actionLane(
  id: string,
  title: string,
  { pip = newestPip, ...inputs }: Record<string, string> & { readonly pip?: string },
): Lane {
  const cacheName = `action-${inputs['installer'] ?? 'pip'}`;
  return {
    ...{ id, title, cacheName, hasRestoreKeys: true, pip },
    async run({ job, workbench, own }) {
      const given = { venv: '.venv', 'cache-suffix': cacheName, ...inputs };
      const main = await job.step({ action: workbench.action, with: given });
      const [post] = await job.post();
      own(main, post);
    },
  };
}

export const lanes: readonly Lane[] = [
  pipLane('pip', `setup-python, pip ${newestPip}`, newestPip),
  pipLane('pip-older', `setup-python, pip ${olderPip}`, olderPip),
  uvLane('uv', 'setup-uv'),
  uvLane('uv-compile', 'setup-uv, --compile-bytecode', '--compile-bytecode'),
  {
    ...{ id: 'venv', title: 'restored virtual environment', cacheName: 'venv' },
    ...{ hasRestoreKeys: false, pip: newestPip },
    async run(place) {
      await place.restore('.venv');
      if (!existsSync(place.environment)) {
        const python = await makeVenv(place, newestPip);
        await place.run('install', python, '-m', 'pip', 'install', ...pipFlags);
      }
      await place.save('.venv');
    },
  },
  actionLane('action-pip', `this action, pip ${newestPip}`, {}),
  actionLane('action-pip-older', `this action, pip ${olderPip}`, { pip: olderPip }),
  actionLane('action-uv', 'this action, uv', { installer: 'uv' }),
  actionLane('action-pip-compile', 'this action, pip, compile-bytecode', {
    'compile-bytecode': 'true',
  }),
  actionLane('action-uv-compile', 'this action, uv, compile-bytecode', {
    ...{ installer: 'uv', 'compile-bytecode': 'true' },
  }),
];

/** Which requirements a step uses, and what it finds in the cache. */
export type State = 'cold' | 'exact' | 'bumped';

export interface Circumstances {
  readonly workbench: Workbench;
  readonly packages: Packages;
  readonly state: State;
  /** Part of the cache keys, because entries for one kind of URLs are useless with another. */
  readonly scope: string;
}

/** Runs a lane once. What it saves stays in the cache. */
export async function runLane(lane: Lane, circumstances: Circumstances): Promise<Sample> {
  const { workbench, packages, state, scope } = circumstances;
  const { index, cache, uvBin, nodeOptions, peerCache, directory } = workbench;
  const { bump } = packages;
  const requirements = requirementsOf(packages, state === 'bumped' ? { [bump.name]: bump.to } : {});
  const python = workbench.pythonWith(lane.pip);
  const usage = join(directory, 'usage');
  rmSync(usage, { force: true });
  const job = createJob({
    timeout: 900_000,
    path: [dirname(python), uvBin],
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
    const args = [peerCache, operation, mark, key, lane.hasRestoreKeys ? prefix : '', path];
    return timed(part, job.run(process.execPath, args));
  };
  let own: Sample['own'];
  const place: Place = {
    ...{ workbench, packages, job, add, python },
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
    index.prepare();
    await settle();
    index.reset();
    const before = cache.log.length;
    await lane.run(place);
    checkInstalled(place, circumstances);
    const requests: Sample['requests'] = {};
    for (const { kind, bytes } of index.log) {
      const sum = requests[kind] ?? { count: 0, bytes: 0 };
      requests[kind] = { count: sum.count + 1, bytes: sum.bytes + bytes };
    }
    const calls = cache.log.slice(before);
    checkState(lane, state, calls);
    const bytesOf = (operation: CacheOperation): number =>
      calls
        .filter((call) => call.operation === operation)
        .reduce((sum, { bytes }) => sum + bytes, 0);
    const artifacts = index.artifacts().length;
    const moved = { restored: bytesOf('download'), saved: bytesOf('upload') };
    const sample = { seconds, parts: spent, requests, artifacts, ...moved };
    return own === undefined ? sample : { ...sample, own };
  } finally {
    job.cleanup();
  }
}

/** Checks the installation, because a step that installs nothing is fast. */
function checkInstalled({ environment }: Place, { packages, state }: Circumstances): void {
  const { pins, bump } = packages;
  const spelling = (name: string): string => name.replace(/[-_.]+/g, '_').toLowerCase();
  const directory = sitePackages(environment);
  const installed = new Set(readdirSync(directory).map(spelling));
  for (const [name, pinned] of pins) {
    const version = state === 'bumped' && name === bump.name ? bump.to : pinned;
    const info = `${name}-${version}.dist-info`;
    assert(installed.has(spelling(info)), `${info} is missing in ${directory}`);
  }
}

/** Checks the cache operations, because with the wrong cache state a step measures something else. */
function checkState(
  lane: Lane,
  state: State,
  calls: readonly { operation: string; status: number }[],
): void {
  const operations = new Set(calls.map((call) => call.operation));
  const isRestored = state === 'exact' || (state === 'bumped' && lane.hasRestoreKeys);
  assert.equal(operations.has('download'), isRestored, `${lane.id}: restored`);
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
