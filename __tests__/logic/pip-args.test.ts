import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  closeArgs,
  installArgs,
  installDirectArgs,
  metadataArgs,
  wheelArgs,
} from '../../src/logic/pip-args.ts';

const quiet = '--disable-pip-version-check --no-input';
/** Words of a command line in one text: none of these has a space. */
const words = (text: string): string[] => text.split(' ');

describe('command lines', () => {
  const wheel = { wheelDir: '/w', requestFile: '/s/r.txt', noDeps: false, usePep517: false };
  const install = { wheelhouse: '/w', compile: false, breakSystemPackages: false };
  const close = {
    ...{ wheelDir: '/w', requestFile: '/s/c.txt', report: '/s/c.json', noDeps: false },
    ...{ ignoreInstalled: true, upgrade: false, upgradeStrategy: undefined },
  };
  const local = { ...install, requestFile: '/s/i.txt', report: '/s/i.json', findLinks: ['/w'] };
  const table: readonly [string, string[], string][] = [
    ['wheels', wheelArgs(wheel), `wheel ${quiet} --progress-bar=off --wheel-dir=/w -r /s/r.txt`],
    [
      'wheels with a pip that needs setuptools',
      wheelArgs({ ...wheel, usePep517: true }),
      `wheel ${quiet} --progress-bar=off --use-pep517 --wheel-dir=/w -r /s/r.txt`,
    ],
    [
      'wheels without dependencies',
      wheelArgs({ ...wheel, noDeps: true }),
      `wheel ${quiet} --progress-bar=off --no-deps --wheel-dir=/w -r /s/r.txt`,
    ],
    [
      'metadata with the index',
      metadataArgs({ requestFile: '/s/d.txt', report: '/s/d.json', findLinks: undefined }),
      `install --dry-run --ignore-installed ${quiet} --progress-bar=off --no-deps --report=/s/d.json -r /s/d.txt`,
    ],
    [
      'metadata from the wheelhouse alone',
      metadataArgs({ requestFile: '/s/d.txt', report: '/s/d.json', findLinks: ['/w'] }),
      `install --dry-run --ignore-installed ${quiet} --progress-bar=off --no-deps --no-index --find-links=/w --report=/s/d.json -r /s/d.txt`,
    ],
    [
      'close',
      closeArgs(close),
      `install --isolated --no-index ${quiet} --quiet --dry-run --ignore-installed --only-binary=:all: --find-links=/w --report=/s/c.json -r /s/c.txt`,
    ],
    [
      'close without dependencies',
      closeArgs({ ...close, noDeps: true }),
      `install --isolated --no-index ${quiet} --quiet --dry-run --ignore-installed --only-binary=:all: --no-deps --find-links=/w --report=/s/c.json -r /s/c.txt`,
    ],
    [
      'what is missing beside what is installed',
      closeArgs({ ...close, ignoreInstalled: false }),
      `install --isolated --no-index ${quiet} --quiet --dry-run --only-binary=:all: --find-links=/w --report=/s/c.json -r /s/c.txt`,
    ],
    [
      'the same where pip is told to upgrade',
      closeArgs({ ...close, ignoreInstalled: false, upgrade: true, upgradeStrategy: 'eager' }),
      `install --isolated --no-index ${quiet} --quiet --dry-run --upgrade --upgrade-strategy=eager --only-binary=:all: --find-links=/w --report=/s/c.json -r /s/c.txt`,
    ],
    [
      'install',
      installArgs({ ...install, lock: '/w/l.txt', repair: false }),
      `install --isolated --no-index ${quiet} --no-cache-dir --quiet --no-warn-script-location --no-deps --only-binary=:all: --require-hashes --no-compile --root-user-action=ignore --find-links=/w -r /w/l.txt`,
    ],
    [
      'install, compiled, into a managed Python',
      installArgs({
        ...install,
        compile: true,
        breakSystemPackages: true,
        lock: '/w/l.txt',
        repair: false,
      }),
      `install --isolated --no-index ${quiet} --no-cache-dir --quiet --no-warn-script-location --no-deps --only-binary=:all: --require-hashes --compile --root-user-action=ignore --break-system-packages --find-links=/w -r /w/l.txt`,
    ],
    [
      'install over what an interrupted one left',
      installArgs({ ...install, lock: '/w/l.txt', repair: true }),
      `install --isolated --no-index ${quiet} --no-cache-dir --quiet --no-warn-script-location --no-deps --only-binary=:all: --require-hashes --force-reinstall --no-compile --root-user-action=ignore --find-links=/w -r /w/l.txt`,
    ],
    [
      'install of a local project',
      installDirectArgs(local),
      `install --no-warn-script-location --force-reinstall --no-compile --root-user-action=ignore ${quiet} --progress-bar=off --no-deps --no-index --find-links=/w --report=/s/i.json -r /s/i.txt`,
    ],
    [
      'install of a local project with wheels that builds need',
      installDirectArgs({ ...local, findLinks: ['/w', '/w/build'] }),
      `install --no-warn-script-location --force-reinstall --no-compile --root-user-action=ignore ${quiet} --progress-bar=off --no-deps --no-index --find-links=/w --find-links=/w/build --report=/s/i.json -r /s/i.txt`,
    ],
    [
      'install of a local project with the index',
      installDirectArgs({ ...local, findLinks: undefined, breakSystemPackages: true }),
      `install --no-warn-script-location --force-reinstall --no-compile --root-user-action=ignore --break-system-packages ${quiet} --progress-bar=off --no-deps --report=/s/i.json -r /s/i.txt`,
    ],
  ];
  for (const [description, actual, expected] of table) {
    test(description, () => assert.deepEqual(actual, words(expected)));
  }
});

test('a directory with spaces stays one word', () => {
  const args = wheelArgs({
    ...{ wheelDir: '/a b', requestFile: '/c d/r.txt' },
    ...{ noDeps: false, usePep517: false },
  });
  assert.deepEqual(args.slice(-3), ['--wheel-dir=/a b', '-r', '/c d/r.txt']);
});
