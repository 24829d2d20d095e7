import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { pipConf } from '../../src/publish/logic/pip-conf.ts';

describe('pip.conf', () => {
  test('pip.conf contains no credentials, and says where to put them', () => {
    const text = pipConf({
      url: 'https://feed.example/simple/',
      username: 'robot',
      password: 'secret',
    });
    assert.ok(!text.includes('secret') && !text.includes('robot'));
    assert.match(text, /^\[global\]\nindex-url = https:\/\/feed\.example\/simple\/\n$/m);
    assert.match(
      text,
      /netrc[\s\S]*keyring[\s\S]*PIP_INDEX_URL=https:\/\/USER:TOKEN@feed\.example\/simple\//,
    );
    assert.ok(!text.includes('trusted-host'));
  });

  test('pip.conf trusts the host of a feed on plain http', () => {
    const text = pipConf({
      url: 'http://feed.example:8080/simple/',
      username: undefined,
      password: undefined,
    });
    assert.match(text, /^trusted-host = feed\.example:8080$/m);
    assert.ok(!text.includes('netrc'));
  });
});
