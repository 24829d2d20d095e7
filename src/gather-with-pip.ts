/** Gathers the closure of a request with pip. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { wheelNameParts } from './logic/names.ts';
import { fillFiles, linksPage, type Offer } from './logic/request-file.ts';
import { isHashMode, isPinned } from './logic/requirements.ts';
import { constraintsFile, fetchClosure } from './pip.ts';
import type { World } from './ports.ts';
import { applicableRequirements } from './request.ts';
import type { Additional, FillRun, GatheredWheel } from './run.ts';

/**
 * Downloads or builds the closure of the lines of a run into its wheelhouse.
 * @returns its wheels; others may be left in the wheelhouse
 * @throws FillError with pip's last words and one sentence of advice
 */
export async function gatherWithPip(
  run: FillRun,
  world: World,
  { resolved, stubs }: Additional,
): Promise<GatheredWheel[]> {
  const { wheelhouses, python } = world;
  const { lines } = run.requested;
  const request = fillFiles(lines, constraintsFile(run), {
    resolved,
    offers: await offersOf(run, world),
    hashMode: isHashMode(lines),
    linksFile: await writeLinks(run, world),
  });
  const { directory, files, built } = await fetchClosure(run, world, request);
  const notInstalled = new Set([...stubs].map((stub) => path.basename(stub)));
  const closure = files.filter((file) => !notInstalled.has(file));
  const measured = await wheelhouses.measure(directory, closure);
  const metadata = await python.dependencies(run.interpreter, directory, closure);
  for (const file of closure) await wheelhouses.move(file, directory, run.wheelhouse);
  return measured.map((wheel, index): GatheredWheel => {
    const origin = built.has(wheel.file) ? 'built' : 'downloaded';
    const named = wheelNameParts(wheel.file);
    const { name, version, requires } = metadata[index] ?? { ...named, requires: [] };
    return { ...wheel, writtenName: name, version, requires, origin };
  });
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

/**
 * Returns the built wheels of pinned versions, which pip takes instead of building again. Those of other
 * versions stand on the pages of the gateway; without any index they are offered too.
 */
async function offersOf(run: FillRun, world: World): Promise<Offer[]> {
  const { index, settings, wheelhouse } = run;
  const built = run.earlier.filter(
    ({ origin, role, url }) => origin === 'built' && role === 'runtime' && url === undefined,
  );
  if (!index.mayOffer || built.length === 0) return [];
  const lines = await applicableRequirements(run, world);
  const mayOfferAll = index.role === 'none' && !settings.flag('prefer-binary');
  return built.flatMap(({ name, version, sha256, file }): Offer[] => {
    const isPin = isPinned(lines, name, version);
    const url = pathToFileURL(path.join(wheelhouse, file)).href;
    return isPin || mayOfferAll ? [{ name, version, sha256, url, isPin }] : [];
  });
}
