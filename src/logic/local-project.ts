/** The parts of a project's own files that decide its dependencies; other edits are no cache miss. */

import { digest } from './digest.ts';
import { UserError } from './errors.ts';
import { normalizeName } from './names.ts';
import { parseToml, strings, type Table, table } from './toml.ts';

/** A local project or archive. */
export interface LocalProject {
  /** Absolute path. */
  readonly path: string;
  readonly shown: string;
  /** The file that says which Pythons it is for, as the user would write it. */
  readonly file: string;
  /** Hex digest of the parts that decide its dependencies. */
  readonly digest: string;
  /** `build-system.requires`, or pip's default; empty for archives. */
  readonly buildRequires: readonly string[];
}

/** pip's default for a project without `[build-system]`; `wheel` is for pip before 23.1. */
const legacyBuildRequires = ['setuptools>=40.8.0', 'wheel'];

/** The tables outside `[project]` in which build backends expect dependencies. */
const toolTables: readonly (readonly string[])[] = [
  ['poetry', 'dependencies'],
  ['poetry', 'extras'],
  ['poetry', 'group'],
  ['poetry', 'dev-dependencies'],
  ['flit', 'metadata'],
  ['pdm', 'dev-dependencies'],
];

/** The files of a project that declare it; undefined for one that does not exist. */
export type ProjectFiles = Readonly<
  Partial<Record<'pyproject' | 'setupCfg' | 'setupPy', string | undefined>>
>;

/** The name of the file that says which Pythons a project is for, or else declares it. */
export function pythonFile({ pyproject, setupCfg, setupPy }: ProjectFiles): string {
  const files = { 'pyproject.toml': pyproject, 'setup.cfg': setupCfg, 'setup.py': setupPy };
  const there = Object.entries(files).filter(([, text]) => text !== undefined);
  const says = /requires-python|python_requires|^\s*python\s*=/m;
  const [name = 'pyproject.toml'] =
    there.find(([, text = '']) => says.test(text)) ?? there[0] ?? [];
  return name;
}

/**
 * The parts of a project directory that decide its dependencies.
 * @param files content of pyproject.toml, setup.cfg and setup.py
 * @param shown the name of pyproject.toml in messages
 * @param others the texts of {@link dependencyFiles}
 */
export function projectParts(
  files: ProjectFiles,
  shown: string,
  others: readonly string[] = [],
): { digest: string; buildRequires: readonly string[] } {
  const pyproject = files.pyproject === undefined ? {} : parseToml(files.pyproject, shown);
  const project = table(pyproject['project']);
  const tool = table(pyproject['tool']);
  const build = pyproject['build-system'];
  const decisive = {
    build,
    name: project['name'],
    python: project['requires-python'],
    dependencies: project['dependencies'],
    extras: project['optional-dependencies'],
    dynamic: project['dynamic'],
    groups: pyproject['dependency-groups'],
    tools: toolTables.map(([name = '', part = '']) => table(tool[name])[part]),
    setuptools: setuptoolsDependencies(tool),
    hooks: hatchHooks(tool),
  };
  const requires = table(build)['requires'];
  const setup = [decisiveConfig(files.setupCfg ?? ''), decisiveCode(files.setupPy ?? '')];
  return {
    digest: digest([stable(decisive), ...setup, ...others]),
    buildRequires: Array.isArray(requires) ? strings(requires) : legacyBuildRequires,
  };
}

/** Where setuptools is told to read dependencies from. */
function setuptoolsDependencies(tool: Table): Table {
  const dynamic = table(table(tool['setuptools'])['dynamic']);
  const { dependencies, 'optional-dependencies': extras } = dynamic;
  return { dependencies, extras };
}

/** The metadata hooks of hatchling that may set dependencies: all but the one for the description. */
function hatchHooks(tool: Table): Table {
  const { hooks } = table(table(tool['hatch'])['metadata']);
  const { 'fancy-pypi-readme': _description, ...others } = table(hooks);
  return others;
}

/** Keys of setup.cfg's [metadata] and arguments of setup() that say nothing about dependencies. */
const descriptiveKeys =
  'version|description|summary|long[_-]description|long[_-]description[_-]content[_-]type|author|author[_-]email|maintainer|maintainer[_-]email|url|home[_-]page|download[_-]url|license|license[_-]files?|keywords|classifiers?|project[_-]urls|platforms?';

/** The sections of setup.cfg that setuptools and its plugins read, without descriptions. */
function decisiveConfig(text: string): string {
  let section = '';
  let isDescriptive = false;
  const lines = text.split(/\r?\n/).filter((line) => {
    const header = /^\[([^\]]*)\]/.exec(line);
    if (header !== null) section = header[1] ?? '';
    const key = /^([^\s=:#;[][^=:]*?)\s*[=:]/.exec(line)?.[1];
    if (header !== null || key !== undefined) {
      isDescriptive =
        section === 'metadata' && new RegExp(`^(?:${descriptiveKeys})$`, 'i').test(key ?? '');
    }
    const isRead = /^(?:metadata|options|files|pbr|entry_points|backends|extras)/.test(section);
    return isRead && !isDescriptive && line.trim() !== '' && !/^\s*[#;]/.test(line);
  });
  return lines.join('\n');
}

/**
 * setup.py without literal arguments that say nothing about dependencies. Where code makes a
 * dependency from one of them, the metadata that its back end prepares tells.
 */
function decisiveCode(text: string): string {
  const argument = new RegExp(
    `\\b(?:${descriptiveKeys})\\s*=\\s*(?:"[^"\\n]*"|'[^'\\n]*')\\s*,`,
    'g',
  );
  return text.replaceAll('\r\n', '\n').replace(argument, '');
}

/**
 * Chooses the files that a back end may read dependencies from if they are dynamic: those that
 * setuptools and hooks of hatchling are told to read, the code of such hooks, and requirement files.
 * @param names files of the project directory, and of its directory `requirements`
 * @returns paths relative to the project, sorted
 */
export function dependencyFiles(
  { pyproject = '', setupPy, setupCfg = '' }: ProjectFiles,
  shown: string,
  names: readonly string[],
): string[] {
  const { project, tool } = parseToml(pyproject, shown);
  const dynamic = table(project)['dynamic'];
  const isDynamic =
    setupPy !== undefined ||
    /\bfile:|\bpbr\b/.test(setupCfg) ||
    strings(dynamic).some((field) => /dependencies$/.test(field));
  if (!isDynamic) return [];
  const hooks = hatchHooks(table(tool));
  const declared = [
    ...declaredFiles(setuptoolsDependencies(table(tool))),
    ...declaredFiles(hooks),
    ...(hooks['custom'] === undefined ? [] : ['hatch_build.py']),
  ];
  const isRelated = (name: string): boolean => /(?:^|\/)[^/]*\.(?:txt|in)$/.test(name);
  const isRequirements = (name: string): boolean => /requirements|^reqs?\b/.test(name);
  const related = names.filter((name) => isRelated(name) && isRequirements(name));
  return [...new Set([...declared, ...related])].sort();
}

/** The paths that tables such as `{ file = … }` name, at any depth. */
function declaredFiles(value: unknown): string[] {
  return Object.entries(table(value)).flatMap(([key, item]) =>
    /^(?:files?|filename|path)$/.test(key) ? strings([item].flat()) : declaredFiles(item),
  );
}

/** JSON with sorted keys, so that the order of tables does not matter. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item) && !(item instanceof Date)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/**
 * Whether a pyproject.toml describes a project that can be built, and not only settings of tools.
 * @throws UserError with the file and line of a mistake
 */
export function declaresProject(text: string, shown: string): boolean {
  const { project, 'build-system': build } = parseToml(text, shown);
  return project !== undefined || build !== undefined;
}

/**
 * The requirements of a dependency group, with those of included groups (PEP 735).
 * @param text of pyproject.toml
 * @throws UserError for a missing group, a circular include, or an invalid entry
 */
export function groupRequirements(text: string, shown: string, group: string): string[] {
  const groups = table(parseToml(text, shown)['dependency-groups']);
  const names = new Map(Object.keys(groups).map((name) => [normalizeName(name), name]));
  const resolved = new Map<string, string[]>();
  const resolve = (name: string, stack: readonly string[]): string[] => {
    const key = normalizeName(name);
    if (stack.includes(key)) {
      throw new UserError(
        `The dependency groups of ${shown} form a circle: ${[...stack, key].join(' → ')}.`,
        { file: shown },
      );
    }
    const before = resolved.get(key);
    if (before !== undefined) return before;
    const entries = groups[names.get(key) ?? ''];
    if (!Array.isArray(entries)) {
      const known = [...names.values()].join(', ') || 'none';
      throw new UserError(`${shown} has no dependency group "${name}". It has: ${known}.`, {
        file: shown,
      });
    }
    const all = entries.flatMap((entry: unknown) => {
      if (typeof entry === 'string') return [entry];
      const included = table(entry)['include-group'];
      if (typeof included === 'string') return resolve(included, [...stack, key]);
      throw new UserError(
        `The dependency group "${name}" of ${shown} contains ${JSON.stringify(entry)}; only requirements and { include-group = "…" } are allowed.`,
        { file: shown },
      );
    });
    // Without repetitions: the lists of groups that include others twice would double each time.
    const requirements = [...new Set(all)];
    resolved.set(key, requirements);
    return requirements;
  };
  return resolve(group, []);
}

/** A dependency that names its own source: `name[extras] @ URL ; marker`. */
interface SourceDependency {
  /** Normalised. */
  readonly name: string;
  /** The dependency without its URL: `name[extras] ; marker`. */
  readonly named: string;
  readonly marker: string | undefined;
  /** A line for a requirement file, without the marker. */
  readonly text: string;
}

/**
 * @param text of one `Requires-Dist` (PEP 508)
 * @returns undefined for a dependency without a source
 */
export function splitSource(text: string): SourceDependency | undefined {
  const match =
    /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*@\s*([^\s;]\S*?)(?:\s+;\s*(.+)|;\s+(.+))?\s*$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, name = '', extras = '', url = '', spaced, tight] = match;
  const marker = spaced ?? tight;
  // In a file pip would expand variables, such as the URL of the index with its credentials.
  const literal = url.replaceAll('${', '$%7B');
  return {
    name: normalizeName(name),
    named: `${name}${extras}${marker === undefined ? '' : ` ; ${marker}`}`,
    marker,
    text: `${name}${extras} @ ${literal}`,
  };
}
