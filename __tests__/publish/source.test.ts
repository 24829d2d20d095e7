import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { isDistributionName } from '../../src/plan/names.ts';
import { downloadArgs, identity } from '../../src/publish/plan/source.ts';
import { words } from './files.ts';

test('pip is told the target and the place', () => {
  const target = { name: '', options: ['--platform=win_amd64'], markers: {} };
  assert.deepEqual(
    downloadArgs({ target, directory: '/d', requestFile: '/s/r.txt' }),
    words(
      'download --disable-pip-version-check --no-input --progress-bar=off --platform=win_amd64 --dest=/d -r /s/r.txt',
    ),
  );
});

describe('names', () => {
  test('files of distributions', () => {
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

  test('an sdist is what its metadata say, a wheel what its name says', () => {
    assert.deepEqual(identity('Foo.Bar-1.0-2.tar.gz', { name: 'Foo.Bar', version: '1.0-2' }), {
      name: 'foo-bar',
      version: '1.0-2',
    });
    assert.deepEqual(identity('foo_bar-1.0-py3-none-any.whl', undefined), {
      name: 'foo-bar',
      version: '1.0',
    });
    assert.throws(() => identity('x.zip', { name: '', version: '' }), /no usable name and version/);
    assert.throws(() => identity('x.zip', { name: 'x', version: '1 | <b>' }), /no usable name/);
  });
});
