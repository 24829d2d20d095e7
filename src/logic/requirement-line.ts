/** One logical line of a requirement file, read once, by the grammar of pip's file format. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, type Source, UserError } from './errors.ts';
import { isOlderPip, isWheelFileName, normalizeName } from './names.ts';
import { type Dialect, markerFault, specifierClauses } from './pep508.ts';
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
   * What is handed to pip: the logical line without comments, variables unexpanded. Empty when the
   * line before says it too.
   */
  readonly text: string;
  /** For people: variables are expanded except in options and URLs, which lose their secrets. */
  readonly shown: string;
  /** It stands in a constraint file: it restricts, but asks for nothing. */
  readonly constraint: boolean;
}

/** `name[extras] specifier ; marker --hash=…`, found through an index. */
export interface IndexRequirement extends Line {
  readonly kind: 'index';
  /** Normalised (PEP 503). */
  readonly name: string;
  /** The name as it is spelled. */
  readonly project: string;
  /** As they are spelled, in order. */
  readonly extras: readonly string[];
  /** Clauses without white space, in order: `>=2`, `<3`. */
  readonly specifiers: readonly string[];
  /** The version of a lone `==` (no wildcard) or `===`. */
  readonly pin: string | undefined;
  /** Environment marker, without the semicolon. */
  readonly marker: string | undefined;
  /** `sha256:…`, as asked for. */
  readonly hashes: readonly string[];
  /** Its options beside `--hash`. */
  readonly options: readonly LineOption[];
}

/** A requirement that names its file or source instead of an index. */
export interface DirectRequirement extends Line {
  readonly kind: 'direct';
  /** path: a directory or archive on this machine; vcs: `git+…`; url: an archive elsewhere. */
  readonly form: 'path' | 'vcs' | 'url';
  readonly editable: boolean;
  /** The path or URL, expanded, without extras and marker. May hold secrets: never shown. */
  readonly target: string;
  /** A path as it is written, or the fingerprint of a URL: the same for the same target. */
  readonly shownTarget: string;
  readonly extras: readonly string[];
  readonly marker: string | undefined;
  /** Asked for by `--hash` or in the URL's fragment. */
  readonly hashes: readonly string[];
  /** A `--hash` option is there: it switches pip to checking all, which a fragment does not. */
  readonly checksHashes: boolean;
}

/** An option that stands alone on its line. */
export interface OptionLine extends Line, Pick<LineOption, 'name' | 'value' | 'written'> {
  readonly kind: 'option';
}

export type RequestLine = IndexRequirement | DirectRequirement | OptionLine;

/** What a line's meaning depends on, beside its file. */
export interface LineContext {
  /** Absolute path where pip will run: local paths start here, as in pip. */
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Version of the pip that the line is for; undefined for the newest. */
  readonly pip?: string | undefined;
  /** Variables that pip is given with other values than those of the environment. */
  readonly replacedVariables?: ReadonlySet<string>;
}

/** Where a line stands, and what it does there. */
export interface LinePlace {
  readonly source: Source;
  /** It stands in a constraint file. */
  readonly constraint: boolean;
}

/** A line is an include, or gives lines of the request. */
export type ParsedLine =
  | { readonly include: string; readonly constraint: boolean }
  | { readonly lines: readonly RequestLine[] };

type LineBase = Pick<RequestLine, 'source' | 'text' | 'shown' | 'constraint'>;

/**
 * Reads one logical line of a requirement file.
 * @throws UserError when pip would refuse it
 */
export function parseLine(text: string, place: LinePlace, context: LineContext): ParsedLine {
  refuseUnsetVariables(text, place, context);
  const [body, rest] = splitOptions(expand(text, context.environment));
  const requirement = body.value.trim();
  // Values of options and parts of URLs may be secrets: they are shown as they are written.
  const shownBody = isDirect(requirement) ? body.written.trim() : requirement;
  const shown = withoutSecrets(`${shownBody} ${rest.written}`.trim());
  const base: LineBase = { ...place, text, shown };
  const options = optionsOf(rest, base, context.pip);
  if (requirement !== '') {
    refuseReplacedVariables(base, context);
    return { lines: [parseRequirement(base, requirement, options, context)] };
  }

  // pip takes one editable or one include of a line and nothing else of it.
  const editable = options.find((option) => option.name === 'editable');
  if (editable) {
    refuseReplacedVariables(base, context);
    return { lines: [parseDirect(base, editable.value, { editable: true, hashes: [] }, context)] };
  }
  const include =
    options.find((option) => option.name === 'requirement') ??
    options.find((option) => option.name === 'constraint');
  if (include) {
    if (include.value === '') throw refusal(base, 'names no file. Add one');
    // Even in a constraint file, `-r` asks for what it includes.
    return { include: include.value, constraint: include.name === 'constraint' };
  }
  return { lines: optionLines(base, options, context) };
}

/** Options that name indexes: pip gets them in its environment, where their credentials belong. */
const indexOptions = ['index-url', 'extra-index-url', 'trusted-host'];

export function namesIndex(line: RequestLine): boolean {
  return line.kind === 'option' && indexOptions.includes(line.name);
}

function optionLines(
  base: LineBase,
  options: readonly LineOption[],
  context: LineContext,
): RequestLine[] {
  // pip takes the first --find-links of a line alone.
  const links = options.filter((option) => option.name === 'find-links').slice(1);
  const counting = options.filter((option) => !links.includes(option));
  const isSingle = options.length === 1;
  // A line whose variables give several options can only be handed over whole.
  const isWhole = isSingle || counting.some((option) => optionText(option) === undefined);
  const lines = counting.map((option, order): RequestLine => {
    const { name, value, written } = option;
    const own = isWhole ? (order === 0 ? base.text : '') : (optionText(option) ?? '');
    return { ...base, kind: 'option', name, value, written, text: own };
  });
  if (!lines.every(namesIndex)) refuseReplacedVariables(base, context);
  if (isWhole && !isSingle && lines.some(namesIndex) && !lines.every(namesIndex)) {
    throw refusal(base, 'has a variable that contains several words. Write one option per line');
  }
  // pip takes the index of a line before the extra ones that stand beside it.
  return [
    ...lines.filter((line) => line.kind === 'option' && line.name === 'index-url'),
    ...lines.filter((line) => line.kind === 'option' && line.name !== 'index-url'),
  ];
}

function refusal(line: Pick<LineBase, 'shown' | 'source'>, reason: string): UserError {
  return new UserError(`"${line.shown}" ${reason}.`, line.source);
}

/**
 * pip would expand a variable of its own that only this program sets, such as an index's URL with
 * its credentials, and send it to wherever the line says.
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

function refuseReplacedVariables({ text, shown, source }: LineBase, context: LineContext): void {
  for (const [variable, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
    if (!context.replacedVariables?.has(name)) continue;
    throw new UserError(
      `"${shown}" uses ${variable}, whose value an input of this action replaces. Use a variable with another name.`,
      source,
    );
  }
}

/** pip ends the requirement at the first word that begins with a dash, and splits at spaces alone. */
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
  base: LineBase,
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

function hashOf({ value }: LineOption, line: LineBase): string {
  if (/^(?:sha256|sha384|sha512):/.test(value)) return value.toLowerCase();
  throw refusal(
    line,
    `has a --hash that pip does not accept: "${value}". Write --hash=sha256: and the digest`,
  );
}

function specifierAdvice(specifier: string): string {
  if (/(?:^|[^=<>!~])=(?!=)/.test(specifier)) {
    return 'compares with "=", which is not a version comparison. Write "=="';
  }
  return /[=<>~]\s*(?:$|[,)])/.test(specifier)
    ? 'compares with no version. Add one, or remove the comparison'
    : 'is not a valid requirement: its version is not one. Write it as in "requests>=2.31,<3"';
}

function refuseMarker(line: LineBase, marker: string | undefined, dialect: Dialect): void {
  const fault = marker === undefined || marker === '' ? undefined : markerFault(marker, dialect);
  if (fault === undefined) return;
  throw refusal(line, `has an invalid marker: ${fault}. Correct what follows the semicolon`);
}

function refuseConstrainedExtras(line: LineBase, extras: readonly string[]): void {
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

/** Whether a requirement names its file or source itself: `name @ URL`, a URL, or a path. */
function isDirect(body: string): boolean {
  if (urlScheme.test(body) || vcsScheme.test(body) || isNamedUrl(body)) return true;
  const bare = splitExtras(splitMarker(body, ';')[0])[0];
  return bare.startsWith('.') || /[/\\]/.test(bare) || archive.test(bare);
}

/** Whether a requirement is a path of this machine, and nothing else. */
export function isPath(body: string): boolean {
  return isDirect(body) && !isNamedUrl(body) && !urlScheme.test(body) && !vcsScheme.test(body);
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

function parseDirect(
  base: LineBase,
  body: string,
  { editable, hashes }: { readonly editable: boolean; readonly hashes: readonly string[] },
  context: LineContext,
): DirectRequirement {
  if (editable && base.constraint) {
    throw refusal(
      base,
      'is editable, which pip does not take as a constraint. Move it to a requirement file, or name the project with a version',
    );
  }
  const name = isNamedUrl(body) && !urlScheme.test(body) ? projectName.exec(body) : null;
  const isUrl = urlScheme.test(body) || vcsScheme.test(body);
  // A bare URL may hold semicolons, so pip wants white space behind the one before a marker.
  const [location, marker] = editable ? [body, undefined] : splitMarker(body, isUrl ? '; ' : ';');
  const unnamed = name ? location.slice(name[0].length + 1).trim() : location;
  const remote = urlScheme.test(unnamed) || vcsScheme.test(unnamed);
  const [target, bracket] = remote ? [unnamed, ''] : splitExtras(unnamed);
  if (target === '') throw refusal(base, 'names no path or URL. Add one');
  refuseMarker(base, marker, dialectOf(context));

  const fragment = new Map(
    target
      .slice(remote && target.includes('#') ? target.indexOf('#') + 1 : target.length)
      .split('&')
      .map((part): [string, string] => {
        const equals = part.indexOf('=');
        return [part.slice(0, equals), part.slice(equals + 1)];
      }),
  );
  const file = path.posix.basename(target.split(/[?#]/)[0] ?? '');
  if (base.constraint && !name && !fragment.has('egg') && !isWheelFileName(file)) {
    throw refusal(
      base,
      'is a constraint without a name, which pip does not accept. Write it as "name @ URL"',
    );
  }
  const extras = namesIn(bracket || name?.[2] || splitExtras(fragment.get('egg') ?? '')[1]);
  refuseConstrainedExtras(base, extras);
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
        ? path.resolve(context.workingDirectory, isFile ? fileOfUrl(target, base.source) : target)
        : target,
    shownTarget: form === 'path' ? withoutSecrets(target) : fingerprinted(target),
    extras: extras.map(normalizeName).sort(),
    marker,
    hashes: algorithm
      ? [...hashes, `${algorithm}:${fragment.get(algorithm)}`.toLowerCase()]
      : hashes,
    checksHashes: hashes.length > 0,
  };
}

/**
 * The path that a file: URL names.
 * @throws UserError when it names none of this machine
 */
export function fileOfUrl(url: string, source: Source): string {
  const bare = (url.split(/[?#]/)[0] ?? '').replace(/^file:\/\/localhost\//i, 'file:///');
  // `file:relative/path` is no URL by the standard, but pip takes it.
  if (!/^file:\//i.test(bare)) return bare.slice('file:'.length);
  try {
    return fileURLToPath(bare);
  } catch (error) {
    throw new UserError(`"${bare}" names no file of this machine: ${messageOf(error)}.`, source);
  }
}

/** An index requirement as pip reads it, without its hashes and other options. */
export function plainText({ project, extras, specifiers, marker }: IndexRequirement): string {
  const bracket = extras.length > 0 ? `[${extras.join(',')}]` : '';
  return `${project}${bracket}${specifiers.join(',')}${marker ? ` ; ${marker}` : ''}`;
}
