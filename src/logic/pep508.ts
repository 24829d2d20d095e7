/**
 * The grammar of version specifiers and environment markers (PEP 440, PEP 508), as the `packaging`
 * inside pip reads it. A text that any supported pip accepts is valid here.
 */

/** The differences between versions of pip that matter to this grammar. */
export interface Dialect {
  /** Any text is a valid version, as for pip before 24.1. */
  readonly legacyVersions: boolean;
  /** The pip is newer than this program and may know more marker variables. */
  readonly isNewer: boolean;
}

const preRelease = '(?:[-_.]?(?:alpha|beta|preview|pre|a|b|c|rc)[-_.]?[0-9]*)?';
const postRelease = '(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?';
const devRelease = '(?:[-_.]?dev[-_.]?[0-9]*)?';
const suffixes = `${preRelease}${postRelease}${devRelease}`;
const epoch = 'v?(?:[0-9]+!)?';
const release = '[0-9]+(?:[.][0-9]+)*';
const local = '(?:[+][a-z0-9]+(?:[-_.][a-z0-9]+)*)?';

/** One clause of a specifier, by operator. */
const clauseForms = [
  '===\\s*[^\\s;),]*',
  `(?:==|!=)\\s*${epoch}${release}(?:[.][*]|${suffixes}${local})`,
  `~=\\s*${epoch}[0-9]+(?:[.][0-9]+)+${suffixes}`,
  `(?:<=|>=|<|>)\\s*${epoch}${release}${suffixes}`,
];
const clause = new RegExp(`(?:${clauseForms.join('|')})(?=[\\s,)]|$)`, 'iy');
const legacyClause = /(?:===|==|!=|<=|>=|<|>)\s*[^,;\s)]*(?=[\s,)]|$)/y;

/**
 * Splits a version specifier into its clauses.
 * @param text after the name and the extras, optionally in parentheses
 * @returns clauses without white space, in order; undefined for an invalid specifier
 */
export function specifierClauses(text: string, { legacyVersions }: Dialect): string[] | undefined {
  const trimmed = text.trim();
  const isEnclosed = trimmed.startsWith('(') && trimmed.endsWith(')');
  const bare = isEnclosed ? trimmed.slice(1, -1).trim() : trimmed;
  const clauses: string[] = [];
  let at = 0;
  while (at < bare.length) {
    const found = match(clause, bare, at) ?? (legacyVersions && match(legacyClause, bare, at));
    if (!found) return undefined;
    clauses.push(found.replace(/\s+/g, ''));
    at = skipSpace(bare, at + found.length);
    if (at === bare.length) break;
    if (bare.charAt(at) !== ',') return undefined;
    at = skipSpace(bare, at + 1);
    if (at === bare.length && legacyVersions) return undefined;
  }
  return clauses;
}

const markerSpace = /[ \t]*/y;
const markerName = /[A-Za-z_][A-Za-z0-9_.]*/y;
const markerText = /'[^']*'|"[^"]*"/y;
const markerOperator = /===|==|~=|!=|<=|>=|<|>|in\b|not[ \t]+in\b/y;
const markerJoint = /(?:and|or)\b/y;
const markerVariables: ReadonlySet<string> = new Set([
  ...['python_version', 'python_full_version', 'os_name', 'sys_platform', 'platform_release'],
  ...['platform_system', 'platform_version', 'platform_machine', 'platform_python_implementation'],
  ...['implementation_name', 'implementation_version', 'extra', 'extras', 'dependency_groups'],
]);
/** Older spellings of variables (PEP 345 and setuptools). */
const markerAliases: Readonly<Record<string, string>> = {
  'os.name': 'os_name',
  'sys.platform': 'sys_platform',
  'platform.version': 'platform_version',
  'platform.machine': 'platform_machine',
  'platform.python_implementation': 'platform_python_implementation',
  python_implementation: 'platform_python_implementation',
};
/** More than any pip can read: Python's recursion limit is lower. */
const maxParentheses = 1000;

/** An environment marker. */
export type Marker = Comparison | Junction;

/** One comparison in a marker: `python_version >= "3.9"`. */
export interface Comparison {
  readonly left: Operand;
  /** `==`, `in`, `not in`, … */
  readonly operator: string;
  readonly right: Operand;
}

interface Operand {
  readonly isVariable: boolean;
  /** The name of a variable, without aliases; or a string without its quotes. */
  readonly value: string;
}

interface Junction {
  readonly joint: 'and' | 'or';
  /** At least two. */
  readonly parts: readonly Marker[];
}

function junction(joint: 'and' | 'or', parts: readonly Marker[]): Marker {
  const [first, ...others] = parts;
  return first !== undefined && others.length === 0 ? first : { joint, parts };
}

/**
 * Parses an environment marker.
 * @param text after the semicolon
 * @returns the marker, or the first error in a few words
 */
export function parseMarker(
  text: string,
  { isNewer }: Dialect,
): { readonly marker: Marker } | { readonly fault: string } {
  let at = 0;
  const next = (pattern: RegExp): string | undefined => {
    const found = match(pattern, text, at);
    at = skip(markerSpace, text, at + (found ?? '').length);
    return found;
  };
  const rest = (): string => (at < text.length ? `at "${text.slice(at, at + 40)}"` : 'at its end');
  const operand = (): Operand | string => {
    const start = at;
    const name = next(markerName);
    if (name === undefined) {
      const quotedText = next(markerText);
      return quotedText === undefined
        ? `a variable or a quoted string is missing ${rest()}`
        : { isVariable: false, value: quotedText.slice(1, -1) };
    }
    const value = Object.hasOwn(markerAliases, name) ? (markerAliases[name] ?? '') : name;
    if (markerVariables.has(value) || isNewer) return { isVariable: true, value };
    at = start;
    return `"${name}" is not a marker variable; strings need quotes`;
  };
  const comparison = (): Comparison | string => {
    const left = operand();
    if (typeof left === 'string') return left;
    const operator = next(markerOperator)?.replace(/\s+/, ' ');
    if (operator === undefined) return `a comparison is missing ${rest()}`;
    const right = operand();
    return typeof right === 'string' ? right : { left, operator, right };
  };

  // One per open parenthesis, and one for the whole text: its alternatives between "or".
  const levels: Marker[][][] = [[[]]];
  const add = (marker: Marker): unknown => levels.at(-1)?.at(-1)?.push(marker);
  const close = (): Marker =>
    junction(
      'or',
      (levels.pop() ?? []).map((parts) => junction('and', parts)),
    );
  at = skip(markerSpace, text, 0);
  for (;;) {
    while (next(/\(/y) !== undefined) levels.push([[]]);
    if (levels.length > maxParentheses) return { fault: 'it has too many nested parentheses' };
    const compared = comparison();
    if (typeof compared === 'string') return { fault: compared };
    add(compared);
    while (next(/\)/y) !== undefined) {
      if (levels.length === 1) return { fault: 'a closing parenthesis has no opening one' };
      add(close());
    }
    if (at === text.length) {
      return levels.length === 1 ? { marker: close() } : { fault: 'a parenthesis is not closed' };
    }
    const joint = next(markerJoint);
    if (joint === undefined) return { fault: `"and" or "or" is missing ${rest()}` };
    if (joint === 'or') levels.at(-1)?.push([]);
  }
}

/**
 * Decides a part of a marker.
 * @param decide returns undefined for a comparison that stays; it is called for every one
 * @returns the rest of the marker, or its value when no comparison has an effect any more
 */
export function decideMarker(
  marker: Marker,
  decide: (comparison: Comparison) => boolean | undefined,
): Marker | boolean {
  if (!('joint' in marker)) return decide(marker) ?? marker;
  const neutral = marker.joint === 'and';
  const parts = marker.parts.map((part) => decideMarker(part, decide));
  if (parts.includes(!neutral)) return !neutral;
  const open = parts.filter((part) => typeof part !== 'boolean');
  return open.length === 0 ? neutral : junction(marker.joint, open);
}

/** @returns a marker as text that every supported pip reads */
export function formatMarker(marker: Marker): string {
  if (!('joint' in marker)) {
    return `${operandText(marker.left)} ${marker.operator} ${operandText(marker.right)}`;
  }
  const isEnclosed = (part: Marker): boolean =>
    marker.joint === 'and' && 'joint' in part && part.joint === 'or';
  return marker.parts
    .map((part) => (isEnclosed(part) ? `(${formatMarker(part)})` : formatMarker(part)))
    .join(` ${marker.joint} `);
}

function operandText({ isVariable, value }: Operand): string {
  if (isVariable) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

/** @returns the match of a sticky pattern at a position, or undefined; never an empty text */
function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] || undefined;
}

/** @returns the position after the match of a sticky pattern */
function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at) ?? '').length;
}

function skipSpace(text: string, at: number): number {
  return skip(/\s*/y, text, at);
}
