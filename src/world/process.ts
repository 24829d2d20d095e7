/** Runs other programs. Each of them is started here, so that none outlives the run. */
import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

import type { Reporter } from '../ports.ts';

/** What a program did. Of very long output, only the end. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  /** Standard output and error in the order of arrival. */
  readonly output: string;
}

/** Characters of a program's output; of more, the end. */
const maxOutput = 32 * 1024 * 1024;

/** Characters after which a line is passed on as it is. */
const maxLine = 1024 * 1024;

/** Cuts rarely: each cut copies the rest. */
function latest(text: string): string {
  return text.length > 2 * maxOutput ? text.slice(-maxOutput) : text;
}

const running = new Set<() => void>();
// Before disk.ts deletes the directories that they write to.
process.prependListener('exit', () => {
  for (const stop of running) stop();
});

/** How a program is started. */
interface Options {
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string>>;
  /** Is given each line of both streams as it comes. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

/** A program that has been started. */
export interface Running {
  /** Writes the last part of its standard input. */
  send(input: string): void;
  /** Writes a part of its standard input. */
  write(input: string): void;
  /** Kills it and all its children. */
  stop(): void;
  /** @throws the system's error (`ENOENT`, `EACCES`, …) when it can't be started */
  readonly finished: Promise<Finished>;
}

/**
 * Runs a program to its end, without a shell.
 * @param options.input its standard input; empty by default
 * @throws the system's error (`ENOENT`, `EACCES`, …) when it can't be started
 */
export async function run(
  command: string,
  args: readonly string[],
  { input = '', ...options }: Options & { readonly input?: string },
): Promise<Finished> {
  const { send, finished } = start(command, args, options);
  send(input);
  return finished;
}

/** Starts a program, without a shell; it waits for its standard input. */
export function start(command: string, args: readonly string[], options: Options): Running {
  // A group of its own: pip's build subprocesses end with it.
  const ownGroup = process.platform !== 'win32';
  const child = spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: ownGroup,
    windowsHide: true,
  });
  const stop = (): void => {
    if (!running.has(stop)) return; // Its id may be another program's by now.
    try {
      if (ownGroup && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // It has already exited.
    }
  };
  running.add(stop);
  let stdout = '';
  let output = '';
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name];
    const decoder = new StringDecoder('utf8');
    let rest = '';
    stream.on('data', (data: Buffer) => {
      const text = decoder.write(data);
      output = latest(output + text);
      if (name === 'stdout') stdout = latest(stdout + text);
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line, name);
      if (rest.length > maxLine) {
        options.onLine?.(rest, name);
        rest = '';
      }
    });
    stream.on('end', () => {
      if (rest !== '') options.onLine?.(rest, name);
    });
  }
  // A program may exit without reading its input.
  child.stdin.on('error', () => {});
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ exitCode: code ?? (signal === null ? 1 : 128), stdout, output });
    });
  }).finally(() => running.delete(stop));
  return {
    send: (input) => child.stdin.end(input),
    write: (input) => void child.stdin.write(input),
    stop,
    finished,
  };
}

/**
 * Makes a cancelled run exit at once, with every program that it started and all their children:
 * the runner sends SIGINT, and later SIGTERM, to this process alone.
 */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
  }
}

/** Runs the entry of an action. An error is reported and fails the step. */
export async function runEntry(
  main: () => Promise<void>,
  reporter: Pick<Reporter, 'error'>,
): Promise<void> {
  endOnSignals();
  try {
    await main();
  } catch (error) {
    reporter.error(error);
    process.exitCode = 1;
  }
  // Flush stdout first; process.exit() would drop buffered output.
  process.stdout.write('', () => process.exit());
}
