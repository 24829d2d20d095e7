import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  closeArgs,
  fetchArgs,
  fillArgs,
  installArgs,
  installDirectArgs,
  metadataArgs,
} from '../../src/plan/pip-args.ts';

const quiet = '--disable-pip-version-check --no-input';
/** Words of a command line in one text: none of these has a space. */
const words = (text: string): string[] => text.split(' ');

describe('command lines', () => {
  const fill = { wheelDir: '/w', requestFile: '/s/r.txt', usePep517: false };
  const install = { wheelhouse: '/w', compile: false, breakSystemPackages: false };
  const close = { wheelDir: '/w', requestFile: '/s/c.txt', report: '/s/c.json', noDeps: false };
  const local = { ...install, requestFile: '/s/i.txt', report: '/s/i.json', noIndex: true };
  const table: readonly [string, string[], string][] = [
    ['fill', fillArgs(fill), `wheel ${quiet} --progress-bar=off --wheel-dir=/w -r /s/r.txt`],
    [
      'fill of a pip that needs setuptools',
      fillArgs({ ...fill, usePep517: true }),
      `wheel ${quiet} --progress-bar=off --use-pep517 --wheel-dir=/w -r /s/r.txt`,
    ],
    [
      'fetch',
      fetchArgs(fill),
      `wheel --no-deps ${quiet} --progress-bar=off --wheel-dir=/w -r /s/r.txt`,
    ],
    [
      'metadata',
      metadataArgs({ requestFile: '/s/d.txt', report: '/s/d.json' }),
      `install ${quiet} --progress-bar=off --dry-run --ignore-installed --no-deps --report=/s/d.json -r /s/d.txt`,
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
      `install ${quiet} --progress-bar=off --no-warn-script-location --no-deps --force-reinstall --no-index --no-compile --root-user-action=ignore --find-links=/w --report=/s/i.json -r /s/i.txt`,
    ],
    [
      'install of a local project with the index',
      installDirectArgs({ ...local, noIndex: false, breakSystemPackages: true }),
      `install ${quiet} --progress-bar=off --no-warn-script-location --no-deps --force-reinstall --no-compile --root-user-action=ignore --break-system-packages --find-links=/w --report=/s/i.json -r /s/i.txt`,
    ],
  ];
  for (const [description, actual, expected] of table) {
    test(description, () => assert.deepEqual(actual, words(expected)));
  }
});

test('a directory with spaces stays one word', () => {
  const args = fillArgs({ wheelDir: '/a b', requestFile: '/c d/r.txt', usePep517: false });
  assert.deepEqual(args.slice(-3), ['--wheel-dir=/a b', '-r', '/c d/r.txt']);
});
