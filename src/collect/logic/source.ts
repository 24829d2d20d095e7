/** What pip downloads from the source index, and which project each file belongs to. */

import { fillEnvironment } from '../../logic/environment.ts';
import { UserError } from '../../logic/errors.ts';
import { type Indexes, indexVariables } from '../../logic/index-choice.ts';
import type { Interpreter, Request } from '../../logic/model.ts';
import { isSdistName, normalizeName, sameVersion, versionInFileName } from '../../logic/names.ts';
import type { IndexRequirement } from '../../logic/requirement-line.ts';
import { parseSpecifier } from '../../logic/requirements.ts';
import { withoutSecrets } from '../../logic/secrets.ts';
import type { Identity, Target } from './model.ts';

/**
 * The environment of a pip that downloads from the source indexes.
 * @param empty path of an empty directory. It replaces the user's own find-links directories, which
 * may contain wheels that were built there: only original files are collected.
 */
export function pipEnvironment(
  { environment }: Request,
  { pipConfig, keyring }: Interpreter,
  indexes: Indexes,
  empty: string,
): Record<string, string> {
  const variables = indexVariables(indexes, indexes.authoritative);
  return {
    ...fillEnvironment(environment, pipConfig, variables, keyring),
    PIP_FIND_LINKS: empty,
  };
}

/** pip's arguments for downloading a request file, with all dependencies, for a target. */
export function downloadArgs(options: {
  readonly target: Target;
  readonly directory: string;
  readonly requestFile: string;
  /** Leave out dependencies. */
  readonly noDeps: boolean;
}): string[] {
  return [
    'download',
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar=off',
    ...options.target.options,
    ...(options.noDeps ? ['--no-deps'] : []),
    `--dest=${options.directory}`,
    '-r',
    options.requestFile,
  ];
}

/**
 * Returns the build requirements of an sdist, all of which only an index can satisfy. Without this
 * check, the author of the sdist could make pip download a file from any server.
 * @param requires its `build-system.requires`
 * @throws UserError that names the sdist, for anything but a name with an optional version, extras
 * and marker
 */
export function buildRequirements(sdist: string, requires: readonly string[]): string[] {
  const context = { environment: {}, workingDirectory: '.' };
  return requires.map((text) => {
    // pip would expand variables, and join lines that end in a backslash.
    const isPlain = /^[^\\$\p{Cc}]*$/u.test(text);
    const line = isPlain ? indexLine(text, context) : undefined;
    if (line !== undefined) return line.text;
    const shown = withoutSecrets(text).replace(/\p{Cc}/gu, ' ');
    throw new UserError(
      `${sdist} lists "${shown}" in build-system.requires. Only requirements that an index can satisfy are published. Choose a version of the package that has a wheel, or exclude the package.`,
    );
  });
}

function indexLine(
  text: string,
  context: Parameters<typeof parseSpecifier>[2],
): IndexRequirement | undefined {
  try {
    const line = parseSpecifier(text, { file: 'build-system.requires', line: undefined }, context);
    return line.kind === 'index' ? line : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * Returns the project and version that a file belongs to. Its name and its metadata must agree,
 * because pip reads the name and uploaders read the metadata.
 * @param identities the names and versions in its metadata
 * @throws UserError when there are none, or when they contradict the file name
 */
export function identity(file: string, identities: readonly Identity[]): Identity {
  const [first] = identities;
  const name = normalizeName(first?.name ?? '');
  const version = versionInFileName(file, name);
  const isUsable =
    first !== undefined &&
    /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) &&
    /^[A-Za-z0-9.!+_-]+$/.test(first.version);
  if (!isUsable) {
    throw new UserError(
      `${file} of the source index has no valid name and version in its metadata. Exclude that version.`,
    );
  }
  for (const each of identities) {
    const agrees =
      version !== undefined &&
      normalizeName(each.name) === name &&
      sameVersion(each.version, version);
    if (!agrees) {
      throw new UserError(
        `The metadata of ${file} names a different project or version than its file name, and uploaders use the metadata. Exclude that version, and tell the owner of the source index.`,
      );
    }
  }
  return { name, version: isSdistName(file) ? first.version : String(version) };
}
