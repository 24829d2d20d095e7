/**
 * Reads requirement and constraint files the way pip does, without touching a disk: the caller
 * lends the reading. The grammar is that of pip's "Requirements File Format" page and of PEP 508.
 */
import path from 'node:path';

import {
  type DirectRequirement,
  type IndexRequirement,
  messageOf,
  type OptionLine,
  type RequestLine,
  type Source,
  UserError,
} from './model.ts';

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
      if (parsed.kind !== 'option') {
        lines.push(parsed);
        continue;
      }
      if (parsed.name === 'requirement' || parsed.name === 'constraint') {
        const included = includedFile(parsed.value, file);
        await visit(included, constraint || parsed.name === 'constraint', [...stack, file], source);
      } else {
        lines.push(anchoredOption(parsed, file));
      }
    }
    files.push({ path: file.shown, lines: counted });
  }

  for (const file of sources.requirements) await visit(file, false, [], undefined);
  for (const { text, file } of sources.groups) {
    lines.push(parseSpecifier(text, { file, line: undefined }, reading));
  }
  for (const text of sources.packages) {
    lines.push(parseSpecifier(text, { file: 'input packages', line: undefined }, reading));
  }
  for (const file of sources.constraints) await visit(file, true, [], undefined);
  return { lines, files };
}

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
    const bare = joined.replace(/(^|\s+)#.*$/, '').trim();
    if (bare !== '') logical.push({ text: bare, line });
  };
  const physical = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  physical.forEach((content, index) => {
    const comment = /^\s*#/.test(content);
    if (content.endsWith('\\') && !comment) {
      if (pending.length === 0) first = index + 1;
      pending.push(content.replace(/^\\+|\\+$/g, ''));
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

/** Replaces `${NAME}` as pip does: upper-case names that are set; others stay as they are. */
export function expandVariables(
  text: string,
  environment: Readonly<Record<string, string>>,
): string {
  return text.replace(/\$\{([A-Z0-9_]+)\}/g, (whole, name: string) => environment[name] || whole);
}

/** Takes userinfo and query out of every URL in a text: what is left may be hashed and shown. */
export function withoutSecrets(text: string): string {
  return text.replace(
    /([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#]*@)?([^\s?#"']*)(\?[^\s#"']*)?/gi,
    (_whole, scheme: string, rest: string) => `${scheme}${rest}`,
  );
}

/** A project's name as the field compares it (PEP 503). */
export function normalizeName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

const vcsScheme = /^(?:git|hg|svn|bzr)(?:\+[a-z]+)?:/i;
const urlScheme = /^(?:https?|ftp|file):/i;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$/i;
const projectName = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*/;

const shortOptions: Readonly<Record<string, string>> = {
  '-r': '--requirement',
  '-c': '--constraint',
  '-e': '--editable',
  '-i': '--index-url',
  '-f': '--find-links',
};

/**
 * One logical line of a requirement file.
 * @throws UserError when it is neither an option nor a requirement
 */
export function parseLine(
  text: string,
  source: Source,
  constraint: boolean,
  reading: Pick<RequirementReading, 'environment' | 'workingDirectory'>,
): RequestLine {
  const expanded = expandVariables(text, reading.environment);
  const base = { source, text, shown: withoutSecrets(expanded), constraint };
  if (expanded.startsWith('-')) {
    const [name, value] = parseOption(expanded);
    if (name === 'editable') return direct(base, value, true, reading.workingDirectory, [], source);
    return { ...base, kind: 'option', name, value };
  }
  const { body, options } = splitOptions(expanded);
  const hashes = [...options.matchAll(/--hash(?:=|\s+)["']?([a-z0-9]+:[0-9a-f]+)/gi)].map((match) =>
    String(match[1]).toLowerCase(),
  );
  if (isDirect(body)) return direct(base, body, false, reading.workingDirectory, hashes, source);

  const [specified, marker] = splitMarker(body, ';');
  const match = projectName.exec(specified);
  const specifier = match
    ? specified
        .slice(match[0].length)
        .replace(/^\((.*)\)$/, '$1')
        .trim()
    : '';
  if (!match || !/^(?:$|[=<>!~])/.test(specifier)) {
    throw new UserError(
      `"${base.shown}" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip's options.`,
      source,
    );
  }
  const pin = /^={2,3}\s*([^\s,*]+)$/.exec(specifier);
  return {
    ...base,
    kind: 'index',
    name: normalizeName(String(match[1])),
    pin: pin?.[1],
    marker,
    hashes,
    unhashed: text.replace(/\s+--hash(?:=|\s+)\S+/g, ''),
  };
}

/**
 * A line of the input `packages`: a requirement, but no option and no file.
 * @throws UserError otherwise
 */
function parseSpecifier(
  text: string,
  source: Source,
  reading: Pick<RequirementReading, 'environment' | 'workingDirectory'>,
): RequestLine {
  if (/(?:^|\s)-/.test(text)) {
    throw new UserError(
      `"${withoutSecrets(text)}" holds an option; ${source.file} takes requirements only, such as "requests>=2.31". Put options into a requirement file.`,
      source,
    );
  }
  const line = parseLine(text, source, false, reading);
  if (line.kind === 'direct' && line.form === 'path') {
    throw new UserError(
      `"${line.shown}" is a path; ${source.file} takes requirements only. Put paths and "-e" lines into a requirement file.`,
      source,
    );
  }
  return line;
}

/** pip ends the requirement at the first word that begins with a dash. */
function splitOptions(text: string): { body: string; options: string } {
  const start = /\s-/.exec(text)?.index;
  return start === undefined
    ? { body: text, options: '' }
    : { body: text.slice(0, start).trim(), options: text.slice(start).trim() };
}

function parseOption(text: string): [name: string, value: string] {
  const short = /^-[a-zA-Z]/.exec(text)?.[0];
  const long = short ? `${shortOptions[short] ?? short} ${text.slice(2).trim()}` : text;
  const match = /^-{1,2}([A-Za-z][\w-]*)(?:\s*=\s*|\s+|$)(.*)$/s.exec(long);
  const value = String(match?.[2] ?? '').trim();
  return [String(match?.[1] ?? long), value.replace(/^(["'])(.*)\1$/s, '$2')];
}

/** Whether a requirement names its file or source itself: `name @ URL`, a URL, or a path. */
function isDirect(body: string): boolean {
  if (urlScheme.test(body) || vcsScheme.test(body)) return true;
  const name = projectName.exec(body);
  if (name && body.slice(name[0].length).startsWith('@')) return true;
  const bare = splitMarker(body, ';')[0].replace(/\[[^\]]*\]$/, '');
  return bare.startsWith('.') || /[/\\]/.test(bare) || archive.test(bare);
}

function splitMarker(body: string, separator: string): [body: string, marker: string | undefined] {
  const at = body.indexOf(separator);
  if (at < 0) return [body.trim(), undefined];
  return [body.slice(0, at).trim(), body.slice(at + separator.length).trim()];
}

function direct(
  base: Omit<
    DirectRequirement,
    'kind' | 'form' | 'editable' | 'target' | 'shownTarget' | 'extras' | 'marker' | 'hashes'
  >,
  body: string,
  editable: boolean,
  workingDirectory: string,
  hashes: readonly string[],
  source: Source,
): DirectRequirement {
  const name = projectName.exec(body);
  const named =
    name &&
    body.slice(name[0].length).startsWith('@') &&
    !urlScheme.test(body) &&
    !vcsScheme.test(body);
  let rest = named ? body.slice(name[0].length + 1).trim() : body;
  const remote = urlScheme.test(rest) || vcsScheme.test(rest);
  // A URL may hold a semicolon: there a marker needs white space around it (PEP 508).
  const [location, marker] = splitMarker(rest, remote ? ' ;' : ';');
  rest = location;
  const bracket = remote ? null : /^(.+?)\[([^\]]*)\]$/.exec(rest);
  if (bracket) rest = String(bracket[1]);
  const fragmentExtras = /[#&]egg=[^&[]*\[([^\]]*)\]/.exec(rest)?.[1];
  const extras = (bracket?.[2] ?? (named ? name[2] : undefined) ?? fragmentExtras ?? '')
    .split(',')
    .map((extra) => normalizeName(extra.trim()))
    .filter((extra) => extra !== '')
    .sort();
  const form = vcsScheme.test(rest) ? 'vcs' : remote && !/^file:/i.test(rest) ? 'url' : 'path';
  if (rest === '') {
    throw new UserError(`"${base.shown}" names no path or URL.`, source);
  }
  const target =
    form === 'path' ? path.resolve(workingDirectory, rest.replace(/^file:(?:\/\/)?/i, '')) : rest;
  const fragmentHash = /[#&](sha(?:256|384|512))=([0-9a-f]+)/i.exec(rest);
  return {
    ...base,
    kind: 'direct',
    form,
    editable,
    target,
    shownTarget: form === 'path' ? rest : withoutSecrets(rest),
    extras,
    marker,
    hashes: fragmentHash
      ? [...hashes, `${fragmentHash[1]}:${fragmentHash[2]}`.toLowerCase()]
      : hashes,
  };
}

/** `-r` and `-c` are relative to the file that they stand in, or to its URL. */
function includedFile(value: string, parent: RequirementFile): RequirementFile {
  if (/^https?:/i.test(value)) return { location: value, shown: withoutSecrets(value) };
  if (/^https?:/i.test(parent.location)) {
    const location = new URL(value, parent.location).href;
    return { location, shown: withoutSecrets(location) };
  }
  const local = value.replace(/^file:(?:\/\/)?/i, '');
  return {
    location: path.resolve(path.dirname(parent.location), local),
    shown: path.isAbsolute(local)
      ? local
      : path.posix.join(path.posix.dirname(parent.shown), local),
  };
}

/** The flattened copy lies elsewhere, so a relative `--find-links` gets its anchor here. */
function anchoredOption(option: OptionLine, file: RequirementFile): OptionLine {
  const relative =
    option.name === 'find-links' &&
    !/^[a-z][a-z0-9+.-]+:/i.test(option.value) &&
    !path.isAbsolute(option.value) &&
    !/^https?:/i.test(file.location);
  if (!relative) return option;
  const value = path.resolve(path.dirname(file.location), option.value);
  return { ...option, value, text: `--find-links ${value}` };
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
  return lines.some((line) =>
    line.kind === 'option'
      ? line.name === 'require-hashes'
      : line.kind === 'index' && line.hashes.length > 0,
  );
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
 * Whether the request fixes the version of one project: a lone `==` that applies. Where a marker
 * decides which line applies, all lines of the project must be pins.
 */
export function isPinned(
  lines: readonly IndexRequirement[],
  name: string,
  version: string,
): boolean {
  const own = lines.filter((line) => line.name === name);
  const matches = own.filter((line) => line.pin !== undefined && sameVersion(line.pin, version));
  if (matches.some((line) => line.marker === undefined)) return true;
  return matches.length > 0 && own.every((line) => line.pin !== undefined);
}

/** Versions as users spell them against versions as metadata spell them: `1.0` is `1.0.0`. */
function sameVersion(one: string, other: string): boolean {
  const plain = (version: string): string =>
    version
      .toLowerCase()
      .replace(/^v/, '')
      .replace(/[-_]/g, '.')
      .replace(/(?:\.0+)+(?=$|\+)/, '');
  return plain(one) === plain(other);
}
