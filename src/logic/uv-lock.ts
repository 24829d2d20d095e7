/**
 * What `uv pip compile --format pylock.toml` says: the packages of a closure, each with the wheels that
 * fit the interpreter and its sdist. Of these, the file that `uv pip install` would install is chosen
 * here, by the rules of `PrioritizedDist` of uv's code.
 */
import { UserError } from './errors.ts';
import { isDistributionName, isNormalizedName, normalizeName } from './names.ts';
import type { LockedFile } from './pylock.ts';
import { lineOf, list, object, optional, satisfying, string, type ValueOf } from './schema.ts';
import { parseToml } from './toml.ts';

const byteCount = satisfying(
  'a number of bytes',
  (value): value is number => Number.isSafeInteger(value) && Number(value) >= 0,
);
const hashTable = satisfying(
  'a table of hashes',
  (value): value is Readonly<Record<string, string>> =>
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => /^[0-9a-f]+$/i.test(String(each))),
);
const fileTable = object({
  name: optional(string),
  url: optional(string),
  size: optional(byteCount),
  hashes: optional(hashTable),
});
const packageTable = object({
  name: lineOf('a normalized project name', isNormalizedName),
  version: optional(string),
  sdist: optional(fileTable),
  wheels: optional(list(fileTable)),
  archive: optional(object({})),
});
const lockTable = object({ packages: optional(list(packageTable)) });

/** A wheel or sdist. */
export interface OfferedFile {
  /** Its name. */
  readonly file: string;
  readonly url: string;
  /** Hex; undefined when the index does not say. */
  readonly sha256: string | undefined;
  /** Bytes; undefined when the index does not say. */
  readonly size: number | undefined;
}

/** A version of a project, and its files. */
export interface OfferedPackage {
  /** Normalised. */
  readonly name: string;
  readonly version: string;
  readonly wheels: readonly OfferedFile[];
  readonly sdist: OfferedFile | undefined;
}

/** The file to install, or to build the wheel from. */
export interface ChosenFile extends OfferedFile {
  readonly name: string;
  readonly version: string;
  readonly isWheel: boolean;
  /** The hashes that the request allows, such as `sha256:…`; undefined for all. */
  readonly allowed: readonly string[] | undefined;
}

/**
 * Reads the packages of an index; those that the request names by their address are left out.
 * @throws Error for a lock of another form
 */
export function offeredPackages(text: string): OfferedPackage[] {
  const { packages = [] } = lockTable(parseToml(text, "uv's lock"), '');
  return packages
    .filter(({ archive }) => archive === undefined)
    .map(({ name, version, sdist, wheels = [] }) => {
      if (version === undefined) throw new Error(`uv's lock has no version of ${name}`);
      return {
        name,
        version,
        wheels: wheels.map(offeredFile),
        sdist: sdist === undefined ? undefined : offeredFile(sdist),
      };
    });
}

/** The packages of lock files, with the addresses that those say. */
export function lockedPackages(
  pins: readonly { readonly name: string; readonly version: string }[],
  links: readonly LockedFile[],
  urlOf: (link: LockedFile) => string,
): OfferedPackage[] {
  return pins.map(({ name, version }) => {
    const files = links
      .filter((link) => normalizeName(link.name.slice(0, name.length)) === name)
      .map((link): OfferedFile => {
        const [algorithm, hash] = link.hash.split(':');
        return {
          file: link.name,
          url: urlOf(link),
          sha256: algorithm === 'sha256' ? hash : undefined,
          size: undefined,
        };
      });
    return {
      name,
      version,
      wheels: files.filter(({ file }) => file.endsWith('.whl')),
      sdist: files.find(({ file }) => !file.endsWith('.whl')),
    };
  });
}

function offeredFile({
  name,
  url = '',
  size,
  hashes = {},
}: ValueOf<typeof fileTable>): OfferedFile {
  const file = name ?? decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  if (!isDistributionName(file)) throw new Error(`uv's lock has the invalid file name "${file}"`);
  return {
    file,
    url,
    sha256: hashes['sha256']?.toLowerCase(),
    size,
  };
}

/**
 * Chooses the file of a package: one with an allowed hash comes first, then a wheel whose tags the
 * interpreter prefers, then one with the highest build tag.
 * @param tags the interpreter's, the best one first
 * @param allowed hashes that the request allows; undefined for all
 * @throws UserError when no file fits
 */
export function chooseFile(
  { name, version, wheels, sdist }: OfferedPackage,
  tags: ReadonlyMap<string, number>,
  allowed: readonly string[] | undefined,
): ChosenFile {
  if (allowed !== undefined && !allowed.some((hash) => hash.startsWith('sha256:'))) {
    throw new UserError(
      `The hashes of ${name} are not SHA-256, which installer: uv checks. Add SHA-256 hashes, or use installer: pip.`,
    );
  }
  const match = ({ sha256 }: OfferedFile): number => {
    if (allowed === undefined) return 0;
    if (sha256 === undefined) return 1;
    return allowed.includes(`sha256:${sha256}`) ? 2 : 0;
  };
  const best = wheels
    .map((wheel) => ({ wheel, match: match(wheel), rank: tagRank(wheel.file, tags) }))
    .filter(({ rank }) => rank !== undefined)
    .sort(
      (a, b) =>
        b.match - a.match ||
        (a.rank ?? 0) - (b.rank ?? 0) ||
        compareBuildTags(buildTag(b.wheel.file), buildTag(a.wheel.file)),
    )[0];
  const isWheel = best !== undefined && (sdist === undefined || match(sdist) <= best.match);
  const file = isWheel ? best.wheel : sdist;
  if (file === undefined) {
    throw new UserError(`${name} ${version} has no wheel for this Python and system.`);
  }
  if (allowed !== undefined && match(file) === 0) {
    throw new UserError(
      `${name} ${version} has no file with a hash in the requirements for this Python and system. Compile the requirements again, or find out who replaced the files.`,
    );
  }
  return { ...file, name, version, isWheel, allowed };
}

/** The position of a wheel's best tag; undefined when none fits. */
function tagRank(file: string, tags: ReadonlyMap<string, number>): number | undefined {
  const [pythons = '', abis = '', platforms = ''] = file.slice(0, -4).split('-').slice(-3);
  const ranks = pythons
    .split('.')
    .flatMap((python) =>
      abis
        .split('.')
        .flatMap((abi) =>
          platforms
            .split('.')
            .flatMap((platform) => tags.get(`${python}-${abi}-${platform}`.toLowerCase()) ?? []),
        ),
    );
  return ranks.length === 0 ? undefined : Math.min(...ranks);
}

type BuildTag = readonly [number: number, suffix: string];

/** The build tag of a wheel (PEP 427); one without any comes last. */
function buildTag(file: string): BuildTag {
  const parts = file.slice(0, -4).split('-');
  const [, number = '-1', suffix = ''] =
    /^(\d+)(.*)$/.exec(parts.length > 5 ? (parts[2] ?? '') : '') ?? [];
  return [Number(number), suffix];
}

function compareBuildTags([one, oneSuffix]: BuildTag, [other, otherSuffix]: BuildTag): number {
  return one - other || (oneSuffix < otherSuffix ? -1 : oneSuffix > otherSuffix ? 1 : 0);
}
