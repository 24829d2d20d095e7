/** Reads lock files in the standard format, pylock.toml (PEP 751), into lines of a requirement file. */

import path from 'node:path';
import { UserError } from './errors.ts';
import {
  isDistributionName,
  isWheelFileName,
  normalizeName,
  sameVersion,
  versionInFileName,
} from './names.ts';
import { type Comparison, decideMarker, formatMarker } from './pep508.ts';
import {
  type FileTable,
  isPlainPath,
  isVersion,
  lockTable,
  type PackageTable,
  packageTable,
  usesSelection,
} from './pylock-tables.ts';
import { fileOfUrl } from './requirement-line.ts';
import { quoted } from './requirement-words.ts';
import { SchemaError } from './schema.ts';
import { parseToml } from './toml.ts';

/** The optional parts of a lock that are asked for. */
export interface LockSelection {
  readonly extras: readonly string[];
  /** In addition to the lock's default groups. */
  readonly groups: readonly string[];
}

/** A wheel or sdist of a locked package. */
export interface LockedFile {
  /** The file name of a wheel or sdist, which never needs escaping. */
  readonly name: string;
  /** An http: or https: URL in normal form, or a path as in {@link LockedPackage.path}. */
  readonly location: string;
  readonly isPath: boolean;
  /** `sha256:` and the digest in hex, or another algorithm that pip accepts. */
  readonly hash: string;
}

/** A package of a lock that the selection includes. */
export interface LockedPackage {
  /** Normalised. */
  readonly name: string;
  /**
   * One line of a requirement file: `name==1.0 ; marker --hash=sha256:…`, `name @ URL ; marker
   * --hash=…`, `name @ git+URL@COMMIT ; marker`, a path, or `-e` and a path. It has no variables and
   * no other options. After `-e` pip reads no marker, so there {@link marker} has to be applied.
   */
  readonly text: string;
  /** Without extras and groups; undefined when the package is always installed. */
  readonly marker: string | undefined;
  /** The Pythons that it supports, as a marker. Installing it on another one is an error. */
  readonly requiresPython: string | undefined;
  /** Its wheels and its sdist; empty for a package from another source. */
  readonly files: readonly LockedFile[];
  /**
   * The directory or archive that the package is installed from: absolute, or relative to where pip
   * runs, with `/`. It may lead anywhere.
   */
  readonly path: string | undefined;
  /** Its table, for messages: `packages[3] (numpy)`. */
  readonly table: string;
}

/** The part of a lock that a selection includes. */
export interface Lock {
  readonly packages: readonly LockedPackage[];
  /** Markers of which one has to apply; empty when the lock is for all environments. */
  readonly environments: readonly string[];
  /** As in {@link LockedPackage}. */
  readonly requiresPython: string | undefined;
}

/**
 * Reads a lock.
 * @param shown its name in messages
 * @param directory the lock's directory, absolute or relative to where pip runs, with `/`: its
 *   relative paths start there
 * @throws UserError that names the table: invalid TOML, an invalid or unsupported table, or a
 *   selected extra or group that the lock lacks
 */
export function readLock(
  text: string,
  shown: string,
  selection: LockSelection,
  directory = '.',
): Lock {
  const within = <T>(place: string, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      throw new UserError(
        `${shown} is not a valid lock: ${place}${error.message}. Fix it, or create the lock again.`,
        { file: shown },
      );
    }
  };
  const content = parseToml(text, shown);
  const lock = within('', () => lockTable(content, ''));
  const defaults = lock['default-groups'] ?? [];
  const groups = [...(lock['dependency-groups'] ?? []), ...defaults];
  const decide = decision({
    extras: chosen(selection.extras, lock.extras ?? [], `${shown} has no extra`),
    groups: new Set([
      ...defaults.map(normalizeName),
      ...chosen(selection.groups, groups, `${shown} has no dependency group`),
    ]),
  });
  const packages = lock.packages.flatMap((value, index): LockedPackage[] => {
    const table = tableName(value, index);
    return within(`${table}: `, () => {
      const own = packageTable(value, '');
      const source = sourceOf(own, directory);
      const marker = own.marker === undefined || decideMarker(own.marker, decide);
      if (marker === false) return [];
      return [
        {
          ...lineOfSource(own.name, source, marker === true ? undefined : formatMarker(marker)),
          requiresPython: own['requires-python'],
          table,
        },
      ];
    });
  });
  return {
    packages,
    environments: lock.environments ?? [],
    requiresPython: lock['requires-python'],
  };
}

/** @throws UserError for a name that the lock lacks */
function chosen(asked: readonly string[], known: readonly string[], fault: string): Set<string> {
  const names = new Set(known.map(normalizeName));
  const unknown = asked.find((name) => !names.has(normalizeName(name)));
  if (unknown === undefined) return new Set(asked.map(normalizeName));
  throw new UserError(`${fault} "${unknown}". It has: ${[...names].join(', ') || 'none'}.`);
}

/** Decides the comparisons with the extras and groups. */
function decision(selected: {
  readonly extras: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}): (comparison: Comparison) => boolean | undefined {
  return (comparison) => {
    if (!usesSelection(comparison)) return undefined;
    const { left, operator, right } = comparison;
    const [variable, name] = left.isVariable ? [left, right] : [right, left];
    const set = variable.value === 'dependency_groups' ? selected.groups : selected.extras;
    return set.has(normalizeName(name.value)) === (operator === 'in' || operator === '==');
  };
}

function tableName(value: unknown, index: number): string {
  const { name } = (value ?? {}) as { name?: unknown };
  const isName = typeof name === 'string' && /^[A-Za-z0-9._-]{1,100}$/.test(name);
  return isName ? `packages[${index}] (${name})` : `packages[${index}]`;
}

/** Where a package comes from. */
type PackageSource =
  | { readonly version: string; readonly files: readonly LockedFile[] }
  | { readonly url: string; readonly hash: string | undefined; readonly path: string | undefined }
  | { readonly path: string; readonly hash: string | undefined; readonly isEditable: boolean };

function lineOfSource(
  name: string,
  source: PackageSource,
  marker: string | undefined,
): Pick<LockedPackage, 'name' | 'text' | 'marker' | 'files' | 'path'> {
  const end = (hashes: readonly (string | undefined)[]): string =>
    [
      marker === undefined ? '' : ` ; ${marker}`,
      ...hashes.map((hash) => (hash === undefined ? '' : ` --hash=${hash}`)),
    ].join('');
  if ('files' in source) {
    const { version, files } = source;
    const hashes = new Set(files.map((file) => file.hash));
    return { name, text: `${name}==${version}${end([...hashes])}`, marker, files, path: undefined };
  }
  const text =
    'url' in source
      ? `${name} @ ${source.url.replaceAll(';', '%3B')}${end([source.hash])}`
      : source.isEditable
        ? `-e ${/^[\w./:@+-]+$/.test(source.path) ? source.path : quoted(source.path)}`
        : `${source.path}${end([source.hash])}`;
  return { name, text, marker, files: [], path: source.path };
}

/** @throws SchemaError for no source, several sources, or an invalid or unsupported one */
function sourceOf(own: PackageTable, directory: string): PackageSource {
  const { vcs, directory: project, archive, sdist, wheels = [] } = own;
  const given = Object.entries({ vcs, directory: project, archive }).flatMap(([key, value]) =>
    value === undefined ? [] : [key],
  );
  if (wheels.length > 0) given.push('wheels');
  else if (sdist !== undefined) given.push('sdist');
  if (given.length === 0) throw new SchemaError('it has no wheels and no other source');
  if (given.length > 1) throw new SchemaError(`it has two sources, ${given[0]} and ${given[1]}`);
  if (vcs !== undefined) return vcsSource(vcs);
  if (project !== undefined) {
    const place = path.posix.join(project.path, project.subdirectory ?? '');
    const isEditable = project.editable ?? false;
    return { path: located(place, 'directory.path', directory), hash: undefined, isEditable };
  }
  if (archive !== undefined) return archiveSource(archive, 'archive', directory);
  return filesSource(own, directory);
}

function vcsSource({
  type,
  url,
  'commit-id': commit,
  subdirectory,
}: NonNullable<PackageTable['vcs']>): PackageSource {
  if (url === undefined) throw new SchemaError('"vcs" must have a url; a path is not supported');
  if (type === 'git' && !/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(commit)) {
    throw new SchemaError('"vcs.commit-id" must be a full commit hash');
  }
  const address = `${type}+${withoutFragment(url, 'vcs.url')}@${commit}`;
  return { url: withSubdirectory(address, subdirectory), hash: undefined, path: undefined };
}

type ArchiveTable = Pick<NonNullable<PackageTable['archive']>, 'url' | 'path' | 'hashes'> & {
  readonly subdirectory?: string;
};

function archiveSource(table: ArchiveTable, name: string, directory: string): PackageSource {
  const { url, path: given, hashes: hash, subdirectory } = table;
  if (given !== undefined) {
    if (subdirectory !== undefined) {
      throw new SchemaError(`"${name}" has a path and a subdirectory, which is not supported`);
    }
    return { path: located(given, `${name}.path`, directory), hash, isEditable: false };
  }
  if (url === undefined) throw new SchemaError(`"${name}" must have a url or a path`);
  const address = withSubdirectory(withoutFragment(url, `${name}.url`), subdirectory);
  const isFile = url.protocol === 'file:';
  return { url: address, hash, path: isFile ? pathOfUrl(url, `${name}.url`) : undefined };
}

/** A fragment could name another subdirectory or extras. */
function withoutFragment({ href }: URL, name: string): string {
  if (!href.includes('#')) return href;
  throw new SchemaError(`"${name}" must not have a fragment`);
}

function withSubdirectory(url: string, subdirectory: string | undefined): string {
  return subdirectory === undefined ? url : `${url}#subdirectory=${subdirectory}`;
}

function filesSource(
  { name, version, sdist, wheels = [] }: PackageTable,
  directory: string,
): PackageSource {
  const tables: [string, FileTable][] = [
    ...wheels.map((wheel, index): [string, FileTable] => [`wheels[${index}]`, wheel]),
    ...(sdist === undefined ? [] : [['sdist', sdist] as [string, FileTable]]),
  ];
  let common = version;
  const files = tables.map(([key, table]): LockedFile | undefined => {
    const file = lockedFile(table, key, directory);
    const own = isDistributionName(file.name) ? versionInFileName(file.name, name) : undefined;
    const isWheel = key !== 'sdist';
    const isNamed = own !== undefined && isWheelFileName(file.name) === isWheel;
    if (!isNamed || (common === undefined && !isVersion(own))) {
      if (!isWheel && wheels.length === 0) return undefined;
      throw new SchemaError(`"${key}" must be ${isWheel ? 'a wheel' : 'an sdist'} of ${name}`);
    }
    common ??= own;
    if (sameVersion(own, common)) return file;
    throw new SchemaError(`"${key}" is not version ${common}`);
  });
  const named = files.filter((file) => file !== undefined);
  if (common !== undefined && named.length === files.length) {
    return { version: common, files: named };
  }
  // An index could not tell the version of such an sdist either.
  const [[key, table] = []] = tables;
  if (key === undefined || table === undefined) throw new SchemaError('it has no files');
  return archiveSource(table, key, directory);
}

function lockedFile(table: FileTable, key: string, directory: string): LockedFile {
  const { url, path: given, hashes: hash } = table;
  if (url === undefined && given === undefined) {
    throw new SchemaError(`"${key}" must have a url or a path`);
  }
  const local =
    given !== undefined
      ? located(given, `${key}.path`, directory)
      : url?.protocol === 'file:'
        ? pathOfUrl(url, `${key}.url`)
        : undefined;
  const [address = ''] = (url?.href ?? '').split('#');
  const location = local ?? address;
  const name = table.name ?? path.posix.basename(local ?? decoded(url?.pathname ?? ''));
  return { name, location, isPath: local !== undefined, hash };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @returns an absolute path as it is, another one relative to where pip runs */
function located(given: string, name: string, directory: string): string {
  const isAbsolute = /^(?:[A-Za-z]:)?\//.test(given);
  const joined = path.posix.join(isAbsolute ? '' : directory, given).replace(/(?<=[^/])\/$/, '');
  if (!isPlainPath(joined)) {
    throw new SchemaError(`"${name}" is below a directory whose name pip can't read`);
  }
  return /^(?:[A-Za-z]:)?\/|^\.\.?(?:\/|$)/.test(joined) ? joined : `./${joined}`;
}

function pathOfUrl(url: URL, name: string): string {
  try {
    const source = { file: '', line: undefined };
    return located(fileOfUrl(url.href, source).replaceAll('\\', '/'), name, '.');
  } catch {
    throw new SchemaError(`"${name}" must be a path on this machine`);
  }
}
