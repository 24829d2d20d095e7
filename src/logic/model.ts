import type { Recheck, Refresh } from './freshness.ts';
import type { ReleaseAge } from './release-age.ts';
/** The two values that every decision starts from: the request and the interpreter. */

/** The inputs of a run, validated. */
export interface Request {
  /** Absolute path of the checkout; globs and the transfer directory stay inside it. */
  readonly workspace: string;
  /** Absolute path that the inputs start from where there is no working-directory. */
  readonly directory: string;
  /** Absolute path where pip runs; relative paths in inputs start here. */
  readonly workingDirectory: string;
  /** Globs of requirement and lock files. */
  readonly requirements: readonly string[];
  /** Local projects: a path, and extras in brackets. */
  readonly projects: readonly string[];
  /** No input names anything to install, so the files of the working directory decide. */
  readonly isOpen: boolean;
  /** Of the local projects and of lock files. */
  readonly extras: readonly string[];
  /** Whether local projects that an input names are installed editable. */
  readonly editable: boolean;
  /** Whether local projects are installed, and not only their dependencies. */
  readonly installProject: boolean;
  readonly packages: readonly string[];
  /** Paths of constraint files. */
  readonly constraints: readonly string[];
  /** `name`, or `path/to/pyproject.toml:name`. */
  readonly groups: readonly string[];
  readonly cacheDependencyPath: readonly string[];
  /** A path or a command; undefined for `python` or `python3` on PATH. */
  readonly python: string | undefined;
  /** Absolute path of the virtual environment to create and use. */
  readonly venv: string | undefined;
  /** The tool that resolves, builds and installs. */
  readonly installer: 'pip' | 'uv';
  readonly compileBytecode: boolean;
  readonly install: boolean;
  readonly export: boolean;
  readonly refresh: Refresh;
  readonly recheck: Recheck;
  /** undefined when files of any age may be chosen. */
  readonly releaseAge: ReleaseAge | undefined;
  readonly restoreCache: boolean;
  readonly saveCache: boolean;
  readonly cacheSuffix: string;
  /** Absolute path of the wheelhouse; undefined for a new directory under `temporary`. */
  readonly wheelhouse: string | undefined;
  /** Absolute path of a directory for temporary files of this run. */
  readonly temporary: string;
  readonly index: IndexInputs;
  /** The environment variables that the run started with. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The inputs that name package indexes. All of them may contain secrets, so none is shown as is. */
export interface IndexInputs {
  /** undefined for the index in pip's configuration. */
  readonly url: string | undefined;
  readonly extra: readonly string[];
  readonly trustedHosts: readonly string[];
  /** Credentials for `url`, or for the index in pip's configuration. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly mirror: string | undefined;
}

/** The properties of a Python, as one of its processes reports them. */
export interface Interpreter {
  /** Absolute path of the executable. */
  readonly executable: string;
  /** `cpython`, `pypy`, … */
  readonly implementation: string;
  /** `3.11.7` */
  readonly version: string;
  /** `3.11`, or `3.15b1` for a pre-release. */
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
  /** Directories that it imports from, in order. */
  readonly searchPath: readonly string[];
  /** pip refuses to install into it (PEP 668). */
  readonly externallyManaged: boolean;
  /** Version of its pip; undefined when it has none. */
  readonly pip: string | undefined;
  /** It has setuptools and wheel, which pip before 23.1 needs to build without PEP 517. */
  readonly buildsLegacy: boolean;
  /** pip's default index. */
  readonly defaultIndex: string;
  /** It has the package keyring, which pip may ask for credentials. */
  readonly keyring: boolean;
  /** There is a netrc file, from which pip reads credentials. */
  readonly netrc: boolean;
  /** pip's configuration as pip merges it: files, then the environment (`:env:.` keys). */
  readonly pipConfig: Readonly<Record<string, string>>;
}
