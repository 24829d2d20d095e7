/**
 * Measures what must not grow out of proportion: storage over many changes, the work for long
 * requirements, and a closure of many packages.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

import { type Distribution, normalise, wheel } from '../__tests__/support/packages.ts';
import { createJob } from '../__tests__/support/runner.ts';
import { benchmarkPackages, type Packages, repack, requirementsOf } from './packages.ts';
import { type Cost, costsIn, newestPip, startWorkbench, type Workbench } from './workbench.ts';

/** Storage in bytes after a number of changes of one pin each. */
export interface Storage {
  readonly changes: number;
  /** The wheels of the closure. */
  readonly closure: number;
  /** Everything in GitHub's cache service. */
  readonly service: number;
  /** Everything in a directory store. */
  readonly directory: number;
  /** Wheels and sdists that were downloaded for each change; the largest number. */
  readonly downloads: number;
}

export interface Growth {
  /** By which pin changes. */
  readonly storage: Readonly<Record<string, Storage>>;
  /** `wheelhouse key`: seconds, and the peak memory of its process in bytes. */
  readonly keys: readonly {
    readonly of: string;
    readonly seconds: number;
    readonly memory: number;
  }[];
  readonly closure: {
    readonly packages: number;
    readonly runs: readonly { readonly hit: string; readonly seconds: Record<string, number> }[];
  };
}

/** How many changes the targets are about. */
export const countOfChanges = 50;
const countOfFiles = 1000;
const countOfPackages = 500;

interface Printed {
  hit: string;
  wheels: { size: number }[];
  seconds: Record<string, number>;
}

/** @param changes of one pin each */
export async function measureGrowth(action: string, changes: number): Promise<Growth> {
  const packages = benchmarkPackages();
  const workbench = await startWorkbench(action, { ...packages, listed: [] });
  // Only sizes and numbers of requests are compared here, so the servers may be fast.
  Object.assign(workbench.index.mode, { latency: 0, bandwidth: 0 });
  workbench.cache.setNetwork({});
  try {
    const keys = await measureKeys(workbench);
    const closure = await measureClosure(workbench);
    const wheels = changeable(packages);
    const median = wheels.toSorted((a, b) => a.content.length - b.content.length)[
      Math.floor(wheels.length / 2)
    ] as Distribution;
    const always = Array.from({ length: changes }, () => median);
    const each = Array.from({ length: changes }, (_, index) => wheels[index % wheels.length]);
    const storage = {
      'always the same pin': await measureStorage(workbench, packages, always),
      'another pin each time': await measureStorage(workbench, packages, each as Distribution[]),
    };
    return { storage, keys, closure };
  } finally {
    await workbench.close();
  }
}

/** Wheels of which another version satisfies the other packages, in an order without a pattern. */
function changeable({ pins, bump, distributions }: Packages): Distribution[] {
  const versions = new Map([...pins].map(([name, version]) => [normalise(name), version]));
  const exact = new Set(
    distributions.flatMap(({ metadata }) =>
      [...metadata.toString().matchAll(/^Requires-Dist: ([\w.-]+) *\(?(?:==|~=)/gm)].map(
        ([, name = '']) => normalise(name),
      ),
    ),
  );
  const order = ({ project }: Distribution): string =>
    createHash('sha256').update(project).digest('hex');
  return (
    distributions
      .filter(({ kind, project, version }) => kind === 'wheel' && versions.get(project) === version)
      .filter(({ project }) => !exact.has(project) && project !== normalise(bump.name))
      // A change adds a post-release segment, and a version can have only one.
      .filter(({ version }) => !version.includes('.post'))
      .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
  );
}

/** Changes pins one after the other, each in a job of its own that saves. */
async function measureStorage(
  workbench: Workbench,
  packages: Packages,
  changed: readonly Distribution[],
): Promise<Storage> {
  const { index, cache, uvBin, action } = workbench;
  await cache.reset();
  const place = folder(workbench, `storage-${changed[0]?.project}-${changed[1]?.project}`);
  const store = join(place, 'store');
  const spelling = new Map([...packages.pins.keys()].map((name) => [normalise(name), name]));
  const pins = new Map(packages.pins);
  let downloads = 0;
  let closure = 0;
  const inputs = { install: 'false', installer: 'uv' };
  for (const [change, original] of [undefined, ...changed].entries()) {
    if (original !== undefined) {
      const version = `${original.version}.post${change}`;
      const file = repack(join(packages.directory, original.filename), version, place);
      index.add(distributionOf(file, original, version));
      pins.set(spelling.get(original.project) ?? '', version);
    }
    const requirements = requirementsOf({ pins });
    index.reset();
    const job = createJob({
      timeout: 900_000,
      path: [join(workbench.pythonWith(newestPip), '..'), uvBin],
      files: { 'requirements.txt': requirements },
      env: { ...cache.env(), ...environmentOf(workbench) },
    });
    try {
      const main = await job.step({ action, with: inputs });
      const [post] = await job.post();
      for (const step of [main, post]) assert.equal(step?.exitCode ?? 0, 0, step?.log.slice(-3000));
    } finally {
      job.cleanup();
    }
    if (change > 0) downloads = Math.max(downloads, index.artifacts().length);
    writeFileSync(join(place, 'requirements.txt'), requirements);
    const given = ['--store', store, '--max-size', '100GB', '--install', 'false', '--json'];
    const { printed } = await commandLine(workbench, place, 'install', ...given, '--installer=uv');
    const { wheels } = JSON.parse(printed) as Printed;
    closure = wheels.reduce((sum, { size }) => sum + size, 0);
    const service = cache.entries().reduce((sum, { size }) => sum + size, 0);
    const shown = [service, bytesBelow(store)].map((bytes) => (bytes / closure).toFixed(2));
    console.log(`growth ${change}/${changed.length}: ${shown.join(' and ')} times the closure`);
  }
  return {
    changes: changed.length,
    closure,
    service: cache.entries().reduce((sum, { size }) => sum + size, 0),
    directory: bytesBelow(store),
    downloads,
  };
}

function distributionOf(file: string, original: Distribution, version: string): Distribution {
  const content = readFileSync(file);
  const text = original.metadata.toString();
  const metadata = Buffer.from(text.replace(/^Version: .*$/m, `Version: ${version}`));
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { ...original, version, filename: basename(file), content, metadata, sha256 };
}

async function measureKeys(workbench: Workbench): Promise<Growth['keys']> {
  const line = (number: number): string => {
    const digest = createHash('sha256').update(String(number)).digest('hex');
    return `package-${number}==1.${number % 50} --hash=sha256:${digest}\n`;
  };
  const lines = (from: number, count: number): string =>
    Array.from({ length: count }, (_, index) => line(from + index)).join('');
  const cases: Record<string, Record<string, string>> = {
    'one file of 16 lines': { 'requirements-0.txt': lines(0, 16) },
    [`${countOfFiles} files of 16 lines`]: Object.fromEntries(
      Array.from({ length: countOfFiles }, (_, file) => [
        `requirements-${file}.txt`,
        lines(16 * file, 16),
      ]),
    ),
    'one file of 10 MB': { 'requirements-0.txt': lines(0, Math.ceil(10e6 / line(9999).length)) },
  };
  const keys: Growth['keys'][number][] = [];
  for (const [of, files] of Object.entries(cases)) {
    const directory = folder(workbench, of.replaceAll(' ', '-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const runs: { seconds: number; cost: Cost | undefined }[] = [];
    for (let round = 0; round < 3; round += 1) {
      const start = performance.now();
      const { cost } = await commandLine(workbench, directory, 'key', '-r', 'requirements-*.txt');
      runs.push({ seconds: (performance.now() - start) / 1000, cost });
    }
    const median = runs.sort((a, b) => a.seconds - b.seconds)[1];
    keys.push({ of, seconds: median?.seconds ?? 0, memory: median?.cost?.memory ?? 0 });
    console.log(`growth, key of ${of}: ${median?.seconds.toFixed(2)} s`);
  }
  return keys;
}

async function measureClosure(workbench: Workbench): Promise<Growth['closure']> {
  // Each requires three others; the first one requires all, indirectly.
  const requiredBy = (number: number): string[] =>
    [1, 2, 3]
      .map((each) => 3 * number + each)
      .filter((each) => each < countOfPackages)
      .map((each) => `small-${each}>=1.0`);
  for (let number = 0; number < countOfPackages; number += 1) {
    const name = `small-${number}`;
    const made = wheel({ name, version: '1.0', requires: requiredBy(number), size: 16_000 });
    workbench.index.add(made);
  }
  const directory = folder(workbench, 'closure');
  writeFileSync(join(directory, 'requirements.txt'), 'small-0==1.0\n');
  const runs: Growth['closure']['runs'][number][] = [];
  for (const venv of ['first', 'second']) {
    const given = ['-r', 'requirements.txt', '--store', 'store', '--venv', venv, '--json'];
    const { printed } = await commandLine(workbench, directory, 'install', ...given);
    const { hit, seconds, wheels } = JSON.parse(printed) as Printed;
    assert.equal(wheels.length, countOfPackages);
    runs.push({ hit, seconds });
    console.log(`growth, ${countOfPackages} packages: ${hit} ${JSON.stringify(seconds)}`);
  }
  return { packages: countOfPackages, runs };
}

function folder({ directory }: Workbench, name: string): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** Runs the command line of the measured build. */
async function commandLine(
  workbench: Workbench,
  cwd: string,
  ...args: string[]
): Promise<{ printed: string; cost: Cost | undefined }> {
  const { action, uvBin, usageHook, directory } = workbench;
  const usage = join(directory, `usage-${performance.now()}`);
  const program = [`--require=${usageHook}`, join(action, 'dist', 'cli', 'index.js')];
  const python = ['--python', workbench.pythonWith(newestPip)];
  const { stdout } = await promisify(execFile)(process.execPath, [...program, ...args, ...python], {
    cwd,
    maxBuffer: 1e9,
    env: {
      ...environmentOf(workbench),
      PATH: `${uvBin}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      LANG: 'C.UTF-8',
      WHEELHOUSE_BENCH_USAGE: usage,
    },
  });
  return { printed: stdout, cost: costsIn(usage)[0] };
}

function environmentOf({ directory, index }: Workbench): Record<string, string> {
  return {
    TMPDIR: directory,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_INDEX_URL: index.url,
    UV_NO_CONFIG: '1',
  };
}

function bytesBelow(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(directory, name)))
    .filter((stats) => stats.isFile())
    .reduce((sum, { size }) => sum + size, 0);
}
