/**
 * Entry point of the process that talks to GitHub's cache service. It is a process of its own so
 * that it can be killed when it hangs: the toolkit waits up to a quarter of an hour for a service
 * that accepts a request and never answers, and leaves connections open for minutes
 * (actions/toolkit#1578).
 *
 * Reads a `TransferOrder` as JSON from each line of standard input, and prints a `resultLine` for it.
 * Everything else is the toolkit's output. It may be started before an order is known because loading
 * the toolkit takes a while, and waits for another one afterwards. It exits with its input's end.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { isFeatureAvailable, restoreCache, saveCache } from '@actions/cache';

import { messageOf } from './logic/errors.ts';
import {
  bytesMark,
  resultLine,
  type TransferOrder,
  type TransferResult,
} from './logic/transfer-protocol.ts';

async function carryOut(order: TransferOrder): Promise<TransferResult> {
  if (!isFeatureAvailable()) return { outcome: 'unavailable' };
  if (order.operation === 'restore') {
    for (const prefixes of lookUps(order.prefixes)) {
      const key = await restoreCache([order.path], order.key, prefixes);
      if (key !== undefined) return { outcome: 'restored', key };
    }
    return { outcome: 'none' };
  }
  const id = await saveCache([order.path], order.key);
  return { outcome: id < 0 ? 'none' : 'saved' };
}

/**
 * The prefixes of each look-up. The service looks for all of them among the entries of the job's own
 * branch before it looks at those of the default branch. So the widest prefix has a look-up of its
 * own: it would find what another job has saved in a pull request, and hide what this job has saved
 * on the default branch.
 */
function lookUps(prefixes: readonly string[]): string[][] {
  const widest = prefixes.slice(1).slice(-1);
  return [prefixes.slice(0, prefixes.length - widest.length), ...widest.map((prefix) => [prefix])];
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

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as TransferOrder;
  const result = await carryOut(order).catch(
    (error: unknown): TransferResult => ({ outcome: 'failed', reason: messageOf(error) }),
  );
  process.stdout.write(`\n${resultLine(order, result)}\n`);
}
process.stdout.write('', () => process.exit(0));
