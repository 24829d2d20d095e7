import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { UserError } from '../../src/logic/errors.ts';
import {
  batches,
  checkTool,
  commandsOf,
  uploadAdvice,
  uploadArgs,
  uploadEnvironment,
} from '../../src/publish/logic/programs.ts';
import { words } from './files.ts';

describe('uploaders', () => {
  test('tools are looked for on PATH, then as modules of the Python', () => {
    assert.deepEqual(commandsOf('twine', '/p'), [['twine'], ['/p', '-m', 'twine']]);
    assert.deepEqual(commandsOf('pip-audit', '/p'), [['pip-audit'], ['/p', '-m', 'pip_audit']]);
  });

  test('the command lines of twine and uv name the feed and the files', () => {
    assert.deepEqual(
      uploadArgs('twine', 'https://feed.example/', ['a.whl', 'b.whl']),
      words(
        'upload --non-interactive --disable-progress-bar --repository-url=https://feed.example/ -- a.whl b.whl',
      ),
    );
    assert.deepEqual(
      uploadArgs('uv', 'https://feed.example/', ['a.whl']),
      words(
        'publish --no-config --no-cache --no-progress --trusted-publishing=never --publish-url=https://feed.example/ -- a.whl',
      ),
    );
  });

  const feed = { url: 'https://feed.example/simple/', username: 'robot', password: 'secret' };
  const environment = {
    PATH: '/bin',
    TWINE_PASSWORD: 'old',
    TWINE_REPOSITORY: 'pypi',
    TWINE_CERT: '/own.pem',
    UV_PUBLISH_TOKEN: 'old',
    UV_PUBLISH_CHECK_URL: 'https://other.example/',
  };

  test('credentials of the feed replace other credentials in the environment of the uploader', () => {
    assert.deepEqual(uploadEnvironment('twine', environment, feed, undefined), {
      PATH: '/bin',
      TWINE_CERT: '/own.pem',
      TWINE_USERNAME: 'robot',
      TWINE_PASSWORD: 'secret',
      NO_COLOR: '1',
      COLUMNS: '200',
    });
    const uv = uploadEnvironment('uv', environment, feed, '/ca.pem');
    assert.equal(uv['UV_PUBLISH_USERNAME'], 'robot');
    assert.equal(uv['UV_PUBLISH_PASSWORD'], 'secret');
    assert.equal(uv['SSL_CERT_FILE'], '/ca.pem');
    assert.equal(uv['UV_PUBLISH_TOKEN'], undefined);
    assert.equal(uv['UV_PUBLISH_CHECK_URL'], undefined);
  });

  test('without feed credentials the uploader keeps its own', () => {
    const open = { ...feed, username: undefined, password: undefined };
    assert.equal(uploadEnvironment('twine', environment, open, undefined)['TWINE_PASSWORD'], 'old');
  });

  const versions: readonly [
    'twine' | 'uv' | 'pip-audit',
    string | undefined,
    RegExp | undefined,
  ][] = [
    ['twine', 'twine version 7.0.0 (keyring: 25.7.0)', undefined],
    ['twine', 'twine version 10.1.0', undefined],
    [
      'twine',
      'twine version 6.2.0 (requests: 9.0)',
      /twine 6\.2\.0 is too old: 7\.0 .*pip install "twine>=7"/,
    ],
    ['uv', 'uv 0.13.8 (abc 2026-01-01)', undefined],
    ['uv', 'uv 0.8.9', /uv 0\.8\.9 is too old/],
    ['uv', undefined, /uv is not on PATH and not installed for \/p/],
    ['pip-audit', 'pip-audit 2.10.1', undefined],
    ['pip-audit', 'pip-audit 2.7.3', /too old/],
    ['twine', 'no version', /not on PATH/],
  ];
  for (const [tool, output, refusal] of versions) {
    test(`the version of ${tool} in "${output}" is ${refusal === undefined ? 'accepted' : 'refused'}`, () => {
      const check = (): void => checkTool(tool, '/p', output);
      if (refusal === undefined) check();
      else
        assert.throws(
          check,
          (error: unknown) => error instanceof UserError && refusal.test(error.message),
        );
    });
  }

  test('the advice after a failed upload depends on the status', () => {
    assert.match(
      uploadAdvice('HTTPError: 403 Forbidden from https://feed.example/'),
      /feed-password/,
    );
    assert.match(uploadAdvice('status code 401 Unauthorized'), /feed-password/);
    assert.match(uploadAdvice('HTTPError: 400 Bad Request'), /upload-url/);
  });

  test('batches split items by size', () => {
    assert.deepEqual(batches([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
    assert.deepEqual(batches([], 2), []);
  });
});
