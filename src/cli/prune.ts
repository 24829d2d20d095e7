/** Keeps a local store within a size. */
import type { LocalStore, StoreEntry } from './local-store.ts';

/**
 * Deletes the least recently used entries until the rest fits.
 * @param maxSize bytes
 * @param protectedKeys entries that are never deleted, but count
 * @returns the deleted entries
 */
export async function prune(
  store: LocalStore,
  maxSize: number,
  protectedKeys: readonly string[] = [],
): Promise<readonly StoreEntry[]> {
  await store.deleteAbandoned();
  const entries = await store.entries();
  const isProtected = (entry: StoreEntry): boolean => protectedKeys.includes(entry.key);
  let total = entries.filter(isProtected).reduce((sum, { size }) => sum + size, 0);
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
