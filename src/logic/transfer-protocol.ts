/** The orders to the transfer process, and how to read its output. */

/** One task of the transfer process. */
export type TransferOrder = {
  /** Hard to guess: the service, whose texts are in the output too, must not be able to end a task. */
  readonly id: string;
  /** Relative to the directory that it starts in; this text is part of the version of an entry. */
  readonly path: string;
  readonly key: string;
} & (
  | { readonly operation: 'restore'; readonly prefixes: readonly string[] }
  | { readonly operation: 'save' }
);

export type TransferResult =
  | { readonly outcome: 'restored'; readonly key: string }
  | { readonly outcome: 'saved' | 'none' | 'unavailable' }
  | { readonly outcome: 'failed'; readonly reason: string };

/** The line that ends the output of an order. */
export function resultLine({ id }: Pick<TransferOrder, 'id'>, result: TransferResult): string {
  return `${resultMark(id)}${JSON.stringify(result)}`;
}

function resultMark(id: string): string {
  return `wheelhouse-transfer-result ${id}: `;
}

/** The prefix of the number of bytes sent and received so far, printed every second. */
export const bytesMark = 'wheelhouse-transfer-bytes: ';

/** The state of a transfer, from its output so far. */
export interface TransferState {
  /** Of the order. */
  readonly id: string;
  /** The key of the entry that the service found. */
  readonly matchedKey: string | undefined;
  /** Bytes of the archive that are complete, as the toolkit reports them. */
  readonly archiveBytes: number;
  /** Bytes sent and received, including retries. */
  readonly networkBytes: number;
  /** Size of the archive in bytes; 0 until it is known. */
  readonly archiveSize: number;
  /** Warnings and errors of the toolkit, decoded. */
  readonly problems: readonly string[];
  /** Why the toolkit did not start a transfer, when it reports that. */
  readonly skipReason: string | undefined;
  readonly result: TransferResult | undefined;
}

export function initialState(id: string): TransferState {
  return {
    id,
    matchedKey: undefined,
    archiveBytes: 0,
    networkBytes: 0,
    archiveSize: 0,
    problems: [],
    skipReason: undefined,
    result: undefined,
  };
}

/** The state of a transfer after one more line of output (@actions/cache 6.3.0). */
export function stateAfter(state: TransferState, line: string): TransferState {
  const hit = /^Cache hit for(?: restore-key)?: (.+)$/.exec(line)?.[1];
  if (hit !== undefined) return { ...state, matchedKey: hit };
  const passed = /^(?:Received|Sent) (\d+) of \d+/.exec(line)?.[1];
  if (passed !== undefined) return { ...state, archiveBytes: Number(passed) };
  const archive = /^Cache Size: .*\((\d+) B\)$/.exec(line)?.[1];
  if (archive !== undefined) return { ...state, archiveSize: Number(archive) };
  if (line.startsWith(bytesMark))
    return { ...state, networkBytes: Number(line.slice(bytesMark.length)) };
  const problem = /^::(?:warning|error)(?: [^:]*)?::(.*)$/.exec(line)?.[1];
  if (problem !== undefined) {
    return { ...state, problems: [...state.problems, plain(unescaped(problem))] };
  }
  // The toolkit reports every reservation failure as "another job…"; only this debug line has the
  // real reason.
  const unreserved = /^::debug::(Failed to reserve cache: .+)$/.exec(line)?.[1];
  if (unreserved !== undefined && !/\(409\)|cache write denied/.test(unreserved)) {
    return { ...state, problems: [...state.problems, unescaped(unreserved)] };
  }
  if (/No space left on device/.test(line)) {
    return { ...state, problems: [...state.problems, 'the disk is full'] };
  }
  const skipReason = /^Cache (?:restore|save) skipped: (.+)$/.exec(line)?.[1];
  if (skipReason !== undefined) return { ...state, skipReason };
  // Without an annotation: another job has saved, or is saving, the same key.
  if (/^Failed to save: /.test(line)) return { ...state, skipReason: line };
  const mark = resultMark(state.id);
  if (line.startsWith(mark)) {
    const result = resultIn(line.slice(mark.length));
    return result === undefined ? state : { ...state, result };
  }
  return state;
}

/** @returns undefined for invalid text */
function resultIn(text: string): TransferResult | undefined {
  try {
    const value = JSON.parse(text) as TransferResult | null;
    return typeof value?.outcome === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces messages that have no useful content. */
function plain(problem: string): string {
  if (/^Failed to restore:$/.test(problem)) return 'the archive could not be downloaded';
  return problem.replace(
    /^Failed to (?:restore|save): .*tar(?:\.exe)?['"]? failed with .*exit code (\d+)$/s,
    'tar failed with exit code $1',
  );
}

/** Whether a line of the toolkit is useful in the log. */
export function isProgress(line: string): boolean {
  return /^(?:Cache Size: |(?:Received|Sent) \d+ of \d+)/.test(line);
}

function unescaped(text: string): string {
  return text.replaceAll('%0A', '\n').replaceAll('%0D', '').replaceAll('%25', '%').trim();
}
