/**
 * The manifest of a wheelhouse: its wheels, its request and its interpreter. The manifest decides
 * which wheels a run may use; a cache key only helps to find it.
 */
import { sha256 } from './digest.ts';
import {
  isNormalizedName,
  isValidName,
  isWheelFileName,
  normalizeName,
  sameVersion,
  wheelNameParts,
} from './names.ts';
import {
  byteCount,
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
export const pylockFile = 'pylock.toml';
/** A manifest has a few hundred bytes per wheel: a longer one is not ours, and is not read. */
export const maxManifestBytes = 16 * 1024 * 1024;
/** A manifest with another schema is not read: a miss is safer than a guess. */
const schema = 3;

/** The directory of wheels that are not installed, outside the reach of `--find-links`. */
export const buildDirectory = 'build';

const projectName = lineOf('a normalized project name', isNormalizedName);
const extraName = lineOf('the name of an extra', isValidName);
const version = lineOf('a version', (text) => /^[A-Za-z0-9][A-Za-z0-9.!+_-]*$/.test(text));
const moment = lineOf(
  'a date and time in UTC',
  (text) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) && !Number.isNaN(Date.parse(text)),
);
const seconds = satisfying(
  'a number of seconds',
  (value): value is number => typeof value === 'number' && value >= 0 && value < 1e6,
);
/** Any text, shortened to one line. */
const shownText: Schema<string> = (value, name) =>
  string(value, name).replace(/[\p{Cc}\u2028\u2029]/gu, ' ');

const digestText = lineOf('a SHA-256 in lower-case hex', (text) => /^[0-9a-f]{64}$/.test(text));

const wheelSchema = object({
  /** Normalised. */
  name: projectName,
  /** The name in the spelling of its metadata; pip names directories after the requested spelling. */
  project: lineOf('a project name', (text) => /^[A-Za-z0-9._-]+$/.test(text)),
  version,
  /** A file name without directories. */
  file: lineOf('the file name of a wheel', isWheelFileName),
  /** Hex. */
  sha256: digestText,
  /** Bytes. */
  size: byteCount,
  origin: oneOf('downloaded', 'built'),
  /** runtime: in the lock. build: required to build local projects. */
  role: oneOf('runtime', 'build'),
  /** The hashes in the request that allowed this wheel, or the sdist that it was built from. */
  requestHashes: optional(list(string)),
  /** The fingerprint of its URL in the request. */
  url: optional(line),
  /** SHA-256 in hex of the sdist that it was built from, if known. */
  sdist: optional(digestText),
});

export type Wheel = ValueOf<typeof wheelSchema>;

const projectSchema = object({
  /** The requirement's canonical text. */
  requirement: line,
  name: projectName,
  version,
  extras: list(extraName),
  /** Its `Requires-Dist` without URLs, sorted; when it changes, the closure may change. */
  requires: list(string),
});

/** A requirement that is installed from its own source; the wheelhouse has its dependencies. */
export type DirectProject = ValueOf<typeof projectSchema>;

const manifestSchema = object({
  interpreter: line,
  /** Digest of its request. */
  request: line,
  /** Digest of the origin of its wheels and of their build settings. */
  sources: line,
  /** When its requirements were last resolved. */
  resolvedAt: moment,
  wheels: list(wheelSchema),
  direct: list(projectSchema),
  /**
   * Installed projects that its wheels depend on: the hashes of the request allow no files of them,
   * so the environment must have them.
   */
  relied: list(object({ name: projectName, version })),
  /** Seconds of the longest fill behind it, which a hit saves. */
  effort: optional(seconds),
  /** Version of the Python that filled it; another patch release can use it. */
  python: optional(line),
  /** The input of the digests, to explain a miss; without addresses, and omitted when too long. */
  parts: optional(object({ sources: list(shownText), lines: list(shownText) })),
});

export type Manifest = ValueOf<typeof manifestSchema>;

/** The path of a wheel relative to its wheelhouse. */
export function wheelPath({ role, file }: Pick<Wheel, 'role' | 'file'>): string {
  return role === 'runtime' ? file : `${buildDirectory}/${file}`;
}

/** The fault of a wheel that is listed and not there. */
export function absence({ file }: Pick<Wheel, 'file'>): string {
  return `${file} is missing`;
}

/** The maximum number of characters of `parts`. */
const maxParts = 200_000;

/** @returns the parts, or undefined when they are too long for a manifest */
export function keepableParts(parts: NonNullable<Manifest['parts']>): Manifest['parts'] {
  return JSON.stringify(parts).length > maxParts ? undefined : parts;
}

/**
 * The lock: `name==version --hash=sha256:…`, one line per runtime wheel, sorted by normalised name,
 * so that the same wheels give the same text. pip and uv check every hash. With names instead of
 * paths or URLs, `pip freeze` stays clean and editable projects stay in place.
 */
export function formatLock(wheels: readonly Wheel[]): string {
  return wheels
    .filter((wheel) => wheel.role === 'runtime')
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map((wheel) => `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
    .join('');
}

/** A wheel of a lock. */
interface LockedWheel extends Pick<Wheel, 'name' | 'version' | 'file' | 'sha256' | 'size'> {
  /** The environments that install its version; all by default. */
  readonly marker?: string | undefined;
}

/**
 * The lock in the standard format (PEP 751), with paths relative to the wheelhouse: pip ≥ 26.1 and uv
 * install from it without an index, and check every hash.
 * @param wheels those to install; several of one version are alternatives for different platforms
 * @returns the same text for the same wheels, in any order
 */
export function formatPylock(wheels: readonly LockedWheel[]): string {
  const packages = new Map<string, string[]>();
  for (const { name, version: own, marker, file, sha256: digest, size } of wheels.toSorted(
    (one, other) => compare(one.name, other.name) || compare(one.file, other.file),
  )) {
    const head = toml({ name, version: own, ...(marker === undefined ? {} : { marker }) });
    const hashes = `hashes = { sha256 = ${JSON.stringify(digest)} }`;
    const wheel = `[[packages.wheels]]\n${toml({ name: file, path: file, size })}${hashes}\n`;
    packages.set(head, [...(packages.get(head) ?? []), wheel]);
  }
  const tables = [...packages].map(([head, files]) =>
    [`[[packages]]\n${head}`, ...files].join('\n'),
  );
  const start = toml({ 'lock-version': '1.0', 'created-by': 'wheelhouse' });
  return [tables.length === 0 ? `${start}packages = []\n` : start, ...tables].join('\n');
}

/** Keys and values as TOML, whose strings and whole numbers are written as in JSON. */
function toml(fields: Readonly<Record<string, string | number>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');
}

function compare(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

/** The locks of a wheelhouse, by file name. */
export function lockTexts(wheels: readonly Wheel[]): Readonly<Record<string, string>> {
  return {
    [lockFile]: formatLock(wheels),
    [pylockFile]: formatPylock(wheels.filter((wheel) => wheel.role === 'runtime')),
  };
}

/** The reason why a manifest can't be used. */
export class ManifestError extends Error {}

export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ schema, ...manifest }, undefined, 2)}\n`;
}

/** Hex SHA-256 of the content of a manifest; the order of its fields does not matter. */
export function manifestDigest(manifest: Manifest): string {
  const normal = formatManifest(parseManifest(formatManifest(manifest)));
  return sha256(normal);
}

/**
 * Parses a manifest, which anybody may have written.
 * @throws ManifestError with the reason: not JSON, another schema, a missing or invalid field, a file
 *   name outside the directory
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

/** @throws ManifestError when two fields contradict each other */
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

/** The differences between the runtime wheels of two sets, by name. */
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

/** Whether two wheelhouses have the same files. */
export function sameWheels(one: readonly Wheel[], other: readonly Wheel[]): boolean {
  const text = (wheels: readonly Wheel[]): string =>
    JSON.stringify(wheels.map(({ role, file, sha256 }) => `${role} ${file} ${sha256}`).sort());
  return text(one) === text(other);
}
