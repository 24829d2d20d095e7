/** The interpreter that is installed into. */
import path from 'node:path';

import { fillEnvironment } from './logic/environment.ts';
import { UserError } from './logic/errors.ts';
import { indexesOf, indexVariables } from './logic/index-choice.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { isOlderPip } from './logic/names.ts';
import { breaksSystemPackages, pipSettings } from './logic/pip-settings.ts';
import type { World } from './ports.ts';

/** The oldest pip with `install --report`, which names the closure. */
const oldestPip = [22, 2] as const;

/** The Python of a run. */
export interface Prepared {
  /** It also answers for the virtual environment that is still to be made from it. */
  readonly interpreter: Interpreter;
  /** Makes that environment, which takes a while: a wheelhouse can be looked for meanwhile. */
  readonly makeVenv: (() => Promise<Interpreter>) | undefined;
}

/**
 * Finds the interpreter that is installed into, or that an environment is to be made from.
 * @throws UserError when it can't be used, with what to do; so does `makeVenv`
 */
export async function prepareInterpreter(request: Request, world: World): Promise<Prepared> {
  const interpreter = await world.python.probe(request);
  const { venv } = request;
  if (venv === undefined || isInside(venv, interpreter.executable)) {
    return { interpreter: checked(request, interpreter), makeVenv: undefined };
  }
  const makeVenv = async (): Promise<Interpreter> =>
    checked(request, await virtualEnvironment(request, world, interpreter, venv));
  // Without a pip nobody knows how pip is configured.
  return interpreter.pip === undefined
    ? { interpreter: await makeVenv(), makeVenv: undefined }
    : { interpreter, makeVenv };
}

async function virtualEnvironment(
  request: Request,
  { python, reporter }: World,
  base: Interpreter,
  directory: string,
): Promise<Interpreter> {
  const made = await python.createVenv(base, request, directory);
  reporter.info(`Made the virtual environment ${directory}.`);
  if (made.pip === undefined || !isOlderPip(made.pip, oldestPip)) return made;
  const indexes = indexesOf(request, made, pipSettings(made, request.index));
  const index = indexes ? indexVariables(indexes, indexes.authoritative) : {};
  await python.pip(made, ['install', '--upgrade', '--no-input', 'pip'], {
    cwd: request.workingDirectory,
    env: fillEnvironment(request.environment, made.pipConfig, index, made.keyring),
  });
  return python.probe(request);
}

/** @throws UserError for an interpreter that can't be installed into */
function checked(request: Request, interpreter: Interpreter): Interpreter {
  checkPip(interpreter, ', or set the input venv');
  const { executable, version } = interpreter;
  if (request.install && interpreter.externallyManaged && !breaksSystemPackages(interpreter)) {
    throw new UserError(
      `Python ${version} at ${executable} is managed by the system, which forbids pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`,
    );
  }
  return interpreter;
}

/**
 * @param otherwise what else helps where there is no pip, as the end of a sentence
 * @returns the interpreter
 * @throws UserError when it has no pip, or one that is older than all that were tried
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
      `pip ${pip} of ${executable} is too old: ${oldestPip.join('.')} or newer is needed. Run "${executable} -m pip install --upgrade pip" before this step.`,
    );
  }
  return interpreter;
}

function isInside(venv: string, executable: string): boolean {
  return executable.startsWith(venv + path.sep);
}
