/**
 * The story of a bundle: gather wheels for this machine or for others, and write them with everything
 * that a machine without a network needs to install them.
 */
import path from 'node:path';

import { formatPylock, lockFile, pylockFile } from '../logic/manifest.ts';
import { indexRequirements } from '../logic/requirements.ts';
import type { State } from '../logic/state.ts';
import { gatherElsewhere } from './elsewhere.ts';
import type { Gathered } from './gathered.ts';
import { gatherHere } from './here.ts';
import { formatLicences } from './logic/licences.ts';
import { formatBundleLock, lockedVersions, markedWheels } from './logic/lock.ts';
import {
  type BundleReport,
  type BundleRequest,
  type Contents,
  changedWheels,
} from './logic/model.ts';
import { licencesFile, readmeFile, sbomFile } from './logic/output.ts';
import { formatReadme } from './logic/readme.ts';
import { formatSbom } from './logic/sbom.ts';
import type { BundleWorld } from './ports.ts';

/** What a run hands over to its entry point. */
export interface BundleOutcome {
  readonly report: BundleReport;
  /** The wheelhouses to save. */
  readonly states: readonly State[];
}

/**
 * Makes a bundle.
 * @param version of this program
 * @throws UserError for everything that the user can fix
 */
export async function bundle(
  request: BundleRequest,
  world: BundleWorld,
  version: string,
): Promise<BundleOutcome> {
  const { bundles, reporter, wheelhouses } = world;
  const { source, platforms, pythonVersions, output } = request;
  await bundles.check(output);
  const workplace = await wheelhouses.workplace(source.temporary);
  try {
    const isHere = platforms.length + pythonVersions.length === 0;
    const gathered = isHere
      ? await gatherHere(source, world)
      : await gatherElsewhere(request, world, workplace);
    const { wheels, targets, missing, interpreter, requested, states } = gathered;
    if (missing.length > 0 && source.installProject) {
      reporter.warning(
        `The bundle contains the dependencies of ${missing.join(', ')}, but not these projects themselves: they are installed from source.`,
      );
    }
    const contents: Contents = { targets: targets.map(({ name }) => name), wheels, missing };
    const versions = lockedVersions(wheels, targets);
    const staged = await wheelhouses.stage(workplace);
    await copyVerified(gathered, staged, world);
    const files = wheels.map((wheel) => wheel.file);
    const metadata = await bundles.metadata(interpreter, staged, files);
    const described = wheels.flatMap((wheel, index) => {
      const own = metadata[index];
      return own === undefined ? [] : [{ ...wheel, metadata: own }];
    });
    const texts = {
      [lockFile]: formatBundleLock(versions),
      [pylockFile]: formatPylock(markedWheels(versions)),
      [readmeFile]: formatReadme(contents),
      [licencesFile]: formatLicences(described),
      [sbomFile]: formatSbom(described, indexRequirements(requested.lines), version),
    };
    for (const [file, text] of Object.entries(texts)) {
      await wheelhouses.write(path.join(staged, file), text);
    }
    await bundles.place(staged, output);
    return { report: { ...contents, output }, states };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** @throws UserError when a copy is not what the bundle says that it is */
async function copyVerified(
  { directory, wheels }: Gathered,
  to: string,
  { bundles, wheelhouses }: BundleWorld,
): Promise<void> {
  const files = wheels.map((wheel) => wheel.file);
  await bundles.copy(files, directory, to);
  const copies = await wheelhouses.measure(to, files);
  const faults = wheels
    .filter((wheel, index) => copies[index]?.sha256 !== wheel.sha256)
    .map(({ file }) => `${file} has a different hash`);
  if (faults.length > 0) throw changedWheels(faults);
}
