/** Which requests can be published, and from which indexes. */
import { UserError } from '../../logic/errors.ts';
import { type Indexes, indexesOf } from '../../logic/index-choice.ts';
import type { Interpreter, Request } from '../../logic/model.ts';
import type { PipSettings } from '../../logic/pip-settings.ts';
import { directRequirements, type RequestedSet } from '../../logic/requirements.ts';

/** @throws UserError for a path, a branch or a URL among the requirements: only an index can be copied */
export function refuseDirect(requested: RequestedSet): void {
  const [first] = directRequirements(requested.lines);
  if (first === undefined) return;
  throw new UserError(
    `"${first.shown}" does not come from an index, and only files of an index are published. Remove this line; if it is your own project, upload it from the job that builds it.`,
    first.source,
  );
}

/**
 * Returns the indexes that files may come from.
 * @throws UserError when pip is configured to use none
 */
export function sourceIndexes(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
): Indexes {
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) {
    throw new UserError(
      'pip is configured to use no index (no-index), so there is nothing to publish. Remove that setting.',
    );
  }
  return indexes;
}
