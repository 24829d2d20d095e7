/** Programs that run in the directories of a case: plain pip, and the product as users run it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import { startCacheService } from '../support/cache-service.ts';
import { createJob } from '../support/runner.ts';
import type { Inputs } from './case.ts';
import { settings } from './environments.ts';
import { startRefusingProxy } from './offline.ts';

/** What a program did. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly log: string;
}

/** The result of one run of the product. */
export interface Run {
  readonly log: string;
  readonly exact: boolean;
  /** Projects whose wheels or sdists came from the index. */
  readonly fetched: readonly string[];
  /** Requests that the proxy of a run without a network refused. */
  readonly requests: number;
}

/** The directories of one case with one pair of Python and pip. */
export interface Place {
  readonly root: string;
  /** The checkout, created again for each run because builds leave files in it. */
  readonly project: string;
  /** The environment, always at the same path because scripts contain it. */
  readonly environment: string;
  readonly pipCache: string;
}

/** pip's HTTP cache, shared by all cases of a run; it contains no wheels that pip has built. */
const downloads = realpathSync(mkdtempSync(join(tmpdir(), 'downloads-')));
after(() => rmSync(downloads, { recursive: true, force: true }));

export function normalize(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

/** The project that a file of the index belongs to. */
function projectOf(file: string): string {
  const base = basename(file);
  return normalize(base.replace(base.endsWith('.whl') ? /-.*$/ : /-\d[^-]*$/, ''));
}

/** Compares versions of pip, which consist of numbers and dots. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((each) => each.split('.').map(Number)) as [number[], number[]];
  const at = b.findIndex((part, index) => (a[index] ?? 0) !== part);
  return at >= 0 && (a[at] ?? 0) < Number(b[at]);
}

/** Runs a program until it exits. Its log is its standard error. */
export function run(
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<Finished> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, log] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const deadline = setTimeout(() => child.kill('SIGKILL'), 600_000);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(deadline);
      resolve({ exitCode: code ?? 128, stdout, log });
    });
  });
}

/** The variables of every program, as in a job: the user's pip settings, and little else. */
export function environmentIn(place: Place): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    LANG: 'C.UTF-8',
    ...settings,
    PIP_CACHE_DIR: place.pipCache,
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  };
}

/** Projects whose files pip reports to have downloaded or taken from its HTTP cache. */
export function fetchedIn(log: string): string[] {
  const files = log.matchAll(
    /^\s*(?:Downloading|Using cached) (\S+\.(?:whl|tar\.gz|zip))(?:\s|$)/gm,
  );
  return [...files].map((match) => projectOf(String(match[1])));
}

/** The output of `pip freeze --all`. */
export async function freeze(place: Place): Promise<string[]> {
  const command = [join(place.environment, 'bin', 'python'), '-m', 'pip', 'freeze', '--all'];
  const env = { PATH: process.env['PATH'] ?? '', PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  const { exitCode, stdout, log } = await run(command, place.project, {
    ...env,
    PIP_CONFIG_FILE: devNull,
  });
  assert.equal(exitCode, 0, log);
  return stdout.trim().split('\n');
}

/** Gives a case a pip cache with the downloads of all cases, and without built wheels. */
export function renewPipCache(place: Place): void {
  rmSync(place.pipCache, { recursive: true, force: true });
  mkdirSync(place.pipCache, { recursive: true });
  for (const name of ['http', 'http-v2']) {
    mkdirSync(join(downloads, name), { recursive: true });
    symlinkSync(join(downloads, name), join(place.pipCache, name));
  }
}

/** The product as users run it, with new caches for each case that last for all its runs. */
export interface Product {
  install(inputs: Inputs, cut: boolean): Promise<Run>;
  close(): Promise<void>;
}

/** The action in jobs that share a cache service. @param env more variables of the jobs */
export async function action(
  place: Place,
  env: Readonly<Record<string, string>> = {},
): Promise<Product> {
  const cache = await startCacheService();
  const proxy = await startRefusingProxy('127.0.0.1');
  return {
    async install(inputs, cut) {
      const offlineSettings = { ...proxy.env, PIP_CACHE_DIR: join(place.root, 'empty') };
      const job = createJob({
        env: {
          ...cache.env(),
          ...settings,
          ...env,
          PIP_CACHE_DIR: place.pipCache,
          ...(cut ? { ...offlineSettings, PIP_RETRIES: '0' } : {}),
        },
        workspace: place.project,
        timeout: 600_000,
      });
      try {
        const before = proxy.count();
        const values = Object.entries(inputs).map(([name, lines]) => [name, lines.join('\n')]);
        const python = join(place.environment, 'bin', 'python');
        const main = await job.step({
          action: root,
          with: { python, ...Object.fromEntries(values) },
        });
        assert.equal(main.conclusion, 'success', `the job fails\n${main.log}`);
        const [post] = await job.post();
        assert.equal(post?.conclusion, 'success', post?.log);
        return {
          log: main.log,
          exact: main.outputs['cache-hit'] === 'true',
          fetched: [...new Set(fetchedIn(main.log))],
          requests: proxy.count() - before,
        };
      } finally {
        job.cleanup();
      }
    },
    async close() {
      proxy.close();
      await cache.close();
    },
  };
}
