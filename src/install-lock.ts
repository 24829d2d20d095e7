/** Installs what the lock names, from the wheelhouse alone. */
import { devNull } from 'node:os';
import path from 'node:path';

import { offlineEnvironment, temporaryVariables } from './plan/environment.ts';
import { formatLock } from './plan/lock.ts';
import { lockFile, type Manifest, type Wheel } from './plan/manifest.ts';
import { type Request, UserError } from './plan/model.ts';
import { type InstallOptions, installArgs, uvInstallArgs } from './plan/pip-args.ts';
import { adviceFor, isSystems, lastWords } from './plan/pip-output.ts';
import { mayDivide, portionsOf } from './plan/portions.ts';
import type { PipResult, World } from './ports.ts';
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
  const options = { ...installOptions(plan, wheelhouse), repair };
  const cwd = request.workingDirectory;
  const env = offlineEnvironment(request.environment, devNull);
  await reporter.group(`Install from the lock with ${request.installer}`, async () => {
    if (request.installer === 'pip') {
      const locks = await locksOf(plan, world, wheelhouse, wheels, repair);
      const pips = locks.map((lock) =>
        python.pip(interpreter, installArgs({ ...options, lock }), { cwd, env }),
      );
      // None goes on when the step has failed.
      await Promise.allSettled(pips);
      for (const pip of pips) refuseFailure(request.installer, await pip);
    } else {
      const uv = await uvOf(plan, world, wheelhouse, wheels);
      const lock = path.join(wheelhouse, lockFile);
      const args = uvInstallArgs({ ...options, lock, python: interpreter.executable });
      // Where uv unpacks: on the disk of the workspace, from where files are linked.
      const temporary = temporaryVariables(plan.scratch);
      const result = await world.uv.run(uv, args, { cwd, env: { ...env, ...temporary } });
      refuseFailure(request.installer, result);
    }
  });
  await wheelhouses.remove(mark);
}

/** @throws InstallError when an installer has failed */
function refuseFailure(installer: Request['installer'], { exitCode, output }: PipResult): void {
  if (exitCode === 0) return;
  const maybeWheels = exitCode < signalled && !isSystems(output);
  throw new InstallError(installFailure(installer, output), maybeWheels);
}

/** The wheelhouse's lock, or, where several pips can share the work, locks that make it up. */
async function locksOf(
  { interpreter, scratch, request }: Plan,
  { python, wheelhouses, reporter, cores }: World,
  wheelhouse: string,
  wheels: readonly Wheel[],
  repair: boolean,
): Promise<readonly string[]> {
  const whole = [path.join(wheelhouse, lockFile)];
  const runtime = wheels.filter((wheel) => wheel.role === 'runtime');
  if (repair || !mayDivide(runtime, interpreter.pip ?? '', cores)) return whole;
  const files = runtime.map((wheel) => path.join(wheelhouse, wheel.file));
  const surroundings = await python.surroundings(interpreter, files);
  if (surroundings === undefined) return whole;
  const compile = request.compileBytecode;
  const portions = portionsOf(runtime, surroundings, { cores, compile });
  if (portions.length === 1) return whole;
  reporter.info(`${portions.length} pips share the work.`);
  return Promise.all(
    portions.map(async (portion, index) => {
      const lock = path.join(scratch, `portion-${index + 1}.txt`);
      await wheelhouses.write(lock, formatLock(portion));
      return lock;
    }),
  );
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
