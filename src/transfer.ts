/**
 * Entry point of the process that talks to GitHub's cache service. It is a process of its own so
 * that it can be killed when it hangs: the toolkit waits up to a quarter of an hour for a service
 * that accepts a request and never answers, and leaves connections open for minutes
 * (actions/toolkit#1578).
 *
 * Reads a `TransferOrder` as JSON from standard input; the last line of its output is the result,
 * after `resultMark`. Everything else is the toolkit's output. It may be started before the order is
 * known because loading the toolkit takes a while.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { isFeatureAvailable, restoreCache, saveCache } from '@actions/cache';

import { messageOf } from './logic/errors.ts';
import {
  bytesMark,
  resultMark,
  type TransferOrder,
  type TransferResult,
} from './logic/transfer-protocol.ts';

async function carryOut(order: TransferOrder): Promise<TransferResult> {
  if (!isFeatureAvailable()) return { outcome: 'unavailable' };
  if (order.operation === 'restore') {
    const key = await restoreCache([order.path], order.key, [...order.prefixes]);
    return key === undefined ? { outcome: 'none' } : { outcome: 'restored', key };
  }
  const id = await saveCache([order.path], order.key);
  return { outcome: id < 0 ? 'none' : 'saved' };
}

// The toolkit reports progress per block of several megabytes. On a slow connection a block takes
// longer than the time after which a silent transfer counts as hung.
const sockets = new Set<Socket>();
subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest };
  if (request.socket) sockets.add(request.socket);
  else request.once('socket', (socket) => sockets.add(socket));
});
let reported = 0;
setInterval(() => {
  const bytes = [...sockets].reduce((sum, each) => sum + each.bytesRead + each.bytesWritten, 0);
  if (bytes !== reported) process.stdout.write(`${bytesMark}${bytes}\n`);
  reported = bytes;
}, 1000).unref();

let result: TransferResult;
try {
  result = await carryOut(JSON.parse(await text(process.stdin)) as TransferOrder);
} catch (error) {
  result = { outcome: 'failed', reason: messageOf(error) };
}
process.stdout.write(`\n${resultMark}${JSON.stringify(result)}\n`, () => process.exit(0));
