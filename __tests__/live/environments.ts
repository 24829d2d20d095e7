/**
 * Creates virtual environments as users have them, by a Python's own venv with what that installs
 * (including setuptools up to Python 3.11) and one of several pips; and reads what is in them.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

import { python as mainCommand } from '../../scripts/tools.mjs';

/** A Python and a pip: one leg of the matrix. */
export interface Leg {
  readonly python: Python;
  readonly pip: string;
}

export interface Python {
  readonly command: string;
  /** For example 3.11.7. */
  readonly version: string;
  /** 11 for Python 3.11. */
  readonly minor: number;
  /** The version of the pip that it installs into virtual environments. */
  readonly bundledPip: string;
}

/** The oldest pip that the product supports, common ones, and the newest. */
const pips = [
  { version: '22.2', minors: [9, 11] },
  { version: '23.2.1', minors: [9, 99] },
  { version: '25.3', minors: [9, 99] },
  { version: '26.3', minors: [10, 99] },
] as const;

/** The pip settings of this machine, without its extra directories of wheels. */
export const settings: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      /^(?:PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|.*_PROXY)$/i.test(entry[0]) &&
      !/^PIP_(?:FIND_LINKS|CACHE_DIR)$/.test(entry[0]),
  ),
);

/** Describes a Python; undefined if the command is not one that can create environments. */
function probe(command: string): Python | undefined {
  const script =
    'import ensurepip, platform, sys; print(ensurepip.version(), platform.python_version(), sys.executable)';
  try {
    const output = execFileSync(command, ['-c', script], { encoding: 'utf8', stdio: 'pipe' });
    const [bundledPip = '', version = '', ...path] = output.trim().split(' ');
    return { command: path.join(' '), version, minor: Number(version.split('.')[1]), bundledPip };
  } catch {
    return undefined;
  }
}

/** Interpreters in the directories where tools install several versions of Python. */
function kept(): string[] {
  const places = [
    { directory: join(homedir(), '.pyenv', 'versions'), inside: ['bin', 'python'] },
    {
      directory: join(process.env['RUNNER_TOOL_CACHE'] ?? '/opt/hostedtoolcache', 'Python'),
      inside: ['x64', 'bin', 'python'],
    },
  ];
  return places.flatMap(({ directory, inside }) => {
    try {
      return readdirSync(directory).map((version) => join(directory, version, ...inside));
    } catch {
      return [];
    }
  });
}

/** The Python that the tests start from, and the newest other one on this machine. */
export function findPythons(): Python[] {
  const main = probe(mainCommand);
  if (main === undefined) throw new Error(`${mainCommand} can't create virtual environments.`);
  const named = [14, 13, 12, 11, 10, 9].map((minor) => `python3.${minor}`);
  const [other] = [...named, ...kept(), '/usr/bin/python3']
    .flatMap((command) => probe(command) ?? [])
    .filter(({ minor }) => minor >= 9 && minor !== main.minor)
    .sort((a, b) => b.minor - a.minor);
  return other === undefined ? [main] : [main, other];
}

/** Every Python with every pip that works with it, ordered so that neighbours differ in both. */
export function legsOf(pythons: readonly Python[]): Leg[] {
  const columns = pythons.map((python, number) => {
    const fitting = pips
      .filter(({ minors: [from, to] }) => python.minor >= from && python.minor <= to)
      .map((pip): Leg => ({ python, pip: pip.version }));
    return number === 0 ? fitting : fitting.reverse();
  });
  const longest = Math.max(...columns.map((column) => column.length));
  return Array.from({ length: longest }, (_, row) =>
    columns.flatMap((column) => column[row] ?? []),
  ).flat();
}

/** Each Python with its own pip, for environments that the product creates. */
export function bundledLegsOf(pythons: readonly Python[]): Leg[] {
  return pythons.map((python) => ({ python, pip: python.bundledPip }));
}

const patterns = new Map<string, Promise<string>>();
let patternRoot: string | undefined;

/** Creates the environment that those of a leg are copied from. */
async function makePattern({ python, pip }: Leg, directory: string): Promise<string> {
  await promisify(execFile)(python.command, ['-m', 'venv', directory]);
  if (pip === python.bundledPip) return directory;
  const args = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', `pip==${pip}`];
  const env = { ...process.env, ...settings };
  delete env['PIP_FIND_LINKS'];
  await promisify(execFile)(join(directory, 'bin', 'python'), args, { env });
  return directory;
}

/** The environment that those of a leg are copied from; created once. */
function patternOf(leg: Leg): Promise<string> {
  if (patternRoot === undefined) {
    const made = realpathSync(mkdtempSync(join(tmpdir(), 'environments-')));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    patternRoot = made;
  }
  const name = `${leg.python.version}-${leg.pip}`;
  const pattern = patterns.get(name) ?? makePattern(leg, join(patternRoot, name));
  patterns.set(name, pattern);
  return pattern;
}

/** Creates an environment of a leg in a directory that does not exist yet. */
export async function makeEnvironment(leg: Leg, directory: string): Promise<void> {
  // Installers replace files and don't write into them, so hard links suffice where `cp` has them.
  const flags = process.platform === 'linux' ? '-al' : '-a';
  await promisify(execFile)('cp', [flags, await patternOf(leg), directory]);
}

/**
 * The interpreter to create environments with, whose pip is as released. Widely used Pythons have a
 * patched one, or one with other certificates.
 */
export async function interpreterOf(leg: Leg): Promise<string> {
  return join(await patternOf(leg), 'bin', 'python');
}

/** Files that record how something was installed, not what. */
const notes = ['INSTALLER', 'REQUESTED', 'uv_build.json', 'uv_cache.json'];

/**
 * Reads an environment: each file's path with the SHA-256 of its content, links with where they
 * lead. Bytecode and what notes down the installing is left out, also where RECORD lists it.
 */
export function contentOf(environment: string): Map<string, string> {
  const content = new Map<string, string>();
  const isNoise = (path: string) =>
    path.includes('__pycache__') ||
    (path.includes('.dist-info/') && notes.includes(basename(path)));
  for (const entry of readdirSync(environment, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(environment.length + 1);
    if (entry.isSymbolicLink()) content.set(path, `-> ${readlinkSync(file)}`);
    // lib64 is a link to lib.
    if (!entry.isFile() || isNoise(path) || path.startsWith('lib64/')) continue;
    let bytes: string | Buffer = readFileSync(file);
    if (path.endsWith('.dist-info/RECORD')) {
      const lines = bytes.toString('utf8').split('\n');
      bytes = lines
        .filter((line) => !isNoise(String(line.split(',')[0])))
        .sort()
        .join('\n');
    } else if (path === 'pyvenv.cfg') {
      bytes = bytes.toString('utf8').replace(/^command = .*$/m, '');
    }
    content.set(path, createHash('sha256').update(bytes).digest('hex'));
  }
  return content;
}

/** How the second environment differs from the first, one line per file. */
export function differences(
  expected: ReadonlyMap<string, string>,
  actual: ReadonlyMap<string, string>,
): string[] {
  return [...new Set([...expected.keys(), ...actual.keys()])].sort().flatMap((path) => {
    if (!actual.has(path)) return [`missing: ${path}`];
    if (!expected.has(path)) return [`extra: ${path}`];
    return expected.get(path) === actual.get(path) ? [] : [`other content: ${path}`];
  });
}
