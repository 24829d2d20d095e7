/** The environment variables of pip's runs: only the fill gets index settings and credentials. */

type Environment = Readonly<Record<string, string>>;

/**
 * Variables that no other program may see:
 * - those that the runner gives to actions only: inputs, state, and the token of the cache service,
 *   with which a build script could write entries for other branches;
 * - the passwords and addresses for the command line;
 * - the settings of this action's own programs;
 * - the files of workflow commands and the request for an identity token, with which code from the
 *   checkout or from a build could act in the name of this action.
 */
const forActionsOnly =
  /^(?:INPUT_|STATE_|ACTIONS_(?:RUNTIME|RESULTS|CACHE|ID_TOKEN_REQUEST)_|GITHUB_(?:STATE|OUTPUT|ENV|PATH|STEP_SUMMARY)$|WHEELHOUSE_(?:PIP|AGE_EXCEPT|BUILD_LOG|(?:INDEX|FEED)_PASSWORD|(?:(?:EXTRA_)?INDEX|MIRROR)_URL)$)/i;

/** The part of a process's environment that other programs may see. */
export function environmentForPrograms(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !forActionsOnly.test(entry[0]),
    ),
  );
}

/** Settings that would change the files or the output of a fill, but not which packages it chooses. */
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

/** Settings that decide how a project is built; they apply even without an index. */
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
 * The user's environment for `pip wheel`, with the `[install]` settings of pip's files.
 * @param index variables that name the index; only these contain the credentials of inputs
 * @param keyring whether pip may ask the package keyring, as it does by default
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
    // With PIP_NO_INPUT pip uses keyring only if it is named.
    ...(keyring ? { PIP_KEYRING_PROVIDER: 'import' } : {}),
    ...Object.fromEntries(Object.entries(environment).filter(([name]) => !excluded.has(name))),
    ...index,
    PIP_NO_INPUT: '1',
    // The parsed lines need this level of output; a configuration file may set a lower one.
    PIP_QUIET: '0',
    PIP_VERBOSE: '0',
    // Since 26.2 pip reads index pages from its cache while they are fresh; this disables that.
    PIP_REFRESH_PACKAGE: ':all:',
    PIP_BREAK_SYSTEM_PACKAGES: '1', // Nothing is installed; some pips refuse even a dry run.
  };
}

/**
 * Variables for pip, and for the pips that it starts, that make them use a gateway. Replaces those that
 * name indexes.
 * @param addresses of the indexes
 * @param settings pip's effective settings, without requirement files
 * @param nullDevice `os.devnull` of this system, which makes pip read no file at all
 */
export function gatewayVariables(
  [first = '', ...extra]: readonly string[],
  environment: Environment,
  settings: ReadonlyMap<string, string>,
  nullDevice: string,
): Record<string, string> {
  const proxy = settings.get('proxy');
  const direct = proxy === undefined ? noProxy(environment) : undefined;
  return {
    ...(proxy === undefined ? {} : gatewayProxyVariables(proxy, settings, nullDevice)),
    PIP_INDEX_URL: first,
    ...(extra.length > 0 ? { PIP_EXTRA_INDEX_URL: extra.join(' ') } : {}),
    NO_PROXY: direct ?? gatewayHost,
    no_proxy: direct ?? gatewayHost,
    // An answer takes as long as the download behind it, whose time the client limits.
    PIP_TIMEOUT: '7200',
    PIP_DEFAULT_TIMEOUT: '7200',
  };
}

const gatewayHost = '127.0.0.1';

/** An empty variable in lower case takes back the one in upper case. */
function noProxy({ no_proxy: lower, NO_PROXY: upper }: Environment): string {
  const hosts = lower ?? upper ?? '';
  return hosts === '' ? gatewayHost : `${hosts},${gatewayHost}`;
}

/**
 * pip's setting `proxy` has no exceptions, unlike the variables. So pip reads no file, gets its
 * settings as variables, and the proxy as one that other programs know as well.
 */
function gatewayProxyVariables(
  proxy: string,
  settings: ReadonlyMap<string, string>,
  nullDevice: string,
): Record<string, string> {
  const others = [...settings].filter(([name]) => !notForFill.includes(name));
  return {
    ...Object.fromEntries(others.map(([name, value]) => [variable(name), value])),
    PIP_CONFIG_FILE: nullDevice,
    PIP_PROXY: '', // pip ignores empty variables
    ...{ http_proxy: proxy, https_proxy: proxy, HTTP_PROXY: proxy, HTTPS_PROXY: proxy },
  };
}

/**
 * uv's variables that this program decides: where uv runs and keeps files, its configuration, its
 * indexes. Credentials for uploads are for no other command.
 */
const decidedForUv =
  /^UV_(?:CACHE_DIR|NO_CACHE|CONFIG_FILE|NO_CONFIG|NO_SYSTEM_CONFIG|ISOLATED|PYTHON|SYSTEM_PYTHON|BREAK_SYSTEM_PACKAGES|MANAGED_PYTHON|NO_MANAGED_PYTHON|WORKING_DIR(?:ECTORY)?|PROJECT|OFFLINE|DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_.*_(?:USERNAME|PASSWORD)|CUSTOM_COMPILE_COMMAND|PUBLISH_.*)$/;

/**
 * The user's environment for a uv that may ask an index.
 * @param own variables that name trust, proxy and credentials of indexes
 */
export function uvEnvironment(environment: Environment, own: Environment): Record<string, string> {
  const others = Object.entries(environment).filter(([name]) => !decidedForUv.test(name));
  return {
    ...Object.fromEntries(others),
    ...own,
    UV_NO_PROGRESS: '1',
    UV_PYTHON_DOWNLOADS: 'never',
  };
}

/** Variables that name a proxy. @param proxy of pip's settings; undefined for none */
export function proxyVariables(proxy: string | undefined): Record<string, string> {
  return proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy, ALL_PROXY: proxy };
}

/** Variables that set the directory for a program's temporary files, on all systems. */
export function temporaryVariables(directory: string): Record<string, string> {
  return { TMPDIR: directory, TEMP: directory, TMP: directory };
}

/**
 * An environment without any setting for pip: `--isolated` alone would keep its global file.
 * @param nullDevice `os.devnull` of this system, which makes pip read no file at all
 */
export function offlineEnvironment(
  environment: Environment,
  nullDevice: string,
): Record<string, string> {
  const others = Object.entries(environment).filter(([name]) => !/^(?:PIP|UV)_/i.test(name));
  return { ...Object.fromEntries(others), PIP_CONFIG_FILE: nullDevice };
}

/** As {@link offlineEnvironment}, with the settings that decide how local projects are built. */
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
