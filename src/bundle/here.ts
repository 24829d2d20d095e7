/** Gathers the wheels for this machine: completes a wheelhouse as an installation does. */
import { targetsOf } from '../collect/logic/targets.ts';
import { install } from '../install.ts';
import type { Request } from '../logic/model.ts';
import type { Gathered } from './gathered.ts';
import { changedWheels } from './logic/model.ts';
import type { BundleWorld } from './ports.ts';

/** @throws UserError for everything that the user can fix */
export async function gatherHere(source: Request, world: BundleWorld): Promise<Gathered> {
  const { reporter, wheelhouses } = world;
  const { wheelhouse, interpreter, requested, states } = await install(source, world);
  const inspected = await wheelhouses.inspect(wheelhouse, 'content');
  if (inspected === undefined || inspected.faults.length > 0) {
    throw changedWheels(inspected?.faults ?? ['they are gone']);
  }
  const { wheels, direct, relied } = inspected.manifest;
  if (relied.length > 0) {
    const projects = relied.map(({ name, version }) => `${name} ${version}`).join(', ');
    reporter.warning(
      `The bundle does not contain ${projects}: the hashes in the request allow no file of them, so the machine that installs the bundle must have them.`,
    );
  }
  const targets = targetsOf([], [], interpreter);
  return {
    directory: wheelhouse,
    wheels: wheels
      .filter((wheel) => wheel.role === 'runtime')
      .map(({ name, project, version, file, sha256, size }) => ({
        ...{ name, project, version, file, sha256, size },
        targets: targets.map((target) => target.name),
      }))
      .sort((one, other) => (one.file < other.file ? -1 : 1)),
    missing: direct.map((project) => project.name),
    ...{ targets, interpreter, requested, states },
  };
}
