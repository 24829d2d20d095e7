/**
 * Fills a wheelhouse and closes it: pip chooses and builds against the index, then names the exact
 * closure without it, and what is not in the closure goes.
 */

import { devNull } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isOffered } from './choose-index.ts';
import { resolveDirect } from './direct.ts';
import {
  constraintsFile,
  fillError,
  fillOptions,
  readReport,
  runFill,
  writeRequest,
} from './pip-fill.ts';
import { hashRules, isAdmitted } from './plan/admission.ts';
import { offlineEnvironment } from './plan/environment.ts';
import { interpreterIdentity } from './plan/key.ts';
import { keepableParts, type Manifest, type Wheel } from './plan/manifest.ts';
import type { DirectRequirement, IndexRequirement } from './plan/model.ts';
import { wheelNameParts } from './plan/names.ts';
import { closeArgs, fillArgs } from './plan/pip-args.ts';
import { readFillLog } from './plan/pip-output.ts';
import { isolatesBuilds } from './plan/pip-settings.ts';
import {
  closeFiles,
  fillFiles,
  type GeneratedRequest,
  type Offer,
  plainFile,
  withUserSources,
} from './plan/request-file.ts';
import { askedHashes, indexRequirements, isHashMode, isPinned } from './plan/requirements.ts';
import type { PipResult, World } from './ports.ts';
import type { FillPlan, Plan } from './run.ts';

/**
 * Makes a wheelhouse complete for a plan, in place.
 * @param directory holds the wheels of `usable` and nothing else
 * @param usable verified wheels of an earlier wheelhouse; those that the request's hashes do not
 *   admit are deleted, and everything else that lies there
 * @param options.resume keep what an attempt before this one has left
 * @param options.effort seconds that the earlier wheelhouse took
 * @returns the manifest, already written with its lock
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function fill(
  plan: FillPlan,
  world: World,
  directory: string,
  usable: readonly Wheel[],
  { resume, effort }: { readonly resume: boolean; readonly effort: number },
): Promise<Manifest> {
  const start = performance.now();
  const { lines } = plan.requested;
  const asked = askedHashes(lines);
  const rules = hashRules(lines, plan.settings.configured);
  const kept = usable.filter((wheel) => isAdmitted(wheel, rules));
  if (!resume) {
    await world.wheelhouses.keepOnly(
      directory,
      kept.map((wheel) => wheel.file),
    );
  }

  const direct = await resolveDirect(plan, world, directory, kept);
  const index = await applying(plan, world);
  const offers = await offersOf(plan, world, directory, kept, index);
  const requestFile = path.join(plan.scratch, 'request.txt');
  const files = fillFiles(lines, direct.resolved, offers, isHashMode(lines), constraintsFile(plan));
  const generated = await writeRequest(plan, world, requestFile, files);
  const log = await runFill(
    plan,
    world,
    fillArgs(fillOptions(plan, directory, requestFile)),
    generated,
  );

  const chosen = readFillLog(log);
  const built = new Set([...chosen.built, ...direct.built]);
  const runtime = await close(plan, world, directory, {
    files: closeFiles(lines, direct.resolved, constraintsFile(plan)),
    stale: await staleFiles(
      world,
      directory,
      kept,
      new Set([...chosen.reused, ...built, ...direct.files]),
    ),
    stubs: new Set(direct.stubs),
  });
  const forBuilding = await fillBuildRequirements(plan, world, directory, kept);
  const tools = await fillTools(plan, world, directory, kept);
  await world.wheelhouses.keepOnly(directory, [
    ...runtime.keys(),
    ...forBuilding.keys(),
    ...tools.keys(),
  ]);

  const wheels = await describe(world, directory, {
    runtime,
    forBuilding,
    tools,
    kept,
    built,
    asked,
    urls: direct.urls,
  });
  const parts = keepableParts(plan.keys.parts);
  const manifest: Manifest = {
    interpreter: interpreterIdentity(plan.interpreter),
    request: plan.keys.request,
    sources: plan.keys.sources,
    resolvedAt: world.now().toISOString(),
    pinned: wheels
      .filter((wheel) => wheel.role === 'runtime')
      .every((wheel) => wheel.url !== undefined || isPinned(index, wheel.name, wheel.version)),
    wheels,
    direct: direct.projects,
    effort: Math.max(effort, Math.round((performance.now() - start) / 100) / 10),
    python: plan.interpreter.version,
    ...(parts === undefined ? {} : { parts }),
  };
  await world.wheelhouses.seal(directory, manifest);
  return manifest;
}

/** The request's lines for an index that apply to the interpreter. */
async function applying(plan: Plan, world: World): Promise<IndexRequirement[]> {
  const lines = indexRequirements(plan.requested.lines);
  const markers = [...new Set(lines.flatMap((line) => line.marker ?? []))];
  if (markers.length === 0) return lines;
  const applies = await world.python.applies(plan.interpreter, markers);
  const met = new Set(markers.filter((_marker, index) => applies[index]));
  return lines.filter((line) => line.marker === undefined || met.has(line.marker));
}

/**
 * Built wheels that pip may take instead of building again: those of pins, and of versions that
 * the index is asked about, as pip would not say that they are gone. With prefer-binary an old
 * built wheel would win over a newer sdist for ever, so there only pins count.
 */
async function offersOf(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
  lines: readonly IndexRequirement[],
): Promise<Offer[]> {
  const { index, settings } = plan;
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
      return mayOffer ? [{ name, version, sha256, url }] : [];
    });
  return (await Promise.all(offers)).flat();
}

/** Wheels of earlier runs that this fill did not choose. */
async function staleFiles(
  world: World,
  directory: string,
  kept: readonly Wheel[],
  chosen: ReadonlySet<string>,
): Promise<string[]> {
  const earlier = new Set(kept.map((wheel) => wheel.file));
  return (await world.wheelhouses.list(directory)).filter(
    (file) => earlier.has(file) && !chosen.has(file),
  );
}

/**
 * Names the closure of a request in a wheelhouse.
 * @param options.stale files that must not be found: what the index no longer offers, or offers
 *   in another version. Only when pip finds no closure without them they count.
 * @returns version by file name of the closure's wheels, without stubs
 */
async function close(
  plan: FillPlan,
  world: World,
  directory: string,
  options: {
    readonly files: GeneratedRequest;
    readonly stale: readonly string[];
    readonly stubs: ReadonlySet<string>;
  },
): Promise<Map<string, string>> {
  const report = path.join(plan.scratch, 'closure.json');
  const requestFile = path.join(plan.scratch, 'close.txt');
  const generated = await writeRequest(plan, world, requestFile, options.files);
  const resolve = (): Promise<PipResult> =>
    world.python.pip(
      plan.interpreter,
      closeArgs({
        wheelDir: directory,
        requestFile,
        report,
        noDeps: plan.settings.flag('no-deps'),
      }),
      {
        cwd: plan.request.workingDirectory,
        env: offlineEnvironment(plan.request.environment, devNull),
        rewrite: (line) => withUserSources(line, generated),
      },
    );
  const aside = await world.wheelhouses.stage(plan.workplace);
  for (const file of options.stale) await world.wheelhouses.move(file, directory, aside);
  let result = await resolve();
  for (const file of options.stale) await world.wheelhouses.move(file, aside, directory);
  if (result.exitCode !== 0 && options.stale.length > 0) result = await resolve();
  if (result.exitCode !== 0) throw fillError(result.output);
  const closure = (await readReport(world, report, result.output))
    .map((item) => [fileURLToPath(item.url), item.version] as const)
    .filter(([file]) => !options.stubs.has(file));
  return new Map(closure.map(([file, version]) => [path.basename(file), version]));
}

/** What local projects need to be built, so that a later run builds them offline. */
async function fillBuildRequirements(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  if (!isolatesBuilds(plan.settings)) return all;
  const sets = new Map(
    plan.requested.projects
      .filter((project) => project.buildRequires.length > 0)
      .map((project) => [project.buildRequires.join('\n'), project.buildRequires]),
  );
  for (const requires of sets.values()) {
    for (const [file, version] of await fillBeside(plan, world, directory, kept, requires)) {
      all.set(file, version);
    }
  }
  return all;
}

/** Programs that install, where the machine has none. One that was kept stays: it does its work. */
async function fillTools(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
): Promise<Map<string, string>> {
  if (plan.request.installer !== 'uv' || plan.uv !== undefined) return new Map();
  const known = kept.filter((wheel) => wheel.role === 'tool');
  return known.length > 0
    ? new Map(known.map((wheel) => [wheel.file, wheel.version]))
    : fillBeside(plan, world, directory, kept, ['uv']);
}

/** Fetches requirements that are no part of the request, and names their closure. */
async function fillBeside(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
  requires: readonly string[],
): Promise<Map<string, string>> {
  const requestFile = path.join(plan.scratch, 'beside.txt');
  const files = { request: plainFile(requires), constraints: plainFile([]) };
  const generated = await writeRequest(plan, world, requestFile, files);
  const args = fillArgs(fillOptions(plan, directory, requestFile));
  const log = readFillLog(await runFill(plan, world, args, generated));
  return close(plan, world, directory, {
    files,
    stale: await staleFiles(world, directory, kept, new Set([...log.reused, ...log.built])),
    stubs: new Set(),
  });
}

/** The manifest's entries: verified wheels keep theirs, new ones are measured. */
async function describe(
  world: World,
  directory: string,
  found: {
    /** Version by file name. */
    readonly runtime: ReadonlyMap<string, string>;
    readonly forBuilding: ReadonlyMap<string, string>;
    readonly tools: ReadonlyMap<string, string>;
    readonly kept: readonly Wheel[];
    readonly built: ReadonlySet<string>;
    readonly asked: ReadonlyMap<string, readonly string[]>;
    readonly urls: ReadonlyMap<string, DirectRequirement>;
  },
): Promise<Wheel[]> {
  const versions = new Map([...found.tools, ...found.forBuilding, ...found.runtime]);
  const files = [...versions.keys()].sort();
  const measured = await world.wheelhouses.measure(directory, files);
  return files.map((file, index) => {
    const { sha256 = '', size = 0 } = measured[index] ?? {};
    const { name } = wheelNameParts(file);
    const version = versions.get(file) ?? '';
    const url = found.urls.get(file);
    const asked = url ? url.hashes : found.asked.get(name);
    const before = found.kept.find((wheel) => wheel.file === file && wheel.sha256 === sha256);
    const isHashed = asked?.includes(`sha256:${sha256}`);
    const built =
      found.built.has(file) ||
      (asked !== undefined && !isHashed && asked.every((hash) => hash.startsWith('sha256:')));
    return {
      name,
      version,
      file,
      sha256,
      size,
      origin: before?.origin ?? (built ? 'built' : 'downloaded'),
      role: found.runtime.has(file) ? 'runtime' : found.forBuilding.has(file) ? 'build' : 'tool',
      ...(asked === undefined ? {} : { asked }),
      ...(url === undefined ? {} : { url: url.shownTarget }),
    };
  });
}
