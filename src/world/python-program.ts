/** The Python programs of `src/python`. */
import { readFileSync } from 'node:fs';

import { type Finished, run } from './process.ts';

/**
 * `-c` puts the working directory first on the path, where a module could replace one of the
 * standard library or pip. (`-P` does the same as these lines, from Python 3.11 on.)
 */
const preamble = 'import sys\nsys.path[:] = [p for p in sys.path if p]\n';

/** Names of the files, without `.py`. */
export type PythonProgram =
  | 'dependencies'
  | 'file_metadata'
  | 'make_venv'
  | 'markers'
  | 'pip_elsewhere'
  | 'probe'
  | 'run_pip'
  | 'session'
  | 'tags'
  | 'unpack_uv'
  | 'wheel_metadata'
  | 'write_stubs';

/** The text of a program, for `python -c`. */
export function pythonProgram(name: PythonProgram): string {
  return preamble + source(name);
}

/**
 * Runs a program to its end.
 * @param python path of the interpreter, or a command on PATH
 */
export function runProgram(
  python: string,
  name: PythonProgram,
  args: readonly string[],
  options: Parameters<typeof run>[2],
): Promise<Finished> {
  return run(python, ['-c', pythonProgram(name), ...args], options);
}

/** JSON in ASCII: Python reads its input in the encoding of the locale, which on Windows is not UTF-8. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Runs a program that reads and prints JSON.
 * @returns what it prints; undefined when it fails
 */
export async function answer<T>(
  { executable }: { readonly executable: string },
  program: PythonProgram,
  question: unknown,
  options: { readonly cwd?: string; readonly env: Readonly<Record<string, string>> },
): Promise<T | undefined> {
  const input = asciiJson(question);
  const { exitCode, stdout } = await runProgram(executable, program, [], { ...options, input });
  try {
    return exitCode === 0 ? (JSON.parse(stdout) as T) : undefined;
  } catch {
    return undefined; // Something in the environment may print whenever Python starts.
  }
}

/** The build replaces this function with one that contains all programs: see scripts/build.mjs. */
function source(name: string): string {
  return readFileSync(new URL(`../python/${name}.py`, import.meta.url), 'utf8');
}
