import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  type CacheFault,
  type CacheOperation,
  type CacheService,
  cacheVersion,
  type JobIdentity,
  startCacheService,
} from './cache-service.ts';

const root = mkdtempSync(join(tmpdir(), 'wheelhouse-cache-test-'));
const archive = randomBytes(40_000);
// Milliseconds; far more than anything takes unless it is meant to hang.
const patience = 10_000;
let service: CacheService;
let workspaces = 0;

before(async () => {
  service = await startCacheService();
});
beforeEach(() => service.reset());
after(async () => {
  await service.close();
  rmSync(root, { recursive: true, force: true });
});

/** A workspace, in which `@actions/cache` caches the directory `data`. */
function makeWorkspace(content?: Buffer): string {
  const workspace = join(root, `workspace-${++workspaces}`);
  mkdirSync(join(workspace, 'data'), { recursive: true });
  if (content !== undefined) writeFileSync(join(workspace, 'data/file'), content);
  return workspace;
}

/** Runs expressions with `cache`, the real toolkit, in a process; each gives a result. */
async function toolkit(
  expressions: string[],
  workspace: string,
  env: Record<string, string> = service.env(),
): Promise<{ results: unknown[]; output: string }> {
  const script = `
    const cache = await import('${import.meta.resolve('@actions/cache')}');
    const results = [];
    for (const run of [${expressions.map((text) => `() => ${text}`)}]) {
      results.push(await run().then((value) => value ?? null));
    }
    process.stdout.write('\\nRESULTS ' + JSON.stringify(results), () => process.exit());
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: workspace,
    env: {
      PATH: process.env.PATH,
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_WORKSPACE: workspace,
      RUNNER_TEMP: workspace,
      ...env,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const deadline = setTimeout(() => child.kill('SIGKILL'), 60_000);
  await once(child, 'close');
  clearTimeout(deadline);
  const results = /^RESULTS (.*)$/m.exec(output)?.[1];
  assert.ok(results, `${output}\n${JSON.stringify(service.log)}`);
  return { results: JSON.parse(results), output };
}

/** Calls the API as the toolkit does, but only once. */
async function api(
  method: string,
  fields: object,
  identity?: string | JobIdentity,
  limit = patience,
) {
  const env = service.env(identity);
  const path = `twirp/github.actions.results.api.v1.CacheService/${method}`;
  const response = await fetch(new URL(path, env.ACTIONS_RESULTS_URL), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${env.ACTIONS_RUNTIME_TOKEN}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(fields),
    signal: AbortSignal.timeout(limit),
  });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : {} };
}

async function lookUp(
  key: string,
  restoreKeys: string[] = [],
  identity?: string | JobIdentity,
  limit?: number,
) {
  const fields = { key, restore_keys: restoreKeys, version: 'v' };
  return (await api('GetCacheEntryDownloadURL', fields, identity, limit)).body;
}

/** The result of a look-up and download of the entry `key`. */
async function download(key = 'key', limit = patience): Promise<{ status: number; data: Buffer }> {
  const { signed_download_url: url } = await lookUp(key, [], undefined, limit);
  const response = await fetch(url, { signal: AbortSignal.timeout(limit) });
  return { status: response.status, data: Buffer.from(await response.arrayBuffer()) };
}

/** Uploads an archive as the key `key`, without finalising it. */
async function upload(key = 'key', limit = patience): Promise<number> {
  const { body } = await api('CreateCacheEntry', { key, version: 'v' });
  const response = await fetch(body.signed_upload_url, {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: archive,
    signal: AbortSignal.timeout(limit),
  });
  await response.arrayBuffer();
  return response.status;
}

function operations(): CacheOperation[] {
  return service.log.map((call) => call.operation);
}

describe('with @actions/cache', () => {
  test('@actions/cache saves an archive and restores it in another workspace', async () => {
    const saved = await toolkit(["cache.saveCache(['data'], 'Key-1')"], makeWorkspace(archive));
    assert.ok(Number(saved.results[0]) > 0, saved.output);
    assert.deepEqual(operations(), ['create', 'upload', 'finalize']);
    const [entry] = service.entries();
    assert.equal(entry?.key, 'Key-1');
    assert.equal(entry?.scope, 'refs/heads/main');
    assert.equal(entry?.size, service.calls('upload')[0]?.bytes);
    assert.equal((await service.readArchive('Key-1')).length, entry?.size);

    const workspace = makeWorkspace();
    const restored = await toolkit(
      [
        "cache.restoreCache(['data'], 'Key-1')",
        "cache.restoreCache(['data'], 'Key-2', ['Key-'])",
        "cache.restoreCache(['data'], 'key-1')",
        "cache.restoreCache(['./data'], 'Key-1')",
      ],
      workspace,
    );
    // A path that is spelled differently has another version.
    assert.deepEqual(restored.results, ['Key-1', 'Key-1', null, null]);
    assert.deepEqual(readFileSync(join(workspace, 'data/file')), archive);
    assert.equal(service.calls('download')[0]?.bytes, entry?.size);
  });

  test('the stand-in rejects a second save of a key and keeps the first', async () => {
    const save = "cache.saveCache(['data'], 'key')";
    const { results, output } = await toolkit([save, save], makeWorkspace(archive));
    assert.equal(results[1], -1);
    assert.match(output, /^Failed to save: .* another job may be creating this cache/m);
    assert.deepEqual(
      service.calls('create').map((call) => call.status),
      [200, 409],
    );
    assert.equal(service.entries().length, 1);
  });

  test('@actions/cache saves nothing with a read-only token', async () => {
    const { results, output } = await toolkit(
      ["cache.saveCache(['data'], 'key')"],
      makeWorkspace(archive),
      service.env({ readOnly: true }),
    );
    assert.deepEqual(results, [-1]);
    assert.match(
      output,
      /^::warning::Failed to save: .*cache write denied: token has no writable/m,
    );
    assert.deepEqual(service.entries(), []);
  });

  test('@actions/cache finds an entry that was added by addEntry', async () => {
    const workspace = makeWorkspace(archive);
    await toolkit(["cache.saveCache(['data'], 'key')"], workspace);
    const bytes = await service.readArchive('key');
    const compression = service.entries()[0]?.version === cacheVersion(['data']) ? [] : ['gzip'];
    await service.reset();
    await service.addEntry('other', cacheVersion(['data'], ...compression), bytes);
    const { results } = await toolkit(["cache.restoreCache(['data'], 'oth')"], workspace);
    assert.deepEqual(results, ['other']);
  });

  const broken: [CacheOperation, CacheFault, RegExp][] = [
    ['lookup', { status: 429 }, /Failed to restore: .*Rate limited/],
    ['lookup', 'reset', /Failed to restore: .*ECONNRESET/],
    ['download', { status: 404 }, /Failed to restore/],
    ['download', 'vanish', /Failed to restore/],
    ['download', 'truncate', /Failed to restore: aborted/],
    ['download', 'short', /Failed to restore: .*tar.* failed/],
    ['download', 'flip', /Failed to restore: .*tar.* failed/],
  ];
  test('@actions/cache turns a broken restore into a miss with a warning', async () => {
    await toolkit(["cache.saveCache(['data'], 'key')"], makeWorkspace(archive));
    const bytes = await service.readArchive('key');
    const version = service.entries()[0]?.version as string;
    for (const [operation, fault, warning] of broken) {
      await service.reset();
      await service.addEntry('key', version, bytes);
      service.setFault(operation, fault);
      const { results, output } = await toolkit(
        ["cache.restoreCache(['data'], 'key')"],
        makeWorkspace(),
      );
      const what = `${operation} ${JSON.stringify(fault)}: ${output}`;
      assert.deepEqual(results, [null], what);
      assert.match(output, warning, what);
      assert.match(output, /^::warning::/m, what);
    }
  });

  test('@actions/cache accepts an unrelated matched key', async () => {
    await toolkit(["cache.saveCache(['data'], 'key')"], makeWorkspace(archive));
    service.setFault('lookup', { matchedKey: 'unrelated' });
    const { results } = await toolkit(["cache.restoreCache(['data'], 'key')"], makeWorkspace());
    assert.deepEqual(results, ['unrelated']);
  });

  test('@actions/cache turns a refused connection to the API into a miss', async () => {
    const { results, output } = await toolkit(
      ["cache.restoreCache(['data'], 'key')"],
      makeWorkspace(),
      service.env({ refused: true }),
    );
    assert.deepEqual(results, [null]);
    assert.match(output, /ECONNREFUSED/);
    assert.deepEqual(operations(), []);
  });

  test('@actions/cache downloads through the Azure SDK from the real host name', async () => {
    const azure = await startCacheService({ azureHost: true });
    try {
      const { results, output } = await toolkit(
        ["cache.saveCache(['data'], 'key')", "cache.restoreCache(['data'], 'key')"],
        makeWorkspace(archive),
        azure.env(),
      );
      assert.equal(results[1], 'key', output);
      assert.deepEqual(
        azure.calls('download').map((call) => `${call.method} ${call.status}`),
        ['HEAD 200', 'GET 206'],
      );
      azure.setFault('download', 'flip');
      const flipped = await toolkit(
        ["cache.restoreCache(['data'], 'key')"],
        makeWorkspace(),
        azure.env(),
      );
      assert.match(flipped.output, /Failed to restore: .*tar.* failed/);
    } finally {
      await azure.close();
    }
  });
});

describe('look-ups', () => {
  test('a look-up prefers the exact key, then the newest with that prefix, then the restore keys', async () => {
    for (const key of ['a-1', 'a-12', 'a-2', 'b-1', 'b-2', 'B-3']) {
      await service.addEntry(key, 'v', archive);
    }
    await service.addEntry('a-3', 'another version', archive);
    const matched = async (key: string, restoreKeys?: string[]) =>
      (await lookUp(key, restoreKeys)).matched_key;
    assert.equal(await matched('a-1', ['b-']), 'a-1');
    assert.equal(await matched('a-', ['b-']), 'a-2');
    assert.equal(await matched('c', ['b-', 'a-']), 'b-2');
    assert.equal(await matched('c', ['d', 'a-1']), 'a-1');
    assert.equal(await matched('a-3'), undefined);
  });

  test('a look-up searches its own scope, then the base branch, then the default branch, and no other', async () => {
    const pull = { ref: 'refs/pull/1/merge', base: 'refs/heads/next' };
    const matched = async (identity: string | JobIdentity, key = 'k') =>
      (await lookUp(key, [], identity)).matched_key;
    await service.addEntry('k', 'v', archive, 'refs/heads/main');
    assert.equal(await matched('refs/heads/feature'), 'k');
    assert.equal(await matched(pull), 'k');
    await service.addEntry('k-next', 'v', archive, 'refs/heads/next');
    // A prefix match in an earlier scope wins over the exact key in a later one.
    assert.equal(await matched(pull), 'k-next');
    assert.equal(await matched('refs/heads/feature', 'k-n'), undefined);
    await service.addEntry('k-pull', 'v', archive, 'refs/pull/1/merge');
    assert.equal(await matched(pull), 'k-pull');
    assert.equal(await matched('refs/heads/main', 'k-p'), undefined);
  });

  test('a look-up does not find an entry that is not finalised', async () => {
    await upload();
    assert.equal((await lookUp('key')).ok, false);
    const again = await api('CreateCacheEntry', { key: 'key', version: 'v' });
    assert.equal(again.status, 409);
    const done = await api('FinalizeCacheEntryUpload', {
      key: 'key',
      version: 'v',
      size_bytes: '1',
    });
    assert.equal(done.body.ok, true);
    assert.equal((await lookUp('key')).matched_key, 'key');
    assert.deepEqual((await download()).data, archive);
  });

  test('a look-up is denied without a readable scope', async () => {
    const fields = { key: 'k', version: 'v' };
    const denied = await api('GetCacheEntryDownloadURL', fields, { scopes: [] });
    assert.equal(denied.status, 403);
    assert.match(denied.body.msg, /^cache read denied:/);
  });
});

describe('access to the stand-in', () => {
  test('two scopes can have entries with the same key', async () => {
    const fields = { key: 'key', version: 'v' };
    assert.equal((await api('CreateCacheEntry', fields)).body.ok, true);
    assert.equal((await api('CreateCacheEntry', fields, 'refs/heads/x')).body.ok, true);
  });

  test('a token with a wrong signature is rejected', async () => {
    const foreign = service.env().ACTIONS_RUNTIME_TOKEN?.replace(/.$/, '!');
    const path = '/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL';
    const response = await fetch(service.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${foreign}` },
      body: '{}',
    });
    assert.equal(response.status, 401);
  });

  test('a URL that is signed for reading can’t be used to write', async () => {
    await service.addEntry('key', 'v', archive);
    const { signed_download_url: url } = await lookUp('key');
    const headers = { 'x-ms-blob-type': 'BlockBlob' };
    assert.equal((await fetch(url, { method: 'PUT', headers, body: 'x' })).status, 403);
    assert.equal((await fetch(url.replace('sig=', 'sig=x'))).status, 403);
  });

  test('an entry that was not uploaded can’t be finalised', async () => {
    const fields = { key: 'key', version: 'v', size_bytes: '1' };
    assert.equal((await api('FinalizeCacheEntryUpload', fields)).status, 404);
    await api('CreateCacheEntry', fields);
    assert.equal((await api('FinalizeCacheEntryUpload', fields)).status, 404);
  });

  test('a test can replace and delete entries', async () => {
    await service.addEntry('key', 'v', archive);
    await service.replaceArchive('key', Buffer.from('new'));
    assert.equal((await download()).data.toString(), 'new');
    await service.delete('key');
    assert.equal((await lookUp('key')).ok, false);
    await assert.rejects(service.readArchive('key'), /no cache entry has the key key/);
  });
});

describe('faults of the stand-in', () => {
  beforeEach(() => service.addEntry('key', 'v', archive));

  test('the fault status applies to every operation', async () => {
    const status = { status: 503 };
    for (const operation of ['lookup', 'create', 'finalize', 'download', 'upload'] as const) {
      service.setFault(operation, status);
    }
    const fields = { key: 'new', version: 'v' };
    assert.equal((await api('GetCacheEntryDownloadURL', fields)).status, 503);
    assert.equal((await api('CreateCacheEntry', fields)).status, 503);
    assert.equal((await api('FinalizeCacheEntryUpload', fields)).status, 503);
    service.setFault('lookup', undefined);
    service.setFault('create', undefined);
    assert.equal((await download()).status, 503);
    assert.equal(await upload('new'), 503);
    service.setFault('lookup', { status: 403, body: '<html>', headers: { 'retry-after': '3' } });
    assert.equal((await api('GetCacheEntryDownloadURL', fields)).text, '<html>');
    service.setFault('lookup', { status: 401 });
    assert.equal((await api('GetCacheEntryDownloadURL', fields)).body.code, 'unauthenticated');
  });

  test('a fault can be limited to a number of requests', async () => {
    service.setFault('download', { status: 500 }, 1);
    assert.equal((await download()).status, 500);
    assert.equal((await download()).status, 200);
  });

  test('the faults refuse and reset break connections', async () => {
    const code = (value: string) => (error: Error) =>
      (error.cause as { code: string }).code === value;
    await assert.rejects(api('X', {}, { refused: true }), code('ECONNREFUSED'));
    service.setFault('download', 'refuse');
    await assert.rejects(download(), code('ECONNREFUSED'));
    service.setFault('upload', 'refuse');
    await assert.rejects(upload('new'), code('ECONNREFUSED'));
    service.setFault('download', 'reset');
    await assert.rejects(download(), code('UND_ERR_SOCKET'));
    service.setFault('upload', 'reset');
    await assert.rejects(upload('newer'), code('UND_ERR_SOCKET'));
    service.setFault('lookup', 'reset');
    await assert.rejects(lookUp('key'), code('UND_ERR_SOCKET'));
  });

  test('the fault blackhole never answers', async () => {
    for (const operation of ['download', 'upload', 'lookup'] as const) {
      service.setFault(operation, 'blackhole');
      const attempt = operation === 'upload' ? upload('new', 300) : download('key', 300);
      await assert.rejects(attempt, { name: 'TimeoutError' });
    }
    assert.equal(service.calls('download')[0]?.status, 0);
  });

  test('the fault stall transfers half and then hangs', async () => {
    service.setFault('download', 'stall');
    await assert.rejects(download('key', 300), { name: 'TimeoutError' });
    assert.equal(service.calls('download')[0]?.bytes, archive.length / 2);
  });

  test('the fault truncate transfers half and then drops the connection', async () => {
    service.setFault('download', 'truncate');
    await assert.rejects(download(), /terminated/);
    assert.equal(service.calls('download')[0]?.bytes, archive.length / 2);
    service.setFault('upload', 'truncate');
    await assert.rejects(upload('new'));
    const fields = { key: 'new', version: 'v', size_bytes: '1' };
    assert.equal((await api('FinalizeCacheEntryUpload', fields)).status, 404);
  });

  test('the fault short passes half of the archive off as the whole', async () => {
    service.setFault('download', 'short');
    assert.deepEqual((await download()).data, archive.subarray(0, archive.length / 2));
    service.setFault('upload', 'short');
    assert.equal(await upload('new'), 201);
    await api('FinalizeCacheEntryUpload', { key: 'new', version: 'v', size_bytes: '1' });
    const stored = await service.readArchive('new');
    assert.deepEqual(stored, archive.subarray(0, archive.length / 2));
  });

  test('the fault flip inverts bytes in the middle', async () => {
    service.setFault('download', 'flip');
    const { data } = await download();
    const changed = [...data.keys()].filter((index) => data[index] !== archive[index]);
    assert.deepEqual([data.length, changed.length, changed[0]], [40_000, 16, 20_000]);
    // A range that starts eight bytes after the middle.
    const { signed_download_url: url } = await lookUp('key');
    const part = await fetch(url, { headers: { range: 'bytes=20008-20039' } });
    const bytes = Buffer.from(await part.arrayBuffer());
    assert.deepEqual(bytes.subarray(8), archive.subarray(20_016, 20_040));
    assert.notDeepEqual(bytes.subarray(0, 8), archive.subarray(20_008, 20_016));
    assert.deepEqual(await service.readArchive('key'), archive);
  });

  test('the fault drip limits the rate of a transfer', async () => {
    service.setFault('download', { drip: 100_000 });
    const begun = Date.now();
    assert.deepEqual((await download()).data, archive);
    assert.ok(Date.now() - begun > 350);
    service.setFault('lookup', { drip: 50 });
    await assert.rejects(lookUp('key', [], undefined, 300), { name: 'TimeoutError' });
  });

  test('the fault vanish deletes an entry between look-up and download', async () => {
    for (const operation of ['lookup', 'download'] as const) {
      service.setFault(operation, 'vanish');
      assert.equal((await download()).status, 404);
      service.clearFaults();
      assert.equal((await lookUp('key')).ok, false);
      await service.addEntry('key', 'v', archive);
    }
  });

  test('the fault matchedKey answers with another key', async () => {
    service.setFault('lookup', { matchedKey: 'unrelated' });
    assert.equal((await lookUp('nothing')).matched_key, 'unrelated');
    assert.deepEqual((await download('nothing')).data, archive);
  });

  test('setFault rejects a fault that the operation does not have', () => {
    assert.throws(() => service.setFault('create', 'truncate'), /create has no fault "truncate"/);
    assert.throws(() => service.setFault('upload', 'vanish'));
    assert.throws(() => service.setFault('download', { matchedKey: 'x' }));
  });

  test('setNetwork sets latency and bandwidth', async () => {
    service.setNetwork({ latency: 100, bandwidth: 200_000 });
    const begun = Date.now();
    await download();
    // Twice the latency, and the time for 40 kB.
    assert.ok(Date.now() - begun > 390);
  });
});

describe('as a process', () => {
  const script = fileURLToPath(new URL('cache-service-main.ts', import.meta.url));

  test('the stand-in as a process prints its variables, obeys stdin and exits when stdin closes', async () => {
    const child = spawn(process.execPath, [script, '--identity={"ref":"refs/heads/x"}']);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? 'null');
    const { url, env } = await next();
    assert.equal(env.ACTIONS_RESULTS_URL, `${url}/`);
    assert.match(
      Buffer.from(env.ACTIONS_RUNTIME_TOKEN.split('.')[1], 'base64').toString(),
      /heads\/x/,
    );
    child.stdin.write('{"method":"setFault","args":["lookup",{"status":500}]}\n');
    assert.deepEqual(await next(), {});
    child.stdin.write('{"method":"entries"}\n{"method":"nonsense"}\n');
    assert.deepEqual(await next(), { result: [] });
    assert.match((await next()).error, /the service has no nonsense/);
    child.stdin.end();
    assert.deepEqual(await once(child, 'close'), [0, null]);
    await assert.rejects(fetch(url));
  });

  test('the stand-in as a process exits on a signal', async () => {
    const child = spawn(process.execPath, [script]);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'close'), [0, null]);
  });
});
