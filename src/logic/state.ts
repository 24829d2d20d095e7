/**
 * What the main step tells the post step: one versioned JSON text, signed with the job's token for
 * the cache service. Programs that main starts can write to the file that carries it, but do not
 * get that token; who has it can write cache entries without us.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

import { line, object, SchemaError, satisfying, string } from './schema.ts';

/** The number changes with the form: a state of another version is not acted upon. */
const version = 2;

const stateSchema = object({
  version: satisfying(`${version}`, (value): value is typeof version => value === version),
  // A path may contain anything; it is signed, and not shown as it is.
  wheelhouse: string,
  key: line,
  manifest: line,
  signature: line,
});

export interface State {
  /** Absolute path of the wheelhouse to save. */
  readonly wheelhouse: string;
  readonly key: string;
  /** Digest of the manifest that main wrote: nothing else is saved, whoever changes it meanwhile. */
  readonly manifest: string;
}

/** @param token of the cache service; a secret of the job */
export function formatState(state: State, token: string): string {
  return JSON.stringify({ version, ...state, signature: signature(state, token) });
}

/** @returns undefined for a text that main of this job and version did not write */
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
