/** Finds files by glob, silently; the toolkit's own library would log to standard output. */
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

import { Minimatch } from 'minimatch';

/**
 * Finds the files that a glob matches. Follows symbolic links, and skips broken ones and loops. A
 * leading dot is not special.
 * @param root absolute path that a relative pattern starts from; it may contain any character
 * @param pattern with `*`, `?`, `[…]` and `**`
 * @returns absolute paths
 * @throws the system's error for a directory that can't be read
 */
export async function filesMatching(root: string, pattern: string): Promise<string[]> {
  const segments = (path.sep === '\\' ? pattern.replaceAll('\\', '/') : pattern).split('/');
  const magic = segments.findIndex((segment) => /[*?[\\]/.test(segment));
  const start = path.resolve(root, segments.slice(0, magic).join('/') || (segments[0] ? '.' : '/'));
  const matcher = new Minimatch(segments.slice(magic).join('/'), {
    ...{ dot: true, nobrace: true, nocomment: true, noext: true, nonegate: true },
    nocase: process.platform === 'win32',
  });
  const found: string[] = [];
  const walk = async (directory: string, above: readonly string[]): Promise<void> => {
    const real = await realpath(directory).catch(() => undefined);
    if (real === undefined || above.includes(real)) return;
    for (const name of await readdir(directory)) {
      const place = path.join(directory, name);
      const relative = path.relative(start, place).split(path.sep).join('/');
      if (!matcher.match(relative, true)) continue;
      const entry = await stat(place).catch(() => undefined);
      if (entry?.isDirectory()) await walk(place, [...above, real]);
      else if (entry?.isFile() && matcher.match(relative)) found.push(place);
    }
  };
  await walk(start, []);
  return found;
}
