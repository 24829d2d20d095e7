/**
 * Builders of real Python distributions for tests: wheels, sdists and projects on disk, small,
 * valid, and written without a subprocess. The same arguments give the same bytes.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { type Members, zip } from './zip.ts';

/** A file of an index. */
export interface Distribution {
  kind: 'wheel' | 'sdist';
  /** The project's name in the normal form of PEP 503: lower case, single dashes. */
  project: string;
  version: string;
  filename: string;
  content: Buffer;
  /** The METADATA of a wheel, the PKG-INFO of an sdist. */
  metadata: Buffer;
  /** Lower-case hex digest of `content`. */
  sha256: string;
  requiresPython?: string;
  /** When it was uploaded, in ISO 8601 (PEP 700); the index does not say when it is missing. */
  uploaded?: string;
}

interface Description {
  /** In any spelling that PEP 503 allows; metadata contain it as is, file names normalised. */
  name: string;
  /** In the normal form of PEP 440; a local part (`1.0+cpu`) is fine. */
  version: string;
  /** Requirement lines of PEP 508, e.g. `beta >= 2 ; python_version > "3"`. */
  requires?: string[];
  /** Extra's name → its requirement lines. */
  extras?: Record<string, string[]>;
  /** A version specifier, e.g. `>=3.8`. */
  requiresPython?: string;
  /** More files, by their `/`-separated path in the wheel; they win over generated ones. */
  files?: Record<string, string | Buffer>;
}

/** What `wheel` builds. */
export interface WheelDescription extends Description {
  /** Python, ABI and platform tag; sets may be compressed (`py2.py3-none-any`). */
  tag?: string;
  /** Bytes of incompressible filler in the package, in addition to the rest. */
  size?: number;
}

/** What `sdist` and `projectDirectory` write. The built wheel contains everything in `src/`. */
export interface ProjectDescription extends Description {
  /**
   * `intree` (default): the backend is part of the project, so building needs no index.
   * `tinybuild`: the backend has to be downloaded first (see `tinybuildWheel`).
   */
  backend?: 'intree' | 'tinybuild';
  /** `build-system.requires`. Default: nothing (`intree`) or `tinybuild`, unpinned. */
  buildRequires?: string[];
  /** What the backend requests when it runs (`get_requires_for_build_wheel`). */
  dynamicBuildRequires?: string[];
  /** Absolute path of a file to which each build adds a line `<name> <version> <hook>`. */
  marker?: string;
  /** Building fails with this message; preparing metadata works. */
  fail?: string;
  /** Dependency groups of PEP 735: name → requirement lines. */
  groups?: Record<string, string[]>;
}

const backendSource = readFileSync(new URL('./packages.py', import.meta.url), 'utf8');

/** Returns the name normalised as in PEP 503, as in the URLs of an index's pages. */
export function normalise(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

/**
 * Builds a wheel (PEP 427, metadata 2.1) with an importable package of the project's name
 * (`-` and `.` become `_`) whose `__version__` is the version.
 */
export function wheel(description: WheelDescription): Distribution {
  const { name, version, tag = 'py3-none-any', size = 0, files = {} } = description;
  const module = moduleName(name);
  const stem = `${module}-${version.replaceAll('-', '_')}`;
  const metadata = coreMetadata(description);

  const members: Members = new Map();
  members.set(`${module}/__init__.py`, Buffer.from(`__version__ = ${JSON.stringify(version)}\n`));
  if (size > 0) members.set(`${module}/filler.bin`, filler(`${stem}-${tag}`, size));
  for (const [path, content] of Object.entries(files)) members.set(path, Buffer.from(content));
  members.set(`${stem}.dist-info/METADATA`, metadata);
  members.set(`${stem}.dist-info/WHEEL`, wheelFile(tag));
  members.set(`${stem}.dist-info/RECORD`, record(members, `${stem}.dist-info/RECORD`));

  return distribution('wheel', description, `${stem}-${tag}.whl`, zip(members), metadata);
}

/**
 * Builds an sdist (PEP 625 name, `.tar.gz`) that any PEP 517 front end turns into a
 * `py3-none-any` wheel, one with other bytes each time: `<module>._build.BUILD_ID` differs.
 * Throws if a path in it is longer than 100 bytes.
 */
export function sdist(description: ProjectDescription): Distribution {
  const stem = `${moduleName(description.name)}-${description.version}`;
  const metadata = coreMetadata(description);

  const members: Members = new Map([[`${stem}/PKG-INFO`, metadata]]);
  for (const [path, content] of projectFiles(description)) members.set(`${stem}/${path}`, content);

  const content = gzipSync(tar(members));
  content[9] = 255; // "made on: unknown", or the bytes would depend on the operating system
  return distribution('sdist', description, `${stem}.tar.gz`, content, metadata);
}

/** Builds the wheel of `tinybuild`, the backend that `backend: 'tinybuild'` asks for. */
export function tinybuildWheel(version = '1.0'): Distribution {
  const init = `${backendSource}\n__version__ = ${JSON.stringify(version)}\n`;
  return wheel({ name: 'tinybuild', version, files: { 'tinybuild/__init__.py': init } });
}

/**
 * Writes a project as in a developer's checkout: `pyproject.toml`, `src/<module>/__init__.py`,
 * the backend if it is in the tree. It can be built, and installed with `-e` (PEP 660).
 * `directory` is created if missing, files in it are overwritten. Returns `directory`; throws what
 * node:fs throws.
 */
export function projectDirectory(directory: string, description: ProjectDescription): string {
  for (const [path, content] of projectFiles(description)) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return directory;
}

/** The files that `projectDirectory` writes, by their path in the parent of the directory. */
export function filesBelow(
  directory: string,
  description: ProjectDescription,
): Record<string, Buffer> {
  return Object.fromEntries(
    [...projectFiles(description)].map(([path, content]) => [`${directory}/${path}`, content]),
  );
}

function moduleName(name: string): string {
  return normalise(name).replaceAll('-', '_');
}

function distribution(
  kind: Distribution['kind'],
  { name, version, requiresPython }: Description,
  filename: string,
  content: Buffer,
  metadata: Buffer,
): Distribution {
  const sha256 = createHash('sha256').update(content).digest('hex');
  const project = normalise(name);
  const file = { kind, project, version, filename, content, metadata, sha256 };
  return requiresPython === undefined ? file : { ...file, requiresPython };
}

function coreMetadata({ name, version, requires, extras, requiresPython }: Description): Buffer {
  const lines = ['Metadata-Version: 2.1', `Name: ${name}`, `Version: ${version}`];
  if (requiresPython) lines.push(`Requires-Python: ${requiresPython}`);
  for (const line of requires ?? []) lines.push(`Requires-Dist: ${line}`);
  for (const [extra, requirements] of Object.entries(extras ?? {})) {
    lines.push(`Provides-Extra: ${extra}`);
    for (const line of requirements) {
      const [requirement, marker] = line.split(';').map((part) => part.trim());
      const condition = `${marker ? `(${marker}) and ` : ''}extra == "${extra}"`;
      lines.push(`Requires-Dist: ${requirement} ; ${condition}`);
    }
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

function wheelFile(tag: string): Buffer {
  const [pythons = '', abis = '', platforms = ''] = tag.split('-');
  const lines = [
    'Wheel-Version: 1.0',
    'Generator: wheelhouse-tests',
    `Root-Is-Purelib: ${platforms === 'any'}`,
  ];
  for (const python of pythons.split('.')) {
    for (const abi of abis.split('.')) {
      for (const platform of platforms.split('.')) lines.push(`Tag: ${python}-${abi}-${platform}`);
    }
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}

function record(members: Members, ownPath: string): Buffer {
  let text = '';
  for (const [path, content] of members) {
    const digest = createHash('sha256').update(content).digest('base64url');
    text += `${path},sha256=${digest},${content.length}\n`;
  }
  return Buffer.from(`${text}${ownPath},,\n`);
}

function projectFiles(description: ProjectDescription): Members {
  const { name, version, backend = 'intree', files = {} } = description;
  const init = `src/${moduleName(name)}/__init__.py`;
  const members: Members = new Map();
  members.set('pyproject.toml', Buffer.from(pyproject(description)));
  members.set(init, Buffer.from(`__version__ = ${JSON.stringify(version)}\n`));
  if (backend === 'intree') members.set('intree_backend.py', Buffer.from(backendSource));
  for (const [path, content] of Object.entries(files)) {
    members.set(`src/${path}`, Buffer.from(content));
  }
  return members;
}

function pyproject(description: ProjectDescription): string {
  const { name, version, requires, extras, requiresPython, groups } = description;
  const { backend = 'intree', buildRequires, dynamicBuildRequires, marker, fail } = description;
  const intree = backend === 'intree';
  return [
    table('build-system', {
      requires: buildRequires ?? (intree ? [] : ['tinybuild']),
      'build-backend': intree ? 'intree_backend' : 'tinybuild',
      'backend-path': intree ? ['.'] : undefined,
    }),
    table('project', {
      name,
      version,
      'requires-python': requiresPython,
      dependencies: requires ?? [],
    }),
    table('project.optional-dependencies', extras ?? {}),
    table('dependency-groups', groups ?? {}),
    table('tool.tinybuild', { 'dynamic-build-requires': dynamicBuildRequires, marker, fail }),
  ].join('');
}

/** One key per line: TOML and JSON write strings and lists of strings in the same way. */
function table(header: string, values: Record<string, string | string[] | undefined>): string {
  const lines = Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [/^[\w-]+$/.test(key) ? key : JSON.stringify(key), value] as const)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`);
  return lines.length > 0 ? `[${header}]\n${lines.join('')}\n` : '';
}

/** The key stream of a cipher: fast, reproducible and incompressible. */
function filler(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function tar(members: Members): Buffer {
  const parts: Buffer[] = [];
  for (const [path, content] of members) {
    if (Buffer.byteLength(path) > 100)
      throw new Error(`path too long for this tar writer: ${path}`);
    const header = Buffer.alloc(512);
    header.write(path, 0);
    header.write('0000644\0' + '0000000\0' + '0000000\0', 100); // mode, user, group
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(`${'0'.repeat(11)}\0`, 136); // modified in 1970
    header.write(' '.repeat(8), 148); // the checksum counts its own field as blanks
    header.write('0', 156); // a plain file
    header.write('ustar\0' + '00', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    parts.push(header, content, Buffer.alloc(-content.length & 511));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
