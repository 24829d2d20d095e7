/** What main and post tell the transfer process, and what its talk means. */

/** What the transfer process is to do. */
export type TransferOrder = {
  /** Relative to the directory that it is started in; its text is part of an entry's version. */
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

/** Before the result, on the last line of the transfer process. */
export const resultMark = 'wheelhouse-transfer-result: ';

/** Before the number of bytes that have gone over the network, up and down, each second. */
export const bytesMark = 'wheelhouse-transfer-bytes: ';

/** What the toolkit has said so far. */
export interface TransferTalk {
  /** The key that the service answered with, once it did. */
  readonly found: string | undefined;
  /** Bytes of the archive that it says have passed. */
  readonly passed: number;
  /** Bytes that have gone over the network, requests that are tried again included. */
  readonly bytes: number;
  /** Bytes of the archive that has arrived; 0 as long as that is not known. */
  readonly archive: number;
  /** Its warnings and errors, decoded. */
  readonly complaints: readonly string[];
  /** Why it did not even try, when it says so. */
  readonly skipped: string | undefined;
  readonly result: TransferResult | undefined;
}

export const silence: TransferTalk = {
  found: undefined,
  passed: 0,
  bytes: 0,
  archive: 0,
  complaints: [],
  skipped: undefined,
  result: undefined,
};

/** Takes in one line of the transfer process (@actions/cache 6.3.0). */
export function heard(talk: TransferTalk, line: string): TransferTalk {
  const hit = /^Cache hit for(?: restore-key)?: (.+)$/.exec(line)?.[1];
  if (hit !== undefined) return { ...talk, found: hit };
  const passed = /^(?:Received|Sent) (\d+) of \d+/.exec(line)?.[1];
  if (passed !== undefined) return { ...talk, passed: Number(passed) };
  const archive = /^Cache Size: .*\((\d+) B\)$/.exec(line)?.[1];
  if (archive !== undefined) return { ...talk, archive: Number(archive) };
  if (line.startsWith(bytesMark)) return { ...talk, bytes: Number(line.slice(bytesMark.length)) };
  const complaint = /^::(?:warning|error)(?: [^:]*)?::(.*)$/.exec(line)?.[1];
  if (complaint !== undefined) {
    return { ...talk, complaints: [...talk.complaints, plain(unescaped(complaint))] };
  }
  // Of every failure to reserve a key the toolkit says that somebody else does; the reason is here.
  const unreserved = /^::debug::(Failed to reserve cache: .+)$/.exec(line)?.[1];
  if (unreserved !== undefined && !/\(409\)|cache write denied/.test(unreserved)) {
    return { ...talk, complaints: [...talk.complaints, unescaped(unreserved)] };
  }
  if (/No space left on device/.test(line)) {
    return { ...talk, complaints: [...talk.complaints, 'the disk is full'] };
  }
  const skipped = /^Cache (?:restore|save) skipped: (.+)$/.exec(line)?.[1];
  if (skipped !== undefined) return { ...talk, skipped };
  // Without an annotation: somebody else has saved, or is saving, the same key.
  if (/^Failed to save: /.test(line)) return { ...talk, skipped: line };
  if (line.startsWith(resultMark)) {
    const result = resultIn(line.slice(resultMark.length));
    return result === undefined ? talk : { ...talk, result };
  }
  return talk;
}

/** A key may hold anything, also a line that looks like a result. */
function resultIn(text: string): TransferResult | undefined {
  try {
    const value = JSON.parse(text) as TransferResult | null;
    return typeof value?.outcome === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Complaints that say little, in words that say what is known. */
function plain(complaint: string): string {
  if (/^Failed to restore:$/.test(complaint)) return 'the archive could not be downloaded';
  return complaint.replace(
    /^Failed to (?:restore|save): .*tar(?:\.exe)?['"]? failed with .*exit code (\d+)$/s,
    'tar failed with exit code $1',
  );
}

/** Lines of the toolkit that tell people something. */
export function isWorthSaying(line: string): boolean {
  return /^(?:Cache Size: |(?:Received|Sent) \d+ of \d+)/.test(line);
}

function unescaped(text: string): string {
  return text.replaceAll('%0A', '\n').replaceAll('%0D', '').replaceAll('%25', '%').trim();
}
