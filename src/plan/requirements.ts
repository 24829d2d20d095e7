/**
 * Reads requirement and constraint files the way pip does, without touching a disk: the caller
 * lends the reading. The grammar is that of pip's "Requirements File Format" page and of PEP 508.
 */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  type DirectRequirement,
  type IndexRequirement,
  messageOf,
  type RequestLine,
  type Source,
  UserError,
} from './model.ts';
import { normalizeName, sameVersion } from './names.ts';
import { fingerprinted, shownAddress, withoutSecrets } from './secrets.ts';

/** A file with its place on disk (or its URL) and its name in messages. */
export interface RequirementFile {
  readonly location: string;
  readonly shown: string;
}

/** Where the lines of a request come from. */
export interface RequirementSources {
  readonly requirements: readonly RequirementFile[];
  readonly constraints: readonly RequirementFile[];
  /** Lines of the input `packages`. */
  readonly packages: readonly string[];
  /** Lines of dependency groups, with the file that they stand in. */
  readonly groups: readonly { readonly text: string; readonly file: string }[];
}

/** What gathering needs from outside. */
export interface RequirementReading {
  /** Absolute path where pip will run: local paths start here, as in pip. */
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Gives the decoded text of a file or URL; throws with a message that says why not. */
  readonly read: (location: string) => Promise<string>;
}

/** The lines of all files in the order in which pip would see them, and the files read. */
export interface GatheredLines {
  readonly lines: readonly RequestLine[];
  readonly files: readonly { readonly path: string; readonly lines: number }[];
}

/**
 * Reads all sources, following `-r` and `-c`.
 * @throws UserError for a file that can't be read, a cycle, or a line that is no requirement;
 *   it names the file and the line.
 */
export async function gatherLines(
  sources: RequirementSources,
  reading: RequirementReading,
): Promise<GatheredLines> {
  const lines: RequestLine[] = [];
  const files: { path: string; lines: number }[] = [];
  const seen = new Set<string>();

  async function visit(
    file: RequirementFile,
    constraint: boolean,
    stack: readonly RequirementFile[],
    from: Source | undefined,
  ): Promise<void> {
    if (stack.some((other) => other.location === file.location)) {
      const way = [...stack, file].map((each) => each.shown).join(' → ');
      throw new UserError(
        `Requirement files include each other in a circle: ${way}. Remove one of these -r or -c lines.`,
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
      const parsed = parseLine(logical, source, constraint, reading);
      if ('include' in parsed) {
        await visit(
          includedFile(parsed.include, file, source),
          parsed.constraint,
          [...stack, file],
          source,
        );
      } else {
        lines.push(...parsed.lines.flatMap((each) => anchored(each, file)));
      }
    }
    files.push({ path: file.shown, lines: counted });
  }

  for (const file of sources.requirements) await visit(file, false, [], undefined);
  for (const { text, file } of sources.groups) {
    lines.push(parseSpecifier(text, { file, line: undefined }, reading));
  }
  for (const { text } of logicalLines(sources.packages.join('\n'))) {
    lines.push(parseSpecifier(text, { file: 'input packages', line: undefined }, reading));
  }
  for (const file of sources.constraints) await visit(file, true, [], undefined);
  return { lines, files };
}

/** Where Python's `str.splitlines` ends a line, which is what pip reads files with. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what Python takes for an end.
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

/** Replaces `${NAME}` as pip does: upper-case names that are set; others stay as they are. */
export function expandVariables(
  text: string,
  environment: Readonly<Record<string, string>>,
): string {
  return text.replace(/\$\{([A-Z0-9_]+)\}/g, (whole, name: string) => environment[name] || whole);
}

/**
 * A word as pip's files want it, which are split like a shell's lines: with white space or
 * backslashes (every path of Windows has them) it needs quotes.
 */
export function quoted(word: string): string {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}

const vcsScheme = /^(?:git|hg|svn|bzr)(?:\+[a-z-]+)?:/i;
const urlScheme = /^(?:https?|ftp|file):/i;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$/i;
const projectName = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\][]*)\])?\s*/;

/** Options that are followed by a value, by their spellings. */
const valued: Readonly<Record<string, string>> = {
  '-r': 'requirement',
  '--requirement': 'requirement',
  '--requirements': 'requirement',
  '-c': 'constraint',
  '--constraint': 'constraint',
  '-e': 'editable',
  '--editable': 'editable',
  '-i': 'index-url',
  '--index-url': 'index-url',
  '--pypi-url': 'index-url',
  '--extra-index-url': 'extra-index-url',
  '-f': 'find-links',
  '--find-links': 'find-links',
  '--no-binary': 'no-binary',
  '--only-binary': 'only-binary',
  '--trusted-host': 'trusted-host',
  '--use-feature': 'use-feature',
  '--hash': 'hash',
  '--global-option': 'global-option',
  '-C': 'config-settings',
  '--config-setting': 'config-settings',
  '--config-settings': 'config-settings',
};

interface Option {
  readonly name: string;
  readonly value: string;
}

/** What a logical line is: an include, or lines of the request. */
type Parsed =
  | { readonly include: string; readonly constraint: boolean }
  | { readonly lines: readonly RequestLine[] };

type ParseContext = Pick<RequirementReading, 'environment' | 'workingDirectory'>;

/**
 * One logical line of a requirement file.
 * @throws UserError when it is neither an option nor a requirement
 */
export function parseLine(
  text: string,
  source: Source,
  constraint: boolean,
  context: ParseContext,
): Parsed {
  const expanded = expandVariables(text, context.environment);
  const { body, rest } = splitOptions(expanded);
  // Values of options may be secrets: they are shown as they are written.
  const { body: writtenBody, rest: written } = splitOptions(text);
  // So may parts of a URL be.
  const shownBody = isDirect(body) ? writtenBody : body;
  const shown = withoutSecrets(`${shownBody} ${written}`.trim());
  const base = { source, text, shown, constraint };
  const options = parseOptions(rest, base.shown, source);
  if (body !== '') {
    const others = parseOptions(written, shown, source)
      .filter((option) => option.name !== 'hash')
      .map(({ name, value }) => optionText(name, value));
    return { lines: [parseRequirement(base, body, options, others, context)] };
  }

  // pip takes one include or one editable of a line and nothing else of it.
  const include =
    options.find((option) => option.name === 'requirement') ??
    options.find((option) => option.name === 'constraint');
  if (include) {
    if (include.value === '') throw new UserError(`"${base.shown}" names no file.`, source);
    // Also within a constraint file, `-r` asks for what it includes.
    return { include: include.value, constraint: include.name === 'constraint' };
  }
  const editable = options.find((option) => option.name === 'editable');
  if (editable && constraint) {
    throw new UserError(
      `"${base.shown}" is editable, which pip does not take as a constraint. Move it to a requirement file, or name the project with a version.`,
      source,
    );
  }
  if (editable) {
    return { lines: [parseDirect(base, editable.value, true, [], context.workingDirectory)] };
  }
  const single = options.length === 1;
  const unexpanded = parseOptions(text, base.shown, source);
  return {
    lines: options.map(({ name, value }, index) => {
      const written = unexpanded[index]?.value ?? '';
      const isSame = expandVariables(written, context.environment) === value;
      return {
        ...base,
        kind: 'option',
        name,
        value,
        text: single ? text : optionText(name, isSame ? written : value),
      };
    }),
  };
}

function optionText(name: string, value: string): string {
  return value === '' ? `--${name}` : `--${name} ${quoted(value)}`;
}

function parseRequirement(
  base: LineBase,
  body: string,
  options: readonly Option[],
  others: readonly string[],
  { workingDirectory }: ParseContext,
): IndexRequirement | DirectRequirement {
  const hashes = options
    .filter((option) => option.name === 'hash' && /^[a-z0-9]+:[0-9a-f]+$/i.test(option.value))
    .map((option) => option.value.toLowerCase());
  if (isDirect(body)) return parseDirect(base, body, false, hashes, workingDirectory);

  const [specified, marker] = splitMarker(body, ';');
  const match = projectName.exec(specified);
  const specifier = match ? unparenthesized(specified.slice(match[0].length)) : '';
  if (!match || !/^(?:$|[=<>!~])/.test(specifier)) {
    throw new UserError(
      `"${base.shown}" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip's options.`,
      base.source,
    );
  }
  return {
    ...base,
    kind: 'index',
    name: normalizeName(String(match[1])),
    pin: /^={2,3}\s*([^\s,*]+)$/.exec(specifier)?.[1],
    marker,
    hashes,
    plain: body,
    others,
  };
}

function unparenthesized(specifier: string): string {
  const text = specifier.trim();
  return text.startsWith('(') && text.endsWith(')') ? text.slice(1, -1).trim() : text;
}

/**
 * A requirement that stands alone, outside a file: no option and no path.
 * @throws UserError otherwise
 */
export function parseSpecifier(text: string, source: Source, context: ParseContext): RequestLine {
  const expanded = expandVariables(text, context.environment);
  const shown = withoutSecrets(text).split(lineEnd).join(' ');
  if (lineEnd.test(expanded)) {
    throw new UserError(`"${shown}" holds a line break; write one requirement an entry.`, source);
  }
  if (/(?:^|\s)-/.test(expanded)) {
    throw new UserError(
      `"${shown}" holds an option; ${source.file} takes requirements only, such as "requests>=2.31". Put options into a requirement file.`,
      source,
    );
  }
  const parsed = parseLine(text, source, false, context);
  const line = 'lines' in parsed ? parsed.lines[0] : undefined;
  if (
    line === undefined ||
    line.kind === 'option' ||
    (line.kind === 'direct' && line.form === 'path')
  ) {
    throw new UserError(
      `"${shown}" is a path; ${source.file} takes requirements only. Put paths and "-e" lines into a requirement file.`,
      source,
    );
  }
  return line;
}

/** pip ends the requirement at the first word that begins with a dash. */
function splitOptions(text: string): { body: string; rest: string } {
  if (text.startsWith('-')) return { body: '', rest: text };
  const start = text.search(/\s-/);
  return start < 0
    ? { body: text, rest: '' }
    : { body: text.slice(0, start).trim(), rest: text.slice(start).trim() };
}

/** Options of a line as optparse reads them; words that belong to none are passed over, as in pip. */
function parseOptions(rest: string, shown: string, source: Source): Option[] {
  const options: Option[] = [];
  const words = shellWords(rest, shown, source).values();
  for (const word of words) {
    if (!word.startsWith('-') || word === '-' || word === '--') continue;
    const isLong = word.startsWith('--');
    const equals = isLong ? word.indexOf('=') : -1;
    const spelling = isLong ? (equals < 0 ? word : word.slice(0, equals)) : word.slice(0, 2);
    const attached = isLong ? (equals < 0 ? undefined : word.slice(equals + 1)) : word.slice(2);
    const name = valued[spelling];
    if (name === undefined) {
      options.push({ name: spelling.replace(/^-+/, ''), value: attached ?? '' });
    } else {
      options.push({ name, value: attached || String(words.next().value ?? '') });
    }
  }
  return options;
}

/** Words of a line as Python's `shlex.split` makes them. */
function shellWords(text: string, shown: string, source: Source): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    const next = text.charAt(index + 1);
    if (quote !== '') {
      if (character === quote) quote = '';
      else if (quote === '"' && character === '\\' && (next === '"' || next === '\\')) {
        word += next;
        index += 1;
      } else word += character;
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (character === '\\') {
      word = (word ?? '') + next;
      index += 1;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (quote !== '') throw new UserError(`"${shown}" has a quote without its end.`, source);
  if (word !== undefined) words.push(word);
  return words;
}

/** Whether a requirement names its file or source itself: `name @ URL`, a URL, or a path. */
function isDirect(body: string): boolean {
  if (urlScheme.test(body) || vcsScheme.test(body) || isNamedUrl(body)) return true;
  const bare = splitExtras(splitMarker(body, ';')[0])[0];
  return bare.startsWith('.') || /[/\\]/.test(bare) || archive.test(bare);
}

function isNamedUrl(body: string): boolean {
  const name = projectName.exec(body);
  return name !== null && body.charAt(name[0].length) === '@';
}

function splitMarker(body: string, separator: string): [body: string, marker: string | undefined] {
  const at = body.indexOf(separator);
  if (at < 0) return [body.trim(), undefined];
  return [body.slice(0, at).trim(), body.slice(at + separator.length).trim()];
}

/** `path[a,b]` */
function splitExtras(text: string): [rest: string, extras: string] {
  const open = text.endsWith(']') ? text.lastIndexOf('[') : -1;
  return open <= 0 ? [text, ''] : [text.slice(0, open).trim(), text.slice(open + 1, -1)];
}

type LineBase = Pick<RequestLine, 'source' | 'text' | 'shown' | 'constraint'>;

function parseDirect(
  base: LineBase,
  body: string,
  editable: boolean,
  optionHashes: readonly string[],
  workingDirectory: string,
): DirectRequirement {
  const name = isNamedUrl(body) && !urlScheme.test(body) ? projectName.exec(body) : null;
  const isUrl = urlScheme.test(body) || vcsScheme.test(body);
  // A bare URL may hold semicolons, so pip wants white space behind the one before a marker.
  const [location, marker] = editable ? [body, undefined] : splitMarker(body, isUrl ? '; ' : ';');
  const unnamed = name ? location.slice(name[0].length + 1).trim() : location;
  const remote = urlScheme.test(unnamed) || vcsScheme.test(unnamed);
  const [target, bracket] = remote ? [unnamed, ''] : splitExtras(unnamed);
  if (target === '') throw new UserError(`"${base.shown}" names no path or URL.`, base.source);

  const fragment = new Map(
    target
      .slice(remote && target.includes('#') ? target.indexOf('#') + 1 : target.length)
      .split('&')
      .map((part): [string, string] => {
        const equals = part.indexOf('=');
        return [part.slice(0, equals), part.slice(equals + 1)];
      }),
  );
  const isFile = /^file:/i.test(target);
  const form = vcsScheme.test(target) ? 'vcs' : remote && !isFile ? 'url' : 'path';
  const algorithm = ['sha256', 'sha384', 'sha512'].find((each) => fragment.has(each));
  return {
    ...base,
    kind: 'direct',
    form,
    editable,
    target:
      form === 'path'
        ? path.resolve(workingDirectory, isFile ? fileOfUrl(target, base.source) : target)
        : target,
    shownTarget: form === 'path' ? withoutSecrets(target) : fingerprinted(target),
    extras: (bracket || name?.[2] || splitExtras(fragment.get('egg') ?? '')[1])
      .split(',')
      .map((extra) => normalizeName(extra.trim()))
      .filter((extra) => extra !== '')
      .sort(),
    marker,
    hashes: algorithm
      ? [...optionHashes, `${algorithm}:${fragment.get(algorithm)}`.toLowerCase()]
      : optionHashes,
    checksHashes: optionHashes.length > 0,
  };
}

function fileOfUrl(url: string, source: Source): string {
  const bare = (url.split(/[?#]/)[0] ?? '').replace(/^file:\/\/localhost\//i, 'file:///');
  // `file:relative/path` is no URL by the standard, but pip takes it.
  if (!/^file:\//i.test(bare)) return bare.slice('file:'.length);
  try {
    return fileURLToPath(bare);
  } catch (error) {
    throw new UserError(`"${bare}" names no file of this machine: ${messageOf(error)}.`, source);
  }
}

/** `-r` and `-c` are relative to the file that they stand in, or to its URL. */
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
 * The flattened copy lies elsewhere, so a relative `--find-links` gets its anchors here: pip takes
 * what lies beside the file, else what lies where it runs; the one that isn't there is passed over.
 */
function anchored(line: RequestLine, file: RequirementFile): RequestLine[] {
  const isRelative =
    line.kind === 'option' &&
    line.name === 'find-links' &&
    !/^[a-z][a-z0-9+.-]+:/i.test(line.value) &&
    !path.isAbsolute(line.value) &&
    !/^https?:/i.test(file.location);
  if (!isRelative) return [line];
  const beside = path.resolve(path.dirname(file.location), line.value);
  return [
    { ...line, text: optionText('find-links', beside) },
    { ...line, text: optionText('find-links', line.value) },
  ];
}

/**
 * A requirement of a project's metadata that names its own source. Variables in it mean nothing.
 * @param text without a marker
 * @throws UserError when it can't be read
 */
export function requirementOf(
  text: string,
  source: Source,
  workingDirectory: string,
): DirectRequirement {
  const parsed = parseLine(text, source, false, { environment: {}, workingDirectory });
  const [line] = 'lines' in parsed ? parsed.lines : [];
  if (line?.kind !== 'direct') {
    throw new UserError(`"${withoutSecrets(text)}" is not a requirement with a URL.`, source);
  }
  return line;
}

/** The requirements that are to be found through an index, constraints among them. */
export function indexRequirements(lines: readonly RequestLine[]): IndexRequirement[] {
  return lines.filter((line) => line.kind === 'index');
}

/** What is installed from its own place instead of from an index. */
export function directRequirements(lines: readonly RequestLine[]): DirectRequirement[] {
  return lines.filter((line) => line.kind === 'direct').filter((line) => !line.constraint);
}

/**
 * A URL whose content its hash fixes may be kept; a path, a branch or a bare URL may have other
 * content the next time.
 */
export function isCacheable(requirement: DirectRequirement): boolean {
  return requirement.form === 'url' && !requirement.editable && requirement.hashes.length > 0;
}

/** Whether pip is in hash-checking mode: one hash in any line switches it on for all. */
export function isHashMode(lines: readonly RequestLine[]): boolean {
  return lines.some((line) => {
    if (line.kind === 'option') return line.name === 'require-hashes';
    return line.kind === 'index' ? line.hashes.length > 0 : line.checksHashes;
  });
}

/** The hashes asked for, by normalised name. */
export function askedHashes(lines: readonly RequestLine[]): Map<string, string[]> {
  const asked = new Map<string, string[]>();
  for (const line of indexRequirements(lines)) {
    if (line.hashes.length === 0) continue;
    const all = new Set([...(asked.get(line.name) ?? []), ...line.hashes]);
    asked.set(line.name, [...all].sort());
  }
  return asked;
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
