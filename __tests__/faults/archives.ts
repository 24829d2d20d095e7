/** Cache entries that an attacker has changed. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { repacked } from '../support/archive.ts';
import type { Place } from './rows.ts';

export interface ManifestText {
  [field: string]: unknown;
  wheels: { [field: string]: unknown; name: string; file: string; sha256: string; size: number }[];
}

/** Arranges that the entry in the cache is the changed one. */
export function tampered(
  change: (wheelhouse: string, place: Place) => void,
  tarArgs?: (place: Place) => readonly string[],
): (place: Place) => Promise<void> {
  return (place) =>
    place.cache.replaceArchive(
      place.entry.key,
      repacked(place.entry.archive, (wheelhouse) => change(wheelhouse, place), tarArgs?.(place)),
    );
}

/** Changes the manifest of a wheelhouse on disk. */
export function editManifest(wheelhouse: string, edit: (manifest: ManifestText) => void): void {
  const file = join(wheelhouse, 'wheelhouse.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as ManifestText;
  edit(manifest);
  writeFileSync(file, JSON.stringify(manifest));
}

/** Arranges that the manifest of the entry in the cache is the changed one. */
export function edited(edit: (manifest: ManifestText) => void): (place: Place) => Promise<void> {
  return tampered((wheelhouse) => editManifest(wheelhouse, edit));
}

/** Arranges that the manifest has other fields for one project's wheel. */
export function listed(
  project: string,
  fields: Record<string, unknown>,
): (place: Place) => Promise<void> {
  return edited(({ wheels }) => {
    Object.assign(wheels.find(({ name }) => name === project) ?? {}, fields);
  });
}

/** Replaces a listed wheel with a matching manifest and lock, as an attacker would. */
export function poison(
  wheelhouse: string,
  file: string,
  content: Buffer,
  also: Record<string, unknown> = {},
): void {
  const sha256 = createHash('sha256').update(content).digest('hex');
  writeFileSync(join(wheelhouse, file), content);
  editManifest(wheelhouse, ({ wheels }) => {
    const wheel = wheels.find((each) => each.file === file);
    if (wheel === undefined) throw new Error(`the manifest has no ${file}`);
    for (const name of ['requirements.lock', 'pylock.toml']) {
      const lock = join(wheelhouse, name);
      writeFileSync(lock, readFileSync(lock, 'utf8').replace(wheel.sha256, sha256));
    }
    Object.assign(wheel, { sha256, size: content.length, ...also });
  });
}
