/** Real clients of the mirror: a second client causes no requests to the upstream index. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';

import { ensureUv, uvCommand } from '../../scripts/tools.mjs';
import { freshPython } from '../support/python.ts';
import {
  freePort,
  get,
  plainEnvironment,
  scratch,
  startMirror,
  startNginx,
  until,
} from './nginx.ts';
import { alpha1, alpha2, beta, html, indexFor, json, onLinux, pipClient } from './scene.ts';
import { linksToSelf, startFront } from './upstreams.ts';

describe('clients of the mirror', onLinux, () => {
  for (const pip of ['26.3', '23.2.1'] as const) {
    test(`a second pip ${pip} behind the mirror causes no request to the upstream index`, async (t) => {
      const index = await indexFor(t, { gzip: true });
      const mirror = await startMirror(t, index.url);
      const download = pipClient(t, mirror.index, pip);
      index.reset();
      const wanted = [alpha2.filename, beta.filename];
      assert.deepEqual(await download('first'), wanted);
      assert.deepEqual(index.artifacts().sort(), wanted);
      index.reset();
      assert.deepEqual(await download('second'), wanted);
      assert.equal(index.count(), 0);
      await until(() => mirror.log().length >= 12);
      const files = mirror.log().filter(({ kind }) => kind === 'file');
      // Wheels and metadata, twice.
      assert.deepEqual(files.map(({ cache }) => cache).sort(), [
        ...Array(4).fill('HIT'),
        ...Array(4).fill('MISS'),
      ]);
    });
  }

  test('a second uv behind the mirror causes no request to the upstream index', async (t) => {
    ensureUv();
    const uv = uvCommand();
    for (const metadata of [true, false]) {
      const index = await indexFor(t, { gzip: true, metadata });
      const mirror = await startMirror(t, index.url);
      const directory = scratch(t);
      const python = freshPython(join(directory, 'venv'));
      const install = async (name: string): Promise<string[]> => {
        const target = join(directory, name);
        const args = ['pip', 'install', '-q', '--python', python, '--target', target, 'alpha'];
        await promisify(execFile)(uv, args, {
          env: {
            ...plainEnvironment(),
            UV_NO_CONFIG: '1',
            UV_DEFAULT_INDEX: mirror.index,
            UV_CACHE_DIR: `${target}-cache`,
          },
        });
        return readdirSync(target).filter((file) => /^(alpha|beta)$/.test(file));
      };
      index.reset();
      assert.deepEqual((await install('first')).sort(), ['alpha', 'beta']);
      assert.deepEqual(index.artifacts().sort(), [alpha2.filename, beta.filename]);
      index.reset();
      assert.deepEqual((await install('second')).sort(), ['alpha', 'beta']);
      assert.equal(index.count(), 0);
    }
  });

  test('the mirror forwards no client headers, which could change a page for other clients', async (t) => {
    const index = await indexFor(t);
    const front = await startFront(t, index, {
      // As proxying indexes do, which build links from the address that they believe to have.
      page: (text, self) => {
        const { headers = {} } = front.requests.at(-1) ?? {};
        const own = headers['x-forwarded-host'] ?? headers['x-outside-url'];
        return text.replaceAll(new URL(index.url).origin, own ? `http://${own}` : self);
      },
    });
    const mirror = await startMirror(t, front.url);
    front.requests.length = 0;
    const hostile = {
      'x-forwarded-host': 'hostile.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=hostile.example',
      'x-outside-url': 'hostile.example',
      'x-jfrog-override-base-url': 'https://hostile.example',
      'x-jfrog-art-api': 'secret',
      'private-token': 'secret',
      'x-original-url': '/simple/other/',
      'x-http-method-override': 'PUT',
      'user-agent': 'hostile/1.0',
      'accept-language': 'xx',
      range: 'bytes=0-5',
    };
    const page = await get(`${mirror.index}alpha/`, { ...html, ...hostile });
    assert.equal(page.status, 200);
    assert.ok(!page.body.includes('hostile.example'), page.body.toString());
    await get(`${mirror.origin}/files/${alpha1.filename}`, hostile);
    await get(`${mirror.origin}/health/upstream`, hostile);
    assert.ok(front.requests.length >= 3);
    for (const { headers } of front.requests) {
      assert.deepEqual(
        Object.keys(headers).filter((name) => name !== 'connection'),
        ['host', 'user-agent', 'accept'].filter((name) => name in headers),
      );
      assert.equal(headers['user-agent'], 'wheelhouse-mirror');
    }
    const next = await get(`${mirror.index}alpha/`, html);
    assert.equal(next.headers['x-cache-status'], 'HIT');
    assert.ok(!next.body.includes('hostile.example'));
  });

  test('the mirror forwards no request bodies', async (t) => {
    const index = await indexFor(t);
    const front = await startFront(t, index, { page: linksToSelf(index) });
    const mirror = await startMirror(t, front.url);
    front.requests.length = 0;
    const body = 'GET /simple/evil/ HTTP/1.1\r\nHost: evil\r\n\r\n';
    const length = { 'content-length': String(body.length) };
    const page = await get(`${mirror.index}alpha/`, { ...html, ...length }, { body });
    const file = await get(`${mirror.origin}/files/${alpha1.filename}`, length, { body });
    assert.deepEqual([page.status, file.status], [200, 200]);
    assert.deepEqual(
      front.requests.map(({ path, headers }) => [
        path,
        headers['content-length'] ?? headers['transfer-encoding'],
      ]),
      [
        ['/simple/alpha/', undefined],
        [`/files/${alpha1.filename}`, undefined],
      ],
    );
  });

  test('the mirror does not forward the credentials of clients', async (t) => {
    const index = await indexFor(t);
    const front = await startFront(t, index, {
      page: linksToSelf(index),
    });
    const mirror = await startMirror(t, front.url);
    front.requests.length = 0;
    const headers = { authorization: 'Basic bWU6c2VjcmV0', cookie: 'session=secret' };
    await get(`${mirror.index}alpha/`, { ...headers, ...json });
    await get(`${mirror.origin}/files/${alpha1.filename}`, headers);
    assert.deepEqual(
      front.requests.map(({ headers: { authorization, cookie } }) => [authorization, cookie]),
      Array(2).fill([undefined, undefined]),
    );
    const { status } = await get(`${mirror.index}alpha/`, {}, { method: 'POST' });
    assert.equal(status, 405);
  });

  test('the command in the README computes the hit ratio of the mirror from its log', async (t) => {
    const index = await indexFor(t);
    const mirror = await startMirror(t, index.url);
    for (let n = 0; n < 4; n += 1) await get(`${mirror.origin}/files/${alpha1.filename}`);
    await until(() => mirror.log().length === 4);
    const readme = readFileSync(new URL('../../mirror/README.md', import.meta.url), 'utf8');
    const command = /^awk .*access\.log$/m.exec(readme)?.[0] ?? 'false';
    const log = /access_log (\S+)/.exec(mirror.config)?.[1] ?? '';
    const shell = command.replace('/var/log/nginx/access.log', log);
    assert.notEqual(shell, command);
    const { stdout } = await promisify(execFile)('sh', ['-c', shell]);
    assert.equal(stdout, '3 of 4 files from the cache (75 %)\n');
  });

  /** A recipe that is found in many places. It worked for old clients and fails for today's. */
  test('control: the often copied nginx recipe caches no wheel', async (t) => {
    const index = await indexFor(t, { gzip: true });
    const directory = scratch(t);
    const port = await freePort();
    const origin = new URL(index.url).origin;
    const seedlike = `
proxy_cache_path ${directory}/cache keys_zone=seedlike:1m;
log_format seedlike 'cache=$upstream_cache_status kind=any status=$status "$request_method $uri" "-"';
server {
    listen 127.0.0.1:${port};
    access_log ${directory}/access.log seedlike;
    proxy_cache seedlike;
    location / { return 404; }
    location /simple/ {
        proxy_pass ${origin};
        sub_filter '${origin}/files/' 'http://$http_host/files/';
    }
    location /files/ {
        proxy_pass ${origin};
    }
}`;
    const nginx = await startNginx(t, directory, seedlike, port);
    const download = pipClient(t, `${nginx.origin}/simple/`, '26.3');
    for (const client of ['first', 'second']) {
      index.reset();
      const files = await download(client);
      assert.deepEqual(index.artifacts().sort(), files);
      assert.equal(index.count('page'), 2, 'pages are not cached either');
    }
    assert.equal(nginx.log().filter(({ path }) => path.startsWith('/files/')).length, 0);

    const rewritten = async (headers: Record<string, string>): Promise<number> => {
      const { body, headers: got } = await get(`${nginx.origin}/simple/alpha/`, headers);
      const text = got['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
      return text.toString().split(`${nginx.origin}/files/`).length - 1;
    };
    // Of three links each.
    assert.equal(await rewritten(json), 0);
    assert.equal(await rewritten({ ...html, 'accept-encoding': 'gzip' }), 0);
    assert.equal(await rewritten(html), 1);
  });
});
