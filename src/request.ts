/** Reads the user's files and pip's settings, and computes the cache keys from them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { readLocks } from './locks.ts';
import { fillEnvironment } from './logic/environment.ts';
import { messageOf, UserError } from './logic/errors.ts';
import { canonical, type Keys, keysOf, setParts } from './logic/key.ts';
import { groupRequirements, type LocalProject } from './logic/local-project.ts';
import { isLock } from './logic/lock-files.ts';
import type { Interpreter, Request } from './logic/model.ts';
import {
  certificatesOf,
  effectiveSettings,
  type PipSettings,
  pipSettings,
  refuseIgnoredSettings,
  refuseReleaseAgeConflicts,
  withOptionLines,
} from './logic/pip-settings.ts';
import { type IndexRequirement, isPath } from './logic/requirement-line.ts';
import {
  directRequirements,
  gatherLines,
  indexRequirements,
  type ProjectSource,
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
  withoutSecrets,
} from './logic/secrets.ts';
import {
  refuseNewestOfUv,
  type UvSettings,
  uvSettings,
  withUvIndexes,
} from './logic/uv-settings.ts';
import type { RemoteAccess, Reporter, Sources, World } from './ports.ts';
import type { Tools } from './tools.ts';

/** A request with everything that the user's files and pip's settings say. */
export interface KeyedRequest {
  /** pip's settings, overridden by the index inputs and by the option lines of the request. */
  readonly settings: PipSettings;
  readonly requested: RequestedSet;
  /** The lines name everything that is installed: dependencies of packages do not count. */
  readonly noDeps: boolean;
  readonly keys: Keys;
  /** The inputs, with the indexes of uv's settings. */
  readonly request: Request;
  /** uv's settings, if uv is the installer. */
  readonly uv: UvSettings | undefined;
}

/** Masks the secrets of the inputs in everything that is shown. */
export function hideInputs(request: Request, reporter: Reporter): void {
  reporter.hide(secretsOfInputs(request.index));
}

/**
 * Reads pip's settings and the user's files, and masks their secrets.
 * @throws UserError with file and line for anything in the user's files that can't be used
 */
export async function readRequest(
  request: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'python' | 'reporter'>,
  tools?: Tools,
): Promise<Pick<KeyedRequest, 'settings' | 'requested' | 'noDeps'>> {
  const { reporter } = world;
  const configured = pipSettings(interpreter, request.index);
  reporter.hide(secretsOfSettings(configured.configured));
  refuseIgnoredSettings(configured, interpreter.pip ?? '');
  const requested = await requestedSet(request, interpreter, configured, world, tools);
  reporter.hide(requested.lines.flatMap(secretsOfLine));
  const settings = withOptionLines(configured, requested.lines);
  refuseReleaseAgeConflicts(request.releaseAge, settings);
  const noDeps = settings.flag('no-deps') || requested.lock !== undefined;
  return { settings, requested, noDeps };
}

/**
 * Reads a request like {@link readRequest}, and computes its cache keys. Changes nothing.
 * @throws UserError with file and line for anything in the user's files that can't be used
 */
export async function readRequestWithKeys(
  given: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'python' | 'uv' | 'reporter' | 'now'>,
  tools?: Tools,
): Promise<KeyedRequest> {
  const uv = given.installer === 'uv' ? await readUvSettings(given, world) : undefined;
  const request = uv === undefined ? given : withIndexesOfUv(given, uv, interpreter);
  hideInputs(request, world.reporter);
  const read = await readRequest(request, interpreter, world, tools);
  const { settings, requested } = read;
  const keys = keysOf(interpreter, requested, settings.configured, {
    refresh: request.refresh,
    recheck: request.recheck,
    suffix: request.cacheSuffix,
    releaseAge: request.releaseAge,
    now: world.now(),
    resolver: { name: request.installer, settings: uv?.parts ?? [] },
    set: setParts(request),
  });
  return { ...read, request, keys, uv };
}

async function readUvSettings(
  { workingDirectory, environment, releaseAge }: Request,
  { uv }: Pick<World, 'uv'>,
): Promise<UvSettings> {
  const { files, referenced } = await uv.settingFiles(workingDirectory, environment);
  const settings = uvSettings(environment, files);
  const parts = referenced.map(({ digest }) => `uv file ${digest}`);
  if (releaseAge !== undefined) refuseNewestOfUv(settings, environment);
  return { ...settings, parts: [...settings.parts, ...parts] };
}

function withIndexesOfUv(
  request: Request,
  uv: UvSettings,
  { pipConfig, defaultIndex }: Interpreter,
) {
  const configured = effectiveSettings(pipConfig).get('index-url') ?? defaultIndex;
  return { ...request, index: withUvIndexes(request.index, uv, configured) };
}

/**
 * Reads all files, groups and inline requirements into one set of lines.
 * @param settings pip's own: its constraint files count as the user's
 * @param tools that read locks which are not in the standard format
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
async function requestedSet(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
  world: Pick<World, 'sources' | 'python'>,
  tools: Tools | undefined,
): Promise<RequestedSet> {
  const { sources } = world;
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
  const [lockFiles, requirements] = partition(found.requirements, ({ shown }) => isLock(shown));
  const lock =
    lockFiles.length === 0
      ? undefined
      : await readLocks(lockFiles, request, interpreter, world, tools);
  const [paths, packages] = partition(
    request.packages,
    (text) => isPath(text) && !/(?:^|\s)-/.test(text),
  );
  if (lock !== undefined) refuseBesideLock(lockFiles, requirements, packages);
  const projects = [
    ...projectSources(request, request.projects, 'input project'),
    ...projectSources(request, paths, 'input packages'),
  ];
  if (request.extras.length > 0 && lock === undefined && projects.length === 0) {
    throw new UserError(
      'The input extras is set, but requirement files have no extras. Set the input project too, for example to ".", or remove extras.',
    );
  }
  const { lines: all, files } = await gatherLines(
    {
      requirements,
      locked: lock?.lines ?? [],
      projects,
      packages,
      groups: lock === undefined ? await groupLines(request, sources) : [],
      constraints: [...found.constraints, ...configuredFiles(request, settings, 'constraint')],
    },
    reading,
  );
  // A file may name the index that it was compiled with; the input index-url overrides it.
  const lines =
    request.index.url === undefined
      ? all
      : all.filter((line) => line.kind !== 'option' || line.name !== 'index-url');
  const buildFiles = configuredFiles(request, settings, 'build-constraint');
  return {
    lines,
    files,
    projects: await localProjects(lines, request, sources),
    extra: found.extra,
    buildConstraints: await buildConstraints(buildFiles, reading),
    ...(lock === undefined ? {} : { lock: { links: lock.links, uv: lock.uv } }),
  };
}

function projectSources(
  { extras, editable }: Request,
  texts: readonly string[],
  file: string,
): ProjectSource[] {
  return texts.map((text) => ({ text, extras, editable, source: { file, line: undefined } }));
}

/** Reads the local projects among the requirements, each once. */
async function localProjects(
  lines: RequestedSet['lines'],
  request: Request,
  sources: Sources,
): Promise<LocalProject[]> {
  const projects = new Map<string, LocalProject>();
  for (const { form, target, shownTarget, source } of directRequirements(lines)) {
    if (form !== 'path' || projects.has(target)) continue;
    try {
      // Requirement files may name any path, as for pip.
      if (source.line === undefined) await sources.checkInside(request, target, `"${shownTarget}"`);
      projects.set(target, await sources.project(target, shownTarget));
    } catch (error) {
      if (!(error instanceof UserError) || error.file !== undefined) throw error;
      throw new UserError(error.message, source);
    }
  }
  return [...projects.values()];
}

/** The files that a setting of pip names: URLs, or paths relative to where pip runs. */
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
 * Reads build constraints, in the form that the key contains. Only builds read them, so pip reports
 * one that can't be read.
 */
async function buildConstraints(
  files: readonly RequirementFile[],
  reading: RequirementReading,
): Promise<string[]> {
  const parts = files.map(async (file) => {
    try {
      return (await gatherLines({ constraints: [file] }, reading)).lines.map(canonical);
    } catch (error) {
      if (error instanceof UserError) return [`file ${fingerprinted(file.location)}`];
      throw error;
    }
  });
  return (await Promise.all(parts)).flat().sort();
}

/** How requirement files are downloaded: with pip's settings, without the inputs' credentials. */
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

/** Variables that pip gets with the inputs' values, which may contain credentials. */
function replacedVariables({ url, extra, username, mirror }: Request['index']): Set<string> {
  const isIndex = url !== undefined || username !== undefined || mirror !== undefined;
  return new Set([
    ...(isIndex ? ['PIP_INDEX_URL'] : []),
    ...(extra.length > 0 ? ['PIP_EXTRA_INDEX_URL'] : []),
  ]);
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

/** @throws UserError for files of other tools that users take for requirement files */
function refuseOtherFormats(shown: string): void {
  const [name = ''] = /(?:pyproject\.toml|Pipfile)$/.exec(shown) ?? [];
  if (name === '' || path.posix.basename(shown) !== name) return;
  const advice =
    name === 'Pipfile'
      ? 'Name its Pipfile.lock'
      : 'Use the input project for the project, or groups for its dependency groups';
  throw new UserError(`${shown} is not a requirement file. ${advice}.`, { file: shown });
}

/** @throws UserError for requirements that would have to be resolved beside a lock */
function refuseBesideLock(
  [lock]: readonly RequirementFile[],
  [file]: readonly RequirementFile[],
  [line]: readonly string[],
): void {
  const other = file?.shown ?? line;
  if (other === undefined) return;
  throw new UserError(
    `${lock?.shown} lists everything that is installed, so "${withoutSecrets(other)}" can't be added. Lock it too, or install it in another step.`,
    { file: lock?.shown },
  );
}

/** Reads the requirements of the dependency groups that the input groups names. */
async function groupLines(
  request: Request,
  sources: Sources,
): Promise<{ text: string; file: string }[]> {
  const lines: { text: string; file: string }[] = [];
  for (const input of request.groups) {
    const colon = input.lastIndexOf(':');
    const file = colon < 0 ? 'pyproject.toml' : input.slice(0, colon);
    const group = input.slice(colon + 1);
    const read = sources.readInside(request, path.resolve(request.workingDirectory, file));
    const content = await read.catch((error: unknown) => {
      throw new UserError(
        `${file} can't be read for the group "${input}": ${messageOf(error)}. Set working-directory, or write path/to/pyproject.toml:group.`,
      );
    });
    lines.push(...groupRequirements(content, file, group).map((text) => ({ text, file })));
  }
  return lines;
}

/** Returns the request's lines for an index whose environment markers apply. */
export async function applicableRequirements(
  { interpreter, requested }: Pick<KeyedRequest, 'requested'> & { interpreter: Interpreter },
  { python }: Pick<World, 'python'>,
): Promise<IndexRequirement[]> {
  const lines = indexRequirements(requested.lines);
  const markers = new Set(lines.flatMap(({ marker }) => marker ?? []));
  const applies = await python.applies(interpreter, [...markers]);
  return lines.filter(({ marker }) => marker === undefined || (applies.get(marker) ?? true));
}
