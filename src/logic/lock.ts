/** The lock: exactly what is installed, in the form that pip and uv check byte for byte. */
import type { Wheel } from './manifest.ts';

/**
 * `name==version --hash=sha256:…`, one line per runtime wheel, sorted by normalised name: the same
 * wheels give the same text. Names rather than paths or URLs keep `pip freeze` clean and leave
 * editables alone.
 */
export function formatLock(wheels: readonly Wheel[]): string {
  return wheels
    .filter((wheel) => wheel.role === 'runtime')
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map((wheel) => `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
    .join('');
}
