/**
 * The state from the main step to the post step: one versioned JSON text, signed with the job's
 * token for the cache service. Programs that main starts can write to the file that contains it, but
 * do not get that token; with it they could write cache entries anyway.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

import { line, object, SchemaError, satisfying, string } from './schema.ts';

/** Changes with the form; a state of another version is ignored. */
const version = 2;

const stateSchema = object({
  version: satisfying(`${version}`, (value): value is typeof version => value === version),
  // A path may contain any character; it is signed, and never shown as is.
  wheelhouse: string,
  key: line,
  manifest: line,
  signature: line,
});

export interface State {
  /** Absolute path of the wheelhouse to save. */
  readonly wheelhouse: string;
  readonly key: string;
  /** Digest of the manifest that main wrote; no other one is saved. */
  readonly manifest: string;
}

/** @param token of the cache service; a secret of the job */
export function formatState(state: State, token: string): string {
  return JSON.stringify({ version, ...state, signature: signature(state, token) });
}

/** @returns undefined unless the main step of this job wrote the text, in this version */
export function parseState(text: string, token: string): State | undefined {
  try {
    const { wheelhouse, key, manifest, signature: given } = stateSchema(JSON.parse(text), '');
    const state = { wheelhouse, key, manifest };
    const [one, other] = [Buffer.from(signature(state, token)), Buffer.from(given)];
    const isOurs = token !== '' && one.length === other.length && timingSafeEqual(one, other);
    return isOurs ? state : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof SchemaError) return undefined;
    throw error;
  }
}

function signature({ wheelhouse, key, manifest }: State, token: string): string {
  const text = JSON.stringify(['wheelhouse state', version, wheelhouse, key, manifest]);
  return createHmac('sha256', token).update(text).digest('hex');
}
