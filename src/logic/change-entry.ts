/**
 * Change entries: entries of a store that leave out the wheels which another entry, their base, has.
 * A base is always a full entry, so that restoring needs two entries at most. See
 * docs/decisions/0010-change-entries.md.
 */
import { ManifestError, type Wheel, wheelPath } from './manifest.ts';
import { byteCount, line, lineOf, list, object, SchemaError, type ValueOf } from './schema.ts';

/** The file that makes an entry a change. */
export const baseFile = 'base.json';

/** A longer one is not ours, and is not read. */
export const maxBaseBytes = 4096;

const referenceSchema = object({
  /** The key of the full entry. Also shown, so its characters are limited. */
  key: lineOf('a cache key', (text) => /^[a-z0-9._-]{1,512}$/.test(text)),
  /** Bytes of the wheels in the full entry. */
  size: byteCount,
  /** Bytes of the wheels in this change and in those that it followed on the same full entry. */
  saved: byteCount,
});

/** What a change says about its base. Anybody may have written it. */
export type BaseReference = ValueOf<typeof referenceSchema>;

/** The full entry that a restored wheelhouse came from, whole or in part. */
export interface FullEntry extends BaseReference {
  /** The verified wheels that it contributed. */
  readonly wheels: readonly Wheel[];
}

export const changeSchema = object({
  base: referenceSchema,
  /** Paths of the wheels that the base lacks, relative to the wheelhouse. */
  wheels: list(line),
});

/** A change to save. */
export type Change = ValueOf<typeof changeSchema>;

/** The largest part of a wheelhouse that may be new, and that may be superfluous in the base. */
const maxShare = 1 / 4;

/** Bytes that a change has to save to be worth a second entry in each restore. */
const minSaving = 64 * 1024;

/**
 * Decides whether a wheelhouse is saved as a change.
 * @param full the entry that the run started from
 * @param wheels those of the new wheelhouse
 * @returns undefined when a full entry is better: too much is new, the base has too much that is no
 *   longer needed, or the changes upon it add up to more than a new full entry
 */
export function changeUpon(full: FullEntry, wheels: readonly Wheel[]): Change | undefined {
  const shared = new Set(full.wheels.map(identity));
  const added = wheels.filter((wheel) => !shared.has(identity(wheel)));
  const [whole, bytes] = [sizeOf(wheels), sizeOf(added)];
  const reused = whole - bytes;
  const limit = whole * maxShare;
  const saved = full.saved + bytes;
  const isWorthwhile =
    reused > minSaving && bytes <= limit && full.size - reused <= limit && saved <= whole;
  if (!isWorthwhile) return undefined;
  const { key, size } = full;
  return { base: { key, size, saved }, wheels: added.map(wheelPath) };
}

/**
 * The full entry behind a restored wheelhouse without faults.
 * @param wheels of its manifest
 * @param change the base, and the paths of the wheels that it contributed; undefined for a full entry
 */
export function fullEntryOf(
  key: string,
  wheels: readonly Wheel[],
  change: { readonly base: BaseReference; readonly moved: ReadonlySet<string> } | undefined,
): FullEntry {
  if (change === undefined) return { key, size: sizeOf(wheels), saved: 0, wheels };
  return { ...change.base, wheels: wheels.filter((wheel) => change.moved.has(wheelPath(wheel))) };
}

/** The same file in the same place. */
function identity(wheel: Wheel): string {
  return `${wheelPath(wheel)} ${wheel.sha256}`;
}

/** Returns the bytes of wheels. */
export function sizeOf(wheels: readonly Pick<Wheel, 'size'>[]): number {
  return wheels.reduce((sum, { size }) => sum + size, 0);
}

export function formatBase({ key, size, saved }: BaseReference): string {
  return `${JSON.stringify({ key, size, saved })}\n`;
}

/** @throws ManifestError when the text is not a valid reference */
export function parseBase(text: string): BaseReference {
  try {
    return referenceSchema(JSON.parse(text), '');
  } catch (error) {
    if (!(error instanceof SchemaError || error instanceof SyntaxError)) throw error;
    const reason = error instanceof SchemaError ? error.message : 'it is not JSON';
    throw new ManifestError(`${baseFile} is not valid: ${reason}`);
  }
}
