/** The gateway with the real client, in front of real servers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';

import type { BuiltWheel, FileAtHand, Gateway } from '../../src/ports.ts';
import { webAdapter } from '../../src/world/client.ts';
import { gatewaysAdapter } from '../../src/world/gateway.ts';
import { startIndex } from '../support/index-server.ts';
import { sdist, wheel } from '../support/packages.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta', "gamma; extra == 'x'"] });
const beta = wheel({ name: 'beta', version: '2.0' });
const gamma = sdist({ name: 'gamma', version: '1.0' });
const index = await startIndex({ distributions: [alpha, beta, gamma] });
const directory = mkdtempSync(join(tmpdir(), 'gateway-test-'));
const open: Gateway[] = [];

after(async () => {
  await index.close();
  rmSync(directory, { recursive: true });
});

afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.close();
  Object.assign(index.mode, { htmlOnly: false, hashes: true, urls: 'stable', auth: undefined });
  await index.fail(undefined);
  index.reset();
});

async function start(
  indexes: readonly string[] = [index.url],
  options: {
    readonly atHand?: readonly FileAtHand[];
    readonly downloaded?: FileAtHand[];
    readonly built?: readonly BuiltWheel[];
    readonly mayFit?: (file: string) => boolean;
  } = {},
): Promise<Gateway> {
  const client = webAdapter().open({
    indexes,
    trust: { trustedHosts: [], certificates: undefined },
    environment: {},
  });
  const gateway = await gatewaysAdapter().open({
    ...{ indexes, client, directory, atHand: [], downloaded: [], built: [] },
    mayFit: () => true,
    reporter: { info() {} },
    ...options,
  });
  open.push(gateway);
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

async function get(address: string): Promise<Answer> {
  const response = await fetch(address);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

type ListedFile = { readonly filename: string; readonly url: string } & Record<string, unknown>;

async function files(gateway: Gateway, project: string): Promise<ListedFile[]> {
  const { text } = await get(`${gateway.urls[0]}${project}/`);
  return (JSON.parse(text) as { files: ListedFile[] }).files;
}

function fileUrl(gateway: Gateway, project: string, file: string): string {
  return `${gateway.urls[0]}${project}/${file}`;
}

for (const htmlOnly of [false, true]) {
  test(`a page of an index that speaks ${htmlOnly ? 'HTML' : 'JSON'} keeps what installers need`, async () => {
    index.mode.htmlOnly = htmlOnly;
    index.add(wheel({ name: 'delta', version: '1.0', requiresPython: '>=3.7' }));
    index.yank('delta-1.0-py3-none-any.whl', 'broken');
    const gateway = await start();
    const { headers, status } = await get(`${gateway.urls[0]}delta/`);
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/vnd.pypi.simple.v1+json');
    assert.equal(headers.get('cache-control'), 'no-store');
    const [file] = await files(gateway, 'delta');
    assert.equal(file?.filename, 'delta-1.0-py3-none-any.whl');
    assert.equal(file['requires-python'], '>=3.7');
    assert.equal(file['yanked'], 'broken');
    assert.match(JSON.stringify(file['hashes']), /^\{"sha256":"[0-9a-f]{64}"\}$/);
    assert.match(JSON.stringify(file['core-metadata']), /^\{"sha256":"[0-9a-f]{64}"\}$/);
    assert.equal(file['dist-info-metadata'], undefined, 'pip 22.3 to 23.1 crash on it');
    assert.doesNotMatch(JSON.stringify(file), /http:/);
  });
}

test('a file arrives whole, with a known length, and is downloaded once', async () => {
  const gateway = await start();
  for (let round = 0; round < 2; round += 1) {
    const response = await fetch(fileUrl(gateway, 'beta', beta.filename));
    assert.equal(response.headers.get('content-length'), String(beta.content.length));
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(beta.content));
  }
  assert.deepEqual(index.artifacts(), [beta.filename]);
  assert.deepEqual(gateway.faults, []);
});

test('many requests at once for one file download it once', async () => {
  const gateway = await start();
  const address = fileUrl(gateway, 'beta', beta.filename);
  await Promise.all(Array.from({ length: 20 }, () => get(address)));
  assert.deepEqual(index.artifacts(), [beta.filename]);
  assert.equal(index.count('page'), 1);
});

test('whoever asks for metadata gets the wheel and the pages of its dependencies without waiting', async () => {
  const gateway = await start();
  const { text } = await get(`${fileUrl(gateway, 'alpha', alpha.filename)}.metadata`);
  assert.match(text, /^Name: alpha$/m);
  while (index.artifacts().length === 0 || index.count('page') < 2) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const requests = index.count();
  await get(fileUrl(gateway, 'alpha', alpha.filename));
  await get(`${gateway.urls[0]}beta/`);
  assert.equal(index.count(), requests);
  assert.ok(
    index.log.every(({ project }) => project !== 'gamma'),
    'an extra was not requested',
  );
});

describe('wheels at hand', () => {
  const path = join(directory, beta.filename);
  writeFileSync(path, beta.content);
  const at = { file: beta.filename, path };

  test('are served without a download if the page has their hash', async () => {
    const gateway = await start([index.url], { atHand: [{ ...at, sha256: beta.sha256 }] });
    assert.equal((await get(fileUrl(gateway, 'beta', beta.filename))).status, 200);
    assert.deepEqual(index.artifacts(), []);
  });

  test('are not served if the page has another hash', async () => {
    const gateway = await start([index.url], { atHand: [{ ...at, sha256: alpha.sha256 }] });
    await get(fileUrl(gateway, 'beta', beta.filename));
    assert.deepEqual(index.artifacts(), [beta.filename]);
  });

  test('are served by their name if the page has no hash', async () => {
    index.mode.hashes = false;
    const gateway = await start([index.url], { atHand: [{ ...at, sha256: alpha.sha256 }] });
    await get(fileUrl(gateway, 'beta', beta.filename));
    assert.deepEqual(index.artifacts(), []);
  });

  test('include those that an earlier gateway has downloaded', async () => {
    const downloaded: FileAtHand[] = [];
    const first = await start([index.url], { downloaded });
    await get(fileUrl(first, 'beta', beta.filename));
    await first.close();
    const second = await start([index.url], { downloaded });
    assert.equal((await get(fileUrl(second, 'beta', beta.filename))).status, 200);
    assert.deepEqual(index.artifacts(), [beta.filename]);
  });
});

test('a built wheel is listed beside its sdist, yanked if the sdist is, and not without it', async () => {
  const file = 'gamma-1.0-py3-none-any.whl';
  const path = join(directory, file);
  writeFileSync(path, 'built');
  const one = { file, path, sha256: 'ab'.repeat(32), version: '1.0' };
  const built = [one, { ...one, file: 'gamma-0.9-py3-none-any.whl', version: '0.9' }];
  const names = async (): Promise<string[]> =>
    (await files(await start([index.url], { built }), 'gamma')).map(
      ({ filename, yanked }) => `${filename} ${yanked}`,
    );
  assert.deepEqual(await names(), [`${gamma.filename} false`, `${file} false`]);
  index.yank(gamma.filename);
  assert.deepEqual(await names(), [`${gamma.filename} true`, `${file} true`]);
  const gateway = await start([index.url], { built });
  assert.equal((await get(fileUrl(gateway, 'gamma', file))).text, 'built');
});

test('wheels that can not fit are not listed', async () => {
  const gateway = await start([index.url], { mayFit: (file) => !file.startsWith('beta') });
  assert.deepEqual(await files(gateway, 'beta'), []);
  assert.equal((await files(gateway, 'gamma')).length, 1);
});

describe('faults', () => {
  test('a project that the index does not have is 404, and not a fault', async () => {
    const gateway = await start();
    assert.equal((await get(`${gateway.urls[0]}nowhere/`)).status, 404);
    assert.deepEqual(gateway.faults, []);
  });

  for (const status of [401, 403] as const) {
    test(`a page that the index refuses with ${status} is refused with ${status}`, async () => {
      index.mode.auth = { username: 'u', password: 'p', status };
      const gateway = await start();
      assert.equal((await get(`${gateway.urls[0]}beta/`)).status, status);
      const [fault] = gateway.faults;
      assert.equal(fault?.kind, 'refused');
      assert.equal(fault.project, 'beta');
      assert.equal(fault.status, status);
    });
  }

  test('credentials of the index reach it, and nothing that the gateway answers or shows', async () => {
    index.mode.auth = { username: 'u', password: 'hunter2' };
    const address = index.url.replace('http://', 'http://u:hunter2@');
    const gateway = await start([address]);
    const page = await get(`${gateway.urls[0]}beta/`);
    assert.equal(page.status, 200);
    assert.equal((await get(fileUrl(gateway, 'beta', beta.filename))).status, 200);
    await index.fail({ kind: 'status', status: 404 });
    const shown = gateway.shown(`Looking in ${gateway.urls[0]}, at ${gateway.urls[0]}beta/x.whl`);
    assert.equal(shown, `Looking in ${index.url}, at ${index.url}beta/x.whl`);
    assert.doesNotMatch(`${page.text}${JSON.stringify([...page.headers])}`, /hunter2|files\//);
  });

  test('a file with another hash than on the page never arrives', async () => {
    index.add({ ...beta, content: alpha.content });
    const gateway = await start();
    const { status, text } = await get(fileUrl(gateway, 'beta', beta.filename));
    index.add(beta);
    assert.equal(status, 422);
    assert.match(text, /SHA-256/);
    assert.equal(gateway.faults[0]?.kind, 'wrong');
    assert.equal(gateway.faults[0]?.file, beta.filename);
  });
});

describe('another process on the machine', () => {
  async function status(address: string, options: object = {}): Promise<number> {
    const sent = request(address, { agent: false, ...options });
    sent.end();
    const [response] = await once(sent, 'response');
    response.resume();
    return response.statusCode;
  }

  test('gets nothing without the secret, under another host name, or with another method', async () => {
    const gateway = await start();
    const address = `${gateway.urls[0]}beta/`;
    const { origin, pathname } = new URL(address);
    const [, secret = ''] = pathname.split('/');
    assert.equal(await status(address), 200);
    for (const path of [
      '/',
      '/0/beta/',
      `/${'0'.repeat(32)}/0/beta/`,
      `/${secret.slice(1)}/0/beta/`,
      `/${secret}0/0/beta/`,
      `/${secret}/1/beta/`,
      `/${secret}/-1/beta/`,
      `/${secret}/0/`,
      `/${secret}/0/beta`,
      `/${secret}/0/beta/../../../etc/passwd`,
      `/${secret}/0/beta/..%2F..%2Fbeta`,
      `/${secret}/0/%2e%2e/beta-2.0-py3-none-any.whl`,
      `/${secret}/0/beta/alpha-1.0-py3-none-any.whl`,
      `/${secret}/0/beta/beta-2.0-py3-none-any.whl.metadata.metadata`,
    ]) {
      assert.equal(await status(`${origin}${path}`), 404, path);
    }
    for (const host of ['evil.example', 'localhost', '127.0.0.1']) {
      assert.equal(await status(address, { headers: { host } }), 404, host);
    }
    assert.equal(await status(address, { method: 'POST' }), 404);
  });

  test('finds another secret each time, and nothing after the fill', async () => {
    const [first, second] = [await start(), await start()];
    assert.notEqual(new URL(first.urls[0] ?? '').pathname, new URL(second.urls[0] ?? '').pathname);
    const address = `${first.urls[0]}beta/`;
    await first.close();
    await assert.rejects(status(address), /ECONNREFUSED/);
  });
});

describe('a hostile index', () => {
  async function hostile(body: string, contentType = 'application/json'): Promise<Server> {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', contentType).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  async function listed(
    body: string,
    contentType?: string,
  ): Promise<{ status: number; files: string[] }> {
    const server = await hostile(body, contentType);
    try {
      const { port } = server.address() as AddressInfo;
      const gateway = await start([`http://127.0.0.1:${port}/simple/`]);
      const { status, text } = await get(`${gateway.urls[0]}beta/`);
      if (status !== 200) return { status, files: [] };
      const page = JSON.parse(text) as { files: ListedFile[] };
      return { status, files: page.files.map(({ filename }) => filename) };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const page = (...entries: object[]): string =>
    JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'beta', files: entries });
  const good = { filename: 'beta-1.0-py3-none-any.whl', url: 'x', hashes: {} };

  test('can not put files with other names or hashes on a page', async () => {
    const before = readdirSync(directory).length;
    const { files: names } = await listed(
      page(
        good,
        { ...good, filename: '../../beta-1.1-py3-none-any.whl' },
        { ...good, filename: 'a/beta-1.2-py3-none-any.whl' },
        { ...good, filename: 'beta-1.3-py3-none-any.whl\r\nX: 1' },
        { ...good, filename: 'beta-1.4\u0000-py3-none-any.whl' },
        { ...good, filename: `beta-1.${'0'.repeat(300)}-py3-none-any.whl` },
        { ...good, filename: 'beta-1.5-py3-none-any.whl', hashes: { sha256: 'nonsense' } },
        { ...good, filename: 'beta-1.6-py3-none-any.whl', url: 'file:///etc/passwd' },
        { ...good, filename: 'beta-1.7-py3-none-any.whl', hashes: { sha256: 'AB'.repeat(32) } },
        { ...good, url: 'http://127.0.0.1:9/second' },
      ),
    );
    assert.deepEqual(names, [good.filename, 'beta-1.7-py3-none-any.whl']);
    assert.ok(readdirSync(directory).length <= before + 1);
  });

  for (const [what, body, contentType] of [
    ['that is not JSON', '{', undefined],
    ['without files', '{"meta": {"api-version": "1.0"}}', undefined],
    ['with null for a file', page(null as unknown as object), undefined],
    ['with a login form', '<html><title>Sign in</title></html>', 'text/html'],
    ['with an address that is none', page({ ...good, url: 'http://[' }), undefined],
  ] as const) {
    test(`a page ${what} is a fault`, async () => {
      assert.equal((await listed(body, contentType)).status, 422);
    });
  }

  test('a page with 200,000 files is passed on', async () => {
    const many = Array.from({ length: 200_000 }, (_, number) => ({
      ...{ filename: `beta-${number}.tar.gz`, url: 'x', hashes: {} },
    }));
    const body = JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'beta', files: many });
    assert.equal((await listed(body)).files.length, 200_000);
  });
});
