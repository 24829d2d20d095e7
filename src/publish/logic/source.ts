/** What is asked of the source index, and what its files are. */

import { UserError } from '../../logic/errors.ts';
import { type Indexes, indexesOf } from '../../logic/index-choice.ts';
import type { Interpreter, Request } from '../../logic/model.ts';
import { isSdistName, normalizeName, sameVersion, versionInFileName } from '../../logic/names.ts';
import type { PipSettings } from '../../logic/pip-settings.ts';
import type { IndexRequirement } from '../../logic/requirement-line.ts';
import { directRequirements, parseSpecifier, type RequestedSet } from '../../logic/requirements.ts';
import { withoutSecrets } from '../../logic/secrets.ts';
import type { Identity, Target } from './model.ts';

/**
 * Only what an index has can be mirrored.
 * @throws UserError for a path, a branch or a URL among the requirements
 */
export function refuseDirect(requested: RequestedSet): void {
  const [first] = directRequirements(requested.lines);
  if (first === undefined) return;
  throw new UserError(
    `"${first.shown}" comes from its own place, and only files of an index are published. Upload a project of yours from where it is built, and remove this line.`,
    first.source,
  );
}

/**
 * The indexes that files may come from.
 * @throws UserError when pip is told to use none
 */
export function sourceIndexes(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
): Indexes {
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) {
    throw new UserError('pip is told to use no index (no-index), so there is nothing to publish.');
  }
  return indexes;
}

/** The files of a request for a target, with all that they depend on. */
export function downloadArgs(options: {
  readonly target: Target;
  readonly directory: string;
  readonly requestFile: string;
}): string[] {
  return [
    'download',
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar=off',
    ...options.target.options,
    `--dest=${options.directory}`,
    '-r',
    options.requestFile,
  ];
}

/**
 * What an sdist is built with, as requirements that only an index can satisfy. Without this check
 * its author could lead pip to a file of any server.
 * @param requires its `build-system.requires`
 * @throws UserError that names the sdist, for anything else than a name with an optional version,
 * extras and marker
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
      `${sdist} lists "${shown}" in build-system.requires. Only requirements that an index can satisfy are published: choose a version of the package that has a wheel, or leave it out.`,
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
 * The project and version that a file belongs to. Its name and its metadata must agree: pip goes by
 * the one, uploaders by the other.
 * @param identities what its metadata say
 * @throws UserError when they say nothing, or something else than its name
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
      `${file} of the source index has no usable name and version in its metadata. Leave that version out.`,
    );
  }
  for (const each of identities) {
    const agrees =
      version !== undefined &&
      normalizeName(each.name) === name &&
      sameVersion(each.version, version);
    if (!agrees) {
      throw new UserError(
        `The metadata of ${file} name another project or version than its file name does, and uploaders go by the metadata. Leave that version out, and tell whoever runs the source index.`,
      );
    }
  }
  return { name, version: isSdistName(file) ? first.version : String(version) };
}
