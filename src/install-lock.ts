/** Installs what the lock names, from the wheelhouse alone. */
import { devNull } from 'node:os';
import path from 'node:path';

import { applying } from './fill.ts';
import { resolvedSources } from './local-projects.ts';
import { offlineEnvironment, temporaryVariables } from './logic/environment.ts';
import { UserError } from './logic/errors.ts';
import { formatLock, lockFile, type Manifest, type Wheel, wheelPath } from './logic/manifest.ts';
import { sameVersion } from './logic/names.ts';
import { installArgs, uvInstallArgs } from './logic/pip-args.ts';
import { isMachineFailure } from './logic/pip-output.ts';
import { mayDivide, portionsOf } from './logic/portions.ts';
import { closeFiles } from './logic/request-file.ts';
import { isPinned } from './logic/requirements.ts';
import {
  constraintsFile,
  FillError,
  installFailure,
  installOptions,
  resolveOffline,
} from './pip.ts';
import type { PipResult, World } from './ports.ts';
import type { Run } from './run.ts';

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
  run: Run,
  world: World,
  wheelhouse: string,
  manifest: Manifest,
): Promise<void> {
  const { request, interpreter } = run;
  const { wheelhouses, reporter } = world;
  // Lies there while the installer is at work: a later run then knows that this one did not end.
  const mark = path.join(interpreter.sitePackages, '.wheelhouse-installing');
  const repair = await wheelhouses.exists(mark);
  if (repair) reporter.info('A previous installation was interrupted; reinstalling everything.');
  await reporter.group(`Install from the lock with ${request.installer}`, async () => {
    const selected = repair
      ? runtimeOf(manifest)
      : await missingWheels(run, world, wheelhouse, manifest);
    await wheelhouses.write(mark, '').catch(() => {}); // Where it can't be written, pip says why.
    const work: Work = { run, world, wheelhouse, manifest, selected, repair };
    const { exitCode, output } = await (request.installer === 'pip' ? withPip : withUv)(work);
    if (exitCode !== 0) {
      const maybeWheels = exitCode < signalled && !isMachineFailure(output);
      throw new InstallError(installFailure(request.installer, output), maybeWheels);
    }
  });
  await wheelhouses.remove(mark);
}

function runtimeOf({ wheels }: Manifest): readonly Wheel[] {
  return wheels.filter((wheel) => wheel.role === 'runtime');
}

/**
 * The wheels of the lock that pip would install beside what the environment has: it leaves an
 * installed version that satisfies the request, also where the lock has another one. pip itself is
 * asked, and only where there is such a version.
 */
async function missingWheels(
  run: Run,
  world: World,
  wheelhouse: string,
  manifest: Manifest,
): Promise<readonly Wheel[]> {
  const { settings, requested } = run;
  const runtime = runtimeOf(manifest);
  if (settings.flag('ignore-installed') || settings.flag('force-reinstall')) return runtime;
  const installed = await world.python.installed(run.interpreter);
  const absent = manifest.relied.filter(({ name, version }) => installed.get(name) !== version);
  const others = runtime.filter(({ name, version }) => {
    const present = installed.get(name);
    return present !== undefined && !sameVersion(present, version);
  });
  if (others.length === 0 && absent.length === 0) return runtime;
  const lines = await applying(run, world);
  const doubtful = others.filter(({ name, version }) => !isPinned(lines, name, version));
  if (doubtful.length === 0 && absent.length === 0) return runtime;

  const sources = await resolvedSources(run, world, wheelhouse, manifest);
  const request = closeFiles(requested.lines, sources.resolved, constraintsFile(run));
  try {
    const wanted = await resolveOffline(run, world, request, { wheelhouse, installed: 'counts' });
    const names = new Set(wanted.map((item) => item.name));
    for (const { name } of doubtful.filter((wheel) => !names.has(wheel.name))) {
      world.reporter.info(`Leaving ${name} ${installed.get(name)}, which satisfies the request.`);
    }
    return runtime.filter((wheel) => names.has(wheel.name));
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    // What it relies on is not there: only an index can help.
    if (absent.length > 0) throw new InstallError(error.message, true);
    return runtime;
  }
}

/** One installation. */
interface Work {
  readonly run: Run;
  readonly world: World;
  readonly wheelhouse: string;
  readonly manifest: Manifest;
  /** What is to be installed. */
  readonly selected: readonly Wheel[];
  /** What the environment has may be half of something. */
  readonly repair: boolean;
}

/** @returns path of the lock to install from: the wheelhouse's own, or one of fewer wheels */
async function lockOf({ run, world, wheelhouse, manifest, selected }: Work): Promise<string> {
  if (selected.length === runtimeOf(manifest).length) return path.join(wheelhouse, lockFile);
  const lock = path.join(run.scratch, 'selected.txt');
  await world.wheelhouses.write(lock, formatLock(selected));
  return lock;
}

async function withPip(work: Work): Promise<PipResult> {
  const { run, world, wheelhouse, repair } = work;
  const { python, wheelhouses, reporter } = world;
  const options = installOptions(run, wheelhouse);
  const surroundings = { cwd: run.request.workingDirectory, env: environmentOf(run) };
  const pip = (lock: string, again: boolean): Promise<PipResult> =>
    python.pip(run.interpreter, installArgs({ ...options, lock, repair: again }), surroundings);

  const whole = await lockOf(work);
  const portions = await portionsOfLock(work);
  if (portions.length < 2) return pip(whole, repair);
  reporter.info(`${portions.length} pips share the work.`);
  const pips = portions.map(async (portion, index) => {
    const lock = path.join(run.scratch, `portion-${index + 1}.txt`);
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
  run: { interpreter, request },
  world: { python, cores },
  wheelhouse,
  selected,
  repair,
}: Work): Promise<readonly (readonly Wheel[])[]> {
  if (repair || !mayDivide(selected, interpreter.pip ?? '', cores)) return [selected];
  const files = selected.map((wheel) => path.join(wheelhouse, wheel.file));
  const surroundings = await python.surroundings(interpreter, files, request.workingDirectory);
  return surroundings === undefined
    ? [selected]
    : portionsOf(selected, surroundings, { cores, compile: request.compileBytecode });
}

async function withUv(work: Work): Promise<PipResult> {
  const { run, world, wheelhouse, manifest, repair } = work;
  const uv = await uvOf(run, world, wheelhouse, manifest.wheels);
  const options = { ...installOptions(run, wheelhouse), repair };
  const lock = await lockOf(work);
  const args = uvInstallArgs({ ...options, lock, python: run.interpreter.executable });
  return world.uv.run(uv, args, {
    cwd: run.request.workingDirectory,
    // Where uv unpacks: on the disk of the workspace, from where files are linked.
    env: { ...environmentOf(run), ...temporaryVariables(run.scratch) },
  });
}

function environmentOf({ request }: Run): Record<string, string> {
  return offlineEnvironment(request.environment, devNull);
}

/** The uv of the machine, or the one that the wheelhouse brings along. */
async function uvOf(
  run: Run,
  world: World,
  wheelhouse: string,
  wheels: readonly Wheel[],
): Promise<string> {
  if (run.uv !== undefined) return run.uv;
  const tool = wheels.find((wheel) => wheel.role === 'tool' && wheel.name === 'uv');
  if (tool === undefined)
    throw new UserError('The index has no uv for this system. Use installer: pip.');
  return world.uv.unpack(run.interpreter, path.join(wheelhouse, wheelPath(tool)), run.scratch);
}
