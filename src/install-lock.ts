/** Installs what the lock names, from the wheelhouse alone. */
import { devNull } from 'node:os';
import path from 'node:path';

import { offlineEnvironment, temporaryVariables } from './plan/environment.ts';
import { formatLock } from './plan/lock.ts';
import { lockFile, type Manifest, type Wheel } from './plan/manifest.ts';
import { UserError } from './plan/model.ts';
import { type InstallOptions, installArgs, uvInstallArgs } from './plan/pip-args.ts';
import { adviceFor, isSystems, lastWords } from './plan/pip-output.ts';
import { breaksSystemPackages } from './plan/pip-settings.ts';
import { mayDivide, portionsOf } from './plan/portions.ts';
import type { PipResult, World } from './ports.ts';
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
  const { wheelhouses, reporter } = world;
  // Lies there while the installer is at work: a later run then knows that this one did not end.
  const mark = path.join(interpreter.sitePackages, '.wheelhouse-installing');
  const repair = await wheelhouses.exists(mark);
  if (repair) reporter.info('An installation before this one did not end: installing all again.');
  await wheelhouses.write(mark, '').catch(() => {}); // Where it can't be written, pip says why.
  const work: Work = { plan, world, wheelhouse, wheels, repair };
  await reporter.group(`Install from the lock with ${request.installer}`, async () => {
    const { exitCode, output } = await (request.installer === 'pip' ? withPip : withUv)(work);
    if (exitCode !== 0) {
      const maybeWheels = exitCode < signalled && !isSystems(output);
      throw new InstallError(installFailure(request.installer, output), maybeWheels);
    }
  });
  await wheelhouses.remove(mark);
}

/** One installation. */
interface Work {
  readonly plan: Plan;
  readonly world: World;
  readonly wheelhouse: string;
  readonly wheels: readonly Wheel[];
  /** What is there may be half of something. */
  readonly repair: boolean;
}

async function withPip(work: Work): Promise<PipResult> {
  const { plan, world, wheelhouse, repair } = work;
  const { python, wheelhouses, reporter } = world;
  const options = installOptions(plan, wheelhouse);
  const surroundings = { cwd: plan.request.workingDirectory, env: environmentOf(plan) };
  const pip = (lock: string, again: boolean): Promise<PipResult> =>
    python.pip(plan.interpreter, installArgs({ ...options, lock, repair: again }), surroundings);

  const whole = path.join(wheelhouse, lockFile);
  const portions = await portionsOfLock(work);
  if (portions.length < 2) return pip(whole, repair);
  reporter.info(`${portions.length} pips share the work.`);
  const pips = portions.map(async (portion, index) => {
    const lock = path.join(plan.scratch, `portion-${index + 1}.txt`);
    await wheelhouses.write(lock, formatLock(portion));
    return pip(lock, false);
  });
  const ends = (await Promise.allSettled(pips)).map((end) =>
    end.status === 'fulfilled' ? end.value : undefined,
  );
  const [first] = ends;
  if (first !== undefined && ends.every((end) => end?.exitCode === 0)) return first;
  // Whatever it was, what counts is what one pip can do, and says.
  reporter.info('One of them failed: a single pip installs all again.');
  return pip(whole, true);
}

/** The wheels of the lock, divided where several pips can share the work. */
async function portionsOfLock({
  plan: { interpreter, request },
  world: { python, cores },
  wheelhouse,
  wheels,
  repair,
}: Work): Promise<readonly (readonly Wheel[])[]> {
  const runtime = wheels.filter((wheel) => wheel.role === 'runtime');
  if (repair || !mayDivide(runtime, interpreter.pip ?? '', cores)) return [runtime];
  const files = runtime.map((wheel) => path.join(wheelhouse, wheel.file));
  const surroundings = await python.surroundings(interpreter, files, request.workingDirectory);
  return surroundings === undefined
    ? [runtime]
    : portionsOf(runtime, surroundings, { cores, compile: request.compileBytecode });
}

async function withUv({ plan, world, wheelhouse, wheels, repair }: Work): Promise<PipResult> {
  const uv = await uvOf(plan, world, wheelhouse, wheels);
  const options = { ...installOptions(plan, wheelhouse), repair };
  const lock = path.join(wheelhouse, lockFile);
  const args = uvInstallArgs({ ...options, lock, python: plan.interpreter.executable });
  return world.uv.run(uv, args, {
    cwd: plan.request.workingDirectory,
    // Where uv unpacks: on the disk of the workspace, from where files are linked.
    env: { ...environmentOf(plan), ...temporaryVariables(plan.scratch) },
  });
}

function environmentOf({ request }: Plan): Record<string, string> {
  return offlineEnvironment(request.environment, devNull);
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
