/** Installs what the lock names, from the wheelhouse alone. */
import { devNull } from 'node:os';
import path from 'node:path';
import { sourcesInWheelhouse } from './local-projects.ts';
import { offlineEnvironment, temporaryVariables } from './logic/environment.ts';
import { UserError } from './logic/errors.ts';
import { formatLock, lockFile, type Wheel } from './logic/manifest.ts';
import { sameVersion } from './logic/names.ts';
import { installArgs, uvInstallArgs } from './logic/pip-args.ts';
import { isMachineFailure } from './logic/pip-output.ts';
import { closeFiles } from './logic/request-file.ts';
import { isPinned } from './logic/requirements.ts';
import {
  constraintsFile,
  FillError,
  installFailure,
  installOptions,
  resolveOffline,
} from './pip.ts';
import type { Inspected, PipResult, World } from './ports.ts';
import { applicableRequirements } from './request.ts';
import type { InstallRun } from './run.ts';

/** The packages of the lock could not be installed. */
export class InstallError extends UserError {
  /**
   * Whether the wheels may be at fault: the installer exited on its own, and not because of disk
   * space or permissions.
   */
  readonly maybeWheels: boolean;
  /** The wheelhouse without the wheels that do not match the manifest, if there are any. */
  readonly intact: Inspected | undefined;

  constructor(message: string, maybeWheels: boolean, intact?: Inspected) {
    super(message);
    this.maybeWheels = maybeWheels;
    this.intact = intact;
  }
}

/** The lowest exit code of a program that a signal ended. */
const signalled = 128;

/** @throws InstallError with the installer's last words */
export async function installLock(run: InstallRun, world: World): Promise<void> {
  const { installer } = run.request;
  const { wheelhouses, reporter } = world;
  // Exists while the installer runs: a later run then knows that this one was interrupted.
  const marker = path.join(run.interpreter.sitePackages, '.wheelhouse-installing');
  const repair = await wheelhouses.exists(marker);
  if (repair) reporter.info('A previous installation was interrupted; reinstalling everything.');
  await reporter.group(`Install from the lock with ${installer}`, async () => {
    const lock = repair ? path.join(run.wheelhouse, lockFile) : await lockOfMissing(run, world);
    await wheelhouses.write(marker, '').catch(() => {}); // Where it can't be written, pip says why.
    const { exitCode, output } = await runInstaller(run, world, { lock, repair });
    if (exitCode !== 0) {
      const maybeWheels = exitCode < signalled && !isMachineFailure(output);
      const intact = maybeWheels ? await intactPart(run, world) : undefined;
      // Both installers hash all wheels before they change the environment.
      if (intact && !repair) await wheelhouses.remove(marker);
      throw new InstallError(installFailure(installer, output), maybeWheels, intact);
    }
  });
  await wheelhouses.remove(marker);
}

/** @returns the wheelhouse without its damaged wheels; undefined when it has none */
async function intactPart(
  { wheelhouse, manifest }: InstallRun,
  { wheelhouses }: World,
): Promise<Inspected | undefined> {
  const all = { manifest, sound: manifest.wheels, faults: [] };
  const intact = await wheelhouses.verify(wheelhouse, all);
  return intact.faults.length > 0 ? intact : undefined;
}

/** @returns path of the wheelhouse's lock, or of one with fewer wheels where the environment has some */
async function lockOfMissing(run: InstallRun, world: World): Promise<string> {
  const runtime = run.manifest.wheels.filter((wheel) => wheel.role === 'runtime');
  const missing = await missingWheels(run, world, runtime);
  if (missing.length === runtime.length) return path.join(run.wheelhouse, lockFile);
  const lock = path.join(run.scratch, 'selected.txt');
  await world.wheelhouses.write(lock, formatLock(missing));
  return lock;
}

/**
 * The wheels that pip would install next to what the environment has: it leaves an installed version
 * that satisfies the request, even if the lock has another one. Only where there is such a version,
 * pip itself is run to find out.
 */
async function missingWheels(
  run: InstallRun,
  world: World,
  runtime: readonly Wheel[],
): Promise<readonly Wheel[]> {
  const { settings, manifest } = run;
  if (settings.flag('ignore-installed') || settings.flag('force-reinstall')) return runtime;
  const installed = await world.python.installed(run.interpreter);
  const lacksRelied = manifest.relied.some(({ name, version }) => installed.get(name) !== version);
  const others = runtime.filter(({ name, version }) => {
    const present = installed.get(name);
    return present !== undefined && !sameVersion(present, version);
  });
  if (others.length === 0 && !lacksRelied) return runtime;
  const lines = await applicableRequirements(run, world);
  const doubtful = others.filter(({ name, version }) => !isPinned(lines, name, version));
  if (doubtful.length === 0 && !lacksRelied) return runtime;

  const sources = await sourcesInWheelhouse(run, world);
  const request = closeFiles(run.requested.lines, sources, constraintsFile(run));
  try {
    const wanted = await resolveOffline(run, world, request, { installed: 'counts' });
    const names = new Set(wanted.map((item) => item.name));
    for (const { name } of doubtful.filter((wheel) => !names.has(wheel.name))) {
      world.reporter.info(`Leaving ${name} ${installed.get(name)}, which satisfies the request.`);
    }
    return runtime.filter((wheel) => names.has(wheel.name));
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    // Only an index has the projects that the wheelhouse relies on and the environment lacks.
    if (lacksRelied) throw new InstallError(error.message, true);
    return runtime;
  }
}

async function runInstaller(
  run: InstallRun,
  world: World,
  what: { readonly lock: string; readonly repair: boolean },
): Promise<PipResult> {
  const { request, interpreter } = run;
  const options = { ...installOptions(run), ...what };
  const cwd = request.workingDirectory;
  const env = offlineEnvironment(request.environment, devNull);
  if (request.installer === 'pip') {
    return world.python.pip(interpreter, installArgs(options), { cwd, env });
  }
  const args = uvInstallArgs({ ...options, python: interpreter.executable });
  return world.uv.run(await run.tools.uv(), args, {
    cwd,
    // uv unpacks on the disk of the workspace, from where it can link files.
    env: { ...env, ...temporaryVariables(run.scratch) },
  });
}
