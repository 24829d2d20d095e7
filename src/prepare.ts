/** The interpreter that is installed into. */
import path from 'node:path';

import { fillEnvironment } from './plan/environment.ts';
import { effectiveSettings } from './plan/key.ts';
import { type Interpreter, type Request, UserError } from './plan/model.ts';
import type { World } from './ports.ts';

/** The oldest pip with `install --report`, which names the closure. */
const oldestPip = [22, 2] as const;

/**
 * Finds the interpreter, with the virtual environment made if asked for.
 * @throws UserError when it can't be used, with what to do
 */
export async function prepareInterpreter(request: Request, world: World): Promise<Interpreter> {
  const { python, reporter } = world;
  let interpreter = await python.probe(request);
  if (request.venv !== undefined && !isInside(request.venv, interpreter.executable)) {
    interpreter = await python.createVenv(interpreter, request, request.venv);
    reporter.info(`Made the virtual environment ${request.venv}.`);
    if (interpreter.pip !== undefined && isTooOld(interpreter.pip)) {
      const { environment } = request;
      await python.pip(interpreter, ['install', '--upgrade', '--no-input', 'pip'], {
        cwd: request.workingDirectory,
        env: fillEnvironment(environment, interpreter.pipConfig, {}, interpreter.keyring),
      });
      interpreter = await python.probe(request);
    }
  }
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
  if (isTooOld(pip)) {
    throw new UserError(
      `pip ${pip} of ${executable} is too old: ${oldestPip.join('.')} or newer is needed. Run "${executable} -m pip install --upgrade pip" before this step.`,
    );
  }
  return interpreter;
}

function isInside(venv: string, executable: string): boolean {
  return executable.startsWith(venv + path.sep);
}

function isTooOld(pip: string): boolean {
  const [major = 0, minor = 0] = pip.split('.').map(Number);
  return major < oldestPip[0] || (major === oldestPip[0] && minor < oldestPip[1]);
}

export function breaksSystemPackages(interpreter: Interpreter): boolean {
  const value = effectiveSettings(interpreter.pipConfig).get('break-system-packages') ?? '';
  return /^(?:1|true|yes|on)$/i.test(value);
}
