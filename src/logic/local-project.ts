/** The parts of a project's own files that decide its dependencies; other edits are no cache miss. */

import { parse } from 'smol-toml';
import { digest } from './digest.ts';
import { UserError } from './errors.ts';
import { normalizeName } from './names.ts';

/** A local project or archive. */
export interface LocalProject {
  /** Absolute path. */
  readonly path: string;
  readonly shown: string;
  /** Hex digest of the parts that decide its dependencies. */
  readonly digest: string;
  /** `build-system.requires`, or pip's default; empty for archives. */
  readonly buildRequires: readonly string[];
}

/** pip's default for a project without `[build-system]`; `wheel` is for pip before 23.1. */
const legacyBuildRequires = ['setuptools>=40.8.0', 'wheel'];

type Table = Readonly<Record<string, unknown>>;

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Table)
    : {};
}

/** @throws UserError with the file and line of a mistake */
function toml(text: string, shown: string): Table {
  try {
    return parse(text) as Table;
  } catch (error) {
    const { line, message } = error as { line?: number; message: string };
    throw new UserError(
      `${shown} is not valid TOML: ${String(message).split('\n')[0]}. Fix the file.`,
      { file: shown, line },
    );
  }
}

/** The tables outside `[project]` in which build backends expect dependencies. */
const toolTables: readonly (readonly string[])[] = [
  ['poetry', 'dependencies'],
  ['poetry', 'extras'],
  ['poetry', 'group'],
  ['poetry', 'dev-dependencies'],
  ['flit', 'metadata'],
  ['setuptools', 'dynamic'],
  ['hatch', 'metadata'],
  ['pdm', 'dev-dependencies'],
];

/**
 * The parts of a project directory that decide its dependencies.
 * @param files content of pyproject.toml, setup.cfg and setup.py, if they exist
 * @param shown the name of pyproject.toml in messages
 */
export function projectParts(
  files: Readonly<Partial<Record<'pyproject' | 'setupCfg' | 'setupPy', string | undefined>>>,
  shown: string,
): { digest: string; buildRequires: readonly string[] } {
  const pyproject = files.pyproject === undefined ? {} : toml(files.pyproject, shown);
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
  };
  const requires = table(build)['requires'];
  return {
    digest: digest([stable(decisive), files.setupCfg ?? '', files.setupPy ?? '']),
    buildRequires: Array.isArray(requires) ? requires.map(String) : legacyBuildRequires,
  };
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
 * The requirements of a dependency group, with those of included groups (PEP 735).
 * @param text of pyproject.toml
 * @throws UserError for a missing group, a circular include, or an invalid entry
 */
export function groupRequirements(text: string, shown: string, group: string): string[] {
  const groups = table(toml(text, shown)['dependency-groups']);
  const names = new Map(Object.keys(groups).map((name) => [normalizeName(name), name]));
  const resolve = (name: string, stack: readonly string[]): string[] => {
    const key = normalizeName(name);
    if (stack.includes(key)) {
      throw new UserError(
        `The dependency groups of ${shown} form a circle: ${[...stack, key].join(' → ')}.`,
        { file: shown },
      );
    }
    const entries = groups[names.get(key) ?? ''];
    if (!Array.isArray(entries)) {
      const known = [...names.values()].join(', ') || 'none';
      throw new UserError(`${shown} has no dependency group "${name}". It has: ${known}.`, {
        file: shown,
      });
    }
    return entries.flatMap((entry: unknown) => {
      if (typeof entry === 'string') return [entry];
      const included = table(entry)['include-group'];
      if (typeof included === 'string') return resolve(included, [...stack, key]);
      throw new UserError(
        `The dependency group "${name}" of ${shown} contains ${JSON.stringify(entry)}; only requirements and { include-group = "…" } are allowed.`,
        { file: shown },
      );
    });
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
