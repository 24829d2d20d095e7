/** The lines of a request, and how one logical line of a requirement file is parsed into them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, type Source, UserError } from './errors.ts';
import { isOlderPip, isWheelFileName, normalizeName, wheelNameParts } from './names.ts';
import { type Dialect, parseMarker, specifierClauses } from './pep508.ts';
import {
  isOwnOption,
  isUnknownPip,
  type LineOption,
  optionsOf,
  optionText,
} from './requirement-options.ts';
import { expand, splitText, type Text } from './requirement-words.ts';
import { fingerprinted, withoutSecrets } from './secrets.ts';

interface Line {
  readonly source: Source;
  /**
   * The text for pip: the logical line without comments, with variables unexpanded. Empty when it is
   * part of the text of the line before.
   */
  readonly text: string;
  /** For people: without secrets, and with variables expanded except in options and URLs. */
  readonly shown: string;
  /** From a constraint file: it restricts versions but requires nothing. */
  readonly constraint: boolean;
}

/** `name[extras] specifier ; marker --hash=…`, found through an index. */
export interface IndexRequirement extends Line {
  readonly kind: 'index';
  /** Normalised (PEP 503). */
  readonly name: string;
  /** The name in the user's spelling. */
  readonly project: string;
  /** In the user's spelling and order. */
  readonly extras: readonly string[];
  /** Clauses without white space, in order: `>=2`, `<3`. */
  readonly specifiers: readonly string[];
  /** The version of a lone `==` (no wildcard) or `===`. */
  readonly pin: string | undefined;
  /** Environment marker, without the semicolon. */
  readonly marker: string | undefined;
  /** The `--hash` options: `sha256:…`. */
  readonly hashes: readonly string[];
  /** Its options other than `--hash`. */
  readonly options: readonly LineOption[];
}

/** A requirement that names its file or source instead of an index. */
export interface DirectRequirement extends Line {
  readonly kind: 'direct';
  /** path: a directory or archive on this machine; vcs: `git+…`; url: an archive elsewhere. */
  readonly form: 'path' | 'vcs' | 'url';
  readonly editable: boolean;
  /** The path or URL, expanded, without extras and marker. May contain secrets, so never shown. */
  readonly target: string;
  /** The path in the user's spelling, or the fingerprint of the URL. */
  readonly shownTarget: string;
  /** The normalised name of the project, when the target ends with the file name of a wheel. */
  readonly wheelOf: string | undefined;
  readonly extras: readonly string[];
  readonly marker: string | undefined;
  /** From `--hash` options and from the URL's fragment. */
  readonly hashes: readonly string[];
  /** There is a `--hash` option, which turns on hash checking for everything; a fragment does not. */
  readonly checksHashes: boolean;
}

/** An option that belongs to no requirement. */
export interface OptionLine extends Line, Pick<LineOption, 'name' | 'value' | 'raw'> {
  readonly kind: 'option';
}

export type RequestLine = IndexRequirement | DirectRequirement | OptionLine;

/** Everything outside its file that the meaning of a line depends on. */
export interface LineContext {
  /** Absolute path where pip will run: relative paths of local projects start here, as in pip. */
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Version of the pip that will read the line; undefined for the newest. */
  readonly pip?: string | undefined;
  /** Variables that have another value for pip than in the environment. */
  readonly replacedVariables?: ReadonlySet<string>;
}

type LinePlace = Pick<Line, 'source' | 'constraint'>;

/** An include, or lines of the request. */
type ParsedLine =
  | { readonly include: string; readonly constraint: boolean }
  | { readonly lines: readonly RequestLine[] };

/**
 * Parses one logical line of a requirement file.
 * @throws UserError when pip would reject it
 */
export function parseLine(text: string, place: LinePlace, context: LineContext): ParsedLine {
  refuseUnsetVariables(text, place, context);
  const [body, rest] = splitOptions(expand(text, context.environment));
  const requirement = body.value.trim();
  // Variables in options and URLs may contain secrets, so those are shown unexpanded.
  const shownBody = isDirect(requirement) ? body.raw.trim() : requirement;
  const shown = withoutSecrets(`${shownBody} ${rest.raw}`.trim());
  const base: Line = { ...place, text, shown };
  const options = optionsOf(rest, base, context.pip);
  if (requirement !== '') {
    refuseReplacedVariables(base, context);
    return { lines: [parseRequirement(base, requirement, options, context)] };
  }

  // Of a line with an editable or an include pip reads nothing else.
  const editable = options.find((option) => option.name === 'editable');
  if (editable) {
    refuseReplacedVariables(base, context);
    return { lines: [parseDirect(base, editable.value, { editable: true, hashes: [] }, context)] };
  }
  const include =
    options.find((option) => option.name === 'requirement') ??
    options.find((option) => option.name === 'constraint');
  if (include) {
    if (include.value === '') throw refusal(base, 'has no file name. Add one');
    // Even in a constraint file, the lines that `-r` includes are requirements.
    return { include: include.value, constraint: include.name === 'constraint' };
  }
  return { lines: optionLines(base, options, context) };
}

/** Options that name indexes: pip gets them through its environment, where credentials belong. */
const indexOptions = ['index-url', 'extra-index-url', 'trusted-host'];

export function namesIndex(line: RequestLine): boolean {
  return line.kind === 'option' && indexOptions.includes(line.name);
}

function optionLines(
  base: Line,
  options: readonly LineOption[],
  context: LineContext,
): RequestLine[] {
  // pip reads only the first --find-links of a line.
  const links = options.filter((option) => option.name === 'find-links').slice(1);
  const counting = options.filter((option) => !links.includes(option));
  const isSingle = options.length === 1;
  // A line with a variable that contains several options can't be split.
  const isWhole = isSingle || counting.some((option) => optionText(option) === undefined);
  const lines = counting.map((option, order): RequestLine => {
    const { name, value, raw } = option;
    const own = isWhole ? (order === 0 ? base.text : '') : (optionText(option) ?? '');
    return { ...base, kind: 'option', name, value, raw, text: own };
  });
  if (!lines.every(namesIndex)) refuseReplacedVariables(base, context);
  if (isWhole && !isSingle && lines.some(namesIndex) && !lines.every(namesIndex)) {
    throw refusal(base, 'has a variable that contains several words. Write one option per line');
  }
  // pip puts the index of a line before the extra indexes of the same line.
  return [
    ...lines.filter((line) => line.kind === 'option' && line.name === 'index-url'),
    ...lines.filter((line) => line.kind === 'option' && line.name !== 'index-url'),
  ];
}

function refusal(line: Pick<Line, 'shown' | 'source'>, reason: string): UserError {
  return new UserError(`"${line.shown}" ${reason}.`, line.source);
}

/**
 * pip would expand a `PIP_…` variable that only this program sets, such as the URL of an index with
 * its credentials, and send it to any host that the line names.
 */
function refuseUnsetVariables(text: string, place: LinePlace, { environment }: LineContext): void {
  for (const [variable, name = ''] of text.matchAll(/\$\{(PIP_[A-Z0-9_]+)\}/g)) {
    if (environment[name]) continue;
    throw new UserError(
      `"${withoutSecrets(text)}" uses ${variable}, which is not set. Set it in the job's environment, or use a variable with another name.`,
      place.source,
    );
  }
}

function refuseReplacedVariables({ text, shown, source }: Line, context: LineContext): void {
  for (const [variable, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
    if (!context.replacedVariables?.has(name)) continue;
    throw new UserError(
      `"${shown}" uses ${variable}, whose value an input of this action replaces. Use a variable with another name.`,
      source,
    );
  }
}

/** In pip the first word that begins with a dash ends the requirement; only spaces separate words. */
function splitOptions(text: Text): [body: Text, options: Text] {
  if (text.value.startsWith('-')) return splitText(text, 0);
  const start = text.value.indexOf(' -');
  return splitText(text, start < 0 ? text.value.length : start + 1);
}

const vcsScheme = /^(?:git|hg|svn|bzr)(?:\+[a-z-]+)?:/i;
const urlScheme = /^(?:https?|ftp|file):/i;
const archive = /\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))$/i;
const projectName =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[\s*((?:[A-Za-z0-9][A-Za-z0-9._-]*(?:\s*,\s*[A-Za-z0-9][A-Za-z0-9._-]*)*)?)\s*\])?\s*/;

function dialectOf({ pip }: LineContext): Dialect {
  return {
    legacyVersions: pip !== undefined && isOlderPip(pip, [24, 1]),
    isNewer: isUnknownPip(pip),
  };
}

function parseRequirement(
  base: Line,
  body: string,
  options: readonly LineOption[],
  context: LineContext,
): IndexRequirement | DirectRequirement {
  const hashes = options
    .filter((option) => option.name === 'hash')
    .map((option) => hashOf(option, base));
  if (isDirect(body)) return parseDirect(base, body, { editable: false, hashes }, context);

  const [specified, marker] = splitMarker(body, ';');
  const match = projectName.exec(specified);
  const specifier = match ? specified.slice(match[0].length) : '';
  if (!match || !/^(?:$|[(=<>!~])/.test(specifier)) {
    throw refusal(
      base,
      'is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip\'s options',
    );
  }
  const dialect = dialectOf(context);
  const specifiers = specifierClauses(specifier, dialect);
  if (specifiers === undefined) throw refusal(base, specifierAdvice(specifier));
  refuseMarker(base, marker, dialect);
  const extras = namesIn(match[2] ?? '');
  refuseConstrainedExtras(base, extras);
  const project = String(match[1]);
  const [only, ...others] = specifiers;
  return {
    ...base,
    kind: 'index',
    name: normalizeName(project),
    project,
    extras,
    specifiers,
    pin: others.length === 0 ? /^={2,3}([^*]+)$/.exec(only ?? '')?.[1] : undefined,
    marker,
    hashes,
    options: options.filter(isOwnOption),
  };
}

function hashOf({ value }: LineOption, line: Line): string {
  if (/^(?:sha256|sha384|sha512):/.test(value)) return value.toLowerCase();
  throw refusal(
    line,
    `has a --hash that pip does not accept: "${value}". Write --hash=sha256: and the digest`,
  );
}

function specifierAdvice(specifier: string): string {
  if (/(?:^|[^=<>!~])=(?!=)/.test(specifier)) {
    return 'uses "=", which is not a comparison operator. Write "=="';
  }
  return /[=<>~]\s*(?:$|[,)])/.test(specifier)
    ? 'has a comparison without a version. Add one, or remove the operator'
    : 'has an invalid version specifier. Write it as in "requests>=2.31,<3"';
}

function refuseMarker(line: Line, marker: string | undefined, dialect: Dialect): void {
  if (marker === undefined || marker === '') return;
  const parsed = parseMarker(marker, dialect);
  if ('marker' in parsed) return;
  throw refusal(line, `has an invalid marker: ${parsed.fault}. Correct what follows the semicolon`);
}

function refuseConstrainedExtras(line: Line, extras: readonly string[]): void {
  if (!line.constraint || extras.length === 0) return;
  throw refusal(
    line,
    'is a constraint with extras, which pip does not accept. Remove the extras here and ask for them in a requirement file',
  );
}

function namesIn(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Whether a requirement names its own source: `name @ URL`, a URL, or a path. */
function isDirect(body: string): boolean {
  if (isRemote(body) || namedLocation(body) !== undefined) return true;
  const [bare] = splitExtras(splitMarker(body, ';')[0]);
  return bare.startsWith('.') || /[/\\]/.test(bare) || archive.test(bare);
}

/** Whether a path is that of a wheel or of another archive, by its name. */
export function isArchive(file: string): boolean {
  return archive.test(file);
}

/** Whether a requirement is only a path on this machine. */
export function isPath(body: string): boolean {
  return isDirect(body) && !isRemote(body) && namedLocation(body) === undefined;
}

function isRemote(location: string): boolean {
  return urlScheme.test(location) || vcsScheme.test(location);
}

/** @returns the parts of `name[extras] @ location`; undefined for another form */
function namedLocation(text: string): { extras: string; location: string } | undefined {
  const match = projectName.exec(text);
  if (match === null || text.charAt(match[0].length) !== '@') return undefined;
  return { extras: match[2] ?? '', location: text.slice(match[0].length + 1).trim() };
}

function splitMarker(body: string, separator: string): [body: string, marker: string | undefined] {
  const at = body.indexOf(separator);
  if (at < 0) return [body.trim(), undefined];
  return [body.slice(0, at).trim(), body.slice(at + separator.length).trim()];
}

/** Splits `path[a,b]`. */
export function splitExtras(text: string): [rest: string, extras: string] {
  const open = text.endsWith(']') ? text.lastIndexOf('[') : -1;
  return open <= 0 ? [text, ''] : [text.slice(0, open).trim(), text.slice(open + 1, -1)];
}

function parseDirect(
  base: Line,
  body: string,
  { editable, hashes }: { readonly editable: boolean; readonly hashes: readonly string[] },
  context: LineContext,
): DirectRequirement {
  if (editable && base.constraint) {
    throw refusal(
      base,
      'is editable, which pip does not accept as a constraint. Move it to a requirement file, or name the project with a version',
    );
  }
  // A bare URL may contain semicolons: pip takes one for the start of a marker only before a space.
  const separator = isRemote(body) ? '; ' : ';';
  const [whole, marker] = editable ? [body, undefined] : splitMarker(body, separator);
  const named = namedLocation(whole);
  const location = named?.location ?? whole;
  const remote = isRemote(location);
  const [target, bracket] = remote ? [location, ''] : splitExtras(location);
  if (target === '') throw refusal(base, 'has no path or URL. Add one');
  refuseMarker(base, marker, dialectOf(context));

  const fragment = remote ? /#.*$/s.exec(target)?.[0] : undefined;
  const parameter = (name: string): string | undefined =>
    new RegExp(`[#&]${name}=([^&]*)`).exec(fragment ?? '')?.[1];
  const egg = parameter('egg');
  const file = path.posix.basename(target.replace(/[?#].*$/s, ''));
  const wheelOf = isWheelFileName(file) ? wheelNameParts(file).name : undefined;
  if (base.constraint && !named && egg === undefined && wheelOf === undefined) {
    throw refusal(
      base,
      'is a constraint without a name, which pip does not accept. Write it as "name @ URL"',
    );
  }
  const extras = namesIn(bracket || named?.extras || splitExtras(egg ?? '')[1]);
  refuseConstrainedExtras(base, extras);
  const isFile = /^file:/i.test(target);
  const form = vcsScheme.test(target) ? 'vcs' : remote && !isFile ? 'url' : 'path';
  const fragmentHashes = ['sha256', 'sha384', 'sha512'].flatMap((algorithm) => {
    const digest = parameter(algorithm);
    return digest === undefined ? [] : [`${algorithm}:${digest}`.toLowerCase()];
  });
  return {
    ...base,
    kind: 'direct',
    form,
    editable,
    target:
      form === 'path'
        ? path.resolve(context.workingDirectory, isFile ? fileOfUrl(target, base.source) : target)
        : target,
    shownTarget: form === 'path' ? withoutSecrets(target) : fingerprinted(target),
    wheelOf,
    extras: extras.map(normalizeName).sort(),
    marker,
    hashes: [...hashes, ...fragmentHashes.slice(0, 1)],
    checksHashes: hashes.length > 0,
  };
}

/**
 * The path in a file: URL.
 * @throws UserError for a URL of another machine
 */
export function fileOfUrl(url: string, source: Source): string {
  const bare = (url.split(/[?#]/)[0] ?? '').replace(/^file:\/\/localhost\//i, 'file:///');
  // `file:relative/path` is not a valid URL, but pip accepts it.
  if (!/^file:\//i.test(bare)) return bare.slice('file:'.length);
  try {
    return fileURLToPath(bare);
  } catch (error) {
    throw new UserError(`"${bare}" is not a path on this machine: ${messageOf(error)}.`, source);
  }
}

/** An index requirement for a file that pip reads, without its hashes and other options. */
export function plainText({ project, extras, specifiers, marker }: IndexRequirement): string {
  const bracket = extras.length > 0 ? `[${extras.join(',')}]` : '';
  return `${project}${bracket}${specifiers.join(',')}${marker ? ` ; ${marker}` : ''}`;
}
