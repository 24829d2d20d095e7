/**
 * The packages that the benchmarks install: real ones, in pinned versions. They are downloaded once,
 * with the pages of their projects, from the index that pip is configured with.
 */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
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
import { fileURLToPath } from 'node:url';

import type { ListedFile } from '../__tests__/support/index-server.ts';
import { type Distribution, normalise } from '../__tests__/support/packages.ts';
import { pipDirectory, pipVersions, python, root } from '../scripts/tools.mjs';

/** The directory of everything that benchmark runs reuse. */
export const benchCache = join(root, '.cache', 'bench');

/** Numbers that describe the packages. */
export interface PackageFacts {
  readonly packages: number;
  /** Bytes of their wheels and sdists. */
  readonly wheelBytes: number;
  /** Bytes of the wheel that a changed pin needs. */
  readonly changedBytes: number;
  readonly unpackedBytes: number;
  readonly files: number;
  /** Bytes of Python in them. */
  readonly sourceBytes: number;
  /** Files on the pages of their projects. */
  readonly listed: number;
}

export interface Packages {
  /** The directory of the wheels and sdists. */
  readonly directory: string;
  /** Version of each package. */
  readonly pins: ReadonlyMap<string, string>;
  readonly distributions: readonly Distribution[];
  /** Everything on the pages of their projects. */
  readonly listed: readonly ListedFile[];
  /** The pin that changes. */
  readonly bump: { readonly name: string; readonly to: string };
  readonly facts: PackageFacts;
}

/** What describe.py prints. */
interface Description {
  readonly distributions: readonly (Pick<
    Distribution,
    'filename' | 'project' | 'version' | 'sha256'
  > & {
    readonly metadata: string;
    readonly files: number;
    readonly unpackedBytes: number;
    readonly sourceBytes: number;
  })[];
  /** By project. */
  readonly pages: Readonly<
    Record<
      string,
      readonly {
        readonly filename: string;
        readonly version: string;
        readonly sha256: string;
        readonly requiresPython: string | null;
        readonly yanked: string | null;
      }[]
    >
  >;
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const pinFiles = [here('closure.txt'), here('offered.txt')];

/** The lines of a requirements file, each package pinned. */
export function requirementsOf(
  { pins }: Pick<Packages, 'pins'>,
  changed: Readonly<Record<string, string>> = {},
): string {
  const lines = [...pins].map(([name, version]) => `${name}==${changed[name] ?? version}`);
  return `${lines.join('\n')}\n`;
}

/** Returns the packages; downloads them the first time. @throws Error when the index lacks one */
export function benchmarkPackages(): Packages {
  const sources = [...pinFiles, here('describe.py')].map((file) => readFileSync(file));
  const digest = createHash('sha256').update(Buffer.concat(sources)).digest('hex').slice(0, 10);
  const directory = join(benchCache, `packages-${digest}`);
  if (!existsSync(directory)) {
    console.log('Downloading the packages and the pages of their projects (once) …');
    download(directory);
  }
  return read(directory);
}

function download(directory: string): void {
  const unfinished = `${directory}.${process.pid}`;
  const files = join(unfinished, 'files');
  const pip = { ...process.env, PYTHONPATH: pipDirectory(String(pipVersions.at(-1))) };
  const options: ExecFileSyncOptions = {
    env: pip,
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'inherit'],
  };
  mkdirSync(files, { recursive: true });
  for (const pins of pinFiles) {
    const args = ['download', '-q', '--no-deps', '--require-hashes', '-d', files, '-r', pins];
    execFileSync(python, ['-m', 'pip', ...args], options);
  }
  writeFileSync(
    join(unfinished, 'description.json'),
    execFileSync(python, [here('describe.py'), files], options),
  );
  for (const old of readdirSync(benchCache)) {
    const isOld = old.startsWith('packages-') && join(benchCache, old) !== unfinished;
    if (isOld) rmSync(join(benchCache, old), { recursive: true });
  }
  renameSync(unfinished, directory);
}

function read(directory: string): Packages {
  const files = join(directory, 'files');
  const text = readFileSync(join(directory, 'description.json'), 'utf8');
  const { distributions: described, pages } = JSON.parse(text) as Description;
  const [pins, offered] = pinFiles.map(pinsIn) as [Map<string, string>, Map<string, string>];
  const distributions = described.map(({ filename, project, version, sha256, metadata }) => {
    const listed = pages[project]?.find((each) => each.filename === filename);
    return {
      kind: filename.endsWith('.whl') ? ('wheel' as const) : ('sdist' as const),
      ...{ filename, project, version, sha256 },
      ...(listed?.requiresPython ? { requiresPython: listed.requiresPython } : {}),
      metadata: Buffer.from(metadata),
      content: readFileSync(join(files, filename)),
    };
  });
  const listed = Object.entries(pages).flatMap(([project, entries]) =>
    entries.map(({ requiresPython, yanked, ...entry }) => ({
      ...entry,
      project,
      ...(requiresPython === null ? {} : { requiresPython }),
      ...(yanked === null ? {} : { yanked }),
    })),
  );
  const name = [...offered.keys()].find((each) => pins.has(each));
  if (name === undefined) throw new Error('offered.txt has no other version of a pinned package.');
  const closure = new Set([...pins].map(([each, version]) => `${normalise(each)} ${version}`));
  const own = described.filter(({ project, version }) => closure.has(`${project} ${version}`));
  const sum = (value: (each: (typeof own)[number]) => number): number =>
    own.reduce((total, each) => total + value(each), 0);
  const bytes = new Map(distributions.map(({ filename, content }) => [filename, content.length]));
  return {
    directory: files,
    ...{ pins, distributions, listed },
    bump: { name, to: String(offered.get(name)) },
    facts: {
      packages: pins.size,
      wheelBytes: sum(({ filename }) => bytes.get(filename) ?? 0),
      changedBytes:
        distributions.find(
          ({ project, version }) => project === normalise(name) && version === offered.get(name),
        )?.content.length ?? 0,
      unpackedBytes: sum((each) => each.unpackedBytes),
      files: sum((each) => each.files),
      sourceBytes: sum((each) => each.sourceBytes),
      listed: listed.length,
    },
  };
}

function pinsIn(file: string): Map<string, string> {
  const lines = readFileSync(file, 'utf8').matchAll(/^([\w.-]+)==(\S+)/gm);
  return new Map([...lines].map(([, name = '', version = '']) => [name, version]));
}

/** Makes another version of a wheel. @returns its path */
export function repack(wheel: string, version: string, directory: string): string {
  const before = new Set(readdirSync(directory));
  execFileSync(python, [here('repack.py'), wheel, version, directory]);
  const file = readdirSync(directory).find((each) => !before.has(each));
  return join(directory, String(file));
}
