/**
 * The grammar of version specifiers and environment markers (PEP 440, PEP 508), as the `packaging`
 * inside pip reads it. A text that any supported pip accepts is valid here.
 */

/** What a pip understands, which decides what is refused before it is run. */
export interface Dialect {
  /** Versions of any form are versions, as they are for pip before 24.1. */
  readonly legacyVersions: boolean;
  /** A newer pip may know more marker variables and options. */
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
 * @param text what follows the name and the extras; it may be in parentheses
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
  ...['python_version', 'python_full_version', 'os_name', 'os.name', 'sys_platform'],
  ...['sys.platform', 'platform_release', 'platform_system', 'platform_version'],
  ...['platform.version', 'platform_machine', 'platform.machine', 'python_implementation'],
  ...['platform_python_implementation', 'platform.python_implementation'],
  ...['implementation_name', 'implementation_version', 'extra', 'extras', 'dependency_groups'],
]);

/**
 * Finds what is wrong with an environment marker.
 * @param text without the semicolon before it
 * @returns the reason in a few words; undefined for a valid marker
 */
export function markerFault(text: string, { isNewer }: Dialect): string | undefined {
  let at = 0;
  let depth = 0;
  const next = (pattern: RegExp): string | undefined => {
    const found = match(pattern, text, at);
    at = skip(markerSpace, text, at + (found ?? '').length);
    return found;
  };
  const rest = (): string => (at < text.length ? `at "${text.slice(at, at + 40)}"` : 'at its end');
  const operandFault = (): string | undefined => {
    const start = at;
    const name = next(markerName);
    if (name === undefined) {
      return next(markerText) === undefined
        ? `a variable or a quoted string is missing ${rest()}`
        : undefined;
    }
    if (markerVariables.has(name) || isNewer) return undefined;
    at = start;
    return `"${name}" is not a marker variable; strings need quotes`;
  };

  at = skip(markerSpace, text, 0);
  for (;;) {
    while (next(/\(/y) !== undefined) depth += 1;
    const left = operandFault();
    if (left !== undefined) return left;
    if (next(markerOperator) === undefined) return `a comparison is missing ${rest()}`;
    const right = operandFault();
    if (right !== undefined) return right;
    while (next(/\)/y) !== undefined) {
      depth -= 1;
      if (depth < 0) return 'a closing parenthesis has no opening one';
    }
    if (at === text.length) return depth === 0 ? undefined : 'a parenthesis is not closed';
    if (next(markerJoint) === undefined) return `"and" or "or" is missing ${rest()}`;
  }
}

/** @param pattern sticky @returns what it finds at a place, which is never nothing */
function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] || undefined;
}

/** @returns the place behind what a sticky pattern finds at a place */
function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at) ?? '').length;
}

function skipSpace(text: string, at: number): number {
  return skip(/\s*/y, text, at);
}
