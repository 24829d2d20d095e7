/** The output of uv (seen with uv 0.11 to 0.13). */
import { normalizeName } from './names.ts';

const name = '([A-Za-z0-9](?:[\\w.-]*[A-Za-z0-9])?)';
const patterns = [
  `there (?:is|are) no versions? of ${name}`,
  `${name} was not found in`,
  `Failed to (?:build|download|fetch)(?: and build)? .?${name}==`,
  `you require ${name}`,
  `Failed to fetch: \\S+/${name}/$`,
].map((pattern) => new RegExp(pattern, 'm'));

/** Returns the normalised name of the project that uv failed for, if it says one. */
export function failedProject(output: string): string | undefined {
  for (const pattern of patterns) {
    const [, found] = pattern.exec(output) ?? [];
    if (found !== undefined) return normalizeName(found);
  }
  return undefined;
}
