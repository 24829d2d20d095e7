/**
 * The copies of a request that pip is given. They are flattened, so that each step gets exactly
 * the lines that it needs; `${VARIABLES}` stay unexpanded, so that no secret is written to disk.
 */

import type { Source } from './errors.ts';
import { type FailedRequirement, isOf } from './pip-output.ts';
import {
  type IndexRequirement,
  namesIndex,
  plainText,
  type RequestLine,
} from './requirement-line.ts';
import { optionText } from './requirement-options.ts';
import { quoted } from './requirement-words.ts';
import { indexRequirements } from './requirements.ts';

/** pip guesses the encoding of a file without this line. */
const header = '# -*- coding: utf-8 -*-';

/** A requirement as a file that pip can resolve: a wheel, or a stub with its metadata. */
export interface Resolved {
  readonly name: string;
  readonly extras: readonly string[];
  readonly marker: string | undefined;
  /** undefined for what the user did not write. */
  readonly source: Source | undefined;
  /** file: URL of the wheel or stub. */
  readonly url: string;
  /** Hex, of that file. */
  readonly sha256: string;
}

/** A wheel that was built before, offered to pip so that it isn't built again. */
export interface Offer {
  readonly name: string;
  readonly url: string;
  readonly version: string;
  readonly sha256: string;
  /** The request fixes this version: pip need not look for another. */
  readonly isPin: boolean;
}

/** A file for pip, and where each of its lines comes from. */
export interface GeneratedFile {
  readonly text: string;
  /** By line, the first one at 0; undefined: a line of our own. */
  readonly sources: readonly (Source | undefined)[];
}

/** A request with its constraints, which it includes. */
export interface GeneratedRequest {
  readonly request: GeneratedFile;
  readonly constraints: GeneratedFile;
}

interface Entry {
  readonly text: string;
  readonly source?: Source;
}

/** What a fill adds to the user's lines. */
export interface Additions {
  readonly resolved?: readonly Resolved[];
  readonly offers?: readonly Offer[];
  /** Every line has a hash, so pip checks all of them. */
  readonly hashMode?: boolean;
}

/**
 * The request for the fill: the user's lines, with built wheels offered.
 * In hash mode a built wheel's own hash takes the place of its sdist's: next to them pip would
 * prefer the sdist and build again (seen on pip 23.2 and 26.3).
 */
export function fillFiles(
  lines: readonly RequestLine[],
  constraintsFile: string,
  { resolved = [], offers = [], hashMode = false }: Additions = {},
): GeneratedRequest {
  const offered = new Map(offers.map((offer) => [offer.name, offer]));
  const render = (line: RequestLine): Entry => {
    const offer =
      line.kind === 'index' && line.hashes.length > 0 ? offered.get(line.name) : undefined;
    const text = hashMode && offer && line.kind === 'index' ? withHash(line, offer) : undefined;
    return { text: text ?? line.text, source: line.source };
  };
  return request(
    [
      ...offers
        .filter((offer) => !offer.isPin)
        .map((offer) => ({ text: `--find-links ${quoted(offer.url)}` })),
      ...lines
        .filter((line) => !line.constraint && line.kind !== 'direct' && isForPip(line))
        .map(render),
      ...resolved.map((each) => resolvedLine(each, hashMode)),
    ],
    [
      ...lines.filter((line) => line.constraint && isForPip(line)).map(render),
      // Unlike a file that is found by --find-links, this also counts where --no-binary is given.
      ...offers
        .filter((offer) => offer.isPin)
        .map(({ name, url }) => ({ text: `${name} @ ${url}` })),
    ],
    constraintsFile,
  );
}

function isForPip(line: RequestLine): boolean {
  return line.text !== '' && !namesIndex(line);
}

/** @returns undefined when its options can't be told apart from its hashes */
function withHash(line: IndexRequirement, { sha256 }: Offer): string | undefined {
  const options = line.options.map(optionText);
  return options.includes(undefined)
    ? undefined
    : [plainText(line), ...options, `--hash=sha256:${sha256}`].join(' ');
}

/**
 * The request for the closing: without hashes (a built wheel has another than its sdist) and
 * without options, as only the wheels that the fill chose are there to be found.
 */
export function closeFiles(
  lines: readonly RequestLine[],
  resolved: readonly Resolved[],
  constraintsFile: string,
): GeneratedRequest {
  const plain = (constraint: boolean): Entry[] =>
    indexRequirements(lines)
      .filter((line) => line.constraint === constraint)
      .map((line) => ({ text: plainText(line), source: line.source }));
  return request(
    [...plain(false), ...resolved.map((each) => resolvedLine(each, false))],
    plain(true),
    constraintsFile,
  );
}

/** A request of the given lines only. */
export function plainRequest(lines: readonly string[], source?: Source): GeneratedRequest {
  return { request: plainFile(lines, source), constraints: plainFile([]) };
}

/** A file with the given lines only. */
export function plainFile(lines: readonly string[], source?: Source): GeneratedFile {
  return file(lines.map((text) => (source ? { text, source } : { text })));
}

/**
 * What pip says of generated files, said of the user's own: `-r requirements.txt (line 3)`.
 * @param files generated files by path
 */
export function withUserSources(text: string, files: ReadonlyMap<string, GeneratedFile>): string {
  let result = text;
  for (const [path, { sources }] of files) {
    const named = (line: string, plain: string): string => {
      const source = sources[Number(line) - 1];
      if (source === undefined) return plain;
      return source.line === undefined ? source.file : `${source.file} (line ${source.line})`;
    };
    const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    result = result
      .replace(new RegExp(`-[rc] ${escaped} \\(line (\\d+)\\)`, 'g'), (_whole, line: string) =>
        named(line, 'wheelhouse'),
      )
      .replace(new RegExp(`line (\\d+) of ${escaped}`, 'g'), (_whole, line: string) =>
        named(line, 'wheelhouse'),
      );
  }
  return result;
}

/**
 * Where the user asks for what pip failed for.
 * @returns undefined when no line of the user's does
 */
export function placeOf(
  { place, project, dependent }: FailedRequirement,
  { request }: GeneratedRequest,
): Source | undefined {
  if (place !== undefined) return place;
  const lines = request.text.split('\n');
  const index = lines.findIndex((line) => isOf(line, dependent ?? project));
  return request.sources[index];
}

function request(
  lines: readonly Entry[],
  constraints: readonly Entry[],
  constraintsFile: string,
): GeneratedRequest {
  const include = constraints.length > 0 ? [{ text: `-c ${quoted(constraintsFile)}` }] : [];
  return { request: file([...include, ...lines]), constraints: file(constraints) };
}

function file(entries: readonly Entry[]): GeneratedFile {
  return {
    text: `${[header, ...entries.map((entry) => entry.text)].join('\n')}\n`,
    sources: [undefined, ...entries.map((entry) => entry.source)],
  };
}

function resolvedLine(
  { name, extras, marker, source, url, sha256 }: Resolved,
  hashMode: boolean,
): Entry {
  const text = [
    `${name}${extras.length > 0 ? `[${extras.join(',')}]` : ''} @ ${url}`,
    ...(marker === undefined ? [] : [` ; ${marker}`]),
    ...(hashMode ? [` --hash=sha256:${sha256}`] : []),
  ].join('');
  return source ? { text, source } : { text };
}
