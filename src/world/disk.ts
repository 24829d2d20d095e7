/** Files and directories: hashes, writes, copies, moves and deletes them. */
import { createHash, randomUUID } from 'node:crypto';
import { chmodSync, constants, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { cp, lstat, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Whether there is a file, a directory or a link of that name. */
export async function exists(file: string): Promise<boolean> {
  return (await lstat(file).catch(() => undefined)) !== undefined;
}

/** Bytes that are read at a time. */
const pieceSize = 512 * 1024;

/** Memory to read into, for the next file: streams would take new memory for every piece. */
const idle: Buffer[] = [];

/** @returns lower-case hex of a file's SHA-256 @throws the system's error when it can't be read */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(file);
  const piece = idle.pop() ?? Buffer.allocUnsafeSlow(pieceSize);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
    }
  } finally {
    idle.push(piece);
    await handle.close();
  }
}

/** Files read at the same time: enough to keep a disk busy, few enough to stay small. */
const concurrency = 4;

/** Array.map for work that reads files: only a few items at the same time. */
export async function mapFiles<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

/** Writes a file whole or not at all. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, text);
  await rename(temporary, file);
}

/** How often another process may be faster while a directory is moved into its place. */
const maxSwaps = 20;

/**
 * Moves a directory into the place of another one: by rename, or by a copy beside it and a rename
 * where the two are on different disks. Two processes may do it at once: the last one stays, whole.
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
    await copyDirectory(from, beside);
    await rm(from, { recursive: true, force: true });
  }
  return beside;
}

/** Copies a directory; the files share their blocks where the file system can do that. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
}

/** Directories that are deleted when the process ends. */
const temporary = new Set<string>();

process.on('exit', () => {
  for (const each of temporary) {
    try {
      unlock(each);
      // Programs that were just stopped may still be writing into them.
      rmSync(each, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // The process is ending: nobody could act on it.
    }
  }
});

/** Has a directory deleted when the process ends, however it ends. @returns the directory */
export function untilExit(directory: string): string {
  temporary.add(directory);
  return directory;
}

/** Takes {@link untilExit} back. */
export function release(directory: string): void {
  temporary.delete(directory);
}

/**
 * Makes a directory that is deleted when the process ends.
 * @param prefix of its name; a random part follows
 */
export async function temporaryDirectory(parent: string, prefix: string): Promise<string> {
  const directory = untilExit(path.join(parent, `${prefix}-${randomUUID().slice(0, 8)}`));
  await mkdir(parent, { recursive: true });
  // Synchronous, so that it is not made after the process has cleaned up. Not recursive: on a
  // read-only disk Node would then report a missing parent.
  mkdirSync(directory);
  return directory;
}

/**
 * Deletes a directory now. If that fails, it is tried again when the process ends; no job fails for
 * it.
 */
export async function discard(directory: string): Promise<void> {
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    await remove().catch(() => {
      unlock(directory);
      return remove();
    });
    release(directory);
  } catch {
    untilExit(directory);
  }
}

/** Makes what is below a directory deletable: an archive can set modes that forbid it. */
function unlock(directory: string | Buffer): void {
  if (!lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) {
      unlock(Buffer.concat([Buffer.from(directory), Buffer.from(path.sep), entry.name]));
    }
  }
}
