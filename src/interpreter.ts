/** Finds or makes the interpreter that packages are installed into. */
import path from 'node:path';
import { fillEnvironment } from './logic/environment.ts';
import { UserError } from './logic/errors.ts';
import { indexesOf, indexVariables } from './logic/index-choice.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { isOlderPip } from './logic/names.ts';
import { isWithin } from './logic/paths.ts';
import { breaksSystemPackages, pipSettings } from './logic/pip-settings.ts';
import { fetchedPip } from './logic/release-age.ts';
import type { World } from './ports.ts';

/** The first pip with `install --report`, which lists the closure. */
const oldestPip = [22, 2] as const;

export interface Prepared {
  /** Until `makeVenv` is done, the base Python: it has the same identity. */
  readonly interpreter: Interpreter;
  /** Makes the virtual environment, which takes long enough to look for a wheelhouse meanwhile. */
  readonly makeVenv: (() => Promise<Interpreter>) | undefined;
}

/**
 * Finds the interpreter, or the base Python of a virtual environment that is still to be made.
 * @throws UserError when it can't be used, with what to do; so does `makeVenv`
 */
export async function prepareInterpreter(request: Request, world: World): Promise<Prepared> {
  const interpreter = await world.python.probe(request);
  const venv = venvToMake(request, interpreter);
  if (venv === undefined) {
    return { interpreter: checkTarget(request, interpreter), makeVenv: undefined };
  }
  const makeVenv = async (): Promise<Interpreter> =>
    checkTarget(request, await virtualEnvironment(request, world, interpreter, venv));
  // Only an environment with a pip can tell how pip is configured.
  return interpreter.pip === undefined
    ? { interpreter: await makeVenv(), makeVenv: undefined }
    : { interpreter, makeVenv };
}

/**
 * Returns the directory of the virtual environment that a run makes from the interpreter, or
 * undefined when it installs into the interpreter itself.
 */
export function venvToMake({ venv }: Request, { executable }: Interpreter): string | undefined {
  return venv !== undefined && isWithin(venv, executable) ? undefined : venv;
}

async function virtualEnvironment(
  request: Request,
  { python, reporter, wheelhouses }: World,
  base: Interpreter,
  directory: string,
): Promise<Interpreter> {
  const made = await python.createVenv(base, request, directory);
  reporter.info(`Created the virtual environment ${directory}.`);
  if (made.pip === undefined || !isOlderPip(made.pip, oldestPip)) return made;
  const indexes = indexesOf(request, made, pipSettings(made, request.index));
  const index = indexes ? indexVariables(indexes, indexes.authoritative) : {};
  const pinned = path.join(request.temporary, 'wheelhouse-tools', 'pip.txt');
  // A pip this old can't leave out young versions of itself.
  if (request.releaseAge !== undefined) await wheelhouses.write(pinned, fetchedPip.requirements);
  const newer = request.releaseAge === undefined ? ['--upgrade', 'pip'] : ['-r', pinned];
  await python.pip(made, ['install', '--no-input', ...newer], {
    cwd: request.workingDirectory,
    env: fillEnvironment(request.environment, made.pipConfig, index, made.keyring),
  });
  return python.probe(request);
}

/**
 * @returns the interpreter
 * @throws UserError when packages can't be installed into it
 */
export function checkTarget(request: Request, interpreter: Interpreter): Interpreter {
  checkPip(interpreter, ', or set the input venv');
  const { executable, version } = interpreter;
  if (request.install && interpreter.externallyManaged && !breaksSystemPackages(interpreter)) {
    throw new UserError(
      `Python ${version} at ${executable} is managed by the system, which does not allow pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`,
    );
  }
  return interpreter;
}

/**
 * @param otherwise an alternative to installing pip, as the end of a sentence
 * @throws UserError when the interpreter has no pip, or one older than the oldest supported
 */
export function checkPip(interpreter: Interpreter, otherwise = ' before this step'): Interpreter {
  const { pip, executable, version } = interpreter;
  if (pip === undefined) {
    throw new UserError(
      `Python ${version} at ${executable} has no pip. Run "${executable} -m ensurepip"${otherwise}.`,
    );
  }
  if (isOlderPip(pip, oldestPip)) {
    throw new UserError(
      `pip ${pip} of ${executable} is too old; ${oldestPip.join('.')} or newer is required. Run "${executable} -m pip install --upgrade pip" before this step.`,
    );
  }
  return interpreter;
}
