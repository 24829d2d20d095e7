/**
 * `npm run requirements`: writes scripts/requirements/*.txt from the *.in beside them. Each lists
 * the packages that are needed on any system, with the hashes of all their files on the index that
 * uv is configured with.
 */
import { readdirSync } from 'node:fs';

import { ensureUv, requirementsDirectory, run, uvCommand } from './tools.mjs';

/** The oldest Python that the tools run under, if it is not 3.10. */
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
