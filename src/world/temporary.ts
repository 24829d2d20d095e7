/** Directories that must not outlive the process, however it ends. */
import { randomUUID } from 'node:crypto';
import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';

const pending = new Set<string>();
let watching = false;

/** From here on the directory goes when the process ends. @returns the directory */
export function untilExit(directory: string): string {
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      for (const each of pending) {
        try {
          unlock(each);
          // Programs that have just been ended may still be writing into them.
          rmSync(each, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
        } catch {
          // Nobody is left to be told.
        }
      }
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

/**
 * Deletes a directory now. What can't be deleted is left, and tried again when the process ends:
 * no job fails for it.
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

/** Gives us the right to delete what is below: an archive may say that nobody has it. */
function unlock(directory: string | Buffer): void {
  if (!lstatSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) {
      unlock(Buffer.concat([Buffer.from(directory), Buffer.from(path.sep), entry.name]));
    }
  }
}
