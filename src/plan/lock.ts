/** The lock: exactly what is installed, in the form that pip and uv check byte for byte. */
import type { Wheel } from './manifest.ts';

/**
 * `name==version --hash=sha256:…`, one line a runtime wheel, sorted: the same wheels give the same
 * text. Names rather than paths or URLs keep `pip freeze` clean and leave editables alone.
 */
export function formatLock(wheels: readonly Wheel[]): string {
  const lines = wheels
    .filter((wheel) => wheel.role === 'runtime')
    .map((wheel) => `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
    .sort();
  return lines.join('');
}
