/** What the command line needs of a store beyond what a run needs. */
import type { ListedWheel, StoredWheel, StoreEntry } from '../logic/content-store.ts';
import type { CacheStore } from '../ports.ts';

/** A store whose entries can be listed and deleted. */
export interface LocalStore extends CacheStore {
  /** Entries, the most recently used first. */
  entries(): Promise<readonly StoreEntry[]>;
  /** Wheels, whether or not an entry names them. */
  wheels(): Promise<readonly ListedWheel[]>;
  /** Deletes an entry, but none of its wheels. */
  deleteEntry(key: string): Promise<void>;
  deleteWheel(wheel: StoredWheel): Promise<void>;
  /**
   * Deletes what runs left unfinished that were killed while they saved, and entries of the form that
   * earlier versions used.
   * @returns bytes
   */
  deleteAbandoned(): Promise<number>;
  /** Why the store cannot be written; undefined when it can. */
  writeFault(): Promise<string | undefined>;
  /** The same store, except that a restore does not count as use. */
  withoutTouch(): CacheStore;
}
