/**
 * Reads lock files in the standard format, pylock.toml (PEP 751):
 * https://packaging.python.org/specifications/pylock-toml/
 */

import { UserError } from './errors.ts';

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
  _text: string,
  shown: string,
  _selection: LockSelection,
  _directory = '.',
): Lock {
  throw new UserError(`${shown} can't be read yet.`, { file: shown });
}
