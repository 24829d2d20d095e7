/** Keeps a local store within a size. */
import { entriesBeyond, type StoreEntry, wheelsToDelete } from '../logic/content-store.ts';
import type { LocalStore } from './local-store.ts';

/** What was deleted. */
export interface Pruned {
  readonly entries: readonly StoreEntry[];
  /** Bytes that are free now: wheels that other entries name are still there. */
  readonly freed: number;
}

/**
 * Deletes the least recently used entries until the rest fits, and the wheels that no entry names.
 * @param maxSize bytes
 * @param protectedKeys entries that are never deleted, but count
 */
export async function prune(
  store: LocalStore,
  maxSize: number,
  protectedKeys: readonly string[] = [],
): Promise<Pruned> {
  let freed = await store.deleteAbandoned();
  const entries = entriesBeyond(await store.entries(), maxSize, protectedKeys);
  for (const { key, size } of entries) {
    await store.deleteEntry(key);
    freed += size;
  }
  // In this order, so that the entry of a run that saves at the same time is seen.
  const wheels = await store.wheels();
  const remaining = await store.entries();
  for (const wheel of wheelsToDelete(wheels, remaining, entries, new Date())) {
    await store.deleteWheel(wheel);
    freed += wheel.size;
  }
  return { entries, freed };
}
