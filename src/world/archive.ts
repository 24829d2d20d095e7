/** Archives of the cache that anybody may have made: how they are unpacked, and what is refused. */
import type { Stats } from 'node:fs';
import { chmod, lstat, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Unpacked, wheels are hardly larger than their archive: beyond this an archive is hostile. */
const maxUnpacked = (archive: number): number => 4 * archive + 1_000_000_000;

/** Files in an archive beyond which it is hostile: a wheelhouse has one per wheel. */
const maxFiles = 10_000;

/** What is below a directory. */
export interface Contents {
  readonly files: number;
  /** The sum of the sizes: what has to be read, however little of it a sparse file occupies. */
  readonly bytes: number;
  /** A file has a second name. */
  readonly hasHardLinks: boolean;
}

/**
 * Measures what is below a directory, without following links, and makes it readable for us:
 * otherwise an archive could contain what we can neither look at nor delete. Gives up counting soon
 * after there are more files than any wheelhouse has.
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

/** Adds what a mode lacks; where that is impossible, whoever uses the file says so. */
async function allow(file: Buffer, bits: number, stats?: Stats): Promise<void> {
  const found = stats ?? (await lstat(file).catch(() => undefined));
  if (found === undefined || (found.mode & bits) === bits) return;
  await chmod(file, found.mode | bits).catch(() => {});
}

/**
 * What makes an archive hostile.
 * @param contents what it has unpacked to
 * @param archive its size in bytes
 */
export function hostility(contents: Contents, archive: number): string | undefined {
  if (contents.files > maxFiles) return 'the archive holds far more files than a wheelhouse';
  if (contents.bytes > maxUnpacked(archive)) {
    return 'the archive unpacks to far more than wheels do';
  }
  return contents.hasHardLinks ? 'the archive contains hard links' : undefined;
}

/**
 * Puts a `tar` into a directory for the beginning of PATH. The toolkit unpacks with `tar -P`, which
 * follows absolute names and `..` out of the directory (actions/toolkit#2414); this one leaves that
 * option out: then tar itself refuses such members. Nor does it pass on what the runner gives to
 * actions alone. Not on Windows, which has no scripts without an extension.
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
