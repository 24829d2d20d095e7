/**
 * Whether a wheelhouse serves a request, and if not, why. A run acts on the verdict, and `doctor`
 * explains it.
 */
import { type HashRules, hashRules, isAdmitted } from './admission.ts';
import { isFresh, type Refresh } from './freshness.ts';
import { interpreterIdentity, type Keys } from './key.ts';
import type { Manifest, Wheel } from './manifest.ts';
import type { Interpreter } from './model.ts';
import { sameVersion } from './names.ts';
import type { IndexRequirement, RequestLine } from './requirement-line.ts';
import {
  directRequirements,
  indexRequirements,
  isCacheable,
  isHashMode,
  isPinned,
} from './requirements.ts';

/** The requirements of a run for a wheelhouse. */
export interface Wanted {
  readonly keys: Pick<Keys, 'request' | 'sources'>;
  readonly interpreter: Interpreter;
  readonly lines: readonly RequestLine[];
  /** pip's configuration, by option name. */
  readonly settings: ReadonlyMap<string, string>;
  readonly refresh: Refresh;
  readonly now: Date;
}

/** The first difference between a wheelhouse and the request. */
export type Mismatch = 'interpreter' | 'sources' | 'contents' | 'request' | 'wheels' | 'age';

export type Verdict =
  /** It can be installed as is. */
  | { readonly kind: 'serves'; readonly wheels: readonly Wheel[] }
  /** Some of its wheels can save a download or a build. */
  | {
      readonly kind: 'usable';
      readonly mismatch: Mismatch;
      readonly reason: string;
      /** The wheels that the request allows. */
      readonly wheels: readonly Wheel[];
      /** It was filled for exactly this request and has every wheel, but it is too old. */
      readonly isComplete: boolean;
    }
  /** None of its wheels may be used. */
  | { readonly kind: 'unusable'; readonly mismatch: Mismatch; readonly reason: string };

/** Environment markers and whether they apply; a missing one is unknown. */
export type Markers = ReadonlyMap<string, boolean>;

/**
 * Judges a wheelhouse. Its manifest may lie, so everything that the request itself decides is
 * computed from the request.
 * @param sound the wheels that match the manifest
 * @param markers those of {@link decisiveMarkers}, as far as they are known
 */
export function verdict(
  { manifest, sound }: { readonly manifest: Manifest; readonly sound: readonly Wheel[] },
  wanted: Wanted,
  markers: Markers,
): Verdict {
  const { keys, refresh, now } = wanted;
  if (manifest.interpreter !== interpreterIdentity(wanted.interpreter)) {
    return {
      kind: 'unusable',
      mismatch: 'interpreter',
      reason: `it was filled for another Python (${manifest.interpreter})`,
    };
  }
  if (manifest.sources !== keys.sources) {
    return {
      kind: 'unusable',
      mismatch: 'sources',
      reason:
        'it was filled from other indexes, or with other build settings, another resolver or another minimum release age',
    };
  }
  const isSameRequest = manifest.request === keys.request;
  const lines = decided(wanted.lines, markers);
  const wrong = isSameRequest ? contradiction(manifest, lines) : undefined;
  if (wrong !== undefined) return { kind: 'unusable', mismatch: 'contents', reason: wrong };

  const rules = { ...hashRules(lines, wanted.settings), all: isHashMode(wanted.lines) };
  const wheels = sound.filter((wheel) => isNeeded(wheel, wanted) && isAdmitted(wheel, rules));
  const isComplete = isSameRequest && wheels.length === manifest.wheels.length;
  const usable = (mismatch: Mismatch, reason: string): Verdict => ({
    kind: 'usable',
    ...{ mismatch, reason, wheels, isComplete },
  });
  if (!isSameRequest) return usable('request', 'it was filled for other requirements');
  if (!isComplete) return usable('wheels', 'some of its wheels are not usable');
  const pinned = isFixed(wheels, lines, rules);
  if (!isFresh({ resolvedAt: manifest.resolvedAt, pinned }, refresh, now)) {
    const date = manifest.resolvedAt.slice(0, 10);
    return usable('age', `it was resolved on ${date}, which is too old for refresh: ${refresh}`);
  }
  return { kind: 'serves', wheels };
}

/**
 * The environment markers that the verdict depends on, which only the interpreter can evaluate:
 * those of a project in several lines with different versions or hashes (a lock for several
 * platforms), and those of pins, if the wheelhouse is older than `refresh` allows.
 */
export function decisiveMarkers(manifest: Manifest, wanted: Wanted): string[] {
  const { keys, interpreter, refresh, now } = wanted;
  const isForThis =
    manifest.interpreter === interpreterIdentity(interpreter) && manifest.sources === keys.sources;
  if (!isForThis) return [];
  const lines = indexRequirements(wanted.lines);
  const isAgeDecisive =
    refresh !== 'always' &&
    !isHashMode(wanted.lines) &&
    !isFresh({ resolvedAt: manifest.resolvedAt, pinned: false }, refresh, now);
  const isDecisive = ({ name, pin }: IndexRequirement): boolean =>
    lines.filter((line) => line.name === name).length > 1 ||
    (isAgeDecisive && pin !== undefined && manifest.wheels.some((wheel) => wheel.name === name));
  const markers = lines.filter(isDecisive).flatMap((line) => line.marker ?? []);
  return [...new Set(markers)];
}

/**
 * Whether the request needs a wheel of this role. No hash of the request covers wheels that are not
 * installed, so they are used only if there may be a build.
 */
function isNeeded({ role }: Wheel, { lines }: Wanted): boolean {
  return role === 'runtime' || directRequirements(lines).some((line) => !isCacheable(line));
}

/** The lines without those that do not apply, and without the markers that do. */
function decided(lines: readonly RequestLine[], markers: Markers): RequestLine[] {
  return lines.flatMap((line) => {
    if (line.kind !== 'index' || line.marker === undefined) return [line];
    const applies = markers.get(line.marker);
    if (applies === undefined) return [line];
    return applies ? [{ ...line, marker: undefined }] : [];
  });
}

/**
 * Whether the request pins every runtime wheel, so that a new resolution would have the same result.
 * In hash mode pip accepts only versions from lines that apply, so markers do not matter then.
 */
function isFixed(
  wheels: readonly Wheel[],
  lines: readonly RequestLine[],
  { all, byUrl }: HashRules,
): boolean {
  const pins = indexRequirements(lines).filter((line) => all || line.marker === undefined);
  return wheels
    .filter((wheel) => wheel.role === 'runtime')
    .every(
      ({ name, version, url }) =>
        (url !== undefined && byUrl.has(url)) || isPinned(pins, name, version),
    );
}

/**
 * The contradiction between a request and a manifest that claims to be for it: a missing project, or
 * another version than a pin. Lines with a marker do not count, since only the interpreter can
 * evaluate it.
 */
export function contradiction(
  { wheels, direct }: Manifest,
  lines: readonly RequestLine[],
): string | undefined {
  const runtime = wheels.filter((each) => each.role === 'runtime');
  const versions = new Map(runtime.map(({ name, version }) => [name, version]));
  const others = new Set(direct.map(({ name }) => name));
  for (const { name, pin, marker, constraint } of indexRequirements(lines)) {
    if (marker !== undefined) continue;
    const version = versions.get(name);
    if (version === undefined && !constraint && !others.has(name)) return `it lacks ${name}`;
    if (version !== undefined && pin !== undefined && !isVersion(version, pin)) {
      return `it contains ${name} ${version} instead of ${pin}`;
    }
  }
  return undefined;
}

/** Whether a version matches a pin: `==1.0` matches `1.0+cpu` too (PEP 440). */
function isVersion(version: string, pin: string): boolean {
  const [base = ''] = version.split('+');
  return sameVersion(version, pin) || (!pin.includes('+') && sameVersion(base, pin));
}
