/** Reads YAML as the CI systems do whose files the tests run. */
import { parse, type YAMLSeq } from 'yaml';

export type Node = string | number | boolean | null | Node[] | { [key: string]: Node };
export type Mapping = { [key: string]: Node };

/** GitLab's `!reference [job, script]`, read as `{'!reference': ['job', 'script']}`. */
const reference = {
  tag: '!reference',
  collection: 'seq',
  resolve: (value: unknown) => ({ '!reference': (value as YAMLSeq).toJSON() }),
} as const;

/** Returns the mapping that a YAML file consists of. @throws Error if it is not valid YAML */
export function parseYaml(text: string): Mapping {
  return parse(text, { customTags: [reference] });
}
