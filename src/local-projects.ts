/**
 * Requirements that name their own source: local projects, branches and URLs. A URL with a hash
 * becomes its wheel. Anything else is installed from its source every time; a stub with its
 * metadata stands for it while its dependencies are resolved.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from './logic/errors.ts';
import { canonical } from './logic/key.ts';
import { splitSource } from './logic/local-project.ts';
import type { DirectProject, Manifest, Wheel } from './logic/manifest.ts';
import { wheelNameParts } from './logic/names.ts';
import type { BuildRequirement, ReportItem } from './logic/pip-output.ts';
import { isolatesBuilds } from './logic/pip-settings.ts';
import { type GeneratedRequest, plainRequest, type Resolved } from './logic/request-file.ts';
import type { DirectRequirement } from './logic/requirement-line.ts';
import { directRequirements, isCacheable, requirementOf } from './logic/requirements.ts';
import { fingerprinted } from './logic/secrets.ts';
import { fetchWheels, installFailure, installProject, type ProjectResult } from './pip.ts';
import type { World } from './ports.ts';
import type { FillRun, Run } from './run.ts';

/** What became of the requirements that name their own source. */
export interface Sourced {
  /** Files that stand for them; a requirement whose marker does not apply is missing. */
  readonly resolved: readonly Resolved[];
  readonly projects: readonly DirectProject[];
  /** Paths of the stubs among `resolved`. */
  readonly stubs: readonly string[];
  /** Wheels of URLs, by file name. */
  readonly urls: ReadonlyMap<string, DirectRequirement>;
  /** Those of `urls` that were built. */
  readonly built: readonly string[];
  /** What the builds needed. */
  readonly builtWith: readonly BuildRequirement[];
  /** The projects have been installed on the way. */
  readonly isInstalled: boolean;
}

/**
 * Turns them into files that pip can resolve together with all others. A local project is installed
 * here and now where that is wanted: the same build gives its metadata.
 * @param directory the wheelhouse that is filled
 * @throws FillError or UserError with pip's last words
 */
export async function resolveSources(
  run: FillRun,
  world: World,
  directory: string,
  kept: readonly Wheel[],
): Promise<Sourced> {
  const resolved: Resolved[] = [];
  const urls = new Map<string, DirectRequirement>();
  const built: string[] = [];
  const builtWith: BuildRequirement[] = [];
  const items: { requirement: DirectRequirement; item: ReportItem }[] = [];
  // Without isolation a build may need what the lock has yet to install.
  const isInstalled = run.request.install && isolatesBuilds(run.settings);
  const hasBuildWheels = kept.some((wheel) => wheel.role === 'build');

  const queue = [...directRequirements(run.requested.lines)];
  const names = new Set<string>();
  for (const requirement of queue) {
    const request = plainRequest([requirement.text], requirement.source);
    if (isCacheable(requirement)) {
      const wheel = await fetchUrl(run, world, directory, kept, requirement, request);
      if (wheel === undefined) continue;
      if (wheel.isBuilt) built.push(wheel.file);
      urls.set(wheel.file, requirement);
      const { name } = wheelNameParts(wheel.file);
      names.add(name);
      resolved.push(standIn(requirement, name, await fileOf(world, directory, wheel.file)));
      continue;
    }
    const attempt = (index: FillRun['index'] | undefined): Promise<ProjectResult> =>
      installProject(run, world, request, {
        action: isInstalled ? 'install' : 'read metadata',
        index,
        wheelhouse: directory,
      });
    const result = await world.reporter.group(
      `${isInstalled ? 'Install' : 'Read the metadata of'} ${requirement.shown}`,
      async () => {
        const offline = hasBuildWheels ? await attempt(undefined) : undefined;
        if (offline?.state === 'done') return offline;
        if (offline !== undefined) {
          world.reporter.info(
            'The build needs packages that are not in the wheelhouse; retrying with the index.',
          );
        }
        return attempt(run.index);
      },
    );
    if (result.state === 'failed') {
      const asked = requirement.form === 'url' ? 'url' : 'index';
      throw new UserError(installFailure('pip', result.output, asked), requirement.source);
    }
    if (result.item === undefined) continue;
    names.add(result.item.name);
    items.push({ requirement, item: result.item });
    builtWith.push(...result.builtWith);
    const found = await sourcesOf(run, world, requirement, result.item);
    queue.push(...found.filter(({ name }) => !names.has(name)).map((each) => each.requirement));
    for (const { name } of found) names.add(name);
  }
  const projects = items.map(({ requirement, item }) => directProject(requirement, item));
  const stubs = await writeStubs(run, world, projects);
  for (const [number, { requirement, item }] of items.entries()) {
    const stub = stubs[number];
    if (stub === undefined) throw new Error(`There is no stub for ${item.name}.`);
    resolved.push(standIn(requirement, item.name, stub));
  }
  return {
    ...{ resolved, projects, urls, built, builtWith, isInstalled },
    stubs: stubs.map(({ file }) => file),
  };
}

/**
 * Installs them from their own sources, with the wheels of the wheelhouse and without an index.
 * @returns why the wheelhouse does not fit them any more; undefined when it does
 */
export async function installSources(
  run: Run,
  world: World,
  wheelhouse: string,
  manifest: Manifest,
): Promise<{ readonly reason: string; readonly failure?: string } | undefined> {
  const queue = directRequirements(run.requested.lines).filter((each) => !isCacheable(each));
  const names = new Set<string>();
  let changed: string | undefined;
  for (const requirement of queue) {
    const request = plainRequest([requirement.text], requirement.source);
    const result = await world.reporter.group(`Install ${requirement.shown}`, () =>
      installProject(run, world, request, { action: 'install', index: undefined, wheelhouse }),
    );
    if (result.state === 'failed') {
      return {
        reason: `${requirement.shown} could not be built with the packages in the wheelhouse`,
        failure: installFailure('pip', result.output),
      };
    }
    if (result.item === undefined) continue;
    const now = directProject(requirement, result.item);
    names.add(now.name);
    const before = manifest.direct.find((project) => project.requirement === now.requirement);
    if (JSON.stringify(now.requires) !== JSON.stringify(before?.requires)) changed ??= now.name;
    const found = await sourcesOf(run, world, requirement, result.item);
    for (const each of found) {
      if (!names.has(each.name) && !isCacheable(each.requirement)) queue.push(each.requirement);
      names.add(each.name);
    }
  }
  return changed === undefined
    ? undefined
    : { reason: `the dependencies of ${changed} have changed` };
}

/** The files that stand for them in a wheelhouse that is complete. */
export async function resolvedSources(
  run: Run,
  world: World,
  directory: string,
  manifest: Manifest,
): Promise<{ readonly resolved: readonly Resolved[]; readonly stubs: readonly string[] }> {
  const wheels = directRequirements(run.requested.lines)
    .filter(isCacheable)
    .flatMap((requirement): Resolved[] => {
      const wheel = manifest.wheels.find((each) => isFrom(each, requirement));
      if (wheel === undefined) return [];
      const file = path.join(directory, wheel.file);
      return [standIn(requirement, wheel.name, { file, sha256: wheel.sha256 })];
    });
  const stubs = await writeStubs(run, world, manifest.direct);
  const projects = manifest.direct.flatMap(({ name, extras }, number): Resolved[] => {
    const stub = stubs[number];
    return stub ? [standIn({ extras, marker: undefined, source: undefined }, name, stub)] : [];
  });
  return { resolved: [...wheels, ...projects], stubs: stubs.map(({ file }) => file) };
}

/** What the manifest says of such a requirement, to see whether its dependencies change. */
function directProject(requirement: DirectRequirement, item: ReportItem): DirectProject {
  const { name, version, requires } = item;
  return {
    ...{ requirement: canonical(requirement), name, version },
    extras: requirement.extras,
    // An address may hold secrets, and a manifest is read by everybody.
    requires: requires.map((text) => fingerprinted(splitSource(text)?.named ?? text)),
  };
}

/** The dependencies of a project that name their own sources in turn. */
async function sourcesOf(
  { interpreter, request }: Run,
  { python }: World,
  { extras, source }: DirectRequirement,
  item: ReportItem,
): Promise<{ readonly name: string; readonly requirement: DirectRequirement }[]> {
  const found = item.requires.flatMap((text) => splitSource(text) ?? []);
  if (found.length === 0) return [];
  const always = 'python_version >= "3"';
  const markers = found.map(({ marker }) => marker ?? always);
  const applies = await python.applies(interpreter, markers, extras);
  return found
    .filter((_each, number) => applies?.[number] ?? true)
    .map(({ name, text }) => ({
      name,
      requirement: requirementOf(text, source, request.workingDirectory),
    }));
}

/** A file with its digest. */
interface Measured {
  readonly file: string;
  /** Hex. */
  readonly sha256: string;
}

async function fileOf({ wheelhouses }: World, directory: string, name: string): Promise<Measured> {
  const [measured] = await wheelhouses.measure(directory, [name]);
  if (measured === undefined) throw new Error(`${name} has no digest`);
  return { file: path.join(directory, name), sha256: measured.sha256 };
}

/** A file that stands for a requirement. */
export function standIn(
  requirement: Pick<Resolved, 'extras' | 'marker' | 'source'>,
  name: string,
  { file, sha256 }: Measured,
): Resolved {
  const { extras, marker, source } = requirement;
  return { name, extras, marker, source, url: pathToFileURL(file).href, sha256 };
}

/** Stubs in the order of the projects. */
export async function writeStubs(
  run: Run,
  world: World,
  projects: readonly Pick<DirectProject, 'name' | 'version' | 'requires'>[],
): Promise<Measured[]> {
  if (projects.length === 0) return [];
  const place = await world.wheelhouses.stage(run.workplace);
  const stubs = projects.map(({ name, version, requires }) => ({
    name,
    version,
    // A manifest that anybody may have written must not make pip fetch a URL.
    requires: requires.filter((text) => !/[@\p{Cc}\u2028\u2029]/u.test(text)),
  }));
  const files = await world.python.writeStubs(run.interpreter, place, stubs);
  return Promise.all(files.map((file) => fileOf(world, path.dirname(file), path.basename(file))));
}

function isFrom(wheel: Wheel, requirement: DirectRequirement): boolean {
  return (
    wheel.url === requirement.shownTarget &&
    wheel.requestHashes?.join() === requirement.hashes.join()
  );
}

/** The wheel of a URL with a hash: the one of an earlier run, or fetched (and built) now. */
async function fetchUrl(
  run: FillRun,
  world: World,
  directory: string,
  kept: readonly Wheel[],
  requirement: DirectRequirement,
  request: GeneratedRequest,
): Promise<{ readonly file: string; readonly isBuilt: boolean } | undefined> {
  const known = kept.find((wheel) => isFrom(wheel, requirement));
  if (known) return { file: known.file, isBuilt: known.origin === 'built' };
  const place = await world.wheelhouses.stage(run.workplace);
  const log = await fetchWheels(run, world, run.index, request, {
    into: place,
    dependencies: false,
  });
  const [file] = await world.wheelhouses.list(place);
  if (file === undefined) return undefined;
  await world.wheelhouses.move(file, place, directory);
  return { file, isBuilt: log.built.has(file) };
}
