/**
 * Everything that can go wrong between a client and a web server. Each row is tried with a page and
 * with a file, on real servers; whatever happens, no wrong byte is accepted, nobody but the index gets
 * its credentials, and it ends soon.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { WebError, type WebFault } from '../../src/logic/web.ts';
import type { WebAccess } from '../../src/ports.ts';
import { webAdapter } from '../../src/world/client.ts';
import type { Limits } from '../../src/world/connections.ts';
import { sharedCertificate } from './certificate.ts';

/** Long enough for what works on a busy machine, short enough for a test. */
export const shortLimits: Limits = {
  connect: 1000,
  answer: 1000,
  silence: 700,
  window: 500,
  minRate: 20_000,
  page: 4000,
  attempts: 3,
  pause: { first: 5, longest: 100 },
  pip: 4000,
};

/** Milliseconds for everything that a row does. */
const longest = 12_000;

/** What every server of a row serves. */
export const content = Buffer.from(
  Array.from({ length: 12_000 }, (_, index) => `line ${index} of a file\n`).join(''),
);
const sha256 = createHash('sha256').update(content).digest('hex');
const half = content.length / 2;
const changed = Buffer.from(content.toString('latin1').replaceAll('line', 'LINE'), 'latin1');

/** Requests so far; this one counts. */
type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

type Outcome = 'right' | WebFault;

/** A server, or what stands in its place. */
interface Place {
  /** Starts another server. @returns its origin, on another port */
  serve(handler: Handler, options?: { readonly tls?: boolean }): Promise<string>;
  /** Starts a server that speaks something else. @returns host and port */
  listen(handler: (socket: Socket) => void): Promise<string>;
}

/** What a row starts. */
interface Scene {
  /** Default: `/simple/x/` on the server of `handler`. */
  readonly url?: string;
  readonly environment?: Record<string, string>;
  readonly certificates?: string;
  readonly trustedHosts?: readonly string[];
}

export interface FaultRow {
  readonly fault: string;
  readonly handler?: Handler;
  readonly arrange?: (place: Place) => Promise<Scene>;
  readonly page: Outcome;
  readonly file: Outcome;
  /** pip follows such a redirect, or waits longer than a test. */
  readonly onlyOurs?: boolean;
  /** What the reason contains. */
  readonly says?: RegExp;
  /** How many requests the first server gets for a file, and for a page. */
  readonly requests?: { readonly page?: number; readonly file?: number };
}

/** A server without faults, which knows ranges. */
function serveWell(request: IncomingMessage, response: ServerResponse, body = content): void {
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 8)}"`;
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  const from = range && (condition === undefined || condition === etag) ? Number(range[1]) : 0;
  response.writeHead(from > 0 ? 206 : 200, {
    'content-type': 'text/html',
    etag,
    'content-length': body.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}),
  });
  response.end(body.subarray(from));
}

/** Sends half of what it announces. @param then what becomes of the connection */
function serveHalf(
  response: ServerResponse,
  then: (socket: Socket) => void,
  headers: Record<string, string> = { etag: '"one"' },
): void {
  response.writeHead(200, { 'content-length': content.length, ...headers });
  response.write(content.subarray(0, half), () => {
    setTimeout(() => response.socket && then(response.socket), 30);
  });
}

const reset = (socket: Socket): void => void socket.resetAndDestroy();
const close = (socket: Socket): void => void socket.end();
const stay = (): void => {};

/** Fails the first time, then behaves. */
const once =
  (fail: Handler): Handler =>
  (request, response, count) =>
    count === 1 ? fail(request, response, count) : serveWell(request, response);

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_request, response) =>
    void response.writeHead(code, headers).end('no');

const redirectTo =
  (location: string): Handler =>
  (_request, response) =>
    void response.writeHead(302, { location }).end();

/** The same for pages and files. */
const both = (outcome: Outcome): Pick<FaultRow, 'page' | 'file'> => ({
  page: outcome,
  file: outcome,
});

export const faultRows: readonly FaultRow[] = [
  { fault: 'nothing', handler: (...call) => serveWell(call[0], call[1]), ...both('right') },
  {
    fault: 'a reset before the first answer',
    handler: once((_, response) => void response.socket?.resetAndDestroy()),
    ...both('right'),
    requests: { page: 2, file: 2 },
  },
  {
    fault: 'a reset before every answer',
    handler: (_, response) => void response.socket?.resetAndDestroy(),
    ...both('down'),
    says: /connection/,
    requests: { page: 3, file: 3 },
  },
  {
    fault: 'a reset in the middle',
    handler: once((_, response) => serveHalf(response, reset)),
    ...both('right'),
  },
  {
    fault: 'a reset in the middle, and the rest has the same version',
    handler: (request, response, count) => {
      if (count > 1) {
        if (request.headers.range !== undefined) {
          assert.equal(request.headers.range, `bytes=${half}-`);
          assert.match(String(request.headers['if-range']), /^"/);
        }
        return serveWell(request, response);
      }
      const etag = `"${sha256.slice(0, 8)}"`;
      return serveHalf(response, reset, { etag });
    },
    ...both('right'),
    requests: { page: 2, file: 2 },
  },
  {
    fault: 'a reset in the middle of every answer, which never begins later',
    handler: (_, response) => serveHalf(response, reset),
    ...both('down'),
    requests: { page: 3, file: 3 },
  },
  {
    fault: 'an answer that ends too early',
    handler: once((_, response) => serveHalf(response, close)),
    ...both('right'),
  },
  {
    fault: 'answers that all end too early',
    handler: (_, response) => serveHalf(response, close),
    ...both('down'),
  },
  {
    fault: 'an answer that ends too early, and a server that knows no ranges',
    handler: once((_, response) => serveHalf(response, close, {})),
    ...both('right'),
  },
  {
    fault: 'a reset in the middle, and a server that sends another part than requested',
    handler: (request, response, count) => {
      if (count === 1) return serveHalf(response, reset);
      if (request.headers.range === undefined) return serveWell(request, response);
      const part = content.subarray(7);
      response.writeHead(206, {
        'content-range': `bytes 7-${content.length - 1}/${content.length}`,
        'content-length': part.length,
      });
      return void response.end(part);
    },
    ...both('right'),
  },
  {
    fault: 'a reset in the middle, and a server that puts the wrong part under the right range',
    handler: (request, response, count) => {
      if (count === 1) return serveHalf(response, reset);
      if (request.headers.range === undefined) return serveWell(request, response);
      response.writeHead(206, {
        'content-range': `bytes ${half}-${content.length - 1}/${content.length}`,
      });
      return void response.end(content.subarray(0, half));
    },
    ...both('right'),
  },
  {
    fault: 'a reset in the middle, and a file that is different then',
    handler: (request, response, count) => {
      if (count > 1) return serveWell(request, response);
      response.writeHead(200, { 'content-length': content.length, etag: '"old"' });
      response.write(changed.subarray(0, half), () => {
        setTimeout(() => response.socket?.resetAndDestroy(), 30);
      });
    },
    ...both('right'),
  },
  {
    fault: 'a reset in the middle, and 416 for the rest',
    handler: (request, response, count) => {
      if (count === 1) return serveHalf(response, reset);
      if (request.headers.range !== undefined) return status(416)(request, response, count);
      return serveWell(request, response);
    },
    ...both('right'),
  },
  {
    fault: 'a part that was not requested',
    handler: (_, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-9/${content.length}` });
      response.end(content.subarray(0, 10));
    },
    page: 'down',
    file: 'wrong',
  },
  {
    fault: 'other content at first',
    handler: (request, response, count) =>
      serveWell(
        request,
        response,
        request.url?.includes('file') && count === 1 ? changed : content,
      ),
    ...both('right'),
    requests: { page: 1, file: 2 },
  },
  {
    fault: 'other content',
    handler: (request, response) =>
      serveWell(request, response, request.url?.includes('file') ? changed : content),
    page: 'right',
    file: 'wrong',
    says: /SHA-256/,
    requests: { file: 2 },
  },
  {
    fault: 'a file that is shorter than the index says',
    handler: (request, response) =>
      serveWell(
        request,
        response,
        request.url?.includes('file') ? content.subarray(0, half) : content,
      ),
    page: 'right',
    file: 'wrong',
    says: /size/,
  },
  {
    fault: 'a file that is longer than the index says, of unknown length',
    handler: (request, response) => {
      if (!request.url?.includes('file')) return serveWell(request, response);
      response.writeHead(200);
      response.write(content);
      response.end('more');
    },
    page: 'right',
    file: 'wrong',
    says: /size/,
  },
  {
    fault: 'a body without end',
    handler: (_, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16, '#')));
        response.once('drain', more);
      };
      more();
    },
    page: 'too large',
    file: 'wrong',
  },
  {
    fault: 'a length beyond the limit',
    handler: (_, response) => {
      response.writeHead(200, { 'content-length': 10 ** 12 });
      response.write('a', stay);
    },
    page: 'too large',
    file: 'too large',
  },
  {
    fault: 'a body that drips',
    handler: (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      const timer = setInterval(() => response.write('a'), 50);
      response.on('close', () => clearInterval(timer));
    },
    ...both('down'),
    says: /less than/,
  },
  {
    fault: 'silence in the middle',
    onlyOurs: true,
    handler: once((_, response) => serveHalf(response, stay)),
    ...both('right'),
    requests: { page: 2, file: 2 },
  },
  {
    fault: 'silence in the middle of every answer',
    handler: (_, response) => serveHalf(response, stay),
    ...both('down'),
    says: /sent nothing/,
  },
  {
    fault: 'no answer, only an open connection',
    handler: stay,
    ...both('down'),
    says: /did not/,
  },
  {
    fault: 'no answer at first',
    onlyOurs: true,
    handler: once(stay),
    ...both('right'),
  },
  {
    fault: 'a head that drips',
    arrange: async ({ listen }) => {
      const host = await listen((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nx: ');
        const timer = setInterval(() => socket.write('a'), 50);
        socket.on('close', () => clearInterval(timer));
      });
      return { url: `http://me:s3cret@${host}/simple/x/` };
    },
    ...both('down'),
  },
  {
    fault: 'a head without end',
    arrange: async ({ listen }) => {
      const host = await listen((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const more = (): void => {
          while (!socket.destroyed && socket.write(`x: ${'a'.repeat(1000)}\r\n`));
          socket.once('drain', more);
        };
        more();
      });
      return { url: `http://me:s3cret@${host}/simple/x/` };
    },
    ...both('down'),
  },
  {
    fault: 'a connection that was closed while it was idle',
    handler: (request, response) => {
      response.setHeader('keep-alive', 'timeout=600');
      serveWell(request, response);
      const { socket } = response;
      response.on('finish', () => setTimeout(() => socket?.destroy(), 10));
    },
    ...both('right'),
  },
  {
    fault: '429 with Retry-After',
    handler: once(status(429, { 'retry-after': '1' })),
    ...both('right'),
    requests: { page: 2, file: 2 },
  },
  {
    fault: '429 with a Retry-After of a day',
    handler: status(429, { 'retry-after': '86400' }),
    ...both('down'),
    says: /429/,
    requests: { page: 3, file: 3 },
  },
  {
    fault: '503, twice',
    handler: (request, response, count) =>
      count < 3 ? status(503)(request, response, count) : serveWell(request, response),
    ...both('right'),
  },
  { fault: '500', handler: status(500), ...both('down'), requests: { page: 3, file: 3 } },
  { fault: '401', handler: status(401), ...both('refused'), requests: { page: 1, file: 1 } },
  { fault: '403', handler: status(403), ...both('refused'), requests: { page: 1, file: 1 } },
  { fault: '404', handler: status(404), ...both('absent'), requests: { page: 1, file: 1 } },
  { fault: '204', handler: status(204), ...both('down') },
  {
    fault: '401 for the second half',
    handler: (request, response, count) =>
      count === 1 ? serveHalf(response, reset) : status(401)(request, response, count),
    ...both('refused'),
    requests: { page: 2, file: 2 },
  },
  {
    fault: 'a redirect to another host',
    arrange: async ({ serve }) => {
      const other = await serve((request, response) => serveWell(request, response));
      return { url: await serve(redirectTo(`${other}/elsewhere`)) };
    },
    ...both('right'),
  },
  {
    fault: 'a redirect to another host and back',
    arrange: async ({ serve }) => {
      let first = '';
      const other = await serve((request, response, count) =>
        redirectTo(`${first}/back`)(request, response, count),
      );
      first = await serve((request, response, count) => {
        if (request.url !== '/back') return redirectTo(`${other}/x`)(request, response, count);
        assert.equal(request.headers.authorization, undefined);
        return serveWell(request, response);
      });
      return { url: first };
    },
    ...both('right'),
  },
  {
    fault: 'a redirect to another host with credentials in its address',
    arrange: async ({ serve }) => {
      const other = await serve((request, response) => {
        assert.equal(request.headers.authorization, undefined);
        serveWell(request, response);
      });
      return { url: await serve(redirectTo(`${other.replace('//', '//you:theirs@')}/x`)) };
    },
    ...both('right'),
  },
  {
    fault: 'a redirect to itself',
    handler: (request, response) => void response.writeHead(302, { location: request.url }).end(),
    ...both('wrong'),
    says: /redirects too many times/,
    requests: { page: 6, file: 6 },
  },
  {
    fault: 'a redirect to a local file',
    handler: redirectTo('file:///etc/passwd'),
    ...both('wrong'),
    says: /redirects to an address with file:/,
  },
  { fault: 'a redirect without a target', handler: status(302), ...both('down'), says: /302/ },
  {
    fault: 'a redirect to nonsense',
    handler: redirectTo('http://[/'),
    ...both('wrong'),
    says: /invalid address/,
  },
  {
    fault: 'a redirect from https to http',
    onlyOurs: true,
    arrange: async ({ serve }) => {
      const plain = await serve((request, response) => serveWell(request, response));
      return {
        url: await serve(redirectTo(`${plain}/x`), { tls: true }),
        certificates: sharedCertificate().file,
      };
    },
    ...both('untrusted'),
    says: /plain http/,
  },
  {
    fault: 'a redirect from https to http on a trusted host',
    arrange: async ({ serve }) => {
      const plain = await serve((request, response) => serveWell(request, response));
      return {
        url: await serve(redirectTo(`${plain}/x`), { tls: true }),
        certificates: sharedCertificate().file,
        trustedHosts: [new URL(plain).host],
      };
    },
    ...both('right'),
  },
  {
    fault: 'a certificate that nobody trusts',
    arrange: async ({ serve }) => ({
      url: await serve((request, response) => serveWell(request, response), { tls: true }),
    }),
    ...both('untrusted'),
    says: /certificate/,
    requests: { page: 0, file: 0 },
  },
  {
    fault: 'a certificate that nobody trusts, on a trusted host',
    arrange: async ({ serve }) => {
      const url = await serve((request, response) => serveWell(request, response), { tls: true });
      return { url, trustedHosts: ['127.0.0.1'] };
    },
    ...both('right'),
  },
  {
    fault: 'a file of certificates that does not exist',
    arrange: async ({ serve }) => ({
      url: await serve((request, response) => serveWell(request, response), { tls: true }),
      certificates: '/nonexistent.pem',
    }),
    ...both('untrusted'),
  },
  {
    fault: 'a port where nobody listens',
    arrange: async () => ({ url: 'http://me:s3cret@127.0.0.1:1/simple/x/' }),
    ...both('down'),
    says: /refused/,
  },
  {
    fault: 'a server that does not speak HTTP',
    arrange: async ({ listen }) => {
      const host = await listen((socket) => void socket.end('220 mail.example ESMTP\r\n'));
      return { url: `http://me:s3cret@${host}/simple/x/` };
    },
    ...both('down'),
  },
  {
    fault: 'a proxy that is down',
    arrange: async () => ({
      url: 'http://me:s3cret@index.example/simple/x/',
      environment: { HTTP_PROXY: 'http://127.0.0.1:1' },
    }),
    ...both('down'),
  },
  {
    fault: 'a proxy that wants credentials',
    arrange: async ({ serve }) => ({
      url: 'http://me:s3cret@index.example/simple/x/',
      environment: { http_proxy: await serve(status(407)) },
    }),
    ...both('down'),
    says: /407/,
  },
  {
    fault: 'a proxy that refuses tunnels',
    arrange: async ({ listen }) => ({
      url: 'https://me:s3cret@index.example/simple/x/',
      environment: {
        https_proxy: await listen((socket) => void socket.end('HTTP/1.1 403 No\r\n\r\n')),
      },
    }),
    ...both('down'),
    says: /403/,
  },
  {
    fault: 'a proxy that does not answer',
    arrange: async ({ listen }) => ({
      url: 'https://me:s3cret@index.example/simple/x/',
      environment: { https_proxy: await listen(stay) },
    }),
    ...both('down'),
    says: /did not/,
  },
  {
    fault: 'a proxy that forwards, with credentials of its own',
    arrange: async ({ serve }) => {
      const target = await serve((received, response) => {
        assert.equal(received.headers['proxy-authorization'], undefined);
        serveWell(received, response);
      });
      const own = `Basic ${Buffer.from('proxy:pass').toString('base64')}`;
      const proxy = await serve((received, response) => {
        assert.equal(received.headers['proxy-authorization'], own);
        const { 'proxy-authorization': _, ...headers } = received.headers;
        request(received.url ?? '', { headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(response);
        }).end();
      });
      const environment = { http_proxy: proxy.replace('//', '//proxy:pass@') };
      return { url: target, environment };
    },
    ...both('right'),
  },
  {
    fault: 'a proxy that tunnels',
    arrange: async ({ serve, listen }) => {
      const target = await serve((received, response) => serveWell(received, response), {
        tls: true,
      });
      const proxy = await listen((socket) => {
        socket.once('data', (head) => {
          assert.match(head.toString(), /^CONNECT 127\.0\.0\.1:/);
          assert.doesNotMatch(head.toString(), /[^-]authorization/i);
          const upstream = connect(Number(new URL(target).port), '127.0.0.1', () => {
            socket.write('HTTP/1.1 200 OK\r\n\r\n');
            upstream.pipe(socket).pipe(upstream);
          });
          upstream.on('error', stay);
          socket.on('close', () => upstream.destroy());
        });
      });
      return {
        url: target,
        certificates: sharedCertificate().file,
        environment: { https_proxy: proxy, no_proxy: 'example' },
      };
    },
    ...both('right'),
  },
  {
    fault: 'a gzip page that ends too early',
    handler: (request, response) => {
      if (request.url?.includes('file')) return serveWell(request, response);
      response.writeHead(200, { 'content-encoding': 'gzip' });
      return void response.end(gzipSync(content).subarray(0, -100));
    },
    page: 'wrong',
    file: 'right',
    requests: { page: 3 },
  },
  {
    fault: 'a gzip page that is much longer than its data',
    handler: (request, response) => {
      if (request.url?.includes('file')) return serveWell(request, response);
      response.writeHead(200, { 'content-encoding': 'gzip' });
      return void response.end(gzipSync(Buffer.alloc(64 * 1024 * 1024)));
    },
    page: 'too large',
    file: 'right',
  },
  {
    fault: 'a content encoding that was not requested',
    handler: (request, response) => {
      response.setHeader('content-encoding', 'zstd');
      serveWell(request, response);
    },
    page: 'wrong',
    // It says something about the bytes, which are right.
    file: 'right',
  },
];

/** The settings of a scene as pip has them. */
function settingsOf({ environment, certificates, trustedHosts = [] }: Scene) {
  return {
    ...environment,
    ...(certificates === undefined ? {} : { PIP_CERT: certificates }),
    ...(trustedHosts.length === 0 ? {} : { PIP_TRUSTED_HOST: trustedHosts.join(' ') }),
  };
}

/** Whom credentials of the index reached that must not have them. */
function isLeak(headers: IncomingMessage['headers']): boolean {
  const canary = Buffer.from('me:s3cret').toString('base64');
  return JSON.stringify(headers).includes(canary) || JSON.stringify(headers).includes('s3cret');
}

/**
 * Runs a row, and asserts what holds for all of them.
 * @param scratch path of an empty directory
 */
export async function checkRow(
  row: FaultRow,
  kind: 'page' | 'file',
  scratch: string,
  pip?: WebAccess['pip'],
): Promise<void> {
  const ends: (() => void)[] = [];
  const errors: unknown[] = [];
  const counts: number[] = [];
  const leaks: string[] = [];
  /** Origins that may see the credentials: that of the address which is requested. */
  let first = '';
  const serve: Place['serve'] = async (handler, { tls = false } = {}) => {
    const number = counts.push(0) - 1;
    let origin = '';
    const listener = (received: IncomingMessage, response: ServerResponse): void => {
      counts[number] = (counts[number] ?? 0) + 1;
      const isProxied = received.url?.startsWith('http') === true;
      if (isLeak(received.headers) && origin !== first && !isProxied) leaks.push(origin);
      try {
        handler(received, response, counts[number] ?? 0);
      } catch (error) {
        errors.push(error);
        response.destroy();
      }
    };
    const { key, cert } = tls ? sharedCertificate() : { key: '', cert: '' };
    const server = tls ? createTlsServer({ key, cert }, listener) : createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => {
      server.closeAllConnections();
      server.close();
    });
    origin = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return origin;
  };
  const listen: Place['listen'] = async (handler) => {
    const sockets = new Set<Socket>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      handler(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const scene: Scene = row.arrange
    ? await row.arrange({ serve, listen })
    : { url: await serve(row.handler ?? stay) };
  const url = new URL(scene.url ?? '');
  first = url.origin;
  const path = kind === 'page' ? 'simple/x/' : 'simple/file.whl';
  const index = `${url.protocol}//me:s3cret@${url.host}/simple/`;
  const web = webAdapter(shortLimits).open({
    indexes: [index],
    trust: { trustedHosts: scene.trustedHosts ?? [], certificates: scene.certificates },
    environment: scene.environment ?? {},
    pip: pip && { ...pip, env: { ...pip.env, ...settingsOf(scene) } },
  });
  const target = join(scratch, 'file.whl');
  const began = performance.now();
  let outcome: Outcome = 'right';
  let message = '';
  try {
    if (kind === 'page') {
      const page = await web.page(`${url.origin}/${path}`);
      assert.equal(page.text, content.toString());
      assert.ok(!page.url.includes('s3cret'), page.url);
    } else {
      const expected = { sha256, size: content.length };
      assert.deepEqual(await web.file(`${url.origin}/${path}`, target, expected), expected);
      assert.deepEqual(readFileSync(target), content);
    }
  } catch (error) {
    if (!(error instanceof WebError)) throw error;
    outcome = error.kind;
    message = error.message;
  } finally {
    await web.close();
    for (const end of ends) end();
  }
  const took = performance.now() - began;
  if (errors.length > 0) throw errors[0];
  if (pip === undefined || (row[kind] === 'right' && !row.onlyOurs))
    assert.equal(outcome, row[kind], message);
  // pip may have other words for it, and takes some answers that are strange but harmless.
  else if (row.onlyOurs !== true) assert.notEqual(outcome, 'right');
  if (pip === undefined && outcome !== 'right' && row.says) assert.match(message, row.says);
  assert.doesNotMatch(message, /s3cret|127\.0\.0\.1.*@|https?:\/\//);
  assert.deepEqual(leaks, []);
  assert.ok(took < longest, `it took ${Math.round(took)} ms`);
  const left = readdirSync(scratch);
  assert.deepEqual(left, kind === 'file' && outcome === 'right' ? ['file.whl'] : []);
  if (pip === undefined && row.requests?.[kind] !== undefined) {
    assert.equal(counts.at(0), row.requests[kind]);
  }
}
