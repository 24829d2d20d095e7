/** The environment of the measured steps, shared by all jobs: a Python, programs and servers. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { type CacheService, startCacheService } from '../__tests__/support/cache-service.ts';
import { type IndexServer, type Mode, startIndex } from '../__tests__/support/index-server.ts';
import { wheel } from '../__tests__/support/packages.ts';
import { freshPython, sitePackages } from '../__tests__/support/python.ts';
import { pipDirectory, pipVersions, root, uvCommand } from '../scripts/tools.mjs';
import { benchCache, type Packages } from './packages.ts';

/** Latency in milliseconds, bandwidth in bytes per second. */
export const links = {
  index: { latency: 15, bandwidth: 50e6 },
  cache: { latency: 20, bandwidth: 100e6 },
} as const;

export const newestPip = String(pipVersions.at(-1));
const run = promisify(execFile);

export interface Workbench {
  /** Contains everything that is measured; removed at the end. */
  readonly directory: string;
  /** Returns a Python with that pip and nothing else; steps find it on PATH. */
  pythonWith(pip: string): string;
  readonly uvBin: string;
  /** NODE_OPTIONS of every measured node process. */
  readonly nodeOptions: string;
  readonly usageHook: string;
  readonly peerCache: string;
  /** The directory of the measured action's action.yml. */
  readonly action: string;
  readonly index: IndexServer;
  readonly cache: CacheService;
  setUrls(urls: Mode['urls']): void;
  close(): Promise<void>;
}

/**
 * Starts the servers; the index offers the packages.
 * @param profiles directory for CPU profiles of all measured node processes
 */
export async function startWorkbench(
  action: string,
  { distributions, listed }: Pick<Packages, 'distributions' | 'listed'>,
  profiles?: string,
): Promise<Workbench> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'wheelhouse-bench-')));
  // Jobs and servers create their directories here.
  process.env['TMPDIR'] = directory;
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const pythons = new Map<string, string>();
  const usageHook = fileURLToPath(new URL('usage.cjs', import.meta.url));
  const index = await startIndex({ ...links.index, gzip: true });
  index.list(listed);
  index.add(...distributions);
  const cache = await startCacheService({ ...links.cache });
  return {
    directory,
    pythonWith(pip) {
      const place = join(directory, `python-${pip}`);
      const python = pythons.get(pip) ?? freshPython(place, pip);
      if (!pythons.has(pip)) recordBytecode(sitePackages(place));
      pythons.set(pip, python);
      return python;
    },
    uvBin: dirname(uvCommand()),
    usageHook,
    nodeOptions: [
      `--require=${usageHook}`,
      ...(profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]),
    ].join(' '),
    peerCache: bundledPeerCache(),
    ...{ action, index, cache },
    setUrls: (urls) =>
      // Indexes with such URLs offer no metadata beside their files.
      void Object.assign(index.mode, { urls, metadata: urls === 'stable' }),
    async close() {
      await cache.close();
      await index.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Bundles the cache program of the peers into one file, like theirs. @returns its path */
function bundledPeerCache(): string {
  const source = fileURLToPath(new URL('peer-cache.mjs', import.meta.url));
  const lock = readFileSync(join(root, 'package-lock.json'));
  const digest = createHash('sha256').update(readFileSync(source)).update(lock).digest('hex');
  const directory = join(benchCache, `peer-cache-${digest.slice(0, 10)}`);
  if (!existsSync(directory)) {
    const ncc = join(root, 'node_modules', '@vercel', 'ncc', 'dist', 'ncc', 'cli.js');
    mkdirSync(benchCache, { recursive: true });
    execFileSync(process.execPath, [ncc, 'build', source, '-o', directory, '--no-cache'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return join(directory, readdirSync(directory).find((file) => /^index\.m?js$/.test(file)) ?? '');
}

/** Lists pip's bytecode in its RECORD, as pip does when it installs pip. */
function recordBytecode(packages: string): void {
  const info = readdirSync(packages).find((name) => /^pip-.*\.dist-info$/.test(name)) ?? '';
  const bytecode = readdirSync(join(packages, 'pip'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.pyc'))
    .map((file) => `pip/${file.replaceAll('\\', '/')},,\n`);
  appendFileSync(join(packages, info, 'RECORD'), bytecode.join(''));
}

/**
 * Replaces the pip of an environment that `python -m venv` created: its version depends on the
 * release of Python.
 */
export function exchangePip(environment: string, version: string): void {
  const packages = sitePackages(environment);
  for (const name of readdirSync(packages)) {
    if (/^pip(?:-.*)?$/.test(name)) rmSync(join(packages, name), { recursive: true });
  }
  cpSync(pipDirectory(version), packages, { recursive: true, preserveTimestamps: true });
}

/** Flushes the writes of the last step to disk, so that the next step does not pay for them. */
export async function settle(): Promise<void> {
  await run('sync', []).catch(() => {});
}

/** Measures the rates of the servers from another process, in bytes per second. */
export async function measuredRates({
  index,
  cache,
}: Pick<Workbench, 'index' | 'cache'>): Promise<{ index: number; cache: number }> {
  const content = Buffer.alloc(50e6, 'wheelhouse');
  const probe = wheel({ name: 'rate', version: '1.0' });
  index.add({ ...probe, content });
  const file = new URL(`../files/${probe.filename}`, index.url).href;
  const { ACTIONS_RUNTIME_TOKEN } = cache.env();
  await cache.addEntry('rate', 'rate', content);
  const service = 'twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL';
  const answer = await fetch(`${cache.url}/${service}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ACTIONS_RUNTIME_TOKEN}` },
    body: JSON.stringify({ key: 'rate', restore_keys: [], version: 'rate' }),
  });
  const { signed_download_url: entry } = (await answer.json()) as { signed_download_url: string };
  const rates = { index: await rateOf(file), cache: await rateOf(entry) };
  await cache.delete('rate');
  index.remove(probe.filename);
  return rates;
}

async function rateOf(url: string): Promise<number> {
  const script = `
    const start = performance.now();
    let bytes = 0;
    for await (const part of (await fetch(${JSON.stringify(url)})).body) bytes += part.length;
    console.log((1000 * bytes) / (performance.now() - start));
  `;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  return Number(stdout);
}

/** Measures the cost of a node process that does nothing. */
export async function nodeFloor({
  usageHook,
  directory,
}: Pick<Workbench, 'usageHook' | 'directory'>): Promise<Cost> {
  const file = join(directory, 'floor');
  await run(process.execPath, ['--require', usageHook, '-e', '0'], {
    env: { ...process.env, WHEELHOUSE_BENCH_USAGE: file },
  });
  return costsIn(file)[0] as Cost;
}

/** The cost of one node process: seconds of CPU, bytes of memory. */
export interface Cost {
  readonly program: string;
  readonly cpu: number;
  readonly children?: number;
  readonly memory: number;
}

/** Reads the costs that the hook wrote. */
export function costsIn(file: string): Cost[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Cost);
}
