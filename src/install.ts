/**
 * The story of one run: read the request, find a wheelhouse, complete it where something is missing,
 * install from it, put it into its place.
 */
import path from 'node:path';
import { completeRequest } from './discover.ts';
import { InstallError, installLock } from './install-lock.ts';
import { prepareInterpreter } from './interpreter.ts';
import { installSources } from './local-projects.ts';
import { messageOf, UserError } from './logic/errors.ts';
import { variantOf } from './logic/key.ts';
import {
  lockTexts,
  type Manifest,
  manifestDigest,
  type Wheel,
  wheelPath,
} from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { isolatesBuilds } from './logic/pip-settings.ts';
import { releaseAgeText } from './logic/release-age.ts';
import { directRequirements, isCacheable, type RequestedSet } from './logic/requirements.ts';
import type { State } from './logic/state.ts';
import type { Report } from './logic/summary.ts';
import { wheelsToHash } from './logic/verification.ts';
import type { CacheStore, Inspected, Reporter, World } from './ports.ts';
import { recheck } from './recheck.ts';
import { hideInputs, type KeyedRequest, readRequestWithKeys } from './request.ts';
import { defaultPlace, type Found, findWheelhouse, type Serving } from './restore.ts';
import type { InstallRun, Run } from './run.ts';
import { changeOf, type Supply, saveKeyOf, supply } from './supply.ts';
import { Timer } from './timer.ts';
import { Tools } from './tools.ts';

/** What a run hands over to its entry point. */
export interface Outcome {
  /** The request, completed by what was found. */
  readonly request: Request;
  /** What the request asks for. */
  readonly requested: RequestedSet;
  readonly report: Report;
  /** For the post step: the wheelhouses to save. */
  readonly states: readonly State[];
  readonly wheelhouse: string;
  readonly interpreter: Interpreter;
}

/**
 * Runs the main step.
 * @throws UserError for everything that the user can fix; other errors are bugs in this program
 */
export async function install(given: Request, world: World): Promise<Outcome> {
  const { reporter, store, wheelhouses } = world;
  const timer = new Timer();
  hideInputs(given, reporter);
  const request = await completeRequest(given, world);
  if (request.restoreCache && store.unavailable === undefined) store.warmUp();
  const prepared = await timer.time('python', () => prepareInterpreter(request, world));
  const tools = new Tools(request, prepared.interpreter, world, install);
  // It may have to be restored itself, beside everything else.
  if (request.installer === 'uv' && request.install) tools.uv();
  const keyed = await timer.time('read', () =>
    readRequestWithKeys(request, prepared.interpreter, world, tools),
  );
  await reportKeys(keyed, reporter);

  const workplace = await wheelhouses.workplace(request.temporary);
  try {
    const scratch = await wheelhouses.stage(workplace);
    const place = request.wheelhouse ?? defaultPlace(request, keyed.keys);
    const { interpreter, makeVenv } = prepared;
    const known: Run = { ...keyed, interpreter, place, workplace, scratch, timer, tools };
    const [found, venv] = await both(
      timer.time('restore', () => findWheelhouse(known, world)),
      makeVenv === undefined ? undefined : timer.time('venv', makeVenv),
    );
    const run: Run = { ...known, interpreter: venv ?? interpreter };
    let supplied = await supply(run, world, found);
    supplied = await installSupply(run, world, supplied);
    const wheelhouse = await publish(run, world, supplied);
    return {
      request,
      requested: run.requested,
      report: reportOf(run, supplied),
      states: [...tools.states, ...statesOf(run, supplied, wheelhouse, store)],
      wheelhouse,
      interpreter: run.interpreter,
    };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** What the post step saves of a run. */
function statesOf(
  { request }: Run,
  supplied: Supply,
  wheelhouse: string,
  { sharesFiles }: CacheStore,
): State[] {
  const key = request.saveCache ? saveKeyOf(supplied) : undefined;
  if (key === undefined) return [];
  const manifest = manifestDigest(supplied.manifest);
  const change = sharesFiles ? undefined : changeOf(supplied);
  return [{ wheelhouse, key, manifest, ...(change === undefined ? {} : { change }) }];
}

/**
 * Installs, if the request says so; a restored wheelhouse that turns out not to fit gives way to
 * another one.
 * @returns the supply that was installed
 */
async function installSupply(run: Run, world: World, first: Supply): Promise<Supply> {
  const rejected = new Set<string>();
  let key: string | undefined;
  for (let supplied = first; ; ) {
    const obstacle =
      (await withdrawal(run, world, supplied)) ?? (await tryInstall(run, world, supplied));
    if (obstacle === undefined || supplied.how !== 'restored') return supplied;
    const { found } = supplied;
    if (obstacle.kind !== 'damage') {
      rejected.add(found.origin.name);
      key = obstacle.kind === 'sources' ? obstacle.key : undefined;
    }
    if (obstacle.kind === 'wheels') {
      // Content of a cache must not fail a job: without it, pip might have installed everything.
      world.reporter.warning(
        `The wheelhouse from ${found.origin.name} could not be installed and is not used: ${obstacle.reason}`,
      );
    }
    if (obstacle.kind === 'withdrawn') {
      world.reporter.warning(
        `The wheelhouse from ${found.origin.name} is out of date: ${obstacle.reason}. Resolving again.`,
      );
    }
    const damaged = obstacle.kind === 'damage' ? { ...found, base: obstacle.intact } : undefined;
    const next = await run.timer.time('restore', () =>
      findWheelhouse(run, world, { rejected, damaged, key }),
    );
    supplied =
      (obstacle.kind === 'sources' || obstacle.kind === 'withdrawn') && next.state !== 'serves'
        ? // No other entry fits either, and most of this one still does.
          await supply(run, world, await outdated(found, world, obstacle, next.saveKey))
        : await supply(run, world, next);
  }
}

/** Prepares a wheelhouse that would serve, if local projects or its index did not object. */
async function outdated(
  { directory, origin, base }: Found & Serving,
  { wheelhouses }: World,
  obstacle: Obstacle & { readonly kind: 'sources' | 'withdrawn' },
  saveKey: string | undefined,
): Promise<Found> {
  const { kind, reason } = obstacle;
  const verified = await wheelhouses.verify(directory, base);
  const isWithdrawn = (wheel: Wheel): boolean =>
    kind === 'withdrawn' && obstacle.wheels.some(({ file }) => file === wheel.file);
  const sound = verified.sound.filter((wheel) => !isWithdrawn(wheel));
  await wheelhouses.keepOnly(directory, sound.map(wheelPath));
  await wheelhouses.reopen(directory);
  return {
    ...{ state: 'usable', directory, origin, base: { ...verified, sound } },
    mismatch: kind === 'sources' ? 'request' : 'wheels',
    ...{ reason, isComplete: kind === 'sources', saveKey },
  };
}

/** Asks the index about a restored wheelhouse before it is installed, if it is its turn. */
async function withdrawal(
  run: Run,
  world: World,
  { how, found }: Supply,
): Promise<Obstacle | undefined> {
  if (how !== 'restored') return undefined;
  const wheels = await recheck(run, world, found);
  if (wheels.length === 0) return undefined;
  const names = wheels.map(({ project, version }) => `${project} ${version}`).join(', ');
  return { kind: 'withdrawn', wheels, reason: `the index no longer offers ${names}` };
}

/** Why a restored wheelhouse can't be installed. */
type Obstacle =
  /** Some wheels are not those of the manifest. */
  | { readonly kind: 'damage'; readonly intact: Inspected }
  /** The wheels can't be installed. */
  | { readonly kind: 'wheels'; readonly reason: string }
  /** No index offers these wheels any more. */
  | { readonly kind: 'withdrawn'; readonly reason: string; readonly wheels: readonly Wheel[] }
  /** Local projects need other wheels. */
  | {
      readonly kind: 'sources';
      readonly reason: string;
      /** The key of the entry that fits, if it is known. */
      readonly key: string | undefined;
    };

/** @throws UserError when an installation fails that another wheelhouse would not help */
async function tryInstall(run: Run, world: World, supplied: Supply): Promise<Obstacle | undefined> {
  const installRun: InstallRun = {
    ...run,
    wheelhouse: supplied.found.directory,
    manifest: supplied.manifest,
  };
  const { request, settings } = run;
  const intact = await run.timer.time('restore', () => intactPart(installRun, world, supplied));
  if (intact) return { kind: 'damage', intact };
  if (!request.install) return checkSources(installRun, world, supplied);
  // First, so that nothing is installed that the projects no longer need. Without isolation a build
  // may need what the lock installs.
  const [first, then] = isolatesBuilds(settings)
    ? [checkSources, tryInstallLock]
    : [tryInstallLock, checkSources];
  return (await first(installRun, world, supplied)) ?? (await then(installRun, world, supplied));
}

/**
 * Hashes the wheels that the installer may not hash.
 * @returns the wheelhouse without those that are damaged; undefined when there are none
 */
async function intactPart(
  { request, requested, interpreter }: InstallRun,
  { python, wheelhouses }: World,
  { how, found, manifest }: Supply,
): Promise<Inspected | undefined> {
  // A wheelhouse that does not serve has been verified when it was found.
  if (how !== 'restored') return undefined;
  const wheels = wheelsToHash(manifest.wheels, {
    isInstalled: request.install,
    hasBuilds: directRequirements(requested.lines).some((line) => !isCacheable(line)),
    present: await python.present(interpreter),
  });
  const verified = await wheelhouses.verify(found.directory, found.base, wheels);
  return verified.sound.length < found.base.sound.length ? verified : undefined;
}

/** @throws UserError when the lock can't be installed, and another wheelhouse would not help */
async function tryInstallLock(
  run: InstallRun,
  world: World,
  { how }: Supply,
): Promise<Obstacle | undefined> {
  try {
    await run.timer.time('install', () => installLock(run, world));
    return undefined;
  } catch (error) {
    const isFoundToBlame = error instanceof InstallError && error.maybeWheels;
    if (how !== 'restored' || !isFoundToBlame) throw error;
    if (error.intact) return { kind: 'damage', intact: error.intact };
    const [, reason = error.message] = error.message.split('\n');
    return { kind: 'wheels', reason };
  }
}

/**
 * Installs local projects, or only reads their metadata.
 * @throws UserError when they can't be built, and another wheelhouse would not help
 */
async function checkSources(
  run: InstallRun,
  world: World,
  supplied: Supply,
): Promise<Obstacle | undefined> {
  if (supplied.how === 'filled') {
    const isLeftToUv = run.requested.lock?.uv !== undefined;
    if (!run.request.install || (supplied.hasInstalledSources && !isLeftToUv)) return undefined;
  }
  const drift = await run.timer.time('local projects', () => installSources(run, world));
  if (drift === undefined) return undefined;
  if (supplied.how === 'restored') {
    const { reason, needs } = drift;
    const key = needs && variantOf(run.keys.primary, needs);
    return { kind: 'sources', reason, key };
  }
  if (drift.failure !== undefined) throw new UserError(drift.failure);
  return undefined;
}

/** Waits for both even when one fails, so that no work goes on behind an error. */
async function both<A, B>(
  one: Promise<A>,
  other: Promise<B> | undefined,
): Promise<[A, B | undefined]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
}

/**
 * Puts the wheelhouse into its place; where that can't be written, into the default place, as the
 * packages are installed all the same.
 * @returns where it is
 */
async function publish(run: Run, world: World, { how, found, manifest }: Supply): Promise<string> {
  const { place, request, keys } = run;
  const isInPlace = how === 'restored' && found.origin.kind === 'disk';
  if (isInPlace && (await hasLocks(place, manifest, world))) return place;
  try {
    await world.wheelhouses.publish(found.directory, place);
    return place;
  } catch (error) {
    const fallback = defaultPlace(request, keys);
    if (place === fallback) throw error;
    world.reporter.warning(
      `The wheelhouse could not be written to ${place}: ${messageOf(error)}. It is in ${fallback}.`,
    );
    await world.wheelhouses.publish(found.directory, fallback);
    return fallback;
  }
}

/** Whether the locks of a wheelhouse are those of its manifest: nobody has verified them. */
async function hasLocks(
  place: string,
  { wheels }: Manifest,
  { wheelhouses }: World,
): Promise<boolean> {
  const locks = Object.entries(lockTexts(wheels)).map(async ([file, text]) => {
    const found = await wheelhouses.read(path.join(place, file)).catch(() => undefined);
    return found === text;
  });
  return (await Promise.all(locks)).every(Boolean);
}

function reportKeys({ keys, requested }: KeyedRequest, reporter: Reporter): Promise<void> {
  return reporter.group('Cache key', async () => {
    reporter.info(keys.primary);
    for (const [name, value] of keys.components) reporter.info(`  ${name}: ${value}`);
    for (const file of requested.files) reporter.info(`  file: ${file.path} (${file.lines} lines)`);
    for (const project of requested.projects) reporter.info(`  project: ${project.shown}`);
    for (const line of requested.lines) reporter.info(`    ${withoutHashes(line.shown)}`);
  });
}

/** A lock may have hundreds of hashes in one line. */
function withoutHashes(shown: string): string {
  const [text = '', ...hashes] = shown.split(/\s+(?=--hash=)/);
  return hashes.length > 1 ? `${text} (${hashes.length} hashes)` : shown;
}

const hits = { serves: 'exact', usable: 'partial', nothing: 'miss' } as const;

function reportOf({ keys, timer, request }: Run, supplied: Supply): Report {
  const { found, manifest } = supplied;
  const origin = found.state === 'nothing' ? undefined : found.origin;
  return {
    hit: hits[found.state],
    primaryKey: keys.primary,
    matchedKey: origin?.kind === 'cache' ? origin.name : undefined,
    before: found.state === 'nothing' ? [] : found.base.sound,
    wheels: manifest.wheels,
    direct: manifest.direct.map((project) => project.name),
    effort: manifest.effort,
    phases: timer.phases,
    seconds: timer.seconds,
    index: supplied.how === 'filled' ? supplied.index : undefined,
    releaseAge: request.releaseAge && releaseAgeText(request.releaseAge),
  };
}
