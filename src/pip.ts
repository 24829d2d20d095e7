/**
 * pip, as a run uses it: the requests it is given, the environments it runs in, and what its logs
 * and reports mean. Only a run that may ask an index gets the index and its credentials.
 */
import { randomUUID } from 'node:crypto';
import { devNull } from 'node:os';
import path from 'node:path';

import type { ChosenIndex } from './choose-index.ts';
import { buildEnvironment, fillEnvironment, offlineEnvironment } from './logic/environment.ts';
import { messageOf, type Source, UserError } from './logic/errors.ts';
import { buildDirectory } from './logic/manifest.ts';
import type { Interpreter } from './logic/model.ts';
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
  errorExcerpt,
  type FillLog,
  failedRequirement,
  isMirrorFailure,
  isUnreachable,
  parseReport,
  type ReportItem,
  readBuildLog,
  readFillLog,
} from './logic/pip-output.ts';
import { breaksSystemPackages, isolatesBuilds } from './logic/pip-settings.ts';
import { type GeneratedRequest, placeOf, withUserSources } from './logic/request-file.ts';
import type { World } from './ports.ts';
import type { Run } from './run.ts';

/** pip could not fill the wheelhouse. */
export class FillError extends UserError {
  /** The index did not answer: not the request's fault. */
  readonly unreachable: boolean;
  /** Another index with the same content may do better. */
  readonly maybeIndex: boolean;

  constructor(message: string, output: string, at: Partial<Source> = {}) {
    super(message, at);
    this.unreachable = isUnreachable(output);
    this.maybeIndex = isMirrorFailure(output);
  }
}

/**
 * Fetches or builds the wheels of a request and of everything that they depend on.
 * @param request may name a file of constraints
 * @param options.into a directory; pip reuses a wheel in it when the index offers the same one
 * @param options.dependencies whether to take dependencies too
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function fetchWheels(
  run: Run,
  world: World,
  index: ChosenIndex,
  request: GeneratedRequest,
  options: { readonly into: string; readonly dependencies: boolean },
): Promise<FillLog> {
  const { requestFile, rewrite } = await writeRequest(run, world, request);
  const { interpreter, settings } = run;
  const dependencies = options.dependencies && !settings.flag('no-deps');
  const args = wheelArgs({
    wheelDir: options.into,
    requestFile,
    noDeps: !dependencies,
    usePep517: usesPep517(interpreter),
  });
  const { exitCode, output } = await world.python.pip(interpreter, args, {
    cwd: run.request.workingDirectory,
    env: indexEnvironment(run, index),
    rewrite,
  });
  if (exitCode !== 0) throw fillError(output, request);
  return readFillLog(output);
}

/**
 * Names what a request installs when nothing but the wheels of a directory can be found. Asks no
 * index.
 * @param options.installed whether what the environment has counts as it does for `pip install`:
 *   pip leaves a version that satisfies the request, and names only what it would install
 * @throws FillError when the directory does not satisfy the request
 */
export async function resolveOffline(
  run: Run,
  world: World,
  request: GeneratedRequest,
  options: { readonly wheelhouse: string; readonly installed: 'counts' | 'is ignored' },
): Promise<ReportItem[]> {
  const { requestFile, rewrite } = await writeRequest(run, world, request);
  const report = `${requestFile}.json`;
  const { settings } = run;
  const args = closeArgs({
    wheelDir: options.wheelhouse,
    requestFile,
    report,
    noDeps: settings.flag('no-deps'),
    ignoreInstalled: options.installed === 'is ignored',
    upgrade: settings.flag('upgrade'),
    upgradeStrategy: settings.text('upgrade-strategy'),
  });
  const { exitCode, output } = await world.python.pip(run.interpreter, args, {
    cwd: run.request.workingDirectory,
    env: offlineEnvironment(run.request.environment, devNull),
    rewrite,
  });
  if (exitCode !== 0) throw fillError(output, request);
  return readReport(world, report, output);
}

/** What came of preparing or installing a local project, a branch or a URL. */
export type ProjectResult =
  | {
      readonly state: 'done';
      /** undefined when its environment marker does not apply. */
      readonly item: ReportItem | undefined;
      /** What its build needed. */
      readonly builtWith: readonly BuildRequirement[];
    }
  | { readonly state: 'failed'; readonly output: string };

/**
 * Installs one requirement from its own place, without its dependencies; or only learns its
 * metadata. The index is for what its build needs.
 * @param options.index undefined to build with the wheels of `wheelhouse` alone
 */
export async function installProject(
  run: Run,
  world: World,
  requirement: GeneratedRequest,
  options: {
    readonly action: 'install' | 'read metadata';
    readonly index: ChosenIndex | undefined;
    readonly wheelhouse: string;
  },
): Promise<ProjectResult> {
  const { requestFile, rewrite } = await writeRequest(run, world, requirement);
  const report = `${requestFile}.json`;
  const buildLog = `${requestFile}.log`;
  const { request, settings, interpreter } = run;
  const { index, wheelhouse } = options;
  const buildWheels = path.join(wheelhouse, buildDirectory);
  // pip warns of a directory that is missing.
  const hasBuildWheels = await world.wheelhouses.exists(buildWheels);
  const findLinks = [wheelhouse, ...(hasBuildWheels ? [buildWheels] : [])];
  const source = { requestFile, report, findLinks: index ? undefined : findLinks };
  const args =
    options.action === 'install'
      ? installDirectArgs({ ...installOptions(run, wheelhouse), ...source })
      : metadataArgs(source);
  const env = index
    ? indexEnvironment(run, index)
    : buildEnvironment(request.environment, settings.configured, devNull);
  const { exitCode, output } = await world.python.pip(interpreter, args, {
    cwd: request.workingDirectory,
    env,
    buildLog,
    rewrite,
  });
  if (exitCode !== 0) return { state: 'failed', output };
  const [item] = await readReport(world, report, output);
  const builtWith = isolatesBuilds(settings)
    ? readBuildLog(await world.wheelhouses.read(buildLog).catch(() => ''))
    : [];
  return {
    state: 'done',
    item,
    builtWith: builtWith.filter(({ name }) => name !== item?.name),
  };
}

/** What all installations of a run share. */
export function installOptions(run: Run, wheelhouse: string): InstallOptions {
  return {
    wheelhouse,
    compile: run.request.compileBytecode,
    breakSystemPackages: run.interpreter.externallyManaged && breaksSystemPackages(run.interpreter),
  };
}

/** What an error says of an installer that failed: advice, and its last words. */
export function installFailure(
  installer: 'pip' | 'uv',
  output: string,
  asked: 'index' | 'url' = 'index',
): string {
  return `${installer} could not install. ${adviceFor(output, asked)}\n${errorExcerpt(output)}`;
}

function indexEnvironment(
  { request, interpreter }: Run,
  index: ChosenIndex,
): Record<string, string> {
  return fillEnvironment(
    request.environment,
    interpreter.pipConfig,
    index.environment,
    interpreter.keyring,
  );
}

/** pip before 23.1 runs setup.py in the open where it can't: without setuptools or wheel it fails. */
function usesPep517(interpreter: Interpreter): boolean {
  return isOlderPip(interpreter.pip ?? '', [23, 1]) && !interpreter.buildsLegacy;
}

/** Where the constraints of a request lie while pip reads them. */
export function constraintsFile({ scratch }: Run): string {
  return path.join(scratch, 'constraints.txt');
}

/** @returns where pip reads it, and how to say what pip says of it of the user's files */
async function writeRequest(
  run: Run,
  { wheelhouses }: World,
  { request, constraints }: GeneratedRequest,
): Promise<{ readonly requestFile: string; readonly rewrite: (line: string) => string }> {
  const requestFile = path.join(run.scratch, `request-${randomUUID().slice(0, 8)}.txt`);
  const generated = new Map([
    [requestFile, request],
    [constraintsFile(run), constraints],
  ]);
  for (const [file, { text }] of generated) await wheelhouses.write(file, text);
  return { requestFile, rewrite: (line) => withUserSources(line, generated) };
}

/**
 * Reads the report of a pip that has succeeded.
 * @param output of that pip
 * @throws FillError when there is no report all the same, or none that can be read
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

/** @param request what pip was given, when its error may be about a line of it */
function fillError(output: string, request?: GeneratedRequest): FillError {
  const failed = failedRequirement(output);
  const where = failed ? ` (it failed at ${failed.project})` : '';
  return new FillError(
    `pip could not get all wheels${where}. ${adviceFor(output)}\n${errorExcerpt(output)}`,
    output,
    failed && request ? placeOf(failed, request) : undefined,
  );
}
