/**
 * A content-addressed store in a directory: for laptops, other CI systems and runners without a cache
 * service. Everything is copied in and out, never linked: pip overwrites wheels in place under every
 * name they have, and whoever else can write to a file of the store could change it after it has been
 * verified.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';

import {
  abandonedAfter,
  entriesFolder,
  entryName,
  keyOfEntry,
  type ListedWheel,
  type StoredWheel,
  type StoreEntry,
  wheelName,
  wheelsFolder,
  wheelsOfEntry,
} from '../logic/content-store.ts';
import { messageOf } from '../logic/errors.ts';
import { manifestFile, maxManifestBytes, wheelPath } from '../logic/manifest.ts';
import type { Reporter, Restored } from '../ports.ts';
import { fileSha256, mapFiles } from '../world/disk.ts';
import type { LocalStore } from './local-store.ts';

/** @param root absolute path; created by the first save */
export function directoryCache(root: string, reporter: Reporter): LocalStore {
  const pathOf = (name: string): string => path.join(root, name);
  const namesIn = (folder: string): Promise<string[]> =>
    readdir(pathOf(folder)).catch((error) => ignoreIfGone(error) ?? []);

  const restore = async (
    directory: string,
    key: string,
    prefixes: readonly string[],
  ): Promise<Restored | undefined> => {
    let found: string | undefined;
    try {
      found = await find(key, prefixes);
      if (found === undefined) return undefined;
      const text = await readEntry(pathOf(entryName(found))).catch(ignoreIfGone);
      if (text === undefined) return undefined;
      await mkdir(directory, { recursive: true });
      await writeFile(path.join(directory, manifestFile), text);
      await mapFiles(wheelsOfEntry(text), async (wheel) => {
        const target = path.join(directory, wheelPath(wheel));
        await mkdir(path.dirname(target), { recursive: true });
        await copyIfThere(pathOf(wheelName(wheel)), target);
      });
      return { key: found, arrived: true };
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      reporter.warning(
        `Could not read the store ${root}: ${messageOf(error)}. Continuing without it.`,
      );
      return found === undefined ? undefined : { key: found, arrived: false };
    }
  };

  /** Returns the key itself if it has an entry, else the newest key of the first prefix with any. */
  const find = async (key: string, prefixes: readonly string[]): Promise<string | undefined> => {
    const keys = (await namesIn(entriesFolder)).flatMap((name) => keyOfEntry(name) ?? []);
    if (keys.includes(key)) return key;
    for (const prefix of prefixes) {
      const matches = await Promise.all(
        keys
          .filter((each) => each.startsWith(prefix))
          .map(async (each) => ({
            key: each,
            time: (await stat(pathOf(entryName(each))).catch(ignoreIfGone))?.mtimeMs ?? 0,
          })),
      );
      const [newest] = matches.sort((a, b) => b.time - a.time);
      if (newest) return newest.key;
    }
    return undefined;
  };

  /**
   * Gives a file its name in the store, whole or not at all.
   * @param write creates it under a temporary name
   */
  const add = async (name: string, write: (temporary: string) => Promise<void>): Promise<void> => {
    const temporary = pathOf(`.${randomUUID()}`);
    try {
      await mkdir(root, { recursive: true });
      await write(temporary);
      for (let attempt = 1; ; attempt += 1) {
        await mkdir(path.dirname(pathOf(name)), { recursive: true });
        try {
          return await rename(temporary, pathOf(name));
        } catch (error) {
          // Another run has just deleted the directory, because it was empty.
          if (!hasCode(error, 'ENOENT') || attempt === maxAttempts) throw error;
        }
      }
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  };

  const addWheel = async (source: string, wheel: StoredWheel): Promise<void> => {
    const place = pathOf(wheelName(wheel));
    const found = await lstat(place).catch(ignoreIfGone);
    // Its name is no proof: a wheel that is damaged here is replaced.
    if (found?.isFile() && found.size === wheel.size && (await hasHash(place, wheel.sha256))) {
      await touch(place);
    } else {
      if (found?.isDirectory()) await rm(place, { recursive: true });
      await add(wheelName(wheel), (temporary) =>
        copyFile(source, temporary, constants.COPYFILE_FICLONE),
      );
    }
  };

  const entryAt = async (key: string): Promise<StoreEntry> => {
    const file = pathOf(entryName(key));
    const { size, mtime } = await stat(file);
    return { key, wheels: wheelsOfEntry(await readEntry(file)), size, usedAt: mtime };
  };

  const wheelsUnder = async (sha256: string): Promise<ListedWheel[]> => {
    const files = await namesIn(`${wheelsFolder}/${sha256}`);
    const found = files.map(async (file) => {
      const stats = await lstat(pathOf(wheelName({ sha256, file }))).catch(ignoreIfGone);
      return stats ? [{ sha256, file, size: stats.size, changedAt: stats.mtime }] : [];
    });
    return (await Promise.all(found)).flat();
  };

  const store: LocalStore = {
    unavailable: undefined,
    sharesFiles: true,
    warmUp() {},
    coolDown: async () => {},

    async restore(directory, key, prefixes) {
      const restored = await restore(directory, key, prefixes);
      if (restored?.arrived) await touch(pathOf(entryName(restored.key)));
      return restored;
    },

    async save(directory, key) {
      try {
        if (await lstat(pathOf(entryName(key))).catch(ignoreIfGone)) return 'exists';
        const text = await readFile(path.join(directory, manifestFile), 'utf8');
        // The entry comes last: before it is there, nobody expects its wheels.
        await mapFiles(wheelsOfEntry(text), (wheel) =>
          addWheel(path.join(directory, wheelPath(wheel)), wheel),
        );
        await add(entryName(key), (temporary) => writeFile(temporary, text));
        return 'saved';
      } catch (error) {
        reporter.warning(
          `Could not write to the store ${root}: ${messageOf(error)}. The wheelhouse is not saved.`,
        );
        return 'failed';
      }
    },

    async entries() {
      const keys = (await namesIn(entriesFolder)).flatMap((name) => keyOfEntry(name) ?? []);
      const entries = await mapFiles(keys, (key) => entryAt(key).catch(ignoreIfGone));
      return entries
        .filter((entry) => entry !== undefined)
        .sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
    },

    async wheels() {
      const hashes = (await namesIn(wheelsFolder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
      return (await mapFiles(hashes, wheelsUnder)).flat();
    },

    deleteEntry: (key) => rm(pathOf(entryName(key)), { recursive: true, force: true }),

    async deleteWheel(wheel) {
      const file = pathOf(wheelName(wheel));
      await rm(file, { recursive: true, force: true });
      // Another file may have the same content.
      await rmdir(path.dirname(file)).catch(() => {});
    },

    async deleteAbandoned() {
      let freed = 0;
      for (const name of await namesIn('')) {
        const stats = await lstat(pathOf(name)).catch(ignoreIfGone);
        const isAbandoned =
          unfinishedName.test(name) &&
          stats !== undefined &&
          Date.now() - stats.mtimeMs > abandonedAfter;
        const isOldEntry = stats?.isDirectory() && oldEntryName.test(name);
        if (!isAbandoned && !isOldEntry) continue;
        freed += await bytesOf(pathOf(name)).catch(() => 0);
        await rm(pathOf(name), { recursive: true, force: true });
      }
      return freed;
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

/** How often another run may delete a directory while this one moves a file into it. */
const maxAttempts = 5;

/** What a run writes before it gets its name. */
const unfinishedName = /^\.[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Earlier versions kept each wheelhouse in a directory of its own, which had its key as its name. */
const oldEntryName = /^wheelhouse-v\d/;

async function readEntry(file: string): Promise<string> {
  const stats = await lstat(file);
  if (!stats.isFile() || stats.size > maxManifestBytes) {
    throw new Error(`${path.basename(file)} is not a regular file`);
  }
  return readFile(file, 'utf8');
}

/** Copies a file unless another run has deleted it. It is verified where it is used. */
async function copyIfThere(from: string, to: string): Promise<void> {
  const stats = await lstat(from).catch(ignoreIfGone);
  if (stats?.isFile()) {
    await copyFile(from, to, constants.COPYFILE_FICLONE).catch(ignoreIfGone);
  }
}

async function hasHash(file: string, sha256: string): Promise<boolean> {
  return (await fileSha256(file).catch(() => undefined)) === sha256;
}

/** Records that something is used. A store that cannot be written serves all the same. */
async function touch(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now).catch(() => {});
}

async function bytesOf(place: string): Promise<number> {
  const stats = await lstat(place);
  if (!stats.isDirectory()) return stats.size;
  const files = await readdir(place, { recursive: true });
  const sizes = files.map(async (file) => (await lstat(path.join(place, file))).size);
  return (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
}

/** Another run may have deleted an entry meanwhile, and a file may be where a directory should be. */
function ignoreIfGone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException).code));
}
