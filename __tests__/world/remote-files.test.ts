/** Requirement files behind URLs, downloaded from a test server with real pips. */
import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { devNull, tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';

import { pipDirectory, python } from '../../scripts/tools.mjs';
import type { RemoteAccess } from '../../src/ports.ts';
import { sourcesAdapter } from '../../src/world/sources.ts';
import { startIndex } from '../support/index-server.ts';
import type { PipVersion } from '../support/python.ts';

const { read } = sourcesAdapter();
const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'remote-files-')));
after(() => rmSync(scratch, { recursive: true, force: true }));

function access(pip: PipVersion, env: Record<string, string> = {}): RemoteAccess {
  return {
    certificates: env['PIP_CERT'],
    hasProxy: 'PIP_PROXY' in env,
    python,
    cwd: scratch,
    env: {
      PATH: process.env['PATH'] ?? '',
      PYTHONPATH: pipDirectory(pip),
      PYTHONDONTWRITEBYTECODE: '1',
      PIP_CONFIG_FILE: devNull,
      PIP_NO_INPUT: '1',
      PIP_RETRIES: '2',
      HOME: scratch,
      ...env,
    },
  };
}

async function serve(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function credentialsOf({ headers }: IncomingMessage): string {
  return Buffer.from(headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString();
}

const pips = ['22.2', '23.2.1', '26.3'] as const;

test('credentials in a URL are sent to its own origin only', async (context) => {
  const seen: string[] = [];
  const other = await serve(context, (request, response) => {
    seen.push(`other ${credentialsOf(request)}`);
    response.end('a\n');
  });
  const host = await serve(context, (request, response) => {
    seen.push(`first ${credentialsOf(request)}`);
    response.writeHead(302, { location: `http://${other}/c.txt` }).end();
  });
  assert.equal(await read(`http://me:p%40ss@${host}/c.txt`), 'a\n');
  assert.deepEqual(seen, ['first me:p@ss', 'other ']);
});

for (const pip of pips) {
  describe(`a file that only pip ${pip} can download`, () => {
    test('needs credentials from a netrc', async (context) => {
      const host = await serve(context, (request, response) => {
        if (credentialsOf(request) === 'me:s3cret') response.end('a==1\n');
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      });
      const netrc = path.join(scratch, `netrc-${pip}`);
      writeFileSync(netrc, 'machine 127.0.0.1 login me password s3cret\n');
      assert.equal(await read(`http://${host}/c.txt`, access(pip, { NETRC: netrc })), 'a==1\n');
      await assert.rejects(read(`http://${host}/c.txt`, access(pip)), {
        message: 'the server answers 401',
      });
    });

    test('is on a trusted host; an untrusted one fails with the certificate', async (context) => {
      const index = await startIndex({ tls: true, distributions: [] });
      context.after(() => index.close());
      const url = `${new URL(index.url).origin}/c.txt`;
      const trusted = access(pip, { PIP_TRUSTED_HOST: '127.0.0.1' });
      await assert.rejects(read(url, trusted), { message: 'the server answers 404' });
      await assert.rejects(read(url, access(pip)), /certificate/);
      const certificate = path.join(scratch, 'ca.pem');
      writeFileSync(certificate, index.certificate ?? '');
      await assert.rejects(read(url, access(pip, { PIP_CERT: certificate })), {
        message: 'the server answers 404',
      });
    });

    test('is behind a proxy from the settings of pip', async (context) => {
      const host = await serve(context, (request, response) => response.end(`# ${request.url}\n`));
      assert.equal(
        await read('http://files.example/c.txt', access(pip, { PIP_PROXY: `http://${host}` })),
        '# http://files.example/c.txt\n',
      );
    });

    test('is on a server that is busy at first', async (context) => {
      let requests = 0;
      const host = await serve(context, (_request, response) => {
        requests += 1;
        if (requests < 3) response.writeHead(503).end();
        else response.end('a\n');
      });
      assert.equal(await read(`http://${host}/c.txt`, access(pip)), 'a\n');
    });
  });
}

describe('a hostile server of requirement files', () => {
  test('cannot fill the memory', async (context) => {
    const host = await serve(context, (_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1 << 16, '#')));
        response.once('drain', more);
      };
      more();
    });
    await assert.rejects(read(`http://${host}/c.txt`, access('23.2.1')), {
      message: 'it is larger than 16 MB',
    });
  });

  test('cannot redirect for ever', async (context) => {
    const host = await serve(context, (_request, response) =>
      response.writeHead(302, { location: '/again' }).end(),
    );
    await assert.rejects(read(`http://${host}/c.txt`, access('23.2.1')), {
      message: 'it redirects too many times',
    });
  });

  test('cannot make an error message contain credentials', async (context) => {
    const host = await serve(context, (request) => request.destroy());
    await assert.rejects(
      read(`http://me:s3cret@${host}/c.txt?token=s3cret`, access('23.2.1')),
      (error: Error) => !error.message.includes('s3cret'),
    );
  });
});
