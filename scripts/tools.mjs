/**
 * Everything that the checks and tests need. Packages from npm and from the Python index are
 * installed if they are missing; for programs of the system, a suite that lacks one says how to get
 * it before anything runs. Plain JavaScript for any Node from 20 on, as it runs before `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const cache = join(root, '.cache');

/** The Python that the tests start from. */
export const python = process.platform === 'win32' ? 'python' : 'python3';

/** Returns `[3, 11]` for Python 3.11, and `[]` if there is no Python. @returns {number[]} */
function pythonVersion() {
  const { status, stdout } = spawnSync(
    python,
    ['-c', 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])'],
    { encoding: 'utf8' },
  );
  return status === 0 ? stdout.trim().split('.').map(Number) : [];
}

const [major = 0, minor = 0] = pythonVersion();

/** Whether the Python that the tests start from is this version or newer. */
export function hasPython(/** @type {number} */ wantedMajor, /** @type {number} */ wantedMinor) {
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/**
 * The versions of pip that the tests run with, oldest first: the oldest that works with this product
 * and this Python, a common one, and the newest.
 */
export const pipVersions = [
  ...(minor < 12 ? ['22.2'] : []),
  '23.2.1',
  minor < 10 ? '25.3' : '26.3',
];

/**
 * The directory of that pip: copied into site-packages, its content is an installation.
 * @param {string} version
 */
export function pipDirectory(version) {
  return join(cache, `pip-${version}`);
}

/** The path of the Node version that the action runs on, from npm. */
export function node24() {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const directory = join(root, 'node_modules', name, 'bin');
  const file = join(directory, process.platform === 'win32' ? 'node.exe' : 'node');
  if (process.versions.node.startsWith('24.')) return process.execPath;
  if (!existsSync(file)) {
    throw new Error(`The npm package ${name} is not installed: run this with Node 24.`);
  }
  return file;
}

/**
 * Runs a program and shows its output.
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

/** Runs `npm ci` unless node_modules matches the lock file. */
export function ensureInstalled() {
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.installed-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  run('npm', ['ci', '--no-audit', '--no-fund'], { shell: process.platform === 'win32' });
  writeFileSync(stamp, digest);
}

/** The Python tools of the tests: `NAME.in` is written by hand, `NAME.txt` by `npm run requirements`. */
export const requirementsDirectory = join(root, 'scripts', 'requirements');

/** The tools that the action installs to read their locks, in files of the same two kinds. */
export const lockToolsDirectory = join(root, 'src', 'locktools');

/** @param {string} name of a file in one of the two directories */
function lockOf(name) {
  const [lock = ''] = [requirementsDirectory, lockToolsDirectory]
    .map((directory) => join(directory, `${name}.txt`))
    .filter((file) => existsSync(file));
  return lock;
}

/** Installs only files whose hash is in the requirements file, and no dependencies beside those. */
const install = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check'].concat([
  '--no-deps',
  '--require-hashes',
]);

/**
 * The wheel of that pip.
 * @param {string} version
 */
export function pipWheel(version) {
  return join(cache, `pip-${version}-py3-none-any.whl`);
}

/** A version of pip that hosted runners and many Pythons bring, which only benchmarks need. */
export const olderPip = '24.0';

/**
 * Downloads versions of pip from the index that pip is configured with.
 * @param {string[]} versions
 */
function ensurePips(versions) {
  for (const version of versions) {
    if (existsSync(pipDirectory(version)) && existsSync(pipWheel(version))) continue;
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
    rmSync(pipDirectory(version), { recursive: true, force: true });
    renameSync(unpacked, pipDirectory(version));
    renameSync(join(download, wheel), pipWheel(version));
    rmSync(download, { recursive: true });
  }
}

/** The path of uv. */
export function uvCommand() {
  const name = process.platform === 'win32' ? 'uv.exe' : 'uv';
  return join(uvDirectory(), 'bin', name);
}

function uvDirectory() {
  const [, version] = /^uv==(\S+)/m.exec(readFileSync(lockOf('uv'), 'utf8')) ?? [];
  return join(cache, `uv-${version}`);
}

/** Installs uv from the index that pip is configured with. */
export function ensureUv() {
  if (existsSync(uvCommand())) return;
  run(python, [...install, '--target', uvDirectory(), '-r', lockOf('uv')]);
}

/**
 * The virtual environment of some Python tools.
 * @param {string} name of a file in scripts/requirements or src/locktools
 */
function environmentOf(name) {
  const digest = createHash('sha256')
    .update(readFileSync(lockOf(name)))
    .digest('hex');
  return join(cache, `${name}-${digest.slice(0, 12)}`);
}

/**
 * The path of a command in one of these environments.
 * @param {string} name of a file in scripts/requirements
 * @param {string} command
 */
export function commandOf(name, command) {
  const [directory, suffix] = process.platform === 'win32' ? ['Scripts', '.exe'] : ['bin', ''];
  return join(environmentOf(name), directory, `${command}${suffix}`);
}

/**
 * Creates one of these environments from the index that pip is configured with.
 * @param {string} name of a file in scripts/requirements
 */
export function ensureEnvironment(name) {
  const directory = environmentOf(name);
  const complete = join(directory, 'complete');
  if (existsSync(complete)) return;
  // Commands contain the path of their environment, so it can't be created elsewhere and moved.
  rmSync(directory, { recursive: true, force: true });
  run(python, ['-m', 'venv', directory]);
  run(commandOf(name, 'python'), [...install, '-r', lockOf(name)]);
  writeFileSync(complete, '');
}

/**
 * The path of a command of a private feed, or of a tool that publishes to one.
 * @param {'pypiserver' | 'devpi' | 'publishers'} feed
 * @param {string} command
 */
export function feedCommand(feed, command) {
  return commandOf(feed, command);
}

/** Installs uv, the servers of private feeds and the tools that publish to them. */
export function ensureFeeds() {
  ensureUv();
  for (const feed of ['pypiserver', 'devpi', 'publishers']) ensureEnvironment(feed);
}

/**
 * The path of a tool that writes locks, in the version that the action installs; uv's is that of
 * the other tests.
 * @param {'uv' | 'poetry' | 'pdm' | 'pipenv'} tool
 */
export function lockToolCommand(tool) {
  return tool === 'uv' ? uvCommand() : commandOf(tool, tool);
}

/** Installs the tools that write locks. */
export function ensureLockTools() {
  ensureUv();
  for (const tool of ['poetry', 'pdm', 'pipenv']) ensureEnvironment(tool);
}

/** Programs that this does not install, and where they come from. */
const programs = {
  git: 'from your system or git-scm.com',
  go: 'from go.dev',
  jq: 'from your system',
  nginx: 'on Debian or Ubuntu with "apt-get install nginx-light", or set NGINX_COMMAND to its path',
  npm: 'with Node.js from nodejs.org',
  openssl: 'from your system',
  tar: 'from your system',
  zstd: 'from your system, on Debian or Ubuntu with "apt-get install zstd"',
};

/** @typedef {keyof typeof programs} Program */

/** @param {Program} name @returns {string | undefined} the path of a program; undefined if missing */
export function findProgram(name) {
  const given = name === 'nginx' && process.env.NGINX_COMMAND;
  if (given) return existsSync(given) ? given : undefined;
  const places = (process.env.PATH ?? '').split(delimiter);
  // Debian has it where only root's PATH leads.
  if (name === 'nginx') places.push('/usr/sbin');
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  return places
    .flatMap((place) => suffixes.map((suffix) => join(place, name + suffix)))
    .find((file) => existsSync(file));
}

/** Whether this process may mount a disk. */
export function canMount() {
  if (process.platform !== 'linux') return false;
  const directory = mkdtempSync(join(tmpdir(), 'mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', directory]);
  if (mounted.status === 0) spawnSync('umount', [directory]);
  rmSync(directory, { recursive: true });
  return mounted.status === 0;
}

/** A command that runs another one in a network namespace with nothing but the loopback. */
export const isolation = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

/** Whether this process may make a network namespace. */
export function canIsolate() {
  const [command = '', ...args] = isolation;
  return process.platform === 'linux' && spawnSync(command, [...args, 'true']).status === 0;
}

/** Whether pip reaches the package index that it is configured with. */
function canDownload() {
  const directory = mkdtempSync(join(tmpdir(), 'download-'));
  const args = ['-q', '--disable-pip-version-check', '--no-deps', '--no-cache-dir', '--retries=1'];
  const { status } = spawnSync(
    python,
    ['-m', 'pip', 'download', ...args, '--timeout=10', '-d', directory, 'docopt==0.6.2'],
    { stdio: 'ignore' },
  );
  rmSync(directory, { recursive: true });
  return status === 0;
}

/** @param {Program} name @param {string} loss @returns {[() => boolean, string]} */
function without(name, loss) {
  return [() => findProgram(name) !== undefined, `${loss}: install ${name} ${programs[name]}`];
}

/**
 * Suite, by the name of its npm script → what must be there, what a part of it needs, and whether
 * it downloads while it runs.
 * @type {Record<string, { needs: Program[], parts?: [() => boolean, string][], network?: boolean }>}
 */
const suites = {
  test: {
    needs: ['git', 'tar', 'zstd'],
    parts: [
      without('jq', 'The tests of the release workflow are skipped'),
      without('openssl', 'The tests of the certificate examples are skipped'),
    ],
  },
  'test:more': {
    needs: ['git', 'tar', 'zstd'],
    parts: [
      [
        () => hasPython(3, 11),
        `Tests with tox, nox and other CI systems are skipped: they need Python 3.11 or newer`,
      ],
    ],
  },
  'test:faults': {
    needs: ['tar', 'zstd'],
    parts: [
      [canMount, 'Faults of full and read-only disks are skipped: run this as root on Linux'],
    ],
  },
  'test:soak': { needs: ['tar', 'zstd'] },
  'test:mirror': { needs: ['nginx'] },
  'test:live': {
    needs: ['tar', 'zstd'],
    parts: [
      [
        canIsolate,
        'Runs without a network have only a proxy that refuses connections: for a network ' +
          'namespace, run this as root on Linux',
      ],
    ],
    network: true,
  },
  'test:workflows': {
    needs: ['git', 'tar', 'zstd'],
    parts: [
      without('go', 'actionlint and the workflows under act are left out'),
      [
        () => hasPython(3, 11),
        'zizmor and check-jsonschema are left out: they need Python 3.11 or newer',
      ],
    ],
  },
  bench: { needs: ['tar', 'zstd'] },
};

/**
 * What keeps a suite from running, and what parts of it can't run, each in one line.
 * @param {keyof typeof suites} name
 */
export function missingFor(name) {
  const { needs, parts = [], network = false } = suites[name] ?? { needs: [] };
  const wanted = /** @type {Program[]} */ (['npm', ...needs]);
  const missing = wanted
    .filter((program) => findProgram(program) === undefined)
    .map((program) => `npm run ${name} needs ${program}: install it ${programs[program]}.`);
  if (!hasPython(3, 9)) {
    missing.push(`npm run ${name} needs ${python} 3.9 or newer with venv and pip: install it.`);
  } else if (missing.length === 0 && network && !canDownload()) {
    missing.push(
      `npm run ${name} needs a package index, but pip can't download from the one that it is ` +
        'configured with: check the network, PIP_INDEX_URL and the proxy.',
    );
  }
  const leftOut = parts.filter(([isThere]) => !isThere()).map(([, text]) => `${text}.`);
  return { missing, leftOut };
}

/**
 * Installs what a suite needs. If a program of the system is missing, says how to get it and ends
 * the process, before anything is downloaded or run.
 * @param {keyof typeof suites} name of the suite's npm script
 */
export function ensureTools(name) {
  const { missing, leftOut } = missingFor(name);
  for (const line of missing) console.error(line);
  if (missing.length > 0) process.exit(1);
  for (const line of leftOut) console.log(`# ${line}`);
  ensureInstalled();
  ensurePips(name === 'bench' ? [...pipVersions, olderPip] : pipVersions);
  ensureUv();
  // A minute and a half that the other suites can do without.
  if (name === 'test:more') {
    ensureFeeds();
    ensureLockTools();
  }
}
