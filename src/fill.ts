/**
 * Fills a wheelhouse: gathers the closure of the request, adds what later runs need to build local
 * projects, and describes everything in the manifest. All other wheels are deleted.
 */
import { fileURLToPath } from 'node:url';
import { gatherWithPip } from './gather-with-pip.ts';
import { gatherWithUv } from './gather-with-uv.ts';
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
import type { Request } from './logic/model.ts';
import { isWheelFileName, normalizeName, wheelNameParts, wheelOf } from './logic/names.ts';
import type { BuildRequirement } from './logic/pip-output.ts';
import { plainRequest } from './logic/request-file.ts';
import { indexRequirements, isHashMode, requestedHashes } from './logic/requirements.ts';
import { addWheels, FillError } from './pip.ts';
import type { World } from './ports.ts';
import type { Fill, FillRun, GatheredWheel } from './run.ts';

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
  const additional = { resolved, stubs: new Set(stubs.map(({ url }) => fileURLToPath(url))) };
  const closure =
    run.uv === undefined
      ? await gatherWithPip(run, world, additional)
      : await gatherWithUv(run, world, additional, run.uv);
  const others = run.earlier.filter(({ role }) => role !== 'runtime');
  await wheelhouses.keepOnly(wheelhouse, filesOf([...closure, ...others]));
  const build = await addBuildRequirements(run, world, sources.builtWith);
  const contents = { closure, build, urlWheels: sources.wheels };
  const wheels = await describe(run, world, contents);
  refuseUnhashed(wheels, rules, run.request.installer);
  const mentioned = mentionedNames([...closure, ...sources.projects]);
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

/**
 * Keeps wheels that the request's hashes do not admit out of the lock, whatever pip's configuration
 * allows and whatever it prints.
 * @throws FillError
 */
function refuseUnhashed(
  wheels: readonly Wheel[],
  rules: HashRules,
  installer: Request['installer'],
): void {
  const refused = wheels.filter((wheel) => !isAdmitted(wheel, rules));
  if (refused.length === 0) return;
  throw new FillError(
    `${installer} chose files that the hashes of the requirements do not allow: ${filesOf(refused).join(', ')}. Run again without the cache (restore-cache: false); if that fails too, compile the requirements again.`,
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
function mentionedNames(projects: readonly Pick<GatheredWheel, 'requires'>[]): Set<string> {
  const requirements = projects.flatMap(({ requires }) => requires);
  return new Set(
    requirements.flatMap((text) => {
      const [name] = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text) ?? [];
      return name === undefined ? [] : [normalizeName(name)];
    }),
  );
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

function filesOf(wheels: readonly { readonly file: string }[]): string[] {
  return wheels.map(({ file }) => file);
}

/** What is in a wheelhouse after a fill. */
interface Contents {
  readonly closure: readonly GatheredWheel[];
  readonly build: readonly string[];
  readonly urlWheels: readonly UrlWheel[];
}

/** Returns the manifest's entries; wheels that were verified before keep their origin. */
async function describe(
  run: FillRun,
  world: World,
  { closure, build, urlWheels }: Contents,
): Promise<Wheel[]> {
  const hashesByName = requestedHashes(run.requested.lines);
  const earlier = new Map(run.earlier.map((wheel) => [wheel.file, wheel]));
  const gathered = new Map(closure.map((wheel) => [wheel.file, wheel]));
  const others = [...new Set(build)].filter((file) => !gathered.has(file));
  const measured = await world.wheelhouses.measure(run.wheelhouse, others);
  const files = [...closure, ...measured].sort((a, b) => (a.file < b.file ? -1 : 1));
  return files.map(({ file, sha256, size }): Wheel => {
    const item = gathered.get(file);
    const { name, version } = wheelNameParts(file);
    const before = earlier.get(file);
    const fromUrl = urlWheels.findLast((wheel) => wheel.file === file);
    const hashes = item && (fromUrl ? fromUrl.requirement.hashes : hashesByName.get(name));
    // What was downloaded has been checked: a new file that no hash names was built from one that was.
    const isUnnamed =
      before === undefined &&
      hashes?.every((hash) => hash.startsWith('sha256:')) &&
      !hashes.includes(`sha256:${sha256}`);
    const isBuilt = item?.origin === 'built' || fromUrl?.origin === 'built' || isUnnamed;
    const origin = isBuilt ? 'built' : 'downloaded';
    const sdist = item?.sdist ?? before?.sdist;
    return {
      name,
      project: item?.writtenName ?? name,
      version: item?.version ?? version,
      ...{ file, sha256, size },
      origin: before?.sha256 === sha256 ? before.origin : origin,
      role: item ? 'runtime' : 'build',
      ...(hashes === undefined ? {} : { requestHashes: hashes }),
      ...(fromUrl === undefined ? {} : { url: fromUrl.requirement.shownTarget }),
      ...(sdist === undefined ? {} : { sdist }),
    };
  });
}
