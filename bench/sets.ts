/**
 * Sets of generated wheels, the same on every machine, with realistic numbers and sizes of files: most
 * packages are a few dozen modules, a few contain big shared libraries or thousands of documents, and
 * two exist as sdists only.
 */
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
import { join } from 'node:path';

import { type Distribution, sdist } from '../__tests__/support/packages.ts';
import { zip } from '../__tests__/support/zip.ts';
import { root } from '../scripts/tools.mjs';
import { document, machineCode, packageName, prose, pythonSource } from './content.ts';
import { randomFrom } from './random.ts';

/** The directory of everything that benchmark runs reuse. */
export const benchCache = join(root, '.cache', 'bench');

/** The content of one package. */
interface Recipe {
  readonly name: string;
  readonly kind: 'pure' | 'native' | 'data';
  /** Only a source distribution exists. */
  readonly source: boolean;
  readonly requires: readonly string[];
  readonly modules: number;
  readonly libraries: number;
  /** Bytes of all libraries together. */
  readonly libraryBytes: number;
  readonly documents: number;
  /** Half of the documents are smaller. */
  readonly documentBytes: number;
}

/** Numbers that describe a set. */
export interface SetFacts {
  readonly packages: number;
  readonly wheelBytes: number;
  readonly unpackedBytes: number;
  readonly files: number;
  readonly sourceBytes: number;
}

export interface WheelSet {
  readonly directory: string;
  /** Name and version of each package. */
  readonly pins: ReadonlyMap<string, string>;
  readonly distributions: readonly Distribution[];
  /** A package of middling size with a second version. */
  readonly bump: { readonly name: string; readonly to: string };
  readonly facts: SetFacts;
}

const firstVersion = '1.4.0';
const secondVersion = '1.4.1';

/** The lines of a requirements file, each package pinned. */
export function requirementsOf(set: WheelSet, changed: Record<string, string> = {}): string {
  const lines = [...set.pins].map(([name, version]) => `${name}==${changed[name] ?? version}`);
  return `${lines.join('\n')}\n`;
}

/** Returns a set; generates it the first time. */
export function wheelSet(count: number): WheelSet {
  const code = ['sets.ts', 'content.ts', 'random.ts', '../__tests__/support/zip.ts'].map((file) =>
    readFileSync(new URL(file, import.meta.url)),
  );
  const digest = createHash('sha256').update(Buffer.concat(code)).digest('hex').slice(0, 10);
  const directory = join(benchCache, `set-${count}-${digest}`);
  if (!existsSync(directory)) {
    for (const old of existsSync(benchCache) ? readdirSync(benchCache) : []) {
      if (old.startsWith(`set-${count}-`)) rmSync(join(benchCache, old), { recursive: true });
    }
    console.log(`Generating ${count} packages (once) …`);
    writeSet(count, directory);
  }
  return readSet(directory);
}

interface Entry extends Omit<Distribution, 'content' | 'metadata'> {
  readonly metadata: string;
}

function writeSet(count: number, directory: string): void {
  const unfinished = `${directory}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  const recipes = recipesOf(count);
  const bump = middling(recipes);
  const entries: Entry[] = [];
  const facts = { packages: count, wheelBytes: 0, unpackedBytes: 0, files: 0, sourceBytes: 0 };
  for (const recipe of recipes) {
    for (const version of recipe === bump ? [firstVersion, secondVersion] : [firstVersion]) {
      const made = distributionOf(recipe, version);
      const { content, metadata, ...rest } = made.distribution;
      entries.push({ ...rest, metadata: metadata.toString() });
      writeFileSync(join(unfinished, rest.filename), content);
      if (version !== firstVersion) continue;
      facts.wheelBytes += content.length;
      facts.unpackedBytes += made.bytes;
      facts.files += made.files;
      facts.sourceBytes += made.sourceBytes;
    }
  }
  const pins = recipes.map(({ name }) => [name, firstVersion]);
  const set = { pins, entries, bump: { name: bump.name, to: secondVersion }, facts };
  writeFileSync(join(unfinished, 'set.json'), JSON.stringify(set));
  renameSync(unfinished, directory);
}

function readSet(directory: string): WheelSet {
  const set = JSON.parse(readFileSync(join(directory, 'set.json'), 'utf8')) as {
    pins: [string, string][];
    entries: Entry[];
    bump: WheelSet['bump'];
    facts: SetFacts;
  };
  return {
    directory,
    pins: new Map(set.pins),
    distributions: set.entries.map((entry) => ({
      ...entry,
      metadata: Buffer.from(entry.metadata),
      content: readFileSync(join(directory, entry.filename)),
    })),
    bump: set.bump,
    facts: set.facts,
  };
}

/** Megabytes and modules of the big native packages, biggest first. */
const bigNative = [
  { megabytes: 100, modules: 1250, libraries: 60, documents: 900 },
  { megabytes: 70, modules: 900, libraries: 40, documents: 600 },
  { megabytes: 50, modules: 700, libraries: 30, documents: 500 },
  { megabytes: 36, modules: 400, libraries: 20, documents: 300 },
  { megabytes: 28, modules: 250, libraries: 10, documents: 100 },
  { megabytes: 20, modules: 150, libraries: 10, documents: 50 },
] as const;

function recipesOf(count: number): Recipe[] {
  const random = randomFrom('names');
  const names = new Set<string>();
  while (names.size < count) names.add(packageName(random));
  // Of 86: 6 big and 10 small native ones, 2 with many documents, 68 pure ones.
  const big = count < 40 ? 0 : Math.floor(count / 14.3);
  const data = Math.floor(count / 43);
  const native = Math.round(count / 8.6);
  return [...names].map((name, order): Recipe => {
    const own = randomFrom(`recipe ${name}`);
    const before = [...names].slice(Math.max(0, order - 12), order);
    const requires = before.filter(() => own.chance(0.12)).map((each) => `${each}>=1.0`);
    const common = { name, source: false, requires };
    if (order < big) {
      const { megabytes, ...rest } = bigNative[order % bigNative.length] as (typeof bigNative)[0];
      const sizes = { libraryBytes: megabytes * 1e6, documentBytes: 5000 };
      return { ...common, kind: 'native', ...sizes, ...rest };
    }
    if (order < big + data) {
      const documents = order % 2 === 0 ? 1800 : 800;
      const modules = own.between(100, 150);
      const sizes = { libraries: 0, libraryBytes: 0, documents, documentBytes: 19_000 };
      return { ...common, kind: 'data', modules, ...sizes };
    }
    if (order < big + data + native) {
      const libraries = own.between(1, 6);
      const libraryBytes = own.size(count < 40 ? 1.2e6 : 3.5e6, 0.5, 12e6);
      const sizes = { libraries, libraryBytes, documents: own.between(8, 30), documentBytes: 3000 };
      return { ...common, kind: 'native', modules: own.between(20, 60), ...sizes };
    }
    const source = order >= count - 2;
    const modules = source ? 12 : own.size(count < 40 ? 24 : 34, 1.05, 420);
    const documents = source ? 3 : Math.round(modules * 0.6);
    const sizes = { libraries: 0, libraryBytes: 0, documents, documentBytes: 3500 };
    return { ...common, kind: 'pure', source, modules, ...sizes };
  });
}

/** The pure package of median size. */
function middling(recipes: readonly Recipe[]): Recipe {
  const pure = recipes
    .filter((recipe) => recipe.kind === 'pure' && !recipe.source)
    .sort((a, b) => a.modules - b.modules);
  return pure[Math.floor(pure.length / 2)] as Recipe;
}

interface Made {
  readonly distribution: Distribution;
  readonly bytes: number;
  readonly files: number;
  readonly sourceBytes: number;
}

function distributionOf(recipe: Recipe, version: string): Made {
  const { name, requires } = recipe;
  const module = name.replaceAll('-', '_');
  const files = filesOf(recipe, version);
  const contents = [...files.values()];
  const size = (list: readonly Buffer[]): number =>
    list.reduce((sum, { length }) => sum + length, 0);
  const sources = [...files].filter(([path]) => path.endsWith('.py')).map(([, content]) => content);
  const counts = { bytes: size(contents), files: files.size + 3, sourceBytes: size(sources) };
  if (recipe.source) {
    const given = { name, version, requires: [...requires], files: Object.fromEntries(files) };
    return { distribution: sdist(given), ...counts };
  }
  const metadata = Buffer.from(
    [
      ...['Metadata-Version: 2.1', `Name: ${name}`, `Version: ${version}`],
      ...requires.map((line) => `Requires-Dist: ${line}`),
      '',
      prose(`description ${name}`, 3000),
    ].join('\n'),
  );
  return { distribution: wheel(name, module, version, files, metadata), ...counts };
}

/** Paths in the wheel with their content. Another version differs in a few modules. */
function filesOf(recipe: Recipe, version: string): Map<string, Buffer> {
  const { name } = recipe;
  const module = name.replaceAll('-', '_');
  const random = randomFrom(`files ${name}`);
  const folders = Math.max(1, Math.round(recipe.modules / 14));
  const folder = (): string => {
    const number = random.below(folders);
    return number === 0 ? module : `${module}/part_${number}`;
  };
  const files = new Map<string, Buffer>();
  files.set(`${module}/__init__.py`, Buffer.from(`__version__ = ${JSON.stringify(version)}\n`));
  for (let number = 1; number < folders; number += 1) {
    files.set(`${module}/part_${number}/__init__.py`, Buffer.from(''));
  }
  for (let number = 0; number < recipe.modules; number += 1) {
    const seed = `${name} ${number} ${number < 3 ? version : ''}`;
    const source = pythonSource(seed, random.size(4600, 0.95, 120_000));
    files.set(`${folder()}/module_${number}.py`, Buffer.from(source));
  }
  for (let number = 0; number < recipe.libraries; number += 1) {
    const bytes = Math.round(recipe.libraryBytes / recipe.libraries);
    files.set(`${folder()}/_native_${number}.abi3.so`, machineCode(`${name} ${number}`, bytes));
  }
  for (let number = 0; number < recipe.documents; number += 1) {
    const bytes = random.size(recipe.documentBytes, 0.8, 600_000);
    const isJson = recipe.kind === 'data' || number % 3 === 0;
    const text = (isJson ? document : prose)(`${name} document ${number}`, bytes);
    const type = isJson ? 'json' : number % 3 === 1 ? 'txt' : 'pyi.in';
    files.set(`${folder()}/data/entry_${number}.${type}`, Buffer.from(text));
  }
  return files;
}

/** A wheel like published ones: deflated, with a licence, some with a command. */
function wheel(
  name: string,
  module: string,
  version: string,
  files: ReadonlyMap<string, Buffer>,
  metadata: Buffer,
): Distribution {
  const info = `${module}-${version}.dist-info`;
  const tags = 'Root-Is-Purelib: true\nTag: py3-none-any\n';
  const members = new Map(files);
  members.set(`${info}/licenses/LICENSE`, Buffer.from(prose('licence', 1100)));
  members.set(`${info}/METADATA`, metadata);
  members.set(`${info}/WHEEL`, Buffer.from(`Wheel-Version: 1.0\nGenerator: bench\n${tags}`));
  if (randomFrom(`command ${name}`).chance(0.2)) {
    const command = `[console_scripts]\n${name} = ${module}:main\n`;
    members.set(`${info}/entry_points.txt`, Buffer.from(command));
  }
  const lines = [...members].map(([path, content]) => {
    const digest = createHash('sha256').update(content).digest('base64url');
    return `${path},sha256=${digest},${content.length}\n`;
  });
  members.set(`${info}/RECORD`, Buffer.from(`${lines.join('')}${info}/RECORD,,\n`));
  const content = zip(members, true);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const filename = `${module}-${version}-py3-none-any.whl`;
  return { kind: 'wheel', project: name, version, filename, content, metadata, sha256 };
}

/** Another version, of similar size, of the package that a set has two versions of. */
export function laterVersion(count: number, version: string): Distribution {
  return distributionOf(middling(recipesOf(count)), version).distribution;
}

/** Small packages, each of which requires three others; the first one requires all, indirectly. */
export function smallPackages(count: number): Distribution[] {
  return Array.from({ length: count }, (_, number) => {
    const name = `small-${number}`;
    const module = `small_${number}`;
    const requires = [1, 2, 3]
      .map((each) => 3 * number + each)
      .filter((each) => each < count)
      .map((each) => `Requires-Dist: small-${each}>=1.0`);
    const metadata = ['Metadata-Version: 2.1', `Name: ${name}`, 'Version: 1.0', ...requires, ''];
    const files = new Map([
      [`${module}/__init__.py`, Buffer.from(pythonSource(name, 4000))],
      [`${module}/core.py`, Buffer.from(pythonSource(`${name} core`, 12_000))],
    ]);
    return wheel(name, module, '1.0', files, Buffer.from(metadata.join('\n')));
  });
}
