/**
 * Rows of faults. Each runs a job of the committed dist with real pip and checks everything that a
 * fault could affect: the result, the installed packages, the files on disk, the running processes,
 * the cache entries, and the messages.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { root } from '../../scripts/tools.mjs';
import { type CacheService, startCacheService } from '../support/cache-service.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { linkedPython } from '../support/jobs.ts';
import { type Distribution, wheel } from '../support/packages.ts';
import { processes, wordsOf } from '../support/processes.ts';
import { createJob, type Job, type StepResult } from '../support/runner.ts';
import type { RunOptions } from '../support/scenario.ts';

/** The action, or a build of it that was broken on purpose to see whether a row notices. */
export const action = process.env['WHEELHOUSE_UNDER_TEST'] ?? root;

/** The packages of the index, unless a row adds more. `beta` 3.0 is there so as not to be chosen. */
export const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta'], size: 300_000 });
export const beta = wheel({ name: 'beta', version: '2.0', size: 50_000 });
export const laterBeta = wheel({ name: 'beta', version: '3.0' });
export const pinned = 'alpha==1.0\nbeta==2.0\n';
export const everything: readonly string[] = ['alpha==1.0', 'beta==2.0'];

/** A cache entry that a job has saved. */
export interface Entry {
  readonly key: string;
  readonly version: string;
  readonly archive: Buffer;
}

/** What a row works with. */
export interface Place {
  readonly index: IndexServer;
  readonly cache: CacheService;
  readonly job: Job;
  /** The interpreter to install into. */
  readonly python: string;
  /** The entry that an earlier job with the same requirements has saved. */
  readonly entry: Entry;
  /** An empty directory outside the workspace. */
  readonly own: string;
  /** Runs the main step with the inputs and options of the row. */
  main(): Promise<StepResult>;
  /** Inputs of the main step. */
  readonly inputs: Record<string, string | boolean>;
  /** Options of node for main and post. */
  readonly nodeOptions: string[];
  /** Adds something to undo before the job's directories are removed. */
  later(undo: () => void): void;
}

/** What a row can check after its job. */
export interface After extends Place {
  readonly result: StepResult;
  /** In the order in which they run: the last use first. */
  readonly posts: readonly StepResult[];
}

/** Runs the main step in a special way, for example by interrupting it. */
export type Act = (place: Place) => Promise<StepResult>;

export interface Row
  extends Pick<RunOptions, 'files' | 'with' | 'env' | 'pip' | 'job' | 'identity' | 'noPost'> {
  /** The fault, which is the row's name. */
  readonly fault: string;
  /** The requirements whose wheelhouse is in the cache beforehand. Default: those of the job. */
  readonly seed?: string;
  /** Files of local projects, which the job that saves the entry has too. */
  readonly project?: Readonly<Record<string, string | Buffer>>;
  /** The cache is empty beforehand. */
  readonly empty?: boolean;
  /** Causes the fault. */
  readonly arrange?: (place: Place) => Promise<void> | void;
  readonly act?: Act;
  /** Runs between main and post. */
  readonly between?: (place: Place) => Promise<void> | void;
  /** The job is killed without a chance to clean up, so it may leave temporary files and processes. */
  readonly mayLeave?: boolean;
  /** Default: success. */
  readonly conclusion?: 'success' | 'failure';
  /** Default: `everything`. */
  readonly installed?: readonly string[];
  /** The output cache-hit. */
  readonly hit?: boolean;
  /** Files that the index sent, sorted. */
  readonly artifacts?: readonly string[];
  /** Keys in the cache afterwards: `{key}` is the entry's. Default: `{key}` alone. */
  readonly saved?: readonly string[];
  /**
   * All annotations of main and post, as `level: text`. `…` stands for any text; `{key}`, `{temp}`,
   * `{workspace}`, `{root}`, `{python}`, `{index}` and `{own}` stand for their values in this job.
   * Default: none.
   */
  readonly says?: string | readonly string[];
  /** A line of the log that reports the fault if there is no annotation; format as `says`. */
  readonly logs?: string;
  /** Seconds that main and post may take together. */
  readonly within?: number;
  /** Further checks. */
  readonly check?: (after: After) => Promise<void> | void;
  /** Why the row is skipped on this machine. */
  readonly skip?: string | false;
}

/** Starts a row of the table in docs/faults.md; test-faults.mjs reads it from the diagnostics. */
export const rowMark = 'fault-row: ';

interface Stage {
  readonly index: IndexServer;
  /** Cache services that no row is using. */
  readonly caches: CacheService[];
  seed(requirements: string, project?: Row['project']): Promise<Entry>;
  close(): Promise<void>;
}

/**
 * Declares the rows of a group as tests.
 * @param options.lanes how many rows run at a time. More than one is for rows that mostly wait: they
 *   share one index, so they can't check what it sent
 */
export function group(
  name: string,
  rows: readonly Row[],
  options: {
    readonly lanes?: number;
    readonly distributions?: readonly Distribution[];
    readonly azureHost?: boolean;
  } = {},
): void {
  const { lanes = 1 } = options;
  let stage: Promise<Stage> | undefined;
  describe(name, { concurrency: lanes }, () => {
    after(async () => {
      await (await stage?.catch(() => undefined))?.close();
    });
    for (const row of rows) {
      test(`${name}: ${row.fault}`, async (context) => {
        context.diagnostic(`${rowMark}${JSON.stringify(shown(name, row))}`);
        if (row.skip) {
          context.skip(row.skip);
          return;
        }
        stage ??= openStage(lanes, options);
        const { index, caches, seed } = await stage;
        // A job that must fail saves no entry, so any entry will do.
        const isFailing = row.conclusion === 'failure' && row.empty;
        const requirements = row.seed ?? (isFailing ? pinned : requirementsOf(row));
        const entry = await seed(requirements, row.empty ? {} : row.project);
        const cache = caches.pop();
        assert.ok(cache, 'there are as many caches as lanes');
        try {
          await cache.reset();
          await carryOut(row, index, cache, entry);
        } finally {
          caches.push(cache);
        }
      });
    }
  });
}

function requirementsOf(row: Row): string {
  return String(row.files?.['requirements.txt'] ?? pinned);
}

function shown(group: string, row: Row): Record<string, unknown> {
  return {
    group,
    fault: row.fault,
    job: row.conclusion ?? 'success',
    installed: row.installed ?? everything,
    hit: row.hit,
    saved: row.saved ?? ['{key}'],
    says: [row.says ?? []].flat(),
    logs: row.logs,
    skip: row.skip || undefined,
  };
}

async function openStage(
  lanes: number,
  { distributions = [], azureHost = false }: Parameters<typeof group>[2] = {},
): Promise<Stage> {
  const index = await startIndex({ distributions: [alpha, beta, laterBeta, ...distributions] });
  // One more creates the seed entries while rows use the others.
  const [seeder, ...caches] = (await Promise.all(
    Array.from({ length: lanes + 1 }, () => startCacheService({ azureHost })),
  )) as [CacheService, ...CacheService[]];
  const entries = new Map<string, Promise<Entry>>();
  let before: Promise<unknown> = Promise.resolve();
  const make = async (requirements: string, project: Row['project']): Promise<Entry> => {
    await seeder.reset();
    const files = { ...project, 'requirements.txt': requirements };
    const job = createJob({ files, env: pipEnv(index) });
    Object.assign(job.env, seeder.env());
    try {
      const python = await linkedPython(join(job.root, 'environment'));
      const main = await job.step({ action, with: { python, install: false } });
      assert.equal(main.conclusion, 'success', main.log);
      const [post] = await job.post();
      const [entry] = seeder.entries();
      assert.ok(entry, post?.log);
      const archive = await seeder.readArchive(entry.key);
      return { key: entry.key, version: entry.version, archive };
    } finally {
      job.cleanup();
    }
  };
  return {
    index,
    caches,
    close: async () => {
      await Promise.all([seeder, ...caches].map((cache) => cache.close()));
      await index.close();
    },
    seed(requirements, project) {
      // Seeds are created one at a time, and rows with the same requirements share one.
      const name = JSON.stringify([requirements, project]);
      const made = entries.get(name) ?? before.then(() => make(requirements, project));
      entries.set(name, made);
      before = made.catch(() => {});
      return made;
    },
  };
}

/** Variables of a job whose pip uses the index. */
export function pipEnv(index: IndexServer): Record<string, string> {
  return { PIP_INDEX_URL: index.url, PIP_RETRIES: '0' };
}

/** Runs a row's job and checks everything. */
async function carryOut(
  row: Row,
  index: IndexServer,
  cache: CacheService,
  entry: Entry,
): Promise<void> {
  const marker = `WHEELHOUSE_TEST_JOB=${randomUUID()}`;
  const job = createJob({
    ...row.job,
    files: { 'requirements.txt': pinned, ...row.project, ...row.files },
    env: { ...cache.env(row.identity), ...pipEnv(index), ...row.env },
  });
  const own = join(job.root, 'own');
  const systemTemp = join(job.root, 'tmp');
  mkdirSync(own);
  mkdirSync(systemTemp);
  Object.assign(job.env, {
    TMPDIR: row.env?.['TMPDIR'] ?? systemTemp,
    [marker.slice(0, marker.indexOf('='))]: marker.slice(marker.indexOf('=') + 1),
  });
  const undone: (() => void)[] = [() => job.cleanup()];
  try {
    const python = await linkedPython(join(job.root, 'environment'), row.pip);
    if (!row.empty) await cache.addEntry(entry.key, entry.version, entry.archive);
    const inputs: Record<string, string | boolean> = { python, ...row.with };
    const nodeOptions: string[] = [];
    const place: Place = {
      ...{ index, cache, job, python, entry, own, inputs, nodeOptions },
      main: () => job.step({ action, with: inputs, nodeOptions }),
      later: (undo) => void undone.unshift(undo),
    };
    await row.arrange?.(place);
    index.reset();
    const result = await (row.act?.(place) ?? place.main());
    const artifacts = index.artifacts().sort();
    await index.fail(undefined);
    const filled = result.outputs['wheelhouse'];
    const kept = filled ? wheelhouseFaults(filled) : [];
    await row.between?.(place);
    const posts = row.noPost ? [] : await job.post();
    const log = [result, ...posts].map((step) => step.log).join('\n--- post\n');

    assert.equal(result.conclusion, row.conclusion ?? 'success', log);
    for (const post of posts) assert.equal(post.conclusion, 'success', log);
    assert.ok(![result, ...posts].some((step) => step.timedOut), log);
    const { installed, faults } = await inspectInstalled(python);
    assert.deepEqual(installed, row.installed ?? everything, log);
    assert.deepEqual(faults, [], log);
    if (row.hit !== undefined) assert.equal(result.outputs['cache-hit'], String(row.hit), log);
    if (row.artifacts !== undefined) assert.deepEqual(artifacts, row.artifacts, log);
    assert.deepEqual(kept, [], log);
    if (!row.mayLeave) {
      assert.deepEqual(await leftRunning(marker), [], log);
      assert.deepEqual(await leftOnDisk(job), [], log);
    }

    const words: Record<string, string> = {
      ...{ key: entry.key, temp: job.temp, workspace: job.workspace, root: job.root, python, own },
      index: index.url.replace(/\/$/, ''),
    };
    const fillIn = (text: string): string =>
      text.replace(/\{(\w+)\}/g, (whole, name) => words[name] ?? whole);
    const saved = cache.entries().map(({ key }) => key);
    const said = [result, ...posts].flatMap((step) =>
      step.annotations.map(({ level, message }) => `${level}: ${message}`),
    );
    const expected = [row.says ?? []].flat().map(fillIn);
    const keys = (row.saved ?? ['{key}']).map(fillIn);
    assert.equal(saved.length, keys.length, `saved: ${saved.join()}\n${log}`);
    for (const key of keys)
      assert.ok(
        saved.some((each) => anchored(key).test(each)),
        `${saved.join()}\n${log}`,
      );
    assert.equal(
      said.length,
      expected.length,
      `said: ${JSON.stringify(said, undefined, 1)}\n${log}`,
    );
    for (const [order, text] of expected.entries()) {
      assert.match(String(said[order]), anchored(text), log);
    }
    if (row.logs !== undefined) {
      const line = anchored(fillIn(row.logs));
      assert.ok(
        log.split('\n').some((each) => line.test(each)),
        `no line ${row.logs} in ${log}`,
      );
    }
    if (row.within !== undefined) {
      const took = [result, ...posts].reduce((sum, step) => sum + step.durationMs, 0) / 1000;
      assert.ok(took < row.within, `took ${took} s: ${log}`);
    }
    await row.check?.({ ...place, result, posts });
  } finally {
    await index.fail(undefined);
    for (const process of processesWith(marker)) kill(Number.parseInt(process, 10));
    for (const undo of undone) undo();
  }
}

/** Returns a pattern that matches a whole text, with `…` for any text. */
export function anchored(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*?')}$`);
}

const inspection = `
import sys, os, json, hashlib, base64, importlib, sysconfig
import importlib.metadata as metadata
installed, faults, known = [], [], set()
place = sysconfig.get_path('purelib')
for each in metadata.distributions(path=[place]):
    name = each.metadata['Name']
    if name is None:
        faults.append(str(each._path) + ' has no metadata')
        continue
    for file in each.files or []:
        known.add(file.parts[0])
    if name == 'pip':
        continue
    installed.append(name + '==' + each.version)
    if each.files is None:
        faults.append(name + ' has no RECORD')
        continue
    for file in each.files:
        path = file.locate()
        if not os.path.isfile(path):
            faults.append('%s lacks %s' % (name, file))
        elif file.hash and file.hash.mode == 'sha256':
            with open(path, 'rb') as stream:
                digest = hashlib.sha256(stream.read()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b'=').decode() != file.hash.value:
                faults.append('%s: %s does not match RECORD' % (name, file))
    try:
        module = importlib.import_module(name.replace('-', '_'))
        if getattr(module, '__version__', each.version) != each.version:
            faults.append('%s imports as %s' % (name, module.__version__))
    except Exception as error:
        faults.append('%s does not import: %r' % (name, error))
for entry in sorted(os.listdir(place)):
    if entry not in known and not entry.startswith(('pip', '__pycache__', '_distutils_hack')):
        faults.append(entry + ' belongs to nothing')
print(json.dumps([sorted(installed), faults]))
`;

/** Lists installed packages; faults are failing imports and files that do not match their RECORD. */
export async function inspectInstalled(
  python: string,
): Promise<{ installed: string[]; faults: string[] }> {
  const { stdout } = await promisify(execFile)(python, ['-B', '-c', inspection]);
  const [installed, faults] = JSON.parse(stdout) as [string[], string[]];
  return { installed, faults };
}

/** Command lines of processes with a job's marker; those about to exit get two seconds. */
export async function leftRunning(marker: string): Promise<string[]> {
  for (let tries = 20; ; tries -= 1) {
    const found = processesWith(marker);
    if (found.length === 0 || tries === 0) return found;
    await sleep(100);
  }
}

function kill(id: number): void {
  try {
    process.kill(id, 'SIGKILL');
  } catch {
    // It has exited in the meantime.
  }
}

function processesWith(marker: string): string[] {
  return processes()
    .filter(({ id }) => wordsOf(id, 'environ').includes(marker))
    .map(({ id, words }) => `${id} ${words.join(' ')}`);
}

/** Relative paths of everything below a directory, without following symbolic links. */
export async function below(directory: string): Promise<string[]> {
  // Not readdirSync, which follows symbolic links forever.
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.map((entry) => relative(directory, join(entry.parentPath, entry.name)));
}

/** Files that a job must not leave behind. */
export async function leftOnDisk(job: Pick<Job, 'root'>): Promise<string[]> {
  return (await below(job.root)).filter(
    (file) =>
      /(?:^|\/)wheelhouse-(?:work|transfer)-|\.(?:old|new|own)(?:$|\/)/.test(file) ||
      /wheelhouse\.json\.[^/]+$|requirements\.lock\.[^/]+$|pylock\.toml\.[^/]+$/.test(file) ||
      /^tmp\/(?!node-compile-cache)/.test(file),
  );
}

/** What is wrong with a wheelhouse on disk, checked independently of the action's own code. */
export function wheelhouseFaults(directory: string): string[] {
  const faults: string[] = [];
  if (!existsSync(join(directory, 'wheelhouse.json'))) return ['it has no manifest'];
  const { wheels } = JSON.parse(readFileSync(join(directory, 'wheelhouse.json'), 'utf8')) as {
    wheels: { file: string; sha256: string; name: string; version: string; role: string }[];
  };
  const pathOf = ({ role, file }: { role: string; file: string }): string =>
    role === 'runtime' ? file : `build/${file}`;
  for (const { file, sha256, role } of wheels) {
    const path = join(directory, pathOf({ role, file }));
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) faults.push(`${file} is missing`);
    else if (sha256 !== createHash('sha256').update(readFileSync(path)).digest('hex')) {
      faults.push(`${file} does not match the manifest`);
    }
  }
  const lock = readFileSync(join(directory, 'requirements.lock'), 'utf8');
  for (const { name, version, sha256, role } of wheels) {
    const line = `${name}==${version} --hash=sha256:${sha256}`;
    if (lock.split('\n').includes(line) !== (role === 'runtime')) faults.push(`lock: ${line}`);
  }
  const pylock = readFileSync(join(directory, 'pylock.toml'), 'utf8');
  for (const { file, sha256, role } of wheels) {
    const isLocked = pylock.includes(`path = "${file}"`) && pylock.includes(`"${sha256}"`);
    if (isLocked !== (role === 'runtime')) faults.push(`pylock.toml: ${file}`);
  }
  if (pylock.includes('url =')) faults.push('pylock.toml has a URL');
  const known = new Set([
    'wheelhouse.json',
    'requirements.lock',
    'pylock.toml',
    ...wheels.map(pathOf),
  ]);
  const present = readdirSync(directory, { recursive: true }).map(String);
  return [...faults, ...present.filter((file) => file !== 'build' && !known.has(file))];
}
