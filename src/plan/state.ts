/** What the main step tells the post step: one versioned JSON text. */

/** The number changes with the form: a state of another version is not acted upon. */
const version = 1;

export interface State {
  /** Absolute path of the wheelhouse to save. */
  readonly wheelhouse: string;
  readonly key: string;
  /** Digest of the request: what lies in the wheelhouse must still be made for it. */
  readonly request: string;
  /** Identity of the interpreter. */
  readonly interpreter: string;
}

export function formatState(state: State): string {
  return JSON.stringify({ version, ...state });
}

/**
 * @returns the state, or undefined for a text that no main step of this version wrote: the main
 *   step did not run, or left nothing to save
 */
export function parseState(text: string): State | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = value as Record<string, unknown>;
  if (entry['version'] !== version) return undefined;
  const field = (name: string): string | undefined => {
    const text = entry[name];
    return typeof text === 'string' && text !== '' ? text : undefined;
  };
  const wheelhouse = field('wheelhouse');
  const key = field('key');
  const request = field('request');
  const interpreter = field('interpreter');
  if (!wheelhouse || !key || !request || !interpreter) return undefined;
  return { wheelhouse, key, request, interpreter };
}
