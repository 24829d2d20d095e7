/**
 * Entry of the process that talks to GitHub's cache service, so that the rest can end it whenever
 * it hangs: the toolkit waits up to a quarter of an hour for a service that accepts and never
 * answers, and leaves connections open for minutes (actions/toolkit#1578).
 *
 * Takes a `TransferOrder` as JSON from standard input; the last line of its output is the result,
 * after `resultMark`. Everything else that it prints is the toolkit's own talk. It may be started
 * before the order is known, as loading the toolkit takes a while.
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

// The toolkit tells of progress when a block of several megabytes is complete: over a slow line that
// takes longer than a living transfer may be silent.
const sockets = new Set<Socket>();
subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest };
  if (request.socket) sockets.add(request.socket);
  else request.once('socket', (socket) => sockets.add(socket));
});
let told = 0;
setInterval(() => {
  const bytes = [...sockets].reduce((sum, each) => sum + each.bytesRead + each.bytesWritten, 0);
  if (bytes !== told) process.stdout.write(`${bytesMark}${bytes}\n`);
  told = bytes;
}, 1000).unref();

let result: TransferResult;
try {
  result = await carryOut(JSON.parse(await text(process.stdin)) as TransferOrder);
} catch (error) {
  result = { outcome: 'failed', reason: messageOf(error) };
}
process.stdout.write(`\n${resultMark}${JSON.stringify(result)}\n`, () => process.exit(0));
