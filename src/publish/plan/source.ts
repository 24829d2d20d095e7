/** What is asked of the source index, and what its files are. */

import { type Interpreter, type Request, type RequestedSet, UserError } from '../../plan/model.ts';
import { normalizeName, wheelNameParts } from '../../plan/names.ts';
import { indexesOf, indexVariables } from '../../plan/package-index.ts';
import type { PipSettings } from '../../plan/pip-settings.ts';
import { directRequirements } from '../../plan/requirements.ts';
import type { Target } from './model.ts';

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

/** Variables that name the source index to pip; they hold its credentials. */
export function sourceEnvironment(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
): Record<string, string> {
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) {
    throw new UserError('pip is told to use no index (no-index), so there is nothing to publish.');
  }
  return indexVariables(indexes, indexes.authoritative);
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
 * Name and version of a file: a wheel's name says them, an sdist's metadata do.
 * @throws UserError for metadata that hold something else
 */
export function identity(
  file: string,
  metadata: { readonly name: string; readonly version: string } | undefined,
): { name: string; version: string } {
  const { name, version } = metadata ?? wheelNameParts(file);
  const normalized = normalizeName(name);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(normalized) || !/^[A-Za-z0-9.!+_-]+$/.test(version)) {
    throw new UserError(
      `${file} of the source index has no usable name and version in its metadata. Leave that version out.`,
    );
  }
  return { name: normalized, version };
}
