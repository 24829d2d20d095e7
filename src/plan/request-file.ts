/**
 * The copies of a request that pip is given. They are flattened, so that each step gets exactly
 * the lines that it needs; `${VARIABLES}` stay unexpanded, so that no secret is written to disk.
 */
import type { DirectRequirement, RequestLine } from './model.ts';
import { indexRequirements } from './requirements.ts';

/** pip guesses the encoding of a file without this line. */
const header = '# -*- coding: utf-8 -*-';

/** A direct requirement as a file that pip can resolve: a wheel, or a stub with its metadata. */
export interface Resolved {
  readonly requirement: DirectRequirement;
  readonly name: string;
  /** file: URL of the wheel or stub. */
  readonly url: string;
  /** Hex, of that file. */
  readonly sha256: string;
}

/** A wheel that was built here, offered to pip so that it isn't built again. */
export interface Offer {
  readonly name: string;
  readonly url: string;
  readonly version: string;
  readonly sha256: string;
}

/** Options that belong to the request as a whole and are handed on to the fill. */
const ownFiles = new Set(['requirement', 'constraint']);

/**
 * The request for the fill: the user's lines, with built wheels offered.
 * In hash mode a built wheel's own hash takes the place of its sdist's: next to them pip would
 * prefer the sdist and build again (seen on pip 23.2 and 26.3).
 */
export function fillFiles(
  lines: readonly RequestLine[],
  resolved: readonly Resolved[],
  offers: readonly Offer[],
  hashMode: boolean,
  constraintsFile: string,
): { request: string; constraints: string } {
  const offered = new Map(offers.map((offer) => [offer.name, offer]));
  const render = (line: RequestLine): string => {
    if (!hashMode || line.kind !== 'index' || line.hashes.length === 0) return line.text;
    const offer = offered.get(line.name);
    return offer ? `${line.unhashed} --hash=sha256:${offer.sha256}` : line.text;
  };
  const constraints = lines.filter((line) => line.constraint).map(render);
  const request = [
    ...offers.map((offer) => `--find-links ${offer.url}`),
    ...lines
      .filter((line) => !line.constraint && line.kind !== 'direct')
      .filter((line) => line.kind !== 'option' || !ownFiles.has(line.name))
      .map(render),
    ...resolved.map((each) => resolvedLine(each, hashMode)),
  ];
  return files(request, constraints, constraintsFile);
}

/**
 * The request for the closing: without hashes (a built wheel has another than its sdist) and
 * without options, as only the wheels that the fill chose are there to be found.
 */
export function closeFiles(
  lines: readonly RequestLine[],
  resolved: readonly Resolved[],
  constraintsFile: string,
): { request: string; constraints: string } {
  const index = indexRequirements(lines);
  const plain = (constraint: boolean): string[] =>
    index
      .filter((line) => line.constraint === constraint)
      .map((line) => withoutOptions(line.unhashed));
  return files(
    [...plain(false), ...resolved.map((each) => resolvedLine(each, false))],
    plain(true),
    constraintsFile,
  );
}

/** A file with the given lines only. */
export function plainFile(lines: readonly string[]): string {
  return `${[header, ...lines].join('\n')}\n`;
}

function files(
  request: readonly string[],
  constraints: readonly string[],
  constraintsFile: string,
): { request: string; constraints: string } {
  const include = constraints.length > 0 ? [`-c ${constraintsFile}`] : [];
  return { request: plainFile([...include, ...request]), constraints: plainFile(constraints) };
}

function withoutOptions(text: string): string {
  const start = /\s-/.exec(text)?.index;
  return start === undefined ? text : text.slice(0, start);
}

function resolvedLine({ requirement, name, url, sha256 }: Resolved, hashMode: boolean): string {
  const extras = requirement.extras.length > 0 ? `[${requirement.extras.join(',')}]` : '';
  const marker = requirement.marker === undefined ? '' : ` ; ${requirement.marker}`;
  const hash = hashMode ? ` --hash=sha256:${sha256}` : '';
  return `${name}${extras} @ ${url}${marker}${hash}`;
}
