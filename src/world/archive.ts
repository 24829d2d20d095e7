/** Archives of the cache, which anybody may have made: limits, and a tar that confines them. */
import type { Stats } from 'node:fs';
import { chmod, lstat, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Wheels are compressed and hardly grow; an archive that unpacks to more than this is hostile. */
const maxUnpacked = (archive: number): number => 4 * archive + 1_000_000_000;

/** A wheelhouse has one file per wheel; an archive with more than this is hostile. */
const maxFiles = 10_000;

/** What is below a directory. */
export interface Contents {
  readonly files: number;
  /** The sum of the sizes: sparse files count in full, as they take that long to read. */
  readonly bytes: number;
  /** Whether any file has a second name. */
  readonly hasHardLinks: boolean;
}

/**
 * Measures what is below a directory, without following links, and makes it readable for its owner:
 * an archive could contain files that we could neither read nor delete. Stops counting soon after
 * there are more files than any wheelhouse has.
 */
export async function contentsOf(directory: string | Buffer): Promise<Contents> {
  let [files, bytes, hasHardLinks] = [0, 0, false];
  const visit = async (parent: Buffer): Promise<void> => {
    await allow(parent, 0o700);
    const options = { withFileTypes: true, encoding: 'buffer' } as const;
    for (const entry of await readdir(parent, options).catch(() => [])) {
      if (files > maxFiles) return;
      // Not every name is valid UTF-8.
      const full = Buffer.concat([parent, Buffer.from(path.sep), entry.name]);
      files += 1;
      if (entry.isDirectory()) await visit(full);
      if (!entry.isFile()) continue;
      const found = await lstat(full).catch(() => undefined);
      bytes += found?.size ?? 0;
      hasHardLinks ||= (found?.nlink ?? 1) > 1;
      await allow(full, 0o600, found);
    }
  };
  await visit(Buffer.from(directory));
  return { files, bytes, hasHardLinks };
}

/** Adds missing bits to a mode. If that fails, so will whoever uses the file, with a reason. */
async function allow(file: Buffer, bits: number, stats?: Stats): Promise<void> {
  const found = stats ?? (await lstat(file).catch(() => undefined));
  if (found === undefined || (found.mode & bits) === bits) return;
  await chmod(file, found.mode | bits).catch(() => {});
}

/**
 * @param contents what the archive has unpacked to
 * @param archive its size in bytes
 * @returns why the archive is hostile; undefined when it is not
 */
export function hostility(contents: Contents, archive: number): string | undefined {
  if (contents.files > maxFiles) return 'the archive contains far more files than a wheelhouse';
  if (contents.bytes > maxUnpacked(archive)) {
    return 'the archive unpacks to far more than wheels do';
  }
  return contents.hasHardLinks ? 'the archive contains hard links' : undefined;
}

/**
 * Writes a `tar` into a directory that will be first on PATH. The toolkit unpacks with `tar -P`,
 * which follows absolute names and `..` out of the directory (actions/toolkit#2414). This one drops
 * that option, so that tar refuses such members, and removes the variables that the runner gives to
 * actions only. Does nothing on Windows, where a script needs an extension.
 */
export async function confineTar(
  directory: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  if (process.platform === 'win32') return;
  const secrets = Object.keys(environment).filter((name) => /^ACTIONS_[A-Z0-9_]+$/.test(name));
  for (const name of ['tar', 'gtar']) {
    const real = await firstOnPath(name, environment['PATH'] ?? '');
    if (real === undefined) continue;
    const script = [
      '#!/bin/sh',
      ...(secrets.length === 0 ? [] : [`unset ${secrets.join(' ')}`]),
      'for word in "$@"; do',
      '  shift',
      '  if [ "$word" = -P ]; then continue; fi',
      '  set -- "$@" "$word"',
      'done',
      `exec '${real.replaceAll("'", "'\\''")}' "$@"`,
      '',
    ].join('\n');
    const file = path.join(directory, name);
    await writeFile(file, script);
    await chmod(file, 0o755);
  }
}

async function firstOnPath(name: string, searchPath: string): Promise<string | undefined> {
  for (const directory of searchPath.split(path.delimiter)) {
    const file = path.join(directory, name);
    if (directory !== '' && (await stat(file).catch(() => undefined))?.isFile()) return file;
  }
  return undefined;
}
