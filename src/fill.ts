/**
 * Fills a wheelhouse and closes it: pip chooses and builds against the index, then names the exact
 * closure without it, and what is not in the closure goes.
 */
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { isOffered } from './choose-index.ts';
import { resolveSources, type Sourced, standIn, writeStubs } from './local-projects.ts';
import { type HashRules, hashRules, isAdmitted } from './logic/admission.ts';
import { interpreterIdentity } from './logic/key.ts';
import { keepableParts, type Manifest, type Wheel } from './logic/manifest.ts';
import { isWheelFileName, normalizeName, sameVersion, wheelNameParts } from './logic/names.ts';
import type { BuildRequirement, ReportItem } from './logic/pip-output.ts';
import {
  closeFiles,
  fillFiles,
  type GeneratedRequest,
  type Offer,
  plainRequest,
  type Resolved,
} from './logic/request-file.ts';
import type { DirectRequirement, IndexRequirement } from './logic/requirement-line.ts';
import { indexRequirements, isHashMode, isPinned, requestedHashes } from './logic/requirements.ts';
import { constraintsFile, FillError, fetchWheels, resolveOffline } from './pip.ts';
import type { World } from './ports.ts';
import type { Fill, FillRun, Run } from './run.ts';

/**
 * Makes a wheelhouse complete for a run, in place.
 * @param directory contains the wheels of `usable` and nothing else
 * @param usable verified wheels of an earlier wheelhouse; those that the request's hashes do not
 *   admit are deleted, and everything else in the directory
 * @param options.resume keep what an attempt before this one has left
 * @param options.effort seconds that the earlier wheelhouse took
 * @returns the manifest, already written with its lock
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function fill(
  run: FillRun,
  world: World,
  directory: string,
  usable: readonly Wheel[],
  { resume, effort }: { readonly resume: boolean; readonly effort: number },
): Promise<Fill> {
  const start = performance.now();
  const { lines } = run.requested;
  const rules = hashRules(lines, run.settings.configured);
  const kept = usable.filter((wheel) => isAdmitted(wheel, rules));
  if (!resume) {
    await world.wheelhouses.keepOnly(
      directory,
      kept.map((wheel) => wheel.file),
    );
  }

  const earlier = new Set(await world.wheelhouses.list(directory));
  const sourced = await resolveSources(run, world, directory, kept);
  const index = await applying(run, world);
  const relied = isHashMode(lines) ? await installedProjects(run, world, sourced) : noneRelied;
  const resolved = [...sourced.resolved, ...relied.resolved];
  const offers = await offersOf(run, world, directory, kept, index);
  const files = fillFiles(lines, constraintsFile(run), {
    resolved,
    offers,
    hashMode: isHashMode(lines),
  });
  const log = await fetchWheels(run, world, run.index, files, {
    into: directory,
    dependencies: true,
  });

  const chosen = [...log.reused, ...log.built, ...sourced.urls.keys()];
  const closure = await close(run, world, directory, {
    files: closeFiles(lines, resolved, constraintsFile(run)),
    stale: kept.map(({ file }) => file).filter((file) => !chosen.includes(file)),
    stubs: new Set([...sourced.stubs, ...relied.resolved.map(({ url }) => fileURLToPath(url))]),
  });
  const others = kept.filter(({ role }) => role !== 'runtime').map(({ file }) => file);
  await world.wheelhouses.keepOnly(directory, [...closure.keys(), ...others]);
  const build = await keepBuildRequirements(run, world, directory, sourced.builtWith);
  const tools = await fetchTools(run, world, directory, kept);
  const runtime = [...closure.keys()];
  await world.wheelhouses.keepOnly(directory, [...runtime, ...build, ...tools]);

  const wheels = await describe(world, directory, {
    ...{ closure, build, tools, kept },
    hashes: requestedHashes(lines),
    urls: sourced.urls,
    built: new Set([...log.built, ...sourced.built]),
    pipCache: run.settings.text('cache-dir') ?? run.interpreter.pipCache,
    earlier,
  });
  refuseUnhashed(wheels, rules);
  const parts = keepableParts(run.keys.parts);
  const manifest: Manifest = {
    interpreter: interpreterIdentity(run.interpreter),
    request: run.keys.request,
    sources: run.keys.sources,
    resolvedAt: world.now().toISOString(),
    wheels,
    direct: sourced.projects,
    relied: relied.projects.filter(({ name }) => isMentioned(name, [...closure.values()], sourced)),
    effort: Math.max(effort, Math.round((performance.now() - start) / 100) / 10),
    python: run.interpreter.version,
    ...(parts === undefined ? {} : { parts }),
  };
  await world.wheelhouses.seal(directory, manifest);
  return { manifest, hasInstalledSources: sourced.isInstalled };
}

/**
 * What the request's hashes do not admit never reaches the lock, whatever pip was configured to
 * take and whatever it says.
 * @throws FillError
 */
function refuseUnhashed(wheels: readonly Wheel[], rules: HashRules): void {
  const refused = wheels.filter((wheel) => !isAdmitted(wheel, rules));
  if (refused.length === 0) return;
  const files = refused.map((wheel) => wheel.file).join(', ');
  throw new FillError(
    `pip chose files that the hashes of the requirements do not allow: ${files}. Run again without the cache (restore-cache: false); if that fails too, compile the requirements again.`,
    '',
  );
}

/** The request's lines for an index that apply to the interpreter. */
export async function applying(run: Run, world: World): Promise<IndexRequirement[]> {
  const lines = indexRequirements(run.requested.lines);
  const markers = [...new Set(lines.flatMap((line) => line.marker ?? []))];
  if (markers.length === 0) return lines;
  const applies = await world.python.applies(run.interpreter, markers);
  if (applies === undefined) return lines;
  const met = new Set(markers.filter((_marker, index) => applies[index]));
  return lines.filter((line) => line.marker === undefined || met.has(line.marker));
}

/** Installed projects as stubs that pip can resolve. */
interface Relied {
  readonly projects: readonly { readonly name: string; readonly version: string }[];
  readonly resolved: readonly Resolved[];
}

const noneRelied: Relied = { projects: [], resolved: [] };

/**
 * With hashes pip takes no dependency that has none, unless the environment satisfies it already:
 * pip-compile leaves pip and setuptools out and relies on that. So what is installed takes part in
 * the resolution, without dependencies of its own.
 */
async function installedProjects(run: Run, world: World, sourced: Sourced): Promise<Relied> {
  const requested = new Set([
    ...indexRequirements(run.requested.lines).map((line) => line.name),
    ...sourced.resolved.map((each) => each.name),
  ]);
  const installed = await world.python.installed(run.interpreter);
  const projects = [...installed]
    // Of a metadata directory with an odd name there can't be a stub.
    .filter(([, version]) => isWheelFileName(`stub-${version}-py3-none-any.whl`))
    .filter(([name]) => !requested.has(name))
    .map(([name, version]) => ({ name, version, requires: [] }));
  const stubs = await writeStubs(run, world, projects);
  const line = { extras: [], marker: undefined, source: undefined };
  return {
    projects: projects.map(({ name, version }) => ({ name, version })),
    resolved: projects.flatMap(({ name }, number) => {
      const stub = stubs[number];
      return stub ? [standIn(line, name, stub)] : [];
    }),
  };
}

/** Whether anything in a closure depends on a project. */
function isMentioned(name: string, closure: readonly ReportItem[], sourced: Sourced): boolean {
  const requires = [...closure, ...sourced.projects].flatMap((each) => each.requires);
  return requires.some(
    (text) => normalizeName(/^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text)?.[0] ?? '') === name,
  );
}

/**
 * Built wheels that pip may take instead of building again: those of pins, and of versions that
 * the index is asked about, as pip would not say that they are gone. With prefer-binary an old
 * built wheel would win over a newer sdist for ever, so there only pins count.
 */
async function offersOf(
  run: FillRun,
  world: World,
  directory: string,
  kept: readonly Wheel[],
  lines: readonly IndexRequirement[],
): Promise<Offer[]> {
  const { index, settings } = run;
  if (!index.mayOffer) return [];
  const offers = kept
    .filter((wheel) => wheel.origin === 'built' && wheel.url === undefined)
    .map(async ({ name, version, sha256, file }): Promise<Offer[]> => {
      const isPin = isPinned(lines, name, version);
      const mayOffer =
        isPin ||
        (!settings.flag('prefer-binary') &&
          (index.role === 'none' || (await isOffered(index, world, name, version))));
      const url = pathToFileURL(path.join(directory, file)).href;
      return mayOffer ? [{ name, version, sha256, url, isPin }] : [];
    });
  return (await Promise.all(offers)).flat();
}

/**
 * Names the closure of a request in a wheelhouse.
 * @param options.stale files that must not be found: what the index no longer offers, or offers
 *   in another version. Without hashes they count when pip finds no closure without them.
 * @returns by file name, without stubs
 */
async function close(
  run: FillRun,
  world: World,
  directory: string,
  options: {
    readonly files: GeneratedRequest;
    readonly stale: readonly string[];
    readonly stubs: ReadonlySet<string>;
  },
): Promise<Map<string, ReportItem>> {
  const { stale } = options;
  const resolve = (): Promise<ReportItem[]> =>
    resolveOffline(run, world, options.files, { wheelhouse: directory, installed: 'is ignored' });
  const resolveWithoutStale = async (): Promise<ReportItem[]> => {
    const aside = await world.wheelhouses.stage(run.workplace);
    for (const file of stale) await world.wheelhouses.move(file, directory, aside);
    try {
      return await resolve();
    } finally {
      for (const file of stale) await world.wheelhouses.move(file, aside, directory);
    }
  };
  const items = await resolveWithoutStale().catch((error: unknown) => {
    const mayRetry = stale.length > 0 && !isHashMode(run.requested.lines);
    if (error instanceof FillError && mayRetry) return resolve();
    throw error;
  });

  const present = (await world.wheelhouses.list(directory)).filter((file) => !stale.includes(file));
  const closure = new Map<string, ReportItem>();
  for (const item of items) {
    const isFile = item.url.startsWith('file:');
    if (isFile && options.stubs.has(fileURLToPath(item.url))) continue;
    // A wheel that another one names by its URL was fetched from there once more.
    const file = isFile ? path.basename(fileURLToPath(item.url)) : wheelOf(item, present);
    if (file === undefined) {
      throw new FillError(
        `The wheel of ${item.name} ${item.version} is not in the wheelhouse.`,
        '',
      );
    }
    closure.set(file, item);
  }
  return closure;
}

/** The wheel of a project's version among files. */
function wheelOf(
  { name, version }: Pick<BuildRequirement, 'name' | 'version'>,
  files: readonly string[],
): string | undefined {
  return files.find((file) => {
    const parts = wheelNameParts(file);
    return parts.name === name && sameVersion(parts.version, version);
  });
}

/**
 * Adds what builds of local projects needed, so that a later run builds them offline.
 * @returns names of the files
 */
async function keepBuildRequirements(
  run: FillRun,
  world: World,
  directory: string,
  requirements: readonly BuildRequirement[],
): Promise<string[]> {
  const present = await world.wheelhouses.list(directory);
  const different = new Map(requirements.map((each) => [`${each.name} ${each.version}`, each]));
  const missing = [...different.values()].filter((each) => wheelOf(each, present) === undefined);
  try {
    // One request can name one version of a project only.
    for (let rest = missing; rest.length > 0; ) {
      const names = new Set<string>();
      const batch = rest.filter(({ name }) => !names.has(name) && names.add(name));
      rest = rest.filter((each) => !batch.includes(each));
      const request = plainRequest(batch.map(({ name, version }) => `${name}==${version}`));
      await fetchWheels(run, world, run.index, request, { into: directory, dependencies: false });
    }
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    world.reporter.info(
      'Some packages that local projects are built with could not be added to the wheelhouse; the next run needs the index for them.',
    );
  }
  const files = await world.wheelhouses.list(directory);
  return requirements.flatMap((each) => wheelOf(each, files) ?? []);
}

/** The installer itself, if not on PATH. A cached one is reused without checking for updates. */
async function fetchTools(
  run: FillRun,
  world: World,
  directory: string,
  kept: readonly Wheel[],
): Promise<string[]> {
  if (run.request.installer !== 'uv' || run.uv !== undefined) return [];
  const known = kept.filter((wheel) => wheel.role === 'tool');
  if (known.length > 0) return known.map((wheel) => wheel.file);
  const place = await world.wheelhouses.stage(run.workplace);
  const request = plainRequest(['uv']);
  await fetchWheels(run, world, run.index, request, { into: place, dependencies: false });
  const files = await world.wheelhouses.list(place);
  for (const file of files) await world.wheelhouses.move(file, place, directory);
  return [...files];
}

/** The manifest's entries: verified wheels keep theirs, new ones are measured. */
async function describe(
  world: World,
  directory: string,
  found: {
    /** By file name. */
    readonly closure: ReadonlyMap<string, ReportItem>;
    readonly build: readonly string[];
    readonly tools: readonly string[];
    readonly kept: readonly Wheel[];
    readonly built: ReadonlySet<string>;
    /** The directory of pip's cache. */
    readonly pipCache: string;
    /** What was there before this fill. */
    readonly earlier: ReadonlySet<string>;
    readonly hashes: ReadonlyMap<string, readonly string[]>;
    readonly urls: ReadonlyMap<string, DirectRequirement>;
  },
): Promise<Wheel[]> {
  const files = [...new Set([...found.closure.keys(), ...found.build, ...found.tools])].sort();
  const measured = await world.wheelhouses.measure(directory, files);
  const cached = await world.python.cachedBuilds(found.pipCache, measured);
  return measured.map(({ file, sha256, size }): Wheel => {
    const item = found.closure.get(file);
    const named = wheelNameParts(file);
    const url = found.urls.get(file);
    const hashes = item && (url ? url.hashes : found.hashes.get(named.name));
    const before = found.kept.find((wheel) => wheel.file === file && wheel.sha256 === sha256);
    // pip has checked what it downloaded: a new file that no hash names was built from one that was.
    const isUnnamed =
      hashes?.every((hash) => hash.startsWith('sha256:')) &&
      !hashes.includes(`sha256:${sha256}`) &&
      !found.earlier.has(file);
    const isBuilt = before
      ? before.origin === 'built'
      : found.built.has(file) || cached.has(file) || isUnnamed;
    return {
      name: named.name,
      project: item?.writtenName ?? named.name,
      version: item?.version ?? named.version,
      ...{ file, sha256, size },
      origin: isBuilt ? 'built' : 'downloaded',
      role: item ? 'runtime' : found.build.includes(file) ? 'build' : 'tool',
      ...(hashes === undefined ? {} : { requestHashes: hashes }),
      ...(url === undefined ? {} : { url: url.shownTarget }),
    };
  });
}
