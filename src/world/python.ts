/** The chosen Python and its pip. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { temporaryVariables } from '../logic/environment.ts';
import { UserError } from '../logic/errors.ts';
import type { Interpreter, Request } from '../logic/model.ts';
import { normalizeName } from '../logic/names.ts';
import { errorExcerpt } from '../logic/pip-output.ts';
import type { Surroundings } from '../logic/portions.ts';
import type { Python, Reporter } from '../ports.ts';
import { run } from './process.ts';
import { pythonProgram } from './python-program.ts';
import { discard, release, temporaryDirectory, untilExit } from './temporary.ts';

const oldestPython = '3.7';

/** @param environment for programs that are no pip: without inputs and tokens of the runner */
export function pythonAdapter(
  reporter: Reporter,
  environment: Readonly<Record<string, string>>,
): Python {
  return {
    probe,
    createVenv,
    installed,
    cachedBuilds,
    async pip(interpreter, args, { cwd, env, rewrite = (line) => line, buildLog }) {
      const lines: string[] = [];
      // A pip that is ended leaves what it has unpacked; where this can't be made, pip says why.
      const temporary = await temporaryDirectory(tmpdir(), 'wheelhouse-pip').catch(() => undefined);
      const { exitCode } = await run(
        interpreter.executable,
        ['-c', pythonProgram('run_pip'), ...args],
        {
          cwd,
          env: {
            ...env,
            ...(temporary ? temporaryVariables(temporary) : {}),
            ...(buildLog === undefined ? {} : { WHEELHOUSE_BUILD_LOG: buildLog }),
          },
          onLine: (line) => {
            const own = rewrite(line);
            lines.push(own);
            reporter.foreign(own);
          },
        },
      );
      if (temporary) await discard(temporary);
      return { exitCode, output: lines.join('\n') };
    },
    async surroundings(interpreter, wheels, cwd) {
      const { exitCode, stdout } = await run(
        interpreter.executable,
        ['-c', pythonProgram('surroundings')],
        {
          cwd,
          env: environment,
          input: JSON.stringify(wheels),
        },
      );
      try {
        return exitCode === 0 ? (JSON.parse(stdout) as Surroundings) : undefined;
      } catch {
        return undefined; // An environment may have something that speaks whenever Python starts.
      }
    },
    async applies(interpreter, markers, extras = []) {
      const { exitCode, stdout } = await run(
        interpreter.executable,
        ['-c', pythonProgram('markers')],
        {
          env: environment,
          input: JSON.stringify({ markers, extras }),
        },
      );
      return exitCode === 0 ? (JSON.parse(stdout) as boolean[]) : undefined;
    },
    async writeStubs(interpreter, directory, stubs) {
      const { exitCode, stdout, output } = await run(
        interpreter.executable,
        ['-c', pythonProgram('write_stubs'), directory],
        { env: environment, input: JSON.stringify(stubs) },
      );
      if (exitCode !== 0)
        throw new Error(`Stub wheels could not be written: ${errorExcerpt(output)}`);
      return JSON.parse(stdout) as string[];
    },
  };
}

async function probe(request: Request): Promise<Interpreter> {
  const candidates = pythonCandidates(request);
  for (const command of candidates) {
    try {
      const { exitCode, stdout, output } = await run(command, ['-c', pythonProgram('probe')], {
        cwd: request.workingDirectory,
        env: request.environment,
      });
      return readProbe(command, exitCode, stdout, output);
    } catch (error) {
      if (error instanceof UserError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && command !== candidates.at(-1)) continue;
      throw notFound(command, request.python !== undefined, code);
    }
  }
  throw new Error('no candidate for Python');
}

/** An environment that exists already decides; then the input; then what the shell would find. */
function pythonCandidates(request: Request): string[] {
  if (request.venv !== undefined) {
    const inside = venvPython(request.venv);
    if (existsSync(inside)) return [inside];
  }
  if (request.python === undefined) return ['python', 'python3'];
  const isPath = /[\\/]/.test(request.python);
  return [isPath ? path.resolve(request.workingDirectory, request.python) : request.python];
}

function notFound(command: string, asked: boolean, code: string | undefined): UserError {
  const reason =
    code === 'ENOENT' ? 'was not found' : `could not be started (${code ?? 'unknown error'})`;
  return new UserError(
    asked
      ? `Python "${command}" ${reason}. Set the input python to an interpreter that exists.`
      : `Python ${reason} on PATH. Run actions/setup-python before this step, or set the input python.`,
  );
}

/** @throws UserError for anything but the answer of a Python that can be used */
function readProbe(command: string, exitCode: number, stdout: string, output: string): Interpreter {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    answer = undefined;
  }
  const strange = (): UserError =>
    new UserError(
      `Python "${command}" does not answer as a Python does (exit code ${exitCode}): ${errorExcerpt(output, 3) || 'no output'}. Check that it runs: ${command} -c "print(1)".`,
    );
  if (exitCode !== 0 || typeof answer !== 'object' || answer === null) throw strange();
  const { tooOld, pipConfigError } = answer as { tooOld?: string; pipConfigError?: string | null };
  if (tooOld !== undefined) {
    throw new UserError(
      `Python "${command}" is ${tooOld}; ${oldestPython} or newer is needed. Set the input python to a newer one.`,
    );
  }
  if (pipConfigError) {
    throw new UserError(
      `pip can't read its configuration: ${pipConfigError}. Mend or remove that file.`,
    );
  }
  const { pip, ...rest } = answer as Omit<Interpreter, 'pip'> & { pip: string | null };
  if (typeof rest.executable !== 'string' || typeof rest.sitePackages !== 'string') throw strange();
  return { ...rest, pip: pip ?? undefined };
}

/** @returns where a virtual environment keeps its interpreter */
export function venvPython(directory: string): string {
  return path.join(venvBin(directory), process.platform === 'win32' ? 'python.exe' : 'python');
}

/** @returns where a virtual environment keeps its commands */
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
  // Half an environment must not be taken for a whole one by a later run.
  if (!existsSync(directory)) untilExit(directory);
  const made = await withCopiedPip(interpreter, request, directory);
  if (made === undefined) await withEnsuredPip(interpreter, request, directory);
  release(directory);
  return made ?? probe({ ...request, venv: directory });
}

/** An interpreter that is gone leaves links that lead nowhere, and venv would keep them. */
async function removeDeadLinks(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const file = path.join(directory, name);
    if (!existsSync(file)) await rm(file, { force: true });
  }
}

/** @returns undefined where this Python's pip can't be copied: a new directory is gone then */
async function withCopiedPip(
  interpreter: Interpreter,
  { environment }: Request,
  directory: string,
): Promise<Interpreter | undefined> {
  const isNew = !existsSync(directory);
  const program = ['-c', pythonProgram('make_venv'), directory];
  const { exitCode, stdout } = await run(interpreter.executable, program, { env: environment });
  if (exitCode !== 0) {
    // What was there before is the user's.
    if (isNew) await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  const { executable, sitePackages } = JSON.parse(stdout) as Interpreter;
  const searchPath = [sitePackages];
  const own = { executable, sitePackages, searchPath, externallyManaged: false, keyring: false };
  return { ...interpreter, ...own };
}

/** pip keeps what it builds as `wheels/XX/XX/XX/DIGEST/FILE` (pip's docs, "Caching"). */
async function cachedBuilds(
  directory: string,
  wheels: readonly { readonly file: string; readonly sha256: string }[],
): Promise<ReadonlySet<string>> {
  const digests = new Map(wheels.map(({ file, sha256 }) => [file, sha256]));
  const found = new Set<string>();
  const places = await readdir(path.join(directory, 'wheels'), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  for (const { name, parentPath } of places) {
    const digest = digests.get(name);
    if (digest === undefined) continue;
    const content = await readFile(path.join(parentPath, name)).catch(() => '');
    if (createHash('sha256').update(content).digest('hex') === digest) found.add(name);
  }
  return found;
}

/** Metadata directories are named after project and version (PEP 376, PEP 427). */
const metadataName = /^([A-Za-z0-9._]+)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info$/;

async function installed({ searchPath }: Interpreter): Promise<ReadonlyMap<string, string>> {
  const versions = new Map<string, string>();
  for (const directory of searchPath) {
    for (const entry of await readdir(directory).catch(() => [])) {
      const [, name, version] = metadataName.exec(entry) ?? [];
      if (name === undefined || version === undefined) continue;
      const normalized = normalizeName(name);
      if (!versions.has(normalized)) versions.set(normalized, version);
    }
  }
  return versions;
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
