/**
 * Requirements that name their own place. A URL with a hash becomes its wheel; of anything else a
 * stub stands for it while its dependencies are resolved, and it is installed from there, last.
 */

import { devNull } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ChosenIndex, chooseIndex } from './choose-index.ts';
import { installFailure, installOptions } from './install-lock.ts';
import { fillOptions, type Generated, readReport, runFill } from './pip-fill.ts';
import { buildEnvironment, fillEnvironment } from './plan/environment.ts';
import { canonical } from './plan/key.ts';
import type { DirectProject, Wheel } from './plan/manifest.ts';
import { type DirectRequirement, UserError } from './plan/model.ts';
import { wheelNameParts } from './plan/names.ts';
import { fetchArgs, installDirectArgs, metadataArgs } from './plan/pip-args.ts';
import { type ReportItem, readFillLog } from './plan/pip-output.ts';
import { plainFile, type Resolved, withUserSources } from './plan/request-file.ts';
import { directRequirements, isCacheable } from './plan/requirements.ts';
import type { PipResult, Stub, World } from './ports.ts';
import type { Filled, FillPlan, Plan } from './run.ts';

export interface DirectResult {
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
export async function resolveDirect(
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
      const output = await runFill(plan, world, metadataArgs({ requestFile, report }), generated);
      const [item] = await readReport(world, report, output);
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
function directProject(requirement: DirectRequirement, item: ReportItem): DirectProject {
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
 * Installs local projects, branches and bare URLs from their own places.
 * @returns the name of one whose dependencies are others than the manifest says; undefined: none
 */
export async function installDirect(
  plan: Plan,
  world: World,
  wheelhouse: string,
  { manifest, index }: Filled,
): Promise<string | undefined> {
  const { request, interpreter, requested, scratch } = plan;
  let drift: string | undefined;
  for (const [order, requirement] of directRequirements(requested.lines).entries()) {
    if (isCacheable(requirement)) continue;
    const requestFile = path.join(scratch, `install-${order}.txt`);
    const report = path.join(scratch, `install-${order}.json`);
    const file = plainFile([requirement.text], requirement.source);
    await world.wheelhouses.write(requestFile, file.text);
    const attempt = async (noIndex: boolean): Promise<PipResult> =>
      world.python.pip(
        interpreter,
        installDirectArgs({ ...installOptions(plan, wheelhouse), requestFile, report, noIndex }),
        {
          cwd: request.workingDirectory,
          env: noIndex
            ? buildEnvironment(request.environment, plan.settings.configured, devNull)
            : await indexEnvironment(plan, world, index),
          rewrite: (line) => withUserSources(line, new Map([[requestFile, file]])),
        },
      );
    await world.reporter.group(`Install ${requirement.shown}`, async () => {
      let result = await attempt(true);
      if (result.exitCode !== 0) {
        // A backend may ask for more than pyproject.toml says, and a branch says nothing before.
        world.reporter.info('It needs more than the wheelhouse holds: once more with the index.');
        result = await attempt(false);
      }
      if (result.exitCode !== 0) throw new UserError(installFailure('pip', result.output));
      const [item] = await readReport(world, report, result.output);
      if (!item) return;
      const now = directProject(requirement, item);
      const before = manifest.direct.find((project) => project.requirement === now.requirement);
      if (JSON.stringify(now.requires) !== JSON.stringify(before?.requires)) drift = now.name;
    });
  }
  return drift;
}

/** For a build that needs an index after all. */
async function indexEnvironment(
  plan: Plan,
  world: World,
  index: ChosenIndex | undefined,
): Promise<Record<string, string>> {
  const { environment } = index ?? (await chooseIndex(plan, world));
  const { request, interpreter } = plan;
  return fillEnvironment(
    request.environment,
    interpreter.pipConfig,
    environment,
    interpreter.keyring,
  );
}
