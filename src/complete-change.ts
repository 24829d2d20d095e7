/** Completes a restored change entry with the wheels of its base. */
import type { BaseReference } from './logic/change-entry.ts';
import { matchKind } from './logic/key.ts';
import type { World } from './ports.ts';
import type { Run } from './run.ts';

/** What a restored entry is. */
export type Completion =
  | { readonly kind: 'full' }
  /** A change, completed. */
  | {
      readonly kind: 'change';
      readonly base: BaseReference;
      /** Paths of the wheels that came from the base. */
      readonly moved: ReadonlySet<string>;
    }
  /** A change whose base is of no use, so that the lack of wheels is no damage. */
  | { readonly kind: 'incomplete' };

/**
 * Moves the wheels that a restored entry leaves out into its directory, if it is a change. Trusts
 * nothing that the entry says: the base must be a full entry that this run may restore, and all
 * wheels still have to be verified.
 * @param key of the entry
 * @throws ManifestError when the entry can't be used
 */
export async function completeChange(
  run: Run,
  world: World,
  directory: string,
  key: string,
): Promise<Completion> {
  const { wheelhouses, reporter } = world;
  const base = await wheelhouses.takeBase(directory);
  if (base === undefined) return { kind: 'full' };
  const staged = await wheelhouses.stage(run.workplace);
  try {
    const fault = await restoreBase(run, world, staged, base.key);
    if (fault === undefined) {
      return { kind: 'change', base, moved: await wheelhouses.supplement(directory, staged) };
    }
    reporter.info(
      `${key} contains only what has changed since ${base.key}, which ${fault}. Other wheels come from the index.`,
    );
    return { kind: 'incomplete' };
  } finally {
    await wheelhouses.remove(staged);
  }
}

/** @returns why it is of no use, as the end of a sentence */
async function restoreBase(
  { keys }: Run,
  { store, wheelhouses }: World,
  directory: string,
  key: string,
): Promise<string | undefined> {
  if (matchKind(key, keys) === 'foreign') return 'does not match any requested key';
  const restored = await store.restore(directory, key, []);
  if (restored?.key !== key) return 'is not in the cache';
  if (!restored.arrived) return 'could not be restored';
  return (await wheelhouses.isChange(directory)) ? 'is not a full entry' : undefined;
}
