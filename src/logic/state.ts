/**
 * The state from the main step to the post step: one versioned JSON text, signed with the job's
 * token for the cache service. Programs that main starts can write to the file that contains it, but
 * do not get that token; with it they could write cache entries anyway.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

import { type Change, changeSchema } from './change-entry.ts';
import { line, list, object, optional, SchemaError, satisfying, string } from './schema.ts';

/** Changes with the form; a state of another version is ignored. */
const version = 4;

const stateSchema = object({
  version: satisfying(`${version}`, (value): value is typeof version => value === version),
  // A path may contain any character; it is signed, and never shown as is.
  wheelhouses: list(
    object({ wheelhouse: string, key: line, manifest: line, change: optional(changeSchema) }),
  ),
  signature: line,
});

/** A wheelhouse that the post step saves. */
export interface State {
  /** Absolute path. */
  readonly wheelhouse: string;
  readonly key: string;
  /** Digest of the manifest that main wrote; no other one is saved. */
  readonly manifest: string;
  /** What to save of it; by default everything. */
  readonly change?: Change;
}

/** @param token of the cache service; a secret of the job */
export function formatState(states: readonly State[], token: string): string {
  return JSON.stringify({ version, wheelhouses: states, signature: signature(states, token) });
}

/** @returns undefined unless the main step of this job wrote the text, in this version */
export function parseState(text: string, token: string): readonly State[] | undefined {
  try {
    const { wheelhouses, signature: given } = stateSchema(JSON.parse(text), '');
    const [one, other] = [Buffer.from(signature(wheelhouses, token)), Buffer.from(given)];
    const isOurs = token !== '' && one.length === other.length && timingSafeEqual(one, other);
    return isOurs ? wheelhouses : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof SchemaError) return undefined;
    throw error;
  }
}

function signature(states: readonly State[], token: string): string {
  const parts = states.map(({ wheelhouse, key, manifest, change }) => [
    ...[wheelhouse, key, manifest],
    change === undefined
      ? null
      : [change.base.key, change.base.size, change.base.saved, change.wheels],
  ]);
  const text = JSON.stringify(['wheelhouse state', version, parts]);
  return createHmac('sha256', token).update(text).digest('hex');
}
