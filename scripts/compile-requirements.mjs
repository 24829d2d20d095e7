/**
 * `npm run requirements`: writes a *.txt beside each *.in of scripts/requirements (tools of tests and
 * linters) and src/locktools (tools that the action installs to read their locks). Each lists the
 * packages that are needed on any system, with the hashes of all their files on the index that uv is
 * configured with.
 */
import { readdirSync } from 'node:fs';

import { ensureUv, lockToolsDirectory, requirementsDirectory, run, uvCommand } from './tools.mjs';

/** The oldest Python that the tools of tests run under, if it is not 3.10. */
const oldest = { linters: '3.11', programs: '3.11' };

/**
 * @param {string} directory
 * @param {(name: string) => string[]} optionsFor a name, without its extension
 */
function compile(directory, optionsFor) {
  const names = readdirSync(directory).flatMap((file) => /^(.*)\.in$/.exec(file)?.[1] ?? []);
  for (const name of names) {
    run(
      uvCommand(),
      ['pip', 'compile', '--quiet', '--universal', '--generate-hashes', '--no-annotate']
        .concat(['--allow-unsafe', '--no-config', ...optionsFor(name)])
        .concat([
          '--custom-compile-command=npm run requirements',
          `--output-file=${name}.txt`,
          `${name}.in`,
        ]),
      { cwd: directory },
    );
  }
}

ensureUv();
compile(requirementsDirectory, (name) => [`--python-version=${oldest[name] ?? '3.10'}`]);
// Users run these: a release that is broken or malicious is mostly found within a few weeks.
compile(lockToolsDirectory, () => ['--python-version=3.9', '--exclude-newer=4 weeks']);
