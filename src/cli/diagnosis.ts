/** Explains why a wheelhouse does not serve, in terms of what the user changed. */
import { period } from '../logic/freshness.ts';
import { interpreterIdentity, type Keys } from '../logic/key.ts';
import type { Manifest } from '../logic/manifest.ts';
import type { Mismatch, Wanted } from '../logic/verdict.ts';

/** The result of one check. */
export interface Finding {
  readonly level: 'good' | 'note' | 'problem';
  readonly text: string;
}

/** The parts of an interpreter's identity, in order. */
const identityParts = [
  'Python implementation',
  'Python version',
  'ABI',
  'platform',
  'machine',
  'C library',
  'threading model',
] as const;

/**
 * Explains a mismatch by the differences between the stored wheelhouse and the request.
 * @param reason the verdict's own words, for a mismatch that needs no more
 */
export function explain(
  mismatch: Mismatch,
  reason: string,
  stored: Manifest,
  wanted: Wanted & { readonly keys: Keys },
): string[] {
  const { parts } = wanted.keys;
  switch (mismatch) {
    case 'interpreter':
      return [identityChange(stored.interpreter, interpreterIdentity(wanted.interpreter))];
    case 'sources':
      return partChanges(
        stored.parts?.sources,
        parts.sources,
        'the indexes, the build settings, the resolver or the minimum release age',
      );
    case 'request':
      return partChanges(stored.parts?.lines, parts.lines, 'the requirements');
    case 'age':
      return [expiry(stored.resolvedAt, wanted)];
    default:
      return [reason];
  }
}

/** Names the first part that differs, because the ABI and the platform follow from the version. */
function identityChange(stored: string, wanted: string): string {
  const before = stored.split(' ');
  const now = wanted.split(' ');
  const index = identityParts.findIndex((_name, part) => before[part] !== now[part]);
  const name = identityParts[index];
  return name === undefined
    ? 'the Python interpreter changed'
    : `the ${name} changed from ${before[index]} to ${now[index]}`;
}

function expiry(resolvedAt: string, { refresh, now }: Wanted): string {
  if (refresh === 'always') return 'every run resolves again (refresh: always)';
  const then = period(refresh, new Date(resolvedAt));
  return `it was resolved on ${resolvedAt.slice(0, 10)} (${then}), it is now ${period(refresh, now)}, and not everything is pinned (refresh: ${refresh})`;
}

/** @param all what the parts make up */
function partChanges(
  before: readonly string[] | undefined,
  now: readonly string[],
  all: string,
): string[] {
  if (before === undefined) return [`${all} changed`];
  const removed = before.filter((part) => !now.includes(part));
  const added = now.filter((part) => !before.includes(part));
  const changes = removed.map((part) => {
    const successor = added.findIndex((each) => subject(each) === subject(part));
    const [after] = successor < 0 ? [] : added.splice(successor, 1);
    if (after === undefined) return `${readable(part)} was removed`;
    const [old, current] = [readable(part), readable(after)];
    return old === current ? `${old} changed` : `${old} is now ${current}`;
  });
  return [...changes, ...added.map((part) => `${readable(part)} was added`)];
}

/** What a part is about: the name of a project or setting, or the kind of file. */
function subject(part: string): string {
  return /^(?:constraint )?(?:--)?[a-z0-9-]+/i.exec(part)?.[0] ?? part;
}

/** A canonical line as people write it; digests mean nothing to them. */
function readable(part: string): string {
  if (/^(?:project|file) [0-9a-f]{64}$/.test(part)) {
    return part.startsWith('project')
      ? 'the dependency list of a local project'
      : 'a file of cache-dependency-path';
  }
  return part
    .split(' ; ')
    .filter((piece) => piece !== '')
    .map((piece) => piece.replace('[]', '').replace(/^sha\d+:(.{8}).*/, '#$1…'))
    .join(' ');
}
