/** Finds the wheelhouse to start from: on disk, or in the cache, checked file by file. */
import path from 'node:path';
import { hashRules, isAdmitted } from './plan/admission.ts';
import { generations, interpreterIdentity, matchKind } from './plan/key.ts';
import {
  contradiction,
  type Manifest,
  ManifestError,
  manifestFile,
  unsatisfied,
  type Wheel,
} from './plan/manifest.ts';
import { messageOf, UserError } from './plan/model.ts';
import type { Inspected, World } from './ports.ts';
import type { Plan } from './run.ts';

/** A wheelhouse whose wheels may be used for this plan. */
export interface Base {
  readonly manifest: Manifest;
  /** Verified, and admitted by the request's hashes. */
  readonly sound: readonly Wheel[];
  readonly faults: readonly string[];
}

export interface Found {
  /** A staged directory that holds the wheels of `base`, or nothing. */
  readonly directory: string;
  readonly base: Base | undefined;
  /** Why the base does not serve the request as it is; undefined: it does. */
  readonly unsatisfied: string | undefined;
  /** The base's manifest, when it was complete for this very request and is only too old. */
  readonly lastGood: Manifest | undefined;
  readonly kind: 'disk' | 'exact' | 'partial' | 'none';
  readonly matchedKey: string | undefined;
  /** Where it came from, for people. */
  readonly source: string;
  /** The key that is free for what this run makes; undefined: nothing can be saved. */
  readonly saveKey: string | undefined;
}

/**
 * Looks on disk, then under the primary key and its later generations, each until one serves.
 * @param place where the wheelhouse will lie
 * @param spurned sources of wheelhouses that have turned out to be of no use
 * @throws UserError when something else than a wheelhouse lies there
 */
export async function findWheelhouse(
  plan: Plan,
  world: World,
  place: string,
  spurned: ReadonlySet<string>,
): Promise<Found> {
  const { request, keys } = plan;
  const { store, reporter } = world;
  const onDisk = spurned.has(place) ? undefined : await fromDisk(plan, world, place);
  if (onDisk && isServing(onDisk)) return onDisk;

  let best: Found | undefined = onDisk;
  let saveKey: string | undefined;
  const wanted = request.restoreCache || request.saveCache;
  if (wanted && store.unavailable !== undefined) {
    reporter.info(`The cache is not used: ${store.unavailable}.`);
  }
  if (request.restoreCache && store.unavailable === undefined) {
    for (const key of generations(keys.primary)) {
      const directory = await world.wheelhouses.stage(plan.workplace);
      const prefixes = key === keys.primary ? keys.restore : [];
      const restored = await store.restore(directory, key, prefixes);
      if (restored?.key !== key) saveKey ??= key;
      if (restored?.arrived && !spurned.has(restored.key)) {
        best = await better(world, best, await judge(plan, world, directory, restored.key));
      } else {
        await world.wheelhouses.remove(directory);
      }
      if (restored?.key !== key || isServing(best)) break;
    }
  } else if (store.unavailable === undefined) {
    saveKey = keys.primary;
  }
  return { ...(best ?? (await nothing(plan, world))), saveKey };
}

/** Whether it is installed as it is. */
export function isServing(found: Found | undefined): found is Found & { readonly base: Base } {
  return found?.base !== undefined && found.unsatisfied === undefined;
}

async function nothing(plan: Plan, world: World): Promise<Found> {
  return {
    directory: await world.wheelhouses.stage(plan.workplace),
    base: undefined,
    unsatisfied: 'nothing in the cache fits',
    lastGood: undefined,
    kind: 'none',
    matchedKey: undefined,
    source: 'nothing',
    saveKey: undefined,
  };
}

/** Keeps the one that serves, or else has more to offer; the other one's directory goes. */
async function better(world: World, one: Found | undefined, other: Found): Promise<Found> {
  if (one === undefined) return other;
  const rank = (found: Found): number =>
    isServing(found) ? Number.POSITIVE_INFINITY : (found.base?.sound.length ?? -1);
  const [kept, gone] = rank(other) >= rank(one) ? [other, one] : [one, other];
  await world.wheelhouses.remove(gone.directory);
  return kept;
}

async function fromDisk(plan: Plan, world: World, place: string): Promise<Found | undefined> {
  const { wheelhouses, reporter } = world;
  if (!(await wheelhouses.exists(place))) return undefined;
  const directory = await wheelhouses.stage(plan.workplace);
  try {
    await wheelhouses.share(place, directory);
    const inspected = await wheelhouses.inspect(directory);
    if (inspected !== undefined) {
      const origin = { kind: 'disk', matchedKey: undefined, source: place } as const;
      return await assess(plan, world, directory, inspected, origin);
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
async function judge(plan: Plan, world: World, directory: string, matched: string): Promise<Found> {
  const { reporter, wheelhouses } = world;
  const kind = matchKind(matched, plan.keys);
  try {
    if (kind === 'foreign') throw new ManifestError('its key is none that was asked for');
    const inspected = await wheelhouses.inspect(directory);
    if (inspected === undefined) throw new ManifestError('it is empty');
    return await assess(plan, world, directory, inspected, {
      kind,
      matchedKey: matched,
      source: matched,
    });
  } catch (error) {
    reporter.warning(`The cache entry ${matched} is not used: ${messageOf(error)}.`);
    await wheelhouses.remove(directory);
    return { ...(await nothing(plan, world)), ...(kind === 'exact' ? { kind } : {}) };
  }
}

async function assess(
  plan: Plan,
  world: World,
  directory: string,
  { manifest, sound, faults }: Inspected,
  origin: Pick<Found, 'kind' | 'matchedKey' | 'source'>,
): Promise<Found> {
  const { request, keys } = plan;
  const rules = hashRules(plan.requested.lines, plan.settings.configured);
  if (manifest.interpreter !== interpreterIdentity(plan.interpreter)) {
    throw new ManifestError(`it was made for another Python (${manifest.interpreter})`);
  }
  if (manifest.sources !== keys.sources) {
    throw new ManifestError('it was filled from other indexes or with other build settings');
  }
  const wrong =
    manifest.request === keys.request ? contradiction(manifest, plan.requested.lines) : undefined;
  if (wrong !== undefined) throw new ManifestError(wrong);
  if (faults.length > 0) {
    world.reporter.warning(
      `The wheelhouse from ${origin.source} is damaged; what is sound of it is used: ${faults.slice(0, 5).join('; ')}${faults.length > 5 ? ` and ${faults.length - 5} more` : ''}.`,
    );
  }
  const admitted = sound.filter((wheel) => isAdmitted(wheel, rules));
  await world.wheelhouses.keepOnly(
    directory,
    admitted.map((wheel) => wheel.file),
  );
  const dropped = manifest.wheels.length - admitted.length;
  const reason = unsatisfied(manifest, dropped, {
    request: keys.request,
    refresh: request.refresh,
    now: world.now(),
  });
  const isComplete = manifest.request === keys.request && dropped === 0;
  // What is installed is the lock that follows from the manifest, not the one that came along.
  if (reason === undefined) await world.wheelhouses.seal(directory, manifest);
  else await world.wheelhouses.unshare(directory);
  return {
    directory,
    base: { manifest, sound: admitted, faults },
    unsatisfied: reason,
    lastGood: isComplete ? manifest : undefined,
    saveKey: undefined,
    ...origin,
  };
}
