/**
 * The story of one run: read what is asked for, find a wheelhouse, fill it where it lacks
 * something, install from it, and say what happened.
 */

import {
  askAgain,
  type ChosenIndex,
  chooseIndex,
  IndexDown,
  staleWarning,
} from './choose-index.ts';
import { fill } from './fill.ts';
import { InstallError, installLock } from './install-lock.ts';
import { prepareInterpreter } from './interpreter.ts';
import { installSources } from './local-projects.ts';
import { messageOf, UserError } from './logic/errors.ts';
import { type Manifest, manifestDigest, sameWheels } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { State } from './logic/state.ts';
import type { Phase, Report } from './logic/summary.ts';
import { FillError } from './pip.ts';
import type { World } from './ports.ts';
import { hideInputs, readRequestWithKeys } from './request.ts';
import { defaultPlace, type Found, findWheelhouse } from './restore.ts';
import type { Fill, Filled, Run } from './run.ts';

/** What a run leaves to its entry. */
export interface Outcome {
  readonly report: Report;
  /** For the post step; undefined: there is nothing to save. */
  readonly state: State | undefined;
  readonly wheelhouse: string;
  readonly interpreter: Interpreter;
}

/**
 * Runs the main step.
 * @throws UserError for everything that the user can mend; other errors are faults of this program
 */
export async function install(request: Request, world: World): Promise<Outcome> {
  const { reporter, wheelhouses } = world;
  const begun = performance.now();
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
  if (request.restoreCache && world.store.unavailable === undefined) world.store.warmUp();
  const prepared = await timed('python', () => prepareInterpreter(request, world));
  const keyed = await timed('read', () =>
    readRequestWithKeys(request, prepared.interpreter, world),
  );
  const { requested, keys } = keyed;
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
    const sketch: Run = {
      ...keyed,
      ...{ request, interpreter: prepared.interpreter, workplace, scratch },
    };
    const ownPlace = defaultPlace(request, keys);
    const place = request.wheelhouse ?? ownPlace;

    const spurned = new Set<string>();
    const look = (): Promise<Found> =>
      timed('restore', () => findWheelhouse(sketch, world, place, spurned));
    const { makeVenv } = prepared;
    let [found, interpreter] = await together(
      look(),
      makeVenv ? timed('venv', makeVenv) : Promise.resolve(prepared.interpreter),
    );
    const run: Run = { ...sketch, interpreter };
    const complete = async (): Promise<Filled> => {
      if (found.state === 'serves') {
        reporter.info(`Exact hit: ${found.origin.name}. No index is asked.`);
        return { manifest: found.base.manifest, index: undefined, hasInstalledSources: false };
      }
      const hit = found.state === 'usable' ? `Partial hit: ${found.origin.name}` : 'Miss';
      reporter.info(`${hit}: ${found.reason}.`);
      return timed('fill', () => fillFrom(run, world, found));
    };
    let filled = await complete();
    /** @returns what of the found wheelhouse turned out not to fit */
    const tryInstall = async (): Promise<Obstacle | undefined> => {
      try {
        await timed('install', () => installLock(run, world, found.directory, filled.manifest));
      } catch (error) {
        const isFoundToBlame = error instanceof InstallError && error.maybeWheels;
        if (found.state !== 'serves' || !isFoundToBlame) throw error;
        const [, reason = error.message] = error.message.split('\n');
        return { kind: 'wheels', reason };
      }
      if (filled.hasInstalledSources) return undefined;
      const drift = await timed('local projects', () =>
        installSources(run, world, found.directory, filled.manifest),
      );
      if (drift === undefined || found.state === 'serves') {
        return drift && { kind: 'sources', reason: drift.reason };
      }
      if (drift.failure !== undefined) throw new UserError(drift.failure);
      return undefined;
    };
    while (request.install) {
      const obstacle = await tryInstall();
      if (obstacle === undefined || found.state !== 'serves') break;
      const { reason } = obstacle;
      spurned.add(found.origin.name);
      if (obstacle.kind === 'wheels') {
        // What a cache contains may not fail a job: without it, pip might well have installed.
        reporter.warning(
          `The wheelhouse from ${found.origin.name} could not be installed and is not used: ${reason}`,
        );
      }
      const other = await look();
      if (obstacle.kind === 'wheels' || other.state === 'serves') {
        found = other;
      } else {
        // A later generation does not fit either: most of this one still does.
        await wheelhouses.reopen(found.directory);
        const { directory, origin, base } = found;
        const { saveKey } = other;
        found = {
          ...{ state: 'usable', directory, origin, base, saveKey, reason },
          ...{ mismatch: 'request', isComplete: true },
        };
      }
      filled = await complete();
    }

    const { manifest, index } = filled;
    const isUnchanged = found.state === 'serves' && found.origin.kind === 'disk';
    const wheelhouse = isUnchanged
      ? place
      : await published(world, found.directory, [place, ownPlace]);
    const isNew = index !== undefined && !isSavedAlready(found, manifest);
    return {
      interpreter,
      wheelhouse,
      report: {
        hit: hits[found.state],
        primaryKey: keys.primary,
        matchedKey: matchedKey(found),
        before: found.state === 'nothing' ? [] : found.base.sound,
        wheels: manifest.wheels,
        direct: manifest.direct.map((project) => project.name),
        effort: manifest.effort,
        phases,
        seconds: (performance.now() - begun) / 1000,
        index,
      },
      state:
        isNew && request.saveCache && found.saveKey !== undefined
          ? { wheelhouse, key: found.saveKey, manifest: manifestDigest(manifest) }
          : undefined,
    };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** What keeps a wheelhouse that seemed to serve from being installed. */
interface Obstacle {
  /** Its wheels can't be installed, or local projects need others. */
  readonly kind: 'wheels' | 'sources';
  readonly reason: string;
}

/** Both results; when one fails the other has come to its end too, so that nothing goes on. */
async function together<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return Promise.all([one, other]);
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

const hits = { serves: 'exact', usable: 'partial', nothing: 'miss' } as const;

function matchedKey(found: Found): string | undefined {
  return found.state !== 'nothing' && found.origin.kind === 'cache' ? found.origin.name : undefined;
}

/** An entry under the very key with the very wheels, all of them admitted, is not saved again. */
function isSavedAlready(found: Found, manifest: Manifest): boolean {
  return (
    found.state === 'usable' &&
    found.isComplete &&
    found.origin.kind === 'cache' &&
    found.origin.isExact &&
    found.base.faults.length === 0 &&
    // Where a project has other dependencies, the entry would be refilled in every run.
    JSON.stringify(found.base.manifest.direct) === JSON.stringify(manifest.direct) &&
    sameWheels(found.base.manifest.wheels, manifest.wheels)
  );
}

/**
 * Fills the found directory; where no index can be used and the last good set was made for these
 * very requirements, that set is used as it is.
 */
async function fillFrom(run: Run, world: World, found: Found): Promise<Filled> {
  try {
    return await fillByMirror(run, world, found);
  } catch (error) {
    const last = found.state === 'usable' && found.isComplete ? found.base.manifest : undefined;
    const isDown = error instanceof IndexDown || (error instanceof FillError && error.unreachable);
    if (!isDown || last === undefined) throw error;
    const [reason = ''] = error.message.split('\n');
    world.reporter.warning(staleWarning(reason, last, world.now()));
    await world.wheelhouses.keepOnly(
      found.directory,
      last.wheels.map((wheel) => wheel.file),
    );
    await world.wheelhouses.seal(found.directory, last);
    return { manifest: last, index: undefined, hasInstalledSources: false };
  }
}

/** Fills from the index that is healthy; a mirror that fails meanwhile gives way to its index. */
async function fillByMirror(run: Run, world: World, found: Found): Promise<Filled> {
  const base = found.state === 'nothing' ? undefined : found.base;
  const usable = base?.sound ?? [];
  const attempt = (index: ChosenIndex, resume: boolean): Promise<Fill> =>
    world.reporter.group('Fill the wheelhouse', async () => {
      world.reporter.info(`Index: ${index.shown || 'none'}, as ${index.why}.`);
      const effort = base?.manifest.effort ?? 0;
      return fill({ ...run, index }, world, found.directory, usable, { resume, effort });
    });
  const index = await chooseIndex(run, world);
  try {
    return { ...(await attempt(index, false)), index };
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    if (index.doubt !== undefined) {
      throw new IndexDown(`The index ${index.shown} can't be used: ${index.doubt}.`);
    }
    if (!error.maybeIndex) throw error;
    if (index.role !== 'mirror') {
      await askAgain(run, world);
      throw error;
    }
    const other = await chooseIndex(run, world, 'pip failed with it');
    return { ...(await attempt(other, true)), index: other };
  }
}
