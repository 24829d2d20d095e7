/** Finds the wheelhouse to start from: on disk, or in the cache, checked file by file. */
import path from 'node:path';
import { messageOf, UserError } from './logic/errors.ts';
import { generations, type Keys, matchKind } from './logic/key.ts';
import { ManifestError, manifestFile, wheelPath } from './logic/manifest.ts';
import type { Request } from './logic/model.ts';
import {
  decisiveMarkers,
  type Markers,
  type Mismatch,
  type Verdict,
  verdict,
  type Wanted,
} from './logic/verdict.ts';
import type { Inspected, World } from './ports.ts';
import type { Run } from './run.ts';

/** Where a wheelhouse was found; its name is a path or a key. */
export type Origin =
  | { readonly kind: 'disk'; readonly name: string }
  | { readonly kind: 'cache'; readonly name: string; readonly isExact: boolean };

/** A wheelhouse to start from, in a staged directory that contains its usable wheels. */
export type Sighting = { readonly directory: string } & (
  | { readonly state: 'nothing'; readonly reason: string }
  | {
      readonly state: 'usable';
      readonly origin: Origin;
      /** `sound` are the wheels that the request admits. */
      readonly base: Inspected;
      readonly mismatch: Mismatch;
      readonly reason: string;
      /** It was made for this very request and has every wheel. */
      readonly isComplete: boolean;
    }
  | { readonly state: 'serves'; readonly origin: Origin; readonly base: Inspected }
);

export type Found = Sighting & {
  /** The key that is free for what this run makes; undefined when nothing can be saved. */
  readonly saveKey: string | undefined;
};

/** Where a wheelhouse is put unless the user names a place. */
export function defaultPlace(request: Request, keys: Keys): string {
  return path.join(request.temporary, 'wheelhouse', keys.request.slice(0, 16));
}

/** What a wheelhouse has to be good for. */
export function wantedOf(run: Omit<Run, 'workplace' | 'scratch'>, now: Date): Wanted {
  const { keys, interpreter, settings, request, requested, uv } = run;
  return {
    ...{ keys, interpreter, now },
    settings: settings.configured,
    tools: request.installer === 'uv' && uv === undefined ? ['uv'] : [],
    lines: requested.lines,
    refresh: request.refresh,
  };
}

/** Judges a wheelhouse, with the interpreter's help where environment markers decide. */
export async function judge(
  inspected: Inspected,
  wanted: Wanted,
  world: Pick<World, 'python'>,
): Promise<Verdict> {
  return verdict(inspected, wanted, await evaluated(inspected, wanted, world));
}

async function evaluated(
  { manifest }: Inspected,
  wanted: Wanted,
  world: Pick<World, 'python'>,
): Promise<Markers> {
  const markers = decisiveMarkers(manifest, wanted);
  if (markers.length === 0) return new Map();
  const applies = (await world.python.applies(wanted.interpreter, markers)) ?? [];
  return new Map(applies.map((each, index) => [String(markers[index]), each]));
}

/**
 * Looks on disk, then under the primary key and its later generations, each until one serves.
 * @param place where the wheelhouse is going to be
 * @param rejected names of wheelhouses that turned out to be useless
 * @throws UserError when something else than a wheelhouse is there
 */
export async function findWheelhouse(
  run: Run,
  world: World,
  place: string,
  rejected: ReadonlySet<string>,
): Promise<Found> {
  const { request, keys } = run;
  const { store, reporter } = world;
  const onDisk = rejected.has(place) ? undefined : await fromDisk(run, world, place);
  if (onDisk?.state === 'serves') return { ...onDisk, saveKey: undefined };

  let best: Sighting | undefined = onDisk;
  let saveKey: string | undefined;
  const wanted = request.restoreCache || request.saveCache;
  if (wanted && store.unavailable !== undefined) {
    reporter.info(`The cache is not used: ${store.unavailable}.`);
  }
  if (request.restoreCache && store.unavailable === undefined) {
    for (const key of generations(keys.primary)) {
      const directory = await world.wheelhouses.stage(run.workplace);
      const prefixes = key === keys.primary ? keys.restore : [];
      const restored = await store.restore(directory, key, prefixes);
      if (restored?.key !== key) saveKey ??= key;
      if (restored?.arrived && !rejected.has(restored.key)) {
        best = await better(world, best, await fromStore(run, world, directory, restored.key));
      } else {
        await world.wheelhouses.remove(directory);
      }
      if (restored?.key !== key || best?.state === 'serves') break;
    }
  } else if (store.unavailable === undefined) {
    saveKey = keys.primary;
  }
  return { ...(best ?? (await nothing(run, world))), saveKey };
}

async function nothing(run: Run, world: World): Promise<Sighting> {
  const directory = await world.wheelhouses.stage(run.workplace);
  return { state: 'nothing', directory, reason: 'nothing in the cache fits' };
}

/** Keeps the one that serves, or else the one with more wheels; deletes the other's directory. */
async function better(world: World, one: Sighting | undefined, other: Sighting): Promise<Sighting> {
  if (one === undefined) return other;
  const [best, worst] = rank(other) >= rank(one) ? [other, one] : [one, other];
  await world.wheelhouses.remove(worst.directory);
  return best;
}

function rank(sighting: Sighting): number {
  if (sighting.state === 'serves') return Number.POSITIVE_INFINITY;
  return sighting.state === 'usable' ? sighting.base.sound.length : -1;
}

async function fromDisk(run: Run, world: World, place: string): Promise<Sighting | undefined> {
  const { wheelhouses, reporter } = world;
  if (!(await wheelhouses.exists(place))) return undefined;
  const directory = await wheelhouses.stage(run.workplace);
  try {
    await wheelhouses.share(place, directory);
    const inspected = await wheelhouses.inspect(directory);
    if (inspected !== undefined) {
      return await assess(run, world, directory, inspected, { kind: 'disk', name: place });
    }
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    if (!(await wheelhouses.exists(path.join(place, manifestFile)))) {
      throw new UserError(
        `${place} holds files and is no wheelhouse: its content would be lost. Set the input wheelhouse to an empty or new directory.`,
      );
    }
    reporter.info(`The wheelhouse in ${place} is not used: ${error.message}.`);
  }
  await wheelhouses.remove(directory);
  return undefined;
}

/** Looks into what the store brought. Never throws for what it finds there. */
async function fromStore(
  run: Run,
  world: World,
  directory: string,
  key: string,
): Promise<Sighting> {
  const { reporter, wheelhouses } = world;
  const kind = matchKind(key, run.keys);
  try {
    if (kind === 'foreign') throw new ManifestError('its key is none that was asked for');
    const inspected = await wheelhouses.inspect(directory);
    if (inspected === undefined) throw new ManifestError('it is empty');
    const origin = { kind: 'cache', name: key, isExact: kind === 'exact' } as const;
    return await assess(run, world, directory, inspected, origin);
  } catch (error) {
    reporter.warning(`The cache entry ${key} is not used: ${messageOf(error)}.`);
    await wheelhouses.remove(directory);
    return nothing(run, world);
  }
}

/** Faults that a warning lists; of more it gives the number. */
const maxFaultsShown = 5;

async function assess(
  run: Run,
  world: World,
  directory: string,
  inspected: Inspected,
  origin: Origin,
): Promise<Sighting> {
  const { manifest, faults } = inspected;
  const { wheelhouses, reporter } = world;
  const judged = await judge(inspected, wantedOf(run, world.now()), world);
  if (judged.kind === 'unusable') throw new ManifestError(judged.reason);
  if (faults.length > 0) {
    const shown = faults.slice(0, maxFaultsShown).join('; ');
    const more =
      faults.length > maxFaultsShown ? ` and ${faults.length - maxFaultsShown} more` : '';
    reporter.warning(
      `The wheelhouse from ${origin.name} is damaged; what is sound of it is used: ${shown}${more}.`,
    );
  }
  await wheelhouses.keepOnly(directory, judged.wheels.map(wheelPath));
  const base = { manifest, sound: judged.wheels, faults };
  if (judged.kind === 'serves') {
    // The lock that is installed follows from the manifest; the one in the entry is never used.
    await wheelhouses.seal(directory, manifest);
    return { state: 'serves', directory, origin, base };
  }
  await wheelhouses.reopen(directory);
  const { mismatch, reason, isComplete } = judged;
  return { state: 'usable', directory, origin, base, mismatch, reason, isComplete };
}
