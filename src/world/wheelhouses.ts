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
    exists,
    remove: discard,
  };
}

/**
 * Links the files of a directory into another one: cheap, and safe while another job replaces the
 * directory. Leaves out files that disappear meanwhile.
 */
async function share(directory: string, staged: string): Promise<void> {
  for (const file of await filesBelow(directory)) {
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

async function inspect(
  directory: string,
  depth: 'sizes' | 'content',
): Promise<Inspected | undefined> {
  const file = path.join(directory, manifestFile);
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) {
    const entries = await readdir(directory).catch(() => []);
    if (entries.length === 0) return undefined;
    throw new ManifestError(`it has no ${manifestFile}`);
  }
  if (!found.isFile() || found.size > maxManifestBytes) {
    throw new ManifestError(`${manifestFile} is not a regular file`);
  }
  const manifest = parseManifest(await readFile(file, 'utf8'));
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
    return digest === wheel.sha256 ? undefined : 'has a different hash than in the manifest';
  });
}

/** Removes wheels that have a fault. @param faultOf returns it as the end of a sentence */
async function compare(
  { manifest, sound, faults }: Inspected,
  faultOf: (wheel: Wheel) => Promise<string | undefined>,
): Promise<Inspected> {
  const found = await mapFiles(sound, faultOf);
  return {
    manifest,
    sound: sound.filter((_wheel, index) => found[index] === undefined),
    faults: [
      ...faults,
      ...sound.flatMap(({ file }, index) =>
        found[index] === undefined ? [] : [`${file} ${found[index]}`],
      ),
    ],
  };
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
  if (found === undefined) return 'is missing';
  if (!found.isFile()) return 'is not a regular file';
  return found.size === wheel.size ? undefined : `has ${found.size} bytes instead of ${wheel.size}`;
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
