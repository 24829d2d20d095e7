/** Reads the lock files of a request: what they list for the chosen interpreter, and nothing else. */
import path from 'node:path';
import { UserError } from './logic/errors.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { type Lock, type LockedFile, type LockedPackage, readLock } from './logic/pylock.ts';
import type { LockedLine, RequirementFile } from './logic/requirements.ts';
import type { World } from './ports.ts';

/** What lock files add to a request. */
export interface LockedSources {
  readonly lines: readonly LockedLine[];
  /** Where the lock says that the files of its packages are. */
  readonly links: readonly LockedFile[];
}

/**
 * Reads locks in the standard format.
 * @throws UserError when a lock can't be read or is not for the interpreter, with its table
 */
export async function readLocks(
  files: readonly RequirementFile[],
  request: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'python'>,
): Promise<LockedSources> {
  const locks = files.map(({ location, shown }) =>
    readApplicable({ location, shown }, request, interpreter, world),
  );
  const read = await Promise.all(locks);
  return { lines: read.flatMap(({ lines }) => lines), links: read.flatMap(({ links }) => links) };
}

async function readApplicable(
  { location, shown }: RequirementFile,
  request: Request,
  interpreter: Interpreter,
  { sources, python }: Pick<World, 'sources' | 'python'>,
): Promise<LockedSources> {
  const { workingDirectory, extras, groups } = request;
  const relative = path.relative(workingDirectory, path.dirname(location)) || '.';
  const directory = relative.split(path.sep).join('/');
  const lock = readLock(await sources.read(location), shown, { extras, groups }, directory);
  const applies = await python.applies(interpreter, markersOf(lock));
  const isTrue = (marker: string | undefined): boolean =>
    marker === undefined || applies.get(marker) !== false;
  const { environments, requiresPython } = lock;
  const refusal = (reason: string): UserError =>
    new UserError(
      `${shown} is not for Python ${interpreter.version} on ${interpreter.os} ${interpreter.arch}: ${reason}. Lock again for this environment, or use another Python.`,
      { file: shown },
    );
  if (!isTrue(requiresPython)) throw refusal(`it requires ${requiresPython}`);
  if (environments.length > 0 && !environments.some(isTrue)) {
    throw refusal(`its environments are ${environments.join('; ')}`);
  }
  const packages = lock.packages.filter(({ marker }) => isTrue(marker));
  for (const { requiresPython: needed, table } of packages) {
    if (!isTrue(needed)) throw refusal(`${table} requires ${needed}`);
  }
  const isNamed = (item: LockedPackage): boolean =>
    item.path !== undefined &&
    namedProjects(request).has(path.resolve(workingDirectory, item.path));
  // After -e pip reads no marker, so only packages that apply count.
  const chosen = lock.packages.filter(
    (item) => !isNamed(item) && (item.path === undefined || isTrue(item.marker)),
  );
  return {
    lines: chosen.map(({ text }) => ({ text, source: { file: shown, line: undefined } })),
    links: packages.flatMap((item) => item.files),
  };
}

/** The local projects that inputs name; they are installed as the inputs say. */
function namedProjects({ projects, workingDirectory }: Request): ReadonlySet<string> {
  const targets = projects.map((text) => text.replace(/\[[^[\]]*\]\s*$/, ''));
  return new Set(targets.map((target) => path.resolve(workingDirectory, target)));
}

function markersOf({ packages, environments, requiresPython }: Lock): string[] {
  const markers = packages.flatMap((item) => [item.marker ?? [], item.requiresPython ?? []].flat());
  return [...new Set([...markers, ...environments, ...[requiresPython ?? []].flat()])];
}
