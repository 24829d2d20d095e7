/**
 * Runs pip for a run: writes its requests, sets its environment, and reads its logs and reports.
 * Only a pip that may ask an index gets the index and its credentials.
 */
import { randomUUID } from 'node:crypto';
import { devNull } from 'node:os';
import path from 'node:path';

import { buildEnvironment, fillEnvironment, offlineEnvironment } from './logic/environment.ts';
import { messageOf, type Source, UserError } from './logic/errors.ts';
import { buildDirectory } from './logic/manifest.ts';
import { isOlderPip } from './logic/names.ts';
import {
  closeArgs,
  type InstallOptions,
  installDirectArgs,
  metadataArgs,
  wheelArgs,
} from './logic/pip-args.ts';
import {
  adviceFor,
  type BuildRequirement,
  builtWheels,
  errorExcerpt,
  failedRequirement,
  isMirrorFailure,
  isUnreachable,
  parseReport,
  projectIn,
  type ReportItem,
  readBuildLog,
} from './logic/pip-output.ts';
import { breaksSystemPackages, isolatesBuilds } from './logic/pip-settings.ts';
import {
  type GeneratedRequest,
  placeOf,
  plainRequest,
  withUserSources,
} from './logic/request-file.ts';
import type { DirectRequirement } from './logic/requirement-line.ts';
import type { GatewayFault, PipResult, World } from './ports.ts';
import type { FillRun, IndexAccess, Run, WheelhouseRun } from './run.ts';

/** pip could not fill the wheelhouse, or the wheelhouse does not satisfy the request. */
export class FillError extends UserError {
  /** Whether the index did not answer, so that the request is not at fault. */
  readonly unreachable: boolean;
  /** Whether another index with the same content may do better. */
  readonly maybeIndex: boolean;

  /** @param fault what an index did not deliver, if that is known to be the reason */
  constructor(
    message: string,
    output: string,
    at: Partial<Source> = {},
    fault?: Pick<GatewayFault, 'kind'>,
  ) {
    super(message, at);
    this.unreachable = isUnreachable(output) || fault?.kind === 'down';
    this.maybeIndex = isMirrorFailure(output) || fault !== undefined;
  }
}

/**
 * Fetches or builds the wheels of a request and of everything that they depend on.
 * @param request may name a file of constraints
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function fetchClosure(
  run: FillRun,
  world: World,
  request: GeneratedRequest,
): Promise<FetchedWheels> {
  return fetchWheels(run, world, request, { noDeps: run.noDeps });
}

/** What one `pip wheel` has fetched and built. */
export interface FetchedWheels {
  /** Path; contains nothing else. */
  readonly directory: string;
  /** Names. */
  readonly files: readonly string[];
  /** The names of those that pip has built. */
  readonly built: ReadonlySet<string>;
}

/**
 * Fetches or builds the wheels of a request, without dependencies, and adds them to the wheelhouse.
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function addWheels(
  run: FillRun,
  world: World,
  request: GeneratedRequest,
): Promise<FetchedWheels> {
  const fetched = await fetchWheels(run, world, request, { noDeps: true });
  for (const file of fetched.files) {
    await world.wheelhouses.move(file, fetched.directory, run.wheelhouse);
  }
  return fetched;
}

async function fetchWheels(
  run: FillRun,
  world: World,
  request: GeneratedRequest,
  { noDeps }: { readonly noDeps: boolean },
): Promise<FetchedWheels> {
  const { wheelhouses } = world;
  const { requestFile } = newPaths(run);
  const directory = await wheelhouses.stage(run.workplace);
  const usePep517 = usesPep517(run);
  const args = wheelArgs({ wheelDir: directory, requestFile, noDeps, usePep517 });
  const options = { requestFile, args, env: indexEnvironment(run, run), access: run };
  const { exitCode, output } = await runPip(run, world, request, options);
  if (exitCode !== 0) throw fillError(output, request, run);
  return { directory, files: await wheelhouses.list(directory), built: builtWheels(output) };
}

/**
 * Names what a request installs when nothing but the wheels of the wheelhouse can be found. Asks no
 * index.
 * @param options.installed whether what the environment has counts as it does for `pip install`:
 *   pip leaves a version that satisfies the request, and names only what it would install
 * @throws FillError when the wheelhouse does not satisfy the request
 */
export async function resolveOffline(
  run: WheelhouseRun,
  world: World,
  request: GeneratedRequest,
  options: { readonly installed: 'counts' | 'is ignored' },
): Promise<ReportItem[]> {
  const { requestFile, report } = newPaths(run);
  const { settings } = run;
  const args = closeArgs({
    ...{ wheelDir: run.wheelhouse, requestFile, report },
    noDeps: run.noDeps,
    ignoreInstalled: options.installed === 'is ignored',
    upgrade: settings.flag('upgrade'),
    upgradeStrategy: settings.text('upgrade-strategy'),
  });
  const env = offlineEnvironment(run.request.environment, devNull);
  const { exitCode, output } = await runPip(run, world, request, { requestFile, args, env });
  if (exitCode !== 0) throw fillError(output, request);
  return readReport(world, report, output);
}

/** A local project, a branch or a URL that has been installed, or whose metadata has been read. */
export interface BuiltProject {
  /** undefined when its environment marker does not apply. */
  readonly item: ReportItem | undefined;
  /** The packages that it was built with. */
  readonly builtWith: readonly BuildRequirement[];
}

/** The result of {@link installProject}. */
export type ProjectResult =
  | ({ readonly state: 'done' } & BuiltProject)
  | { readonly state: 'failed'; readonly output: string };

/**
 * Installs a requirement from its own source, without its dependencies, or only reads its metadata.
 * @param options.access for what the build needs; by default it gets the wheels of the wheelhouse alone
 */
export async function installProject(
  run: WheelhouseRun,
  world: World,
  requirement: DirectRequirement,
  {
    action,
    access,
  }: { readonly action: 'install' | 'read metadata'; readonly access?: IndexAccess },
): Promise<ProjectResult> {
  const { wheelhouses } = world;
  const { request, settings } = run;
  const { requestFile, report, buildLog } = newPaths(run);
  const findLinks = access ? undefined : await wheelDirectories(run, world);
  const source = { requestFile, report, findLinks };
  const args =
    action === 'install'
      ? installDirectArgs({ ...installOptions(run), ...source })
      : metadataArgs(source);
  const env = access
    ? indexEnvironment(run, access)
    : buildEnvironment(request.environment, settings.configured, devNull);
  const options = { requestFile, args, env, buildLog, access };
  const { exitCode, output } = await runPip(run, world, requestFor(requirement), options);
  if (exitCode !== 0) return { state: 'failed', output };
  const [item] = await readReport(world, report, output);
  const packages = isolatesBuilds(settings)
    ? readBuildLog(await wheelhouses.read(buildLog).catch(() => ''))
    : [];
  return { state: 'done', item, builtWith: packages.filter(({ name }) => name !== item?.name) };
}

/** Returns the directories with the wheels that a build may need. */
export async function wheelDirectories(
  { wheelhouse }: WheelhouseRun,
  { wheelhouses }: World,
): Promise<string[]> {
  const build = path.join(wheelhouse, buildDirectory);
  // pip warns about a directory that does not exist, and uv fails.
  return [wheelhouse, ...((await wheelhouses.exists(build)) ? [build] : [])];
}

/** Returns the request that consists of one requirement with its own source. */
export function requestFor({ text, source }: DirectRequirement): GeneratedRequest {
  return plainRequest([text], source);
}

/** Returns the options that all installations of a run share. */
export function installOptions({
  wheelhouse,
  request,
  interpreter,
}: WheelhouseRun): InstallOptions {
  return {
    wheelhouse,
    compile: request.compileBytecode,
    breakSystemPackages: interpreter.externallyManaged && breaksSystemPackages(interpreter),
  };
}

/** Returns the message for an installer that failed: advice, and its last words. */
export function installFailure(
  installer: 'pip' | 'uv',
  output: string,
  options?: Parameters<typeof adviceFor>[1],
): string {
  return `${installer} could not install. ${adviceFor(output, options)}\n${errorExcerpt(output)}`;
}

/** Returns the environment of a pip that may ask an index. */
function indexEnvironment(
  { request, interpreter }: Run,
  { index, resolver }: IndexAccess,
): Record<string, string> {
  // What the gateway serves never has the same address again, so a cache of it would be of no use.
  const withoutCache = { PIP_CACHE_DIR: '', PIP_NO_CACHE_DIR: '1' };
  return fillEnvironment(
    request.environment,
    interpreter.pipConfig,
    { ...index.environment, ...resolver.environment, ...withoutCache },
    interpreter.keyring,
  );
}

/** pip before 23.1 runs setup.py directly and fails without setuptools or wheel, unless told otherwise. */
function usesPep517({ interpreter, resolver }: FillRun): boolean {
  return isOlderPip(resolver.version, [23, 1]) && !interpreter.buildsLegacy;
}

/** Returns the path of a request's constraints while pip reads them. */
export function constraintsFile({ scratch }: Run): string {
  return path.join(scratch, 'constraints.txt');
}

/** Returns the paths of the files of one pip process. */
function newPaths({ scratch }: Run) {
  const requestFile = path.join(scratch, `request-${randomUUID().slice(0, 8)}.txt`);
  return { requestFile, report: `${requestFile}.json`, buildLog: `${requestFile}.log` };
}

/** Writes a request and runs pip, whose output then names the user's files instead of generated ones. */
async function runPip(
  run: Run,
  { python, wheelhouses }: World,
  { request, constraints }: GeneratedRequest,
  options: {
    readonly requestFile: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly buildLog?: string;
    readonly access?: IndexAccess | undefined;
  },
): Promise<PipResult> {
  const { requestFile, args, access, ...others } = options;
  const generated = new Map([
    [requestFile, request],
    [constraintsFile(run), constraints],
  ]);
  for (const [file, { text }] of generated) await wheelhouses.write(file, text);
  const rewrite = (line: string): string =>
    withUserSources(access?.gateway?.shown(line) ?? line, generated);
  const cwd = run.request.workingDirectory;
  const pip = access?.resolver.path;
  return python.pip(run.interpreter, args, { ...others, cwd, rewrite, pip });
}

/**
 * Reads the report of a pip that has succeeded.
 * @param output of that pip
 * @throws FillError when there is no report, or one that can't be read
 */
async function readReport(
  world: Pick<World, 'wheelhouses'>,
  file: string,
  output: string,
): Promise<ReportItem[]> {
  try {
    return parseReport(await world.wheelhouses.read(file));
  } catch (error) {
    throw fillError(`${output}\nERROR: pip's report can't be read: ${messageOf(error)}`);
  }
}

/** @param request the request, if the error may be about one of its lines */
function fillError(
  output: string,
  request?: GeneratedRequest,
  access?: Pick<IndexAccess, 'gateway' | 'resolver'>,
): FillError {
  const failed = failedRequirement(output);
  const where = failed ? ` (it failed on ${failed.project})` : '';
  // pip takes a page that it could not get for one without files, and may go on without it.
  const fault = access?.gateway?.faults.findLast(
    ({ file, project }) =>
      file !== undefined || (failed !== undefined && projectIn(failed.project) === project),
  );
  const missing = fault
    ? ` The index ${fault.index} did not deliver ${fault.file ?? `the page of ${fault.project}`}: ${fault.reason}.`
    : '';
  return new FillError(
    `pip could not download or build every wheel${where}.${missing} ${adviceFor(output, { releaseAge: access?.resolver.releaseAge })}\n${errorExcerpt(output)}`,
    output,
    failed && request ? placeOf(failed, request) : undefined,
    fault,
  );
}
