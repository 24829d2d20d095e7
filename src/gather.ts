/** What is asked for: all files, groups and inline requirements, read into one set of lines. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { groupRequirements } from './plan/local-project.ts';
import { type LocalProject, type Request, type RequestedSet, UserError } from './plan/model.ts';
import type { PipSettings } from './plan/pip-settings.ts';
import { directRequirements, gatherLines } from './plan/requirements.ts';
import { withoutSecrets } from './plan/secrets.ts';
import type { Sources } from './ports.ts';

/**
 * @param settings pip's own: its constraint files count as the user's
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
export async function gather(
  request: Request,
  settings: PipSettings,
  sources: Sources,
): Promise<RequestedSet> {
  const found = await sources.find(request);
  for (const file of found.requirements) refuseOtherFormats(file.shown);
  const { lines: all, files } = await gatherLines(
    {
      requirements: found.requirements,
      packages: request.packages,
      groups: await groupLines(request, sources),
      constraints: [
        ...found.constraints,
        ...settings.words('constraint').map((file) => ({
          location: /^https?:/i.test(file)
            ? file
            : path.resolve(
                request.workingDirectory,
                /^file:/i.test(file) ? fileURLToPath(file) : file,
              ),
          shown: withoutSecrets(file),
        })),
      ],
    },
    {
      workingDirectory: request.workingDirectory,
      environment: request.environment,
      read: sources.read,
    },
  );
  // Files carry the index that they were compiled with; an index that is given here is meant.
  const given = request.index.url !== undefined;
  const lines = all.filter(
    (line) => !(given && line.kind === 'option' && line.name === 'index-url'),
  );
  const projects = new Map<string, LocalProject>();
  for (const { form, target, shownTarget, source } of directRequirements(lines)) {
    if (form !== 'path' || projects.has(target)) continue;
    try {
      projects.set(target, await sources.project(target, shownTarget));
    } catch (error) {
      if (!(error instanceof UserError) || error.file !== undefined) throw error;
      throw new UserError(error.message, source);
    }
  }
  return { lines, files, projects: [...projects.values()], extra: found.extra };
}

function refuseOtherFormats(shown: string): void {
  if (
    /(?:^|\/)(?:(?:pyproject|pylock(?:\.[^/]+)?)\.toml|(?:poetry|uv|pdm|Pipfile)\.lock|Pipfile)$/.test(
      shown,
    )
  ) {
    throw new UserError(
      `${shown} is not in the format of requirement files. Export one, for example with "uv export" or "poetry export"; for dependency groups use the input groups.`,
      { file: shown },
    );
  }
}

async function groupLines(
  request: Request,
  sources: Sources,
): Promise<{ text: string; file: string }[]> {
  const lines: { text: string; file: string }[] = [];
  for (const input of request.groups) {
    const colon = input.lastIndexOf(':');
    const shown = colon < 0 ? 'pyproject.toml' : input.slice(0, colon);
    const file = path.resolve(request.workingDirectory, shown);
    let text: string;
    try {
      text = await sources.read(file);
    } catch (error) {
      throw new UserError(
        `${shown} can't be read for the group "${input}": ${(error as Error).message}. Set working-directory, or write path/to/pyproject.toml:group.`,
      );
    }
    const group = input.slice(colon + 1);
    lines.push(
      ...groupRequirements(text, shown, group).map((line) => ({ text: line, file: shown })),
    );
  }
  return lines;
}
