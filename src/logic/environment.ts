/** The environments of pip's runs: index settings and credentials reach the fill alone. */

type Environment = Readonly<Record<string, string>>;

/**
 * What the runner gives to actions and not to the commands of a workflow: inputs, state, and the
 * token of the cache service, with which a build script could write entries for other branches. And
 * the passwords and addresses that the command line takes from the environment. Then the files
 * through which a step talks to the runner, and what it gets an identity token with: code that is
 * built or that a checkout brings along would speak in this action's name.
 */
const forActionsOnly =
  /^(?:INPUT_|STATE_|ACTIONS_(?:RUNTIME|RESULTS|CACHE|ID_TOKEN_REQUEST)_|GITHUB_(?:STATE|OUTPUT|ENV|PATH|STEP_SUMMARY)$|WHEELHOUSE_(?:(?:INDEX|FEED)_PASSWORD|(?:(?:EXTRA_)?INDEX|MIRROR)_URL)$)/i;

/** The part of a process's environment that other programs may see. */
export function environmentForPrograms(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !forActionsOnly.test(entry[0]),
  );
  return Object.fromEntries(kept);
}

/** Settings that would change what a fill does or says, beside those that choose files. */
const notForFill = [
  'dry-run',
  'editable',
  'log',
  'no-clean',
  'prefix',
  'quiet',
  'report',
  'requirement',
  'root',
  'src',
  'target',
  'user',
  'wheel-dir',
];

/** Settings that say how a project is built; they also hold where no index may be asked. */
const buildSettings = [
  'build-constraint',
  'build-option',
  'config-settings',
  'constraint',
  'global-option',
  'no-build-isolation',
  'use-pep517',
];

function variable(setting: string): string {
  return `PIP_${setting.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * The user's environment, with `[install]` settings of pip's files in force for `pip wheel` too.
 * @param index variables that name the index; they alone hold credentials of inputs
 * @param keyring pip may ask the package keyring, as it does where nobody forbids it to prompt
 */
export function fillEnvironment(
  environment: Environment,
  pipConfig: Readonly<Record<string, string>>,
  index: Environment,
  keyring: boolean,
): Record<string, string> {
  const excluded = new Set(notForFill.map(variable));
  const installSettings = Object.entries(pipConfig)
    .filter(([key]) => key.startsWith('install.'))
    .map(([key, value]) => [variable(key.slice('install.'.length)), value] as const);
  return {
    ...Object.fromEntries(installSettings.filter(([name]) => !excluded.has(name))),
    // With PIP_NO_INPUT pip leaves keyring alone unless it is named.
    ...(keyring ? { PIP_KEYRING_PROVIDER: 'import' } : {}),
    ...Object.fromEntries(Object.entries(environment).filter(([name]) => !excluded.has(name))),
    ...index,
    PIP_NO_INPUT: '1',
    // What is read of pip's output is said at this level; a configuration file may ask for less.
    PIP_QUIET: '0',
    PIP_VERBOSE: '0',
    // From 26.2 on pip takes index pages from its cache while they are fresh; this asks the index.
    PIP_REFRESH_PACKAGE: ':all:',
    PIP_BREAK_SYSTEM_PACKAGES: '1', // Nothing is installed; some pips refuse even a dry run.
  };
}

/** Variables that name the directory for a program's temporary files, on all systems. */
export function temporaryVariables(directory: string): Record<string, string> {
  return { TMPDIR: directory, TEMP: directory, TMP: directory };
}

/**
 * No pip setting, no file of pip's: `--isolated` leaves the global file in force.
 * @param nullDevice `os.devnull` of this system: pip then reads no file at all
 */
export function offlineEnvironment(
  environment: Environment,
  nullDevice: string,
): Record<string, string> {
  const kept = Object.entries(environment).filter(([name]) => !/^(?:PIP|UV)_/i.test(name));
  return { ...Object.fromEntries(kept), PIP_CONFIG_FILE: nullDevice };
}

/** As {@link offlineEnvironment}, with the settings that say how local projects are built. */
export function buildEnvironment(
  environment: Environment,
  settings: ReadonlyMap<string, string>,
  nullDevice: string,
): Record<string, string> {
  const build = buildSettings.flatMap((name) => {
    const value = settings.get(name);
    return value ? [[variable(name), value] as const] : [];
  });
  return { ...offlineEnvironment(environment, nullDevice), ...Object.fromEntries(build) };
}
