/** Runs the committed dist of the command line, in the test's own home and temporary directory. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

import { root } from '../../scripts/tools.mjs';
import { linkedPython } from './jobs.ts';
import type { PipVersion } from './python.ts';

export const entry = join(root, 'dist', 'cli', 'index.js');

export interface Finished {
  /** 128 plus the signal's number, as in a shell, if a signal ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The output of `--json`. @throws Error if it is not JSON */
  json<T = Record<string, unknown>>(): T;
}

export interface RunOptions {
  /** Variables; `undefined` removes one. */
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  /** Options of node itself. */
  readonly node?: readonly string[];
  /** A command that runs the given one, and its arguments. */
  readonly within?: readonly string[];
  readonly meanwhile?: (pid: number) => Promise<void> | void;
}

/** A simulated machine on which `wheelhouse` runs. */
export interface Machine {
  readonly root: string;
  /** The working directory, which contains the files. */
  readonly directory: string;
  readonly store: string;
  /** The directory for temporary files. */
  readonly temporary: string;
  readonly env: Readonly<Record<string, string>>;
  run(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Creates a virtual environment with pip and nothing else. @returns its interpreter */
  python(pip?: PipVersion): Promise<string>;
  /** Keys of the wheelhouses in the store, in order. */
  stored(): string[];
  /** The path of an entry of the store. */
  entryFile(key: string): string;
  /** The paths of the wheels in the store, by file name. */
  storedWheels(): Record<string, string>;
  write(files: Record<string, string>): void;
  remove(): void;
}

export function createMachine(files: Record<string, string>, index?: string): Machine {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'machine-')));
  const [directory, home, temporary, store] = ['project', 'home', 'tmp', 'store'].map((name) =>
    join(place, name),
  ) as [string, string, string, string];
  for (const each of [directory, home, temporary]) mkdirSync(each);
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    LANG: 'C.UTF-8',
    HOME: home,
    TMPDIR: temporary,
    // This machine's pip settings would become part of the key.
    PIP_CONFIG_FILE: devNull,
    PIP_RETRIES: '0',
    ...(index === undefined ? {} : { PIP_INDEX_URL: index }),
  };
  let pythons = 0;
  const machine: Machine = {
    root: place,
    directory,
    store,
    temporary,
    env,
    run: (args, options = {}) =>
      start([process.execPath, ...(options.node ?? []), entry, ...args], {
        ...options,
        cwd: options.cwd ?? directory,
        env: { ...env, ...options.env },
      }),
    python(pip) {
      pythons += 1;
      return linkedPython(join(place, `python-${pythons}`), pip);
    },
    stored() {
      const entries = namesIn(join(store, 'entries'));
      return entries.map((name) => basename(name, '.json')).sort();
    },
    entryFile: (key) => join(store, 'entries', `${key}.json`),
    storedWheels() {
      const wheels = join(store, 'wheels');
      const paths = namesIn(wheels).flatMap((digest) =>
        namesIn(join(wheels, digest)).map((file) => [file, join(wheels, digest, file)]),
      );
      return Object.fromEntries(paths.sort());
    },
    write(added) {
      for (const [file, content] of Object.entries(added)) {
        mkdirSync(dirname(join(directory, file)), { recursive: true });
        writeFileSync(join(directory, file), content);
      }
    },
    remove: () => rmSync(place, { recursive: true, force: true, maxRetries: 3 }),
  };
  machine.write(files);
  return machine;
}

/** The names in a directory, in order; none where there is no directory. */
function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

/** Runs a command until it exits, without blocking the servers of this process. */
export function start(
  command: readonly string[],
  { env = {}, cwd, within = [], meanwhile }: RunOptions,
): Promise<Finished> {
  const [program = '', ...args] = [...within, ...command];
  const given = Object.entries(env).filter((each) => each[1] !== undefined);
  const child = spawn(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: Object.fromEntries(given) as Record<string, string>,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  const deadline = setTimeout(() => child.kill('SIGKILL'), 120_000);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(deadline);
      const exitCode = code ?? 128;
      resolve({ ...said, exitCode, json: () => JSON.parse(said.stdout) });
    });
    if (child.pid !== undefined) Promise.resolve(meanwhile?.(child.pid)).catch(reject);
  });
}
