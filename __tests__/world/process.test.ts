/** Programs with very long output. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { run } from '../../src/world/process.ts';

const env = { PATH: process.env['PATH'] ?? '' };
const node = (script: string, onLine?: (line: string) => void) =>
  run(process.execPath, ['-e', script], { env, ...(onLine ? { onLine } : {}) });

test('run keeps only the end of more than 64 MB of output', async () => {
  const script = `const { writeSync } = require('fs');
    const line = 'x'.repeat(999) + '\\n';
    for (let n = 0; n < 100; n++) { let rest = line.repeat(1000);
      while (rest) { try { rest = rest.slice(writeSync(1, rest)); } catch (e) { if (e.code !== 'EAGAIN') throw e; } } }
    console.log('the end');`;
  const { output, stdout } = await node(script);
  assert.ok(output.length < 70_000_000, `${output.length} characters`);
  assert.match(output.slice(-20), /the end\n$/);
  assert.match(stdout.slice(-20), /the end\n$/);
});

test('a line of several megabytes is passed on in pieces', async () => {
  const lines: number[] = [];
  await node("process.stdout.write('x'.repeat(5_000_000))", (line) => lines.push(line.length));
  assert.ok(lines.length > 1 && Math.max(...lines) < 2_000_000, lines.join());
  assert.equal(
    lines.reduce((sum, each) => sum + each, 0),
    5_000_000,
  );
});
