/** Directories that must not outlive the process, however it ends. */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';

const pending = new Set<string>();
let watching = false;

/** From here on the directory goes when the process ends. @returns the directory */
export function untilExit(directory: string): string {
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      // Programs that have just been ended may still be writing into them.
      const insisting = { recursive: true, force: true, maxRetries: 5, retryDelay: 20 };
      for (const each of pending) rmSync(each, insisting);
    });
  }
  pending.add(directory);
  return directory;
}

/** The directory stays, or is gone already. */
export function release(directory: string): void {
  pending.delete(directory);
}

/**
 * Makes a directory that goes when the process ends.
 * @param prefix of its name; a random part follows
 */
export async function temporaryDirectory(parent: string, prefix: string): Promise<string> {
  const directory = untilExit(path.join(parent, `${prefix}-${randomUUID().slice(0, 8)}`));
  await mkdir(parent, { recursive: true });
  // Not recursive: on a read-only disk Node would say then that the parent is missing.
  await mkdir(directory);
  return directory;
}

/** Deletes a directory now. */
export async function discard(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  release(directory);
}
