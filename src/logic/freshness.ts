/** When a resolution is too old, and the period of time in a key. */

export const refreshPeriods = ['auto', 'always', 'daily', 'weekly', 'monthly', 'never'] as const;
/** How often unpinned requirements are resolved again. */
export type Refresh = (typeof refreshPeriods)[number];

export const recheckPeriods = ['always', 'daily', 'weekly', 'monthly', 'never'] as const;
/** How often an index is asked whether it still offers the wheels of a set that is not resolved again. */
export type Recheck = (typeof recheckPeriods)[number];

/** ISO 8601 week of a date in UTC, e.g. `2026-w47`. */
function isoWeek(date: Date): string {
  const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  // A week belongs to the year of its Thursday.
  day.setUTCDate(day.getUTCDate() + 4 - (day.getUTCDay() || 7));
  const yearStart = Date.UTC(day.getUTCFullYear(), 0, 1);
  const week = Math.ceil(((day.getTime() - yearStart) / 86_400_000 + 1) / 7);
  return `${day.getUTCFullYear()}-w${String(week).padStart(2, '0')}`;
}

/**
 * The period of a moment: two moments with the same period count as equally fresh.
 * @returns lower-case text that is never a prefix of another period
 */
export function period(refresh: Refresh, moment: Date): string {
  const iso = moment.toISOString();
  switch (refresh) {
    case 'never':
      return 'any';
    case 'monthly':
      return iso.slice(0, 7);
    case 'daily':
    case 'always':
      return iso.slice(0, 10);
    default:
      return isoWeek(moment);
  }
}

/**
 * Whether a wheelhouse may be used without resolving again.
 * @param wheelhouse when it was resolved, and whether the request pins every wheel in it: then a new
 *   resolution has the same result, however old it is
 */
export function isFresh(
  wheelhouse: { readonly resolvedAt: string; readonly pinned: boolean },
  refresh: Refresh,
  now: Date,
): boolean {
  if (refresh === 'always') return false;
  if (refresh === 'never' || wheelhouse.pinned) return true;
  return period(refresh, new Date(wheelhouse.resolvedAt)) === period(refresh, now);
}

/** A duration in words: `3 hours`, `12 days`. */
export function age(since: string, now: Date): string {
  const hours = Math.max(0, Math.round((now.getTime() - Date.parse(since)) / 3_600_000));
  if (hours < 48) return hours === 1 ? '1 hour' : `${hours} hours`;
  return `${Math.round(hours / 24)} days`;
}
