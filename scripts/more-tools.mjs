/**
 * Python programs that some tests run against, installed if they are missing: tox, nox and
 * check-jsonschema, which checks the templates for other CI systems.
 */
import { commandOf, ensureEnvironment, hasPython } from './tools.mjs';

/**
 * The path of one of them, or of their Python.
 * @param {'python' | 'tox' | 'nox' | 'check-jsonschema'} name
 */
export function programOf(name) {
  return commandOf('programs', name);
}

/**
 * Installs them from the index that pip is configured with.
 * @returns {string | undefined} why they can't be installed; undefined when they are there
 */
export function ensurePrograms() {
  // The oldest Python that all of them start under.
  if (!hasPython(3, 11)) return 'tox, nox and check-jsonschema need Python 3.11 or newer';
  ensureEnvironment('programs');
  return undefined;
}
