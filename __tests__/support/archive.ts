/** Reads and changes the entries of a cache. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { CacheService } from './cache-service.ts';

/** The directory that the action saves to the cache. */
export const top = 'wheelhouse';

function tar(directory: string, ...args: string[]): void {
  execFileSync('tar', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
}

function unpacked<T>(archive: Buffer, use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    writeFileSync(join(directory, '.in'), archive);
    tar(directory, '-xf', '.in', '--use-compress-program', 'unzstd');
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The files of an entry, by name. */
export async function archivedFiles(
  cache: CacheService,
  key: string,
): Promise<Map<string, Buffer>> {
  return unpacked(await cache.readArchive(key), (directory) => {
    const place = join(directory, top);
    return new Map(
      readdirSync(place)
        .sort()
        .map((name) => [name, readFileSync(join(place, name))]),
    );
  });
}

/** Makes `resolvedAt` in the manifest of a wheelhouse on disk older by that many hours. */
export function makeOlder(wheelhouse: string, hours: number): void {
  const file = join(wheelhouse, 'wheelhouse.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { resolvedAt: string };
  const resolvedAt = new Date(Date.parse(manifest.resolvedAt) - hours * 3_600_000).toISOString();
  writeFileSync(file, JSON.stringify({ ...manifest, resolvedAt }));
}

/**
 * The archive of an entry, changed and packed again.
 * @param change gets the wheelhouse
 * @param tarArgs instead of the name of the top directory alone; they start beside it
 */
export function repacked(
  archive: Buffer,
  change: (wheelhouse: string) => void,
  tarArgs: readonly string[] = [top],
): Buffer {
  return unpacked(archive, (directory) => {
    change(join(directory, top));
    tar(directory, '-cPf', '.out', '--use-compress-program', 'zstd', ...tarArgs);
    return readFileSync(join(directory, '.out'));
  });
}

/** As {@link makeOlder}, of the wheelhouse in an entry of the cache. */
export async function makeEntryOlder(
  cache: CacheService,
  key: string,
  hours: number,
): Promise<void> {
  const archive = await cache.readArchive(key);
  await cache.replaceArchive(
    key,
    repacked(archive, (wheelhouse) => makeOlder(wheelhouse, hours)),
  );
}
