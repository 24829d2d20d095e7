/**
 * `npm test`: installs what is needed, then checks everything. Starts on a clone without
 * node_modules, under any Node from 20 on; the tests run under the Node that the action runs on.
 * With arguments it runs those test files only.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ensureTools, node24, root, run } from './tools.mjs';

/** Tests with commands of their own: they need more than npm's packages, or take long. */
const others = ['workflows', 'mirror', 'live', 'faults'];
/** Tests that take minutes: `npm run test:more`. */
const slow = 'slow';

const wantsMore = process.argv.includes('--more');

function testFiles() {
  return readdirSync(join(root, '__tests__'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => !others.some((name) => file.startsWith(name)))
    .filter((file) => file.startsWith(slow) === wantsMore)
    .sort()
    .map((file) => join('__tests__', file));
}

ensureTools();
const node = node24();
const modules = join(root, 'node_modules');
const given = process.argv.slice(2).filter((word) => word !== '--more');
const steps =
  given.length > 0 || wantsMore
    ? []
    : [
        ['types', [join(modules, 'typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.all.json']],
        ['lint', [join(modules, '@biomejs/biome/bin/biome'), 'check', '.']],
        ['dist', ['scripts/build.mjs', '--check']],
        ['README', ['scripts/readme.mjs', '--check']],
        ['imports', ['scripts/imports.mjs', '--check']],
      ];
for (const [name, args] of steps) {
  console.log(`# ${name}`);
  run(node, args);
}
console.log('# tests');
run(node, ['--test', '--test-concurrency=2', ...(given.length > 0 ? given : testFiles())]);
