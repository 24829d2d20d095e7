/**
 * The tables of a pylock.toml: https://packaging.python.org/specifications/pylock-toml/
 *
 * A lock becomes lines of a requirement file. Anybody may have written it, so no text of it may
 * become another line, an option or a variable of such a file: everything that goes into a line
 * passes a schema that excludes this.
 */

import { isNormalizedName } from './names.ts';
import {
  type Comparison,
  decideMarker,
  formatMarker,
  type Marker,
  parseMarker,
  specifierClauses,
} from './pep508.ts';
import {
  line,
  lineOf,
  list,
  object,
  oneOf,
  optional,
  type Schema,
  SchemaError,
  satisfying,
  string,
  type ValueOf,
} from './schema.ts';

const projectName = lineOf('a normalized project name', isNormalizedName);
const strict = { legacyVersions: false, isNewer: false };
const version = lineOf('a version', isVersion);

/** Whether a text is a valid version (PEP 440). */
export function isVersion(text: string): boolean {
  return /^[A-Za-z0-9.!+_-]+$/.test(text) && specifierClauses(`==${text}`, strict)?.length === 1;
}

/** A version specifier for Python, as a marker; undefined when it allows every version. */
const pythonBound: Schema<string | undefined> = (value, name) => {
  const clauses = specifierClauses(string(value, name), strict)?.map((clause) =>
    /^([~=!<>]+)([A-Za-z0-9.*!+_-]+)$/.exec(clause),
  );
  if (clauses === undefined || clauses.includes(null)) {
    throw new SchemaError(`"${name}" must be a version specifier such as >=3.10`);
  }
  const marker = clauses.map((clause) => `python_full_version ${clause?.[1]} "${clause?.[2]}"`);
  return marker.length === 0 ? undefined : marker.join(' and ');
};

/** The variables of a marker that pip compares as versions; others know neither `~=` nor `===`. */
const versionVariables = ['python_version', 'python_full_version', 'implementation_version'];

/** Why pip could not evaluate a comparison, or would read more into its string than a string. */
function comparisonFault({ left, operator, right }: Comparison): string | undefined {
  if (left.isVariable === right.isVariable) return 'a comparison needs a variable and a string';
  const [variable, { value }] = left.isVariable ? [left.value, right] : [right.value, left];
  // A dash after a space starts an option, a # a comment; pip also expands variables in strings.
  if (!/^[ -~]*$/.test(value) || /[\\$]| [-#]/.test(value)) {
    return 'a string has characters that are not allowed there';
  }
  if (variable === 'extras' || variable === 'dependency_groups') {
    return right.isVariable && /in$/.test(operator)
      ? undefined
      : `"${variable}" can only be used as in: "name" in ${variable}`;
  }
  if (variable === 'extra') {
    return /^[!=]=$/.test(operator) ? undefined : `"extra" can only be compared with == and !=`;
  }
  if (operator !== '~=' && operator !== '===') return undefined;
  return left.isVariable &&
    versionVariables.includes(variable) &&
    specifierClauses(`${operator}${value}`, strict)?.length === 1
    ? undefined
    : `"${operator}" can only compare a Python version with a version`;
}

const marker: Schema<Marker> = (value, name) => {
  const parsed = parseMarker(line(value, name), strict);
  let fault = 'fault' in parsed ? parsed.fault : undefined;
  if ('marker' in parsed) {
    decideMarker(parsed.marker, (comparison) => {
      fault ??= comparisonFault(comparison);
      return undefined;
    });
    if (fault === undefined) return parsed.marker;
  }
  throw new SchemaError(`"${name}" must be an environment marker, but ${fault}`);
};

const setVariables = ['extra', 'extras', 'dependency_groups'];

/** Whether a comparison depends on the selection. */
export function usesSelection({ left, right }: Comparison): boolean {
  return [left, right].some((each) => each.isVariable && setVariables.includes(each.value));
}

/** A marker that depends on nothing but the environment. */
const environmentMarker: Schema<string> = (value, name) => {
  const parsed = marker(value, name);
  decideMarker(parsed, (comparison) => {
    if (!usesSelection(comparison)) return undefined;
    throw new SchemaError(`"${name}" must not depend on extras and groups`);
  });
  return formatMarker(parsed);
};

const digest = (length: number): Schema<string> =>
  lineOf(
    `${length} hexadecimal digits`,
    (text) => text.length === length && /^[0-9a-f]*$/i.test(text),
  );
const digests = object(
  {
    sha256: optional(digest(64)),
    sha384: optional(digest(96)),
    sha512: optional(digest(128)),
  },
  'a table',
);

/** The hash that pip checks, of a table of hashes. */
const hash: Schema<string> = (value, name) => {
  const [first] = Object.entries(digests(value, name));
  if (first !== undefined) return `${first[0]}:${first[1].toLowerCase()}`;
  throw new SchemaError(`"${name}" must have a sha256, sha384 or sha512, as pip accepts no others`);
};

/** A URL whose text can't end early in a requirement file. */
const url = (...schemes: string[]): Schema<URL> => {
  const form = `a URL that starts with ${schemes.map((each) => `${each}://`).join(' or ')}`;
  return (value, name) => {
    const text = line(value, name);
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    if (
      parsed === undefined ||
      !schemes.some((scheme) => parsed.href.startsWith(`${scheme}://`)) ||
      !/^[\w.~:/?#[\]@!$&'()*+,;=%-]*$/.test(parsed.href)
    ) {
      throw new SchemaError(`"${name}" must be ${form}`);
    }
    return parsed;
  };
};

/** A path with `/`, whose text can't become an option, a comment or a variable. */
const localPath: Schema<string> = (value, name) => {
  const text = line(value, name).replaceAll('\\', '/');
  if (isPlainPath(text)) return text;
  throw new SchemaError(`"${name}" must be a path that can be part of a requirement line`);
};

/** Whether a path can be a part of a requirement line. */
export function isPlainPath(text: string): boolean {
  return text === text.trim() && !/[^\S ]|[;"]|\$\{| [-#]|\]$/.test(text);
}

const subdirectory = lineOf(
  'a path below the directory of the project',
  (text) => /^[\w./+-]+$/.test(text) && !text.startsWith('/') && !text.split('/').includes('..'),
);

const fileSchema = object(
  {
    name: optional(line),
    url: optional(url('https', 'http', 'file')),
    path: optional(localPath),
    hashes: hash,
  },
  'a table',
);

export const packageTable = object(
  {
    name: projectName,
    version: optional(version),
    marker: optional(marker),
    'requires-python': optional(pythonBound),
    vcs: optional(
      object(
        {
          type: oneOf('git', 'hg', 'svn', 'bzr'),
          url: optional(url('https', 'http', 'ssh', 'git')),
          path: optional(string),
          'commit-id': lineOf('a full commit hash or a revision', (text) =>
            /^[0-9A-Za-z][0-9A-Za-z._-]*$/.test(text),
          ),
          subdirectory: optional(subdirectory),
        },
        'a table',
      ),
    ),
    directory: optional(
      object(
        {
          path: localPath,
          editable: optional(
            satisfying('true or false', (value): value is boolean => typeof value === 'boolean'),
          ),
          subdirectory: optional(subdirectory),
        },
        'a table',
      ),
    ),
    archive: optional(
      object(
        {
          url: optional(url('https', 'http', 'file')),
          path: optional(localPath),
          hashes: hash,
          subdirectory: optional(subdirectory),
        },
        'a table',
      ),
    ),
    sdist: optional(fileSchema),
    wheels: optional(list(fileSchema)),
  },
  'a table',
);

export type PackageTable = ValueOf<typeof packageTable>;
export type FileTable = ValueOf<typeof fileSchema>;

const anything: Schema<unknown> = (value) => value;

/** A whole lock; its packages are validated one by one, so that errors can name them. */
export const lockTable = object({
  'lock-version': lineOf('a supported version, such as "1.0"', (text) =>
    /^1(?:\.[0-9]+)*$/.test(text),
  ),
  'created-by': string,
  environments: optional(list(environmentMarker)),
  'requires-python': optional(pythonBound),
  extras: optional(list(line)),
  'dependency-groups': optional(list(line)),
  'default-groups': optional(list(line)),
  packages: list(anything),
});
