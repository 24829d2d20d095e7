/**
 * The locks of uv, Poetry, PDM and pipenv are read by the exporter of the tool that wrote them: how
 * each is run, and what its output means. Exporters need no network, and all but uv's run in a
 * directory of their own with copies of two files, where nothing else of the checkout is in reach.
 * Everything here was tried with uv 0.13, Poetry 2.5, PDM 2.28 and pipenv 2026.10.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { offlineEnvironment } from './environment.ts';
import { UserError } from './errors.ts';
import type { LockTool } from './lock-files.ts';
import { normalizeName } from './names.ts';
import { type Lock, type LockedPackage, type LockSelection, readLock } from './pylock.ts';
import { logicalLines } from './requirements.ts';
import { parseToml, strings, type Table, table, tables } from './toml.ts';

type Environment = Readonly<Record<string, string>>;

/** What a tool's lock is exported for. */
export interface ExportSelection extends LockSelection {
  /** Whether local projects are installed as the lock says, most of them editable. */
  readonly editable: boolean;
  /** Whether the project that the lock belongs to is installed as well. */
  readonly installProject: boolean;
}

/** A lock of a tool, and the file beside it that it was made from. */
export interface ToolLock {
  readonly tool: LockTool;
  /** The lock's name in messages. */
  readonly shown: string;
  /** Content of the lock. */
  readonly lock: string;
  /** Content of pyproject.toml or Pipfile. */
  readonly project: string;
}

/** A run of an exporter. */
export interface ExportCommand {
  readonly args: readonly string[];
  /** What is run instead if the output of `args` shows that only an index can tell. */
  readonly online?: readonly string[];
}

/** How a lock is exported. */
export interface LockExport {
  /** Run in order; the last one prints the lock. If one fails, its output says why. */
  readonly commands: readonly ExportCommand[];
  /** Files of the directory to run in, by name; undefined to run in the lock's own directory. */
  readonly files: Readonly<Record<string, string>> | undefined;
}

/** How a tool is recognised and which file its lock belongs to. */
interface ToolTraits {
  /** The file beside the lock that states what is locked. */
  readonly projectFile: 'pyproject.toml' | 'Pipfile';
  /** The arguments that make a usable tool print `sign`. */
  readonly probe: readonly string[];
  readonly sign: string;
  /** How to write the lock again. */
  readonly lockCommand: string;
}

const traits: Readonly<Record<LockTool, ToolTraits>> = {
  uv: {
    projectFile: 'pyproject.toml',
    probe: ['export', '--help'],
    sign: 'pylock.toml',
    lockCommand: 'uv lock',
  },
  poetry: {
    projectFile: 'pyproject.toml',
    // The command is a plugin's; without it Poetry fails. Older plugins export stale locks.
    probe: ['export', '--help', '--no-ansi'],
    sign: '--all-groups',
    lockCommand: 'poetry lock',
  },
  pdm: {
    projectFile: 'pyproject.toml',
    probe: ['export', '--help'],
    sign: '--no-hashes',
    lockCommand: 'pdm lock',
  },
  pipenv: {
    projectFile: 'Pipfile',
    probe: ['requirements', '--help'],
    sign: '--categories',
    lockCommand: 'pipenv lock',
  },
};

export function traitsOf(tool: LockTool): ToolTraits {
  return traits[tool];
}

/**
 * How a lock is exported: everything that the tool itself would install by default, and what is
 * selected on top.
 * @param python path of the interpreter that the packages are for
 * @throws UserError for a lock or project file that can't be used, or a selection that it lacks
 */
export function exportOf(lock: ToolLock, selection: ExportSelection, python: string): LockExport {
  return exports[lock.tool](lock, selection, python);
}

const exports: Readonly<
  Record<LockTool, (lock: ToolLock, selection: ExportSelection, python: string) => LockExport>
> = {
  uv(_lock, { extras, groups, editable, installProject }, python) {
    const args = ['export', '--locked', '--format=pylock.toml', '--no-header', `--python=${python}`]
      .concat(extras.map((extra) => `--extra=${extra}`))
      .concat(groups.map((group) => `--group=${group}`))
      .concat(editable ? [] : ['--no-editable'])
      .concat(installProject ? [] : ['--no-emit-project']);
    // A new dependency, and dependencies that a build back end computes, can't be checked offline.
    return { commands: [{ args: [...args, '--offline'], online: args }], files: undefined };
  },
  poetry(lock, { extras, groups }) {
    const pyproject = parseToml(lock.project, 'pyproject.toml');
    const wanted = [...poetryDefaultGroups(pyproject), ...groups];
    const args = ['export', '--format=requirements.txt', '--no-interaction', '--no-ansi']
      .concat(wanted.map((group) => `--with=${group}`))
      .concat(extras.map((extra) => `--extras=${extra}`));
    return {
      commands: [{ args }],
      files: {
        'poetry.lock': lock.lock,
        'pyproject.toml': lock.project,
        ...poetryLicense(pyproject),
      },
    };
  },
  pdm(lock, { extras, groups }) {
    const locked = table(parseToml(lock.lock, lock.shown)['metadata'])['groups'];
    const dynamic = table(parseToml(lock.project, 'pyproject.toml')['project'])['dynamic'];
    if (strings(dynamic).some((field) => /dependencies$/.test(field))) {
      throw new UserError(
        `${lock.shown} can't be used: its project computes its dependencies when it is built (project.dynamic). Write them into pyproject.toml, or commit a requirement file made by "pdm export".`,
        { file: lock.shown },
      );
    }
    refuseUnknown(lock, [...extras, ...groups], strings(locked));
    const wanted = [...extras, ...groups].map((group) => `--group=${group}`);
    return {
      commands: [
        { args: ['lock', '--check'] },
        // With hashes PDM refuses to export local projects, so they are read from the lock.
        { args: ['export', '--format=requirements', '--no-hashes', ...wanted] },
      ],
      files: { 'pdm.lock': lock.lock, 'pyproject.toml': lock.project },
    };
  },
  pipenv(lock, { extras, groups }) {
    const sections = Object.keys(pipfileLock(lock)).filter((name) => name !== '_meta');
    const categories = groups.map(pipenvCategory);
    refuseUnknown(lock, [...extras, ...categories.map(pipenvSection)], sections);
    const wanted =
      groups.length > 0 ? [`--categories=${['packages', ...categories].join(' ')}`] : [];
    return {
      commands: [{ args: ['verify'] }, { args: ['requirements', '--hash', ...wanted] }],
      files: { 'Pipfile.lock': lock.lock, Pipfile: lock.project },
    };
  },
};

/** The groups that `poetry install` installs without options, but `poetry export` leaves out. */
function poetryDefaultGroups(pyproject: Table): string[] {
  const poetry = table(table(pyproject['tool'])['poetry']);
  const own = table(poetry['group']);
  const isOptional = new Map(
    Object.entries(own).map(([name, group]) => [
      normalizeName(name),
      table(group)['optional'] === true,
    ]),
  );
  const names = [
    ...Object.keys(table(pyproject['dependency-groups'])),
    ...Object.keys(own),
    ...('dev-dependencies' in poetry ? ['dev'] : []),
  ];
  const unique = new Map(names.map((name) => [normalizeName(name), name]));
  return [...unique].flatMap(([name, spelled]) =>
    isOptional.get(name) || name === 'main' ? [] : [spelled],
  );
}

/** Poetry does not start if a licence file is missing; its content does not matter here. */
function poetryLicense(pyproject: Table): Record<string, string> {
  const file = table(table(pyproject['project'])['license'])['file'];
  if (typeof file !== 'string') return {};
  const normal = path.posix.normalize(file);
  return /^[A-Za-z0-9_][\w. /-]*$/.test(normal) ? { [normal]: '' } : {};
}

function pipenvCategory(group: string): string {
  if (group === 'dev' || group === 'develop') return 'dev-packages';
  return group === 'default' ? 'packages' : group;
}

/** The section of Pipfile.lock that a section of Pipfile is locked in. */
function pipenvSection(category: string): string {
  if (category === 'dev-packages') return 'develop';
  return category === 'packages' ? 'default' : category;
}

function pipfileLock({ lock, shown }: ToolLock): Table {
  try {
    return table(JSON.parse(lock));
  } catch {
    throw new UserError(`${shown} is not valid JSON. Run "pipenv lock" and commit the result.`, {
      file: shown,
    });
  }
}

/** PDM and pipenv pass over a group that does not exist. */
function refuseUnknown(
  { tool, shown }: ToolLock,
  wanted: readonly string[],
  known: readonly string[],
): void {
  const names = new Set(known.map(normalizeName));
  const missing = wanted.find((name) => !names.has(normalizeName(name)));
  if (missing === undefined) return;
  throw new UserError(
    `${shown} has no extra or group "${missing}". It has: ${known.join(', ') || 'none'}. To add one, declare it in ${traits[tool].projectFile} and run "${traits[tool].lockCommand}".`,
    { file: shown },
  );
}

/** Settings of uv that decide which packages a lock is valid for, or what `uv sync` installs. */
const uvSettings =
  /^UV_(?:CACHE_DIR|CONFIG_FILE|NO_CONFIG|DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|INDEX_STRATEGY|RESOLUTION|PRERELEASE|FORK_STRATEGY|EXCLUDE_NEWER|NO_SOURCES|NO_DEV|NO_GROUP|NO_DEFAULT_GROUPS|TORCH_BACKEND|SYSTEM_CERTS|NATIVE_TLS)$/;

/** Settings of the tools and of Python that could make them read or write elsewhere. */
const toolSettings = /^(?:UV|POETRY|PDM|PIPENV|PIP)_|^PYTHON(?:PATH|HOME|STARTUP)$|^VIRTUAL_ENV$/i;

/**
 * The environment of an exporter: without credentials of indexes, and with all that it writes in a
 * directory of the run.
 * @param home path of a directory for the tool's own files
 * @param python path of the interpreter that the packages are for
 * @param nullDevice `os.devnull` of this system
 */
export function exportEnvironment(
  tool: LockTool,
  environment: Environment,
  { home, python, nullDevice }: { home: string; python: string; nullDevice: string },
): Record<string, string> {
  const others = Object.entries(offlineEnvironment(environment, nullDevice));
  const kept = Object.entries(environment).filter(
    ([name]) => tool === 'uv' && uvSettings.test(name),
  );
  const below = (name: string): string => path.join(home, name);
  const own: Readonly<Record<LockTool, Environment>> = {
    uv: { UV_PYTHON_DOWNLOADS: 'never', UV_NO_PROGRESS: '1', UV_HTTP_RETRIES: '1' },
    poetry: {
      POETRY_CACHE_DIR: below('cache'),
      POETRY_CONFIG_DIR: below('config'),
      POETRY_VIRTUALENVS_CREATE: 'false',
      POETRY_KEYRING_ENABLED: 'false',
      POETRY_NO_INTERACTION: '1',
    },
    pdm: {
      PDM_CACHE_DIR: below('cache'),
      PDM_LOG_DIR: below('log'),
      PDM_CONFIG_FILE: below('config.toml'),
      PDM_CHECK_UPDATE: 'false',
      PDM_IGNORE_SAVED_PYTHON: '1',
      PDM_NON_INTERACTIVE: '1',
      PDM_PYTHON: python,
      PDM_USE_VENV: 'false',
    },
    pipenv: {
      PIPENV_CACHE_DIR: below('cache'),
      PIPENV_DONT_LOAD_ENV: '1',
      PIPENV_IGNORE_VIRTUALENVS: '1',
      PIPENV_MAX_DEPTH: '1',
      PIPENV_NOSPIN: '1',
      PIPENV_YES: '1',
      WORKON_HOME: below('venvs'),
    },
  };
  return {
    ...Object.fromEntries(others.filter(([name]) => !toolSettings.test(name))),
    // Addresses count for whether a lock is up to date; credentials do not.
    ...Object.fromEntries(
      kept.map(([name, value]) => [name, value.replace(/\/\/[^/@\s]*@/g, '//')]),
    ),
    ...own[tool],
    NO_COLOR: '1',
    PYTHONUTF8: '1',
    PYTHONIOENCODING: 'utf-8',
  };
}

/** Whether uv could not decide without an index. */
export function needsNetwork(output: string): boolean {
  return /network was disabled/.test(output);
}

/** What an exporter says that a lock installs. */
export interface ExportedLock extends Lock {
  /** Lines that name indexes, as in a requirement file. */
  readonly options: readonly string[];
}

/** What the output of an exporter is read with. */
export interface ExportReading extends ExportSelection {
  /** Path of the directory that the exporter ran in, without links. */
  readonly ranIn: string;
  /** The lock's directory, absolute or relative to where pip runs, with `/`. */
  readonly directory: string;
  /** pip's default index: a line that names it says nothing. */
  readonly defaultIndex: string;
}

/**
 * Reads what an exporter printed.
 * @throws UserError when the output is not as expected
 */
export function readExport(lock: ToolLock, output: string, reading: ExportReading): ExportedLock {
  if (lock.tool === 'uv') {
    // The extras and groups have been applied by uv.
    const read = readLock(output, lock.shown, { extras: [], groups: [] }, reading.directory);
    return { ...read, options: [] };
  }
  const details = detailsOf(lock);
  const packages: LockedPackage[] = [];
  const options: string[] = [];
  for (const { text, line } of logicalLines(output)) {
    const isOption = /^-(?!e\s|-editable)/.test(text);
    if (isOption) options.push(text);
    else packages.push(exportedPackage(text, `line ${line} of the export`, details, reading));
  }
  if (reading.installProject && isPackage(lock)) packages.push(ownProject(reading));
  return {
    packages,
    environments: [],
    requiresPython: details.requiresPython,
    options: options.filter((text) => !namesDefaultIndex(text, reading.defaultIndex)),
  };
}

function namesDefaultIndex(option: string, defaultIndex: string): boolean {
  const plain = (url: string): string => url.replace(/\/+$/, '');
  const match = /^(?:-i|--index-url|--extra-index-url)[= ]\s*(\S+)$/.exec(option);
  return match !== null && plain(match[1] ?? '') === plain(defaultIndex);
}

/** What an export lacks, read from the lock itself. */
interface LockDetails {
  readonly requiresPython: string | undefined;
  /** Hashes by normalised name, an equals sign, and the version. */
  readonly hashes: ReadonlyMap<string, readonly string[]>;
  /** Normalised names of local packages, by their path relative to the lock. */
  readonly names: ReadonlyMap<string, string>;
  /** Paths relative to the lock, of editable packages. */
  readonly editable: ReadonlySet<string>;
}

function detailsOf(lock: ToolLock): LockDetails {
  if (lock.tool === 'pipenv') return pipfileDetails(lock);
  const read = parseToml(lock.lock, lock.shown);
  const hashes = new Map<string, string[]>();
  const names = new Map<string, string>();
  for (const each of tables(read['package'])) {
    const name = normalizeName(String(each['name']));
    const source = table(each['source']);
    const local =
      source['type'] === 'directory' || source['type'] === 'file' ? source['url'] : each['path'];
    if (typeof local === 'string') names.set(path.posix.normalize(local), name);
    if (lock.tool !== 'pdm') continue;
    const key = `${name}==${String(each['version'])}`;
    const own = tables(each['files']).flatMap(({ hash }) =>
      typeof hash === 'string' ? [hash] : [],
    );
    hashes.set(key, [...(hashes.get(key) ?? []), ...own]);
  }
  const project = table(parseToml(lock.project, 'pyproject.toml')['project']);
  const supported =
    lock.tool === 'poetry'
      ? table(read['metadata'])['python-versions']
      : project['requires-python'];
  const requiresPython = typeof supported === 'string' ? pythonMarker(supported) : undefined;
  return { requiresPython, hashes, names, editable: new Set() };
}

function pipfileDetails(lock: ToolLock): LockDetails {
  const names = new Map<string, string>();
  const editable = new Set<string>();
  for (const [section, packages] of Object.entries(pipfileLock(lock))) {
    if (section === '_meta') continue;
    for (const [name, value] of Object.entries(table(packages))) {
      const { path: local, editable: isEditable } = table(value);
      if (typeof local !== 'string') continue;
      names.set(path.posix.normalize(local), normalizeName(name));
      if (isEditable === true) editable.add(path.posix.normalize(local));
    }
  }
  return { requiresPython: undefined, hashes: new Map(), names, editable };
}

const nameAndSource = /^([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(@\s*|(?====?)|$)/;

/** @param place of the line, for messages */
function exportedPackage(
  text: string,
  place: string,
  details: LockDetails,
  reading: ExportReading,
): LockedPackage {
  const [requirement, options = ''] = cut(text, /\s+(?=--hash=)/);
  const [given, marker] = cut(requirement, /\s*;\s+/);
  const whole = given.replace(/^(?:-e|--editable)[ =]\s*/, '');
  const named = nameAndSource.exec(whole);
  const [prefix = '', project = '', extras = '', at = '@'] = named ?? [];
  const target = whole.slice(prefix.length);
  const name = normalizeName(project);
  const base = { marker, requiresPython: undefined, files: [], table: place };
  const condition = marker === undefined ? '' : ` ; ${marker}`;
  const hashes = options === '' ? '' : ` ${options.replace(/\s+/g, ' ')}`;
  const relative = at === '' ? undefined : localPath(target, reading.ranIn);
  if (relative === undefined) {
    const known = options === '' ? (details.hashes.get(`${name}${target}`) ?? []) : [];
    const added = known.map((hash) => ` --hash=${hash}`).join('');
    const editable = whole === given ? '' : '-e ';
    return {
      ...{ ...base, name, path: undefined },
      text: `${editable}${whole}${condition}${hashes}${added}`,
    };
  }
  const isEditable = whole !== given || details.editable.has(relative);
  const local = within(reading.directory, relative);
  return {
    ...{ ...base, path: local },
    name: name === '' ? (details.names.get(relative) ?? '') : name,
    text:
      isEditable && reading.editable
        ? `-e ${local}${extras}`
        : `${local}${extras}${condition}${hashes}`,
  };
}

/** Cuts a text where a separator is found. */
function cut(text: string, separator: RegExp): [before: string, after: string | undefined] {
  const match = separator.exec(text);
  if (match === null) return [text, undefined];
  return [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}

/** @returns the path relative to the lock, with `/`; undefined for what is not a local path */
function localPath(target: string, ranIn: string): string | undefined {
  if (/^file:/i.test(target)) {
    const absolute = fileURLToPath(target.replace(/[#?].*$/s, ''));
    const relative = path.relative(ranIn, absolute).split(path.sep).join('/');
    return path.posix.normalize(relative === '' ? '.' : relative);
  }
  if (/^[a-z]+(?:\+[a-z]+)?:/i.test(target)) return undefined;
  return path.posix.normalize(target.replace(/#egg=.*$/s, '').replaceAll('\\', '/'));
}

/** A path as a requirement line needs it: it contains a slash. */
function within(directory: string, relative: string): string {
  const joined = path.posix.join(directory, relative);
  return joined === '.' || /^\.{0,2}\//.test(joined) || path.posix.isAbsolute(joined)
    ? joined
    : `./${joined}`;
}

/** Whether `poetry install`, `pdm install` install the project itself; pipenv never does. */
function isPackage({ tool, project }: ToolLock): boolean {
  if (tool === 'pipenv') return false;
  const pyproject = parseToml(project, 'pyproject.toml');
  const settings = table(table(pyproject['tool'])[tool]);
  if (tool === 'poetry') return settings['package-mode'] !== false;
  if (table(pyproject['project'])['name'] === undefined) return false;
  if ('package-type' in settings) return settings['package-type'] === 'library';
  return settings['distribution'] !== false;
}

function ownProject({ directory, editable }: ExportReading): LockedPackage {
  const local = within(directory, '.');
  return {
    name: '',
    text: `${editable ? '-e ' : ''}${local}`,
    marker: undefined,
    requiresPython: undefined,
    files: [],
    path: local,
    table: 'the project itself',
  };
}

/**
 * The Pythons of a version constraint as a marker. Poetry has forms of its own besides PEP 440.
 * @returns undefined when it allows all, or is in an unknown form
 */
export function pythonMarker(constraint: string): string | undefined {
  const alternatives = constraint.split('||').map((all) => {
    const clauses = all
      .replace(/([<>=!~^]) +/g, '$1')
      .split(/[\s,]+/)
      .filter((clause) => clause !== '' && clause !== '*');
    return clauses.map(clauseMarker);
  });
  const isKnown = alternatives.every((all) => all.length > 0 && !all.includes(undefined));
  if (!isKnown) return undefined;
  const joined = alternatives.map((all) => all.join(' and '));
  return joined.length === 1 ? joined[0] : joined.map((all) => `(${all})`).join(' or ');
}

function clauseMarker(clause: string): string | undefined {
  const [, operator = '==', version = ''] =
    /^(\^|~=?|[<>]=?|[=!]=)?(\d+(?:\.\d+)*(?:\.\*)?)$/.exec(clause) ?? [];
  if (version === '') return undefined;
  const compare = (by: string, what: string): string => `python_full_version ${by} "${what}"`;
  const parts = version.split('.').map(Number);
  if (operator === '^' || operator === '~') {
    const [major = 0, minor = 0] = parts;
    const isMajor = operator === '^' || parts.length === 1;
    const next = isMajor ? `${major + 1}` : `${major}.${minor + 1}`;
    return `${compare('>=', version)} and ${compare('<', next)}`;
  }
  return compare(operator, version);
}

/** What a user reads when an exporter fails. @param output its own words */
export function exportFailure({ tool, shown }: ToolLock, output: string): UserError {
  const words = output.trim() === '' ? 'It printed nothing.' : output.trim();
  return new UserError(
    `${tool} could not export ${shown}:\n${words}\nIf ${traits[tool].projectFile} has changed, run "${traits[tool].lockCommand}" and commit the result.`,
    { file: shown },
  );
}
