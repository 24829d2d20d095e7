/**
 * The manifest of a wheelhouse: what it holds, for which request and which interpreter. It decides
 * what may be used; a cache key only helps to find it.
 */

import { isFresh } from './freshness.ts';
import type { Refresh, RequestLine } from './model.ts';
import { isWheelFileName, normalizeName, sameVersion, wheelNameParts } from './names.ts';
import { indexRequirements } from './requirements.ts';

export const manifestFile = 'wheelhouse.json';
export const lockFile = 'requirements.lock';
/** A manifest of a newer schema is not read: a miss is safer than a guess. */
const schema = 2;

export interface Wheel {
  /** Normalised. */
  readonly name: string;
  /** The name as its metadata spell it: pip names directories after what it is asked for. */
  readonly project: string;
  readonly version: string;
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  readonly origin: 'downloaded' | 'built';
  /** runtime: in the lock. build: what local projects need to be built. tool: what installs. */
  readonly role: 'runtime' | 'build' | 'tool';
  /** The hashes that the request asked for when this wheel came in; of a built wheel, its sdist's. */
  readonly asked?: readonly string[];
  /** The fingerprint of the URL that the request named for it. */
  readonly url?: string;
}

/** A requirement that is installed from its own place: its dependencies are in the wheelhouse. */
export interface DirectProject {
  /** The requirement's canonical text. */
  readonly requirement: string;
  readonly name: string;
  readonly version: string;
  readonly extras: readonly string[];
  /** Its `Requires-Dist` without URLs, sorted: other ones mean another closure. */
  readonly requires: readonly string[];
}

export interface Manifest {
  readonly interpreter: string;
  /** Digest of the request that it was closed for. */
  readonly request: string;
  /** Digest of where its wheels came from and how they were built. */
  readonly sources: string;
  /** ISO 8601, UTC: when an index was last asked. */
  readonly resolvedAt: string;
  /** The request fixes the version of every runtime wheel. */
  readonly pinned: boolean;
  readonly wheels: readonly Wheel[];
  readonly direct: readonly DirectProject[];
  /**
   * Projects that it relies on without containing them: the environment had them, and the request's
   * hashes admit no file of theirs.
   */
  readonly relied: readonly { readonly name: string; readonly version: string }[];
  /** Seconds that the longest fill took which it goes back to: what a hit saves. */
  readonly effort?: number;
  /** Version of the Python that it was made with; a patch release does not matter. */
  readonly python?: string;
  /** What the digests are made of, to explain a miss, without any address; left out where it is long. */
  readonly parts?: { readonly sources: readonly string[]; readonly asked: readonly string[] };
}

/** Characters of `parts` that a manifest carries along. */
const maxParts = 200_000;

/** @returns the parts, or undefined when a manifest would grow out of proportion with them */
export function keepableParts(parts: NonNullable<Manifest['parts']>): Manifest['parts'] {
  return JSON.stringify(parts).length > maxParts ? undefined : parts;
}

/** Why a manifest can't be used. */
export class ManifestError extends Error {}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ schema, ...manifest }, undefined, 2)}\n`;
}

/**
 * Reads a manifest from text that anybody may have written.
 * @throws ManifestError with the reason: not JSON, another schema, a field that is missing or of
 *   the wrong form, a file name that could leave the directory
 */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ManifestError(`${manifestFile} is not JSON`);
  }
  const top = record(value, 'it');
  if (top['schema'] !== schema) {
    throw new ManifestError(
      `${manifestFile} has schema ${JSON.stringify(top['schema'])}; this version reads ${schema}`,
    );
  }
  const resolvedAt = string(top, 'resolvedAt');
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(resolvedAt) || Number.isNaN(Date.parse(resolvedAt))) {
    throw new ManifestError('resolvedAt is not a date');
  }
  const wheels = list(top, 'wheels').map(wheel);
  if (new Set(wheels.map((each) => each.file)).size !== wheels.length) {
    throw new ManifestError('a wheel is listed twice');
  }
  const names = wheels.filter((each) => each.role === 'runtime').map((each) => each.name);
  if (new Set(names).size !== names.length) throw new ManifestError('a project is listed twice');
  return {
    interpreter: string(top, 'interpreter'),
    request: string(top, 'request'),
    sources: string(top, 'sources'),
    resolvedAt,
    pinned: boolean(top, 'pinned'),
    wheels,
    direct: list(top, 'direct').map((item) => {
      const entry = record(item, 'direct');
      return {
        requirement: string(entry, 'requirement'),
        name: projectNameOf(entry),
        version: versionOf(entry),
        extras: strings(entry, 'extras'),
        requires: strings(entry, 'requires'),
      };
    }),
    relied: list(top, 'relied').map((item) => {
      const entry = record(item, 'relied');
      return { name: projectNameOf(entry), version: versionOf(entry) };
    }),
    ...(typeof top['effort'] === 'number' ? { effort: top['effort'] } : {}),
    ...(top['python'] === undefined ? {} : { python: string(top, 'python') }),
    ...(top['parts'] === undefined ? {} : { parts: partsOf(record(top['parts'], 'parts')) }),
  };
}

function partsOf(entry: Readonly<Record<string, unknown>>): NonNullable<Manifest['parts']> {
  return { sources: shownLines(entry, 'sources'), asked: shownLines(entry, 'asked') };
}

function wheel(item: unknown): Wheel {
  const entry = record(item, 'wheels');
  const file = string(entry, 'file');
  const sha256 = string(entry, 'sha256');
  const size = entry['size'];
  const origin = entry['origin'];
  const role = entry['role'];
  const name = projectNameOf(entry);
  const version = string(entry, 'version');
  if (!isWheelFileName(file)) throw new ManifestError(`${JSON.stringify(file)} is no wheel's name`);
  const named = wheelNameParts(file);
  if (named.name !== name) {
    throw new ManifestError(`${file} is not a wheel of ${JSON.stringify(name)}`);
  }
  if (!isVersionText(version) || !sameVersion(version, named.version)) {
    throw new ManifestError(`${file} is not version ${JSON.stringify(version)}`);
  }
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new ManifestError(`${file} has no sha256`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new ManifestError(`${file} has no size`);
  }
  if (origin !== 'downloaded' && origin !== 'built') throw new ManifestError(`${file}: origin`);
  if (role !== 'runtime' && role !== 'build' && role !== 'tool')
    throw new ManifestError(`${file}: role`);
  const project = string(entry, 'project');
  if (normalizeName(project) !== name || !/^[A-Za-z0-9._-]+$/.test(project)) {
    throw new ManifestError(`${file} is not a wheel of ${JSON.stringify(project)}`);
  }
  return {
    name,
    project,
    version,
    file,
    sha256,
    size,
    origin,
    role,
    ...(entry['asked'] === undefined ? {} : { asked: strings(entry, 'asked') }),
    ...(entry['url'] === undefined ? {} : { url: string(entry, 'url') }),
  };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ManifestError(`${what} is not an object`);
  }
  return value as Record<string, unknown>;
}

/** One line of text: it is shown, and must not make lines of its own. */
function string(entry: Readonly<Record<string, unknown>>, field: string): string {
  const value = entry[field];
  if (typeof value !== 'string' || value === '' || /\p{Cc}|\u2028|\u2029/u.test(value)) {
    throw new ManifestError(`${field} is not a text`);
  }
  return value;
}

function projectNameOf(entry: Readonly<Record<string, unknown>>): string {
  const name = string(entry, 'name');
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) throw new ManifestError('name is no project name');
  return name;
}

function versionOf(entry: Readonly<Record<string, unknown>>): string {
  const version = string(entry, 'version');
  if (!isVersionText(version)) throw new ManifestError('version is not a version');
  return version;
}

function isVersionText(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(text);
}

function boolean(entry: Readonly<Record<string, unknown>>, field: string): boolean {
  const value = entry[field];
  if (typeof value !== 'boolean') throw new ManifestError(`${field} is not true or false`);
  return value;
}

function list(entry: Readonly<Record<string, unknown>>, field: string): readonly unknown[] {
  const value = entry[field];
  if (!Array.isArray(value)) throw new ManifestError(`${field} is not a list`);
  return value;
}

/** As {@link strings}, of texts that are shown: one line each. */
function shownLines(entry: Readonly<Record<string, unknown>>, field: string): string[] {
  return strings(entry, field).map((value) => value.replace(/[\p{Cc}\u2028\u2029]/gu, ' '));
}

function strings(entry: Readonly<Record<string, unknown>>, field: string): string[] {
  return list(entry, field).map((value) => {
    if (typeof value !== 'string')
      throw new ManifestError(`${field} holds something else than text`);
    return value;
  });
}

/**
 * Where a manifest that claims to be a request's own plainly contradicts it: a project that is asked
 * for is missing, or is there in another version than the one that is asked for. What a marker
 * decides is left to the interpreter, and not looked at.
 */
export function contradiction(
  { wheels, direct }: Manifest,
  lines: readonly RequestLine[],
): string | undefined {
  const runtime = wheels.filter((each) => each.role === 'runtime');
  const versions = new Map(runtime.map(({ name, version }) => [name, version]));
  const others = new Set(direct.map(({ name }) => name));
  for (const { name, pin, marker, constraint } of indexRequirements(lines)) {
    if (marker !== undefined) continue;
    const version = versions.get(name);
    if (version === undefined && !constraint && !others.has(name)) return `it lacks ${name}`;
    if (version !== undefined && pin !== undefined && !isVersion(version, pin)) {
      return `it holds ${name} ${version} instead of ${pin}`;
    }
  }
  return undefined;
}

/** PEP 440: a pin without a local part takes any, `==1.0` also `1.0+cpu`. */
function isVersion(version: string, pin: string): boolean {
  const [base = ''] = version.split('+');
  return sameVersion(version, pin) || (!pin.includes('+') && sameVersion(base, pin));
}

/** Why a wheelhouse does not serve a request; undefined when it does. */
export function unsatisfied(
  manifest: Manifest,
  dropped: number,
  wanted: { readonly request: string; readonly refresh: Refresh; readonly now: Date },
): string | undefined {
  if (manifest.request !== wanted.request) return 'it was made for other requirements';
  if (dropped > 0) return 'some of its wheels had to be dropped';
  if (!isFresh(manifest, wanted.refresh, wanted.now)) {
    return `it was resolved on ${manifest.resolvedAt.slice(0, 10)}, which is too old for refresh: ${wanted.refresh}`;
  }
  return undefined;
}

/** What changed between two sets of runtime wheels, by name. */
export function changes(
  before: readonly Wheel[],
  after: readonly Wheel[],
): { name: string; from: string | undefined; to: string | undefined }[] {
  const versions = (wheels: readonly Wheel[]): Map<string, string> =>
    new Map(
      wheels.filter((each) => each.role === 'runtime').map((each) => [each.name, each.version]),
    );
  const old = versions(before);
  const now = versions(after);
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .map((name) => ({ name, from: old.get(name), to: now.get(name) }))
    .filter((change) => change.from !== change.to);
}

/** Two wheelhouses with the same files. */
export function sameWheels(one: readonly Wheel[], other: readonly Wheel[]): boolean {
  const list = (wheels: readonly Wheel[]): string[] =>
    wheels.map((each) => `${each.role} ${each.file} ${each.sha256}`).sort();
  return sameList(list(one), list(other));
}

function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
