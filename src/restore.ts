/** Finds the wheelhouse to start from: on disk, or in the cache, checked file by file. */
import path from 'node:path';
import { completeChange } from './complete-change.ts';
import { type FullEntry, fullEntryOf } from './logic/change-entry.ts';
import { messageOf, UserError } from './logic/errors.ts';
import { generations, type Keys, matchKind } from './logic/key.ts';
import { absence, ManifestError, manifestFile, wheelPath } from './logic/manifest.ts';
import type { Request } from './logic/model.ts';
import {
  decisiveMarkers,
  type Mismatch,
  type Verdict,
  verdict,
  type Wanted,
} from './logic/verdict.ts';
import type { Inspected, Wheelhouses, World } from './ports.ts';
import type { Run } from './run.ts';

/** Where a wheelhouse was found; its name is a path or a key. */
export type Origin =
  | { readonly kind: 'disk'; readonly name: string }
  | {
      readonly kind: 'cache';
      readonly name: string;
      readonly isExact: boolean;
      /** What a change can be saved upon, if nothing is missing or damaged. */
      readonly full: FullEntry;
    };

/** No wheelhouse fits. */
export interface Nothing {
  readonly state: 'nothing';
  /** An empty staged directory. */
  readonly directory: string;
  readonly reason: string;
}

/** Some wheels fit. */
export interface Usable {
  readonly state: 'usable';
  /** A staged directory with those wheels, ready to be filled. */
  readonly directory: string;
  readonly origin: Origin;
  /** `sound` are the wheels that the request admits. */
  readonly base: Inspected;
  readonly mismatch: Mismatch;
  readonly reason: string;
  /** It was made for this very request and has every wheel. */
  readonly isComplete: boolean;
}

/** The wheelhouse can be installed as it is. */
export interface Serving {
  readonly state: 'serves';
  /** A staged directory with the whole wheelhouse. */
  readonly directory: string;
  readonly origin: Origin;
  /** Only names and sizes have been compared: hash the wheels, or have an installer do it. */
  readonly base: Inspected;
}

export type Candidate = Nothing | Usable | Serving;

/** The best candidate. */
export type Found = Candidate & {
  /** The key to save a new wheelhouse under; undefined when nothing can be saved. */
  readonly saveKey: string | undefined;
};

/** @returns the default path of a wheelhouse; the input `wheelhouse` names another */
export function defaultPlace(request: Request, keys: Keys): string {
  return path.join(request.temporary, 'wheelhouse', keys.request.slice(0, 16));
}

/** What a wheelhouse is compared with. */
export function wantedOf(
  run: Pick<Run, 'keys' | 'interpreter' | 'settings' | 'request' | 'requested'>,
  now: Date,
): Wanted {
  const { keys, interpreter, settings, request, requested } = run;
  return {
    keys,
    interpreter,
    now,
    settings: settings.configured,
    lines: requested.lines,
    refresh: request.refresh,
  };
}

/** Judges a wheelhouse; the interpreter evaluates the environment markers that decide. */
export async function judge(
  inspected: Inspected,
  wanted: Wanted,
  { python }: Pick<World, 'python'>,
): Promise<Verdict> {
  const markers = decisiveMarkers(inspected.manifest, wanted);
  return verdict(inspected, wanted, await python.applies(wanted.interpreter, markers));
}

/**
 * Looks on disk, then in the cache under the primary key and its later generations, until a
 * wheelhouse serves.
 * @param options.rejected names of wheelhouses that could not be installed
 * @param options.damaged one that seemed to serve; `base` is what is intact, and the faults
 * @param options.key to look for instead of the primary key; without its prefixes
 * @throws UserError when something other than a wheelhouse is in its place
 */
export async function findWheelhouse(
  run: Run,
  world: World,
  options: SearchOptions = {},
): Promise<Found> {
  try {
    return await search(run, world, options);
  } finally {
    await world.store.coolDown();
  }
}

interface SearchOptions {
  readonly rejected?: ReadonlySet<string>;
  readonly damaged?: (Found & Serving) | undefined;
  readonly key?: string | undefined;
}

async function search(
  run: Run,
  world: World,
  { rejected = new Set(), damaged, key: wantedKey = run.keys.primary }: SearchOptions,
): Promise<Found> {
  const { request, keys, place } = run;
  const { store, reporter, wheelhouses } = world;
  let best: Candidate | undefined;
  if (damaged) best = await assess(run, world, damaged.directory, damaged.base, damaged.origin);
  else if (!rejected.has(place)) best = await fromDisk(run, world);
  if (best?.state === 'serves') return { ...best, saveKey: undefined };

  let saveKey = damaged?.saveKey;
  if (store.unavailable !== undefined) {
    if (request.restoreCache || request.saveCache) {
      reporter.info(`The cache is not used: ${store.unavailable}.`);
    }
  } else if (!request.restoreCache) {
    saveKey = wantedKey;
  } else {
    for (const key of generationsAfter(damaged?.origin, wantedKey)) {
      const directory = await wheelhouses.stage(run.workplace);
      const prefixes = key === keys.primary ? keys.restore : [];
      const restored = await store.restore(directory, key, prefixes);
      if (restored?.key !== key) saveKey ??= key;
      if (restored?.arrived && !rejected.has(restored.key)) {
        const candidate = await fromCache(run, world, directory, { key: restored.key, wantedKey });
        best = best === undefined ? candidate : await better(wheelhouses, best, candidate);
      } else {
        await wheelhouses.remove(directory);
      }
      if (restored?.key !== key || best?.state === 'serves') break;
    }
  }
  return { ...(best ?? (await nothing(run, world))), saveKey };
}

/** The generations of a key that may still have an entry after one has been restored. */
function generationsAfter(restored: Origin | undefined, key: string): readonly string[] {
  const all = generations(key);
  if (restored?.kind !== 'cache') return all;
  return restored.isExact ? all.slice(all.indexOf(restored.name) + 1) : [];
}

/**
 * As {@link findWheelhouse}, for a run that does not install: hashes all wheels of one that serves.
 */
export async function findIntactWheelhouse(run: Run, world: World): Promise<Found> {
  let found = await findWheelhouse(run, world);
  while (found.state === 'serves') {
    const base = await world.wheelhouses.verify(found.directory, found.base);
    if (base.sound.length === found.base.sound.length) return found;
    found = await findWheelhouse(run, world, { damaged: { ...found, base } });
  }
  return found;
}

async function nothing({ workplace }: Run, { wheelhouses }: World): Promise<Nothing> {
  const directory = await wheelhouses.stage(workplace);
  return { state: 'nothing', directory, reason: 'no usable wheelhouse in the cache' };
}

/** Keeps the candidate that serves, otherwise the one with more wheels; deletes the other one. */
async function better(
  wheelhouses: Wheelhouses,
  one: Candidate,
  other: Candidate,
): Promise<Candidate> {
  const [best, worst] = rank(other) >= rank(one) ? [other, one] : [one, other];
  await wheelhouses.remove(worst.directory);
  return best;
}

function rank(candidate: Candidate): number {
  if (candidate.state === 'serves') return Number.POSITIVE_INFINITY;
  return candidate.state === 'usable' ? candidate.base.sound.length : -1;
}

async function fromDisk(run: Run, world: World): Promise<Candidate | undefined> {
  const { wheelhouses, reporter } = world;
  const { place } = run;
  if (!(await wheelhouses.exists(place))) return undefined;
  const directory = await wheelhouses.stage(run.workplace);
  try {
    await wheelhouses.share(place, directory);
    const inspected = await wheelhouses.inspect(directory, 'sizes');
    if (inspected !== undefined) {
      return await assess(run, world, directory, inspected, { kind: 'disk', name: place });
    }
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    if (!(await wheelhouses.exists(path.join(place, manifestFile)))) {
      throw new UserError(
        `${place} is not empty and is not a wheelhouse; using it would delete its contents. Set the input wheelhouse to an empty or new directory.`,
      );
    }
    reporter.info(`The wheelhouse in ${place} is not used: ${error.message}.`);
  }
  await wheelhouses.remove(directory);
  return undefined;
}

/** Assesses an entry that the cache delivered. Never throws for what is in it. */
async function fromCache(
  run: Run,
  world: World,
  directory: string,
  { key, wantedKey }: { readonly key: string; readonly wantedKey: string },
): Promise<Candidate> {
  const { reporter, wheelhouses } = world;
  const kind = matchKind(key, { ...run.keys, primary: wantedKey });
  try {
    if (kind === 'foreign') throw new ManifestError('its key does not match any requested key');
    const completion = await completeChange(run, world, directory, key);
    const inspected = await wheelhouses.inspect(directory, 'sizes');
    if (inspected === undefined) throw new ManifestError('it is empty');
    const { wheels } = inspected.manifest;
    const change = completion.kind === 'change' ? completion : undefined;
    const full = fullEntryOf(key, wheels, change);
    const origin = { kind: 'cache', name: key, isExact: kind === 'exact', full } as const;
    const excused = completion.kind === 'incomplete' ? wheels.map(absence) : [];
    return await assess(run, world, directory, inspected, origin, excused);
  } catch (error) {
    reporter.warning(`The cache entry ${key} is not used: ${messageOf(error)}.`);
    await wheelhouses.remove(directory);
    return nothing(run, world);
  }
}

/** A warning lists at most this many faults. */
const maxFaultsShown = 5;

/**
 * Assesses a wheelhouse. Unless it serves, its wheels are hashed before anything is made of them.
 * @param excused faults that are no damage
 */
async function assess(
  run: Run,
  world: World,
  directory: string,
  found: Inspected,
  origin: Origin,
  excused: readonly string[] = [],
): Promise<Candidate> {
  const { manifest } = found;
  const { wheelhouses, reporter } = world;
  const wanted = wantedOf(run, world.now());
  let inspected = found;
  let judged = await judge(inspected, wanted, world);
  if (judged.kind === 'usable') {
    inspected = await wheelhouses.verify(directory, inspected);
    judged = await judge(inspected, wanted, world);
  }
  if (judged.kind === 'unusable') throw new ManifestError(judged.reason);
  const { faults } = inspected;
  const damage = faults.filter((fault) => !excused.includes(fault));
  if (damage.length > 0) {
    const shown = damage.slice(0, maxFaultsShown).join('; ');
    const hidden = damage.length - maxFaultsShown;
    const more = hidden > 0 ? ` and ${hidden} more` : '';
    reporter.warning(
      `The wheelhouse from ${origin.name} is partly damaged; reusing the intact wheels. Problems: ${shown}${more}.`,
    );
  }
  await wheelhouses.keepOnly(directory, judged.wheels.map(wheelPath));
  const base = { manifest, sound: judged.wheels, faults };
  if (judged.kind === 'serves') {
    // The lock is always written from the manifest; the one in the entry is never used.
    await wheelhouses.seal(directory, manifest);
    return { state: 'serves', directory, origin, base };
  }
  await wheelhouses.reopen(directory);
  const { mismatch, reason, isComplete } = judged;
  return { state: 'usable', directory, origin, base, mismatch, reason, isComplete };
}
