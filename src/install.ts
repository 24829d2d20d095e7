/**
 * The story of one run: read what is asked for, find a wheelhouse, fill it where it lacks
 * something, install from it, and say what happened.
 */
import { devNull } from 'node:os';
import path from 'node:path';
import { type ChosenIndex, chooseIndex, IndexDown, staleWarning } from './choose-index.ts';
import { directProject, FillError, fill, type Plan } from './fill.ts';
import { buildEnvironment, fillEnvironment, offlineEnvironment } from './plan/environment.ts';
import { effectiveSettings } from './plan/key.ts';
import { lockFile, type Manifest, sameWheels, type Wheel } from './plan/manifest.ts';
import { type Interpreter, messageOf, type Request, UserError } from './plan/model.ts';
import { installArgs, installDirectArgs, uvInstallArgs } from './plan/pip-args.ts';
import { adviceFor, lastWords, parseReport } from './plan/pip-output.ts';
import { plainFile, withUserSources } from './plan/request-file.ts';
import { directRequirements, isCacheable } from './plan/requirements.ts';
import { formatState } from './plan/state.ts';
import type { Phase, Report } from './plan/summary.ts';
import type { PipResult, World } from './ports.ts';
import { type Found, findWheelhouse } from './restore.ts';
import { hideInputs, understand } from './understand.ts';

/** The oldest pip with `install --report`, which names the closure. */
const oldestPip = [22, 2] as const;

/** What a run leaves to its entry. */
export interface Outcome {
  readonly report: Report;
  /** For the post step; undefined: there is nothing to save. */
  readonly state: string | undefined;
  readonly wheelhouse: string;
  readonly interpreter: Interpreter;
}

/**
 * Runs the main step.
 * @throws UserError for everything that the user can mend; other errors are faults of this program
 */
export async function install(request: Request, world: World): Promise<Outcome> {
  const { reporter, wheelhouses } = world;
  const phases: Phase[] = [];
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    try {
      return await work();
    } finally {
      phases.push({ name, seconds: (performance.now() - start) / 1000 });
    }
  };

  hideInputs(request, reporter);
  await world.sources.check(request);
  const interpreter = await timed('python', () => prepareInterpreter(request, world));
  const { settings, requested, keys, uv } = await timed('read', () =>
    understand(request, interpreter, world),
  );
  await reporter.group('Cache key', async () => {
    reporter.info(keys.primary);
    for (const [name, value] of keys.components) reporter.info(`  ${name}: ${value}`);
    for (const file of requested.files) reporter.info(`  file: ${file.path} (${file.lines} lines)`);
    for (const project of requested.projects) reporter.info(`  project: ${project.shown}`);
    for (const line of requested.lines) reporter.info(`    ${line.shown}`);
  });

  const workplace = await wheelhouses.workplace(request.temporary);
  try {
    const scratch = await wheelhouses.stage(workplace);
    const plan: Plan = {
      ...{ request, interpreter, settings, requested, keys, uv },
      ...{ workplace, scratch },
    };
    const ownPlace = path.join(request.temporary, 'wheelhouse', keys.request.slice(0, 16));
    const place = request.wheelhouse ?? ownPlace;

    const found = await timed('restore', () => findWheelhouse(plan, world, place));
    const { directory } = found;
    const satisfied = found.unsatisfied === undefined && found.base !== undefined;
    reporter.info(
      satisfied
        ? `Exact hit: ${found.source}. No index is asked.`
        : `${found.base ? `Partial hit: ${found.source}` : 'Miss'}: ${found.unsatisfied}.`,
    );
    let filled: Filled = satisfied
      ? { manifest: found.base.manifest, index: undefined }
      : await timed('fill', () => fillFrom(plan, world, found));

    if (request.install) {
      await timed('install', () => installLock(plan, world, directory, filled.manifest));
      const drift = await timed('local projects', () =>
        installDirect(plan, world, directory, filled),
      );
      if (drift !== undefined && satisfied) {
        reporter.info(
          `${drift} has other dependencies than the wheelhouse was made for: filling it again.`,
        );
        await wheelhouses.unshare(directory);
        filled = await timed('fill', () => fillFrom(plan, world, found));
        await timed('install', () => installLock(plan, world, directory, filled.manifest));
      }
    }

    const { manifest, index } = filled;
    const isUnchanged = found.kind === 'disk' && index === undefined && satisfied;
    const wheelhouse = isUnchanged ? place : await published(world, directory, [place, ownPlace]);
    const isNew = index !== undefined && !isSavedAlready(found, manifest);
    return {
      interpreter,
      wheelhouse,
      report: {
        hit: !index && satisfied ? 'exact' : found.base ? 'partial' : 'miss',
        primaryKey: keys.primary,
        matchedKey: found.matchedKey,
        before: found.base?.sound ?? [],
        wheels: manifest.wheels,
        direct: manifest.direct.map((project) => project.name),
        effort: manifest.effort,
        phases,
        index,
      },
      state:
        isNew && request.saveCache && found.saveKey !== undefined
          ? formatState({
              wheelhouse,
              key: found.saveKey,
              request: keys.request,
              interpreter: manifest.interpreter,
            })
          : undefined,
    };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/**
 * Puts the wheelhouse where it was asked for; where that can't be written, the packages are
 * installed all the same, and the wheelhouse lies in a place of its own.
 */
async function published(
  world: World,
  directory: string,
  [place, ...others]: readonly string[],
): Promise<string> {
  try {
    await world.wheelhouses.publish(directory, String(place));
    return String(place);
  } catch (error) {
    if (others.length === 0) throw error;
    world.reporter.warning(
      `The wheelhouse can't be kept in ${place}: ${messageOf(error)}. It is in ${others[0]}.`,
    );
    return published(world, directory, others);
  }
}

/** An entry under the very key with the very wheels need not be saved once more. */
function isSavedAlready(found: Found, manifest: Manifest): boolean {
  return (
    found.kind === 'exact' &&
    found.base !== undefined &&
    found.base.faults.length === 0 &&
    found.base.manifest.request === manifest.request &&
    sameWheels(found.base.manifest.wheels, manifest.wheels)
  );
}

/** The interpreter that is installed into, with the virtual environment made if asked for. */
async function prepareInterpreter(request: Request, world: World): Promise<Interpreter> {
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
  const { pip, executable, version } = interpreter;
  if (pip === undefined) {
    throw new UserError(
      `Python ${version} at ${executable} has no pip. Run "${executable} -m ensurepip", or set the input venv.`,
    );
  }
  if (isTooOld(pip)) {
    throw new UserError(
      `pip ${pip} of ${executable} is too old: ${oldestPip.join('.')} or newer is needed. Run "${executable} -m pip install --upgrade pip" before this step.`,
    );
  }
  if (request.install && interpreter.externallyManaged && !breaksSystemPackages(interpreter)) {
    throw new UserError(
      `Python ${version} at ${executable} is managed by the system, which forbids pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`,
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

function breaksSystemPackages(interpreter: Interpreter): boolean {
  const value = effectiveSettings(interpreter.pipConfig).get('break-system-packages') ?? '';
  return /^(?:1|true|yes|on)$/i.test(value);
}

/** A wheelhouse that is complete, and the index that was asked for it; undefined: none was. */
interface Filled {
  readonly manifest: Manifest;
  readonly index: ChosenIndex | undefined;
}

/**
 * Fills the found directory; where no index can be used and the last good set was made for these
 * very requirements, that set is used as it is.
 */
async function fillFrom(plan: Plan, world: World, found: Found): Promise<Filled> {
  try {
    return await fillByMirror(plan, world, found);
  } catch (error) {
    const last = found.lastGood;
    const isDown = error instanceof IndexDown || (error instanceof FillError && error.unreachable);
    if (!isDown || last === undefined) throw error;
    const [reason = ''] = error.message.split('\n');
    world.reporter.warning(staleWarning(reason, last, world.now()));
    await world.wheelhouses.keepOnly(
      found.directory,
      last.wheels.map((wheel) => wheel.file),
    );
    await world.wheelhouses.seal(found.directory, last);
    return { manifest: last, index: undefined };
  }
}

/** Fills from the index that is healthy; a mirror that fails meanwhile gives way to its index. */
async function fillByMirror(plan: Plan, world: World, found: Found): Promise<Filled> {
  const usable = found.base?.sound ?? [];
  const attempt = (index: ChosenIndex, resume: boolean): Promise<Manifest> =>
    world.reporter.group('Fill the wheelhouse', async () => {
      world.reporter.info(`Index: ${index.shown || 'none'}, as ${index.why}.`);
      const effort = found.base?.manifest.effort ?? 0;
      return fill({ ...plan, index }, world, found.directory, usable, { resume, effort });
    });
  const index = await chooseIndex(plan, world);
  try {
    return { manifest: await attempt(index, false), index };
  } catch (error) {
    if (!(error instanceof FillError) || !error.maybeIndex || index.role !== 'mirror') throw error;
    const other = await chooseIndex(plan, world, 'pip failed with it');
    return { manifest: await attempt(other, true), index: other };
  }
}

async function installLock(
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
  const where = {
    cwd: request.workingDirectory,
    env: offlineEnvironment(request.environment, devNull),
  };
  await reporter.group(`Install from the lock with ${request.installer}`, async () => {
    const { exitCode, output } =
      request.installer === 'pip'
        ? await python.pip(interpreter, installArgs(options), where)
        : await world.uv.run(
            await uvOf(plan, world, wheelhouse, wheels),
            uvInstallArgs({
              ...options,
              python: interpreter.executable,
              cache: path.join(plan.workplace, 'uv-cache'),
            }),
            where,
          );
    if (exitCode !== 0) throw installError(request.installer, output);
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

/**
 * Installs local projects, branches and bare URLs from their own places.
 * @returns the name of one whose dependencies are others than the manifest says; undefined: none
 */
async function installDirect(
  plan: Plan,
  world: World,
  wheelhouse: string,
  { manifest, index }: Filled,
): Promise<string | undefined> {
  const { request, interpreter, requested, scratch } = plan;
  let drift: string | undefined;
  for (const [order, requirement] of directRequirements(requested.lines).entries()) {
    if (isCacheable(requirement)) continue;
    const requestFile = path.join(scratch, `install-${order}.txt`);
    const report = path.join(scratch, `install-${order}.json`);
    const file = plainFile([requirement.text], requirement.source);
    await world.wheelhouses.write(requestFile, file.text);
    const attempt = async (noIndex: boolean): Promise<PipResult> =>
      world.python.pip(
        interpreter,
        installDirectArgs({ ...installOptions(plan, wheelhouse), requestFile, report, noIndex }),
        {
          cwd: request.workingDirectory,
          env: noIndex
            ? buildEnvironment(request.environment, plan.settings, devNull)
            : await indexEnvironment(plan, world, index),
          rewrite: (line) => withUserSources(line, new Map([[requestFile, file]])),
        },
      );
    await world.reporter.group(`Install ${requirement.shown}`, async () => {
      let result = await attempt(true);
      if (result.exitCode !== 0) {
        // A backend may ask for more than pyproject.toml says, and a branch says nothing before.
        world.reporter.info('It needs more than the wheelhouse holds: once more with the index.');
        result = await attempt(false);
      }
      if (result.exitCode !== 0) throw installError('pip', result.output);
      const [item] = parseReport(await world.wheelhouses.read(report));
      if (!item) return;
      const now = directProject(requirement, item);
      const before = manifest.direct.find((project) => project.requirement === now.requirement);
      if (JSON.stringify(now.requires) !== JSON.stringify(before?.requires)) drift = now.name;
    });
  }
  return drift;
}

/** For a build that needs an index after all. */
async function indexEnvironment(
  plan: Plan,
  world: World,
  index: ChosenIndex | undefined,
): Promise<Record<string, string>> {
  const { environment } = index ?? (await chooseIndex(plan, world));
  const { request, interpreter } = plan;
  return fillEnvironment(
    request.environment,
    interpreter.pipConfig,
    environment,
    interpreter.keyring,
  );
}

function installOptions(
  plan: Plan,
  wheelhouse: string,
): { wheelhouse: string; compile: boolean; breakSystemPackages: boolean } {
  return {
    wheelhouse,
    compile: plan.request.compileBytecode,
    breakSystemPackages:
      plan.interpreter.externallyManaged && breaksSystemPackages(plan.interpreter),
  };
}

function installError(installer: 'pip' | 'uv', output: string): UserError {
  return new UserError(
    `${installer} could not install. ${adviceFor(output)}\n${lastWords(output)}`,
  );
}
