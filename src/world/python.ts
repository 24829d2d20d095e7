/** The chosen Python and its pip. */
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { temporaryVariables } from '../logic/environment.ts';
import { UserError } from '../logic/errors.ts';
import type { Interpreter, Request } from '../logic/model.ts';
import { normalizeName } from '../logic/names.ts';
import { errorExcerpt } from '../logic/pip-output.ts';
import type { PipResult, Python, Reporter } from '../ports.ts';
import { discard, release, temporaryDirectory, untilExit } from './disk.ts';
import { type Finished, run } from './process.ts';
import { answer, asciiJson, runProgram } from './python-program.ts';

const oldestPython = '3.7';

/** @param environment of programs other than pip: without the runner's inputs and tokens */
export function pythonAdapter(
  reporter: Reporter,
  environment: Readonly<Record<string, string>>,
): Python {
  return {
    probe,
    createVenv,
    installed,
    present,
    async pip(interpreter, args, { env, buildLog, pip, ...options }) {
      // A pip that is killed leaves what it has unpacked. If this can't be made, pip says why.
      const temporary = await temporaryDirectory(tmpdir(), 'wheelhouse-pip').catch(() => undefined);
      try {
        return await runPip(reporter, interpreter, 'run_pip', args, {
          ...options,
          env: {
            ...env,
            ...(temporary ? temporaryVariables(temporary) : {}),
            ...(buildLog === undefined ? {} : { WHEELHOUSE_BUILD_LOG: buildLog }),
            ...(pip === undefined ? {} : { WHEELHOUSE_PIP: pip }),
          },
        });
      } finally {
        if (temporary) await discard(temporary);
      }
    },
    async applies(interpreter, markers, extras = []) {
      if (markers.length === 0) return new Map();
      const job = { markers, extras };
      const options = { env: environment };
      return new Map(await answer<[string, boolean][]>(interpreter, 'markers', job, options));
    },
    async tags(interpreter) {
      const tags = await answer<string[]>(interpreter, 'tags', {}, { env: environment });
      if (tags === undefined) throw new Error('The tags of this Python could not be read.');
      return tags;
    },
    async dependencies(interpreter, directory, files) {
      if (files.length === 0) return [];
      const job = { directory, files };
      const options = { env: environment };
      type Found = {
        name: string;
        version: string;
        requires: string[];
        python: string | null;
        extras: string[];
      } | null;
      const found = await answer<Found[]>(interpreter, 'dependencies', job, options);
      return files.map((_file, position) => {
        const each = found?.[position];
        return each ? { ...each, python: each.python ?? undefined } : undefined;
      });
    },
    async writeStubs({ executable }, directory, stubs) {
      const { exitCode, stdout, output } = await runProgram(
        executable,
        'write_stubs',
        [directory],
        { env: environment, input: asciiJson(stubs) },
      );
      if (exitCode !== 0) {
        throw new Error(`Stub wheels could not be written: ${errorExcerpt(output)}`);
      }
      return JSON.parse(stdout);
    },
  };
}

/** Runs a program that becomes pip; its output goes to the log, rewritten, as it comes. */
export async function runPip(
  reporter: Reporter,
  { executable }: Interpreter,
  program: 'run_pip' | 'pip_elsewhere',
  args: readonly string[],
  { cwd, env, rewrite = (line) => line }: Parameters<Python['pip']>[2],
): Promise<PipResult> {
  const lines: string[] = [];
  const onLine = (line: string): void => {
    const shown = rewrite(line);
    lines.push(shown);
    reporter.foreign(shown);
  };
  const { exitCode } = await runProgram(executable, program, args, { cwd, env, onLine });
  return { exitCode, output: lines.join('\n') };
}

async function probe(request: Request): Promise<Interpreter> {
  const candidates = pythonCandidates(request);
  for (const command of candidates) {
    try {
      return readProbe(
        command,
        await runProgram(command, 'probe', [], {
          cwd: request.workingDirectory,
          env: request.environment,
        }),
      );
    } catch (error) {
      if (error instanceof UserError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && command !== candidates.at(-1)) continue;
      throw notFound(request, command, code);
    }
  }
  throw new Error('no candidate for Python');
}

/** An existing virtual environment comes first, then the input, then what PATH offers. */
function pythonCandidates(request: Request): string[] {
  if (request.venv !== undefined) {
    const inside = venvPython(request.venv);
    if (existsSync(inside)) return [inside];
  }
  if (request.python === undefined) return ['python', 'python3'];
  const isPath = /[\\/]/.test(request.python);
  return [isPath ? path.resolve(request.workingDirectory, request.python) : request.python];
}

function notFound({ python }: Request, command: string, code: string | undefined): UserError {
  const reason =
    code === 'ENOENT' ? 'was not found' : `could not be started (${code ?? 'unknown error'})`;
  return new UserError(
    python === undefined
      ? `Python ${reason} on PATH. Run actions/setup-python before this step, or set the input python.`
      : `Python "${command}" ${reason}. Set the input python to an interpreter that exists.`,
  );
}

/** @throws UserError for anything but the answer of a usable Python */
function readProbe(command: string, { exitCode, stdout, output }: Finished): Interpreter {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = undefined;
  }
  const unclear = new UserError(
    `Could not get information from Python "${command}" (exit code ${exitCode}): ${errorExcerpt(output, 3) || 'no output'}. Check that it runs: ${command} -c "print(1)".`,
  );
  if (exitCode !== 0 || typeof answer !== 'object' || answer === null) throw unclear;
  const { tooOld, pipConfigError } = answer as { tooOld?: string; pipConfigError?: string | null };
  if (tooOld !== undefined) {
    throw new UserError(
      `Python "${command}" is ${tooOld}; ${oldestPython} or newer is needed. Set the input python to a newer one.`,
    );
  }
  if (pipConfigError) {
    throw new UserError(
      `pip can't read its configuration: ${pipConfigError}. Fix or remove that file.`,
    );
  }
  const { pip, ...rest } = answer as Omit<Interpreter, 'pip'> & { pip: string | null };
  if (typeof rest.executable !== 'string' || typeof rest.sitePackages !== 'string') throw unclear;
  return { ...rest, pip: pip ?? undefined };
}

/** @returns the interpreter of a virtual environment */
export function venvPython(directory: string): string {
  return path.join(venvBin(directory), process.platform === 'win32' ? 'python.exe' : 'python');
}

/** @returns the directory with the commands of a virtual environment */
export function venvBin(directory: string): string {
  return path.join(directory, process.platform === 'win32' ? 'Scripts' : 'bin');
}

async function createVenv(
  interpreter: Interpreter,
  request: Request,
  directory: string,
): Promise<Interpreter> {
  if (existsSync(directory) && !existsSync(path.join(directory, 'pyvenv.cfg'))) {
    throw new UserError(
      `${directory} exists and is not a virtual environment. Set the input venv to another directory, or remove that one.`,
    );
  }
  await removeDeadLinks(venvBin(directory));
  // A later run must not find half an environment.
  if (!existsSync(directory)) untilExit(directory);
  const made = await withCopiedPip(interpreter, request, directory);
  if (made === undefined) await withEnsuredPip(interpreter, request, directory);
  release(directory);
  return made ?? probe({ ...request, venv: directory });
}

/** venv would leave dangling links to an interpreter that has been removed. */
async function removeDeadLinks(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const file = path.join(directory, name);
    if (!existsSync(file)) await rm(file, { force: true });
  }
}

/** @returns undefined when this Python's pip can't be copied; a new directory is then deleted */
async function withCopiedPip(
  interpreter: Interpreter,
  { environment }: Request,
  directory: string,
): Promise<Interpreter | undefined> {
  const isNew = !existsSync(directory);
  const { exitCode, stdout } = await runProgram(interpreter.executable, 'make_venv', [directory], {
    env: environment,
  });
  if (exitCode !== 0) {
    // An existing directory is the user's.
    if (isNew) await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  const { executable, sitePackages } = JSON.parse(stdout) as Interpreter;
  const searchPath = [sitePackages];
  const own = { executable, sitePackages, searchPath, externallyManaged: false, keyring: false };
  return { ...interpreter, ...own };
}

/** Metadata directories are named after project and version (PEP 376, PEP 427). */
const metadataName = /^([A-Za-z0-9._]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$/;

async function installed(interpreter: Interpreter): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>();
  for (const entry of await present(interpreter)) {
    const [, name, version] = metadataName.exec(entry) ?? [];
    if (name === undefined || version === undefined) continue;
    const normalized = normalizeName(name);
    if (!versions.has(normalized)) versions.set(normalized, version);
  }
  return versions;
}

/** Includes the search path itself: an egg on it is metadata of its own. */
async function present({ searchPath }: Interpreter): Promise<readonly string[]> {
  const inside = searchPath.map((directory) => readdir(directory).catch(() => []));
  return [...searchPath.map((each) => path.basename(each)), ...(await Promise.all(inside)).flat()];
}

async function withEnsuredPip(
  interpreter: Interpreter,
  { environment }: Request,
  directory: string,
): Promise<void> {
  const { exitCode, output } = await run(interpreter.executable, ['-m', 'venv', directory], {
    env: environment,
  });
  if (exitCode !== 0) {
    throw new UserError(
      `The virtual environment ${directory} could not be made: ${errorExcerpt(output)} (on Debian and Ubuntu the package python3-venv may be missing).`,
    );
  }
}
