/**
 * Programs from PyPI that some tests run against, fetched where they are missing: real tox and nox,
 * and what reads and judges the templates of other CI systems.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { python, root, run } from './tools.mjs';

const packages = ['tox==4.67.13', 'nox==2026.10.20', 'PyYAML==6.0.3', 'check-jsonschema==0.39.0'];
/** The oldest Python that all of them start under. */
const oldest = [3, 11];
const directory = join(root, '.cache', packages.join('+').replaceAll('==', '-'));

/**
 * One of their commands, or their Python.
 * @param {'python' | 'tox' | 'nox' | 'check-jsonschema'} name
 */
export function programOf(name) {
  const [commands, suffix] = process.platform === 'win32' ? ['Scripts', '.exe'] : ['bin', ''];
  return join(directory, commands, `${name}${suffix}`);
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
  const complete = join(directory, 'complete');
  if (existsSync(complete)) return undefined;
  // Environments name their own place in their commands, so it is not made somewhere else first.
  rmSync(directory, { recursive: true, force: true });
  run(python, ['-m', 'venv', directory]);
  const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check'];
  run(programOf('python'), [...pip, ...packages]);
  writeFileSync(complete, '');
  return undefined;
}
