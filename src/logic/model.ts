/** The words of the product: what is asked for, what is found, what is decided. */

/** An error that the user can mend: it is shown as it is, without a stack. */
export class UserError extends Error {
  readonly file: string | undefined;
  readonly line: number | undefined;

  /**
   * @param message what is wrong and what to do, in one or two sentences
   * @param at the file (as the user would write it) and 1-based line that the error is about
   */
  constructor(message: string, at: { file?: string | undefined; line?: number | undefined } = {}) {
    super(message);
    this.name = 'UserError';
    this.file = at.file;
    this.line = at.line;
  }
}

/** Errors of the system that are no fault of this program, and what to do about them. */
const systemAdvice: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free space and run again',
  EDQUOT: 'The disk quota is used up: free space and run again',
  EROFS: 'A directory that has to be written is read-only: check where the runner keeps its files',
  EACCES: 'A file or directory is not accessible: check its owner and its permissions',
};

/** @returns the error as one that the user can mend; undefined: it is a fault of this program */
export function asUserError(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  const advice = systemAdvice[String(code)];
  return advice === undefined ? undefined : new UserError(`${advice} (${messageOf(error)}).`);
}

/** The text of any thrown value, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const refreshPeriods = ['auto', 'always', 'daily', 'weekly', 'monthly', 'never'] as const;
/** How long a resolution of unpinned requirements counts. */
export type Refresh = (typeof refreshPeriods)[number];

/** Everything that a run was asked for: read once, validated, never changed. */
export interface Request {
  /** Absolute path of the checkout: globs and the transfer directory stay inside it. */
  readonly workspace: string;
  /** Absolute path where relative paths of the inputs start, and where pip runs. */
  readonly workingDirectory: string;
  /** Globs of requirement files; empty when packages or groups take their place. */
  readonly requirements: readonly string[];
  readonly packages: readonly string[];
  /** Paths of constraint files. */
  readonly constraints: readonly string[];
  /** `name`, or `path/to/pyproject.toml:name`. */
  readonly groups: readonly string[];
  readonly cacheDependencyPath: readonly string[];
  /** A path or a command; undefined: the `python` or `python3` on PATH. */
  readonly python: string | undefined;
  /** Absolute path of the virtual environment to make and use. */
  readonly venv: string | undefined;
  /** What installs from the lock. */
  readonly installer: 'pip' | 'uv';
  readonly compileBytecode: boolean;
  readonly install: boolean;
  readonly export: boolean;
  readonly refresh: Refresh;
  readonly restoreCache: boolean;
  readonly saveCache: boolean;
  readonly cacheSuffix: string;
  /** Absolute path of the wheelhouse; undefined: a directory of its own under `temporary`. */
  readonly wheelhouse: string | undefined;
  /** Absolute path of a directory for this run's files. */
  readonly temporary: string;
  readonly index: IndexInputs;
  /** The environment that the run started with. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The inputs that name package indexes. Everything here may hold secrets: never shown as it is. */
export interface IndexInputs {
  /** undefined: what pip is configured with. */
  readonly url: string | undefined;
  readonly extra: readonly string[];
  readonly trustedHosts: readonly string[];
  /** Credentials for `url`, or for the index that pip is configured with. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly mirror: string | undefined;
}

/** What one subprocess of the chosen Python says of itself. */
export interface Interpreter {
  /** Absolute path of the executable. */
  readonly executable: string;
  /** `cpython`, `pypy`, … */
  readonly implementation: string;
  /** `3.11.7` */
  readonly version: string;
  /** `3.11`, with the pre-release level when it is one: `3.15b1`. */
  readonly series: string;
  /** The suffix of its extension modules, e.g. `.cpython-311-x86_64-linux-gnu.so`. */
  readonly extensionSuffix: string;
  /** `sysconfig.get_platform()`, e.g. `linux-x86_64`. */
  readonly platform: string;
  /** `linux`, `macos`, `windows`, … */
  readonly os: string;
  /** `x86_64`, `arm64`, …; with `-32` for a 32-bit process on a 64-bit machine. */
  readonly arch: string;
  /** `glibc2.36`, `musl1.2`, `macos14`; `none` elsewhere. */
  readonly libc: string;
  readonly freeThreaded: boolean;
  /** Where packages are installed. */
  readonly sitePackages: string;
  /** Directories that it imports from, first come first served. */
  readonly searchPath: readonly string[];
  /** PEP 668: pip refuses to install into it. */
  readonly externallyManaged: boolean;
  /** undefined: this Python has no pip. */
  readonly pip: string | undefined;
  /** setuptools and wheel can both be imported: pip before 23.1 needs them to build without PEP 517. */
  readonly buildsLegacy: boolean;
  /** The index that pip asks when nobody names one. */
  readonly defaultIndex: string;
  /** The directory where pip caches unless it is told another; empty when that can't be told. */
  readonly pipCache: string;
  /** The package keyring can be imported: pip may ask it for credentials. */
  readonly keyring: boolean;
  /** There is a netrc file, from which pip takes credentials. */
  readonly netrc: boolean;
  /** pip's configuration as pip merges it: files, then the environment (`:env:.` keys). */
  readonly pipConfig: Readonly<Record<string, string>>;
}

/** @param version of a pip; what is no version counts as the oldest */
export function isOlderPip(version: string, [major, minor]: readonly [number, number]): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return own < major || (own === major && ownMinor < minor);
}

/** Where a line of a request stands: shown in errors and in the log. */
export interface Source {
  /** As the user would write it: relative to the workspace. */
  readonly file: string;
  /** 1-based; undefined for inputs. */
  readonly line: number | undefined;
}

interface Line {
  readonly source: Source;
  /**
   * What is handed to pip: the logical line without comments, variables unexpanded. Empty when the
   * line before says it too.
   */
  readonly text: string;
  /** For people: variables are expanded except in options and URLs, which lose their secrets. */
  readonly shown: string;
  /** It stands in a constraint file: it restricts, but asks for nothing. */
  readonly constraint: boolean;
}

/** An option of a line. */
export interface LineOption {
  /** Long form without dashes: `index-url`. */
  readonly name: string;
  readonly isFlag: boolean;
  /** Expanded. May contain secrets: never shown. Empty for flags. */
  readonly value: string;
  /**
   * The value with its variables as they are; undefined when one of them gives more than this
   * value.
   */
  readonly written: string | undefined;
}

/** `name[extras] specifier ; marker --hash=…`, found through an index. */
export interface IndexRequirement extends Line {
  readonly kind: 'index';
  /** Normalised (PEP 503). */
  readonly name: string;
  /** The name as it is spelled. */
  readonly project: string;
  /** As they are spelled, in order. */
  readonly extras: readonly string[];
  /** Clauses without white space, in order: `>=2`, `<3`. */
  readonly specifiers: readonly string[];
  /** The version of a lone `==` (no wildcard) or `===`. */
  readonly pin: string | undefined;
  /** Environment marker, without the semicolon. */
  readonly marker: string | undefined;
  /** `sha256:…`, as asked for. */
  readonly hashes: readonly string[];
  /** Its options beside `--hash`. */
  readonly options: readonly LineOption[];
}

/** A requirement that names its file or source instead of an index. */
export interface DirectRequirement extends Line {
  readonly kind: 'direct';
  /** path: a directory or archive on this machine; vcs: `git+…`; url: an archive elsewhere. */
  readonly form: 'path' | 'vcs' | 'url';
  readonly editable: boolean;
  /** The path or URL, expanded, without extras and marker. May hold secrets: never shown. */
  readonly target: string;
  /** A path as it is written, or the fingerprint of a URL: the same for the same target. */
  readonly shownTarget: string;
  readonly extras: readonly string[];
  readonly marker: string | undefined;
  /** Asked for by `--hash` or in the URL's fragment. */
  readonly hashes: readonly string[];
  /** A `--hash` option is there: it switches pip to checking all, which a fragment does not. */
  readonly checksHashes: boolean;
}

/** An option that stands alone on its line. */
export interface OptionLine extends Line, Pick<LineOption, 'name' | 'value' | 'written'> {
  readonly kind: 'option';
}

export type RequestLine = IndexRequirement | DirectRequirement | OptionLine;

/** The whole of what is asked for, read and flattened. */
export interface RequestedSet {
  readonly lines: readonly RequestLine[];
  /** Files read, as shown in the log: `path` and how many lines of it count. */
  readonly files: readonly { readonly path: string; readonly lines: number }[];
  /** What decides the dependencies of local projects: shown path and hex digest. */
  readonly projects: readonly LocalProject[];
  /** What builds are constrained to, in canonical spelling. */
  readonly buildConstraints?: readonly string[];
  /** Digests of the files of `cache-dependency-path`. */
  readonly extra: readonly { readonly path: string; readonly digest: string }[];
}

/** What of a local project or archive decides its dependencies. */
export interface LocalProject {
  /** Absolute path. */
  readonly path: string;
  readonly shown: string;
  /** Hex digest of the deciding parts. */
  readonly digest: string;
  /** `build-system.requires`, or what pip assumes without it; empty for archives. */
  readonly buildRequires: readonly string[];
}
