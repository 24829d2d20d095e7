/** Keeps a local store within a size: what was used least recently goes first. */
import type { LocalStore, StoreEntry } from './local-store.ts';

/**
 * @param maxSize bytes that may stay
 * @param keep a key that stays in any case
 * @returns what was deleted
 */
export async function prune(
  store: LocalStore,
  maxSize: number,
  keep?: string,
): Promise<readonly StoreEntry[]> {
  await store.sweep();
  const entries = [...(await store.entries())].sort(
    (a, b) => Number(b.key === keep) - Number(a.key === keep),
  );
  let total = 0;
  const gone: StoreEntry[] = [];
  for (const entry of entries) {
    total += entry.size;
    if (total <= maxSize || entry.key === keep) continue;
    await store.delete(entry.key);
    gone.push(entry);
    total -= entry.size;
  }
  return gone;
}
