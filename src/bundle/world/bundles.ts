/** Writes bundles to disk. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  realpath,
  rename,
  rm,
  utimes,
} from 'node:fs/promises';
import path from 'node:path';

import { UserError } from '../../logic/errors.ts';
import { mapFiles, moveDirectory, release, untilExit } from '../../world/disk.ts';
import { answer } from '../../world/python-program.ts';
import type { Output, WheelMetadata } from '../logic/model.ts';
import { isBundle } from '../logic/output.ts';
import type { Bundles } from '../ports.ts';
import { writeArchive } from './archive.ts';

/** @param environment the environment of programs */
export function bundlesAdapter(environment: Readonly<Record<string, string>>): Bundles {
  return {
    async metadata(interpreter, directory, files) {
      const found = await answer<readonly (WheelMetadata & { readonly fault?: string })[]>(
        interpreter,
        'wheel_metadata',
        { directory, files },
        { env: environment },
      );
      if (found === undefined) throw new Error('The metadata of the wheels could not be read.');
      found.forEach(({ fault }, index) => {
        if (fault === undefined) return;
        throw new UserError(
          `${files[index]} is not a valid wheel (${fault}). Exclude that version, and tell the owner of the index.`,
        );
      });
      return found;
    },
    check: async (output) => {
      await target(output);
    },
    async copy(files, from, to) {
      await mapFiles(files, (file) =>
        copyFile(path.join(from, file), path.join(to, file), constants.COPYFILE_FICLONE),
      );
    },
    async place(directory, output) {
      const to = await target(output);
      const files = (await readdir(directory)).sort();
      if (output.form === 'directory') await placeDirectory(directory, files, to);
      else await placeArchive(directory, files, to, output.form);
    },
  };
}

/** The modification time of every file: the first one that a zip can express. */
const modified = new Date('1980-01-01T00:00:00Z');

async function placeDirectory(
  directory: string,
  files: readonly string[],
  to: string,
): Promise<void> {
  for (const file of files) {
    await chmod(path.join(directory, file), 0o644);
    await utimes(path.join(directory, file), modified, modified);
  }
  await chmod(directory, 0o755);
  await moveDirectory(directory, to);
}

async function placeArchive(
  directory: string,
  files: readonly string[],
  to: string,
  form: 'tar.gz' | 'zip',
): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  const aside = untilExit(`${to}.${randomUUID().slice(0, 8)}`);
  try {
    await writeArchive(form, directory, files, aside);
    await rename(aside, to);
  } finally {
    await rm(aside, { force: true });
    release(aside);
  }
}

/**
 * @returns the path to write to; if a link is there, what it points to
 * @throws UserError when something is there that must not be replaced
 */
async function target({ path: place, form }: Output): Promise<string> {
  const found = await lstat(place).catch(() => undefined);
  if (found === undefined) return place;
  const real = await realpath(place).catch(() => {
    throw new UserError(`${place} is a broken link. Delete it, or choose another name.`);
  });
  const there = await lstat(real);
  if (form !== 'directory') {
    if (there.isFile()) return real;
    throw new UserError(`${place} exists and is not a file. Delete it, or choose another name.`);
  }
  if (!there.isDirectory()) {
    throw new UserError(
      `${place} exists and is not a directory. Delete it, or choose another name; an archive has a name that ends in .tar.gz or .zip.`,
    );
  }
  const names = await readdir(real);
  if (names.length === 0 || isBundle(names)) return real;
  throw new UserError(
    `${place} is not empty and is not a bundle; using it would delete its contents. Choose another directory.`,
  );
}
