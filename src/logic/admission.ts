/** Which wheels of an earlier wheelhouse the request's own hashes admit. */

import type { Wheel } from './manifest.ts';
import { isWheelFileName, normalizeName, wheelNameParts } from './names.ts';
import type { RequestLine } from './requirement-line.ts';
import { directRequirements, isCacheable, isHashMode, requestedHashes } from './requirements.ts';

/** What a request says of the files that it takes. */
export interface HashRules {
  /** The hashes asked for, sorted, by normalised name. */
  readonly byName: ReadonlyMap<string, readonly string[]>;
  /** What may be kept of URLs with a hash, by the URL's fingerprint. */
  readonly byUrl: ReadonlyMap<string, UrlRule>;
  /** pip takes nothing without a hash, dependencies included. */
  readonly all: boolean;
  /** Whether the request rules out that a project is built from an sdist. */
  readonly neverBuilt: (name: string) => boolean;
}

interface UrlRule {
  readonly hashes: readonly string[];
  /** The project of a URL that ends with a wheel's name; of others it is known once it is built. */
  readonly wheelOf: string | undefined;
}

/** @param settings pip's effective settings */
export function hashRules(
  lines: readonly RequestLine[],
  settings: ReadonlyMap<string, string>,
): HashRules {
  const byName = requestedHashes(lines);
  const byUrl = new Map<string, UrlRule>();
  for (const { target, shownTarget, hashes } of directRequirements(lines).filter(isCacheable)) {
    const sorted = hashes.toSorted();
    const file = (target.split(/[?#]/)[0] ?? '').split('/').at(-1) ?? '';
    const wheelOf = isWheelFileName(file) ? wheelNameParts(file).name : undefined;
    byUrl.set(shownTarget, { hashes: sorted, wheelOf });
    if (wheelOf !== undefined) byName.set(wheelOf, sorted);
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
 * can have been built it is not believed. Wheels that are not installed are none of the request's
 * business: see `isNeeded` in verdict.ts.
 */
export function isAdmitted(wheel: Wheel, { byName, byUrl, all, neverBuilt }: HashRules): boolean {
  if (wheel.role !== 'runtime') return true;
  const rule = wheel.url === undefined ? undefined : byUrl.get(wheel.url);
  // A wheel counts for the URL that it came from, not for another one nor for an index.
  if (wheel.url !== undefined && rule === undefined) return false;
  if (rule?.wheelOf !== undefined && rule.wheelOf !== wheel.name) return false;
  const hashes = byName.get(wheel.name) ?? rule?.hashes;
  if (hashes === undefined) return !all;
  const isWheelUrl = [...byUrl.values()].some(({ wheelOf }) => wheelOf === wheel.name);
  const isItself = wheel.origin === 'downloaded' || isWheelUrl || neverBuilt(wheel.name);
  if (isItself && hashes.some((hash) => hash.startsWith('sha256:'))) {
    return hashes.includes(`sha256:${wheel.sha256}`);
  }
  return wheel.requestHashes?.toSorted().join() === hashes.join();
}
