/** A server in front of the tests' index that makes it another kind of upstream, and a name server. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import type { IndexServer } from '../support/index-server.ts';
import { scratch } from './nginx.ts';

/** How a front server changes the answers of the index. */
export interface Change {
  /** Serve https under this name, with a self-signed certificate. */
  readonly tlsName?: string;
  /** Returns the changed page; `self` is the origin of the front server. */
  readonly page?: (text: string, self: string) => string;
  /** Answers a request itself if it returns true. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface Front {
  /** Address of the simple index. */
  readonly url: string;
  readonly origin: string;
  /** Path of the certificate if `tlsName` is set. */
  readonly certificate: string;
  /** Requests in the order of their arrival. */
  readonly requests: {
    readonly httpVersion: string;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    /** Whether it arrived over a connection that had been used before. */
    readonly reused: boolean;
    /** Server name of TLS. */
    readonly serverName: string;
  }[];
}

/** Starts a front server for an index, until the test ends. */
export async function startFront(
  t: TestContext,
  index: IndexServer,
  change: Change,
): Promise<Front> {
  const requests: Front['requests'] = [];
  const seen = new WeakSet<object>();
  let self = '';
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { socket, url: path = '', httpVersion, headers } = incoming;
    const serverName = (socket as { servername?: string }).servername ?? '';
    requests.push({ httpVersion, path, headers, reused: seen.has(socket), serverName });
    seen.add(socket);
    if (change.answer?.(incoming, outgoing)) return;
    const passed = request(new URL(path, index.url), { method: incoming.method, headers });
    passed.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        let body = Buffer.concat(chunks);
        if (change.page && path.startsWith('/simple/')) {
          body = Buffer.from(change.page(body.toString(), self));
        }
        outgoing.writeHead(answer.statusCode ?? 0, {
          ...answer.headers,
          'content-length': body.length,
        });
        outgoing.end(incoming.method === 'HEAD' ? undefined : body);
      });
    });
    passed.end();
  };
  const identity = change.tlsName ? selfSigned(scratch(t), change.tlsName) : undefined;
  const server = identity ? createTlsServer(identity, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  self = `${identity ? 'https' : 'http'}://${change.tlsName ?? '127.0.0.1'}:${port}`;
  return {
    url: `${self}/simple/`,
    origin: self,
    certificate: identity?.file ?? '',
    requests,
  };
}

/** A change of pages that makes links point to the front server instead of the index behind it. */
export function linksToSelf(index: IndexServer): (text: string, self: string) => string {
  return (text, self) => text.replaceAll(new URL(index.url).origin, self);
}

/**
 * Starts a DNS server for addresses of IPv4 that knows the names in `names`, all at 127.0.0.1,
 * until the test ends.
 * @returns as nginx's `resolver` takes it
 */
export async function startNameServer(t: TestContext, names: Set<string>): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    // Behind the header of 12 bytes: labels with their lengths, an empty one, type, class.
    const labels: string[] = [];
    let end = 12;
    for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
      labels.push(query.toString('latin1', end + 1, end + 1 + length));
      end += 1 + length;
    }
    const known = names.has(labels.join('.'));
    const isAddress = query.readUInt16BE(end + 1) === 1;
    const answers = known && isAddress ? 1 : 0;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(known ? 0x8180 : 0x8183, 2); // an answer; without the name NXDOMAIN
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers, 6);
    // The name as in the question, type A, class IN, valid for 1 s, 4 bytes.
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    const question = query.subarray(12, end + 5);
    socket.send(Buffer.concat([header, question, ...(answers ? [record] : [])]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  t.after(() => {
    socket.close();
  });
  return `127.0.0.1:${socket.address().port}`;
}

function selfSigned(directory: string, name: string): { key: string; cert: string; file: string } {
  const [key, file] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
      .concat(['-days', '2', '-subj', '/CN=test', '-addext', `subjectAltName=DNS:${name}`])
      .concat(['-keyout', key, '-out', file]),
    { stdio: 'pipe' },
  );
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file };
}
