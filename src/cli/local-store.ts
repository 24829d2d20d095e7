/** What the command line needs of a store beyond what a run needs. */
import type { CacheStore } from '../ports.ts';

/** A store whose entries can be listed and deleted. */
export interface LocalStore extends CacheStore {
  /** Entries, the most recently used first. */
  entries(): Promise<readonly StoreEntry[]>;
  delete(key: string): Promise<void>;
  /** Deletes unfinished entries of runs that were killed while they saved. */
  deleteAbandoned(): Promise<void>;
  /** Why the store cannot be written; undefined when it can. */
  writeFault(): Promise<string | undefined>;
  /** The same store, except that a restore does not count as use. */
  withoutTouch(): CacheStore;
}

export interface StoreEntry {
  readonly key: string;
  /** Absolute path. */
  readonly directory: string;
  /** Bytes. */
  readonly size: number;
  readonly usedAt: Date;
}
