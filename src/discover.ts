/** Finds out what to install when no input says it. */
import path from 'node:path';
import { discover, nothingFound } from './logic/discovery.ts';
import { UserError } from './logic/errors.ts';
import { lockToolOf } from './logic/lock-files.ts';
import type { Request } from './logic/model.ts';
import type { World } from './ports.ts';

/**
 * Completes a request: where its inputs name nothing to install, the files of the working directory
 * decide, and the log says which; with a tool's lock, the environment is the one that the tool uses.
 * @throws UserError when the working directory does not exist or contains nothing to install
 */
export async function completeRequest(
  given: Request,
  world: Pick<World, 'sources' | 'reporter'>,
): Promise<Request> {
  await world.sources.check(given);
  const request = given.isOpen ? await chooseFiles(given, world) : given;
  const toolLock = request.requirements.find((file) => lockToolOf(file) !== undefined);
  if (request.venv !== undefined || toolLock === undefined || !request.install) return request;
  return {
    ...request,
    venv: path.resolve(request.workingDirectory, path.dirname(toolLock), '.venv'),
  };
}

/** @throws UserError when there is nothing to install */
async function chooseFiles(
  request: Request,
  { sources, reporter }: Pick<World, 'sources' | 'reporter'>,
): Promise<Request> {
  const { workingDirectory, extras } = request;
  const { names, shown } = await sources.list(request);
  const pyproject = names.includes('pyproject.toml')
    ? await sources.readInside(request, path.join(workingDirectory, 'pyproject.toml'))
    : undefined;
  const found = discover(names, pyproject, { extras: extras.length > 0 });
  if (found === undefined) throw new UserError(nothingFound(shown, names));
  const { file, isList, isProject, others } = found;
  const project = `this project${request.editable ? ', editable' : ''}`;
  const what = isList
    ? `what it lists${isProject ? `, and ${project}` : ''}`
    : `${project}, with its dependencies`;
  const also = others.length > 0 ? ` Also found: ${others.join(', ')}.` : '';
  reporter.info(
    `No input names anything to install. Found ${file}: installing ${what}.${also} To choose something else, set the input requirements, project, packages or groups.`,
  );
  return {
    ...request,
    requirements: isList ? [file] : [],
    projects: isProject ? ['.'] : [],
  };
}
