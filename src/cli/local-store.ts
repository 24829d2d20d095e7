/** What the command line needs of a store beside what a run needs. */
import type { CacheStore } from '../ports.ts';

/** A store whose entries can be looked at and deleted. */
export interface LocalStore extends CacheStore {
  /** Entries, the last used first. */
  entries(): Promise<readonly StoreEntry[]>;
  delete(key: string): Promise<void>;
  /** Deletes what runs have left that were killed while they saved. */
  sweep(): Promise<void>;
  /** Why nothing can be written; undefined: it can. */
  readOnly(): Promise<string | undefined>;
  /** The same store, which does not note that its entries are used. */
  peeking(): CacheStore;
}

export interface StoreEntry {
  readonly key: string;
  /** Absolute path. */
  readonly directory: string;
  /** Bytes. */
  readonly size: number;
  readonly usedAt: Date;
}
