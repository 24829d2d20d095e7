/**
 * Programs from PyPI that some tests run against, fetched where they are missing: real tox and nox,
 * and what reads and judges the templates of other CI systems.
 */
import { spawnSync } from 'node:child_process';

import { commandOf, ensureEnvironment, python } from './tools.mjs';

/** The oldest Python that all of them start under. */
const oldest = [3, 11];

/**
 * One of their commands, or their Python.
 * @param {'python' | 'tox' | 'nox' | 'check-jsonschema'} name
 */
export function programOf(name) {
  return commandOf('programs', name);
}

/**
 * Fetches them, from the index that pip is configured with.
 * @returns {string | undefined} why they can't be had; undefined: they are there
 */
export function ensurePrograms() {
  const version = 'import sys; print("%d.%d" % sys.version_info[:2])';
  const found = spawnSync(python, ['-c', version], { encoding: 'utf8' }).stdout.trim();
  const [major = 0, minor = 0] = found.split('.').map(Number);
  if (major < Number(oldest[0]) || (major === oldest[0] && minor < Number(oldest[1]))) {
    return `They need Python ${oldest.join('.')} or newer; this is ${found}`;
  }
  ensureEnvironment('programs');
  return undefined;
}
