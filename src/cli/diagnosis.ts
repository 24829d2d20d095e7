/** Why a run would hit or miss, in plain words. */
import { period } from '../logic/freshness.ts';
import { interpreterIdentity, type Keys } from '../logic/key.ts';
import type { Manifest } from '../logic/manifest.ts';
import type { Mismatch, Wanted } from '../logic/verdict.ts';

/** One thing that was looked at. */
export interface Finding {
  readonly level: 'good' | 'note' | 'problem';
  readonly text: string;
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
 * Puts a mismatch into the words of what the user changed.
 * @param reason what the verdict says of it
 * @returns reasons, the deepest first
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
      return [changedIdentity(stored.interpreter, interpreterIdentity(wanted.interpreter))];
    case 'sources':
      return changedParts('where wheels come from', stored.parts?.sources, parts.sources);
    case 'request':
      return changedParts('what is asked for', stored.parts?.lines, parts.lines);
    case 'age':
      return [tooOld(stored.resolvedAt, wanted)];
    default:
      return [reason];
  }
}

/** The first part that differs: the ABI and the platform follow from the version. */
function changedIdentity(stored: string, wanted: string): string {
  const before = stored.split(' ');
  const now = wanted.split(' ');
  const index = identityParts.findIndex((_name, part) => before[part] !== now[part]);
  const name = identityParts[index];
  return name === undefined
    ? 'the interpreter is another one'
    : `${name} was ${before[index]} and is ${now[index]}`;
}

function tooOld(resolvedAt: string, { refresh, now }: Wanted): string {
  if (refresh === 'always') return 'refresh is always: the index is asked on every run';
  const then = period(refresh, new Date(resolvedAt));
  return `it was resolved on ${resolvedAt.slice(0, 10)} (${then}), now is ${period(refresh, now)}, and not everything is pinned (refresh: ${refresh})`;
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
