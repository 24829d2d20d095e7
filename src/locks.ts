/** Reads the lock files of a request: what they list for the chosen interpreter, and nothing else. */
import path from 'node:path';
import { UserError } from './logic/errors.ts';
import { lockToolOf } from './logic/lock-files.ts';
import type { ExportedLock } from './logic/lock-tools.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { type Lock, type LockedFile, type LockedPackage, readLock } from './logic/pylock.ts';
import type { LockedLine, RequirementFile } from './logic/requirements.ts';
import type { World } from './ports.ts';
import type { Tools } from './tools.ts';

/** What lock files add to a request. */
export interface LockedSources {
  readonly lines: readonly LockedLine[];
  /** Where the lock says that the files of its packages are. */
  readonly links: readonly LockedFile[];
  /** The command of the uv that a lock belongs to. */
  readonly uv: string | undefined;
}

/**
 * Reads locks in the standard format, and those of uv, Poetry, PDM and pipenv.
 * @param tools that read locks which are not in the standard format
 * @throws UserError when a lock can't be read or is not for the interpreter, with its table
 */
export async function readLocks(
  files: readonly RequirementFile[],
  request: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'python'>,
  tools: Tools | undefined,
): Promise<LockedSources> {
  const locks = files.map(async (file) => {
    const lock = await readAny(file, request, world, tools);
    return applicablePart(lock, file, request, interpreter, world);
  });
  const read = await Promise.all(locks);
  return {
    lines: read.flatMap(({ lines }) => lines),
    links: read.flatMap(({ links }) => links),
    uv: read.find(({ uv }) => uv !== undefined)?.uv,
  };
}

/** A lock, the lines of its export that name indexes, and the command that exported it. */
type AnyLock = Lock & Partial<Pick<ExportedLock, 'options'>> & { readonly command?: string };

async function readAny(
  file: RequirementFile,
  { workingDirectory, extras, groups }: Request,
  { sources }: Pick<World, 'sources'>,
  tools: Tools | undefined,
): Promise<AnyLock> {
  const { location, shown } = file;
  const tool = lockToolOf(path.basename(location));
  if (tool !== undefined) {
    if (tools !== undefined) return tools.exportLock(file);
    throw new UserError(
      `${shown} can't be used here. Export a requirement file from it with ${tool}.`,
      { file: shown },
    );
  }
  const relative = path.relative(workingDirectory, path.dirname(location)) || '.';
  const directory = relative.split(path.sep).join('/');
  return readLock(await sources.read(location), shown, { extras, groups }, directory);
}

async function applicablePart(
  lock: AnyLock,
  { location, shown }: RequirementFile,
  request: Request,
  interpreter: Interpreter,
  { python }: Pick<World, 'python'>,
): Promise<LockedSources> {
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
  const tables = new Map<string, string>();
  for (const { name, requiresPython: needed, table, files } of packages) {
    if (!isTrue(needed)) throw refusal(`${table} requires ${needed}`);
    // Exports, which name no files, may list a project again with extras.
    if (files.length === 0) continue;
    const other = tables.get(name);
    if (other !== undefined) throw refusal(`${other} and ${table} both apply`);
    tables.set(name, table);
  }
  const isNamed = (item: LockedPackage): boolean =>
    item.path !== undefined &&
    namedProjects(request).has(path.resolve(request.workingDirectory, item.path));
  // After -e pip reads no marker, so only packages that apply count.
  const chosen = lock.packages.filter(
    (item) => !isNamed(item) && (item.path === undefined || isTrue(item.marker)),
  );
  const texts = [...(lock.options ?? []), ...chosen.map(({ text }) => text)];
  return {
    lines: texts.map((text) => ({ text, source: { file: shown, line: undefined } })),
    links: packages.flatMap((item) => item.files),
    uv: lockToolOf(path.basename(location)) === 'uv' ? lock.command : undefined,
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
