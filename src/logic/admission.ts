/** Which wheels of an earlier wheelhouse the hashes of the request allow. */

import type { Wheel } from './manifest.ts';
import { normalizeName } from './names.ts';
import type { RequestLine } from './requirement-line.ts';
import { directRequirements, isCacheable, isHashMode, requestedHashes } from './requirements.ts';

/** The rules of a request about the files that it allows. */
export interface HashRules {
  /** The allowed hashes, sorted, by normalised name. */
  readonly byName: ReadonlyMap<string, readonly string[]>;
  /** The rules of URLs with a hash, by the URL's fingerprint. */
  readonly byUrl: ReadonlyMap<string, UrlRule>;
  /** pip rejects everything without a hash, dependencies included. */
  readonly all: boolean;
  /** Whether the request forbids to build a project from an sdist. */
  readonly neverBuilt: (name: string) => boolean;
}

interface UrlRule {
  readonly hashes: readonly string[];
  /** The project of a wheel's URL; that of an sdist's URL is only known after a build. */
  readonly wheelOf: string | undefined;
}

/** @param settings pip's effective settings */
export function hashRules(
  lines: readonly RequestLine[],
  settings: ReadonlyMap<string, string>,
): HashRules {
  const byName = requestedHashes(lines);
  const byUrl = new Map<string, UrlRule>();
  for (const { shownTarget, wheelOf, hashes } of directRequirements(lines).filter(isCacheable)) {
    const sorted = hashes.toSorted();
    byUrl.set(shownTarget, { hashes: sorted, wheelOf });
    if (wheelOf !== undefined) byName.set(wheelOf, sorted);
  }
  return { byName, byUrl, all: isHashMode(lines), neverBuilt: neverBuilt(lines, settings) };
}

/** The projects of `--only-binary`, unless relaxed elsewhere: any `--no-binary` disables this rule. */
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
 * Whether the hashes of a request allow a wheel. A downloaded wheel must have an allowed hash itself.
 * A wheel that was built from an sdist has another hash than the sdist, so the hashes that it was
 * built under must be those of the request. Anybody may have written the manifest that says "built",
 * so that does not count where the request forbids builds. Wheels that are not installed have no
 * hash in the request: see `isNeeded` in verdict.ts.
 */
export function isAdmitted(wheel: Wheel, { byName, byUrl, all, neverBuilt }: HashRules): boolean {
  if (wheel.role !== 'runtime') return true;
  const rule = wheel.url === undefined ? undefined : byUrl.get(wheel.url);
  // A wheel from a URL is not allowed for another URL or for an index.
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
