import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildRequirements, downloadArgs, identity } from '../../src/collect/logic/source.ts';
import { UserError } from '../../src/logic/errors.ts';
import { isDistributionName } from '../../src/logic/names.ts';
import { words } from '../publish/files.ts';

test('pip download gets the target and the directory', () => {
  const target = { name: '', options: ['--platform=win_amd64'], markers: {} };
  assert.deepEqual(
    downloadArgs({ target, directory: '/d', requestFile: '/s/r.txt', noDeps: false }),
    words(
      'download --disable-pip-version-check --no-input --progress-bar=off --platform=win_amd64 --dest=/d -r /s/r.txt',
    ),
  );
});

describe('names', () => {
  test('only wheels and sdists have distribution names', () => {
    for (const name of ['a-1.0-py3-none-any.whl', 'a-1.0.tar.gz', 'A_b-1.0+local.zip']) {
      assert.ok(isDistributionName(name), name);
    }
    for (const name of [
      '-rf.whl',
      '../a-1.tar.gz',
      'a b-1.tar.gz',
      'a-1.exe',
      '.a-1.zip',
      'a.whl',
    ]) {
      assert.ok(!isDistributionName(name), name);
    }
  });

  const identities = (...pairs: [string, string][]) =>
    pairs.map(([name, version]) => ({ name, version }));

  test('a file belongs to the project that its name and its metadata agree on', () => {
    assert.deepEqual(identity('Foo.Bar-1.0-2.tar.gz', identities(['Foo.Bar', '1.0-2'])), {
      name: 'foo-bar',
      version: '1.0-2',
    });
    assert.deepEqual(identity('foo_bar-1.0-py3-none-any.whl', identities(['foo.bar', '1.0.0'])), {
      name: 'foo-bar',
      version: '1.0',
    });
    assert.deepEqual(identity('foo-1.0b2.zip', identities(['foo', '1.0-beta.2'])), {
      name: 'foo',
      version: '1.0-beta.2',
    });
  });

  test('metadata without a valid name and version is refused', () => {
    assert.throws(() => identity('x-1.zip', []), /no valid name and version/);
    assert.throws(() => identity('x-1.zip', identities(['', ''])), /no valid name and version/);
    assert.throws(() => identity('x-1.zip', identities(['x', '1 | <b>'])), /no valid name/);
  });

  const liars: readonly [string, [string, string][]][] = [
    ['libb-1.0.tar.gz', [['corp-internal', '99.0']]],
    ['libb-1.0.tar.gz', [['libb', '99.0']]],
    ['libb-1.0-py3-none-any.whl', [['corp-internal', '1.0']]],
    [
      'libb-1.0-py3-none-any.whl',
      [
        ['libb', '1.0'],
        ['corp-internal', '1.0'],
      ],
    ],
    [
      'libb-1.0.tar.gz',
      [
        ['libb', '1.0'],
        ['libb', '2.0'],
      ],
    ],
  ];
  for (const [file, pairs] of liars) {
    test(`${file} with metadata of ${pairs.join(' and ')} is refused`, () => {
      assert.throws(
        () => identity(file, identities(...pairs)),
        /names a different project or version/,
      );
    });
  }
});

describe('what an sdist is built with', () => {
  test('build requirements with versions, extras and markers are kept unchanged', () => {
    const requires = [
      'setuptools>=61',
      'wheel',
      'hatchling (>=1.0)',
      "tomli>=1 ; python_version < '3.11'",
      'setuptools_scm[toml]>=6.2,<9',
    ];
    assert.deepEqual(buildRequirements('a-1.tar.gz', requires), requires);
  });

  for (const text of [
    'corp-internal @ http://hostile.example/corp_internal-99.0-py3-none-any.whl',
    'corp-internal@http://hostile.example/corp_internal-99.0.tar.gz',
    'http://hostile.example/corp_internal-99.0.tar.gz',
    'git+https://hostile.example/corp.git',
    './corp',
    '../corp_internal-99.0-py3-none-any.whl',
    'file:///corp_internal-99.0-py3-none-any.whl',
    '--index-url http://hostile.example/simple/',
    '-r more.txt',
    'setuptools --hash=sha256:00',
    'setuptools\n--index-url http://hostile.example/',
    'setuptools\u0085--pre',
    'setuptools\\',
    'setuptools ; sys_platform == "${PIP_INDEX_URL}"',
    '',
  ]) {
    test(`the build requirement ${JSON.stringify(text)} is refused with the name of the sdist`, () => {
      assert.throws(
        () => buildRequirements('a-1.tar.gz', ['setuptools', text]),
        (error: unknown) =>
          error instanceof UserError && /^a-1\.tar\.gz lists ".*" in build/.test(error.message),
      );
    });
  }

  test('the error for a refused build requirement does not show credentials', () => {
    assert.throws(
      () => buildRequirements('a-1.tar.gz', ['x @ https://user:hunter2@hostile.example/x.whl?t=3']),
      (error: Error) => !/hunter2|t=3/.test(error.message),
    );
  });
});
