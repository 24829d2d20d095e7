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

/** Fetches the pips, from the index that pip is configured with. */
export function ensurePips() {
  for (const version of pipVersions) {
    if (existsSync(pipDirectory(version))) continue;
    const download = join(cache, `download-${version}-${process.pid}`);
    const unpacked = `${download}-unpacked`;
    mkdirSync(download, { recursive: true });
    run(python, ['-m', 'pip', 'download', '-q', '--no-deps', '-d', download, `pip==${version}`]);
    const wheel = readdirSync(download).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error(`The index has no wheel of pip ${version}.`);
    run(python, ['-m', 'zipfile', '-e', join(download, wheel), unpacked]);
    run(python, ['-m', 'compileall', '-q', '-j', '0', unpacked]);
    renameSync(unpacked, pipDirectory(version));
    rmSync(download, { recursive: true });
  }
}

/**
 * Versions of the other clients, of the servers that stand for private feeds, and of what publishes
 * to them.
 */
const uvVersion = '0.13.8';
const feeds = {
  // As its only requirement for password files passlib is optional there.
  pypiserver: ['pypiserver==2.4.2', 'passlib==1.7.4'],
  devpi: ['devpi-server==6.20.3'],
  publishers: ['twine==7.0.0', 'pip-audit==2.10.1'],
};

/** The command uv. */
export function uvCommand() {
  const name = process.platform === 'win32' ? 'uv.exe' : 'uv';
  return join(cache, `uv-${uvVersion}`, 'bin', name);
}

/**
 * A command of one of their virtual environments.
 * @param {keyof typeof feeds} feed
 * @param {string} command
 */
export function feedCommand(feed, command) {
  const [directory, suffix] = process.platform === 'win32' ? ['Scripts', '.exe'] : ['bin', ''];
  return join(feedDirectory(feed), directory, `${command}${suffix}`);
}

/** @param {keyof typeof feeds} feed */
function feedDirectory(feed) {
  return join(cache, feeds[feed].join('+').replaceAll('==', '-'));
}

/**
 * Fetches uv, the servers of private feeds and what publishes to them, from the index that pip is
 * configured with.
 */
export function ensureFeeds() {
  const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check'];
  if (!existsSync(uvCommand())) {
    const directory = join(cache, `uv-${uvVersion}`);
    run(python, [...pip, '--no-deps', '--target', directory, `uv==${uvVersion}`]);
  }
  for (const feed of /** @type {(keyof typeof feeds)[]} */ (Object.keys(feeds))) {
    const complete = join(feedDirectory(feed), 'complete');
    if (existsSync(complete)) continue;
    // Environments name their own place in their commands, so it is not made somewhere else first.
    rmSync(feedDirectory(feed), { recursive: true, force: true });
    run(python, ['-m', 'venv', feedDirectory(feed)]);
    run(feedCommand(feed, 'python'), [...pip, ...feeds[feed]]);
    writeFileSync(complete, '');
  }
}

/** Everything that `npm test` needs. */
export function ensureTools() {
  ensureInstalled();
  ensurePips();
  ensureFeeds();
}
