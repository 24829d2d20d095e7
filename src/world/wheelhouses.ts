/** Directories of wheels on disk. No file is half-written under its final name. */
import { constants } from 'node:fs';
import {
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import {
  type BaseReference,
  baseFile,
  formatBase,
  maxBaseBytes,
  parseBase,
} from '../logic/change-entry.ts';
import { UserError } from '../logic/errors.ts';
import {
  absence,
  buildDirectory,
  formatManifest,
  lockFile,
  lockTexts,
  type Manifest,
  ManifestError,
  manifestFile,
  maxManifestBytes,
  parseManifest,
  pylockFile,
  type Wheel,
  wheelPath,
} from '../logic/manifest.ts';
import { isWheelFileName } from '../logic/names.ts';
import type { Inspected, Measured, Wheelhouses } from '../ports.ts';
import {
  discard,
  exists,
  fileSha256,
  mapFiles,
  moveDirectory,
  temporaryDirectory,
  writeWhole,
} from './disk.ts';

export function wheelhousesAdapter(): Wheelhouses {
  return {
    workplace: (parent) => temporaryDirectory(parent, 'wheelhouse-work'),
    stage: (workplace) => temporaryDirectory(workplace, 'staged'),
    inspect,
    verify,
    share,
    writeBase: (directory, base) => writeFile(path.join(directory, baseFile), formatBase(base)),
    isChange: (directory) => exists(path.join(directory, baseFile)),
    takeBase,
    supplement,
    reopen,
    keepOnly,
    list,
    measure,
    seal,
    publish: moveDirectory,
    copy,
    move: (file, from, to) => rename(path.join(from, file), path.join(to, file)),
    write: async (file, text) => {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    },
    read: (file) => readFile(file, 'utf8'),
    exists,
    remove: discard,
  };
}

/**
 * Links the files of a directory into another one: cheap, and safe while another job replaces the
 * directory. Leaves out files that disappear meanwhile.
 */
async function share(directory: string, staged: string, files?: readonly string[]): Promise<void> {
  for (const file of files ?? (await filesBelow(directory))) {
    const [from, to] = [path.join(directory, file), path.join(staged, file)];
    await mkdir(path.dirname(to), { recursive: true });
    await link(from, to).catch(() => copyFile(from, to).catch(() => {}));
  }
}

/** Replaces hard links by copies: pip overwrites wheels in place, under every name they have. */
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

async function copy(
  from: string,
  to: string,
  expected: string | undefined,
): Promise<Pick<Measured, 'sha256' | 'size'>> {
  await copyFile(from, to);
  const [{ size }, sha256] = await Promise.all([lstat(to), fileSha256(to)]);
  if (expected === undefined || sha256 === expected) return { sha256, size };
  await rm(to, { force: true });
  throw new UserError(`${from} has the SHA-256 ${sha256} instead of ${expected}.`);
}

async function inspect(
  directory: string,
  depth: 'sizes' | 'content',
): Promise<Inspected | undefined> {
  const text = await readOwn(directory, manifestFile, maxManifestBytes);
  if (text === undefined) {
    const entries = await readdir(directory).catch(() => []);
    if (entries.length === 0) return undefined;
    throw new ManifestError(`it has no ${manifestFile}`);
  }
  const manifest = parseManifest(text);
  const inspected = await compare({ manifest, sound: manifest.wheels, faults: [] }, (wheel) =>
    fileFault(directory, wheel),
  );
  const faults = [...inspected.faults];
  const known = new Set(filesOf(manifest));
  for (const file of await filesBelow(directory)) {
    if (!known.has(file)) faults.push(`${file} is not in the manifest`);
  }
  const compared = { ...inspected, faults };
  return depth === 'sizes' ? compared : verify(directory, compared);
}

function verify(
  directory: string,
  inspected: Inspected,
  wheels: readonly Wheel[] = inspected.sound,
): Promise<Inspected> {
  const chosen = new Set(wheels.map(wheelPath));
  return compare(inspected, async (wheel) => {
    if (!chosen.has(wheelPath(wheel))) return undefined;
    const digest = await fileSha256(path.join(directory, wheelPath(wheel)));
    return digest === wheel.sha256
      ? undefined
      : `${wheel.file} has a different hash than in the manifest`;
  });
}

/** Removes wheels that have a fault. */
async function compare(
  { manifest, sound, faults }: Inspected,
  faultOf: (wheel: Wheel) => Promise<string | undefined>,
): Promise<Inspected> {
  const found = await mapFiles(sound, faultOf);
  return {
    manifest,
    sound: sound.filter((_wheel, index) => found[index] === undefined),
    faults: [...faults, ...found.flatMap((fault) => fault ?? [])],
  };
}

/**
 * Reads a file that a wheelhouse has beside its wheels.
 * @returns undefined when there is none
 * @throws ManifestError for a link, or for more bytes than we would write
 */
async function readOwn(
  directory: string,
  name: string,
  maxBytes: number,
): Promise<string | undefined> {
  const file = path.join(directory, name);
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isFile() || found.size > maxBytes) {
    throw new ManifestError(`${name} is not a regular file`);
  }
  return readFile(file, 'utf8');
}

async function takeBase(directory: string): Promise<BaseReference | undefined> {
  const text = await readOwn(directory, baseFile, maxBaseBytes);
  if (text === undefined) return undefined;
  await rm(path.join(directory, baseFile));
  return parseBase(text);
}

async function supplement(directory: string, from: string): Promise<ReadonlySet<string>> {
  const text = await readOwn(directory, manifestFile, maxManifestBytes);
  if (text === undefined) throw new ManifestError(`it has no ${manifestFile}`);
  const moved = new Set<string>();
  for (const file of parseManifest(text).wheels.map(wheelPath)) {
    const [source, target] = [path.join(from, file), path.join(directory, file)];
    if ((await exists(target)) || !(await isDirectory(path.dirname(source)))) continue;
    await mkdir(path.dirname(target), { recursive: true }).catch(() => {});
    if (!(await isDirectory(path.dirname(target)))) continue;
    const isMoved = await rename(source, target).then(
      () => true,
      () => false,
    );
    if (isMoved) moved.add(file);
  }
  return moved;
}

/** Not for links to directories. */
async function isDirectory(file: string): Promise<boolean> {
  return (await lstat(file).catch(() => undefined))?.isDirectory() === true;
}

/** Everything that belongs to a wheelhouse, as relative paths. */
function filesOf({ wheels }: Manifest): string[] {
  return [manifestFile, lockFile, pylockFile, ...wheels.map(wheelPath)];
}

async function fileFault(directory: string, wheel: Wheel): Promise<string | undefined> {
  const file = path.join(directory, wheelPath(wheel));
  // Not stat: the file or its directory may be a link that leads out of the wheelhouse.
  const parent = await lstat(path.dirname(file)).catch(() => undefined);
  const found = parent?.isDirectory() ? await lstat(file).catch(() => undefined) : undefined;
  if (found === undefined) return absence(wheel);
  if (!found.isFile()) return `${wheel.file} is not a regular file`;
  if (found.size !== wheel.size) {
    return `${wheel.file} has ${found.size} bytes instead of ${wheel.size}`;
  }
  return undefined;
}

/** Also deletes names that are not valid UTF-8; as strings, several of them look the same. */
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
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  return names.filter(isWheelFileName).sort();
}

/**
 * Lists a wheelhouse as relative paths with `/`: its entries, with those of the directory of wheels
 * for building in place of that directory. Follows no link.
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

function measure(directory: string, files: readonly string[]): Promise<Measured[]> {
  return mapFiles(files, async (file) => {
    const full = path.join(directory, file);
    return { file, sha256: await fileSha256(full), size: (await lstat(full)).size };
  });
}

async function seal(directory: string, manifest: Manifest): Promise<void> {
  for (const wheel of manifest.wheels) {
    const place = path.join(directory, wheelPath(wheel));
    const flat = path.join(directory, wheel.file);
    if (place === flat || (await exists(place))) continue;
    await mkdir(path.dirname(place), { recursive: true });
    await rename(flat, place);
  }
  for (const [file, text] of Object.entries(lockTexts(manifest.wheels))) {
    await writeWhole(path.join(directory, file), text);
  }
  await writeWhole(path.join(directory, manifestFile), formatManifest(manifest));
  await keepOnly(directory, filesOf(manifest));
}
