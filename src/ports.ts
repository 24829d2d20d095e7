/** What the story needs from the world. Each interface has one adapter in `world/`. */
import type { BaseReference } from './logic/change-entry.ts';
import type { LocalProject } from './logic/local-project.ts';
import type { LockTool } from './logic/lock-files.ts';
import type { Manifest, Wheel } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { Health } from './logic/project-page.ts';
import type { RequirementFile } from './logic/requirements.ts';
import type { UvFile } from './logic/uv-settings.ts';
import type { WebFault } from './logic/web.ts';

/** Stores entries between runs. */
export interface CacheStore {
  /** Why nothing can be restored or saved, as the end of a sentence; undefined when it works. */
  readonly unavailable: string | undefined;
  /** Entries share equal files, so that a whole wheelhouse costs no more than what is new in it. */
  readonly sharesFiles: boolean;
  /** Start slow preparation now; a restore will follow each call. */
  warmUp(): void;
  /** Release what restores have left for another one: none follows soon. */
  coolDown(): Promise<void>;
  /**
   * Restores the entry of a key into a directory, or else the newest entry of the first prefix that
   * has any. Reports a fault of the store as one warning at most.
   * @returns undefined when there is no such entry, or when the store can't be reached
   */
  restore(
    directory: string,
    key: string,
    prefixes: readonly string[],
  ): Promise<Restored | undefined>;
  /** Saves a copy of a directory. Never replaces an entry or throws for a fault of the store. */
  save(directory: string, key: string): Promise<'saved' | 'exists' | 'failed'>;
}

/** An entry that a store found. */
export interface Restored {
  /** The key that it was saved under. */
  readonly key: string;
  /** Whether it was restored; false when the entry exists but is unusable. */
  readonly arrived: boolean;
}

/** How pip exited, and what it printed. */
export interface PipResult {
  readonly exitCode: number;
  /** Standard output and error, in the order of arrival. */
  readonly output: string;
}

/** What a package is called and depends on, in the words of its metadata. */
export interface Dependencies {
  readonly name: string;
  readonly version: string;
  readonly requires: readonly string[];
  /** The Pythons that it supports, as a version specifier. */
  readonly python: string | undefined;
  /** Names of its extras. */
  readonly extras: readonly string[];
}

/** The chosen Python and its pip. */
export interface Python {
  /** Finds the interpreter. @throws UserError when there is none, or when it can't be used */
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
      /** Path of another pip to run: a directory with the package, or a wheel. */
      readonly pip?: string | undefined;
      /** Replaces generated names in a line of its output, for the log and for the result. */
      readonly rewrite?: (line: string) => string;
      /** Path of a log file for the pips that it starts for build environments. */
      readonly buildLog?: string;
    },
  ): Promise<PipResult>;
  /**
   * Evaluates environment markers.
   * @param extras the requested extras; none by default
   * @returns whether each applies; nothing when pip can't evaluate them
   */
  applies(
    interpreter: Interpreter,
    markers: readonly string[],
    extras?: readonly string[],
  ): Promise<ReadonlyMap<string, boolean>>;
  /** Lists the tags of the wheels that it can install, the best one first. */
  tags(interpreter: Interpreter): Promise<readonly string[]>;
  /**
   * Reads what wheels depend on from their metadata.
   * @returns for each file, in order; undefined for one that can't be read
   */
  dependencies(
    interpreter: Interpreter,
    directory: string,
    files: readonly string[],
  ): Promise<readonly (Dependencies | undefined)[]>;
  /** Lists the projects that the environment has. @returns version by normalised name */
  installed(interpreter: Interpreter): Promise<ReadonlyMap<string, string>>;
  /** Lists the names of the files and directories that modules and metadata are looked up in. */
  present(interpreter: Interpreter): Promise<readonly string[]>;
  /** Writes wheels that contain nothing but metadata. @returns each stub with its file */
  writeStubs<T extends Stub>(
    interpreter: Interpreter,
    directory: string,
    stubs: readonly T[],
  ): Promise<readonly (T & StubFile)[]>;
}

/** uv, which resolves, builds, and installs from the lock. */
export interface Uv {
  /** Finds the uv on PATH. @returns undefined when there is none that runs */
  onPath(
    environment: Readonly<Record<string, string>>,
  ): Promise<{ readonly command: string; readonly version: string } | undefined>;
  /** Extracts the program from its wheel. @returns its path @throws Error for any other wheel */
  unpack(interpreter: Interpreter, wheel: string, directory: string): Promise<string>;
  /** Runs uv; its standard error goes to the log as it comes, and is the output of the result. */
  run(
    command: string,
    args: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      /** Replaces generated names in a line of its output, for the log and for the result. */
      readonly rewrite?: (line: string) => string;
      /** When its output goes to the log, if not as it comes. */
      readonly shows?: 'failures' | 'successes';
    },
  ): Promise<PipResult>;
  /**
   * Finds the files with uv's settings that apply in a directory, the one with the highest precedence
   * first, and the files that variables of uv name, with digests of their content.
   * @throws UserError for one that can't be read
   */
  settingFiles(
    directory: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<{
    readonly files: readonly UvFile[];
    readonly referenced: readonly { readonly path: string; readonly digest: string }[];
  }>;
}

/** The tools whose locks are read by their own exporters. */
export interface LockTools {
  /**
   * Finds a tool on PATH.
   * @param options.cwd a directory without anybody's code, as tools load plugins from where they run
   * @returns its command, or why it can't be used, as the end of a sentence
   */
  onPath(
    tool: LockTool,
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ): Promise<{ readonly command: string } | { readonly reason: string }>;
  /** Reads a requirement file that names a tool and all its dependencies, with hashes. */
  requirements(tool: LockTool): string;
  /** Runs a tool; its output is not shown, as it may contain secrets. */
  run(
    command: string,
    args: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ): Promise<ToolResult>;
}

/** How a tool exited, and what it printed. */
export interface ToolResult {
  readonly exitCode: number;
  readonly stdout: string;
  /** Standard output and error, in the order of arrival. */
  readonly output: string;
  /** Path of the directory that it ran in, without links. */
  readonly ranIn: string;
}

/** The metadata of a stub, a wheel that stands for a project while pip resolves. */
export interface Stub {
  readonly name: string;
  readonly version: string;
  readonly requires: readonly string[];
}

/** The wheel of a stub. */
export interface StubFile {
  /** Path. */
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
}

/** How requirement files are downloaded from URLs. */
export interface RemoteAccess {
  /** Path of a file of certificates to trust instead of the usual ones. */
  readonly certificates: string | undefined;
  /** Whether pip's settings name a proxy. */
  readonly hasProxy: boolean;
  /** Path of the interpreter whose pip tries what this program can't download. */
  readonly python: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The user's files. */
export interface Sources {
  /** @throws UserError when the working directory does not exist */
  check(request: Request): Promise<void>;
  /**
   * Finds the files that the inputs name.
   * @throws UserError for a pattern that leaves the workspace or matches nothing
   */
  find(request: Request): Promise<{
    readonly requirements: readonly RequirementFile[];
    readonly constraints: readonly RequirementFile[];
    readonly extra: readonly { readonly path: string; readonly digest: string }[];
  }>;
  /** Lists the files of the working directory. */
  list(request: Request): Promise<{
    readonly names: readonly string[];
    /** The name of the directory in messages. */
    readonly shown: string;
  }>;
  /**
   * Reads and decodes a file or URL.
   * @param access how URLs are downloaded; by default with no settings of pip
   * @throws UserError or Error, in a few words, when it can't be read or decoded
   */
  read(location: string, access?: RemoteAccess): Promise<string>;
  /**
   * Reads and decodes a file of the checkout.
   * @throws Error, in a few words, when it can't be read or decoded, or is outside the workspace
   */
  readInside(request: Request, file: string): Promise<string>;
  /** @throws UserError for a path that leads outside the workspace */
  checkInside(request: Request, file: string, shown: string): Promise<void>;
  /** Reads what decides a local project's dependencies. @throws UserError when nothing is there */
  project(target: string, shown: string): Promise<LocalProject>;
}

/** A wheelhouse on disk whose files have been compared with its manifest. */
export interface Inspected {
  readonly manifest: Manifest;
  /** The wheels that match the manifest, as far as they have been compared. */
  readonly sound: readonly Wheel[];
  /** One reason for each file that does not. */
  readonly faults: readonly string[];
}

/** Which TLS certificates to accept from an index. */
export interface IndexTrust {
  /** Hosts, with or without a port, whose certificates may be invalid. */
  readonly trustedHosts: readonly string[];
  /** Path of a file of certificates to trust instead of the usual ones. */
  readonly certificates: string | undefined;
}

/** How an index, and everything that it links to, is reached. */
export interface WebAccess {
  /**
   * URLs of indexes. Their credentials are sent only to their own origin, never after a redirect to
   * another one.
   */
  readonly indexes: readonly string[];
  readonly trust: IndexTrust;
  /** Variables that name proxies. */
  readonly environment: Readonly<Record<string, string>>;
  /** pip's own session; undefined where it may not help. */
  readonly pip?: PipSession | undefined;
}

/** How pip's own session is started, which knows keyrings, netrc, client certificates and proxies. */
export interface PipSession {
  /**
   * `always`: everything goes through it. `fallback`: it tries what this program could not download
   * because of credentials, a certificate or the connection.
   */
  readonly use: 'always' | 'fallback';
  /** Path of the interpreter. */
  readonly python: string;
  readonly cwd: string;
  /** pip's settings, as variables. */
  readonly env: Readonly<Record<string, string>>;
}

/** Downloads over HTTP; every step of it is bounded in time. */
export interface Web {
  /** Connects to nothing yet. */
  open(access: WebAccess): WebClient;
}

/** How a page is requested. */
export interface PageOptions {
  /** Default: project pages, JSON preferred. */
  readonly accept?: string;
  /** Bytes; longer pages are an error. Default: 32 MB. */
  readonly maxBytes?: number;
  /** Bytes that are enough: what follows is not read. */
  readonly sample?: number;
  /** How often it is tried. */
  readonly attempts?: number;
  /** A redirect to another origin is not followed: a ForeignRedirect is thrown. */
  readonly stayAtOrigin?: boolean;
  /** Milliseconds for one attempt, from the connection to the last byte. */
  readonly timeLimit?: number;
}

/** A text that was downloaded. */
export interface WebPage {
  readonly contentType: string;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
  /** Where it came from in the end, without credentials: the base of its links. */
  readonly url: string;
}

/** What is known about a file before it is downloaded. */
export interface ExpectedFile {
  /** Lower-case hex. */
  readonly sha256?: string | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
  /** Bytes; larger files are an error. */
  readonly maxBytes?: number | undefined;
}

/** Downloads pages and files, with connections that are used again; follows redirects. */
export interface WebClient {
  /** @throws WebError for every answer but 200 */
  page(url: string, options?: PageOptions): Promise<WebPage>;
  /**
   * Downloads a file. Its name exists only when it is whole and as expected.
   * @param to path
   * @returns its digest in lower-case hex, and its size in bytes
   * @throws WebError
   * @throws the system's error when it can't be written
   */
  file(
    url: string,
    to: string,
    expected?: ExpectedFile,
  ): Promise<{ readonly sha256: string; readonly size: number }>;
  /** Ends all connections, also those in use. */
  close(): Promise<void>;
}

/** A wheel on disk that has been verified. */
export interface FileAtHand {
  /** Its name. */
  readonly file: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly path: string;
}

/** A wheel that was built from an sdist, which stands beside its sdist on the page of the index. */
export interface BuiltWheel extends FileAtHand {
  readonly version: string;
}

export interface GatewayOptions {
  /** URLs of web servers, with credentials. */
  readonly indexes: readonly string[];
  /** Gets pages and files; the gateway closes it. */
  readonly client: WebClient;
  /** A directory for what it downloads. */
  readonly directory: string;
  /** Files that need not be downloaded. */
  readonly atHand: readonly FileAtHand[];
  /** Files that need not be downloaded either; those that it downloads are added. */
  readonly downloaded: FileAtHand[];
  /** Whether a wheel may be for this Python; others are not listed. */
  readonly mayFit: (file: string) => boolean;
  /** Not with `prefer-binary`: an old built wheel would win over a newer sdist. */
  readonly built: readonly BuiltWheel[];
  readonly reporter: Pick<Reporter, 'info'>;
}

/** What an index did not give to a program that asked for it. */
export interface GatewayFault {
  /** Its address, without secrets. */
  readonly index: string;
  /** Normalised. */
  readonly project: string;
  /** undefined for the project's page. */
  readonly file: string | undefined;
  readonly kind: WebFault;
  /** A few words about "it", without secrets. */
  readonly reason: string;
  readonly status: number | undefined;
}

/** A server on the loopback address that passes on pages and files of indexes. */
export interface Gateway {
  /** Its addresses of the indexes, in their order. They contain a secret. */
  readonly urls: readonly string[];
  /** In order. */
  readonly faults: readonly GatewayFault[];
  /** Requests the pages of projects that programs are going to ask for. @param names normalised */
  fetchAhead(names: Iterable<string>): void;
  /** A text with the addresses of the indexes instead of its own. */
  shown(text: string): string;
  close(): Promise<void>;
}

export interface Gateways {
  /** Starts a gateway for programs of this machine that know its addresses. */
  open(options: GatewayOptions): Promise<Gateway>;
}

/** Queries package indexes, each within a few seconds. */
export interface IndexProbe {
  /**
   * Requests one project's page.
   * @param url of the index; may contain credentials
   */
  probe(url: string, project: string, trust: IndexTrust): Promise<Health>;
}

/** A file in a directory, with its digest and size. */
export interface Measured {
  /** Its name. */
  readonly file: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** Directories of wheels. */
export interface Wheelhouses {
  /**
   * Compares a wheelhouse with its manifest: the names and sizes of its files, or the content of every
   * wheel as well.
   * @returns undefined when the directory is empty or missing
   * @throws ManifestError when its manifest can't be used
   */
  inspect(directory: string, depth: 'sizes' | 'content'): Promise<Inspected | undefined>;
  /** Hashes wheels of a wheelhouse, by default all. @returns it without those that do not match */
  verify(directory: string, inspected: Inspected, wheels?: readonly Wheel[]): Promise<Inspected>;
  /** Deletes everything but the given files. @param files paths relative to the directory */
  keepOnly(directory: string, files: readonly string[]): Promise<void>;
  /** Lists the names of the wheels in a directory. */
  list(directory: string): Promise<readonly string[]>;
  /** Hashes files. @returns in order @throws the system's error for one that can't be read */
  measure(directory: string, files: readonly string[]): Promise<readonly Measured[]>;
  /**
   * Completes a wheelhouse: moves wheels that are not installed to a directory of their own, writes
   * manifest and locks, each whole or not at all, and deletes everything else.
   */
  seal(directory: string, manifest: Manifest): Promise<void>;
  /** Makes a directory for a run's temporary files. It is deleted when the process ends. */
  workplace(parent: string): Promise<string>;
  /** Makes an empty directory in a workplace. */
  stage(workplace: string): Promise<string>;
  /** Links the files of a directory into another one; only the given ones, if any are given. */
  share(directory: string, staged: string, files?: readonly string[]): Promise<void>;
  /** Writes the file that makes a directory a change. */
  writeBase(directory: string, base: BaseReference): Promise<void>;
  /** Whether a directory has such a file. */
  isChange(directory: string): Promise<boolean>;
  /**
   * Reads and deletes that file.
   * @returns undefined when there is none
   * @throws ManifestError when it is not valid
   */
  takeBase(directory: string): Promise<BaseReference | undefined>;
  /**
   * Moves the wheels that a wheelhouse lacks from another directory. Follows no links.
   * @returns their paths, relative to the wheelhouse
   * @throws ManifestError when the manifest of the wheelhouse can't be used
   */
  supplement(directory: string, from: string): Promise<ReadonlySet<string>>;
  /**
   * Prepares a wheelhouse for filling: moves all wheels into one directory, and replaces links by
   * copies, which may be written to.
   */
  reopen(directory: string): Promise<void>;
  /** Moves a staged directory, whole, into the place of another one, which is deleted. */
  publish(staged: string, directory: string): Promise<void>;
  /**
   * Copies a file.
   * @param sha256 hex, which it must have, if known
   * @returns its SHA-256 in hex, and its size in bytes
   * @throws UserError for another content, and the system's error when it can't be copied
   */
  copy(
    from: string,
    to: string,
    sha256: string | undefined,
  ): Promise<Pick<Measured, 'sha256' | 'size'>>;
  /** Moves a file from one directory to another. */
  move(file: string, from: string, to: string): Promise<void>;
  /** Writes text to a file, and makes its directory. */
  write(file: string, text: string): Promise<void>;
  read(file: string): Promise<string>;
  exists(file: string): Promise<boolean>;
  remove(directory: string): Promise<void>;
}

/** Shows messages to people. */
export interface Reporter {
  info(text: string): void;
  notice(text: string): void;
  warning(text: string): void;
  /** Says why the run failed. The user can fix a UserError; anything else is a bug. */
  error(error: unknown): void;
  /** Masks these texts in everything that is shown from now on. */
  hide(secrets: readonly string[]): void;
  /** Shows lines from another program; a workflow command in them has no effect. */
  foreign(text: string): void;
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}

export interface World {
  readonly python: Python;
  readonly uv: Uv;
  readonly lockTools: LockTools;
  readonly sources: Sources;
  readonly wheelhouses: Wheelhouses;
  readonly store: CacheStore;
  readonly indexProbe: IndexProbe;
  readonly web: Web;
  readonly gateways: Gateways;
  readonly reporter: Reporter;
  readonly now: () => Date;
}
