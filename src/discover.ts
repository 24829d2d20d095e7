/** Finds out what to install when no input says it. */
import path from 'node:path';
import { discover, nothingFound } from './logic/discovery.ts';
import { UserError } from './logic/errors.ts';
import type { Request } from './logic/model.ts';
import type { World } from './ports.ts';

/**
 * Completes a request whose inputs name nothing to install, and says what was chosen.
 * @throws UserError when the working directory does not exist or contains nothing to install
 */
export async function completeRequest(
  request: Request,
  { sources, reporter }: Pick<World, 'sources' | 'reporter'>,
): Promise<Request> {
  await sources.check(request);
  if (!request.isOpen) return request;
  const { workingDirectory, extras } = request;
  const { names, shown } = await sources.list(request);
  const pyproject = names.includes('pyproject.toml')
    ? await sources.readInside(request, path.join(workingDirectory, 'pyproject.toml'))
    : undefined;
  const found = discover(names, pyproject, { extras: extras.length > 0 });
  if (found === undefined) throw new UserError(nothingFound(shown, names));
  const { file, isProject, isToolLock, others } = found;
  const what = isProject
    ? `this project${request.editable ? ', editable,' : ''} with its dependencies`
    : 'what it lists';
  const also = others.length > 0 ? ` Also found: ${others.join(', ')}.` : '';
  reporter.info(
    `No input names anything to install. Found ${file}: installing ${what}.${also} To choose something else, set the input requirements, project, packages or groups.`,
  );
  if (isProject) return { ...request, projects: ['.'] };
  const venv = isToolLock ? path.join(workingDirectory, '.venv') : undefined;
  return { ...request, requirements: [file], venv: request.venv ?? venv };
}
