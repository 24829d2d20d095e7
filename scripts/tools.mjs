/**
 * What checks and tests need, fetched where it is missing: npm's packages, and several pips.
 * Plain JavaScript for any Node from 20 on, as it runs before `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const cache = join(root, '.cache');

/** The Python that the tests start from. */
export const python = process.platform === 'win32' ? 'python' : 'python3';

/** `[3, 11]` for Python 3.11. @returns {number[]} */
function pythonVersion() {
  const { stdout, error } = spawnSync(
    python,
    ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'],
    { encoding: 'utf8' },
  );
  if (error) throw new Error(`The tests need Python 3.9 or newer as ${python}: ${error.message}`);
  return stdout.trim().split('.').map(Number);
}

const [, minor = 0] = pythonVersion();

/**
 * The pips that the tests run with, oldest first: the oldest that works with this product and this
 * Python, a common one, the newest known.
 */
export const pipVersions = [
  ...(minor < 12 ? ['22.2'] : []),
  '23.2.1',
  minor < 10 ? '25.3' : '26.3',
];

/**
 * Directory whose content, copied into site-packages, is that pip.
 * @param {string} version
 */
export function pipDirectory(version) {
  return join(cache, `pip-${version}`);
}

/** The Node that the action runs on, from npm. */
export function node24() {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const directory = join(root, 'node_modules', name, 'bin');
  const file = join(directory, process.platform === 'win32' ? 'node.exe' : 'node');
  if (process.versions.node.startsWith('24.')) return process.execPath;
  if (!existsSync(file)) {
    throw new Error(`npm has no ${name}: run this with Node 24.`);
  }
  return file;
}

/**
 * Runs a program, its output shown.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 * @throws when it can't be started or fails
 */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error || status !== 0) {
    const reason = error?.message ?? `exit code ${status}`;
    throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
  }
}

/** Runs `npm ci` unless node_modules is what the lock file says. */
export function ensureInstalled() {
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.installed-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  run('npm', ['ci', '--no-audit', '--no-fund'], { shell: process.platform === 'win32' });
  writeFileSync(stamp, digest);
}

/** What the tools of the tests are: `NAME.in` is written by hand, `NAME.txt` by `npm run requirements`. */
export const requirementsDirectory = join(root, 'scripts', 'requirements');

/** @param {string} name */
function lockOf(name) {
  return join(requirementsDirectory, `${name}.txt`);
}

/** Only files whose hash is known, with nothing that is not in the file. */
const install = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check'].concat([
  '--no-deps',
  '--require-hashes',
]);

/** Fetches the pips, from the index that pip is configured with. */
export function ensurePips() {
  for (const version of pipVersions) {
    if (existsSync(pipDirectory(version))) continue;
    const download = join(cache, `download-${version}-${process.pid}`);
    const unpacked = `${download}-unpacked`;
    mkdirSync(download, { recursive: true });
    const lock = lockOf(`pip-${version}`);
    const args = ['-q', '--no-deps', '--only-binary=:all:', '--require-hashes', '-d', download];
    run(python, ['-m', 'pip', 'download', ...args, '-r', lock]);
    const wheel = readdirSync(download).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error(`The index has no wheel of pip ${version}.`);
    run(python, ['-m', 'zipfile', '-e', join(download, wheel), unpacked]);
    run(python, ['-m', 'compileall', '-q', '-j', '0', unpacked]);
    renameSync(unpacked, pipDirectory(version));
    rmSync(download, { recursive: true });
  }
}

/** The command uv. */
export function uvCommand() {
  const name = process.platform === 'win32' ? 'uv.exe' : 'uv';
  return join(uvDirectory(), 'bin', name);
}

function uvDirectory() {
  const [, version] = /^uv==(\S+)/m.exec(readFileSync(lockOf('uv'), 'utf8')) ?? [];
  return join(cache, `uv-${version}`);
}

/** Fetches uv, from the index that pip is configured with. */
export function ensureUv() {
  if (existsSync(uvCommand())) return;
  run(python, [...install, '--target', uvDirectory(), '-r', lockOf('uv')]);
}

/**
 * Where programs of Python are, each with what it needs in a virtual environment of its own.
 * @param {string} name of a file in scripts/requirements
 */
function environmentOf(name) {
  const digest = createHash('sha256')
    .update(readFileSync(lockOf(name)))
    .digest('hex');
  return join(cache, `${name}-${digest.slice(0, 12)}`);
}

/**
 * A command of one of these environments.
 * @param {string} name of a file in scripts/requirements
 * @param {string} command
 */
export function commandOf(name, command) {
  const [directory, suffix] = process.platform === 'win32' ? ['Scripts', '.exe'] : ['bin', ''];
  return join(environmentOf(name), directory, `${command}${suffix}`);
}

/**
 * Makes one of these environments, from the index that pip is configured with.
 * @param {string} name of a file in scripts/requirements
 */
export function ensureEnvironment(name) {
  const directory = environmentOf(name);
  const complete = join(directory, 'complete');
  if (existsSync(complete)) return;
  // Environments name their own place in their commands, so it is not made somewhere else first.
  rmSync(directory, { recursive: true, force: true });
  run(python, ['-m', 'venv', directory]);
  run(commandOf(name, 'python'), [...install, '-r', lockOf(name)]);
  writeFileSync(complete, '');
}

/**
 * A command of what stands for private feeds or publishes to them.
 * @param {'pypiserver' | 'devpi' | 'publishers'} feed
 * @param {string} command
 */
export function feedCommand(feed, command) {
  return commandOf(feed, command);
}

/** Fetches uv, the servers of private feeds and what publishes to them. */
export function ensureFeeds() {
  ensureUv();
  for (const feed of ['pypiserver', 'devpi', 'publishers']) ensureEnvironment(feed);
}

/** Everything that `npm test` needs. */
export function ensureTools() {
  ensureInstalled();
  ensurePips();
  ensureFeeds();
}
