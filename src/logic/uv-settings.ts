/**
 * The settings of uv that decide which files it chooses and how it builds them: its variables, and the
 * uv.toml or pyproject.toml that apply where it runs. They become one uv.toml for the fill, so that uv
 * reads exactly what the cache key contains.
 *
 * Sources: uv's pages "Settings", "Environment variables" and "Indexes"; `PipSettings::combine` and
 * `FilesystemOptions` of its code (seen with uv 0.12 and 0.13).
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { digest } from './digest.ts';
import { UserError } from './errors.ts';
import { isSameIndex } from './index-choice.ts';
import type { IndexInputs } from './model.ts';
import { fingerprinted, shownAddress } from './secrets.ts';
import { parseToml, type Table, table, tables } from './toml.ts';

type Environment = Readonly<Record<string, string>>;

/** A file with settings of uv. */
export interface UvFile {
  /** Absolute path: its relative paths start in its directory. */
  readonly path: string;
  readonly text: string;
  /** The file was found from where uv runs, so that whoever changes the checkout can change it. */
  readonly isOfProject: boolean;
}

/** An index that uv's settings name. */
interface UvIndex {
  /** With its credentials. */
  readonly url: string;
  /** Its other settings, such as `ignore-error-codes`. */
  readonly options: Table;
}

/** What uv's settings say about the choice of files. */
export interface UvSettings {
  /** Content of a uv.toml without indexes, with absolute paths. */
  readonly config: Table;
  /** The index that is asked last. */
  readonly defaultIndex: UvIndex | undefined;
  /** The indexes that are asked first, in order. */
  readonly otherIndexes: readonly UvIndex[];
  /** Files may come from elsewhere than indexes. */
  readonly hasFindLinks: boolean;
  /** The parts of the cache key, with addresses as fingerprints. */
  readonly parts: readonly string[];
}

/** The variables that decide which files uv chooses, besides those that name indexes. */
const choosingVariables = [
  'UV_AMD_GPU_ARCHITECTURE',
  'UV_BUILD_CONSTRAINT',
  'UV_CONSTRAINT',
  'UV_CUDA_DRIVER_VERSION',
  'UV_EXCLUDE',
  'UV_EXCLUDE_NEWER',
  'UV_FIND_LINKS',
  'UV_FORK_STRATEGY',
  'UV_INDEX_STRATEGY',
  'UV_NO_BINARY',
  'UV_NO_BINARY_PACKAGE',
  'UV_NO_BUILD',
  'UV_NO_BUILD_ISOLATION',
  'UV_NO_BUILD_PACKAGE',
  'UV_NO_SOURCES',
  'UV_NO_SOURCES_PACKAGE',
  'UV_OVERRIDE',
  'UV_PREVIEW',
  'UV_PREVIEW_FEATURES',
  'UV_PRERELEASE',
  'UV_RESOLUTION',
  'UV_TORCH_BACKEND',
] as const;

/** Those of them that name files, separated by spaces. */
const fileVariables = [
  'UV_BUILD_CONSTRAINT',
  'UV_CONSTRAINT',
  'UV_EXCLUDE',
  'UV_OVERRIDE',
] as const;

/** Settings that do not decide which files uv chooses, or that this program decides. */
const unusedKeys = new Set([
  // Where uv keeps files, how it installs, and other commands.
  ...[
    'cache-dir',
    'no-cache',
    'cache-keys',
    'link-mode',
    'compile-bytecode',
    'add-bounds',
    'audit',
  ],
  ...['concurrent-downloads', 'concurrent-builds', 'concurrent-installs', 'offline'],
  ...['upgrade', 'upgrade-package', 'reinstall', 'reinstall-package', 'strict'],
  ...['publish-url', 'check-url', 'trusted-publishing'],
  // Which Python it uses.
  ...['python', 'system', 'break-system-packages', 'target', 'prefix', 'python-preference'],
  ...['python-downloads', 'python-install-mirror', 'pypy-install-mirror'],
  ...['python-downloads-json-url', 'python-version', 'python-platform'],
  // Projects and workspaces; requirement files have none of these.
  ...['workspace', 'sources', 'dev-dependencies', 'default-groups', 'dependency-groups', 'managed'],
  ...['package', 'build-backend', 'conflicts', 'environments', 'required-environments'],
  ...['extra', 'all-extras', 'no-extra', 'group'],
  // The form of the output of `uv pip compile`.
  ...['output-file', 'no-strip-extras', 'no-strip-markers', 'no-annotate', 'no-header'],
  ...['custom-compile-command', 'generate-hashes', 'universal', 'no-emit-package'],
  ...['emit-index-url', 'emit-find-links', 'emit-build-options', 'emit-marker-expression'],
  ...['emit-index-annotation', 'annotation-style', 'allow-empty-requirements'],
  // Every hash in the request is checked anyway.
  ...['require-hashes', 'verify-hashes'],
  // Indexes are returned separately.
  ...['index', 'index-url', 'extra-index-url'],
]);

/** Keys that matter, but to the connection only. */
const connectionKeys = new Set([
  ...['allow-insecure-host', 'http-proxy', 'https-proxy', 'keyring-provider', 'native-tls'],
  ...['no-proxy', 'required-version', 'system-certs'],
]);

/**
 * Keys that a file of the checkout must not set: a pull request could send the credentials of inputs
 * to a proxy of its own, and have its certificate accepted.
 */
const machineKeys = ['allow-insecure-host', 'http-proxy', 'https-proxy', 'no-proxy'];

/** Keys of `[pip]` whose counterparts at the top level have another form. */
const pipOnly = new Set(['no-binary', 'only-binary', 'no-build', 'no-deps']);

/**
 * Merges uv's settings.
 * @param files those that apply, the one with the highest precedence first
 * @throws UserError for a file that is not valid TOML
 */
export function uvSettings(environment: Environment, files: readonly UvFile[]): UvSettings {
  const merged = files.map(contentOf).reduce(combined, {});
  const all = { ...merged, ...combined(table(merged['pip']), merged) };
  const config = relevant(all, (key) => !unusedKeys.has(key) && !pipOnly.has(key) && key !== 'pip');
  const top = relevant(merged, (key) => pipOnly.has(key));
  const pip = relevant(table(merged['pip']), (key) => pipOnly.has(key));
  const { defaultIndex, otherIndexes } = indexesOf(environment, all);
  const whole = { ...config, ...top, ...(Object.keys(pip).length === 0 ? {} : { pip }) };
  const indexOptions = [...otherIndexes, ...(defaultIndex === undefined ? [] : [defaultIndex])]
    .filter(({ options }) => Object.keys(options).length > 0)
    .map(({ url, options }) => `index-options=${fingerprinted(url)} ${JSON.stringify(options)}`);
  return {
    config: whole,
    defaultIndex,
    otherIndexes,
    hasFindLinks: Boolean(environment['UV_FIND_LINKS']) || all['find-links'] !== undefined,
    parts: [
      ...choosingVariables.flatMap((name) => {
        const value = environment[name];
        return value ? [`${name}=${fingerprinted(value)}`] : [];
      }),
      ...Object.entries(whole)
        .filter(([key]) => !connectionKeys.has(key))
        .map(([key, value]) => `uv ${key}=${valuePart(key, value)}`)
        .sort(),
      ...indexOptions,
    ],
  };
}

/** The files that variables name: their content decides which files uv chooses. Paths. */
export function referencedFiles(environment: Environment, directory: string): string[] {
  return fileVariables.flatMap((name) =>
    (environment[name] ?? '')
      .split(/\s+/)
      .filter((file) => file !== '')
      .map((file) => path.resolve(directory, file)),
  );
}

/** @throws UserError for a setting of uv that limits the age of files, beside the input that does */
export function refuseNewestOfUv({ config }: UvSettings, environment: Environment): void {
  if (!environment['UV_EXCLUDE_NEWER'] && config['exclude-newer'] === undefined) return;
  throw new UserError(
    'The input minimum-release-age is set, and uv is configured with exclude-newer. Remove one of them.',
  );
}

/**
 * The index inputs of a run, completed by uv's settings. The input index-url replaces all indexes of
 * uv's settings, and extra-index-url those that are asked first.
 * @param configured pip's index, which counts where uv's settings name no default
 * @throws UserError when the credentials of inputs would go to an index that a file of uv names
 */
export function withUvIndexes(
  inputs: IndexInputs,
  { defaultIndex, otherIndexes }: UvSettings,
  configured: string,
): IndexInputs {
  if (inputs.url !== undefined) return inputs;
  const url = defaultIndex?.url;
  if (inputs.username !== undefined && url !== undefined && !isSameIndex(url, configured)) {
    // The author of a pull request must not get the credentials.
    throw new UserError(
      `The inputs index-username and index-password are set, but uv's settings name another default index (${shownAddress(url)}). Set the input index-url to the index that the credentials are for.`,
    );
  }
  const extra = inputs.extra.length > 0 ? inputs.extra : otherIndexes.map((index) => index.url);
  return { ...inputs, url, extra };
}

/**
 * The uv.toml of a fill, as a table, and the variables with the credentials of its indexes, which are
 * not written to disk.
 * @param urls of the indexes, the default one last; none for no index
 * @param metadata of versions that uv need not ask for; entries of the user come first
 */
export function uvConfiguration(
  { config: own, defaultIndex, otherIndexes }: UvSettings,
  urls: readonly string[],
  metadata: readonly Table[],
): { readonly config: Table; readonly environment: Record<string, string> } {
  const known = [...otherIndexes, ...(defaultIndex === undefined ? [] : [defaultIndex])];
  const key = 'dependency-metadata';
  const config =
    metadata.length === 0 ? own : { ...own, [key]: [...tables(own[key]), ...metadata] };
  const environment: Record<string, string> = {};
  const index = urls.map((url, position) => {
    const name = `index-${position + 1}`;
    const { address, username, password } = withoutCredentials(url);
    if (username !== '' || password !== '') {
      const variable = `UV_INDEX_INDEX_${position + 1}`;
      environment[`${variable}_USERNAME`] = username;
      environment[`${variable}_PASSWORD`] = password;
    }
    const options = known.find((each) => each.url === url)?.options ?? {};
    return { ...options, name, url: address, default: position === urls.length - 1 };
  });
  return { config: index.length === 0 ? config : { ...config, index }, environment };
}

/** Cache entries contain these parts: build settings can contain any secret, addresses a token. */
function valuePart(key: string, value: unknown): string {
  const text = JSON.stringify(value);
  return /^(?:config-settings|extra-build-variables)/.test(key)
    ? digest([text]).slice(0, 12)
    : fingerprinted(text);
}

/** Returns the settings in a file, with absolute paths. */
function contentOf(file: UvFile): Table {
  const content = parseToml(file.text, file.path);
  const isProject = path.basename(file.path) === 'pyproject.toml';
  const all = isProject ? table(table(content['tool'])['uv']) : content;
  const own = relevant(all, (key) => !(file.isOfProject && machineKeys.includes(key)));
  const directory = path.dirname(file.path);
  const pip = table(own['pip']);
  return {
    ...withAbsolutePaths(own, directory),
    ...(own['pip'] === undefined ? {} : { pip: withAbsolutePaths(pip, directory) }),
  };
}

function withAbsolutePaths(settings: Table, directory: string): Table {
  const absolute = (value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(value);
    return isUrl ? value : pathToFileURL(path.resolve(directory, value)).href;
  };
  const rebased: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    if (key === 'index-url') rebased[key] = absolute(value);
    if (key === 'extra-index-url' || key === 'find-links') {
      rebased[key] = Array.isArray(value) ? value.map(absolute) : value;
    }
    if (key === 'index') {
      rebased[key] = tables(value).map((index) => ({ ...index, url: absolute(index['url']) }));
    }
  }
  return { ...settings, ...rebased };
}

/** Lists are joined, and of other values the first one counts, as in uv. */
function combined(first: Table, second: Table): Table {
  const result: Record<string, unknown> = { ...second };
  for (const [key, value] of Object.entries(first)) {
    const other = second[key];
    if (Array.isArray(value) && Array.isArray(other)) result[key] = [...value, ...other];
    else if (isTable(value) && isTable(other)) result[key] = combined(value, other);
    else result[key] = value;
  }
  return result;
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function relevant(settings: Table, isWanted: (key: string) => boolean): Table {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => isWanted(key)));
}

/** Returns the indexes of variables and files in the order in which uv asks them. */
function indexesOf(
  environment: Environment,
  settings: Table,
): Pick<UvSettings, 'defaultIndex' | 'otherIndexes'> {
  const named = tables(settings['index']);
  const words = (variable: string): string[] =>
    (environment[variable] ?? '').split(/\s+/).filter((word) => word !== '');
  const strings = (value: unknown): string[] =>
    [value ?? []].flat().filter((each) => typeof each === 'string');
  const simple = (url: string): UvIndex => ({ url, options: {} });
  const fromVariable = (word: string): { name: string | undefined; index: UvIndex }[] => {
    const [, name, url = word] = /^([A-Za-z0-9][\w.-]*)=(.+)$/.exec(word) ?? [];
    const known = named.find((index) => index['name'] === url);
    if (known !== undefined) return [{ name: url, index: fromTable(known) }];
    return [{ name, index: { url: withVariables(url, name), options: {} } }];
  };
  const withVariables = (url: string, name: unknown): string => {
    if (typeof name !== 'string') return url;
    const variable = `UV_INDEX_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
    return withCredentials(
      url,
      environment[`${variable}_USERNAME`],
      environment[`${variable}_PASSWORD`],
    );
  };
  const fromTable = ({ name, url, ...rest }: Table): UvIndex => {
    const { default: _default, explicit: _explicit, 'publish-url': _publish, ...options } = rest;
    return { url: withVariables(String(url), name), options };
  };
  const given = [
    ...words('UV_INDEX').flatMap(fromVariable),
    ...words('UV_EXTRA_INDEX_URL').map((url) => ({ name: undefined, index: simple(url) })),
  ];
  const names = new Set(given.flatMap(({ name }) => name ?? []));
  // An explicit index is only for the sources of a project.
  const tablesInUse = named.filter(({ name, explicit }) => !names.has(String(name)) && !explicit);
  const [defaultIndex] = [
    ...[...words('UV_DEFAULT_INDEX'), ...words('UV_INDEX_URL')].flatMap((word) =>
      fromVariable(word).map(({ index }) => index),
    ),
    ...tablesInUse.filter((index) => index['default'] === true).map(fromTable),
    ...strings(settings['index-url']).map(simple),
  ];
  return {
    defaultIndex,
    otherIndexes: [
      ...given.map(({ index }) => index),
      ...tablesInUse.filter((index) => index['default'] !== true).map(fromTable),
      ...strings(settings['extra-index-url']).map(simple),
    ],
  };
}

function withCredentials(url: string, username?: string, password?: string): string {
  if (!username || !URL.canParse(url)) return url;
  const result = new URL(url);
  if (result.username !== '' || result.password !== '') return url;
  result.username = encodeURIComponent(username);
  result.password = encodeURIComponent(password ?? '');
  return result.href;
}

function withoutCredentials(url: string) {
  if (!URL.canParse(url)) return { address: url, username: '', password: '' };
  const parsed = new URL(url);
  const [username, password] = [parsed.username, parsed.password].map(decoded) as [string, string];
  parsed.username = '';
  parsed.password = '';
  return { address: username + password === '' ? url : parsed.href, username, password };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
