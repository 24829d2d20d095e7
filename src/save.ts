/** The story of the post step: checks the wheelhouse once more and saves it. */
import type { Change } from './logic/change-entry.ts';
import {
  absence,
  ManifestError,
  manifestDigest,
  manifestFile,
  type Wheel,
  wheelPath,
} from './logic/manifest.ts';
import type { State } from './logic/state.ts';
import type { CacheStore, Reporter, Wheelhouses } from './ports.ts';

/** What saving needs of the world. */
interface SavingWorld {
  readonly wheelhouses: Wheelhouses;
  readonly reporter: Reporter;
  readonly store: CacheStore;
  /** Path of a directory for temporary files. */
  readonly temporary: string;
}

/**
 * Saves the wheelhouse that a state names, or what has changed in it, if it is still what the main
 * step filled. Never throws for what is in it.
 */
export async function save(state: State, world: SavingWorld): Promise<void> {
  const { wheelhouses, reporter, store, temporary } = world;
  const { wheelhouse, key, change } = state;
  if (store.unavailable !== undefined) {
    reporter.info(`Nothing is saved: ${store.unavailable}.`);
    return;
  }
  const staged = change && (await wheelhouses.workplace(temporary));
  const entry = staged ?? wheelhouse;
  try {
    if (change !== undefined) {
      await wheelhouses.share(wheelhouse, entry, [manifestFile, ...change.wheels]);
    }
    const fault = await faultOf(entry, state, wheelhouses);
    if (fault !== undefined) {
      reporter.warning(`The wheelhouse is not saved: ${fault}.`);
      return;
    }
    if (change !== undefined) await wheelhouses.writeBase(entry, change.base);
    const outcome = await store.save(entry, key);
    if (outcome === 'saved') reporter.info(`Saved ${described(change)} as ${key}.`);
    if (outcome === 'exists') reporter.info(`${key} is already in the cache.`);
  } finally {
    if (staged !== undefined) await wheelhouses.remove(staged);
  }
}

/** @returns why a directory is not what the main step made, as the end of a sentence */
async function faultOf(
  directory: string,
  { manifest: digest, change }: State,
  wheelhouses: Wheelhouses,
): Promise<string | undefined> {
  try {
    const inspected = await wheelhouses.inspect(directory, 'content');
    if (inspected === undefined) return 'it no longer exists';
    const { manifest, faults } = inspected;
    if (manifestDigest(manifest) !== digest) return 'it has changed since this step filled it';
    const isLeftOut = (wheel: Wheel): boolean =>
      change !== undefined && !change.wheels.includes(wheelPath(wheel));
    const excused = manifest.wheels.filter(isLeftOut).map(absence);
    const damage = faults.filter((each) => !excused.includes(each));
    return damage.length > 0 ? damage.join('; ') : undefined;
  } catch (error) {
    if (error instanceof ManifestError) return error.message;
    throw error;
  }
}

function described(change: Change | undefined): string {
  if (change === undefined) return 'the wheelhouse';
  const count = change.wheels.length;
  return `what has changed in the wheelhouse since ${change.base.key} (${count} ${count === 1 ? 'wheel' : 'wheels'})`;
}
