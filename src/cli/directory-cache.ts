/** A cache in a directory: for laptops, for other CI systems, for runners without a service. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';

import { messageOf } from '../logic/errors.ts';
import type { Reporter } from '../ports.ts';
import type { LocalStore, StoreEntry } from './local-store.ts';

/** Older than this, a half-written entry is no longer in use by anybody. Milliseconds. */
const abandonedAfter = 24 * 3_600_000;

/** Copies share their blocks with the original where the file system can do that. */
const copying = { recursive: true, mode: constants.COPYFILE_FICLONE } as const;

/**
 * @param root absolute path; made when something is saved
 * @param notesUse whether a restored entry counts as used, which keeps it from being pruned
 */
export function directoryCache(root: string, reporter: Reporter, notesUse = true): LocalStore {
  return {
    peeking: () => directoryCache(root, reporter, false),
    unavailable: undefined,
    warmUp() {},

    async restore(directory, key, prefixes) {
      let found: string | undefined;
      try {
        found = await find(root, key, prefixes);
        if (found === undefined) return undefined;
        await cp(path.join(root, found), directory, copying);
        const now = new Date();
        if (notesUse) await utimes(path.join(root, found), now, now).catch(() => {});
        return { key: found, arrived: true };
      } catch (error) {
        await rm(directory, { recursive: true, force: true });
        reporter.warning(
          `The cache in ${root} could not be read: ${messageOf(error)}. Going on without it.`,
        );
        return found === undefined ? undefined : { key: found, arrived: false };
      }
    },

    async save(directory, key) {
      const entry = path.join(root, key);
      const temporary = path.join(root, `.${randomUUID()}`);
      try {
        if (await stat(entry).catch(() => undefined)) return 'exists';
        await mkdir(root, { recursive: true });
        await cp(directory, temporary, copying);
        try {
          await rename(temporary, entry);
          return 'saved';
        } catch (error) {
          // Another run was faster: a directory with content is never replaced by rename.
          if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
          await rm(temporary, { recursive: true, force: true });
          return 'exists';
        }
      } catch (error) {
        await rm(temporary, { recursive: true, force: true }).catch(() => {});
        reporter.warning(`The cache in ${root} could not be written: ${messageOf(error)}.`);
        return 'failed';
      }
    },

    async entries() {
      const names = await namesIn(root);
      const found = await Promise.all(
        names
          .filter((name) => !name.startsWith('.'))
          .map((key) => entryAt(root, key).catch(unlessGone)),
      );
      return found
        .filter((entry) => entry !== undefined)
        .sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
    },

    delete: (key) => rm(path.join(root, path.basename(key)), { recursive: true, force: true }),

    async sweep() {
      for (const name of (await namesIn(root)).filter((each) => each.startsWith('.'))) {
        const directory = path.join(root, name);
        const found = await stat(directory).catch(unlessGone);
        if (found?.isDirectory() && Date.now() - found.mtimeMs > abandonedAfter) {
          await rm(directory, { recursive: true, force: true });
        }
      }
    },

    async readOnly() {
      let place = root;
      while (!(await stat(place).catch(() => undefined))) place = path.dirname(place);
      const probe = path.join(place, `.${randomUUID()}`);
      try {
        await mkdir(probe);
        await rm(probe, { recursive: true, force: true });
        return undefined;
      } catch (error) {
        return messageOf(error);
      }
    },
  };
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
  return (await readdir(root).catch(unlessGone)) ?? [];
}

/** Another run may have deleted it meanwhile, and what is no directory is not ours. */
function unlessGone(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException).code));
}

/** The entry of that key, else the newest one of the first prefix that has any. */
async function find(
  root: string,
  key: string,
  prefixes: readonly string[],
): Promise<string | undefined> {
  const names = await namesIn(root);
  if (names.includes(key)) return key;
  for (const prefix of prefixes) {
    const matching = names.filter((name) => name.startsWith(prefix));
    const dated = await Promise.all(
      matching.map(async (name) => ({ name, time: (await stat(path.join(root, name))).mtimeMs })),
    );
    const newest = dated.sort((a, b) => b.time - a.time)[0];
    if (newest) return newest.name;
  }
  return undefined;
}
