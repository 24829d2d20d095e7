/**
 * Fills a wheelhouse and closes it: pip chooses and builds against the index, then names the exact
 * closure without it, and what is not in the closure goes.
 */
import { devNull } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import type { ChosenIndex } from './choose-index.ts';
import { fillEnvironment, offlineEnvironment } from './plan/environment.ts';
import { canonical, interpreterIdentity, isOn, type Keys } from './plan/key.ts';
import {
  type DirectProject,
  isAdmitted,
  keepableParts,
  type Manifest,
  type Wheel,
  wheelNameParts,
} from './plan/manifest.ts';
import {
  type DirectRequirement,
  type IndexRequirement,
  type Interpreter,
  type Request,
  type RequestedSet,
  UserError,
} from './plan/model.ts';
import { closeArgs, type FillOptions, fetchArgs, fillArgs, metadataArgs } from './plan/pip-args.ts';
import {
  adviceFor,
  isNotFound,
  isUnreachable,
  lastWords,
  parseReport,
  type ReportItem,
  readFillLog,
} from './plan/pip-output.ts';
import {
  closeFiles,
  fillFiles,
  type GeneratedFile,
  type GeneratedRequest,
  type Offer,
  plainFile,
  type Resolved,
  withUserSources,
} from './plan/request-file.ts';
import {
  askedHashes,
  directRequirements,
  indexRequirements,
  isCacheable,
  isHashMode,
  isPinned,
} from './plan/requirements.ts';
import type { PipResult, Stub, World } from './ports.ts';

/** Everything that is known before anything is looked for. */
export interface Plan {
  readonly request: Request;
  readonly interpreter: Interpreter;
  readonly settings: ReadonlyMap<string, string>;
  readonly requested: RequestedSet;
  readonly keys: Keys;
  /** uv on PATH, when it is the installer and is there. */
  readonly uv: string | undefined;
  /** A directory for all that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for generated files. */
  readonly scratch: string;
}

/** A plan with the index that it is carried out with. */
export interface FillPlan extends Plan {
  readonly index: ChosenIndex;
}

/** pip could not fill the wheelhouse. */
export class FillError extends UserError {
  /** The index did not answer: not the request's fault. */
  readonly unreachable: boolean;
  /** Another index of the same content may do better: it did not answer, or did not have it. */
  readonly maybeIndex: boolean;

  constructor(message: string, output: string) {
    super(message);
    this.unreachable = isUnreachable(output);
    this.maybeIndex = this.unreachable || isNotFound(output);
  }
}

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
  const kept = usable.filter((wheel) => isAdmitted(wheel, asked));
  if (!resume) {
    await world.wheelhouses.keepOnly(
      directory,
      kept.map((wheel) => wheel.file),
    );
  }

  const direct = await resolveDirect(plan, world, directory, kept);
  const index = await applying(plan, world);
  const offers = offersOf(plan, directory, kept, index);
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

function constraintsFile(plan: Plan): string {
  return path.join(plan.scratch, 'constraints.txt');
}

function fillOptions(plan: Plan, wheelDir: string, requestFile: string): FillOptions {
  return { wheelDir, requestFile, usePep517: usePep517(plan.interpreter) };
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

/** pip before 23.1 runs setup.py in the open where it can't: without setuptools or wheel it fails. */
function usePep517(interpreter: Interpreter): boolean {
  const [major = 0, minor = 0] = (interpreter.pip ?? '').split('.').map(Number);
  return (major < 23 || (major === 23 && minor < 1)) && !interpreter.buildsLegacy;
}

/** Files that a run of pip is given, by path: what it says of them is said of the user's own. */
type Generated = ReadonlyMap<string, GeneratedFile>;

async function writeRequest(
  plan: FillPlan,
  world: World,
  requestFile: string,
  files: GeneratedRequest,
): Promise<Generated> {
  await world.wheelhouses.write(constraintsFile(plan), files.constraints.text);
  await world.wheelhouses.write(requestFile, files.request.text);
  return new Map([
    [requestFile, files.request],
    [constraintsFile(plan), files.constraints],
  ]);
}

/** Runs pip with index and credentials. @returns its output */
async function runFill(
  plan: FillPlan,
  world: World,
  args: readonly string[],
  generated: Generated,
): Promise<string> {
  const { exitCode, output } = await world.python.pip(plan.interpreter, args, {
    cwd: plan.request.workingDirectory,
    env: fillEnvironment(
      plan.request.environment,
      plan.interpreter.pipConfig,
      plan.index.environment,
      plan.interpreter.keyring,
    ),
    rewrite: (line) => withUserSources(line, generated),
  });
  if (exitCode !== 0) throw fillError(output);
  return output;
}

function fillError(output: string): FillError {
  return new FillError(
    `pip could not get all wheels. ${adviceFor(output)}\n${lastWords(output)}`,
    output,
  );
}

interface DirectResult {
  /** In the order of the request; a requirement whose marker does not apply is missing. */
  readonly resolved: readonly Resolved[];
  readonly projects: readonly DirectProject[];
  /** Paths of the stubs. */
  readonly stubs: readonly string[];
  /** Wheels that came from URLs, by file name. */
  readonly files: readonly string[];
  readonly urls: ReadonlyMap<string, DirectRequirement>;
  readonly built: readonly string[];
}

/**
 * Turns direct requirements into files that pip can resolve together with all others. A URL with a
 * hash becomes its wheel; of anything else only the metadata is taken: a stub stands for it, so
 * that its dependencies come into the wheelhouse and it does not.
 */
async function resolveDirect(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
): Promise<DirectResult> {
  const resolved: (Resolved & { order: number })[] = [];
  const urls = new Map<string, DirectRequirement>();
  const built: string[] = [];
  const metadata: { requirement: DirectRequirement; item: ReportItem; order: number }[] = [];
  for (const [order, requirement] of directRequirements(plan.requested.lines).entries()) {
    const requestFile = path.join(plan.scratch, `direct-${order}.txt`);
    const file = plainFile([requirement.text], requirement.source);
    await world.wheelhouses.write(requestFile, file.text);
    const generated = new Map([[requestFile, file]]);
    if (isCacheable(requirement)) {
      const got = await fetchUrl(plan, world, directory, kept, requirement, generated);
      if (got === undefined) continue;
      if (got.built) built.push(got.file);
      urls.set(got.file, requirement);
      const [measured] = await world.wheelhouses.measure(directory, [got.file]);
      resolved.push({
        requirement,
        name: wheelNameParts(got.file).name,
        url: pathToFileURL(path.join(directory, got.file)).href,
        sha256: measured?.sha256 ?? '',
        order,
      });
    } else {
      const report = path.join(plan.scratch, `direct-${order}.json`);
      await runFill(plan, world, metadataArgs({ requestFile, report }), generated);
      const [item] = parseReport(await world.wheelhouses.read(report));
      if (item) metadata.push({ requirement, item, order });
    }
  }
  const stubs = await writeStubs(
    plan,
    world,
    metadata.map(({ item }) => item),
  );
  for (const [index, { requirement, item, order }] of metadata.entries()) {
    const { file = '', sha256 = '' } = stubs[index] ?? {};
    resolved.push({ requirement, name: item.name, url: pathToFileURL(file).href, sha256, order });
  }
  return {
    resolved: resolved.sort((a, b) => a.order - b.order),
    projects: metadata.map(({ requirement, item }) => directProject(requirement, item)),
    stubs: stubs.map((stub) => stub.file),
    files: [...urls.keys()],
    urls,
    built,
  };
}

/** What the manifest says of a direct requirement, to see whether its dependencies change. */
export function directProject(requirement: DirectRequirement, item: ReportItem): DirectProject {
  return { requirement: canonical(requirement), name: item.name, requires: item.requires };
}

async function writeStubs(
  plan: FillPlan,
  world: World,
  stubs: readonly Stub[],
): Promise<{ file: string; sha256: string }[]> {
  if (stubs.length === 0) return [];
  const files = await world.python.writeStubs(plan.interpreter, plan.scratch, stubs);
  return Promise.all(
    files.map(async (file) => {
      const [measured] = await world.wheelhouses.measure(path.dirname(file), [path.basename(file)]);
      return { file, sha256: measured?.sha256 ?? '' };
    }),
  );
}

/** The wheel of a URL with a hash: the one of an earlier run, or fetched (and built) now. */
async function fetchUrl(
  plan: FillPlan,
  world: World,
  directory: string,
  kept: readonly Wheel[],
  requirement: DirectRequirement,
  generated: Generated,
): Promise<{ file: string; built: boolean } | undefined> {
  const known = kept.find(
    (wheel) =>
      wheel.url === requirement.shownTarget && wheel.asked?.join() === requirement.hashes.join(),
  );
  if (known) return { file: known.file, built: known.origin === 'built' };
  const place = await world.wheelhouses.stage(plan.workplace);
  const [requestFile = ''] = generated.keys();
  const args = fetchArgs(fillOptions(plan, place, requestFile));
  const log = await runFill(plan, world, args, generated);
  const [file] = await world.wheelhouses.list(place);
  if (file === undefined) return undefined;
  await world.wheelhouses.move(file, place, directory);
  return { file, built: readFillLog(log).built.has(file) };
}

/**
 * Built wheels that pip may take instead of building again. With prefer-binary an old built wheel
 * would win over a newer sdist for ever, so there only pinned ones are offered.
 */
function offersOf(
  plan: FillPlan,
  directory: string,
  kept: readonly Wheel[],
  index: readonly IndexRequirement[],
): Offer[] {
  if (!plan.index.mayOffer) return [];
  const { lines } = plan.requested;
  const preferBinary =
    isOn(plan.settings, 'prefer-binary') ||
    lines.some((line) => line.kind === 'option' && line.name === 'prefer-binary');
  return kept
    .filter((wheel) => wheel.origin === 'built' && wheel.url === undefined)
    .filter((wheel) => !preferBinary || isPinned(index, wheel.name, wheel.version))
    .map((wheel) => ({
      name: wheel.name,
      version: wheel.version,
      sha256: wheel.sha256,
      url: pathToFileURL(path.join(directory, wheel.file)).href,
    }));
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
        noDeps: isOn(plan.settings, 'no-deps'),
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
  const closure = parseReport(await world.wheelhouses.read(report))
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
  // pip reads this setting the wrong way round: a yes leaves isolation on (seen on 22.2 and 26.3).
  if (plan.settings.has('no-build-isolation') && !isOn(plan.settings, 'no-build-isolation')) {
    return all;
  }
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
