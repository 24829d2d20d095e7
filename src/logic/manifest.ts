/**
 * The manifest of a wheelhouse: what it holds, for which request and which interpreter. It decides
 * what may be used; a cache key only helps to find it.
 */
import { createHash } from 'node:crypto';
import { isWheelFileName, normalizeName, sameVersion, wheelNameParts } from './names.ts';
import type { RequestLine } from './requirement-line.ts';
import { indexRequirements } from './requirements.ts';
import {
  line,
  lineOf,
  list,
  object,
  oneOf,
  optional,
  type Schema,
  SchemaError,
  satisfying,
  string,
  type ValueOf,
} from './schema.ts';

export const manifestFile = 'wheelhouse.json';
export const lockFile = 'requirements.lock';
/** A manifest of a newer schema is not read: a miss is safer than a guess. */
const schema = 2;

/** Where the wheels are that are not installed: `--find-links` of the wheelhouse never sees them. */
export const buildDirectory = 'build';

const projectName = lineOf('a normalized project name', (text) =>
  /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text),
);
const extraName = lineOf('the name of an extra', (text) =>
  /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text),
);
const version = lineOf('a version', (text) => /^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(text));
const moment = lineOf(
  'a date and time in UTC',
  (text) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) && !Number.isNaN(Date.parse(text)),
);
const byteCount = satisfying(
  'a number of bytes',
  (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0,
);
const seconds = satisfying(
  'a number of seconds',
  (value): value is number => typeof value === 'number' && value >= 0 && value < 1e6,
);
/** What is shown of it is one line, whatever it contains. */
const shownText: Schema<string> = (value, name) =>
  string(value, name).replace(/[\p{Cc}\u2028\u2029]/gu, ' ');

const wheelSchema = object({
  /** Normalised. */
  name: projectName,
  /** The name as its metadata spell it: pip names directories after what it is asked for. */
  project: lineOf('a project name', (text) => /^[A-Za-z0-9._-]+$/.test(text)),
  version,
  /** A file name without directories. */
  file: lineOf('the file name of a wheel', isWheelFileName),
  /** Hex. */
  sha256: lineOf('a SHA-256 in lower-case hex', (text) => /^[0-9a-f]{64}$/.test(text)),
  /** Bytes. */
  size: byteCount,
  origin: oneOf('downloaded', 'built'),
  /** runtime: in the lock. build: what local projects need to be built. tool: what installs. */
  role: oneOf('runtime', 'build', 'tool'),
  /** The hashes that the request asked for when this wheel came in; of a built wheel, its sdist's. */
  requestHashes: optional(list(string)),
  /** The fingerprint of the URL that the request named for it. */
  url: optional(line),
});

export type Wheel = ValueOf<typeof wheelSchema>;

const projectSchema = object({
  /** The requirement's canonical text. */
  requirement: line,
  name: projectName,
  version,
  extras: list(extraName),
  /** Its `Requires-Dist` without URLs, sorted: other ones mean another closure. */
  requires: list(string),
});

/** A requirement that is installed from its own place: its dependencies are in the wheelhouse. */
export type DirectProject = ValueOf<typeof projectSchema>;

const manifestSchema = object({
  interpreter: line,
  /** Digest of the request that it was closed for. */
  request: line,
  /** Digest of where its wheels came from and how they were built. */
  sources: line,
  /** When an index was last asked. */
  resolvedAt: moment,
  wheels: list(wheelSchema),
  direct: list(projectSchema),
  /**
   * Projects that it relies on without containing them: the environment had them, and the request's
   * hashes admit no file of theirs.
   */
  relied: list(object({ name: projectName, version })),
  /** Seconds that the longest fill took which it goes back to: what a hit saves. */
  effort: optional(seconds),
  /** Version of the Python that it was made with; a patch release does not matter. */
  python: optional(line),
  /** What the digests are made of, to explain a miss, without any address; left out where it is long. */
  parts: optional(object({ sources: list(shownText), lines: list(shownText) })),
});

export type Manifest = ValueOf<typeof manifestSchema>;

/** The path of a wheel relative to its wheelhouse. */
export function wheelPath({ role, file }: Pick<Wheel, 'role' | 'file'>): string {
  return role === 'runtime' ? file : `${buildDirectory}/${file}`;
}

/** Characters of `parts` that a manifest carries along. */
const maxParts = 200_000;

/** @returns the parts, or undefined when a manifest would grow out of proportion with them */
export function keepableParts(parts: NonNullable<Manifest['parts']>): Manifest['parts'] {
  return JSON.stringify(parts).length > maxParts ? undefined : parts;
}

/**
 * `name==version --hash=sha256:…`, one line per runtime wheel, sorted by normalised name: the same
 * wheels give the same text. Names rather than paths or URLs keep `pip freeze` clean and leave
 * editables alone.
 */
export function formatLock(wheels: readonly Wheel[]): string {
  return wheels
    .filter((wheel) => wheel.role === 'runtime')
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map((wheel) => `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
    .join('');
}

/** Why a manifest can't be used. */
export class ManifestError extends Error {}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ schema, ...manifest }, undefined, 2)}\n`;
}

/** Hex SHA-256 of what a manifest says, in whatever order it says it. */
export function manifestDigest(manifest: Manifest): string {
  const normal = formatManifest(parseManifest(formatManifest(manifest)));
  return createHash('sha256').update(normal).digest('hex');
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
  try {
    const { schema: found } = schemaNumber(value, '');
    if (found !== schema) {
      throw new ManifestError(
        `${manifestFile} has schema ${JSON.stringify(found)}; this version reads ${schema}`,
      );
    }
    const manifest = manifestSchema(value, '');
    checkConsistency(manifest);
    return manifest;
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw new ManifestError(`${manifestFile} is not valid: ${error.message}`);
  }
}

const schemaNumber = object({ schema: (value: unknown) => value });

/** @throws ManifestError where two fields can't both be true */
function checkConsistency({ wheels }: Manifest): void {
  for (const { file, name, project, version } of wheels) {
    const named = wheelNameParts(file);
    if (named.name !== name) throw new ManifestError(`${file} is not a wheel of "${name}"`);
    if (normalizeName(project) !== name) {
      throw new ManifestError(`${file} is not a wheel of "${project}"`);
    }
    if (!sameVersion(version, named.version)) {
      throw new ManifestError(`${file} is not version "${version}"`);
    }
  }
  if (new Set(wheels.map((each) => each.file)).size !== wheels.length) {
    throw new ManifestError('a wheel is listed twice');
  }
  const names = wheels.filter((each) => each.role === 'runtime').map((each) => each.name);
  if (new Set(names).size !== names.length) throw new ManifestError('a project is listed twice');
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
      return `it contains ${name} ${version} instead of ${pin}`;
    }
  }
  return undefined;
}

/** PEP 440: a pin without a local part takes any, `==1.0` also `1.0+cpu`. */
function isVersion(version: string, pin: string): boolean {
  const [base = ''] = version.split('+');
  return sameVersion(version, pin) || (!pin.includes('+') && sameVersion(base, pin));
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
