/**
 * Which wheels of a wheelhouse that serves the run itself has to hash. pip and uv hash every wheel that
 * they install from the lock, before they change the environment; everything else is hashed here.
 */
import type { Wheel } from './manifest.ts';
import { normalizeName } from './names.ts';

/** What happens to a wheelhouse. */
export interface Use {
  /** Its lock is installed. */
  readonly isInstalled: boolean;
  /** Local projects may be built with its wheels, which no installer hashes then. */
  readonly hasBuilds: boolean;
  /** The names of the files of the environment: an installer skips what the environment has. */
  readonly present: readonly string[];
}

/** @returns the wheels that nobody else may hash before they are used, or left for later steps */
export function wheelsToHash(wheels: readonly Wheel[], use: Use): readonly Wheel[] {
  if (!use.isInstalled || use.hasBuilds) return wheels;
  const present = new Set(use.present.flatMap(possibleNames));
  return wheels.filter(({ role, name }) => role !== 'runtime' || present.has(name));
}

/**
 * Every project that the name of a metadata file or directory may stand for: `a-b-1.0.dist-info` is of
 * `a` or of `a-b`. To list too many only costs time.
 */
function possibleNames(file: string): string[] {
  const [, stem] = /^(.+)\.(?:dist-info|egg-info|egg-link|egg)$/i.exec(file) ?? [];
  if (stem === undefined) return [];
  const parts = stem.split('-');
  return parts.map((_part, index) => normalizeName(parts.slice(0, index + 1).join('-')));
}
