/** Runs other programs. Every one of them is started here, so that none outlives the run. */
import { spawn } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

import type { Reporter } from '../ports.ts';

/** What a program did; of output beyond all measure, the end. */
export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  /** Standard output and error in the order of arrival. */
  readonly output: string;
}

/** Characters of a program's output that are kept; of more, the end. */
const maxOutput = 32 * 1024 * 1024;

/** Characters after which a line is passed on as it is. */
const maxLine = 1024 * 1024;

/** Cuts only now and then: each cut copies what stays. */
function latest(text: string): string {
  return text.length > 2 * maxOutput ? text.slice(-maxOutput) : text;
}

const running = new Set<() => void>();
process.on('exit', () => {
  for (const stop of running) stop();
});

/**
 * Runs a program to its end, without a shell.
 * @param options.onLine is given each line of both streams as it comes
 * @param options.input what it reads from standard input, when that is known; nothing by default
 * @throws the system's error (`ENOENT`, `EACCES`, …) when it can't be started
 */
export function run(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env: Readonly<Record<string, string>>;
    readonly input?: string | Promise<string>;
    readonly onLine?: (line: string) => void;
    /** Ends the program and all its children. */
    readonly signal?: AbortSignal;
  },
): Promise<Finished> {
  return new Promise((resolve, reject) => {
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
      try {
        if (ownGroup && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    running.add(stop);
    options.signal?.addEventListener('abort', stop);
    let stdout = '';
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      const decoder = new StringDecoder('utf8');
      let rest = '';
      stream.on('data', (data: Buffer) => {
        const text = decoder.write(data);
        output = latest(output + text);
        if (stream === child.stdout) stdout = latest(stdout + text);
        const lines = (rest + text).split(/\r?\n/);
        rest = lines.pop() ?? '';
        for (const line of lines) options.onLine?.(line);
        if (rest.length > maxLine) {
          options.onLine?.(rest);
          rest = '';
        }
      });
      stream.on('end', () => {
        if (rest !== '') options.onLine?.(rest);
      });
    }
    // A program that ends without reading its input is no fault of ours.
    child.stdin.on('error', () => {});
    void Promise.resolve(options.input ?? '').then((text) => child.stdin.end(text));
    child.once('error', (error) => {
      running.delete(stop);
      reject(error);
    });
    child.once('close', (code, signal) => {
      running.delete(stop);
      resolve({ exitCode: code ?? (signal === null ? 1 : 128), stdout, output });
    });
  });
}

/**
 * Makes a cancelled run end at once, with every program that it started and all their children: the
 * runner sends SIGINT and later SIGTERM to this process alone.
 */
export function endOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
  }
}

/** Runs the entry of an action to its end: what ends it early is reported, and fails the step. */
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
  // Not before all is said: what lies in a pipe's buffer would be lost.
  process.stdout.write('', () => process.exit());
}
