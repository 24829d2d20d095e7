/**
 * Requirements that name their own source: local projects, branches and URLs. A URL with a hash
 * becomes its wheel. Anything else is installed from its source every time; a stub with its
 * metadata stands for it while its dependencies are resolved.
 */
import { devNull } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { offlineEnvironment, temporaryVariables } from './logic/environment.ts';
import { type Source, UserError } from './logic/errors.ts';
import { canonical } from './logic/key.ts';
import { splitSource } from './logic/local-project.ts';
import type { DirectProject, Wheel } from './logic/manifest.ts';
import { normalizeName, wheelNameParts } from './logic/names.ts';
import { uvProjectArgs } from './logic/pip-args.ts';
import {
  type BuildRequirement,
  type ReportItem,
  requiredPython,
  unmetRequirements,
} from './logic/pip-output.ts';
import { isolatesBuilds } from './logic/pip-settings.ts';
import type { Resolved } from './logic/request-file.ts';
import type { DirectRequirement } from './logic/requirement-line.ts';
import { directRequirements, isCacheable, requirementOf } from './logic/requirements.ts';
import { fingerprinted } from './logic/secrets.ts';
import {
  addWheels,
  type BuiltProject,
  installFailure,
  installOptions,
  installProject,
  requestFor,
  wheelDirectories,
} from './pip.ts';
import type { Stub, World } from './ports.ts';
import type { FillRun, InstallRun, Run, WheelhouseRun } from './run.ts';

/** What the requirements that name their own source were resolved to. */
export interface ResolvedSources {
  /** Wheels of URLs with a hash; one whose marker does not apply is missing. */
  readonly wheels: readonly UrlWheel[];
  readonly projects: readonly DirectProject[];
  /** The stubs of `projects`. */
  readonly stubs: readonly Resolved[];
  /** The packages that `projects` were built with. */
  readonly builtWith: readonly BuildRequirement[];
  /** Whether `projects` have been installed already. */
  readonly isInstalled: boolean;
}

/** The wheel of a URL with a hash, in the wheelhouse. */
export interface UrlWheel extends Pick<Wheel, 'name' | 'file' | 'sha256' | 'origin'> {
  readonly requirement: DirectRequirement;
}

/**
 * Resolves them to files that pip can resolve together with all other requirements. Installs local
 * projects here and now if the run installs: the same build gives their metadata.
 * @throws FillError or UserError with pip's last words
 */
export async function resolveSources(run: FillRun, world: World): Promise<ResolvedSources> {
  const wheels: UrlWheel[] = [];
  const projects: DirectProject[] = [];
  const stubs: ResolvableStub[] = [];
  const builtWith: BuildRequirement[] = [];
  // Without isolation a build may need what the lock has yet to install.
  const isInstalled = run.request.install && isolatesBuilds(run.settings);
  const sources = sourceQueue(run, world);
  for (const requirement of sources.requirements()) {
    if (isCacheable(requirement)) {
      const wheel = await urlWheel(run, world, requirement);
      if (wheel === undefined) continue;
      wheels.push(wheel);
      await sources.pushDependencies(requirement, { name: wheel.name, requires: [] });
      continue;
    }
    const action = isInstalled && isWanted(run, requirement) ? 'install' : 'read metadata';
    const built = await buildProject(run, world, requirement, action);
    if (built.item === undefined) continue;
    warnOfExtras(requirement, built.item, world);
    const project = directProject(requirement, built.item);
    projects.push(project);
    stubs.push({ ...project, marker: requirement.marker, source: requirement.source });
    builtWith.push(...built.builtWith);
    await sources.pushDependencies(requirement, built.item);
  }
  return { wheels, projects, stubs: await writeStubs(run, world, stubs), builtWith, isInstalled };
}

const titles = { install: 'Install', 'read metadata': 'Read the metadata of' } as const;

/** Whether a requirement is to be installed itself, and not only its dependencies. */
function isWanted({ request }: Run, { form }: DirectRequirement): boolean {
  return request.installProject || form !== 'path';
}

/**
 * Builds a project with the packages that the wheelhouse has for builds, else with the index.
 * @throws UserError with pip's last words
 */
async function buildProject(
  run: FillRun,
  world: World,
  requirement: DirectRequirement,
  action: 'install' | 'read metadata',
): Promise<BuiltProject> {
  const { reporter } = world;
  return reporter.group(`${titles[action]} ${requirement.shown}`, async () => {
    if (run.earlier.some((wheel) => wheel.role === 'build')) {
      const result = await installProject(run, world, requirement, { action });
      if (result.state === 'done') return result;
      reporter.info(
        'The build needs packages that are not in the wheelhouse; retrying with the index.',
      );
    }
    const result = await installProject(run, world, requirement, { action, access: run });
    if (result.state === 'done') return result;
    throw buildFailure(run, requirement, result.output);
  });
}

/** Returns the error for a build that failed: what pip said last, and where to look. */
function buildFailure(
  { interpreter, requested, resolver }: FillRun,
  { form, target, source }: DirectRequirement,
  output: string,
): UserError {
  const bound = requiredPython(output);
  const project = requested.projects.find((each) => each.path === target);
  if (bound === undefined || project === undefined) {
    const server = form === 'url' ? 'url' : 'index';
    const options = { server, releaseAge: resolver.releaseAge } as const;
    return new UserError(installFailure('pip', output, options), source);
  }
  return new UserError(
    `${project.file} requires Python ${bound}, but ${interpreter.executable} is Python ${interpreter.version}. Use another Python: change the python-version of actions/setup-python, or the input python.`,
    { file: project.file },
  );
}

/** Warns about extras that a project does not have, which pip ignores. */
function warnOfExtras(
  { extras }: DirectRequirement,
  { writtenName, extras: known }: ReportItem,
  { reporter }: Pick<World, 'reporter'>,
): void {
  const names = new Set(known.map(normalizeName));
  for (const extra of extras.filter((each) => !names.has(normalizeName(each)))) {
    const others = known.length > 0 ? `has only ${known.join(', ')}` : 'has no extras';
    reporter.warning(
      `Nothing is installed for the extra "${extra}": ${writtenName} ${others}. Correct its name.`,
    );
  }
}

/** Why a wheelhouse does not fit the local projects of a request. */
export interface Drift {
  readonly reason: string;
  /** What they need, as far as it distinguishes this drift from others; undefined when unknown. */
  readonly needs: readonly string[] | undefined;
  /** The message, if a build failed. */
  readonly failure?: string;
}

/**
 * Installs them from their own sources, with the wheels of the wheelhouse and without an index. A
 * run that does not install only reads their metadata.
 * @returns why the wheelhouse no longer fits them; undefined when it does
 */
export async function installSources(run: InstallRun, world: World): Promise<Drift | undefined> {
  const sources = sourceQueue(run, world);
  const projects: DirectProject[] = [];
  let changed: string | undefined;
  for (const requirement of sources.requirements()) {
    if (isCacheable(requirement)) continue;
    const isInstalled = run.request.install && isWanted(run, requirement);
    const action = isInstalled ? 'install' : 'read metadata';
    if (isInstalled && (await installWithUv(run, world, requirement))) continue;
    const result = await world.reporter.group(`${titles[action]} ${requirement.shown}`, () =>
      installProject(run, world, requirement, { action }),
    );
    if (result.state === 'failed') {
      return {
        reason: `${requirement.shown} could not be built with the packages in the wheelhouse`,
        needs: unmetRequirements(result.output),
        failure: installFailure('pip', result.output),
      };
    }
    if (result.item === undefined) continue;
    warnOfExtras(requirement, result.item, world);
    const now = directProject(requirement, result.item);
    projects.push(now);
    // By its name, as the path of another project depends on where the checkout is.
    const before = run.manifest.direct.find((each) => each.name === now.name);
    if (JSON.stringify(now.requires) !== JSON.stringify(before?.requires)) changed ??= now.name;
    await sources.pushDependencies(requirement, result.item);
  }
  return changed === undefined
    ? undefined
    : {
        reason: `the dependencies of ${changed} have changed`,
        needs: projects.map(({ name, requires }) => [name, ...requires].join('\n')),
      };
}

/**
 * Installs a project of a uv.lock with uv, from the packages in the wheelhouse.
 * @returns false when it is for pip: it is not of such a lock, or uv can't install it
 */
async function installWithUv(
  run: InstallRun,
  world: World,
  { form, editable, target, extras, shown }: DirectRequirement,
): Promise<boolean> {
  const { request, requested, interpreter, scratch } = run;
  const uv = requested.lock?.uv;
  if (uv === undefined || form !== 'path') return false;
  const args = uvProjectArgs({
    ...installOptions(run),
    python: interpreter.executable,
    findLinks: await wheelDirectories(run, world),
    editable,
    project: extras.length > 0 ? `${target}[${extras.join(',')}]` : target,
  });
  const env = {
    ...offlineEnvironment(request.environment, devNull),
    ...temporaryVariables(scratch),
  };
  const cwd = request.workingDirectory;
  const { exitCode } = await world.reporter.group(`Install ${shown} with uv`, () =>
    world.uv.run(uv, args, { cwd, env }),
  );
  if (exitCode !== 0) world.reporter.info(`uv could not install ${shown}; pip installs it.`);
  return exitCode === 0;
}

/** Returns the files that stand for them in a complete wheelhouse. */
export async function sourcesInWheelhouse(run: InstallRun, world: World): Promise<Resolved[]> {
  const { wheels, direct } = run.manifest;
  const urlWheels = directRequirements(run.requested.lines)
    .filter(isCacheable)
    .flatMap((requirement) => {
      const wheel = wheels.find((each) => isFrom(each, requirement));
      return wheel === undefined ? [] : [resolvedWheel(run, { ...wheel, requirement })];
    });
  return [...urlWheels, ...(await writeStubs(run, world, direct))];
}

/** Returns what the manifest says of a project, to notice when its dependencies change. */
function directProject(requirement: DirectRequirement, item: ReportItem): DirectProject {
  const { name, version, requires } = item;
  return {
    ...{ requirement: canonical(requirement), name, version },
    extras: requirement.extras,
    // A URL may contain secrets, and everybody can read a manifest.
    requires: requires.map((text) => fingerprinted(splitSource(text)?.named ?? text)),
  };
}

/**
 * Lists the request's requirements that name their own source, then those among the dependencies of
 * their projects. Each project counts once.
 */
function sourceQueue(run: Run, world: World) {
  const queue: { readonly requirement: DirectRequirement; readonly name?: string }[] =
    directRequirements(run.requested.lines).map((requirement) => ({ requirement }));
  const known = new Set<string>();
  return {
    *requirements(): Generator<DirectRequirement> {
      for (const { requirement, name } of queue) {
        if (name !== undefined && known.has(name)) continue;
        if (name !== undefined) known.add(name);
        yield requirement;
      }
    },
    /** @param project what a listed requirement turned out to be */
    async pushDependencies(
      { extras, source }: DirectRequirement,
      project: Pick<ReportItem, 'name' | 'requires'>,
    ): Promise<void> {
      known.add(project.name);
      if (run.noDeps) return;
      const found = project.requires.flatMap((text) => splitSource(text) ?? []);
      const markers = found.flatMap(({ marker }) => marker ?? []);
      const applies = await world.python.applies(run.interpreter, markers, extras);
      for (const { name, text, marker } of found) {
        if (marker !== undefined && applies.get(marker) === false) continue;
        queue.push({
          name,
          requirement: requirementOf(text, source, run.request.workingDirectory),
        });
      }
    },
  };
}

/** A stub, and where the requirement that it stands for comes from. */
interface ResolvableStub extends Stub {
  readonly extras?: readonly string[];
  readonly marker?: string | undefined;
  readonly source?: Source | undefined;
}

/** Writes stubs that pip can resolve. */
export async function writeStubs(
  run: Run,
  { python, wheelhouses }: World,
  stubs: readonly ResolvableStub[],
): Promise<Resolved[]> {
  if (stubs.length === 0) return [];
  // Anybody may have written the manifest: its text must not make pip fetch a URL.
  const safe = stubs.map(({ requires, ...stub }) => ({
    ...stub,
    requires: requires.filter((text) => !/[@\p{Cc}\u2028\u2029]/u.test(text)),
  }));
  const written = await python.writeStubs(
    run.interpreter,
    await wheelhouses.stage(run.workplace),
    safe,
  );
  return written.map(({ name, extras = [], marker, source, file, sha256 }) => ({
    ...{ name, extras, marker, source, sha256 },
    url: pathToFileURL(file).href,
  }));
}

/** Returns the wheel of a URL as a file that pip can resolve. */
export function resolvedWheel(
  { wheelhouse }: WheelhouseRun,
  { name, file, sha256, requirement: { extras, marker, source } }: UrlWheel,
): Resolved {
  const url = pathToFileURL(path.join(wheelhouse, file)).href;
  return { name, extras, marker, source, url, sha256 };
}

function isFrom(wheel: Wheel, requirement: DirectRequirement): boolean {
  return (
    wheel.url === requirement.shownTarget &&
    wheel.requestHashes?.join() === requirement.hashes.join()
  );
}

/**
 * Finds the wheel of a URL with a hash among those of an earlier run, or fetches or builds it.
 * @returns undefined when its marker does not apply
 */
async function urlWheel(
  run: FillRun,
  world: World,
  requirement: DirectRequirement,
): Promise<UrlWheel | undefined> {
  const known = run.earlier.find((wheel) => isFrom(wheel, requirement));
  if (known) return { ...known, requirement };
  const { files, built } = await addWheels(run, world, requestFor(requirement));
  const [wheel] = await world.wheelhouses.measure(run.wheelhouse, files);
  if (wheel === undefined) return undefined;
  const origin = built.has(wheel.file) ? 'built' : 'downloaded';
  return { ...wheel, name: wheelNameParts(wheel.file).name, origin, requirement };
}
