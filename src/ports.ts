/** What the story needs of the world: each is one adapter in `world/`, chosen by the entry. */

import type { LocalProject } from './logic/local-project.ts';
import type { Manifest, Wheel } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { Surroundings } from './logic/portions.ts';
import type { Health } from './logic/project-page.ts';
import type { RequirementFile } from './logic/requirements.ts';

/** Where entries are kept between runs. */
export interface CacheStore {
  /** In a sentence why nothing can be restored or saved; undefined: it works. */
  readonly unavailable: string | undefined;
  /** Something will soon be restored: what takes a while is begun at once. */
  warmUp(): void;
  /**
   * Brings the entry of a key, or the newest one of the first prefix that has any, into a directory.
   * A fault of the store is reported as one warning at the most.
   * @returns undefined when there is no such entry, or when the store can't be asked
   */
  restore(
    directory: string,
    key: string,
    prefixes: readonly string[],
  ): Promise<Restored | undefined>;
  /** Keeps a copy of a directory; never replaces an entry, never throws for a fault of the store. */
  save(directory: string, key: string): Promise<'saved' | 'exists' | 'failed'>;
}

/** An entry that a store has. */
export interface Restored {
  /** What it was kept under. */
  readonly key: string;
  /** Its content arrived; false: there is an entry, and it is of no use. */
  readonly arrived: boolean;
}

/** What a finished pip said. */
export interface PipResult {
  readonly exitCode: number;
  /** Standard output and error, in the order of arrival. */
  readonly output: string;
}

export interface Python {
  /** @throws UserError when there is none, when it crashes, or when it has no usable pip */
  probe(request: Request): Promise<Interpreter>;
  /** Makes a virtual environment with a pip. @returns its interpreter @throws UserError */
  createVenv(interpreter: Interpreter, request: Request, directory: string): Promise<Interpreter>;
  /** Runs `python -m pip`; its output goes to the log as it comes. */
  pip(
    interpreter: Interpreter,
    args: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      /** Puts a line of its output into the user's words, for the log and for the result. */
      readonly rewrite?: (line: string) => string;
      /** Path of a file where the pips that it starts for build environments log what they do. */
      readonly buildLog?: string;
    },
  ): Promise<PipResult>;
  /**
   * Which projects the environment has, and what wheels would put into it.
   * @param wheels paths
   * @param cwd where pip is to be run
   * @returns undefined when that can't be told
   */
  surroundings(
    interpreter: Interpreter,
    wheels: readonly string[],
    cwd: string,
  ): Promise<Surroundings | undefined>;
  /**
   * Which environment markers apply.
   * @param extras the extras that are asked for; none by default
   * @returns in order; undefined when pip can't evaluate them
   */
  applies(
    interpreter: Interpreter,
    markers: readonly string[],
    extras?: readonly string[],
  ): Promise<readonly boolean[] | undefined>;
  /**
   * Which wheels lie in pip's own cache of wheels that it has built.
   * @param directory of pip's cache
   * @returns their names
   */
  cachedBuilds(
    directory: string,
    wheels: readonly { readonly file: string; readonly sha256: string }[],
  ): Promise<ReadonlySet<string>>;
  /** The projects that the environment has. @returns version by normalised name */
  installed(interpreter: Interpreter): Promise<ReadonlyMap<string, string>>;
  /** Writes wheels that hold nothing but metadata. @returns their paths, in order */
  writeStubs(
    interpreter: Interpreter,
    directory: string,
    stubs: readonly Stub[],
  ): Promise<readonly string[]>;
}

/** uv, as an installer from the lock. */
export interface Uv {
  /** @returns the command that PATH has; undefined: none that runs */
  onPath(environment: Readonly<Record<string, string>>): Promise<string | undefined>;
  /** Takes the program out of its wheel. @returns its path @throws Error for another wheel */
  unpack(interpreter: Interpreter, wheel: string, directory: string): Promise<string>;
  run(
    command: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ): Promise<PipResult>;
}

/** What a stub says of the project that it stands for. */
export interface Stub {
  readonly name: string;
  readonly version: string;
  readonly requires: readonly string[];
}

/** How requirement files behind URLs are got. */
export interface RemoteAccess {
  /** Path of a file of certificates to trust instead of the usual ones. */
  readonly certificates: string | undefined;
  /** pip is told a proxy of its own. */
  readonly hasProxy: boolean;
  /** Runs where this program can't get a file: its pip knows keyrings, netrc and all settings. */
  readonly python: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Files of the user. */
export interface Sources {
  /** @throws UserError when the working directory is not there */
  check(request: Request): Promise<void>;
  /** @throws UserError for a pattern that leaves the workspace or matches nothing */
  find(request: Request): Promise<{
    readonly requirements: readonly RequirementFile[];
    readonly constraints: readonly RequirementFile[];
    readonly extra: readonly { readonly path: string; readonly digest: string }[];
  }>;
  /**
   * Decoded text of a file or URL.
   * @param access how URLs are asked; without it, as anybody would
   * @throws UserError or Error, in a few words, when it can't be read or decoded
   */
  read(location: string, access?: RemoteAccess): Promise<string>;
  /**
   * Decoded text of a file of the checkout.
   * @throws Error, in a few words, when it can't be read, decoded or lies outside the workspace
   */
  readInside(request: Request, file: string): Promise<string>;
  /** What of a local path decides its dependencies. @throws UserError when nothing is there */
  project(target: string, shown: string): Promise<LocalProject>;
}

/** A wheelhouse on disk that has been looked at file by file. */
export interface Inspected {
  readonly manifest: Manifest;
  /** The wheels that are what the manifest says. */
  readonly sound: readonly Wheel[];
  /** One reason for each file that isn't. */
  readonly faults: readonly string[];
}

/** Whom an index is believed. */
export interface IndexTrust {
  /** Hosts, with a port or without, whose certificates need not be valid. */
  readonly trustedHosts: readonly string[];
  /** Path of a file of certificates to trust instead of the usual ones. */
  readonly certificates: string | undefined;
}

/** Asks package indexes; takes a few seconds at the most. */
export interface IndexProbe {
  /**
   * Asks for one project's page.
   * @param url of the index, which may carry credentials
   */
  probe(url: string, project: string, trust: IndexTrust): Promise<Health>;
  /**
   * The versions of a project that an index offers, as in the names of its files.
   * @returns undefined when that can't be told
   */
  versions(
    url: string,
    project: string,
    trust: IndexTrust,
  ): Promise<ReadonlySet<string> | undefined>;
}

/** Directories of wheels. */
export interface Wheelhouses {
  /**
   * Reads a manifest and every listed wheel, once.
   * @returns undefined when there is no wheelhouse at all
   * @throws ManifestError when its manifest can't be used
   */
  inspect(directory: string): Promise<Inspected | undefined>;
  /** Deletes everything but the given files. @param files paths relative to the directory */
  keepOnly(directory: string, files: readonly string[]): Promise<void>;
  /** Names of the wheels in a directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Digest and size of wheels, in order. */
  measure(
    directory: string,
    files: readonly string[],
  ): Promise<readonly { readonly sha256: string; readonly size: number }[]>;
  /**
   * Completes a wheelhouse: puts wheels that are not installed into a directory of their own, and
   * writes manifest and lock, each whole or not at all.
   */
  seal(directory: string, manifest: Manifest): Promise<void>;
  /** A directory for all that a run makes and does not keep; gone when the process ends. */
  workplace(parent: string): Promise<string>;
  /** A new empty directory in a workplace. */
  stage(workplace: string): Promise<string>;
  /** Gives files of a directory second names in another one. */
  share(directory: string, staged: string): Promise<void>;
  /**
   * Makes a wheelhouse ready to be filled: all wheels are beside each other, and ends the sharing,
   * so that files may be written to.
   */
  reopen(directory: string): Promise<void>;
  /** Puts a staged directory into its place, whole; what was there is gone. */
  publish(staged: string, directory: string): Promise<void>;
  /** Moves a file from one directory to another. */
  move(file: string, from: string, to: string): Promise<void>;
  /** Writes text to a file. */
  write(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
  exists(file: string): Promise<boolean>;
  remove(directory: string): Promise<void>;
}

/** What people see. */
export interface Reporter {
  info(text: string): void;
  notice(text: string): void;
  warning(text: string): void;
  /** Why the run failed: a UserError is the user's to mend, anything else is a fault of ours. */
  error(error: unknown): void;
  /** From here on these texts are not shown, whoever prints them. */
  hide(secrets: readonly string[]): void;
  /** Lines that come from another program: shown, never obeyed. */
  foreign(text: string): void;
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}

export interface World {
  readonly python: Python;
  readonly uv: Uv;
  readonly sources: Sources;
  readonly wheelhouses: Wheelhouses;
  readonly store: CacheStore;
  readonly indexProbe: IndexProbe;
  readonly reporter: Reporter;
  /** How many programs can work at the same time. */
  readonly cores: number;
  readonly now: () => Date;
}
