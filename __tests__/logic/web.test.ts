import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';

import { pipDirectory, python } from '../../scripts/tools.mjs';
import {
  credentialsFor,
  needsPip,
  type PipWay,
  pauseBefore,
  proxyFor,
} from '../../src/logic/web.ts';

describe('credentials for a URL', () => {
  const indexes = [
    'https://a:1@host.example/team-a/simple/',
    'https://b:2@host.example/team-b/simple',
    'https://host.example/public/simple/',
    'https://c:3@other.example/simple/',
  ];
  const rows: readonly [url: string, username: string | undefined][] = [
    ['https://host.example/team-a/simple/x/', 'a'],
    ['https://host.example/team-b/files/x.whl', 'b'],
    ['https://host.example/public/simple/x/', undefined],
    ['https://host.example/files/x.whl', 'a'],
    ['https://host.example/team-ab/x', 'a'],
    ['https://me:own@host.example/team-b/', 'me'],
    ['http://host.example/team-a/simple/', undefined],
    ['https://host.example:444/team-a/simple/', undefined],
    ['https://other.example/x', 'c'],
    ['https://evil.example/team-a/simple/', undefined],
  ];
  for (const [url, username] of rows) {
    test(`${url} gets those of ${username ?? 'nobody'}`, () => {
      assert.equal(credentialsFor(new URL(url), indexes)?.username, username);
    });
  }
});

describe('the proxy for a URL', () => {
  const http = 'http://index.example/simple/';
  const https = 'https://index.example/simple/';
  const rows: readonly [string, Record<string, string>, string | undefined][] = [
    [https, {}, undefined],
    [https, { HTTPS_PROXY: 'http://p' }, 'http://p'],
    [https, { HTTP_PROXY: 'http://p' }, undefined],
    [http, { HTTP_PROXY: 'proxy.example:8080' }, 'http://proxy.example:8080'],
    [https, { HTTPS_PROXY: 'http://upper', https_proxy: 'http://lower' }, 'http://lower'],
    [https, { HTTPS_PROXY: 'http://upper', https_proxy: '' }, undefined],
    [https, { ALL_PROXY: 'socks5://p' }, 'socks5://p'],
    [http, { HTTP_PROXY: 'http://p', REQUEST_METHOD: 'GET' }, undefined],
    [https, { https_proxy: 'http://p', no_proxy: '*' }, undefined],
    [https, { https_proxy: 'http://p', NO_PROXY: 'other.example, .example' }, undefined],
    [https, { https_proxy: 'http://p', no_proxy: 'index.example' }, undefined],
    [https, { https_proxy: 'http://p', no_proxy: 'index.example:444' }, 'http://p'],
    ['https://index.example:444/', { https_proxy: 'http://p', no_proxy: 'example:444' }, undefined],
    [
      'https://index.example:444/',
      { https_proxy: 'http://p', no_proxy: 'x.example:444' },
      'http://p',
    ],
    ['https://10.1.2.3/', { https_proxy: 'http://p', no_proxy: '10.0.0.0/8' }, undefined],
    ['https://11.1.2.3/', { https_proxy: 'http://p', no_proxy: '10.0.0.0/8' }, 'http://p'],
    ['https://10.1.2.3/', { https_proxy: 'http://p', no_proxy: '10.1.2.3' }, undefined],
    ['https://10.1.2.3/', { https_proxy: 'http://p', no_proxy: '1.2.3' }, undefined],
    ['https://10.1.2.3/', { https_proxy: 'http://p', no_proxy: '.2.4' }, 'http://p'],
  ];
  for (const [url, environment, expected] of rows) {
    test(`${url} with ${JSON.stringify(environment)}`, () => {
      assert.equal(proxyFor(new URL(url), environment), expected);
    });
  }

  test('is the one that requests, which is part of pip, would use', () => {
    const program = `
import json, os, sys
from pip._vendor.requests.utils import get_environ_proxies, select_proxy, prepend_scheme_if_needed
found = []
for url, environment, _ in json.load(sys.stdin):
    os.environ.clear()
    os.environ.update(environment)
    proxy = select_proxy(url, get_environ_proxies(url))
    found.append(prepend_scheme_if_needed(proxy, 'http') if proxy else None)
print(json.dumps(found))`;
    const found = execFileSync(python, ['-c', program], {
      input: JSON.stringify(rows),
      env: { PYTHONPATH: pipDirectory('26.3') },
    });
    assert.deepEqual(
      JSON.parse(found.toString()),
      rows.map(([, , expected]) => expected ?? null),
    );
  });
});

describe('a pause', () => {
  const limits = { first: 100, longest: 5000 };
  const now = Date.parse('2026-01-01T00:00:00Z');
  const rows: readonly [failures: number, header: string | undefined, expected: number][] = [
    [1, undefined, 100],
    [3, undefined, 400],
    [20, undefined, 5000],
    [1, '2', 2000],
    [1, '86400', 5000],
    [1, 'Thu, 01 Jan 2026 00:00:03 GMT', 3000],
    [1, 'Thu, 01 Jan 2020 00:00:00 GMT', 100],
    [1, '-5', 100],
    [1, 'nonsense', 100],
  ];
  for (const [failures, header, expected] of rows) {
    test(`after ${failures} failures with Retry-After ${header} has ${expected} ms`, () => {
      assert.equal(pauseBefore(failures, header, now, limits), expected);
    });
  }
});

describe('only pip knows the way', () => {
  const usual: PipWay = {
    indexes: ['https://index.example/simple'],
    otherCredentials: false,
    proxy: undefined,
    clientCertificate: undefined,
    environment: {},
  };
  const rows: readonly [string, Partial<PipWay>, boolean][] = [
    ['to a public index', {}, false],
    ['through a proxy of its settings', { proxy: 'http://p' }, true],
    ['with a client certificate', { clientCertificate: '/c.pem' }, true],
    ['through a SOCKS proxy', { environment: { ALL_PROXY: 'socks5://p' } }, true],
    ['through an http proxy', { environment: { HTTPS_PROXY: 'http://p' } }, false],
    ['where a keyring or netrc may have credentials', { otherCredentials: true }, true],
    [
      'where the URL has its credentials',
      { otherCredentials: true, indexes: ['https://a:b@index.example/'] },
      false,
    ],
    ['to a directory', { indexes: ['file:///srv/simple'] }, true],
  ];
  for (const [name, change, expected] of rows) {
    test(`${name}: ${expected}`, () => {
      assert.equal(needsPip({ ...usual, ...change }), expected);
    });
  }
});
