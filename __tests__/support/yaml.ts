/** Reads YAML with a parser that is not ours. */
import { execFileSync } from 'node:child_process';

import { programOf } from '../../scripts/more-tools.mjs';

export type Node = string | number | boolean | null | Node[] | { [key: string]: Node };
export type Mapping = { [key: string]: Node };

// A tag of one's own becomes a mapping from its name, as GitLab's `!reference [job, script]`.
const script = `
import json, sys, yaml
class Loader(yaml.SafeLoader): pass
Loader.add_multi_constructor('!', lambda loader, name, node: {'!' + name: loader.construct_sequence(node)})
print(json.dumps(yaml.load(sys.stdin.buffer.read(), Loader)))
`;

/** Needs `ensurePrograms()` before. @throws Error where it is no YAML */
export function parseYaml(text: string): Mapping {
  const output = execFileSync(programOf('python'), ['-c', script], { input: text });
  return JSON.parse(output.toString('utf8'));
}
