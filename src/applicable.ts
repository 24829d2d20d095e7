/** Which lines of a request count for the interpreter of a run. */
import type { IndexRequirement } from './logic/requirement-line.ts';
import { indexRequirements } from './logic/requirements.ts';
import type { World } from './ports.ts';
import type { Run } from './run.ts';

/** Returns the request's lines for an index whose environment markers apply. */
export async function applicableRequirements(
  run: Run,
  { python }: World,
): Promise<IndexRequirement[]> {
  const lines = indexRequirements(run.requested.lines);
  const markers = new Set(lines.flatMap(({ marker }) => marker ?? []));
  const applies = await python.applies(run.interpreter, [...markers]);
  return lines.filter(({ marker }) => marker === undefined || (applies.get(marker) ?? true));
}
