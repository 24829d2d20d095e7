/** Paths, without a look at the disk. */
import path from 'node:path';

/** Whether a path is a directory's own or below it; both absolute. Links are not followed. */
export function isWithin(directory: string, file: string): boolean {
  const relative = path.relative(directory, file);
  // A name may begin with two dots.
  return relative.split(path.sep)[0] !== '..' && !path.isAbsolute(relative);
}
