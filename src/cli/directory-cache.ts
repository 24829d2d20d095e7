/** A cache in a directory: for laptops, other CI systems and runners without a cache service. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';

import { messageOf } from '../logic/errors.ts';
import type { Reporter, Restored } from '../ports.ts';
import { copyDirectory } from '../world/disk.ts';
import type { LocalStore, StoreEntry } from './local-store.ts';

/** Milliseconds after which an unfinished entry is abandoned: no run takes that long. */
const abandonedAfter = 24 * 3_600_000;

/** @param root absolute path; created by the first save */
export function directoryCache(root: string, reporter: Reporter): LocalStore {
  const restore = async (
    directory: string,
    key: string,
    prefixes: readonly string[],
  ): Promise<Restored | undefined> => {
    let found: string | undefined;
    try {
      found = await find(root, key, prefixes);
      if (found === undefined) return undefined;
      await copyDirectory(path.join(root, found), directory);
      return { key: found, arrived: true };
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      reporter.warning(
        `Could not read the store ${root}: ${messageOf(error)}. Continuing without it.`,
      );
      return found === undefined ? undefined : { key: found, arrived: false };
    }
  };

  const store: LocalStore = {
    unavailable: undefined,
    warmUp() {},

    async restore(directory, key, prefixes) {
      const restored = await restore(directory, key, prefixes);
      if (restored?.arrived) await touch(path.join(root, restored.key));
      return restored;
    },

    async save(directory, key) {
      const entry = path.join(root, key);
      const temporary = path.join(root, `.${randomUUID()}`);
      try {
        if (await stat(entry).catch(() => undefined)) return 'exists';
        await mkdir(root, { recursive: true });
        await copyDirectory(directory, temporary);
        try {
          await rename(temporary, entry);
          return 'saved';
        } catch (error) {
          // Another run was faster: rename never replaces a directory that has content.
          if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
          await rm(temporary, { recursive: true, force: true });
          return 'exists';
        }
      } catch (error) {
        await rm(temporary, { recursive: true, force: true }).catch(() => {});
        reporter.warning(
          `Could not write to the store ${root}: ${messageOf(error)}. The wheelhouse is not saved.`,
        );
        return 'failed';
      }
    },

    async entries() {
      const keys = (await namesIn(root)).filter((name) => !name.startsWith('.'));
      const entries = await Promise.all(keys.map((key) => entryAt(root, key).catch(ignoreIfGone)));
      return entries
        .filter((entry) => entry !== undefined)
        .sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
    },

    delete: (key) => rm(path.join(root, path.basename(key)), { recursive: true, force: true }),

    async deleteAbandoned() {
      for (const name of (await namesIn(root)).filter((each) => each.startsWith('.'))) {
        const directory = path.join(root, name);
        const stats = await stat(directory).catch(ignoreIfGone);
        if (stats?.isDirectory() && Date.now() - stats.mtimeMs > abandonedAfter) {
          await rm(directory, { recursive: true, force: true });
        }
      }
    },

    async writeFault() {
      let existing = root;
      while (!(await stat(existing).catch(() => undefined))) existing = path.dirname(existing);
      const probe = path.join(existing, `.${randomUUID()}`);
      try {
        await mkdir(probe);
        await rm(probe, { recursive: true, force: true });
        return undefined;
      } catch (error) {
        return messageOf(error);
      }
    },

    withoutTouch: () => ({ ...store, restore }),
  };
  return store;
}

/** Records that an entry is used. A store that cannot be written serves all the same. */
async function touch(entry: string): Promise<void> {
  const now = new Date();
  await utimes(entry, now, now).catch(() => {});
}

async function entryAt(root: string, key: string): Promise<StoreEntry> {
  const directory = path.join(root, key);
  const files = await readdir(directory, { recursive: true });
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(path.join(directory, file))).size),
  );
  const size = sizes.reduce((sum, each) => sum + each, 0);
  return { key, directory, size, usedAt: (await stat(directory)).mtime };
}

async function namesIn(root: string): Promise<string[]> {
  return (await readdir(root).catch(ignoreIfGone)) ?? [];
}

/** Another run may have deleted an entry meanwhile, and a file in the store is not an entry. */
function ignoreIfGone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException).code));
}

/** Returns the key itself if it has an entry, else the newest key of the first prefix with any. */
async function find(
  root: string,
  key: string,
  prefixes: readonly string[],
): Promise<string | undefined> {
  const names = await namesIn(root);
  if (names.includes(key)) return key;
  for (const prefix of prefixes) {
    const matches = await Promise.all(
      names
        .filter((name) => name.startsWith(prefix))
        .map(async (name) => ({ name, time: (await stat(path.join(root, name))).mtimeMs })),
    );
    const [newest] = matches.sort((a, b) => b.time - a.time);
    if (newest) return newest.name;
  }
  return undefined;
}
