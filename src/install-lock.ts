/** Installs what the lock names, from the wheelhouse alone. */
import { devNull } from 'node:os';
import path from 'node:path';

import { offlineEnvironment, temporaryVariables } from './plan/environment.ts';
import { lockFile, type Manifest, type Wheel } from './plan/manifest.ts';
import { UserError } from './plan/model.ts';
import { type InstallOptions, installArgs, uvInstallArgs } from './plan/pip-args.ts';
import { adviceFor, isSystems, lastWords } from './plan/pip-output.ts';
import type { World } from './ports.ts';
import { breaksSystemPackages } from './prepare.ts';
import type { Plan } from './run.ts';

/** What was to be installed could not be. */
export class InstallError extends UserError {
  /** The wheels may be to blame: the installer ended by itself, and not for want of disk or rights. */
  readonly maybeWheels: boolean;

  constructor(message: string, maybeWheels: boolean) {
    super(message);
    this.maybeWheels = maybeWheels;
  }
}

/** From this exit code on a program was ended by a signal. */
const signalled = 128;

/** @throws InstallError with the installer's last words */
export async function installLock(
  plan: Plan,
  world: World,
  wheelhouse: string,
  { wheels }: Manifest,
): Promise<void> {
  const { request, interpreter } = plan;
  const { wheelhouses, reporter, python } = world;
  // Lies there while the installer is at work: a later run then knows that this one did not end.
  const mark = path.join(interpreter.sitePackages, '.wheelhouse-installing');
  const repair = await wheelhouses.exists(mark);
  if (repair) reporter.info('An installation before this one did not end: installing all again.');
  await wheelhouses.write(mark, '').catch(() => {}); // Where it can't be written, pip says why.
  const lock = path.join(wheelhouse, lockFile);
  const options = { ...installOptions(plan, wheelhouse), lock, repair };
  const cwd = request.workingDirectory;
  const env = offlineEnvironment(request.environment, devNull);
  await reporter.group(`Install from the lock with ${request.installer}`, async () => {
    const { exitCode, output } =
      request.installer === 'pip'
        ? await python.pip(interpreter, installArgs(options), { cwd, env })
        : await world.uv.run(
            await uvOf(plan, world, wheelhouse, wheels),
            uvInstallArgs({ ...options, python: interpreter.executable }),
            // Where uv unpacks: on the disk of the workspace, from where files are linked.
            { cwd, env: { ...env, ...temporaryVariables(plan.scratch) } },
          );
    if (exitCode !== 0) {
      const maybeWheels = exitCode < signalled && !isSystems(output);
      throw new InstallError(installFailure(request.installer, output), maybeWheels);
    }
  });
  await wheelhouses.remove(mark);
}

/** The uv of the machine, or the one that the wheelhouse brings along. */
async function uvOf(
  plan: Plan,
  world: World,
  wheelhouse: string,
  wheels: readonly Wheel[],
): Promise<string> {
  if (plan.uv !== undefined) return plan.uv;
  const tool = wheels.find((wheel) => wheel.role === 'tool' && wheel.name === 'uv');
  if (tool === undefined)
    throw new UserError('The index has no uv for this system. Use installer: pip.');
  return world.uv.unpack(plan.interpreter, path.join(wheelhouse, tool.file), plan.scratch);
}

/** What all installations of a run share. */
export function installOptions(plan: Plan, wheelhouse: string): InstallOptions {
  return {
    wheelhouse,
    compile: plan.request.compileBytecode,
    breakSystemPackages:
      plan.interpreter.externallyManaged && breaksSystemPackages(plan.interpreter),
  };
}

/** What an error says of an installer that failed: advice, and its last words. */
export function installFailure(installer: 'pip' | 'uv', output: string): string {
  return `${installer} could not install. ${adviceFor(output)}\n${lastWords(output)}`;
}
