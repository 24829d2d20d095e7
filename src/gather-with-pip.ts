/**
 * Gathers the closure of a request with pip: pip chooses and builds wheels with the index, then names
 * the exact closure without it.
 */
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isOffered } from './choose-index.ts';
import { wheelOf } from './logic/names.ts';
import type { ReportItem } from './logic/pip-output.ts';
import {
  closeFiles,
  fillFiles,
  type GeneratedRequest,
  linksPage,
  type Offer,
} from './logic/request-file.ts';
import { isHashMode, isPinned } from './logic/requirements.ts';
import { constraintsFile, FillError, fetchClosure, resolveOffline } from './pip.ts';
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
  const { lines } = run.requested;
  const request = fillFiles(lines, constraintsFile(run), {
    resolved,
    offers: await offersOf(run, world),
    hashMode: isHashMode(lines),
    linksFile: await writeLinks(run, world),
  });
  const { reused, built } = await fetchClosure(run, world, request);
  const inRequest = resolved.map(({ url }) => path.basename(fileURLToPath(url)));
  const chosen = new Set([...reused, ...built, ...inRequest]);
  const closure = await close(run, world, {
    request: closeFiles(lines, resolved, constraintsFile(run)),
    stale: run.earlier.map(({ file }) => file).filter((file) => !chosen.has(file)),
    stubs,
  });
  const files = await world.wheelhouses.measure(run.wheelhouse, [...closure.keys()]);
  const earlier = new Map(run.earlier.map(({ file, sha256 }) => [file, sha256]));
  const pipCache = run.settings.text('cache-dir') ?? run.interpreter.pipCache;
  const unverified = files.filter(({ file, sha256 }) => earlier.get(file) !== sha256);
  const cachedBuilds = await world.python.cachedBuilds(pipCache, unverified);
  return files.flatMap((measured): GatheredWheel[] => {
    const item = closure.get(measured.file);
    if (item === undefined) return [];
    const { writtenName, version, requires } = item;
    const isBuilt = built.has(measured.file) || cachedBuilds.has(measured.file);
    return [
      { ...measured, writtenName, version, requires, origin: isBuilt ? 'built' : 'downloaded' },
    ];
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
