/** The renderer of the mirror's configuration: what it detects, writes and rejects. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';

import { wheel } from '../support/packages.ts';
import { render, scratch } from './nginx.ts';
import { alpha, indexFor, onLinux } from './scene.ts';
import { type Change, startFront } from './upstreams.ts';

const alphaOnly = ['--project', 'alpha'];

describe('render.py', onLinux, () => {
  test('render.py reports what it detected and the address of the mirror', async (t) => {
    const index = await indexFor(t, { urls: 'redirect' });
    const output = join(scratch(t), 'mirror.conf');
    const args = ['--output', output, '--public-url', 'https://mirror.example'];
    const { status, stdout, stderr } = await render(index.url.slice(0, -1), [
      ...alphaOnly,
      ...args,
    ]);
    const { origin } = new URL(index.url);
    assert.deepEqual(stderr.trim().split('\n'), [
      `Pages: JSON and HTML, from ${origin}`,
      `Files: redirected to ${index.filesOrigin}`,
      'Warning: content from http:// URLs can be altered in transit.',
      "The mirror's index will be https://mirror.example/simple/",
    ]);
    assert.deepEqual([status, stdout], [0, '']);
    const config = readFileSync(output, 'utf8');
    assert.doesNotMatch(config, /@[A-Z_]+@/, 'everything is filled in');
    assert.ok(!/token|sha256/.test(config), 'it contains no address of a single file');
    assert.deepEqual(readdirSync(join(output, '..')), ['mirror.conf']);
    assert.equal(index.bytes('wheel'), 1, 'one byte tells where files are');
  });

  test('render.py writes a configuration for the given version of nginx', async (t) => {
    const index = await indexFor(t);
    const url = index.url.replace('127.0.0.1', 'localhost');
    const configFor = async (version: string): Promise<string> => {
      const args = [...alphaOnly, '--resolver', '192.0.2.53 ipv6=off', '--nginx-version', version];
      return (await render(url, args)).stdout;
    };
    const [old, today] = [await configFor('1.22.1'), await configFor('1.28')];
    const { port } = new URL(url);
    assert.ok(!old.includes(`server localhost:${port}`), 'or it would not start without DNS');
    assert.match(old, /^ {4}resolver 192\.0\.2\.53 ipv6=off;$/m);
    assert.ok(today.includes(`server localhost:${port} resolve;`));
    assert.match(today, /^ {4}resolver 192\.0\.2\.53 ipv6=off;$/m);
  });

  test('render.py inspects several projects and accepts extra hosts', async (t) => {
    const gamma = wheel({ name: 'gamma', version: '1.0' });
    const index = await indexFor(t, { distributions: [...alpha, gamma] });
    const other = await startFront(t, index, {});
    const front = await startFront(t, index, {
      page: (text) =>
        text.replace(`${new URL(index.url).origin}/files/gamma`, `${other.origin}/files/gamma`),
    });
    const more = ['--files-origin', 'https://cdn.example:8443'];
    const resolver = ['--resolver', '192.0.2.53'];
    const { stderr } = await render(front.url, [
      ...alphaOnly,
      '--project',
      'gamma',
      ...more,
      ...resolver,
    ]);
    assert.deepEqual(stderr.split('\n').slice(0, 4), [
      `Pages: JSON and HTML, from ${front.origin}`,
      `Files: linked to ${new URL(index.url).origin}`,
      `Files: linked to ${other.origin}`,
      'Files: linked to https://cdn.example:8443',
    ]);
  });

  const page = (text: string): Change => ({ page: () => text });
  const answer = (type: string, headers: Record<string, string> = {}): Change => ({
    answer: (_, response) => {
      response.writeHead(200, { 'content-type': type, ...headers }).end('{"no": "page"}');
      return true;
    },
  });
  const link = (href: string): Change => page(`<a href="${href}">alpha-1.0-py3-none-any.whl</a>`);
  for (const [what, change, reason] of [
    ['a page without links to files', page('<p>Nothing here.'), /has no links to files/],
    ['malformed JSON', answer('application/vnd.pypi.simple.v1+json'), /not an index page/],
    [
      'a page that is neither JSON nor HTML',
      answer('text/plain'),
      /the type text\/plain, which is not an index page/,
    ],
    [
      'a compressed page that was requested uncompressed',
      answer('text/html', { 'content-encoding': 'gzip' }),
      /is compressed/,
    ],
    ['files on an IP address with TLS', link('https://192.0.2.1/a-1.whl'), /is an IP address/],
    ['files behind a login', link('https://me:secret@files.example/a-1.whl'), /password.*private/s],
    [
      'a host name that would break out of the configuration',
      link("https://x';}evil/a-1.whl"),
      /not a host name/,
    ],
    ['links that are not valid URLs', link('https://[x/a-1.whl'), /has no links to files/],
    ['a port that is not a number', link('https://files.example:x/a-1.whl'), /not a valid URL/],
    [
      'pages that redirect to another host',
      redirectTo('http://other.example/simple/alpha/'),
      /on that host/,
    ],
    ['pages that redirect in a loop', redirectTo('/simple/alpha/'), /in a loop/],
    [
      'links that can’t be rewritten',
      link('http:&#47;/files.example/a-1.whl'),
      /can't be replaced/,
    ],
  ] as const) {
    test(`render.py rejects ${what}`, async (t) => {
      const index = await indexFor(t, { htmlOnly: true });
      const front = await startFront(t, index, change);
      await assertRefused(t, front.url, alphaOnly, reason);
    });
  }

  test('render.py rejects a private feed and credentials in the address', async (t) => {
    const auth = { username: 'me', password: 'secret' };
    const index = await indexFor(t, { auth });
    await assertRefused(t, index.url, alphaOnly, /401: the feed is private/);
    const url = index.url.replace('//', '//me:secret@');
    const stderr = await assertRefused(t, url, alphaOnly, /private feed/);
    assert.ok(!stderr.includes('secret'));
  });

  test('render.py rejects an unreachable index and an unknown project', async (t) => {
    const index = await indexFor(t);
    await assertRefused(t, index.url, [], /pip\/ returned 404.*--project/s);
    await index.fail('refuse');
    await assertRefused(t, index.url, alphaOnly, /Could not fetch.*refused/s);
  });

  test('render.py rejects values that nginx would misread', async (t) => {
    const index = await indexFor(t);
    for (const [option, value] of [
      ['--cache-dir', '/tmp/a b'],
      ['--access-log', 'x;'],
      ['--public-url', 'http://$host'],
      ['--resolver', '192.0.2.1; x'],
      ['--listen', 'unix'],
    ] as const) {
      await assertRefused(t, index.url, [...alphaOnly, option, value], /character|end with a port/);
    }
    await assertRefused(t, `${index.url}?a=b`, alphaOnly, /no query/);
    assert.equal(index.count(), 0);
  });
});

async function assertRefused(
  t: TestContext,
  url: string,
  args: readonly string[],
  reason: RegExp,
): Promise<string> {
  const output = join(scratch(t), 'mirror.conf');
  const { status, stdout, stderr } = await render(url, [...args, '--output', output]);
  assert.match(stderr, reason);
  assert.doesNotMatch(stderr, /Traceback/);
  assert.deepEqual([status === 0, stdout, existsSync(output)], [false, '', false]);
  return stderr;
}

function redirectTo(location: string): Change {
  return {
    answer: (_, response) => {
      response.writeHead(301, { location }).end();
      return true;
    },
  };
}
