/**
 * The requirement files that pip reads: flattened copies of the user's, with exactly the lines that
 * a step needs. `${VARIABLES}` stay unexpanded, so that no secret is written to disk.
 */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Source } from './errors.ts';
import { type FailedRequirement, projectIn } from './pip-output.ts';
import type { LockedFile } from './pylock.ts';
import {
  type IndexRequirement,
  namesIndex,
  plainText,
  type RequestLine,
} from './requirement-line.ts';
import { optionText } from './requirement-options.ts';
import { quoted } from './requirement-words.ts';
import { indexRequirements } from './requirements.ts';

/** Without this line pip guesses the encoding of a file. */
const header = '# -*- coding: utf-8 -*-';

/** A requirement as a file that pip can resolve: a wheel, or a stub with its metadata. */
export interface Resolved {
  /** Normalised. */
  readonly name: string;
  readonly extras: readonly string[];
  readonly marker: string | undefined;
  /** undefined when no line of the user's names it. */
  readonly source: Source | undefined;
  /** file: URL of the wheel or stub. */
  readonly url: string;
  /** Hex, of that file. */
  readonly sha256: string;
}

/** A wheel from an earlier build, offered to pip so that it does not build again. */
export interface Offer {
  readonly name: string;
  readonly url: string;
  readonly version: string;
  readonly sha256: string;
  /** The request pins this version, so pip needs no other. */
  readonly isPin: boolean;
}

interface Entry {
  readonly text: string;
  /** The user's line behind it, if any. */
  readonly source?: Source | undefined;
  /** The normalised name of the project that it requires, if known. */
  readonly project?: string;
}

/** A file for pip, and the origin of each of its lines. */
export interface GeneratedFile {
  readonly text: string;
  readonly entries: readonly Entry[];
}

/** A request with its constraints, which it includes. */
export interface GeneratedRequest {
  readonly request: GeneratedFile;
  readonly constraints: GeneratedFile;
}

/** Everything that a fill adds to the user's lines. */
interface Additions {
  readonly resolved?: readonly Resolved[];
  readonly offers?: readonly Offer[];
  /** pip checks the hashes of all lines. */
  readonly hashMode?: boolean;
  /** Path of a {@link linksPage}. */
  readonly linksFile?: string | undefined;
}

/**
 * The request for the fill: the user's lines and the offers.
 * In hash mode the hash of a built wheel replaces those of its sdist: with both, pip would prefer
 * the sdist and build again (seen on pip 23.2 and 26.3).
 */
export function fillFiles(
  lines: readonly RequestLine[],
  constraintsFile: string,
  { resolved = [], offers = [], hashMode = false, linksFile }: Additions = {},
): GeneratedRequest {
  const render = (line: RequestLine): Entry => {
    const { text, source } = line;
    if (line.kind !== 'index') return { text, source };
    const project = line.name;
    const offer = hashMode && line.hashes.length > 0 && offers.find(({ name }) => name === project);
    return { text: (offer && withHash(line, offer)) || text, source, project };
  };
  return request(
    [
      ...(linksFile === undefined ? [] : [{ text: `--find-links ${quoted(linksFile)}` }]),
      ...offers
        .filter((offer) => !offer.isPin)
        .map(({ url }) => ({ text: `--find-links ${quoted(url)}` })),
      ...lines
        .filter((line) => !line.constraint && line.kind !== 'direct' && isForPip(line))
        .map(render),
      ...resolved.map((each) => resolvedLine(each, hashMode)),
    ],
    [
      ...lines.filter((line) => line.constraint && isForPip(line)).map(render),
      // Unlike --find-links, a constraint also has an effect under --no-binary.
      ...offers
        .filter((offer) => offer.isPin)
        .map(({ name, url }) => ({ text: `${name} @ ${url}` })),
    ],
    constraintsFile,
  );
}

/**
 * The page that tells pip where the files of lock files are, with their hashes. pip prefers the same
 * file of an index, so this only matters for files that the index lacks.
 * @param directory absolute path that relative paths start from
 */
export function linksPage(files: readonly LockedFile[], directory: string): string {
  const links = files.map(({ name, location, isPath, hash }) => {
    const url = new URL(isPath ? pathToFileURL(path.resolve(directory, location)) : location);
    url.hash = hash.replace(':', '=');
    return `<a href="${url.href.replaceAll('&', '&amp;').replaceAll('"', '%22')}">${name}</a>\n`;
  });
  return `<!DOCTYPE html>\n<meta charset="utf-8">\n${links.join('')}`;
}

function isForPip(line: RequestLine): boolean {
  return line.text !== '' && !namesIndex(line);
}

/** @returns undefined when its options can't be separated from its hashes */
function withHash(line: IndexRequirement, { sha256 }: Offer): string | undefined {
  const options = line.options.map(optionText);
  return options.includes(undefined)
    ? undefined
    : [plainText(line), ...options, `--hash=sha256:${sha256}`].join(' ');
}

/**
 * The request for the offline resolution: without hashes, since those of built wheels differ from
 * those of their sdists, and without options, since pip finds only the wheels of the fill.
 */
export function closeFiles(
  lines: readonly RequestLine[],
  resolved: readonly Resolved[],
  constraintsFile: string,
): GeneratedRequest {
  const plain = (constraint: boolean): Entry[] =>
    indexRequirements(lines)
      .filter((line) => line.constraint === constraint)
      .map((line) => ({ text: plainText(line), source: line.source, project: line.name }));
  return request(
    [...plain(false), ...resolved.map((each) => resolvedLine(each, false))],
    plain(true),
    constraintsFile,
  );
}

/** The options of a requirement file that uv reads, or warns about, and that do not name an index. */
const uvOptions = ['find-links', 'no-index', 'no-binary', 'only-binary', 'pre', 'prefer-binary'];

/** The request for uv: the user's lines without the options that uv does not know. */
export function uvFiles(
  lines: readonly RequestLine[],
  resolved: readonly Resolved[],
  constraintsFile: string,
): GeneratedRequest {
  const isForUv = ({ kind, ...line }: RequestLine): boolean =>
    kind === 'index' || (kind === 'option' && 'name' in line && uvOptions.includes(line.name));
  const render = (line: RequestLine): Entry => {
    if (line.kind !== 'index') return { text: line.text, source: line.source };
    const text = [plainText(line), ...line.hashes.map((hash) => `--hash=${hash}`)].join(' ');
    return { text, source: line.source, project: line.name };
  };
  const rendered = (constraint: boolean): Entry[] =>
    lines
      .filter((line) => line.constraint === constraint && line.text !== '' && isForUv(line))
      .map(render);
  return request(
    [...rendered(false), ...resolved.map((each) => resolvedLine(each, false))],
    rendered(true),
    constraintsFile,
  );
}

/** A request with only the given lines. */
export function plainRequest(lines: readonly string[], source?: Source): GeneratedRequest {
  return { request: plainFile(lines, source), constraints: plainFile([]) };
}

/** A file with only the given lines. @param source the user's line behind all of them */
export function plainFile(lines: readonly string[], source?: Source): GeneratedFile {
  return file(lines.map((text) => ({ text, source })));
}

/**
 * pip's output with the places of the user's files instead of those of generated files:
 * `-r requirements.txt (line 3)`, and with the names of local projects instead of their stubs.
 * @param files generated files by path
 */
export function withUserSources(text: string, files: ReadonlyMap<string, GeneratedFile>): string {
  let result = withoutStubs(text);
  for (const [path, { entries }] of files) {
    const place = (_whole: string, line: string): string => {
      const source = entries[Number(line) - 1]?.source;
      if (source === undefined) return 'wheelhouse';
      return source.line === undefined ? source.file : `${source.file} (line ${source.line})`;
    };
    const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    result = result
      .replace(new RegExp(`-[rc] ${escaped} \\(line (\\d+)\\)`, 'g'), place)
      .replace(new RegExp(`line (\\d+) of ${escaped}`, 'g'), place);
  }
  return result;
}

/** pip's output with the names of local projects instead of the files of their stubs. */
function withoutStubs(text: string): string {
  const stub = '-0wheelhouse-py3-none-any\\.whl';
  return text
    .replace(new RegExp(` \\(from (?:file:)?[^\\s()]*${stub}\\)`, 'g'), '')
    .replace(new RegExp(` ?@ file:[^\\s()>]*?${stub}`, 'g'), '')
    .replace(
      new RegExp(`^(\\s*Processing ).*[\\\\/]([^\\\\/\\s-]+)-([^\\\\/\\s-]+)${stub}`, 'gm'),
      '$1$2 $3',
    );
}

/**
 * The user's line that requires the project that pip failed for.
 * @returns undefined when it is not known
 */
export function placeOf(
  { place, project, dependent }: FailedRequirement,
  { request }: GeneratedRequest,
): Source | undefined {
  if (place !== undefined) return place;
  const lines = request.entries.filter(({ source }) => source !== undefined);
  const line = lines.find((each) => each.project === projectIn(dependent ?? project));
  // A request with a single line failed because of that one.
  return line?.source ?? (lines.length === 1 ? lines[0]?.source : undefined);
}

function request(
  lines: readonly Entry[],
  constraints: readonly Entry[],
  constraintsFile: string,
): GeneratedRequest {
  const include = constraints.length > 0 ? [{ text: `-c ${quoted(constraintsFile)}` }] : [];
  return { request: file([...include, ...lines]), constraints: file(constraints) };
}

function file(lines: readonly Entry[]): GeneratedFile {
  const entries = [{ text: header }, ...lines];
  return { text: entries.map(({ text }) => `${text}\n`).join(''), entries };
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
  return { text, source, project: name };
}
