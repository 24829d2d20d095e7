/** pip's command lines, as data. All follow `python -m pip`. */

const common = ['--disable-pip-version-check', '--no-input'];

/** Nothing of the user's settings, and no index: what an offline step starts from. */
const offline = ['--isolated', '--no-index'];

export interface FillOptions {
  readonly wheelDir: string;
  readonly requestFile: string;
  readonly usePep517: boolean;
}

/**
 * Fill: `--wheel-dir` is what pip looks into before it downloads a wheel that it chose on the
 * index; built wheels are offered by `--find-links` lines of the request file, for those alone
 * pip would build again. See docs/decisions/0002-fill.md.
 */
export function fillArgs(options: FillOptions): string[] {
  return [
    'wheel',
    ...common,
    '--progress-bar=off',
    ...(options.usePep517 ? ['--use-pep517'] : []),
    `--wheel-dir=${options.wheelDir}`,
    '-r',
    options.requestFile,
  ];
}

/** One wheel of one direct requirement, without its dependencies. */
export function fetchArgs(options: FillOptions): string[] {
  const [command = '', ...rest] = fillArgs(options);
  return [command, '--no-deps', ...rest];
}

/** The metadata of a direct requirement: prepared, not built, not installed. */
export function metadataArgs(options: {
  readonly requestFile: string;
  readonly report: string;
}): string[] {
  return [
    'install',
    ...common,
    '--progress-bar=off',
    '--dry-run',
    '--ignore-installed',
    '--no-deps',
    `--report=${options.report}`,
    '-r',
    options.requestFile,
  ];
}

/** Close: names the exact closure of a request in a wheelhouse. */
export function closeArgs(options: {
  readonly wheelDir: string;
  readonly requestFile: string;
  readonly report: string;
  readonly noDeps: boolean;
}): string[] {
  return [
    'install',
    ...offline,
    ...common,
    '--quiet',
    '--dry-run',
    '--ignore-installed',
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
 * Direct requirements, every time and last: their dependencies have just been installed from the
 * lock. The user's build settings apply; index and mirrors come in the environment, if at all.
 */
export function installDirectArgs(
  options: InstallOptions & {
    readonly requestFile: string;
    readonly report: string;
    readonly noIndex: boolean;
  },
): string[] {
  return [
    'install',
    ...common,
    '--progress-bar=off',
    '--no-warn-script-location',
    '--no-deps',
    '--force-reinstall',
    ...(options.noIndex ? ['--no-index'] : []),
    ...installFlags(options),
    `--find-links=${options.wheelhouse}`,
    `--report=${options.report}`,
    '-r',
    options.requestFile,
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
