/**
 * Simulates a machine without a network. `node offline.ts FILE COMMAND…` runs a command behind a proxy
 * that refuses every connection, and writes their number into FILE. As root on Linux, the command runs
 * in its own network namespace, so that programs that ignore the proxy have no network either.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

import { canIsolate, isolation } from '../../scripts/tools.mjs';

export interface RefusingProxy {
  /** Variables that send a program's requests to this proxy. */
  readonly env: Readonly<Record<string, string>>;
  /** Requests and connections that were refused. */
  count(): number;
  close(): void;
}

/** Starts the proxy on a free port. @param bypass hosts that are reached without it */
export async function startRefusingProxy(bypass = ''): Promise<RefusingProxy> {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(502).end();
  });
  server.on('connect', (_request, client) => {
    requests += 1;
    client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const variables = [
    ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].map((name) => [name, url] as const),
    ['NO_PROXY', bypass] as const,
  ];
  return {
    env: Object.fromEntries(
      variables.flatMap(([name, value]) => [
        [name, value],
        [name.toLowerCase(), value],
      ]),
    ),
    count: () => requests,
    close: () => server.close(),
  };
}

const isIsolated = canIsolate();

/** Returns the command that runs another one without a network. @param file gets the number of requests */
export function offline(file: string): string[] {
  const self = fileURLToPath(import.meta.url);
  return [...(isIsolated ? isolation : []), process.execPath, self, file];
}

if (import.meta.main) {
  const [file = '', command = '', ...args] = process.argv.slice(2);
  const proxy = await startRefusingProxy();
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...proxy.env } });
  child.once('close', (code, signal) => {
    proxy.close();
    writeFileSync(file, String(proxy.count()));
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  });
}
