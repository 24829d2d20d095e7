/** The cache keys of a request. */

import path from 'node:path';
import { digest } from './digest.ts';
import { period, type Recheck, type Refresh } from './freshness.ts';
import type { Interpreter, Request } from './model.ts';
import { normalizeName } from './names.ts';
import { type ReleaseAge, releaseAgeParts } from './release-age.ts';
import { isPath, type RequestLine } from './requirement-line.ts';
import { optionText } from './requirement-options.ts';
import type { RequestedSet } from './requirements.ts';
import { fingerprinted, shownAddress } from './secrets.ts';

/** Changes when older entries must no longer be found. */
const generation = 'wheelhouse-v2';

/** Digits of the digests in a key that tell families of entries apart. */
const familyDigits = 8;

/** How often a damaged or outdated entry can be replaced until it is evicted. */
const maxRepairs = 3;

/** pip's settings that decide which files it chooses or how it builds them. */
const sourceSettings = [
  'index-url',
  'extra-index-url',
  'no-index',
  'find-links',
  'no-binary',
  'only-binary',
  'prefer-binary',
  'pre',
  'config-settings',
  'global-option',
  'build-option',
  'no-build-isolation',
  'use-pep517',
  'no-use-pep517',
  'use-feature',
  'use-deprecated',
  'uploaded-prior-to',
  'ignore-requires-python',
] as const;

/** pip's settings that decide which packages the lines require. */
const selectionSettings = ['no-deps', 'require-hashes', 'only-final', 'all-releases'] as const;

export interface Keys {
  readonly primary: string;
  /** Prefixes, the most specific first. */
  readonly restore: readonly string[];
  /** Hex digest of the sources and of everything that is required. */
  readonly request: string;
  /** Hex digest of the indexes, the build settings, the resolver and the minimum release age. */
  readonly sources: string;
  /** The input of the two digests, with addresses as fingerprints, to explain a difference. */
  readonly parts: { readonly sources: readonly string[]; readonly lines: readonly string[] };
  /** The parts of the key for the log: name and value, without secrets. */
  readonly components: readonly (readonly [name: string, value: string])[];
}

/** The program that chooses versions and files. */
export interface ResolverChoice {
  readonly name: 'pip' | 'uv';
  /** Its own settings that decide what it chooses, besides those of pip, in a normal form. */
  readonly settings: readonly string[];
}

/**
 * The keys of a request.
 * @param settings pip's configuration: value by option name
 * @param options.now decides the period
 * @returns lower-case keys of at most 512 characters without commas, as GitHub's cache requires;
 *   restore keys never match another system, architecture, libc or Python, or other sources
 */
export function keysOf(
  interpreter: Interpreter,
  requested: RequestedSet,
  settings: ReadonlyMap<string, string>,
  options: {
    readonly refresh: Refresh;
    readonly recheck: Recheck;
    readonly suffix: string;
    readonly releaseAge: ReleaseAge | undefined;
    readonly now: Date;
    readonly resolver: ResolverChoice;
    /** See {@link setParts}. */
    readonly set: readonly string[];
  },
): Keys {
  const sourceList = [
    ...sourceParts(requested, settings),
    ...releaseAgeParts(options.releaseAge),
    ...resolverParts(options.resolver),
  ];
  const sources = digest(sourceList);
  const lines = [
    ...new Set([
      ...requested.lines
        .filter((line) => !isSource(line))
        .map(canonical)
        .sort(),
      ...requested.projects.map((project) => `project ${project.digest}`).sort(),
      ...requested.extra.map((file) => `file ${file.digest}`).sort(),
      ...selectionSettings.flatMap((name) => settingPart(name, settings)),
      // A lock's packages are installed without others that they depend on.
      ...(requested.lock === undefined ? [] : ['lock']),
    ]),
  ];
  const request = digest([sources, ...lines]);
  const python = pythonTag(interpreter);
  const freshness = freshnessOf(requested, options);
  const suffix = options.suffix === '' ? [] : [options.suffix];
  const family = [
    generation,
    ...suffix,
    interpreter.os,
    interpreter.arch,
    interpreter.libc,
    python,
    sources.slice(0, familyDigits),
  ].map(keyPart);
  const set = [...family, digest(options.set).slice(0, familyDigits)];
  const short = request.slice(0, 40);
  return {
    primary: [...set, short, freshness].join('-'),
    restore: [[...set, short], set, family].map((parts) => [...parts, ''].join('-')),
    request,
    sources,
    parts: { sources: sourceList, lines },
    components: [
      ['system', `${interpreter.os} ${interpreter.arch}, ${interpreter.libc}`],
      ['python', `${interpreter.implementation} ${interpreter.version} (${python})`],
      ...(options.suffix === '' ? [] : [['suffix', options.suffix] as const]),
      ['sources', sourceList.join('; ') || "pip's default index"],
      ['set', options.set.join('; ')],
      ['request', short],
      ['freshness', freshness],
    ],
  };
}

/**
 * The period in a key. An entry of an earlier one serves as well, if nothing in it has changed: it is
 * found by its prefix, and not saved again. A set that turned out to contain a deleted wheel is saved
 * under the key of its period, and so found first from then on.
 */
function freshnessOf(
  { lines }: RequestedSet,
  options: { readonly refresh: Refresh; readonly recheck: Recheck; readonly now: Date },
): string {
  const { refresh, recheck, now } = options;
  const isStable = refresh === 'never' || everyLineHashed(lines);
  if (!isStable) return period(refresh, now);
  if (recheck !== 'never') return period(recheck, now);
  return everyLineHashed(lines) ? 'pinned' : period('never', now);
}

/**
 * Which files, projects, groups and packages a request asks for: their names, as its inputs write
 * them, and not what is in them. Requests with the same set are versions of one another.
 * @returns texts without secrets, which do not depend on where the checkout is
 */
export function setParts(request: Request): string[] {
  const { directory, workingDirectory } = request;
  const shown = (file: string): string =>
    path.relative(directory, path.resolve(workingDirectory, file)).split(path.sep).join('/') || '.';
  const parts = [
    ...request.requirements.map(shown),
    ...request.projects.map((text) => `project ${shown(text)}`),
    ...request.packages.map((text) =>
      isPath(text) ? `project ${shown(text)}` : `package ${packageName(text)}`,
    ),
    ...request.groups.map((group) => `group ${group} in ${shown('.')}`),
    ...request.extras.map((extra) => `extra ${normalizeName(extra)}`),
    ...request.constraints.map((file) => `constraint ${shown(file)}`),
  ];
  return [...new Set(parts)].sort();
}

/** The project of an inline requirement, or the address of one that has no name. */
function packageName(text: string): string {
  const name = /^\s*([A-Za-z0-9._-]+)\s*(?:[[(<>=!~;@,]|$)/.exec(text)?.[1];
  return name === undefined ? shownAddress(text) : normalizeName(name);
}

/** The interpreter of a wheelhouse: its wheels may not work with another one. */
export function interpreterIdentity(interpreter: Interpreter): string {
  return [
    interpreter.implementation,
    interpreter.series,
    interpreter.extensionSuffix,
    interpreter.platform,
    interpreter.arch,
    interpreter.libc,
    interpreter.freeThreaded ? 'free-threaded' : 'gil',
  ].join(' ');
}

/** `<key>`, `<key>-r1`, …: the keys for an entry and its replacements, since none can be overwritten. */
export function generations(primary: string): string[] {
  return [primary, ...Array.from({ length: maxRepairs }, (_, index) => `${primary}-r${index + 1}`)];
}

/**
 * The key of an entry for local projects whose builds need something else than the entry of the plain
 * key has: no file decided that, so it is only known after a build.
 * @param needs what they need, in any order
 */
export function variantOf(primary: string, needs: readonly string[]): string {
  return `${primary}-d${digest(needs.toSorted()).slice(0, 8)}`;
}

/**
 * How a key from the service relates to the requested keys. A foreign one must not be used.
 */
export function matchKind(
  matched: string,
  keys: Pick<Keys, 'primary' | 'restore'>,
): 'exact' | 'partial' | 'foreign' {
  if (generations(keys.primary).includes(matched)) return 'exact';
  // The key becomes an output, which workflows may put into a script.
  if (!/^[a-z0-9._-]+$/.test(matched)) return 'foreign';
  return keys.restore.some((prefix) => matched.startsWith(prefix)) ? 'partial' : 'foreign';
}

/** `cp311`, `cp313t`, `cp315b1`; for other implementations with the ABI, which X.Y does not fix. */
function pythonTag(interpreter: Interpreter): string {
  const digits = interpreter.series.replace(/\./, '').replace(/\./g, '');
  if (interpreter.implementation === 'cpython') {
    return `cp${digits}${interpreter.freeThreaded ? 't' : ''}`;
  }
  const abi = interpreter.extensionSuffix.replace(/^\.|\.(?:so|pyd)$/g, '');
  return `${interpreter.implementation}${digits}_${abi}`;
}

/** Replaces the characters that would end a component or that the service rejects. */
function keyPart(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9._-]+/g, '_');
}

/** Whether a line decides where wheels come from or how they are built. */
function isSource(line: RequestLine): boolean {
  return line.kind === 'option' && (sourceSettings as readonly string[]).includes(line.name);
}

/** The order of lines only matters where a later index or format overrides an earlier one. */
function sourceParts(
  { lines, buildConstraints = [] }: RequestedSet,
  settings: ReadonlyMap<string, string>,
): string[] {
  const given = (isWanted: (name: string) => boolean): string[] =>
    lines.flatMap((line) =>
      line.kind === 'option' && isSource(line) && isWanted(line.name) ? [canonical(line)] : [],
    );
  const isFormat = (name: string): boolean => name === 'no-binary' || name === 'only-binary';
  return [
    ...sourceSettings.flatMap((name) => settingPart(name, settings)),
    ...given((name) => name === 'index-url').slice(-1),
    ...given((name) => name !== 'index-url' && !isFormat(name)).sort(),
    ...given(isFormat),
    ...buildConstraints.map((part) => `build-constraint ${part}`),
  ];
}

/** Nothing for pip, whose settings are the sources' own. */
function resolverParts({ name, settings }: ResolverChoice): string[] {
  return name === 'pip' ? [] : [`resolver=${name}`, ...settings];
}

function settingPart(name: string, settings: ReadonlyMap<string, string>): string[] {
  const value = settings.get(name);
  return value === undefined || value === '' ? [] : [`${name}=${valuePart(name, value)}`];
}

/** Cache entries contain these parts: build settings can contain any secret, addresses a token. */
function valuePart(name: string, value: string): string {
  return ['config-settings', 'global-option', 'build-option'].includes(name)
    ? digest([value]).slice(0, 12)
    : fingerprinted(value);
}

/** A line in a normal form: lines with the same meaning have the same text. */
export function canonical(line: RequestLine): string {
  const role = line.constraint ? 'constraint ' : '';
  if (line.kind === 'option') {
    return `${role}--${line.name}=${valuePart(line.name, line.value)}`;
  }
  if (line.kind === 'direct') {
    const parts = [
      line.editable ? '-e' : '',
      line.shownTarget,
      `[${line.extras.join(',')}]`,
      spaced(line.marker ?? ''),
      [...line.hashes].sort().join(' '),
    ];
    return `${role}direct ${parts.join(' ')}`;
  }
  const extras = line.extras.map(normalizeName).sort();
  const parts = [
    `${line.name}[${extras.join(',')}]${line.specifiers.toSorted().join(',')}`,
    spaced(line.marker ?? ''),
    ...line.options.map((option) => optionText(option) ?? `--${option.name}`),
    ...line.hashes.toSorted(),
  ];
  return `${role}${parts.join(' ; ')}`;
}

function spaced(marker: string): string {
  return marker.replaceAll("'", '"').replace(/\s+/g, ' ').trim();
}

/** Whether every requirement has a hash, so that pip refuses unhashed dependencies. */
function everyLineHashed(lines: readonly RequestLine[]): boolean {
  const index = lines.filter((line) => line.kind === 'index');
  const wanted = index.filter((line) => !line.constraint);
  return wanted.length > 0 && wanted.every((line) => line.hashes.length > 0);
}
