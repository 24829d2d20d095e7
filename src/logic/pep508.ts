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
  ...['python_version', 'python_full_version', 'os_name', 'os.name', 'sys_platform'],
  ...['sys.platform', 'platform_release', 'platform_system', 'platform_version'],
  ...['platform.version', 'platform_machine', 'platform.machine', 'python_implementation'],
  ...['platform_python_implementation', 'platform.python_implementation'],
  ...['implementation_name', 'implementation_version', 'extra', 'extras', 'dependency_groups'],
]);

/**
 * Checks an environment marker.
 * @param text after the semicolon
 * @returns the first error in a few words; undefined for a valid marker
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
