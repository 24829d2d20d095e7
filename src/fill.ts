/**
 * Fills a wheelhouse and closes it: pip chooses and builds wheels with the index, then names the exact
 * closure without it; wheels outside the closure are deleted.
 */
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isOffered } from './choose-index.ts';
import {
  type ResolvedSources,
  resolvedWheel,
  resolveSources,
  type UrlWheel,
  writeStubs,
} from './local-projects.ts';
import { type HashRules, hashRules, isAdmitted } from './logic/admission.ts';
import { interpreterIdentity } from './logic/key.ts';
import { keepableParts, type Manifest, type Wheel } from './logic/manifest.ts';
import { isWheelFileName, normalizeName, sameVersion, wheelNameParts } from './logic/names.ts';
import type { BuildRequirement, ReportItem } from './logic/pip-output.ts';
import {
  closeFiles,
  fillFiles,
  type GeneratedRequest,
  linksPage,
  type Offer,
  plainRequest,
} from './logic/request-file.ts';
import { indexRequirements, isHashMode, isPinned, requestedHashes } from './logic/requirements.ts';
import { addWheels, constraintsFile, FillError, fetchClosure, resolveOffline } from './pip.ts';
import type { World } from './ports.ts';
import { applicableRequirements } from './request.ts';
import type { Fill, FillRun } from './run.ts';

/**
 * Makes the wheelhouse of a run complete, in place.
 * @param run its wheelhouse contains the earlier wheels; those that the request's hashes do not admit
 *   are deleted
 * @param options.resume whether to keep what a previous attempt has left in the wheelhouse
 * @param options.effort seconds that it took to make the earlier wheelhouse
 * @returns the manifest, already written with its lock
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function fill(
  { earlier: verified, ...given }: FillRun,
  world: World,
  { resume, effort }: { readonly resume: boolean; readonly effort: number },
): Promise<Fill> {
  const start = performance.now();
  const { wheelhouses } = world;
  const { wheelhouse, requested, settings, keys, interpreter } = given;
  const { lines } = requested;
  const hashMode = isHashMode(lines);
  const rules = hashRules(lines, settings.configured);
  const run: FillRun = { ...given, earlier: verified.filter((wheel) => isAdmitted(wheel, rules)) };
  if (!resume) await wheelhouses.keepOnly(wheelhouse, filesOf(run.earlier));

  const sources = await resolveSources(run, world);
  const relied = hashMode && !run.noDeps ? await installedProjects(run, world, sources) : [];
  const stubs = [...sources.stubs, ...(await writeStubs(run, world, relied))];
  const resolved = [...sources.wheels.map((wheel) => resolvedWheel(run, wheel)), ...stubs];
  const offers = await offersOf(run, world);
  const request = fillFiles(lines, constraintsFile(run), {
    ...{ resolved, offers, hashMode },
    linksFile: await writeLinks(run, world),
  });
  const log = await fetchClosure(run, world, request);

  const chosen = new Set([...log.reused, ...log.built, ...filesOf(sources.wheels)]);
  const closure = await close(run, world, {
    request: closeFiles(lines, resolved, constraintsFile(run)),
    stale: filesOf(run.earlier).filter((file) => !chosen.has(file)),
    stubs: new Set(stubs.map(({ url }) => fileURLToPath(url))),
  });
  const others = run.earlier.filter(({ role }) => role !== 'runtime');
  await wheelhouses.keepOnly(wheelhouse, [...closure.keys(), ...filesOf(others)]);
  const build = await addBuildRequirements(run, world, sources.builtWith);
  const tools = await addTools(run, world);

  const contents = { closure, build, tools, urlWheels: sources.wheels, built: log.built };
  const wheels = await describe(run, world, contents);
  refuseUnhashed(wheels, rules);
  const mentioned = mentionedNames([...closure.values(), ...sources.projects]);
  const parts = keepableParts(keys.parts);
  const manifest: Manifest = {
    interpreter: interpreterIdentity(interpreter),
    request: keys.request,
    sources: keys.sources,
    resolvedAt: world.now().toISOString(),
    wheels,
    direct: [...sources.projects],
    relied: relied
      .filter(({ name }) => mentioned.has(name))
      .map(({ name, version }) => ({ name, version })),
    effort: Math.max(effort, Math.round((performance.now() - start) / 100) / 10),
    python: interpreter.version,
    ...(parts === undefined ? {} : { parts }),
  };
  await wheelhouses.seal(wheelhouse, manifest);
  return { manifest, hasInstalledSources: sources.isInstalled };
}

/** Writes the page of the files that lock files name. @returns its path, if there are any */
async function writeLinks(
  { requested, request, scratch }: FillRun,
  { wheelhouses }: World,
): Promise<string | undefined> {
  // An address in a lock has no upload time; with a minimum age, its file has to come from an index.
  const links = (requested.lock?.links ?? []).filter(
    ({ isPath }) => isPath || request.releaseAge === undefined,
  );
  if (links.length === 0) return undefined;
  const file = path.join(scratch, 'lock.html');
  await wheelhouses.write(file, linksPage(links, request.workingDirectory));
  return file;
}

function filesOf(wheels: readonly Pick<Wheel, 'file'>[]): string[] {
  return wheels.map(({ file }) => file);
}

/**
 * Keeps wheels that the request's hashes do not admit out of the lock, whatever pip's configuration
 * allows and whatever pip prints.
 * @throws FillError
 */
function refuseUnhashed(wheels: readonly Wheel[], rules: HashRules): void {
  const refused = wheels.filter((wheel) => !isAdmitted(wheel, rules));
  if (refused.length === 0) return;
  throw new FillError(
    `pip chose files that the hashes of the requirements do not allow: ${filesOf(refused).join(', ')}. Run again without the cache (restore-cache: false); if that fails too, compile the requirements again.`,
    '',
  );
}

/**
 * Returns the installed projects that the request does not name, as if they had no dependencies. With
 * hashes pip takes no dependency that has none, unless the environment already satisfies it, and
 * pip-compile relies on that: it leaves out pip and setuptools. So what is installed takes part in the
 * resolution.
 */
async function installedProjects(run: FillRun, world: World, { stubs, wheels }: ResolvedSources) {
  const named = [...indexRequirements(run.requested.lines), ...stubs, ...wheels];
  const requested = new Set(named.map(({ name }) => name));
  return (
    [...(await world.python.installed(run.interpreter))]
      // There can be no stub of a metadata directory with an unusual name.
      .filter(([, version]) => isWheelFileName(`stub-${version}-py3-none-any.whl`))
      .filter(([name]) => !requested.has(name))
      .map(([name, version]) => ({ name, version, requires: [] }))
  );
}

/** Returns the names of the projects that others depend on. */
function mentionedNames(projects: readonly Pick<ReportItem, 'requires'>[]): Set<string> {
  const requirements = projects.flatMap(({ requires }) => requires);
  return new Set(
    requirements.flatMap((text) => {
      const [name] = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text) ?? [];
      return name === undefined ? [] : [normalizeName(name)];
    }),
  );
}

/**
 * Returns the built wheels that pip may take instead of building again: those of pinned versions, and
 * of versions that the index still offers, because pip would not notice that they are gone. With
 * prefer-binary only pins count: an old built wheel would always win over a newer sdist.
 */
async function offersOf(run: FillRun, world: World): Promise<Offer[]> {
  const { index, settings, wheelhouse } = run;
  const built = run.earlier.filter(
    ({ origin, role, url }) => origin === 'built' && role === 'runtime' && url === undefined,
  );
  if (!index.mayOffer || built.length === 0) return [];
  const lines = await applicableRequirements(run, world);
  const offers = built.map(async ({ name, version, sha256, file }): Promise<Offer[]> => {
    const isPin = isPinned(lines, name, version);
    const mayOffer =
      isPin ||
      (!settings.flag('prefer-binary') &&
        (index.role === 'none' || (await isOffered(index, world, name, version))));
    const url = pathToFileURL(path.join(wheelhouse, file)).href;
    return mayOffer ? [{ name, version, sha256, url, isPin }] : [];
  });
  return (await Promise.all(offers)).flat();
}

/**
 * Names the closure of a request in a wheelhouse.
 * @param options.stale wheels to close without, as the index no longer offers them, or offers another
 *   version. Without hashes they count if pip finds no closure otherwise.
 * @param options.stubs paths
 * @returns by file name, without stubs
 */
async function close(
  run: FillRun,
  world: World,
  options: {
    readonly request: GeneratedRequest;
    readonly stale: readonly string[];
    readonly stubs: ReadonlySet<string>;
  },
): Promise<Map<string, ReportItem>> {
  const { wheelhouse } = run;
  const { wheelhouses } = world;
  const { request, stale, stubs } = options;
  const resolve = (): Promise<ReportItem[]> =>
    resolveOffline(run, world, request, { installed: 'is ignored' });
  const aside = await wheelhouses.stage(run.workplace);
  const moveStale = async (from: string, to: string): Promise<void> => {
    for (const file of stale) await wheelhouses.move(file, from, to);
  };
  await moveStale(wheelhouse, aside);
  const present = await wheelhouses.list(wheelhouse);
  const items = await resolve()
    .finally(() => moveStale(aside, wheelhouse))
    .catch((error: unknown) => {
      const mayRetry = stale.length > 0 && !isHashMode(run.requested.lines);
      if (error instanceof FillError && mayRetry) return resolve();
      throw error;
    });

  const closure = new Map<string, ReportItem>();
  for (const item of items) {
    const source = item.url.startsWith('file:') ? fileURLToPath(item.url) : undefined;
    if (source !== undefined && stubs.has(source)) continue;
    // pip has fetched a wheel again that another one names by its URL.
    const file = source === undefined ? wheelOf(item, present) : path.basename(source);
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

/** Returns the file of a project's version. */
function wheelOf(
  { name, version }: BuildRequirement,
  files: readonly string[],
): string | undefined {
  return files.find((file) => {
    const parts = wheelNameParts(file);
    return parts.name === name && sameVersion(parts.version, version);
  });
}

/**
 * Adds the packages that local projects were built with, so that a later run builds them offline.
 * @returns their files
 */
async function addBuildRequirements(
  run: FillRun,
  world: World,
  requirements: readonly BuildRequirement[],
): Promise<string[]> {
  const present = await world.wheelhouses.list(run.wheelhouse);
  const files = requirements.flatMap((each) => wheelOf(each, present) ?? []);
  let missing = requirements.filter((each) => wheelOf(each, present) === undefined);
  try {
    // A request can name only one version of a project.
    while (missing.length > 0) {
      const versions = new Map(missing.map(({ name, version }) => [name, version]));
      missing = missing.filter(({ name, version }) => versions.get(name) !== version);
      const lines = [...versions].map(([name, version]) => `${name}==${version}`);
      files.push(...(await addWheels(run, world, plainRequest(lines))).files);
    }
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    world.reporter.info(
      'Some build requirements of local projects could not be added to the wheelhouse, so the next run will need the index.',
    );
  }
  return files;
}

/**
 * Adds the installer itself (uv), if it is not on PATH. A cached one is reused without checking for
 * updates.
 * @returns its files
 */
async function addTools(run: FillRun, world: World): Promise<readonly string[]> {
  if (run.request.installer !== 'uv' || run.uv !== undefined) return [];
  const cached = run.earlier.filter((wheel) => wheel.role === 'tool');
  if (cached.length > 0) return filesOf(cached);
  return (await addWheels(run, world, plainRequest(['uv']))).files;
}

/** What is in a wheelhouse after a fill. */
interface Contents {
  /** By file. */
  readonly closure: ReadonlyMap<string, ReportItem>;
  readonly build: readonly string[];
  readonly tools: readonly string[];
  readonly urlWheels: readonly UrlWheel[];
  /** The files of the closure that pip has built. */
  readonly built: ReadonlySet<string>;
}

/** Returns the manifest's entries; wheels that were verified before keep their origin. */
async function describe(
  run: FillRun,
  world: World,
  { closure, build, tools, urlWheels, built }: Contents,
): Promise<Wheel[]> {
  const hashesByName = requestedHashes(run.requested.lines);
  const earlier = new Map(run.earlier.map((wheel) => [wheel.file, wheel]));
  const names = new Set([...closure.keys(), ...build, ...tools]);
  const files = await world.wheelhouses.measure(run.wheelhouse, [...names].sort());
  const pipCache = run.settings.text('cache-dir') ?? run.interpreter.pipCache;
  const unverified = files.filter(({ file, sha256 }) => earlier.get(file)?.sha256 !== sha256);
  const cachedBuilds = await world.python.cachedBuilds(pipCache, unverified);
  return files.map(({ file, sha256, size }): Wheel => {
    const item = closure.get(file);
    const { name, version } = wheelNameParts(file);
    const before = earlier.get(file);
    const fromUrl = urlWheels.findLast((wheel) => wheel.file === file);
    const hashes = item && (fromUrl ? fromUrl.requirement.hashes : hashesByName.get(name));
    // pip has checked what it downloaded: a new file that no hash names was built from one that was.
    const isUnnamed =
      before === undefined &&
      hashes?.every((hash) => hash.startsWith('sha256:')) &&
      !hashes.includes(`sha256:${sha256}`);
    const isBuilt =
      built.has(file) || fromUrl?.origin === 'built' || cachedBuilds.has(file) || isUnnamed;
    const origin = isBuilt ? 'built' : 'downloaded';
    return {
      name,
      project: item?.writtenName ?? name,
      version: item?.version ?? version,
      ...{ file, sha256, size },
      origin: before?.sha256 === sha256 ? before.origin : origin,
      role: item ? 'runtime' : build.includes(file) ? 'build' : 'tool',
      ...(hashes === undefined ? {} : { requestHashes: hashes }),
      ...(fromUrl === undefined ? {} : { url: fromUrl.requirement.shownTarget }),
    };
  });
}
