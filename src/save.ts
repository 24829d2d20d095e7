/** The story of the post step: what the main step left is looked at once more, and kept. */
import { ManifestError } from './plan/manifest.ts';
import { parseState } from './plan/state.ts';
import type { CacheStore, Reporter, Wheelhouses } from './ports.ts';

/**
 * Saves the wheelhouse that a state names. Trusts the state alone; never throws for what it finds.
 * @param text from the main step; empty when there is nothing to save
 */
export async function save(
  text: string,
  world: {
    readonly wheelhouses: Wheelhouses;
    readonly reporter: Reporter;
    readonly store: CacheStore;
  },
): Promise<void> {
  const { wheelhouses, reporter, store } = world;
  const state = parseState(text);
  if (state === undefined) return;
  if (store.unavailable !== undefined) {
    reporter.info(`Nothing is saved: ${store.unavailable}.`);
    return;
  }
  try {
    const inspected = await wheelhouses.inspect(state.wheelhouse);
    if (inspected === undefined) throw new ManifestError('it is gone');
    const { manifest, faults } = inspected;
    if (manifest.request !== state.request || manifest.interpreter !== state.interpreter) {
      throw new ManifestError('it has been filled for something else since');
    }
    if (faults.length > 0) throw new ManifestError(faults.join('; '));
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    reporter.warning(`The wheelhouse is not saved: ${error.message}.`);
    return;
  }
  const outcome = await store.save(state.wheelhouse, state.key);
  if (outcome === 'saved') reporter.info(`Saved the wheelhouse as ${state.key}.`);
  if (outcome === 'exists') reporter.info(`${state.key} is kept already.`);
}
