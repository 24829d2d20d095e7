import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isBundle, outputOf } from '../../src/bundle/logic/output.ts';
import { UserError } from '../../src/logic/errors.ts';

describe('the output of a bundle', () => {
  for (const [text, path, form] of [
    ['wheels', '/place/wheels', 'directory'],
    ['../out/v1.2', '/out/v1.2', 'directory'],
    ['/srv/bundle.tar.gz', '/srv/bundle.tar.gz', 'tar.gz'],
    ['bundle.TGZ', '/place/bundle.TGZ', 'tar.gz'],
    ['bundle.zip', '/place/bundle.zip', 'zip'],
  ] as const) {
    test(`${text} is a ${form}`, () => {
      assert.deepEqual(outputOf(text, '/place'), { path, form });
    });
  }

  for (const text of ['b.tar', 'b.tar.xz', 'b.tar.zst', 'b.7z', 'six-1.0-py3-none-any.whl']) {
    test(`${text} is refused instead of written as a directory`, () => {
      assert.throws(() => outputOf(text, '/place'), { message: /Use \.tar\.gz, \.zip, or/ });
    });
  }

  for (const text of ['.', '..', '/', '/place']) {
    test(`${text} is refused because it contains the working directory`, () => {
      assert.throws(() => outputOf(text, '/place'), { message: /contains the working directory/ });
    });
  }

  test('an empty path is refused', () => {
    assert.throws(() => outputOf(' ', '/place'), UserError);
    assert.throws(() => outputOf('a\0b', '/place'), UserError);
  });
});

describe('a directory that a bundle may replace', () => {
  const own = ['LICENSES.txt', 'README.txt', 'pylock.toml', 'requirements.lock', 'sbom.cdx.json'];

  test('contains the files of a bundle and wheels', () => {
    assert.ok(isBundle(own));
    assert.ok(isBundle([...own, 'six-1.0-py3-none-any.whl']));
  });

  for (const names of [
    [],
    ['README.txt'],
    ['six-1.0-py3-none-any.whl'],
    [...own, 'notes.txt'],
    [...own, '.git'],
    [...own, 'six.whl'],
  ]) {
    test(`does not contain ${names.join(', ') || 'nothing'}`, () => {
      assert.equal(isBundle(names), false);
    });
  }
});
