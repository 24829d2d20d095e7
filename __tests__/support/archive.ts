/** What lies in an entry of the cache, and ways to change it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { CacheService } from './cache-service.ts';

/** The directory that the action hands to the cache. */
const transfer = 'wheelhouse';

function unpacked<T>(archive: Buffer, use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    writeFileSync(join(directory, 'a.tzst'), archive);
    execFileSync('tar', ['-xf', 'a.tzst', '--use-compress-program', 'unzstd'], { cwd: directory });
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
    const place = join(directory, transfer);
    return new Map(
      readdirSync(place)
        .sort()
        .map((name) => [name, readFileSync(join(place, name))]),
    );
  });
}

/** Changes the manifest of a wheelhouse on disk: what it says of `resolvedAt` is that much older. */
export function makeOlder(wheelhouse: string, hours: number): void {
  const file = join(wheelhouse, 'wheelhouse.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { resolvedAt: string };
  const resolvedAt = new Date(Date.parse(manifest.resolvedAt) - hours * 3_600_000).toISOString();
  writeFileSync(file, JSON.stringify({ ...manifest, resolvedAt }));
}

/** As {@link makeOlder}, of the wheelhouse in an entry of the cache. */
export async function makeEntryOlder(
  cache: CacheService,
  key: string,
  hours: number,
): Promise<void> {
  const changed = unpacked(await cache.readArchive(key), (directory) => {
    makeOlder(join(directory, transfer), hours);
    execFileSync('tar', ['-cf', 'b.tzst', '--use-compress-program', 'zstd', transfer], {
      cwd: directory,
    });
    return readFileSync(join(directory, 'b.tzst'));
  });
  await cache.replaceArchive(key, changed);
}
