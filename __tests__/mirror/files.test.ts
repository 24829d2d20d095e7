/** Files that the mirror serves: fetched once, complete, from any host, in a cache of bounded size. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { wheel } from '../support/packages.ts';
import { get, startMirror, until } from './nginx.ts';
import {
  alpha,
  alpha1,
  alpha2,
  alphaLocal,
  hrefs,
  html,
  indexFor,
  json,
  onLinux,
  pagesExpire,
} from './scene.ts';
import { linksToSelf, startFront } from './upstreams.ts';

describe('files of the mirror', onLinux, () => {
  test('the mirror fetches a file and its metadata once', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url);
    index.reset();
    const [file, metadata] = [`/files/${alpha1.filename}`, `/files/${alpha1.filename}.metadata`];
    for (const expected of ['MISS', 'HIT', 'HIT']) {
      const answers = [await get(mirror.origin + file), await get(mirror.origin + metadata)];
      assert.deepEqual(
        answers.map(({ headers }) => headers['x-cache-status']),
        [expected, expected],
      );
      assert.deepEqual(answers[0]?.body, alpha1.content);
      assert.deepEqual(answers[1]?.body, alpha1.metadata);
      assert.match(String(answers[0]?.headers['cache-control']), /immutable/);
    }
    assert.deepEqual(
      index.log.map(({ kind }) => kind),
      ['wheel', 'metadata'],
    );
    const missing = await get(`${mirror.origin}/files/alpha-9-py3-none-any.whl`);
    assert.equal(missing.status, 404);
    assert.equal(missing.headers['cache-control'], 'no-store');
  });

  test('the mirror requests a file from the index with the spelling that the client used', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url);
    const { filename } = alphaLocal;
    const spelled = `/files/${filename.replace('+', '%2B')}`;
    assert.notEqual(spelled, `/files/${filename}`);
    index.reset();
    assert.deepEqual((await get(mirror.origin + spelled)).body, alphaLocal.content);
    assert.equal(index.log[0]?.path, spelled);
    // An address that nginx considers equal to a known one, but the index may not, has its own key.
    await get(`${mirror.origin}//files/./${filename}`);
    assert.equal(index.log[1]?.path, `//files/./${filename}`);
    // A query would be part of the request to the index, but not of the key.
    await get(`${mirror.origin}/files/${alpha2.filename}?versions`);
    assert.equal(index.log[2]?.path, `/files/${alpha2.filename}`);
  });

  test('the mirror answers range requests before and after a file is cached', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url);
    index.reset();
    const url = `${mirror.origin}/files/${alpha1.filename}`;
    const { length } = alpha1.content;
    for (const [range, from, to] of [
      ['bytes=100-199', 100, 200],
      ['bytes=-50', length - 50, length],
      ['bytes=0-0', 0, 1],
      [`bytes=${length - 10}-`, length - 10, length],
    ] as const) {
      const part = await get(url, { range });
      assert.equal(part.status, 206);
      assert.deepEqual(part.body, alpha1.content.subarray(from, to));
      assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${length}`);
    }
    assert.equal((await get(url, { range: `bytes=${length}-` })).status, 416);
    assert.deepEqual((await get(url)).body, alpha1.content);
    const head = await get(url, {}, { method: 'HEAD' });
    assert.equal(head.headers['content-length'], String(length));
    assert.deepEqual(index.artifacts(), [alpha1.filename]);
  });

  test('the mirror fetches a slow file once for ten clients', async (t) => {
    const slow = wheel({ name: 'slow', version: '1.0', size: 620_000 });
    const index = await indexFor(t, { distributions: [...alpha, slow] });
    const mirror = await startMirror(t, index.url);
    index.reset();
    // Longer than the 5 s after which nginx stops waiting by default.
    index.mode.bandwidth = 110_000;
    const url = `${mirror.origin}/files/${slow.filename}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(url)));
    const seconds = answers.map(({ milliseconds }) => milliseconds / 1000);
    t.diagnostic(`10 clients, ${index.count()} request upstream, ${Math.max(...seconds)} s`);
    assert.equal(index.count(), 1);
    for (const { body } of answers) assert.deepEqual(body, slow.content);
    assert.ok(Math.min(...seconds) > 5.2 && Math.max(...seconds) < 12, String(seconds));
  });

  test('the mirror caches a file behind a redirect to a signed URL under its own address', async (t) => {
    const index = await indexFor(t, { urls: 'redirect' });
    const mirror = await startMirror(t, index.url);
    index.reset();
    const url = `${mirror.origin}/files/${alpha1.filename}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(url)));
    for (const { status, body } of answers) {
      assert.equal(status, 200);
      assert.deepEqual(body, alpha1.content);
    }
    assert.deepEqual(
      index.log.map(({ kind }) => kind),
      ['redirect', 'wheel'],
    );
    assert.deepEqual((await get(`${url}.metadata`)).body, alpha1.metadata);
  });

  test('the mirror leaves redirects to an unknown host to the client', async (t) => {
    const index = await indexFor(t);
    const secret = await startFront(t, index, {});
    let location = '';
    const front = await startFront(t, index, {
      page: linksToSelf(index),
      answer: (request, response) => {
        if (location === '' || !request.url?.endsWith('.whl')) return false;
        response.writeHead(302, { location, 'cache-control': 'max-age=600' }).end();
        return true;
      },
    });
    const mirror = await startMirror(t, front.url);
    const url = `${mirror.origin}/files/${alpha1.filename}`;
    for (const to of [`${secret.origin}/simple/alpha/`, '//other.example/a.whl']) {
      location = to;
      const answer = await get(url);
      assert.deepEqual([answer.status, answer.headers.location], [302, to]);
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
    assert.equal(secret.requests.length, 0);
    location = `/files/${alpha2.filename}.metadata`;
    assert.deepEqual((await get(url)).body, alpha2.metadata);
    location = `/files/${alpha1.filename}`;
    const circle = await get(`${mirror.origin}/files/${alphaLocal.filename}`);
    assert.equal(circle.status, 500);
  });

  test('the mirror caches files whose URLs get a new signature on every page', async (t) => {
    const index = await indexFor(t, { urls: 'query-token' });
    const mirror = await startMirror(t, index.url, { edit: pagesExpire(1, 0) });
    const download = async (): Promise<Buffer> => {
      const { body } = await get(`${mirror.index}alpha/`, json);
      const { files } = JSON.parse(body.toString()) as { files: { url: string }[] };
      return (await get(files[0]?.url ?? '')).body;
    };
    index.reset();
    assert.deepEqual(await download(), alpha1.content);
    await sleep(2200);
    assert.deepEqual(await download(), alpha1.content);
    assert.deepEqual(
      index.log.map(({ kind }) => kind),
      ['page', 'wheel', 'page'],
    );
  });

  test('the mirror serves files of other hosts under its own path', async (t) => {
    const index = await indexFor(t);
    const files = await startFront(t, index, {});
    const front = await startFront(t, index, {
      page: (text) => text.replaceAll(new URL(index.url).origin, files.origin),
      answer: ({ url = '' }, response) => {
        if (url.startsWith('/simple/')) return false;
        response.writeHead(404).end();
        return true;
      },
    });
    const mirror = await startMirror(t, front.url);
    const links = hrefs((await get(`${mirror.index}alpha/`, html)).body);
    const label = `http-127.0.0.1-${new URL(files.origin).port}`;
    assert.ok(links.every((link) => link.startsWith(`${mirror.origin}/_files/${label}/files/`)));
    assert.deepEqual((await get(links[0] ?? '')).body, alpha1.content);
    const { headers, path } = files.requests.at(-1) ?? {};
    assert.deepEqual(
      [headers?.host, path],
      [new URL(files.origin).host, `/files/${alpha1.filename}`],
    );
  });

  test('the mirror does not cache a truncated file, or a page in place of a file', async (t) => {
    const index = await indexFor(t);
    let trouble = '';
    const front = await startFront(t, index, {
      page: linksToSelf(index),
      answer: ({ url = '' }, response) => {
        if (trouble === '' || !url.endsWith('.whl')) return false;
        if (trouble === 'page') {
          response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Back soon.');
          return true;
        }
        const length = { 'content-length': alpha1.content.length };
        response.writeHead(200, trouble === 'truncated' ? length : {});
        response.write(alpha1.content.subarray(0, 20_000), () => response.destroy());
        return true;
      },
    });
    const mirror = await startMirror(t, front.url);
    const url = `${mirror.origin}/files/${alpha1.filename}`;
    for (trouble of ['truncated', 'truncated and chunked', 'page', '']) {
      const answer = await get(url).catch(() => undefined);
      if (trouble === 'page') assert.equal(answer?.headers['cache-control'], 'no-store');
      if (trouble === '') assert.deepEqual(answer?.body, alpha1.content);
    }
  });

  test('the files of the mirror stay below the maximum size of the cache', async (t) => {
    const many = Array.from({ length: 6 }, (_, n) =>
      wheel({ name: 'many', version: `${n}`, size: 400_000 }),
    );
    const index = await indexFor(t, { distributions: [...alpha, ...many] });
    const mirror = await startMirror(t, index.url, { args: ['--cache-size', '1m'] });
    for (const { filename } of many) await get(`${mirror.origin}/files/${filename}`);
    const directory = /proxy_cache_path (\S+-files) /.exec(mirror.config)?.[1] ?? '';
    await until(() => diskUse(directory) <= 1024 * 1024);
    assert.ok(diskUse(directory) > 0);
    assert.match(mirror.config, /wheelhouse_pages:8m max_size=1g min_free=1m inactive=90d/);
  });
});

/** Bytes of all files below a directory. */
function diskUse(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((file) => statSync(join(directory, file), { throwIfNoEntry: false }))
    .reduce((total, stat) => total + (stat?.isFile() ? stat.size : 0), 0);
}
