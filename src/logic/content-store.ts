/**
 * A content-addressed store: which names its objects have, what an entry consists of, and which
 * objects may be deleted. An entry is the manifest of a wheelhouse; wheels are stored by their hash, so
 * entries that share a wheel share its bytes. The locks follow from the manifest and are not stored.
 */
import { ManifestError, parseManifest, type Wheel } from './manifest.ts';

/** A wheel of the store, which any number of entries may name. */
export type StoredWheel = Pick<Wheel, 'sha256' | 'file' | 'size'>;

/** An entry of the store. */
export interface StoreEntry {
  readonly key: string;
  readonly wheels: readonly StoredWheel[];
  /** Bytes of the entry itself, without its wheels. */
  readonly size: number;
  readonly usedAt: Date;
}

/** A wheel as a listing of the store shows it. */
export interface ListedWheel extends StoredWheel {
  readonly changedAt: Date;
}

/** The folder of all wheels. */
export const wheelsFolder = 'wheels';

/** The folder of all entries. */
export const entriesFolder = 'entries';

/** Returns the name of a wheel in the store. */
export function wheelName({ sha256, file }: Pick<StoredWheel, 'sha256' | 'file'>): string {
  return `${wheelsFolder}/${sha256}/${file}`;
}

const entrySuffix = '.json';

/** Returns the name of an entry in the store. */
export function entryName(key: string): string {
  return `${entriesFolder}/${key}${entrySuffix}`;
}

/** @param file a file name in the folder of entries @returns undefined when it is not an entry's */
export function keyOfEntry(file: string): string | undefined {
  const isEntry = file.endsWith(entrySuffix) && !file.startsWith('.');
  return isEntry ? file.slice(0, -entrySuffix.length) : undefined;
}

/** @param text of an entry @returns its wheels; none when it can't be used */
export function wheelsOfEntry(text: string): readonly Wheel[] {
  try {
    return parseManifest(text).wheels;
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return [];
  }
}

/**
 * Milliseconds after which something unfinished is abandoned: no run takes that long. Until then a
 * wheel that no entry names may belong to a run that is still saving.
 */
export const abandonedAfter = 24 * 3_600_000;

/**
 * Chooses the entries to delete so that the rest fits. Bytes that several entries share count once.
 * @param entries the most recently used first
 * @param maxSize bytes
 * @param protectedKeys entries that are never deleted, but count
 */
export function entriesBeyond(
  entries: readonly StoreEntry[],
  maxSize: number,
  protectedKeys: readonly string[],
): StoreEntry[] {
  const isProtected = ({ key }: StoreEntry): boolean => protectedKeys.includes(key);
  const kept = new Set<string>();
  let total = 0;
  const keep = ({ wheels }: StoreEntry, added: number): void => {
    total += added;
    for (const wheel of wheels) kept.add(wheelName(wheel));
  };
  const addedBy = ({ wheels, size }: StoreEntry): number =>
    wheels
      .filter((wheel) => !kept.has(wheelName(wheel)))
      .reduce((sum, wheel) => sum + wheel.size, size);
  for (const entry of entries.filter(isProtected)) keep(entry, addedBy(entry));
  const beyond: StoreEntry[] = [];
  for (const entry of entries.filter((each) => !isProtected(each))) {
    const added = addedBy(entry);
    if (total + added <= maxSize) keep(entry, added);
    else beyond.push(entry);
  }
  return beyond;
}

/**
 * Chooses the wheels to delete: no remaining entry names them, and no run that is still saving relies
 * on them. Such a run has written or touched them within {@link abandonedAfter}, and after the last use
 * of the entries that named them.
 * @param deleted entries that have just been deleted
 */
export function wheelsToDelete(
  listed: readonly ListedWheel[],
  remaining: readonly StoreEntry[],
  deleted: readonly StoreEntry[],
  now: Date,
): ListedWheel[] {
  const named = new Set(remaining.flatMap(({ wheels }) => wheels.map(wheelName)));
  const usedAt = new Map<string, number>();
  for (const entry of deleted) {
    for (const name of entry.wheels.map(wheelName)) {
      usedAt.set(name, Math.max(usedAt.get(name) ?? 0, entry.usedAt.getTime()));
    }
  }
  return listed.filter((wheel) => {
    const name = wheelName(wheel);
    if (named.has(name)) return false;
    const changedAt = wheel.changedAt.getTime();
    return changedAt <= (usedAt.get(name) ?? 0) || now.getTime() - changedAt > abandonedAfter;
  });
}
