/** The kinds of lock files, by their names. */

/** A tool that writes locks in a form of its own. */
export type LockTool = 'uv' | 'poetry' | 'pdm' | 'pipenv';

const toolLocks: Readonly<Record<string, LockTool>> = {
  'uv.lock': 'uv',
  'poetry.lock': 'poetry',
  'pdm.lock': 'pdm',
  'Pipfile.lock': 'pipenv',
};

/** Returns the tool that a lock belongs to, by the lock's path. */
export function lockToolOf(file: string): LockTool | undefined {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return Object.hasOwn(toolLocks, name) ? toolLocks[name] : undefined;
}

/** Whether a path names a lock in the standard form (PEP 751): `pylock.toml` or `pylock.NAME.toml`. */
export function isPylock(file: string): boolean {
  return /(?:^|\/)pylock(?:\.[^./]+)?\.toml$/.test(file);
}

/** Whether a path names a lock of any kind. */
export function isLock(file: string): boolean {
  return isPylock(file) || lockToolOf(file) !== undefined;
}
