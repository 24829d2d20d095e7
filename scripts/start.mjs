/**
 * `npm start [FILE…]`: does what the main step of the action does, from the committed dist, with a
 * directory as the cache: installs the example, or the given files, into a new virtual environment.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const place = join(root, '.cache', 'start');
const given = process.argv.slice(2);
const requirements = given.length > 0 ? given : ['-r', join(root, 'example', 'requirements.txt')];
const venv = join(place, 'venv');
rmSync(venv, { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [
    join(root, 'dist', 'cli', 'index.js'),
    'install',
    ...['--store', join(place, 'store'), '--venv', venv],
    ...requirements,
  ],
  { stdio: 'inherit', cwd: process.env.INIT_CWD ?? process.cwd() },
);
console.log(`Installed into ${venv}; delete ${place} to start again without a cache.`);
process.exitCode = status ?? 1;
