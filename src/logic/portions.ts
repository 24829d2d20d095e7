/**
 * Which wheels of a lock can be installed beside each other: pip installs in one thread, so several
 * pips share what is much. See docs/decisions/0007-several-pips.md.
 */

import type { Wheel } from './manifest.ts';
import { isOlderPip, normalizeName } from './names.ts';

/** What a wheel would put into an environment. */
export interface WheelContents {
  readonly files: number;
  /** Bytes of all files, unpacked. */
  readonly bytes: number;
  /**
   * In lower case: the first part of each path below site-packages, `scripts/` with the name of each
   * script, and `data/` with that of a directory for data.
   */
  readonly names: readonly string[];
}

/** What is to be known before wheels are divided. */
export interface Surroundings {
  /** Projects that the environment has, as their metadata is named. */
  readonly installed: readonly string[];
  /** Of each wheel, in order; null: it may put something anywhere. */
  readonly contents: readonly (WheelContents | null)[];
}

/** Bytes of wheels below which looking into them takes as long as it could save. */
const worthAsking = 20_000_000;

/** What each further pip has to take off the first one: 0.3 s of work (86 packages, pip 26.3). */
const worthStarting = 100_000_000;

/** Creating a file takes pip as long as writing so many bytes (86 packages, pip 26.3). */
const bytesPerFile = 40_000;

/** How much longer pip takes where it compiles bytecode (docs/benchmarks). */
const compileFactor = 4;

/** More pips than these wait for the disk, and each takes memory. */
const maxPips = 4;

/** pip before 24.2 opens the metadata of all that is there, also of what another pip just unpacks. */
const oldestPip = [24, 2] as const;

/**
 * Whether it is worth looking into the wheels.
 * @param pip version
 * @param cores that this process may use
 */
export function mayDivide(wheels: readonly Wheel[], pip: string, cores: number): boolean {
  const bytes = wheels.reduce((sum, wheel) => sum + wheel.size, 0);
  return !isOlderPip(pip, oldestPip) && cores > 1 && bytes >= worthAsking;
}

/**
 * Divides wheels among pips that work at the same time, each portion about the same work.
 * @returns in no special order; one portion unless no pip meets what another does: nothing of the lock
 *   is installed already, and no name is put into place by two portions
 */
export function portionsOf(
  wheels: readonly Wheel[],
  { installed, contents }: Surroundings,
  { cores, compile }: { readonly cores: number; readonly compile: boolean },
): readonly (readonly Wheel[])[] {
  const present = new Set(installed.map(normalizeName));
  // What is exchanged is removed first, and the files of one project may have become another's.
  if (wheels.some((wheel) => present.has(wheel.name))) return [wheels];
  const groups = groupsOf(wheels, contents);
  if (groups === undefined) return [wheels];
  groups.sort((one, other) => other.work - one.work);
  const beside = groups.slice(1).reduce((sum, group) => sum + group.work, 0);
  const further = Math.floor((beside * (compile ? compileFactor : 1)) / worthStarting);
  const count = Math.min(cores, maxPips, groups.length, 1 + further);
  if (count < 2) return [wheels];
  const portions = Array.from({ length: count }, () => ({ wheels: [] as Wheel[], work: 0 }));
  for (const group of groups) {
    const least = portions.reduce((one, other) => (other.work < one.work ? other : one));
    least.wheels.push(...group.wheels);
    least.work += group.work;
  }
  return portions.map((portion) => portion.wheels);
}

/** Wheels that put something under the same name. */
interface Group {
  readonly wheels: Wheel[];
  readonly names: string[];
  work: number;
}

/** @returns undefined when a wheel may belong to any */
function groupsOf(
  wheels: readonly Wheel[],
  contents: Surroundings['contents'],
): Group[] | undefined {
  const owners = new Map<string, Group>();
  for (const [index, wheel] of wheels.entries()) {
    const content = contents[index];
    if (!content || content.names.length === 0) return undefined;
    const { files, bytes, names } = content;
    const group: Group = { wheels: [wheel], names: [...names], work: bytes + files * bytesPerFile };
    const met = new Set(names.flatMap((name) => owners.get(name) ?? []));
    for (const other of met) {
      group.wheels.push(...other.wheels);
      group.names.push(...other.names);
      group.work += other.work;
    }
    for (const name of group.names) owners.set(name, group);
  }
  return [...new Set(owners.values())];
}
