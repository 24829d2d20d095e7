/**
 * `npm run requirements`: writes scripts/requirements/*.txt from the *.in beside them: every
 * package that they need on any system, with the hashes of all its files on the index that uv is
 * configured with.
 */
import { readdirSync } from 'node:fs';

import { ensureUv, requirementsDirectory, run, uvCommand } from './tools.mjs';

/** The oldest Python that they start under. */
const oldest = { linters: '3.11', programs: '3.11' };

ensureUv();
const names = readdirSync(requirementsDirectory).flatMap(
  (file) => /^(.*)\.in$/.exec(file)?.[1] ?? [],
);
for (const name of names) {
  run(
    uvCommand(),
    ['pip', 'compile', '--quiet', '--universal', `--python-version=${oldest[name] ?? '3.10'}`]
      .concat(['--generate-hashes', '--no-annotate', '--allow-unsafe', '--no-config'])
      .concat([
        '--custom-compile-command=npm run requirements',
        `--output-file=${name}.txt`,
        `${name}.in`,
      ]),
    { cwd: requirementsDirectory },
  );
}
