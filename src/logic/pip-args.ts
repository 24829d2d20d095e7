/** pip's command lines, as data. All follow `python -m pip`. */

const common = ['--disable-pip-version-check', '--no-input'];

/** Nothing of the user's settings, and no index: what an offline step starts from. */
const offline = ['--isolated', '--no-index'];

/**
 * The wheels of a request: pip looks into `--wheel-dir` before it downloads one that it chose on
 * the index. See docs/decisions/0002-fill.md.
 */
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

/** A requirement that names its own source, and what it may be built with. */
export interface SourceOptions {
  readonly requestFile: string;
  readonly report: string;
  /** Build with the wheels of these directories alone; undefined: ask the index. */
  readonly findLinks: readonly string[] | undefined;
}

/** The metadata of such a requirement: prepared, not built, not installed. */
export function metadataArgs(options: SourceOptions): string[] {
  return ['install', '--dry-run', '--ignore-installed', ...sourceArgs(options)];
}

/** Close: names the exact closure of a request in a wheelhouse. */
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
  /** The user has told pip to go ahead in an externally managed Python. */
  readonly breakSystemPackages: boolean;
}

/** Install: what the lock names, from the wheelhouse, each file checked before it is unpacked. */
export function installArgs(
  options: InstallOptions & { readonly lock: string; readonly repair: boolean },
): string[] {
  return [
    'install',
    ...offline,
    ...common,
    // Nothing is cached; of a cache that it may not write to, each pip would warn.
    '--no-cache-dir',
    '--quiet',
    '--no-warn-script-location',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    // What an interrupted installation left would count as "already satisfied".
    ...(options.repair ? ['--force-reinstall'] : []),
    ...installFlags(options),
    `--find-links=${options.wheelhouse}`,
    '-r',
    options.lock,
  ];
}

/** As {@link installArgs}, for uv (all follow `uv`): the same lock, checked in the same way. */
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
    // Its cache is then a temporary directory, which it deletes much faster than Node does.
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
 * A requirement from its own source, every time. The user's build settings apply; the index and its
 * credentials come in the environment, if at all.
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
    // In a container there is nobody but root to warn, and several pips would each do it.
    '--root-user-action=ignore',
    ...(options.breakSystemPackages ? ['--break-system-packages'] : []),
  ];
}
