/** Reads a request: the user's files and pip's settings, and the cache keys that follow from them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { fillEnvironment } from './logic/environment.ts';
import { UserError } from './logic/errors.ts';
import { canonical, type Keys, keysOf } from './logic/key.ts';
import { groupRequirements, type LocalProject } from './logic/local-project.ts';
import type { Interpreter, Request } from './logic/model.ts';
import {
  certificatesOf,
  type PipSettings,
  pipSettings,
  refuseIgnoredSettings,
  withOptionLines,
} from './logic/pip-settings.ts';
import {
  directRequirements,
  gatherLines,
  type RequestedSet,
  type RequirementFile,
  type RequirementReading,
} from './logic/requirements.ts';
import {
  fingerprinted,
  secretsOfInputs,
  secretsOfLine,
  secretsOfSettings,
  shownAddress,
} from './logic/secrets.ts';
import type { RemoteAccess, Reporter, Sources, World } from './ports.ts';

export interface KeyedRequest {
  /** pip's settings, with the index inputs and the option lines of the request in force. */
  readonly settings: PipSettings;
  readonly requested: RequestedSet;
  readonly keys: Keys;
  /** uv on PATH, when it is the installer and is there. */
  readonly uv: string | undefined;
}

/** Keeps the secrets of the inputs out of everything that is shown. */
export function hideInputs(request: Request, reporter: Reporter): void {
  reporter.hide(secretsOfInputs(request.index));
}

/**
 * Reads pip's settings and the user's files, and keeps their secrets out of what is shown.
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
export async function readRequest(
  request: Request,
  interpreter: Interpreter,
  { reporter, sources }: Pick<World, 'sources' | 'reporter'>,
): Promise<Pick<KeyedRequest, 'settings' | 'requested'>> {
  const configured = pipSettings(interpreter, request.index);
  reporter.hide(secretsOfSettings(configured.configured));
  refuseIgnoredSettings(configured, interpreter.pip ?? '');
  const requested = await requestedSet(request, interpreter, configured, sources);
  reporter.hide(requested.lines.flatMap(secretsOfLine));
  return { settings: withOptionLines(configured, requested.lines), requested };
}

/**
 * Reads a request as {@link readRequest} does, and computes its cache keys. Changes nothing.
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
export async function readRequestWithKeys(
  request: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'uv' | 'reporter' | 'now'>,
): Promise<KeyedRequest> {
  const { settings, requested } = await readRequest(request, interpreter, world);
  const wantsUv = request.installer === 'uv';
  const uv = wantsUv ? await world.uv.onPath(request.environment) : undefined;
  const keys = keysOf(interpreter, requested, settings.configured, {
    refresh: request.refresh,
    suffix: request.cacheSuffix,
    now: world.now(),
    tools: wantsUv && uv === undefined ? ['uv'] : [],
  });
  return { settings, requested, keys, uv };
}

/**
 * Reads all files, groups and inline requirements into one set of lines.
 * @param settings pip's own: its constraint files count as the user's
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
async function requestedSet(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
  sources: Sources,
): Promise<RequestedSet> {
  const access = remoteAccess(request, interpreter, settings);
  const reading: RequirementReading = {
    workingDirectory: request.workingDirectory,
    environment: request.environment,
    pip: interpreter.pip,
    replacedVariables: replacedVariables(request.index),
    read: (location) => sources.read(location, access),
  };
  const found = await sources.find(request);
  for (const file of found.requirements) refuseOtherFormats(file.shown);
  const { lines: all, files } = await gatherLines(
    {
      requirements: found.requirements,
      packages: request.packages,
      groups: await groupLines(request, sources),
      constraints: [...found.constraints, ...configuredFiles(request, settings, 'constraint')],
    },
    reading,
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
  return {
    ...{ lines, files, projects: [...projects.values()], extra: found.extra },
    buildConstraints: await buildConstraints(
      configuredFiles(request, settings, 'build-constraint'),
      reading,
    ),
  };
}

/** The files that a setting of pip names: paths, from where pip runs, or URLs. */
function configuredFiles(
  { workingDirectory }: Request,
  settings: PipSettings,
  name: 'constraint' | 'build-constraint',
): RequirementFile[] {
  return settings.words(name).map((file) => ({
    location: /^https?:/i.test(file)
      ? file
      : path.resolve(workingDirectory, /^file:/i.test(file) ? fileURLToPath(file) : file),
    shown: shownAddress(file),
  }));
}

/**
 * The content of build constraints, as it counts for the key. Only a build reads them, so one that
 * can't be read is pip's to complain about.
 */
async function buildConstraints(
  files: readonly RequirementFile[],
  reading: RequirementReading,
): Promise<string[]> {
  const parts = files.map(async (file) => {
    const sources = { requirements: [], packages: [], groups: [], constraints: [file] };
    try {
      return (await gatherLines(sources, reading)).lines.map(canonical);
    } catch (error) {
      if (error instanceof UserError) return [`file ${fingerprinted(file.location)}`];
      throw error;
    }
  });
  return (await Promise.all(parts)).flat().sort();
}

/** How requirement files behind URLs are got: with pip's settings, not with the inputs' credentials. */
function remoteAccess(
  { environment, workingDirectory }: Request,
  { executable, keyring, pipConfig }: Interpreter,
  settings: PipSettings,
): RemoteAccess {
  return {
    certificates: certificatesOf(settings, environment),
    hasProxy: settings.configured.has('proxy'),
    python: executable,
    cwd: workingDirectory,
    env: fillEnvironment(environment, pipConfig, {}, keyring),
  };
}

/** Variables that pip is given with the inputs' values, which may contain credentials. */
function replacedVariables({ url, extra, username, mirror }: Request['index']): Set<string> {
  const isIndex = url !== undefined || username !== undefined || mirror !== undefined;
  return new Set([
    ...(isIndex ? ['PIP_INDEX_URL'] : []),
    ...(extra.length > 0 ? ['PIP_EXTRA_INDEX_URL'] : []),
  ]);
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
      text = await sources.readInside(request, file);
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
