/** Directories of wheels on disk. Nothing lies half-written under its final name. */

import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  copyFile,
  cp,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import {
  buildDirectory,
  formatLock,
  formatManifest,
  lockFile,
  type Manifest,
  ManifestError,
  manifestFile,
  parseManifest,
  type Wheel,
  wheelPath,
} from '../logic/manifest.ts';
import { isWheelFileName } from '../logic/names.ts';
import type { Inspected, Wheelhouses } from '../ports.ts';
import { discard, release, temporaryDirectory, untilExit } from './temporary.ts';

/** A manifest is a few hundred bytes a wheel: a longer one is not ours, and is not read. */
const maxManifestBytes = 16 * 1024 * 1024;

/** Files read at the same time: enough to keep a disk busy, few enough to stay small. */
const concurrency = 4;

export function wheelhousesAdapter(): Wheelhouses {
  return {
    workplace: (parent) => temporaryDirectory(parent, 'wheelhouse-work'),
    stage: (workplace) => temporaryDirectory(workplace, 'staged'),
    inspect,
    share,
    reopen,
    keepOnly,
    list,
    measure,
    seal,
    publish: moveDirectory,
    move: (file, from, to) => rename(path.join(from, file), path.join(to, file)),
    write: async (file, text) => {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    },
    read: (file) => readFile(file, 'utf8'),
    exists: async (file) => (await lstat(file).catch(() => undefined)) !== undefined,
    remove: discard,
  };
}

/**
 * Files of a directory under second names: cheap, and another job may put a new directory into its
 * place meanwhile. A file that goes while this is done is left out.
 */
async function share(directory: string, staged: string): Promise<void> {
  for (const file of await filesBelow(directory)) {
    const [from, to] = [path.join(directory, file), path.join(staged, file)];
    await mkdir(path.dirname(to), { recursive: true });
    await link(from, to).catch(() => copyFile(from, to).catch(() => {}));
  }
}

/** Makes the files a wheelhouse's own: pip overwrites wheels in place, under every name they have. */
async function reopen(directory: string): Promise<void> {
  const aside = path.join(directory, buildDirectory);
  for (const file of await list(aside)) {
    await rename(path.join(aside, file), path.join(directory, file));
  }
  await rm(aside, { recursive: true, force: true });
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(directory, entry.name);
    if ((await lstat(file)).nlink < 2) continue;
    await copyFile(file, `${file}.own`, constants.COPYFILE_FICLONE);
    await rename(`${file}.own`, file);
  }
}

async function inspect(directory: string): Promise<Inspected | undefined> {
  const file = path.join(directory, manifestFile);
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) {
    const entries = await readdir(directory).catch(() => []);
    if (entries.length === 0) return undefined;
    throw new ManifestError(`it has no ${manifestFile}`);
  }
  if (!found.isFile() || found.size > maxManifestBytes) {
    throw new ManifestError(`${manifestFile} is not an ordinary file`);
  }
  const manifest = parseManifest(await readFile(file, 'utf8'));
  const verdicts = await inParallel(manifest.wheels, async (wheel, piece) => {
    const fault = await wheelFault(directory, wheel, piece);
    return fault === undefined ? [] : [`${wheel.file} ${fault}`];
  });
  const faults = verdicts.flat();
  const known = new Set([manifestFile, lockFile, ...manifest.wheels.map(wheelPath)]);
  for (const file of await filesBelow(directory)) {
    if (!known.has(file)) faults.push(`${file} is not in the manifest`);
  }
  return {
    manifest,
    sound: manifest.wheels.filter((_wheel, index) => verdicts[index]?.length === 0),
    faults,
  };
}

async function wheelFault(
  directory: string,
  wheel: Wheel,
  piece: Buffer,
): Promise<string | undefined> {
  const file = path.join(directory, wheelPath(wheel));
  // Not stat: a link would lead out of the wheelhouse, in the place of the directory too.
  const parent = await lstat(path.dirname(file)).catch(() => undefined);
  const found = parent?.isDirectory() ? await lstat(file).catch(() => undefined) : undefined;
  if (found === undefined) return 'is missing';
  if (!found.isFile()) return 'is not an ordinary file';
  if (found.size !== wheel.size) return `has ${found.size} bytes instead of ${wheel.size}`;
  return (await sha256(file, piece)) === wheel.sha256
    ? undefined
    : 'has another content than recorded';
}

/** Deletes names too that are not valid UTF-8, which other functions can't tell apart. */
async function keepOnly(directory: string, files: readonly string[]): Promise<void> {
  const keep = new Set(files);
  const parents = new Set(files.map((file) => path.posix.dirname(file)));
  const clean = async (relative: string): Promise<void> => {
    for (const name of await readdir(path.join(directory, relative), { encoding: 'buffer' })) {
      const entry = path.posix.join(relative, name.toString());
      const full = Buffer.concat([
        Buffer.from(`${path.join(directory, relative)}${path.sep}`),
        name,
      ]);
      const isExact = Buffer.from(name.toString()).equals(name);
      if (isExact && parents.has(entry) && (await lstat(full)).isDirectory()) await clean(entry);
      else if (!isExact || !keep.has(entry)) await rm(full, { recursive: true, force: true });
    }
  };
  await clean('');
}

async function list(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(unlessMissing)).filter(isWheelFileName).sort();
}

function unlessMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

/**
 * What is in a wheelhouse: its entries, and instead of the directory of wheels for building that
 * directory's entries, as relative paths with `/`. No link is followed.
 */
async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const nested = entries.map(async (entry) => {
    if (entry.name !== buildDirectory || !entry.isDirectory()) return [entry.name];
    const inside = await readdir(path.join(directory, buildDirectory)).catch(() => []);
    return inside.map((name) => `${buildDirectory}/${name}`);
  });
  return (await Promise.all(nested)).flat();
}

function measure(
  directory: string,
  files: readonly string[],
): Promise<{ sha256: string; size: number }[]> {
  return inParallel(files, async (file, piece) => {
    const full = path.join(directory, file);
    return { sha256: await sha256(full, piece), size: (await lstat(full)).size };
  });
}

async function seal(directory: string, manifest: Manifest): Promise<void> {
  for (const wheel of manifest.wheels) {
    const place = path.join(directory, wheelPath(wheel));
    const flat = path.join(directory, wheel.file);
    if (place === flat || (await lstat(place).catch(() => undefined)) !== undefined) continue;
    await mkdir(path.dirname(place), { recursive: true });
    await rename(flat, place);
  }
  await writeWhole(path.join(directory, lockFile), formatLock(manifest.wheels));
  await writeWhole(path.join(directory, manifestFile), formatManifest(manifest));
}

async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}

/** How often another process may be faster while a directory is put into its place. */
const maxSwaps = 20;

/**
 * Moves a directory into the place of another one: by rename, or by a copy beside it and a rename
 * where the two lie on different disks. Two processes may do it at once: the last one stays, whole.
 */
export async function moveDirectory(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  const source = await onSameDisk(from, to);
  const aside = untilExit(`${to}.${randomUUID().slice(0, 8)}.old`);
  for (let swap = 1; ; swap += 1) {
    await rename(to, aside).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    try {
      await rename(source, to);
      break;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(String(code)) || swap >= maxSwaps) throw error;
      await rm(aside, { recursive: true, force: true });
    }
  }
  release(from);
  release(source);
  await discard(aside);
}

async function onSameDisk(from: string, to: string): Promise<string> {
  const beside = untilExit(`${to}.${randomUUID().slice(0, 8)}.new`);
  try {
    await rename(from, beside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await cp(from, beside, { recursive: true });
    await rm(from, { recursive: true, force: true });
  }
  return beside;
}

/** Bytes that are read at a time. */
const pieceSize = 512 * 1024;

/**
 * Hex SHA-256 of a file.
 * @param piece memory to read into: streams would take new memory for every piece
 */
async function sha256(file: string, piece: Buffer): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

/** Array.map with a bound on how many are under way, and memory for each of those. */
async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T, piece: Buffer) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    const piece = Buffer.allocUnsafeSlow(pieceSize);
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T, piece);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  return results;
}
