/** Pages that the mirror serves: rewritten, as JSON and HTML, and never too old. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

import { wheel } from '../support/packages.ts';
import { get, startMirror } from './nginx.ts';
import { alpha1, hrefs, html, indexFor, json, jsonType, onLinux, pagesExpire } from './scene.ts';
import { startFront } from './upstreams.ts';

describe('pages of the mirror', onLinux, () => {
  test('the mirror rewrites the links of a page for the first client, which accepts gzip and JSON', async (t) => {
    const index = await indexFor(t, { gzip: true });
    const mirror = await startMirror(t, index.url);
    index.reset();

    const first = await get(`${mirror.index}alpha/`, { ...json, 'accept-encoding': 'gzip' });
    assert.equal(first.status, 200);
    assert.equal(first.headers['content-type'], jsonType);
    assert.equal(first.headers['content-encoding'], 'gzip');
    const text = gunzipSync(first.body).toString();
    const { files } = JSON.parse(text) as { files: { url: string; filename: string }[] };
    assert.deepEqual(
      files.map(({ url, filename }) => url === `${mirror.origin}/files/${filename}`),
      [true, true, true],
    );
    assert.ok(!text.includes(new URL(index.url).host), text);

    const second = await get(`${mirror.index}alpha/`, html);
    assert.equal(second.headers['content-type'], 'text/html; charset=utf-8');
    const links = hrefs(second.body);
    assert.deepEqual(
      links.map((link) => link.replace(/#.*/, '')),
      files.map(({ url }) => url),
    );
    assert.ok(!second.body.includes(new URL(index.url).host), second.body.toString());
    assert.equal(index.count(), 2);

    // An equivalent header, written differently, causes no request to the upstream index.
    const pip = `${jsonType}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01`;
    assert.deepEqual(
      JSON.parse((await get(`${mirror.index}alpha/`, { accept: pip })).body.toString()),
      JSON.parse(text),
    );
    const notJson = { accept: `text/html, ${jsonType};q=0` };
    assert.deepEqual((await get(`${mirror.index}alpha/`, notJson)).body, second.body);
    assert.deepEqual((await get(`${mirror.index}alpha/`)).body, second.body);
    assert.equal(index.count(), 2);
  });

  test('the links of a page use the host that the client used, or the configured public URL', async (t) => {
    const index = await indexFor(t);
    const [own, given] = [
      await startMirror(t, index.url),
      await startMirror(t, index.url, {
        args: ['--public-url', 'https://tools.example/mirror/'],
      }),
    ];
    const links = async (url: string, host: string): Promise<string | undefined> =>
      hrefs((await get(url, { ...html, host })).body)[0]?.replace(/#.*/, '');
    assert.equal(
      await links(`${own.index}alpha/`, 'mirror.lan:81'),
      `http://mirror.lan:81/files/${alpha1.filename}`,
    );
    assert.equal(
      await links(`${given.index}alpha/`, 'mirror.lan:81'),
      `https://tools.example/mirror/files/${alpha1.filename}`,
    );
    const redirect = await get(`${given.index}Alpha/`, html);
    assert.equal(redirect.status, 301);
    assert.equal(redirect.headers.location, 'https://tools.example/mirror/simple/alpha/');
  });

  for (const [name, page] of [
    ['relative', (text: string) => text.replaceAll(/http:\/\/[^/]+\/files/g, '../../files')],
    ['host-relative', (text: string) => text.replaceAll(/http:\/\/[^/]+\/files/g, '/files')],
    ['scheme-relative', (text: string) => text.replaceAll(/http:(\/\/[^/]+\/files)/g, '$1')],
    ['escaped', (text: string) => text.replaceAll(/http:\S+?whl/g, escapeSlashes)],
  ] as const) {
    test(`${name} links of the upstream index are rewritten to the mirror`, async (t) => {
      const index = await indexFor(t);
      const front = await startFront(t, index, {
        page: (text, self) => page(text.replaceAll(new URL(index.url).origin, self)),
      });
      const mirror = await startMirror(t, front.url);
      for (const accept of name === 'escaped' ? [json] : [json, html]) {
        const { body } = await get(`${mirror.index}alpha/`, accept);
        const links =
          accept === json
            ? (JSON.parse(body.toString()) as { files: { url: string }[] }).files
            : hrefs(body).map((url) => ({ url }));
        const resolved = links.map(({ url }) => new URL(url, `${mirror.index}alpha/`));
        assert.deepEqual([...new Set(resolved.map(({ origin }) => origin))], [mirror.origin]);
        const file = await get(String(resolved[0]));
        assert.deepEqual(file.body, alpha1.content);
      }
    });
  }

  test('the mirror rewrites every link of a long page', async (t) => {
    const index = await indexFor(t);
    const files = Array.from({ length: 10_000 }, (_, n) => {
      const filename = `beta-${n}-py3-none-any.whl`;
      return { filename, url: `${new URL(index.url).origin}/files/${filename}`, hashes: {} };
    });
    const long = JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'beta', files });
    const front = await startFront(t, index, {
      page: (text) => (text.includes('"name":"beta"') ? long : text),
    });
    const mirror = await startMirror(t, front.url);
    for (const cache of ['MISS', 'HIT']) {
      const { body, headers, milliseconds } = await get(`${mirror.index}beta/`, json);
      assert.equal(headers['x-cache-status'], cache);
      t.diagnostic(`${cache}: ${body.length} bytes in ${Math.round(milliseconds)} ms`);
      const urls = (JSON.parse(body.toString()) as { files: { url: string }[] }).files;
      assert.equal(urls.length, files.length);
      assert.ok(urls.every(({ url }) => url.startsWith(`${mirror.origin}/`)));
    }
  });

  test('the mirror serves HTML pages if the index has no JSON', async (t) => {
    const index = await indexFor(t, { htmlOnly: true });
    const mirror = await startMirror(t, index.url);
    const { headers, body } = await get(`${mirror.index}alpha/`, json);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(hrefs(body).length, 3);
    assert.ok(!body.includes(new URL(index.url).host));
  });

  test('the page of an unknown project is a 404 that the mirror does not cache', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url);
    const gamma = `${mirror.index}gamma/`;
    assert.equal((await get(gamma, json)).status, 404);
    index.add(wheel({ name: 'gamma', version: '1.0' }));
    assert.equal((await get(gamma, json)).status, 200);
    assert.equal((await get(`${mirror.origin}/elsewhere`)).status, 404);
    assert.equal((await get(`${mirror.origin}/_files/elsewhere.example/a.whl`)).status, 404);
  });

  test('pages are never older than the template says while the index answers', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url, { edit: pagesExpire(1, 1) });
    const names = async (): Promise<number> => {
      const { body } = await get(`${mirror.index}beta/`, json);
      return (JSON.parse(body.toString()) as { files: unknown[] }).files.length;
    };
    assert.equal(await names(), 1);
    index.add(wheel({ name: 'beta', version: '2.0' }));
    assert.equal(await names(), 1);
    await sleep(3200);
    assert.equal(await names(), 2);
    // The index answers "not modified" to a repeated request, so no page is transferred twice.
    await sleep(3200);
    index.reset();
    assert.equal(await names(), 2);
    assert.deepEqual(
      index.log.map(({ status }) => status),
      [304],
    );
  });
});

function escapeSlashes(text: string): string {
  return text.replaceAll('/', '\\/');
}
