/** The story of the post step: checks the wheelhouse once more and saves it. */
import { ManifestError, manifestDigest } from './logic/manifest.ts';
import type { State } from './logic/state.ts';
import type { CacheStore, Reporter, Wheelhouses } from './ports.ts';

/**
 * Saves the wheelhouse that a state names if it is still what the main step filled. Never throws for
 * what is in it.
 */
export async function save(
  state: State,
  world: {
    readonly wheelhouses: Wheelhouses;
    readonly reporter: Reporter;
    readonly store: CacheStore;
  },
): Promise<void> {
  const { wheelhouses, reporter, store } = world;
  if (store.unavailable !== undefined) {
    reporter.info(`Nothing is saved: ${store.unavailable}.`);
    return;
  }
  try {
    const inspected = await wheelhouses.inspect(state.wheelhouse, 'content');
    if (inspected === undefined) throw new ManifestError('it no longer exists');
    const { manifest, faults } = inspected;
    if (manifestDigest(manifest) !== state.manifest) {
      throw new ManifestError('it has changed since this step filled it');
    }
    if (faults.length > 0) throw new ManifestError(faults.join('; '));
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    reporter.warning(`The wheelhouse is not saved: ${error.message}.`);
    return;
  }
  const outcome = await store.save(state.wheelhouse, state.key);
  if (outcome === 'saved') reporter.info(`Saved the wheelhouse as ${state.key}.`);
  if (outcome === 'exists') reporter.info(`${state.key} is already in the cache.`);
}
