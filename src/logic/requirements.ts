/**
 * Reads requirement and constraint files as pip does; the caller provides access to files and URLs.
 * The grammar is that of pip's "Requirements File Format" page and of PEP 508.
 */
import path from 'node:path';
import { messageOf, type Source, UserError } from './errors.ts';
import type { LocalProject } from './local-project.ts';
import { isValidName, sameVersion } from './names.ts';
import type { LockedFile } from './pylock.ts';
import {
  type DirectRequirement,
  fileOfUrl,
  type IndexRequirement,
  isArchive,
  isPath,
  type LineContext,
  parseLine,
  type RequestLine,
  splitExtras,
} from './requirement-line.ts';
import { expand, quoted } from './requirement-words.ts';
import { shownAddress, withoutSecrets } from './secrets.ts';

/** A file: its path or URL, and its name in messages. */
export interface RequirementFile {
  readonly location: string;
  readonly shown: string;
}

/** The sources of the lines of a request. */
export interface RequirementSources {
  readonly requirements: readonly RequirementFile[];
  readonly constraints: readonly RequirementFile[];
  /** Lines of lock files. */
  readonly locked: readonly LockedLine[];
  /** Local projects: a path, and extras in brackets. */
  readonly projects: readonly ProjectSource[];
  /** Lines of the input `packages`. */
  readonly packages: readonly string[];
  /** Lines of dependency groups, with the name of their file. */
  readonly groups: readonly { readonly text: string; readonly file: string }[];
}

/** A requirement that a lock file contains, in the form of a requirement file. */
export interface LockedLine {
  readonly text: string;
  readonly source: Source;
}

/** A local project that is named outside a requirement file. */
export interface ProjectSource {
  /** A path, and extras in brackets. */
  readonly text: string;
  /** Extras in addition to those in the text. */
  readonly extras: readonly string[];
  readonly editable: boolean;
  readonly source: Source;
}

export interface RequirementReading extends LineContext {
  /** Returns the decoded text of a file or URL. @throws Error with the reason when it can't */
  readonly read: (location: string) => Promise<string>;
}

interface GatheredLines {
  /** In the order in which pip would read them. */
  readonly lines: readonly RequestLine[];
  /** For the log: the name of each file, and how many logical lines it has. */
  readonly files: readonly { readonly path: string; readonly lines: number }[];
}

/** Everything that a run has to install. */
export interface RequestedSet extends GatheredLines {
  /** Present when lock files name everything that is installed, so that nothing is resolved. */
  readonly lock?: {
    /** Where the lock files say that the wheels and sdists are. */
    readonly links: readonly LockedFile[];
    /**
     * The command of the uv whose lock it is. It installs local projects, because uv takes one that
     * pip has installed for outdated (seen with uv 0.13).
     */
    readonly uv: string | undefined;
  };
  readonly projects: readonly LocalProject[];
  /** Build constraints, in canonical spelling. */
  readonly buildConstraints?: readonly string[];
  /** Digests of the files of `cache-dependency-path`. */
  readonly extra: readonly { readonly path: string; readonly digest: string }[];
}

/** How a file is included. */
interface Visit {
  readonly constraint: boolean;
  /** The files around it, the outermost first. */
  readonly stack: readonly RequirementFile[];
  /** The line that includes it; undefined for a file that an input names. */
  readonly from: Source | undefined;
}

/**
 * Reads all sources, following `-r` and `-c`.
 * @throws UserError with file and line for a file that can't be read, a circular include, or an
 *   invalid line
 */
export async function gatherLines(
  {
    requirements = [],
    locked = [],
    projects = [],
    packages = [],
    groups = [],
    constraints = [],
  }: Partial<RequirementSources>,
  reading: RequirementReading,
): Promise<GatheredLines> {
  const lines: RequestLine[] = [];
  const files: { path: string; lines: number }[] = [];
  const seen = new Set<string>();

  async function visit(file: RequirementFile, { constraint, stack, from }: Visit): Promise<void> {
    if (stack.some((other) => other.location === file.location)) {
      const cycle = [...stack, file].map((each) => each.shown).join(' → ');
      throw new UserError(
        `Circular include in requirement files: ${cycle}. Remove one of these -r or -c lines.`,
        from,
      );
    }
    const visited = `${constraint}:${file.location}`;
    if (seen.has(visited)) return;
    seen.add(visited);
    let text: string;
    try {
      text = await reading.read(file.location);
    } catch (error) {
      const line = error instanceof UserError ? error.line : undefined;
      throw new UserError(
        `${file.shown} can't be read: ${messageOf(error)}.`,
        line === undefined ? (from ?? { file: file.shown }) : { file: file.shown, line },
      );
    }
    let counted = 0;
    for (const { text: logical, line } of logicalLines(text)) {
      const source = { file: file.shown, line };
      counted += 1;
      const parsed = parseLine(logical, { source, constraint }, reading);
      if ('include' in parsed) {
        await visit(includedFile(parsed.include, file, source), {
          constraint: parsed.constraint,
          stack: [...stack, file],
          from: source,
        });
      } else {
        lines.push(...parsed.lines.flatMap((each) => anchored(each, file)));
      }
    }
    files.push({ path: file.shown, lines: counted });
  }

  for (const file of requirements)
    await visit(file, { constraint: false, stack: [], from: undefined });
  for (const { text, source } of locked) {
    const parsed = parseLine(text, { source, constraint: false }, reading);
    if ('lines' in parsed) lines.push(...parsed.lines);
  }
  for (const { text, file } of groups) {
    lines.push(parseSpecifier(text, { file, line: undefined }, reading));
  }
  for (const project of projects) lines.push(parseProject(project, reading));
  for (const { text } of logicalLines(packages.join('\n'))) {
    lines.push(parseSpecifier(text, { file: 'input packages', line: undefined }, reading));
  }
  for (const file of constraints)
    await visit(file, { constraint: true, stack: [], from: undefined });
  return { lines, files };
}

/** The line endings of Python's `str.splitlines`, which pip splits files with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python takes these for line endings.
const lineEnd = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

/**
 * Joins continuation lines and drops comments and blank lines as pip's `req_file.py` does: a
 * comment ends a continuation, and a `#` needs white space before it.
 * @returns logical lines with the 1-based number of their first physical line
 */
export function logicalLines(text: string): { text: string; line: number }[] {
  const logical: { text: string; line: number }[] = [];
  let pending: string[] = [];
  let first = 0;
  const emit = (joined: string, line: number): void => {
    const bare = withoutComment(joined).trim();
    if (bare !== '') logical.push({ text: bare, line });
  };
  const physical = text.replace(/^\uFEFF/, '').split(lineEnd);
  physical.forEach((content, index) => {
    const comment = content.trimStart().startsWith('#');
    if (content.endsWith('\\') && !comment) {
      if (pending.length === 0) first = index + 1;
      pending.push(stripBackslashes(content));
    } else if (pending.length > 0) {
      pending.push(comment ? ` ${content}` : content);
      emit(pending.join(''), first);
      pending = [];
    } else {
      emit(content, index + 1);
    }
  });
  if (pending.length > 0) emit(pending.join(''), first);
  return logical;
}

function withoutComment(text: string): string {
  for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
    if (at === 0 || /\s/.test(text.charAt(at - 1))) return text.slice(0, at);
  }
  return text;
}

/** Python's `strip("\\")`, which pip uses here: at both ends. */
function stripBackslashes(text: string): string {
  let start = 0;
  let end = text.length;
  while (text[start] === '\\' && start < end) start += 1;
  while (end > start && text[end - 1] === '\\') end -= 1;
  return text.slice(start, end);
}

/**
 * Parses a requirement outside a requirement file, where options and paths are not allowed.
 * @throws UserError when it is one or is invalid
 */
export function parseSpecifier(
  text: string,
  source: Source,
  context: LineContext,
): IndexRequirement | DirectRequirement {
  const expanded = expand(text, context.environment).value;
  const shown = withoutSecrets(text).split(lineEnd).join(' ');
  if (lineEnd.test(expanded)) {
    throw new UserError(
      `"${shown}" contains a line break; write one requirement per line.`,
      source,
    );
  }
  if (/(?:^|\s)-/.test(expanded)) {
    throw new UserError(
      `"${shown}" contains an option; ${source.file} takes requirements only, such as "requests>=2.31". Put options into a requirement file.`,
      source,
    );
  }
  // A path is rejected as one, even with an invalid marker.
  const parsed = isPath(expanded.trim())
    ? undefined
    : parseLine(text, { source, constraint: false }, context);
  const [line] = parsed && 'lines' in parsed ? parsed.lines : [];
  if (line?.kind === 'index' || (line?.kind === 'direct' && line.form !== 'path')) return line;
  throw new UserError(
    `"${shown}" is a path; ${source.file} takes requirements only. Put paths and "-e" lines into a requirement file.`,
    source,
  );
}

/**
 * Parses a local project that is named outside a requirement file.
 * @throws UserError when it is not a path with extras
 */
function parseProject(
  { text, extras: added, editable, source }: ProjectSource,
  context: LineContext,
): DirectRequirement {
  const [location, own] = splitExtras(text.trim());
  const refusal = (reason: string): UserError =>
    new UserError(`"${withoutSecrets(text).split(lineEnd).join(' ')}" ${reason}`, source);
  if (lineEnd.test(text) || location.includes(';') || /(?:^|\s)-/.test(location)) {
    throw refusal(
      `is not the path of a local project. Write a path with optional extras, such as ".[test]"; markers and options belong into a requirement file.`,
    );
  }
  const extras = [...new Set([...own.split(',').map((extra) => extra.trim()), ...added])].filter(
    (extra) => extra !== '',
  );
  const wrong = extras.find((extra) => !isValidName(extra));
  if (wrong !== undefined) throw refusal(`asks for "${wrong}", which is not the name of an extra.`);
  const relative = isPath(location) ? location : `./${location}`;
  const target = extras.length > 0 ? `${relative}[${extras.join(',')}]` : relative;
  // pip has no editable archives.
  const line = editable && !isArchive(location) ? `-e ${quoted(target)}` : target;
  const parsed = parseLine(line, { source, constraint: false }, context);
  const [requirement] = 'lines' in parsed ? parsed.lines : [];
  if (requirement?.kind === 'direct' && requirement.form === 'path') return requirement;
  throw refusal('is not the path of a local project.');
}

/** Paths after `-r` and `-c` are relative to the including file, or to its URL. */
function includedFile(value: string, parent: RequirementFile, source: Source): RequirementFile {
  if (/^https?:/i.test(value)) return { location: value, shown: shownAddress(value) };
  if (/^https?:/i.test(parent.location)) {
    const location = new URL(value, parent.location).href;
    return { location, shown: shownAddress(location) };
  }
  const local = /^file:/i.test(value) ? fileOfUrl(value, source) : value;
  return {
    location: path.resolve(path.dirname(parent.location), local),
    shown: path.isAbsolute(local)
      ? local
      : path.posix.join(path.posix.dirname(parent.shown), local),
  };
}

/**
 * The copy for pip is in another directory, so a relative `--find-links` becomes two: pip looks next
 * to the requirement file first, then where it runs, and ignores a directory that does not exist.
 */
function anchored(line: RequestLine, file: RequirementFile): RequestLine[] {
  const isRelative =
    line.kind === 'option' &&
    line.name === 'find-links' &&
    !/^[a-z][a-z0-9+.-]+:/i.test(line.value) &&
    !path.isAbsolute(line.value) &&
    !/^https?:/i.test(file.location);
  if (!isRelative || line.raw === undefined) return [line];
  const beside = path.join(path.dirname(file.location), line.raw);
  return [beside, line.raw].map((place) => ({ ...line, text: `--find-links ${quoted(place)}` }));
}

/**
 * A requirement from a project's metadata that names its own source. It has no variables.
 * @param text without a marker
 * @throws UserError when it is invalid
 */
export function requirementOf(
  text: string,
  source: Source,
  workingDirectory: string,
): DirectRequirement {
  const parsed = parseLine(
    text,
    { source, constraint: false },
    { environment: {}, workingDirectory },
  );
  const [line] = 'lines' in parsed ? parsed.lines : [];
  if (line?.kind !== 'direct') {
    throw new UserError(`"${withoutSecrets(text)}" is not a requirement with a URL.`, source);
  }
  return line;
}

/** The requirements and constraints that pip resolves through an index. */
export function indexRequirements(lines: readonly RequestLine[]): IndexRequirement[] {
  return lines.filter((line) => line.kind === 'index');
}

/** As {@link indexRequirements}, of `build-system.requires`; pip reports the invalid ones. */
export function indexRequirementsIn(texts: readonly string[]): IndexRequirement[] {
  const context = { workingDirectory: path.sep, environment: {} };
  return texts.flatMap((text) => {
    try {
      const source = { file: 'build-system.requires', line: undefined };
      const parsed = parseLine(text, { source, constraint: false }, context);
      return 'lines' in parsed ? indexRequirements(parsed.lines) : [];
    } catch {
      return [];
    }
  });
}

/** The requirements that name their own source instead of an index. */
export function directRequirements(lines: readonly RequestLine[]): DirectRequirement[] {
  return lines.filter((line) => line.kind === 'direct').filter((line) => !line.constraint);
}

/**
 * Whether the wheel of a requirement may be cached: only the content of a URL with a hash is fixed;
 * a path, a branch or a bare URL may have other content the next time.
 */
export function isCacheable(requirement: DirectRequirement): boolean {
  return requirement.form === 'url' && !requirement.editable && requirement.hashes.length > 0;
}

/** Whether pip is in hash-checking mode: one hash in any line turns it on for all. */
export function isHashMode(lines: readonly RequestLine[]): boolean {
  return lines.some((line) => {
    if (line.kind === 'option') return line.name === 'require-hashes';
    return line.kind === 'index' ? line.hashes.length > 0 : line.checksHashes;
  });
}

/** The allowed hashes, by normalised name. */
export function requestedHashes(lines: readonly RequestLine[]): Map<string, string[]> {
  const hashes = new Map<string, string[]>();
  for (const line of indexRequirements(lines)) {
    if (line.hashes.length === 0) continue;
    const all = new Set([...(hashes.get(line.name) ?? []), ...line.hashes]);
    hashes.set(line.name, [...all].sort());
  }
  return hashes;
}

/**
 * Whether the request fixes the version of one project.
 * @param lines those that apply to the interpreter
 */
export function isPinned(
  lines: readonly IndexRequirement[],
  name: string,
  version: string,
): boolean {
  return lines.some(
    (line) => line.name === name && line.pin !== undefined && sameVersion(line.pin, version),
  );
}
