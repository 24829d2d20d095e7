/**
 * A proxy as administrators put in front of devpi, which lets everybody read: it forwards only
 * requests with credentials from devpi's own user database.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Guard {
  /** Address of the simple index, through the proxy. */
  readonly url: string;
  /** Statuses of its answers, in order. */
  readonly statuses: number[];
  close(): Promise<void>;
}

/** @param feed address of a devpi index, `…/user/index/+simple/` */
export async function startGuard(feed: string): Promise<Guard> {
  const target = new URL(feed);
  const whoAmI = new URL('../+api', feed);
  const statuses: number[] = [];

  async function isKnown(authorization: string | undefined): Promise<boolean> {
    if (authorization === undefined) return false;
    const answer = await fetch(whoAmI, { headers: { authorization } });
    const { result } = (await answer.json()) as { result: { authstatus: [string, string] } };
    return result.authstatus[0] === 'ok';
  }

  const server = createServer(async (incoming, outgoing) => {
    if (!(await isKnown(incoming.headers.authorization))) {
      statuses.push(401);
      outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="devpi"' }).end();
      return;
    }
    const passed = request(
      {
        host: target.hostname,
        port: target.port,
        path: incoming.url,
        method: incoming.method,
        headers: { ...incoming.headers, 'x-outside-url': origin },
      },
      (answer) => {
        statuses.push(answer.statusCode ?? 0);
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: origin + target.pathname,
    statuses,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
