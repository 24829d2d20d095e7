/**
 * Measures what must not grow out of proportion: cache entries over many changes, the work for long
 * requirements, and a closure of many packages. Uses the command line with a directory as the store.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { laterVersion, requirementsOf, smallPackages, wheelSet } from './sets.ts';
import { type Cost, costsIn, startWorkbench, type Workbench } from './workbench.ts';

export interface Growth {
  /** One per change of one pin, in order. */
  readonly changes: readonly {
    /** Size in bytes of the wheels of the closure, and of the entry saved for it. */
    readonly closure: number;
    readonly entry: number;
    readonly downloads: number;
    readonly seconds: number;
  }[];
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

const countOfChanges = 50;
const countOfFiles = 1000;
const countOfPackages = 500;

interface Printed {
  hit: string;
  key: string;
  wheels: { size: number }[];
  downloaded: { count: number };
  seconds: Record<string, number>;
}

export async function measureGrowth(action: string): Promise<Growth> {
  const workbench = await startWorkbench(action);
  // Only sizes and numbers of requests are compared here, so the index may be fast.
  Object.assign(workbench.index.mode, { latency: 0, bandwidth: 0 });
  try {
    const keys = await measureKeys(workbench);
    const closure = await measureClosure(workbench);
    return { changes: await measureChanges(workbench), keys, closure };
  } finally {
    await workbench.close();
  }
}

async function measureChanges(workbench: Workbench): Promise<Growth['changes']> {
  const set = wheelSet(16);
  workbench.index.add(...set.distributions);
  const directory = folder(workbench, 'changes');
  const store = join(directory, 'store');
  const changes: Growth['changes'][number][] = [];
  for (let change = 0; change <= countOfChanges; change += 1) {
    const version = `1.5.${change}`;
    workbench.index.add(laterVersion(16, version));
    const requirements = requirementsOf(set, { [set.bump.name]: version });
    writeFileSync(join(directory, 'requirements.txt'), requirements);
    const start = performance.now();
    const given = ['-r', 'requirements.txt', '--store', store, '--install', 'false', '--json'];
    const { printed } = await commandLine(workbench, directory, 'install', ...given);
    const seconds = (performance.now() - start) / 1000;
    const { wheels, downloaded, key } = JSON.parse(printed) as Printed;
    const closure = wheels.reduce((sum, { size }) => sum + size, 0);
    const entry = bytesIn(join(store, key));
    if (change > 0) changes.push({ closure, entry, downloads: downloaded.count, seconds });
    console.log(`growth ${change}/${countOfChanges}: ${entry} bytes for ${closure} of wheels`);
  }
  return changes;
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
  workbench.index.add(...smallPackages(countOfPackages));
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
  { action, python, index, usageHook, directory }: Workbench,
  cwd: string,
  ...args: string[]
): Promise<{ printed: string; cost: Cost | undefined }> {
  const usage = join(directory, `usage-${performance.now()}`);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      `--require=${usageHook}`,
      join(action, 'dist', 'cli', 'index.js'),
      ...args,
      ...['--python', python],
    ],
    {
      cwd,
      maxBuffer: 1e9,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: directory,
        TMPDIR: directory,
        LANG: 'C.UTF-8',
        PIP_CONFIG_FILE: '/dev/null',
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
        PIP_INDEX_URL: index.url,
        WHEELHOUSE_BENCH_USAGE: usage,
      },
    },
  );
  return { printed: stdout, cost: costsIn(usage)[0] };
}

function bytesIn(directory: string): number {
  return readdirSync(directory).reduce(
    (sum, name) => sum + statSync(join(directory, name)).size,
    0,
  );
}
