/** The most important faults of the client; all of them are in `npm run test:faults`. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { pipDirectory, python } from '../../scripts/tools.mjs';
import type { PipSession } from '../../src/ports.ts';
import { webAdapter } from '../../src/world/client.ts';
import { checkRow, faultRows, shortLimits } from '../support/http-faults.ts';

const scratch = mkdtempSync(join(tmpdir(), 'client-'));
after(() => rmSync(scratch, { recursive: true }));

const important = [
  'a reset in the middle, and the rest has the same version',
  'an answer that ends too early',
  'a reset in the middle, and a server that puts the wrong part under the right range',
  'other content',
  'a body without end',
  'a body that drips',
  '429 with Retry-After',
  '401 for the second half',
  'a redirect to another host and back',
  'a certificate that nobody trusts',
  'a proxy that refuses tunnels',
];

for (const kind of ['page', 'file'] as const) {
  describe(`a ${kind} is downloaded in spite of, or fails because of,`, () => {
    for (const fault of important) {
      test(fault, async () => {
        const row = faultRows.find((each) => each.fault === fault);
        assert.ok(row, fault);
        await checkRow(row, kind, mkdtempSync(join(scratch, 'row-')));
      });
    }
  });
}

test('40 files from one origin need 16 connections, and pages are compressed', async () => {
  let connections = 0;
  const server = createServer((request, response) => {
    if (request.url === '/page') {
      assert.match(String(request.headers['accept-encoding']), /gzip/);
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('a page'));
    } else response.end(request.url);
  }).on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const access = { trustedHosts: [], certificates: undefined };
  const client = webAdapter().open({ indexes: [], trust: access, environment: {} });
  const files = Array.from({ length: 40 }, (_, index) => join(scratch, `file-${index}`));
  await Promise.all(files.map((file, index) => client.file(`${origin}/${index}`, file)));
  assert.deepEqual(
    files.map((file) => readFileSync(file, 'utf8')),
    files.map((_, index) => `/${index}`),
  );
  assert.equal((await client.page(`${origin}/page`)).text, 'a page');
  assert.ok(connections <= 16, `${connections}`);
  await client.close();
  server.close();
});

for (const pip of ['22.2', '23.2.1', '26.3'] as const) {
  describe(`the session of pip ${pip}`, () => {
    const netrc = join(scratch, `netrc-${pip}`);
    writeFileSync(netrc, 'machine 127.0.0.1 login me password s3cret\n');
    const session: PipSession = {
      use: 'always',
      python,
      cwd: scratch,
      env: {
        PATH: process.env['PATH'] ?? '',
        PYTHONPATH: pipDirectory(pip),
        PYTHONDONTWRITEBYTECODE: '1',
        PIP_CONFIG_FILE: devNull,
        PIP_RETRIES: '1',
        HOME: scratch,
      },
    };

    test('downloads with the credentials of a netrc, many files at once', async () => {
      const server = createServer((request, response) => {
        const { authorization = '' } = request.headers;
        const isRight = authorization === `Basic ${Buffer.from('me:s3cret').toString('base64')}`;
        if (isRight) response.end(`content of ${request.url}`);
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const client = webAdapter(shortLimits).open({
        indexes: [],
        trust: { trustedHosts: [], certificates: undefined },
        environment: {},
        pip: { ...session, env: { ...session.env, NETRC: netrc } },
      });
      const names = Array.from({ length: 20 }, (_, index) => `${pip}-${index}`);
      await Promise.all(names.map((name) => client.file(`${origin}/${name}`, join(scratch, name))));
      for (const name of names) {
        assert.equal(readFileSync(join(scratch, name), 'utf8'), `content of /${name}`);
      }
      const page = await client.page(`${origin}/page`);
      assert.deepEqual([page.text, page.url], ['content of /page', `${origin}/page`]);
      await client.close();
      server.closeAllConnections();
      server.close();
    });

    for (const fault of ['an answer that ends too early', 'other content']) {
      test(`is protected from ${fault}`, async () => {
        const row = faultRows.find((each) => each.fault === fault);
        assert.ok(row, fault);
        await checkRow({ ...row, says: /./ }, 'file', mkdtempSync(join(scratch, 'row-')), session);
      });
    }
  });
}
