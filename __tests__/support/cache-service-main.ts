/**
 * Runs the stand-in cache service as a separate process, for workflows under `act`.
 *
 * Prints one line of JSON, `{"url", "env"}`, and runs until stdin closes or a signal arrives. Arguments:
 * `--azure-host`, `--identity=<JSON of a JobIdentity>`. Each line of stdin may call a method of the
 * service, `{"method": "setFault", "args": ["download", "truncate"]}`, and is answered by one line,
 * `{"result"}` or `{"error"}`.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startCacheService } from './cache-service.ts';

const { values } = parseArgs({
  options: {
    'azure-host': { type: 'boolean', default: false },
    identity: { type: 'string', default: '{}' },
  },
});
const service = await startCacheService({ azureHost: values['azure-host'] });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => service.close().then(() => process.exit()));
}
print({ url: service.url, env: service.env(JSON.parse(values.identity)) });

for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { method, args = [] } = JSON.parse(line);
    const member = (service as unknown as Record<string, unknown>)[method];
    if (member === undefined) throw new Error(`the service has no ${method}`);
    print({ result: typeof member === 'function' ? await member(...args) : member });
  } catch (error) {
    print({ error: String(error) });
  }
}
await service.close();
process.exit();

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
