/** Keeps a local store within a size. */
import type { LocalStore, StoreEntry } from './local-store.ts';

/**
 * Deletes the least recently used entries until the rest fits.
 * @param maxSize bytes
 * @param protectedKey an entry that is never deleted, but counts
 * @returns the deleted entries
 */
export async function prune(
  store: LocalStore,
  maxSize: number,
  protectedKey?: string,
): Promise<readonly StoreEntry[]> {
  await store.deleteAbandoned();
  const entries = await store.entries();
  const isProtected = (entry: StoreEntry): boolean => entry.key === protectedKey;
  let total = entries.find(isProtected)?.size ?? 0;
  const deleted: StoreEntry[] = [];
  for (const entry of entries.filter((each) => !isProtected(each))) {
    if (total + entry.size <= maxSize) {
      total += entry.size;
    } else {
      await store.delete(entry.key);
      deleted.push(entry);
    }
  }
  return deleted;
}
