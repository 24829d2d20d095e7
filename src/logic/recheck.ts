/**
 * Whether an index still offers the wheels of a set that is otherwise never resolved again: see
 * docs/decisions/0010.
 */
import { sha256 } from './digest.ts';
import { period, type Recheck } from './freshness.ts';
import type { Manifest, Wheel } from './manifest.ts';
import { sameVersion, versionInFileName } from './names.ts';
import type { ListedFile } from './project-page.ts';

/** Days of a period. Those of a month that every month has. */
const days = { daily: 1, weekly: 7, monthly: 28 } as const;

/** A set is checked in one of so many parts of a period. */
const parts = 7;

/**
 * Whether a run checks a set. Nothing is written when a set is still good, so nobody knows when it was
 * checked last. Instead, one seventh of each period is the set's turn, a different one in each.
 * @param key of the set
 */
export function isTurn(
  { resolvedAt }: Pick<Manifest, 'resolvedAt'>,
  recheck: Recheck,
  key: string,
  now: Date,
): boolean {
  if (recheck === 'never') return false;
  if (recheck === 'always') return true;
  const current = period(recheck, now);
  if (period(recheck, new Date(resolvedAt)) === current) return false;
  const turn = Number.parseInt(sha256(`${key} ${current}`).slice(0, 8), 16) % parts;
  return Math.min(parts - 1, Math.floor(sinceStart(recheck, now) * parts)) === turn;
}

/** How much of the period has passed, from 0 to 1. */
function sinceStart(recheck: 'daily' | 'weekly' | 'monthly', now: Date): number {
  const ofDay = (now.getTime() % 86_400_000) / 86_400_000;
  if (recheck === 'daily') return ofDay;
  // ISO weeks start on Monday.
  const day = recheck === 'weekly' ? (now.getUTCDay() + 6) % 7 : now.getUTCDate() - 1;
  return (day + ofDay) / days[recheck];
}

/** What an index says about a project. */
export type Listing =
  | { readonly state: 'listed'; readonly files: readonly ListedFile[] }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly reason: string };

/** The result of a check. */
export interface Findings {
  /** Wheels that no index offers any more. */
  readonly withdrawn: readonly Wheel[];
  /** Wheels whose authors advise against them. */
  readonly yanked: readonly { readonly wheel: Wheel; readonly reason: string }[];
  /** How many wheels are offered as they are. */
  readonly offered: number;
  /** How many could not be checked, and why not, for one of them. */
  readonly unknown: number;
  readonly reason: string;
}

/** The wheels that an index can be asked about; the others came from direct URLs. */
export function checkable({ wheels }: Pick<Manifest, 'wheels'>): Wheel[] {
  return wheels.filter(({ role, url }) => role === 'runtime' && url === undefined);
}

/**
 * Compares wheels with the pages of their projects.
 * @param listings of each project, one per index
 */
export function compareWithPages(
  wheels: readonly Wheel[],
  listings: ReadonlyMap<string, readonly Listing[]>,
): Findings {
  const withdrawn: Wheel[] = [];
  const yanked: { wheel: Wheel; reason: string }[] = [];
  let [offered, unknown, reason] = [0, 0, ''];
  for (const wheel of wheels) {
    const all = listings.get(wheel.name) ?? [];
    const files = all
      .flatMap((listing) => (listing.state === 'listed' ? listing.files : []))
      .filter((file) => isSource(file, wheel));
    const obstacle = all.find((listing) => listing.state === 'unknown');
    if (files.some((file) => !file.yanked)) offered += 1;
    else if (files[0] !== undefined) yanked.push({ wheel, reason: files[0].yankedReason });
    else if (obstacle !== undefined) {
      unknown += 1;
      reason = obstacle.reason;
    } else withdrawn.push(wheel);
  }
  // An index that has nothing at all is another one, or wants credentials that are not here.
  if (offered + yanked.length > 0) return { withdrawn, yanked, offered, unknown, reason };
  return {
    ...{ withdrawn: [], yanked, offered },
    unknown: wheels.length,
    reason: reason || 'no page lists any of them',
  };
}

/** Whether a wheel is this file, or was built from a file of this version. */
function isSource(file: ListedFile, wheel: Wheel): boolean {
  if (wheel.origin === 'downloaded') {
    return file.file === wheel.file && (file.sha256 ?? wheel.sha256) === wheel.sha256;
  }
  const version = versionInFileName(file.file, wheel.name);
  return version !== undefined && sameVersion(version, wheel.version);
}
