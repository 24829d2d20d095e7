/** Which wheels of an earlier wheelhouse the request's own hashes admit. */

import type { Wheel } from './manifest.ts';
import type { RequestLine } from './model.ts';
import { isWheelFileName, normalizeName, wheelNameParts } from './names.ts';
import { askedHashes, directRequirements, isCacheable, isHashMode } from './requirements.ts';

/** What a request says of the files that it takes. */
export interface HashRules {
  /** The hashes asked for, sorted, by normalised name. */
  readonly byName: ReadonlyMap<string, readonly string[]>;
  /** The same of URLs whose name is not known before they are fetched, by the URL's fingerprint. */
  readonly byUrl: ReadonlyMap<string, readonly string[]>;
  /** pip takes nothing without a hash, dependencies included. */
  readonly all: boolean;
  /** Whether the request rules out that a project is built from an sdist. */
  readonly neverBuilt: (name: string) => boolean;
}

/** @param settings pip's effective settings */
export function hashRules(
  lines: readonly RequestLine[],
  settings: ReadonlyMap<string, string>,
): HashRules {
  const byName = askedHashes(lines);
  const byUrl = new Map<string, readonly string[]>();
  for (const { target, shownTarget, hashes } of directRequirements(lines).filter(isCacheable)) {
    const sorted = hashes.toSorted();
    byUrl.set(shownTarget, sorted);
    const file = (target.split(/[?#]/)[0] ?? '').split('/').at(-1) ?? '';
    if (isWheelFileName(file)) byName.set(wheelNameParts(file).name, sorted);
  }
  return { byName, byUrl, all: isHashMode(lines), neverBuilt: neverBuilt(lines, settings) };
}

/** `--only-binary` as far as nothing takes it back; a `--no-binary` anywhere is not reckoned with. */
function neverBuilt(
  lines: readonly RequestLine[],
  settings: ReadonlyMap<string, string>,
): HashRules['neverBuilt'] {
  const words = (option: string): string[] =>
    [
      settings.get(option) ?? '',
      ...lines.flatMap((line) =>
        line.kind === 'option' && line.name === option ? [line.value] : [],
      ),
    ].flatMap((value) => value.split(/[\s,]+/).filter((word) => word !== ''));
  const binary = words('only-binary');
  if (words('no-binary').length > 0 || binary.includes(':none:')) return () => false;
  const names = new Set(binary.map((word) => (word === ':all:' ? word : normalizeName(word))));
  return (name) => names.has(':all:') || names.has(name);
}

/**
 * Whether a wheel may be used. A downloaded one must carry a hash that is asked for; one that was
 * built from an sdist carries none of them, so it counts for the very hashes that it was built
 * under. That it was built is the word of a manifest that anybody may have written: where nothing
 * can have been built it is not believed.
 */
export function isAdmitted(wheel: Wheel, { byName, byUrl, all, neverBuilt }: HashRules): boolean {
  if (wheel.role !== 'runtime') return true;
  const asked = byName.get(wheel.name) ?? byUrl.get(wheel.url ?? '');
  if (asked === undefined) return !all;
  const isItself = wheel.origin === 'downloaded' || neverBuilt(wheel.name);
  if (isItself && asked.some((hash) => hash.startsWith('sha256:'))) {
    return asked.includes(`sha256:${wheel.sha256}`);
  }
  return wheel.asked?.toSorted().join() === asked.join();
}
