/**
 * A token in the path of an address, as Gemfury, Cloudsmith and packagecloud take it: it turns up
 * nowhere, whether all goes well or not.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach, describe, test } from 'node:test';

import { startCacheService } from '../support/cache-service.ts';
import { canaryOf } from '../support/canary.ts';
import { createMachine } from '../support/command-line.ts';
import { startIndex } from '../support/index-server.ts';
import { type SideJob, type SideResult, sideJob } from '../support/jobs.ts';
import { sdist, tinybuildWheel, wheel } from '../support/packages.ts';

const token = 'k7Qm2Vx9Rb4Tz8Lw';
const one = wheel({ name: 'one', version: '1.0' });
const source = sdist({ name: 'source', version: '1.0', backend: 'tinybuild' });
const upstream = await startIndex({ distributions: [one, source, tinybuildWheel()] });
const cache = await startCacheService();

/** Answers with this status whatever is asked for; undefined when it works. */
let fault: number | undefined;

/**
 * The index behind a path with the token, to which all links on its pages lead too. Beside it a
 * page of links, `/TOKEN/links/`.
 */
const gate = createServer((request, response) => {
  void (async () => {
    const [path = '', query] = String(request.url).split('?');
    const [, first, ...rest] = path.split('/');
    const isKnown = first === token || query === `token=${token}`;
    const status = fault ?? (isKnown ? undefined : 401);
    if (status !== undefined) {
      response.writeHead(status).end();
      return;
    }
    if (rest[0] === 'links') {
      const links = [one, source].map(({ filename }) => `<a href="../files/${filename}">x</a>`);
      response.writeHead(200, { 'content-type': 'text/html' }).end(links.join(''));
      return;
    }
    const answer = await fetch(new URL(`/${rest.join('/')}`, upstream.url), {
      headers: { accept: request.headers.accept ?? '*/*' },
    });
    const type = answer.headers.get('content-type') ?? '';
    const body = Buffer.from(await answer.arrayBuffer());
    const { origin } = new URL(upstream.url);
    response
      .writeHead(answer.status, { 'content-type': type })
      .end(
        /html|json/.test(type)
          ? body.toString().replaceAll(origin, `${gateOrigin}/${token}`)
          : body,
      );
  })();
});
await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
const { port } = gate.address() as AddressInfo;
const gateOrigin = `http://127.0.0.1:${port}`;
const index = `${gateOrigin}/${token}/simple/`;

after(() => {
  gate.close();
  return Promise.all([upstream.close(), cache.close()]);
});
beforeEach(async () => {
  fault = undefined;
  await cache.reset();
});

const canary = canaryOf([token]);
const variable = '${WHEEL_TOKEN}';
const lines = 'one==1.0\nsource==1.0\n';
const files = { 'requirements.txt': lines };
const closed = 'http://127.0.0.1:1';

interface Way {
  readonly with?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly requirements?: string;
}

/** @param origin of the gate, or of a port where nobody listens */
const ways: Readonly<Record<string, (origin: string) => Way>> = {
  'index-url': (origin) => ({ with: { 'index-url': `${origin}/${token}/simple/` } }),
  PIP_INDEX_URL: (origin) => ({ env: { PIP_INDEX_URL: `${origin}/${token}/simple/` } }),
  'extra-index-url': (origin) => ({
    with: { 'index-url': upstream.url, 'extra-index-url': `${origin}/${token}/simple/` },
  }),
  'mirror-url': (origin) => ({
    with: { 'index-url': index, 'mirror-url': `${origin}/${token}/simple/` },
  }),
  'an index of a requirement file': (origin) => ({
    requirements: `--index-url ${origin}/${variable}/simple/\n${lines}`,
    env: { WHEEL_TOKEN: token },
  }),
  '--find-links': (origin) => ({
    requirements: `--find-links ${origin}/${variable}/links/\n${lines}`,
    env: { WHEEL_TOKEN: token, PIP_INDEX_URL: upstream.url },
  }),
  PIP_FIND_LINKS: (origin) => ({
    env: { PIP_FIND_LINKS: `${origin}/${token}/links/`, PIP_INDEX_URL: upstream.url },
  }),
  'a direct URL with a hash': (origin) => ({
    requirements: `one @ ${origin}/${variable}/files/${one.filename}#sha256=${one.sha256}\nsource==1.0\n`,
    env: { WHEEL_TOKEN: token, PIP_INDEX_URL: upstream.url },
  }),
  'a direct URL of an sdist with a hash': (origin) => ({
    requirements: `source @ ${origin}/${variable}/files/${source.filename}#sha256=${source.sha256}\n`,
    env: { WHEEL_TOKEN: token, PIP_INDEX_URL: upstream.url },
  }),
  'the query of a direct URL': (origin) => ({
    requirements: `one @ ${origin}/x/files/${one.filename}?token=${variable}#sha256=${one.sha256}\n`,
    env: { WHEEL_TOKEN: token, PIP_INDEX_URL: upstream.url },
  }),
  'a direct URL': (origin) => ({
    requirements: `one @ ${origin}/${variable}/files/${one.filename}\nsource==1.0\n`,
    env: { WHEEL_TOKEN: token, PIP_INDEX_URL: upstream.url },
  }),
};

function jobOf({ requirements, ...way }: Way): SideJob {
  return {
    ...way,
    files: requirements === undefined ? files : { 'requirements.txt': requirements },
    env: { ...cache.env(), PIP_NO_CACHE_DIR: '1', ...way.env },
  };
}

/** Runs a job to its end with everything logged, and looks everywhere. */
async function check(what: string, way: Way, conclusion?: string): Promise<SideResult> {
  const result = await sideJob({
    ...jobOf(way),
    job: { debug: true },
    post: true,
    atEnd: (job, { main, post }) => {
      if (conclusion) assert.equal(main.conclusion, conclusion, `${what}: ${main.log}`);
      canary.step(`main (${what})`, main);
      canary.step(`post (${what})`, post);
      canary.files(job);
    },
  });
  await canary.cache(cache);
  return result;
}

describe('a token in', () => {
  for (const [what, way] of Object.entries(ways)) {
    test(`a token in ${what} is never shown: miss, hit, 401, 404 and no server`, async () => {
      const { main } = await check(`${what}, miss`, way(gateOrigin), 'success');
      assert.ok(main.masks.includes(token), 'the token is masked');
      assert.equal(cache.entries().length, 1, main.log);
      const hit = await check(`${what}, hit`, way(gateOrigin), 'success');
      assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
      for (const status of [401, 404]) {
        await cache.reset();
        fault = status;
        // pip says most when it fails.
        const { env } = way(gateOrigin);
        await check(`${what}, ${status}`, {
          ...way(gateOrigin),
          env: { ...env, ...(status === 404 ? { PIP_VERBOSE: '3' } : {}) },
        });
      }
      fault = undefined;
      await check(`${what}, refused`, way(closed));
    });

    test(`a token in ${what} is never shown by the command line`, async () => {
      const { requirements = lines, env, with: inputs = {} } = way(gateOrigin);
      const machine = createMachine({ 'requirements.txt': requirements });
      try {
        const python = await machine.python();
        const flags = Object.entries(inputs).flatMap(([name, value]) => [`--${name}`, value]);
        for (const status of [401, undefined]) {
          fault = status;
          for (const command of status ? ['install'] : ['install', 'key', 'doctor']) {
            const store = command === 'key' ? [] : ['--store', machine.store];
            const { stdout, stderr } = await machine.run(
              [command, '-r', 'requirements.txt', '--python', python, ...flags, ...store],
              { env: { PIP_NO_CACHE_DIR: '1', ...env } },
            );
            canary.text(`${command}, standard output`, stdout);
            canary.text(`${command}, standard error`, stderr);
          }
        }
        assert.equal(machine.stored().length, 1);
        canary.directory(machine.store);
        canary.directory(machine.temporary);
      } finally {
        machine.remove();
      }
    });
  }
});

test('the output index-used and the summary show the address without the token', async () => {
  const { main } = await check('output', { with: { 'index-url': index } }, 'success');
  assert.equal(main.outputs['index-used'], `${gateOrigin}/…/simple/`);
  assert.match(main.summary, new RegExp(`Index: \`${gateOrigin}/…/simple/\``));
});

test('a user name that is the token is masked', async () => {
  const own = await startIndex({ distributions: [one], auth: { username: token, password: '' } });
  try {
    const inputs = { 'index-url': own.url, 'index-username': token };
    const way: Way = { with: inputs, requirements: 'one==1.0\n', env: { PIP_VERBOSE: '3' } };
    const { main } = await check('user name', way, 'success');
    assert.ok(main.masks.includes(token));
    await check('user name, not found', { ...way, requirements: 'missing\n' }, 'failure');
  } finally {
    await own.close();
  }
});

test('a different token gives a different key, the same token the same key', async () => {
  const keyOf = async (secret: string): Promise<string> => {
    const machine = createMachine({ 'requirements.txt': lines });
    try {
      const address = `${gateOrigin}/${secret}/simple/`;
      const python = await machine.python();
      const args = ['key', '-r', 'requirements.txt', '--python', python, '--index-url', address];
      return (await machine.run(args)).stdout;
    } finally {
      machine.remove();
    }
  };
  const [first, again, other] = [
    await keyOf(token),
    await keyOf(token),
    await keyOf('x'.repeat(16)),
  ];
  assert.equal(first, again);
  assert.notEqual(first, other);
});
