/**
 * The story of a bundle: complete a wheelhouse as an installation does, and copy its wheels, with
 * everything that a machine without a network needs to install them.
 */
import path from 'node:path';

import { install, type Outcome } from '../install.ts';
import { UserError } from '../logic/errors.ts';
import { formatLock, lockFile, type Manifest, type Wheel } from '../logic/manifest.ts';
import { indexRequirements } from '../logic/requirements.ts';
import { formatLicences } from './logic/licences.ts';
import type { BundledWheel, BundleReport, BundleRequest, Contents } from './logic/model.ts';
import { licencesFile, readmeFile, sbomFile } from './logic/output.ts';
import { formatReadme } from './logic/readme.ts';
import { formatSbom } from './logic/sbom.ts';
import type { BundleWorld } from './ports.ts';

/** What a run hands over to its entry point. */
export interface BundleOutcome extends Pick<Outcome, 'states'> {
  readonly report: BundleReport;
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
  const { source, output } = request;
  await bundles.check(output);
  const outcome = await install(source, world);
  const { wheelhouse, interpreter, requested, states } = outcome;
  const manifest = await verifiedManifest(wheelhouse, world);
  const contents: Contents = {
    targets: [`Python ${interpreter.series} on ${interpreter.platform}`],
    wheels: manifest.wheels
      .filter((wheel) => wheel.role === 'runtime')
      .map(bundled)
      .sort((one, other) => (one.file < other.file ? -1 : 1)),
    missing: manifest.direct.map((project) => project.name),
  };
  if (contents.missing.length > 0 && outcome.request.installProject) {
    reporter.warning(
      `The bundle contains the dependencies of ${contents.missing.join(', ')}, but not these projects themselves: they are installed from source.`,
    );
  }
  if (manifest.relied.length > 0) {
    const relied = manifest.relied.map(({ name, version }) => `${name} ${version}`).join(', ');
    reporter.warning(
      `The bundle does not contain ${relied}: the hashes in the request allow no file of them, so the machine that installs the bundle must have them.`,
    );
  }
  const workplace = await wheelhouses.workplace(source.temporary);
  try {
    const staged = await wheelhouses.stage(workplace);
    await copyVerified(contents, wheelhouse, staged, world);
    const files = contents.wheels.map((wheel) => wheel.file);
    const metadata = await bundles.metadata(interpreter, staged, files);
    const described = contents.wheels.flatMap((wheel, index) => {
      const own = metadata[index];
      return own === undefined ? [] : [{ ...wheel, metadata: own }];
    });
    const texts = {
      [lockFile]: formatLock(manifest.wheels),
      [readmeFile]: formatReadme(contents),
      [licencesFile]: formatLicences(described),
      [sbomFile]: formatSbom(described, indexRequirements(requested.lines), version),
    };
    for (const [file, text] of Object.entries(texts)) {
      await wheelhouses.write(path.join(staged, file), text);
    }
    await bundles.place(staged, output);
  } finally {
    await wheelhouses.remove(workplace);
  }
  return { report: { ...contents, output }, states };
}

function bundled({ name, project, version, file, sha256, size }: Wheel): BundledWheel {
  return { name, project, version, file, sha256, size };
}

/** @throws UserError when a wheelhouse is not what its run has left */
async function verifiedManifest(
  wheelhouse: string,
  { wheelhouses }: BundleWorld,
): Promise<Manifest> {
  const inspected = await wheelhouses.inspect(wheelhouse);
  if (inspected === undefined || inspected.faults.length > 0) {
    throw changed(inspected?.faults ?? ['it is gone']);
  }
  return inspected.manifest;
}

/** @throws UserError when a copy is not what the bundle says that it is */
async function copyVerified(
  { wheels }: Contents,
  from: string,
  to: string,
  { bundles, wheelhouses }: BundleWorld,
): Promise<void> {
  const files = wheels.map((wheel) => wheel.file);
  await bundles.copy(files, from, to);
  const copies = await wheelhouses.measure(to, files);
  const faults = wheels
    .filter((wheel, index) => copies[index]?.sha256 !== wheel.sha256)
    .map(({ file }) => `${file} has a different hash`);
  if (faults.length > 0) throw changed(faults);
}

function changed(faults: readonly string[]): UserError {
  return new UserError(
    `The wheels were changed by another program while the bundle was made: ${faults.join('; ')}. Run again.`,
  );
}
