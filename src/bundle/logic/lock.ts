/** The lock of a bundle for one machine or several: one line per project, or one per version. */
import type { Target } from '../../collect/logic/model.ts';
import { UserError } from '../../logic/errors.ts';
import type { BundledWheel } from './model.ts';

/** One version of a project, for the machines whose marker applies. */
export interface LockedVersion {
  readonly wheels: readonly [BundledWheel, ...BundledWheel[]];
  /** undefined when it is for all machines. */
  readonly marker: string | undefined;
}

/**
 * Returns the versions of all projects, sorted by name and version.
 * @throws UserError when two machines need different versions that no marker can tell apart
 */
export function lockedVersions(
  wheels: readonly BundledWheel[],
  targets: readonly Target[],
): LockedVersion[] {
  const machines = targets.map((target) => ({ name: target.name, values: valuesOf(target) }));
  const versions = new Map<string, [BundledWheel, ...BundledWheel[]]>();
  for (const wheel of wheels) {
    const key = `${wheel.name} ${wheel.version}`;
    const known = versions.get(key);
    versions.set(key, known === undefined ? [wheel] : [...known, wheel]);
  }
  return [...versions.keys()].sort().flatMap((key) => {
    const own = versions.get(key);
    if (own === undefined) return [];
    const names = new Set(own.flatMap((wheel) => wheel.targets));
    const inside = machines.filter(({ name }) => names.has(name));
    const outside = machines.filter(({ name }) => !names.has(name));
    const marker = outside.length === 0 ? undefined : markerFor(inside, outside);
    if (outside.length > 0 && marker === undefined) throw ambiguous(own[0], inside, outside);
    return [{ wheels: own, marker }];
  });
}

/** The lock for pip and uv. The same wheels give the same text. */
export function formatBundleLock(versions: readonly LockedVersion[]): string {
  return versions
    .map(({ wheels, marker }) => {
      const [{ project, version }] = wheels;
      const condition = marker === undefined ? '' : ` ; ${marker}`;
      const hashes = [...new Set(wheels.map(({ sha256 }) => ` --hash=sha256:${sha256}`))].sort();
      return `${project}==${version}${condition}${hashes.join('')}\n`;
    })
    .join('');
}

/** All wheels with the markers of their versions, for a pylock.toml. */
export function markedWheels(
  versions: readonly LockedVersion[],
): (BundledWheel & Pick<LockedVersion, 'marker'>)[] {
  return versions.flatMap(({ wheels, marker }) => wheels.map((wheel) => ({ ...wheel, marker })));
}

interface Machine {
  readonly name: string;
  /** The values of {@link variables}; empty for those of this machine. */
  readonly values: readonly string[];
}

/** The marker variables that tell machines apart, the clearest first. */
const variables = ['sys_platform', 'python_version', 'platform_machine'] as const;

function valuesOf({ markers }: Target): string[] {
  return variables.map((variable) => markers?.[variable] ?? '');
}

/** Every choice of marker variables, by their indexes, the smallest first. */
const choices = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]] as const;

/**
 * A marker that applies to some machines and not to others, over as few variables as possible.
 * @returns undefined when there is none
 */
function markerFor(inside: readonly Machine[], outside: readonly Machine[]): string | undefined {
  for (const choice of choices) {
    const condition = ({ values }: Machine): string =>
      choice.map((index) => `${variables[index]} == "${values[index]}"`).join(' and ');
    const conditions = new Set(inside.map(condition));
    if (!outside.some((machine) => conditions.has(condition(machine)))) {
      return [...conditions].join(' or ');
    }
  }
  return undefined;
}

function ambiguous(
  { name, version }: BundledWheel,
  inside: readonly Machine[],
  outside: readonly Machine[],
): UserError {
  const names = (machines: readonly Machine[]): string =>
    machines.map((machine) => machine.name).join(', ');
  return new UserError(
    `${name} ${version} is for ${names(inside)}, but not for ${names(outside)}, and no environment marker tells all of these apart. Pin ${name} to one version, or make a bundle for each.`,
  );
}
