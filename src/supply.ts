/**
 * Supplies a run with a complete wheelhouse: one that was found and serves as it is, one that is
 * filled from an index, or the last good one while no index can be used.
 */
import { checkIndex, chooseIndex, IndexDown, indexAfterMirror } from './choose-index.ts';
import { fill } from './fill.ts';
import { likelyNames, openGateway } from './gateway.ts';
import { type Change, changeUpon } from './logic/change-entry.ts';
import { age } from './logic/freshness.ts';
import { type Manifest, sameWheels } from './logic/manifest.ts';
import { FillError } from './pip.ts';
import type { FileAtHand, World } from './ports.ts';
import { chooseResolver } from './resolver.ts';
import type { Found, Serving, Usable } from './restore.ts';
import type { ChosenIndex, Fill, Run } from './run.ts';

/** A complete wheelhouse, in the staged directory of `found`. */
export type Supply = { readonly manifest: Manifest } & (
  | { readonly how: 'restored'; readonly found: Found & Serving }
  | {
      readonly how: 'filled';
      readonly found: Found;
      readonly index: ChosenIndex;
      readonly hasInstalledSources: boolean;
    }
  | { readonly how: 'last good'; readonly found: Found & Usable }
);

/**
 * Completes the wheelhouse that was found.
 * @throws UserError when pip can't fill it and no last good set can stand in
 */
export async function supply(run: Run, world: World, found: Found): Promise<Supply> {
  const { reporter } = world;
  if (found.state === 'serves') {
    reporter.info(`Exact cache hit (${found.origin.name}); no index requests needed.`);
    return { how: 'restored', found, manifest: found.base.manifest };
  }
  const hit = found.state === 'usable' ? `Partial hit (${found.origin.name})` : 'Miss';
  reporter.info(`${hit}: ${found.reason}.`);
  try {
    const fill = await run.timer.time('fill', () => fillFromBestIndex(run, world, found));
    return { how: 'filled', found, ...fill };
  } catch (error) {
    const isDown = error instanceof IndexDown || (error instanceof FillError && error.unreachable);
    if (!isDown || found.state !== 'usable' || !found.isComplete) throw error;
    return restoreLastGood(world, found, error.message);
  }
}

/** @returns the key to save a wheelhouse under; undefined when there is nothing to save */
export function saveKeyOf(supplied: Supply): string | undefined {
  if (supplied.how !== 'filled') return undefined;
  const { found, manifest } = supplied;
  const isSaved =
    found.state === 'usable' &&
    found.isComplete &&
    found.origin.kind === 'cache' &&
    found.origin.isExact &&
    found.base.faults.length === 0 &&
    // Where a project has other dependencies, the entry would be refilled in every run.
    JSON.stringify(found.base.manifest.direct) === JSON.stringify(manifest.direct) &&
    sameWheels(found.base.manifest.wheels, manifest.wheels);
  return isSaved ? undefined : found.saveKey;
}

/** @returns what to save of a filled wheelhouse; undefined for everything */
export function changeOf({ found, manifest }: Supply): Change | undefined {
  if (found.state !== 'usable' || found.origin.kind !== 'cache') return undefined;
  // A change upon damage would be damaged too.
  if (found.base.faults.length > 0) return undefined;
  return changeUpon(found.origin.full, manifest.wheels);
}

/** Puts the wheels of a wheelhouse back that was made for this very request. */
async function restoreLastGood(
  { reporter, wheelhouses, now }: World,
  found: Found & Usable,
  message: string,
): Promise<Supply> {
  const { manifest } = found.base;
  const [reason = ''] = message.split('\n');
  reporter.warning(
    `${reason} Installing the last good set of these requirements, which is ${age(manifest.resolvedAt, now())} old.`,
  );
  await wheelhouses.seal(found.directory, manifest);
  return { how: 'last good', found, manifest };
}

/** Fills from the healthy index; a mirror that fails meanwhile gives way to its index. */
async function fillFromBestIndex(
  run: Run,
  world: World,
  found: Found,
): Promise<Fill & { readonly index: ChosenIndex }> {
  const base = found.state === 'nothing' ? undefined : found.base;
  const downloaded: FileAtHand[] = [];
  const fillFrom = (index: ChosenIndex, resume: boolean): Promise<Fill> =>
    world.reporter.group('Fill the wheelhouse', async () => {
      world.reporter.info(`Index: ${index.shown || 'none'} (${index.why}).`);
      const effort = base?.manifest.effort ?? 0;
      const earlier = base?.sound ?? [];
      const wheelhouse = found.directory;
      const opened = await openGateway(run, world, index, { wheelhouse, earlier, downloaded });
      try {
        if (run.uv === undefined) opened.gateway?.fetchAhead(likelyNames(run, earlier));
        const fillRun = { ...run, ...opened, resolver, wheelhouse, earlier };
        return await fill(fillRun, world, { resume, effort });
      } finally {
        await opened.gateway?.close();
      }
    });
  const index = await chooseIndex(run, world);
  const resolver = await chooseResolver(run, world);
  try {
    return { ...(await fillFrom(index, false)), index };
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    if (index.doubt !== undefined) {
      throw new IndexDown(`The index ${index.shown} can't be used: ${index.doubt}.`);
    }
    if (!error.maybeIndex) throw error;
    if (index.role !== 'mirror') {
      // pip takes a page that it could not get for one without files: ask for the true reason.
      await checkIndex(run, world);
      throw error;
    }
    const other = await indexAfterMirror(run, world, 'pip failed with it');
    return { ...(await fillFrom(other, true)), index: other };
  }
}
