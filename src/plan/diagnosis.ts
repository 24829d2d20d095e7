/** Why a run would hit or miss, in plain words. */
import { period } from './freshness.ts';
import { interpreterIdentity, type Keys } from './key.ts';
import type { Manifest } from './manifest.ts';
import type { Interpreter, Refresh } from './model.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly level: 'good' | 'note' | 'problem';
  readonly text: string;
}

/** What a run would look for. */
export interface Wanted {
  readonly keys: Keys;
  readonly interpreter: Interpreter;
  readonly refresh: Refresh;
  readonly now: Date;
}

const identityParts = [
  'the Python implementation',
  'the Python version',
  'the ABI',
  'the platform',
  'the machine',
  'the C library',
  'the threading model',
] as const;

/**
 * What of a stored wheelhouse differs from what is wanted now.
 * @returns reasons, the deepest first; empty: it serves
 */
export function differences(stored: Manifest, wanted: Wanted): string[] {
  const identity = interpreterIdentity(wanted.interpreter);
  if (stored.interpreter !== identity) {
    const before = stored.interpreter.split(' ');
    const now = identity.split(' ');
    const changed = identityParts.flatMap((name, index) =>
      before[index] === now[index] ? [] : [`${name} was ${before[index]} and is ${now[index]}`],
    );
    // The ABI and the platform follow from the version: one reason is enough.
    return [changed[0] ?? 'the interpreter is another one'];
  }
  const { parts } = wanted.keys;
  if (stored.sources !== wanted.keys.sources) {
    return changedParts('where wheels come from', stored.parts?.sources, parts.sources);
  }
  if (stored.request !== wanted.keys.request) {
    return changedParts('what is asked for', stored.parts?.asked, parts.asked);
  }
  const then = period(wanted.refresh, new Date(stored.resolvedAt));
  const now = period(wanted.refresh, wanted.now);
  if (wanted.refresh === 'always') return ['refresh is always: the index is asked on every run'];
  if (!stored.pinned && wanted.refresh !== 'never' && then !== now) {
    return [
      `it was resolved on ${stored.resolvedAt.slice(0, 10)} (${then}), now is ${now}, and not everything is pinned (refresh: ${wanted.refresh})`,
    ];
  }
  return [];
}

function changedParts(
  what: string,
  before: readonly string[] | undefined,
  now: readonly string[],
): string[] {
  if (before === undefined) return [`${what} has changed`];
  const gone = before.filter((part) => !now.includes(part));
  const added = now.filter((part) => !before.includes(part));
  const reasons = gone.map((part) => {
    const successor = added.findIndex((each) => subject(each) === subject(part));
    const [after] = successor < 0 ? [] : added.splice(successor, 1);
    return after === undefined
      ? `${readable(part)} is no longer there`
      : `${readable(part)} is now ${readable(after)}`;
  });
  return [...reasons, ...added.map((part) => `${readable(part)} is new`)];
}

/** What a part is about: the project's name, the setting, the kind. */
function subject(part: string): string {
  return /^(?:constraint )?(?:--)?[a-z0-9-]+/i.exec(part)?.[0] ?? part;
}

/** A canonical line as people write it. */
function readable(part: string): string {
  if (/^(?:project|file) [0-9a-f]{64}$/.test(part)) {
    return part.startsWith('project')
      ? 'the dependencies of a local project'
      : 'a file of cache-dependency-path';
  }
  return part
    .split(' ; ')
    .filter((piece) => piece !== '')
    .map((piece) => piece.replace('[]', '').replace(/^sha\d+:(.{8}).*/, '#$1…'))
    .join(' ');
}
