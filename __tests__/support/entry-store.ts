/**
 * A store for unit tests that keeps whole directories, as GitHub's cache does: with scopes, and with
 * everything that is done to it on record.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheStore } from '../../src/ports.ts';

export interface EntryStore extends CacheStore {
  /** Keys, in the order in which they were saved. */
  readonly keys: string[];
  /** Keys that were restored, in order. */
  readonly restored: string[];
  /** Keys of entries that can't be seen, as if they were of another branch. */
  readonly hidden: Set<string>;
  /** Called before an entry is saved. */
  beforeSave: (key: string) => void;
  /** The directory of an entry. */
  directory(key: string): string;
  /** Bytes of an entry. */
  size(key: string): number;
  /** Deletes an entry. */
  evict(key: string): void;
}

/** @param root absolute path */
export function entryStore(root: string): EntryStore {
  const directory = (key: string): string => join(root, key);
  const store: EntryStore = {
    unavailable: undefined,
    sharesFiles: false,
    keys: [],
    restored: [],
    hidden: new Set(),
    beforeSave: () => {},
    directory,
    warmUp() {},
    coolDown: async () => {},
    async restore(target, key, prefixes) {
      const visible = store.keys.filter((each) => !store.hidden.has(each)).reverse();
      const found = [key, ...prefixes]
        .map((prefix) =>
          prefix === key
            ? visible.find((each) => each === key)
            : visible.find((each) => each.startsWith(prefix)),
        )
        .find((each) => each !== undefined);
      if (found === undefined) return undefined;
      store.restored.push(found);
      cpSync(directory(found), target, { recursive: true, verbatimSymlinks: true });
      return { key: found, arrived: true };
    },
    async save(source, key) {
      store.beforeSave(key);
      if (store.keys.includes(key)) return 'exists';
      mkdirSync(root, { recursive: true });
      cpSync(source, directory(key), { recursive: true, verbatimSymlinks: true });
      store.keys.push(key);
      return 'saved';
    },
    size(key) {
      const files = readdirSync(directory(key), { recursive: true, withFileTypes: true });
      return files
        .filter((file) => file.isFile())
        .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
    },
    evict(key) {
      if (existsSync(directory(key))) rmSync(directory(key), { recursive: true });
      store.keys.splice(store.keys.indexOf(key), 1);
    },
  };
  return store;
}
