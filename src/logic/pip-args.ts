/** pip's command lines, as data. All follow `python -m pip`. */

const common = ['--disable-pip-version-check', '--no-input'];

/** Without the user's settings and without an index. */
const offline = ['--isolated', '--no-index'];

/** Fill: gets the wheels of a request, and builds those that have none. See docs/decisions/0002-fill.md. */
export function wheelArgs(options: {
  readonly wheelDir: string;
  readonly requestFile: string;
  readonly noDeps: boolean;
  readonly usePep517: boolean;
}): string[] {
  return [
    'wheel',
    ...common,
    '--progress-bar=off',
    ...(options.noDeps ? ['--no-deps'] : []),
    ...(options.usePep517 ? ['--use-pep517'] : []),
    `--wheel-dir=${options.wheelDir}`,
    '-r',
    options.requestFile,
  ];
}

/** The options for a requirement that names its own source. */
interface SourceOptions {
  readonly requestFile: string;
  readonly report: string;
  /** Directories with the only wheels for the build; undefined to use the index. */
  readonly findLinks: readonly string[] | undefined;
}

/** Gets the metadata of such a requirement, without building or installing it. */
export function metadataArgs(options: SourceOptions): string[] {
  return ['install', '--dry-run', '--ignore-installed', ...sourceArgs(options)];
}

/** Close: resolves the exact closure of a request in a wheelhouse. */
export function closeArgs(options: {
  readonly wheelDir: string;
  readonly requestFile: string;
  readonly report: string;
  readonly noDeps: boolean;
  /** Resolve as if the environment were empty. */
  readonly ignoreInstalled: boolean;
  readonly upgrade: boolean;
  readonly upgradeStrategy: string | undefined;
}): string[] {
  return [
    'install',
    ...offline,
    ...common,
    '--quiet',
    '--dry-run',
    ...(options.ignoreInstalled ? ['--ignore-installed'] : []),
    ...(options.upgrade ? ['--upgrade'] : []),
    ...(options.upgradeStrategy ? [`--upgrade-strategy=${options.upgradeStrategy}`] : []),
    '--only-binary=:all:',
    ...(options.noDeps ? ['--no-deps'] : []),
    `--find-links=${options.wheelDir}`,
    `--report=${options.report}`,
    '-r',
    options.requestFile,
  ];
}

export interface InstallOptions {
  readonly wheelhouse: string;
  readonly compile: boolean;
  /** The user allows pip to install into an externally managed Python. */
  readonly breakSystemPackages: boolean;
}

/** Install: installs the lock from the wheelhouse; pip checks the hash of each file first. */
export function installArgs(
  options: InstallOptions & { readonly lock: string; readonly repair: boolean },
): string[] {
  return [
    'install',
    ...offline,
    ...common,
    // Nothing is cached here, and each pip would warn about a cache that is not writable.
    '--no-cache-dir',
    '--quiet',
    '--no-warn-script-location',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    // After an interrupted installation, incomplete packages would count as "already satisfied".
    ...(options.repair ? ['--force-reinstall'] : []),
    ...installFlags(options),
    `--find-links=${options.wheelhouse}`,
    '-r',
    options.lock,
  ];
}

/** Options of every uv that resolves or builds. */
export interface UvOptions {
  readonly python: string;
  /** Path of a uv.toml, the only one that uv reads. */
  readonly configFile: string;
  readonly cacheDir: string;
  /** uv may use no index. */
  readonly noIndex: boolean;
  readonly findLinks: readonly string[];
  /** Paths of files. */
  readonly buildConstraints: readonly string[];
  /** As `name=value`. */
  readonly configSettings: readonly string[];
  readonly isolatesBuilds: boolean;
  readonly allowPreReleases: boolean;
  /** The moment before which files must have been uploaded, except those of some projects. */
  readonly newest: { readonly moment: string; readonly except: readonly string[] } | undefined;
}

/** Resolve: names the closure of a request, with the addresses and hashes of all files that fit. */
export function uvCompileArgs(
  options: UvOptions & {
    readonly requestFile: string;
    readonly output: string;
    readonly noDeps: boolean;
    readonly noBinary: readonly string[];
    readonly onlyBinary: readonly string[];
  },
): string[] {
  return [
    'pip',
    'compile',
    '--format=pylock.toml',
    '--no-header',
    `--output-file=${options.output}`,
    ...(options.noDeps ? ['--no-deps'] : []),
    ...options.noBinary.map((name) => `--no-binary=${name}`),
    ...options.onlyBinary.map((name) => `--only-binary=${name}`),
    ...uvSourceArgs(options),
    options.requestFile,
  ];
}

/** Builds the wheel of an sdist. */
export function uvBuildArgs(
  options: UvOptions & { readonly sdist: string; readonly output: string },
): string[] {
  return [
    'build',
    '--wheel',
    '--no-create-gitignore',
    `--out-dir=${options.output}`,
    ...uvSourceArgs(options),
    options.sdist,
  ];
}

function uvSourceArgs(options: UvOptions): string[] {
  const { newest } = options;
  return [
    `--config-file=${options.configFile}`,
    `--cache-dir=${options.cacheDir}`,
    `--python=${options.python}`,
    ...(options.noIndex ? ['--no-index'] : []),
    ...options.findLinks.map((place) => `--find-links=${place}`),
    ...options.buildConstraints.map((file) => `--build-constraints=${file}`),
    ...options.configSettings.map((setting) => `--config-setting=${setting}`),
    ...(options.isolatesBuilds ? [] : ['--no-build-isolation']),
    ...(options.allowPreReleases ? ['--prerelease=allow'] : []),
    ...(newest === undefined ? [] : [`--exclude-newer=${newest.moment}`]),
    // uv 0.11 has no other way to say "of any age".
    ...(newest?.except ?? []).map((name) => `--exclude-newer-package=${name}=2999-12-31`),
  ];
}

/** As {@link installArgs}, for uv (all follow `uv`): the same lock with the same checks. */
export function uvInstallArgs(
  options: InstallOptions & {
    readonly lock: string;
    readonly repair: boolean;
    readonly python: string;
  },
): string[] {
  return [
    'pip',
    'install',
    '--quiet',
    '--no-config',
    '--offline',
    '--no-index',
    '--no-deps',
    '--no-build',
    '--require-hashes',
    `--python=${options.python}`,
    // uv then uses a temporary directory as its cache, and deletes it much faster than Node would.
    '--no-cache',
    ...(options.repair ? ['--reinstall'] : []),
    ...(options.compile ? ['--compile-bytecode'] : []),
    ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
    `--find-links=${options.wheelhouse}`,
    '-r',
    options.lock,
  ];
}

/**
 * Installs a local project with uv, and what its build needs from directories of wheels. The uv.toml
 * or pyproject.toml where it runs applies, as it does for `uv sync`.
 */
export function uvProjectArgs(
  options: InstallOptions & {
    readonly python: string;
    readonly findLinks: readonly string[];
    readonly editable: boolean;
    /** Path, with extras in brackets. */
    readonly project: string;
  },
): string[] {
  return [
    'pip',
    'install',
    '--quiet',
    '--offline',
    '--no-index',
    '--no-deps',
    '--no-cache',
    '--reinstall',
    `--python=${options.python}`,
    ...(options.compile ? ['--compile-bytecode'] : []),
    ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
    ...options.findLinks.map((directory) => `--find-links=${directory}`),
    ...(options.editable ? [`--editable=${options.project}`] : [options.project]),
  ];
}

/**
 * Installs a requirement from its own source. The user's build settings apply; the environment names
 * the index, if there is one, with its credentials.
 */
export function installDirectArgs(options: InstallOptions & SourceOptions): string[] {
  return [
    'install',
    '--no-warn-script-location',
    '--force-reinstall',
    ...installFlags(options),
    ...sourceArgs(options),
  ];
}

function sourceArgs({ requestFile, report, findLinks }: SourceOptions): string[] {
  return [
    ...common,
    '--progress-bar=off',
    '--no-deps',
    ...(findLinks === undefined ? [] : ['--no-index']),
    ...(findLinks ?? []).map((directory) => `--find-links=${directory}`),
    `--report=${report}`,
    '-r',
    requestFile,
  ];
}

function installFlags(options: InstallOptions): string[] {
  return [
    options.compile ? '--compile' : '--no-compile',
    // In a container root is the only user.
    '--root-user-action=ignore',
    ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
  ];
}
