import type { Refresh } from './freshness.ts';
/** The words of the product: what is asked for, what is found, what is decided. */

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
