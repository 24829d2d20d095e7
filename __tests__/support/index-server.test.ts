import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { type IndexOptions, type IndexServer, startIndex } from './index-server.ts';
import { type Distribution, projectDirectory, sdist, tinybuildWheel, wheel } from './packages.ts';

const windows = process.platform === 'win32';
const alpha = wheel({ name: 'Alpha', version: '1.0', requires: ['beta'], size: 5000 });
const beta = wheel({ name: 'beta', version: '2.0', requiresPython: '>=3.8' });
const delta = sdist({ name: 'delta', version: '1.0' });
const jsonType = 'application/vnd.pypi.simple.v1+json';

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'index-server-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('with pip', () => {
  let python: string;
  before(async () => {
    const venv = join(scratch, 'venv');
    await run(windows ? 'python' : 'python3', ['-m', 'venv', venv]);
    python = join(venv, windows ? 'Scripts' : 'bin', 'python');
  });

  /** Runs pip against the index, with a cache directory of that name; returns what it prints. */
  function pip(index: IndexServer, cache: string, ...args: string[]): Promise<string> {
    return run(python, ['-m', 'pip', ...args], {
      PIP_INDEX_URL: index.url,
      PIP_TRUSTED_HOST: '127.0.0.1', // or pip caches nothing that came through plain http
      PIP_CACHE_DIR: join(scratch, cache),
    });
  }

  test('pip installs wheels, sdists of both backends and editable projects from the index', async (t) => {
    const marker = join(scratch, 'marker');
    const index = await indexFor(t, [
      wheel({ name: 'Alpha', version: '1.0', requires: ['beta>=1'], requiresPython: '>=3.8' }),
      wheel({ name: 'Alpha', version: '2.0', requiresPython: '<3' }),
      wheel({ name: 'Alpha', version: '3.0', tag: 'cp27-cp27m-win32' }),
      wheel({ name: 'beta', version: '1.0' }),
      wheel({ name: 'beta', version: '2.0', extras: { x: ['gamma ; os_name != "no"'] } }),
      wheel({ name: 'gamma', version: '1.0' }),
      sdist({ name: 'in.tree', version: '1.0', requires: ['beta[x]>=2'], marker }),
      sdist({ name: 'tiny', version: '1.0', backend: 'tinybuild', dynamicBuildRequires: ['beta'] }),
      sdist({ name: 'broken', version: '1.0', fail: 'no compiler here' }),
      tinybuildWheel(),
    ]);
    const project = projectDirectory(join(scratch, 'project'), {
      name: 'my-project',
      version: '0.1',
      requires: ['gamma'],
      extras: { test: ['tiny'] },
      backend: 'tinybuild',
    });

    await pip(index, 'first', 'install', 'alpha', 'in-tree', '-e', `${project}[test]`);
    const frozen = await pip(index, 'first', 'freeze', '--exclude-editable');
    const installed = ['Alpha==1.0', 'beta==2.0', 'gamma==1.0', 'in.tree==1.0', 'tiny==1.0'];
    assert.deepEqual(frozen.trim().split(/\r?\n/), installed);
    assert.equal(readFileSync(marker, 'utf8'), 'in.tree 1.0 build_wheel\n');

    writeFileSync(join(project, 'src', 'my_project', '__init__.py'), 'answer = 42\n');
    const probe = 'import alpha, beta, tiny, my_project; print(my_project.answer)';
    assert.equal((await run(python, ['-c', probe])).trim(), '42');

    const buildId = 'from in_tree._build import BUILD_ID; print(BUILD_ID)';
    const first = await run(python, ['-c', buildId]);
    await pip(index, 'other', 'install', '--no-deps', '--force-reinstall', 'in-tree');
    assert.notEqual(await run(python, ['-c', buildId]), first);

    await assert.rejects(pip(index, 'first', 'install', 'broken'), /no compiler here/);
  });

  test('the log of the index contains exactly the requests of pip', async (t) => {
    const index = await indexFor(t, [alpha, beta]);
    await pip(index, 'log', 'download', '--dest', join(scratch, 'log-w'), 'alpha');
    // Whether pip requests metadata, and when it requests wheels, depends on its version.
    const requests = index.log.filter(({ kind }) => kind !== 'metadata');
    assert.deepEqual(
      requests.map(({ kind, project, status }) => `${kind} ${project} ${status}`).sort(),
      ['page alpha 200', 'page beta 200', 'wheel alpha 200', 'wheel beta 200'],
    );
    assert.equal(index.bytes('wheel'), alpha.content.length + beta.content.length);
    assert.deepEqual(index.artifacts(), [alpha.filename, beta.filename]);
    assert.deepEqual(readdirSync(join(scratch, 'log-w')).sort(), [alpha.filename, beta.filename]);
    index.reset();
    assert.equal(index.count(), 0);
  });

  for (const [urls, downloadedAgain] of [
    ['stable', false],
    ['query-token', true],
    ['path-token', true],
    ['redirect', true],
  ] as const) {
    const again = downloadedAgain ? 'again' : 'from its cache';
    test(`${urls}: pip gets a known file ${again}`, async (t) => {
      const index = await indexFor(t, [beta, delta], { urls });
      const download = async (destination: string): Promise<string[]> => {
        index.reset();
        const dest = join(scratch, urls, destination);
        await pip(index, `${urls}-cache`, 'download', '--dest', dest, 'beta', 'delta');
        return index.artifacts();
      };
      assert.deepEqual((await download('1')).sort(), [beta.filename, delta.filename]);
      assert.deepEqual(
        (await download('2')).sort(),
        downloadedAgain ? [beta.filename, delta.filename] : [],
      );
    });
  }

  test('pip sends the credentials in the URL to the index, but not to the target of a redirect', async (t) => {
    const auth = { username: 'me', password: 'p@ss:word' };
    const index = await indexFor(t, [beta], { urls: 'redirect', auth });
    const url = index.url.replace('://', `://me:${encodeURIComponent(auth.password)}@`);
    const withAuth = { ...index, url };
    await pip(withAuth, 'auth', 'download', '--dest', join(scratch, 'auth-w'), 'beta');

    const [atIndex, atFiles] = ['index', 'files'].map((origin) =>
      index.log.filter((entry) => entry.origin === origin),
    );
    const header = `Basic ${Buffer.from('me:p@ss:word').toString('base64')}`;
    assert.deepEqual(
      new Set(atIndex?.map(({ authorization }) => authorization)),
      new Set([header]),
    );
    assert.deepEqual(
      new Set(atFiles?.map(({ authorization }) => authorization)),
      new Set([undefined]),
    );
    assert.deepEqual(index.artifacts(), [beta.filename]);
  });

  test('pip rejects a file that does not match the hash on its page', async (t) => {
    const content = Buffer.from(beta.content);
    content[40] = 1 ^ (content[40] ?? 0);
    const index = await indexFor(t, [{ ...beta, content }]);
    const dest = join(scratch, 'damaged-w');
    await assert.rejects(pip(index, 'damaged', 'download', '--dest', dest, 'beta'), /HASHES/);
  });
});

describe('pages of the index', () => {
  test('the index sends JSON to clients that request it, and HTML to others', async (t) => {
    const index = await indexFor(t, [alpha, beta, delta]);
    index.yank(beta.filename, 'it "hurts"');
    const json = await fetch(`${index.url}beta/`, { headers: { accept: jsonType } });
    assert.equal(json.headers.get('content-type'), jsonType);
    const page = (await json.json()) as { files: Record<string, unknown>[] };
    assert.equal(page.files.length, 1);
    const { filename, hashes, yanked, 'requires-python': requiresPython } = page.files[0] ?? {};
    assert.deepEqual(
      { filename, hashes, yanked, requiresPython },
      {
        filename: beta.filename,
        hashes: { sha256: beta.sha256 },
        yanked: 'it "hurts"',
        requiresPython: '>=3.8',
      },
    );

    const html = await textOf(`${index.url}beta/`);
    assert.match(html, new RegExp(`${beta.filename}#sha256=${beta.sha256}"`));
    assert.match(html, /data-requires-python="&gt;=3.8" data-yanked="it &quot;hurts&quot;"/);
    assert.match(html, /data-core-metadata="sha256=[0-9a-f]{64}"/);

    const root = await fetch(index.url, { headers: { accept: jsonType } });
    const { projects } = (await root.json()) as { projects: { name: string }[] };
    assert.deepEqual(projects, [{ name: 'alpha' }, { name: 'beta' }, { name: 'delta' }]);
  });

  test('the page of a project is at its normalised name with a slash', async (t) => {
    const index = await indexFor(t, [wheel({ name: 'Zope.Interface', version: '1' })]);
    for (const name of ['zope-interface', 'Zope.Interface/']) {
      const answer = await fetch(`${index.url}${name}`, { redirect: 'manual' });
      assert.equal(answer.status, 301);
      assert.equal(answer.headers.get('location'), '/simple/zope-interface/');
    }
    assert.equal(await statusOf(`${index.url}zope-interface/`), 200);
    assert.equal(await statusOf(`${index.url}zope/`), 404);
    assert.equal(index.count('redirect'), 2);
    assert.equal(index.count('page'), 2);
  });

  test('a page omits hashes, metadata and JSON as configured', async (t) => {
    const index = await indexFor(t, [beta], { hashes: false, metadata: false, htmlOnly: true });
    const answer = await fetch(`${index.url}beta/`, { headers: { accept: jsonType } });
    assert.match(answer.headers.get('content-type') ?? '', /^text\/html/);
    const page = await answer.text();
    assert.doesNotMatch(page, /sha256|metadata/);
    assert.match(page, new RegExp(beta.filename));
    index.remove(beta.filename);
    assert.equal(await statusOf(`${index.url}beta/`), 404);
    assert.throws(() => index.remove(beta.filename), /has no file/);
  });

  test('a page is compressed, and an unchanged page is confirmed without a body', async (t) => {
    const versions = ['1', '2', '3', '4', '5', '6'].map((version) => wheel({ name: 'a', version }));
    const index = await indexFor(t, versions, { gzip: true });
    const answer = await fetch(`${index.url}a/`);
    const page = await answer.text();
    assert.equal(answer.headers.get('content-encoding'), 'gzip');
    assert.equal(page.match(/<a /g)?.length, 6);
    assert.ok(index.bytes('page') < page.length / 2);

    const etag = answer.headers.get('etag') ?? '';
    assert.equal(await statusOf(`${index.url}a/`, { 'if-none-match': etag }), 304);
    index.add(wheel({ name: 'a', version: '7' }));
    assert.equal(await statusOf(`${index.url}a/`, { 'if-none-match': etag }), 200);
  });
});

describe('files of the index', () => {
  test('the index sends files, parts of files and their metadata', async (t) => {
    const index = await indexFor(t, [beta]);
    const [url] = await linksOf(index, 'beta');
    assert.deepEqual(await bodyOf(url), beta.content);
    assert.deepEqual(await bodyOf(`${url}.metadata`), beta.metadata);
    for (const [range, status, expected] of [
      ['bytes=2-4', 206, beta.content.subarray(2, 5)],
      ['bytes=100-', 206, beta.content.subarray(100)],
      ['bytes=-22', 206, beta.content.subarray(-22)],
      ['bytes=999999-', 416, Buffer.alloc(0)],
    ] as const) {
      const answer = await fetch(url, { headers: { range } });
      assert.equal(answer.status, status, range);
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), expected, range);
    }
    assert.deepEqual(index.artifacts(), [beta.filename]);
  });

  for (const urls of ['query-token', 'path-token'] as const) {
    test(`${urls}: every page has new file URLs, and invented ones are rejected`, async (t) => {
      const index = await indexFor(t, [beta], { urls });
      const [first] = await linksOf(index, 'beta');
      const [second] = await linksOf(index, 'beta');
      assert.notEqual(first, second);
      assert.deepEqual(await bodyOf(first), beta.content);
      assert.deepEqual(await bodyOf(second), beta.content);
      assert.equal(await statusOf(first.replace(/[0-9a-f]{24}/, 'f'.repeat(24))), 403);
      assert.equal(await statusOf(new URL(`/files/${beta.filename}`, index.url).href), 403);
      const withMetadata = urls === 'path-token';
      assert.equal(await statusOf(`${first}.metadata`), withMetadata ? 200 : 403);
      assert.equal((await textOf(`${index.url}beta/`)).includes('metadata'), withMetadata);
    });
  }

  test('redirect: a stable file URL redirects to a new signed URL on another host each time', async (t) => {
    const index = await indexFor(t, [beta], { urls: 'redirect' });
    const [url] = await linksOf(index, 'beta');
    assert.deepEqual(await linksOf(index, 'beta'), [url]);
    const answers = [
      await fetch(url, { redirect: 'manual' }),
      await fetch(url, { redirect: 'manual' }),
    ];
    const targets = answers.map(({ headers }) => headers.get('location') ?? '');
    assert.deepEqual(
      answers.map(({ status }) => status),
      [303, 303],
    );
    assert.equal(answers[0]?.headers.get('cache-control'), 'no-store');
    assert.notEqual(targets[0], targets[1]);
    assert.equal(new URL(targets[0] ?? '').origin, index.filesOrigin);
    assert.notEqual(new URL(index.url).origin, index.filesOrigin);
    assert.deepEqual(await bodyOf(targets[0] ?? ''), beta.content);
    assert.equal(await statusOf(`${index.filesOrigin}/files/${beta.filename}`), 403);
    assert.equal(await statusOf(`${index.filesOrigin}/simple/beta/`), 404);
  });

  test('files need the same credentials as pages', async (t) => {
    const index = await indexFor(t, [beta]);
    const [url] = await linksOf(index, 'beta');
    const basic = (text: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(text).toString('base64')}`,
    });
    index.mode.auth = { username: 'me', password: 'secret' };
    const refused = await fetch(`${index.url}beta/`);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic /);
    assert.equal(await statusOf(url), 401);
    assert.equal(await statusOf(url, basic('me:other')), 401);
    assert.equal(await statusOf(url, basic('me:secret')), 200);
    assert.equal(index.log.at(-1)?.authorization, basic('me:secret').authorization);
    index.mode.auth.status = 403;
    assert.equal(await statusOf(url), 403);
    index.mode.auth = undefined;
    assert.equal(await statusOf(url), 200);
  });
});

describe('failures of the index', () => {
  for (const status of [401, 403, 404, 429, 500, 503]) {
    test(`the failure ${status} answers every request with that status`, async (t) => {
      const index = await indexFor(t, [beta]);
      const [url] = await linksOf(index, 'beta');
      await index.fail({ kind: 'status', status });
      assert.equal(await statusOf(`${index.url}beta/`), status);
      assert.equal(await statusOf(url), status);
      await index.fail(undefined);
      assert.equal(await statusOf(url), 200);
    });
  }

  test('the failure artifacts breaks files and leaves pages alone', async (t) => {
    const index = await indexFor(t, [beta]);
    await index.fail({ kind: 'artifacts', status: 500 });
    const [url] = await linksOf(index, 'beta');
    assert.equal(await statusOf(url), 500);
    assert.equal(await statusOf(`${url}.metadata`), 500);
    assert.deepEqual(index.artifacts(), []);
  });

  test('the failure refuse closes the port, which can be opened again', async (t) => {
    const index = await indexFor(t, [beta]);
    assert.equal(await statusOf(`${index.url}beta/`), 200);
    await index.fail('refuse');
    assert.equal(await errorOf(`${index.url}beta/`), 'ECONNREFUSED');
    assert.equal(index.count(), 1);
    await index.fail(undefined);
    assert.equal(await statusOf(`${index.url}beta/`), 200);
  });

  test('the failure reset drops connections', async (t) => {
    const index = await indexFor(t, [beta]);
    await index.fail('reset');
    assert.equal(await errorOf(`${index.url}beta/`), 'ECONNRESET');
    assert.deepEqual(
      index.log.map(({ kind, status }) => [kind, status]),
      [['page', 0]],
    );
  });

  test('the failure timeout never answers, and does not delay closing', async (t) => {
    const index = await indexFor(t, [beta]);
    await index.fail('timeout');
    const signal = AbortSignal.timeout(300);
    await assert.rejects(fetch(`${index.url}beta/`, { signal }), { name: 'TimeoutError' });
    const pending = errorOf(`${index.url}beta/`);
    while (index.count() < 2) await new Promise(setImmediate);
    await index.close();
    assert.match(await pending, /UND_ERR_SOCKET|ECONNRESET/);
  });

  test('the failure garbage answers with 200 and a page that is not an index', async (t) => {
    const index = await indexFor(t, [beta]);
    await index.fail('garbage');
    const answer = await fetch(`${index.url}beta/`, { headers: { accept: jsonType } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'text/plain');
    assert.doesNotMatch(await answer.text(), /beta/);
  });

  test('the failure captive answers with a login page or redirects to one', async (t) => {
    const index = await indexFor(t, [beta]);
    for (const failure of ['captive', 'captive-redirect'] as const) {
      await index.fail(failure);
      const answer = await fetch(`${index.url}beta/`, { headers: { accept: jsonType } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('content-type'), 'text/html');
      assert.match(await answer.text(), /<form>/);
      const elsewhere = failure === 'captive-redirect';
      assert.equal(answer.redirected, elsewhere);
      assert.equal(new URL(answer.url).origin === index.filesOrigin, elsewhere);
    }
  });

  test('the failure after lets a number of requests succeed', async (t) => {
    const index = await indexFor(t, [beta]);
    const failure = { kind: 'status', status: 503 } as const;
    await index.fail({ kind: 'after', requests: 2, failure });
    const statuses = [];
    for (let n = 0; n < 4; n += 1) statuses.push(await statusOf(`${index.url}beta/`));
    assert.deepEqual(statuses, [200, 200, 503, 503]);

    await index.fail({ kind: 'after', requests: 1, failure: 'refuse' });
    assert.equal(await statusOf(`${index.url}beta/`), 200);
    assert.equal(await errorOf(`${index.url}beta/`), 'ECONNRESET');
    assert.equal(await errorOf(`${index.url}beta/`), 'ECONNREFUSED');
  });

  test('the option tls uses a certificate that clients trust only if they are told to', async (t) => {
    const index = await indexFor(t, [beta], { tls: true });
    assert.match(index.url, /^https:/);
    assert.equal(await errorOf(`${index.url}beta/`), 'DEPTH_ZERO_SELF_SIGNED_CERT');
    assert.equal(index.count(), 0);
    const status = await new Promise((resolve, reject) => {
      const request = get(`${index.url}beta/`, { ca: index.certificate }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
    });
    assert.equal(status, 200);
  });
});

test('a slow link delays every request and limits each connection', async (t) => {
  const large = wheel({ name: 'large', version: '1', size: 400_000 });
  const index = await indexFor(t, [large], { latency: 50, bandwidth: 2_000_000 });
  const [url] = await linksOf(index, 'large');
  const start = performance.now();
  await Promise.all([bodyOf(url), bodyOf(url)]); // 50 ms + 0.4 MB at 2 MB/s each
  const milliseconds = performance.now() - start;
  // Only a lower bound, because a busy machine may take longer.
  assert.ok(milliseconds > 230, `took ${milliseconds} ms`);
  assert.equal(index.bytes('wheel'), 2 * large.content.length);
});

test("a file that is only listed is on the page and can't be downloaded", async (t) => {
  const real = wheel({ name: 'alpha', version: '2.0' });
  const index = await indexFor(t, [real], { gzip: true });
  const listed = { ...real, version: '1.0', filename: 'alpha-1.0-py3-none-any.whl', yanked: 'old' };
  index.list([listed]);
  index.prepare();
  const page = await fetch(`${index.url}alpha/`, {
    headers: { accept: 'application/vnd.pypi.simple.v1+json' },
  });
  const { files } = (await page.json()) as { files: { filename: string; url: string }[] };
  assert.deepEqual(
    files.map(({ filename }) => filename),
    [real.filename, listed.filename],
  );
  const statuses = files.map(async ({ url }) => (await fetch(url)).status);
  assert.deepEqual(await Promise.all(statuses), [200, 404]);
});

test('a prepared page with a token is sent once', async (t) => {
  const real = wheel({ name: 'alpha', version: '2.0' });
  const index = await indexFor(t, [real], { urls: 'query-token', gzip: true });
  const read = async (): Promise<string> => {
    const accept = 'application/vnd.pypi.simple.v1+json';
    return (await fetch(`${index.url}alpha/`, { headers: { accept } })).text();
  };
  index.prepare();
  assert.notEqual(await read(), await read());
});

/** Starts an index that is closed when the test ends. */
async function indexFor(
  t: TestContext,
  distributions: Distribution[],
  options: IndexOptions = {},
): Promise<IndexServer> {
  const index = await startIndex({ ...options, distributions });
  t.after(() => index.close());
  return index;
}

/** Runs a program without this machine's pip settings; rejects with everything that it printed. */
async function run(
  file: string,
  args: string[],
  settings: Record<string, string> = {},
): Promise<string> {
  const own = Object.entries(process.env).filter(([name]) => !/^PIP_|_proxy$/i.test(name));
  const env = {
    ...Object.fromEntries(own),
    HOME: scratch,
    USERPROFILE: scratch,
    PIP_CONFIG_FILE: devNull,
    PIP_DISABLE_PIP_VERSION_CHECK: '1', // it would ask the index for pip
    PIP_NO_INPUT: '1',
    PIP_RETRIES: '0',
    ...settings,
  };
  try {
    return (await promisify(execFile)(file, args, { env })).stdout;
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text();
}

async function bodyOf(url: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  const answer = await fetch(url, { headers, redirect: 'manual' });
  await answer.arrayBuffer();
  return answer.status;
}

/** The code of the network error of a request. */
async function errorOf(url: string): Promise<string> {
  try {
    await fetch(url);
  } catch (error) {
    return ((error as Error).cause as { code: string }).code;
  }
  return 'no error';
}

/** File addresses on a project's page, without hashes. At least one, or the test fails here. */
async function linksOf(index: IndexServer, project: string): Promise<[string, ...string[]]> {
  const answer = await fetch(`${index.url}${project}/`, { headers: { accept: jsonType } });
  const { files } = (await answer.json()) as { files: { url: string }[] };
  const [first, ...rest] = files.map(({ url }) => url);
  assert.ok(first);
  return [first, ...rest];
}
