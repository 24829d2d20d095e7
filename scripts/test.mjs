/**
 * `npm test`: installs what is needed, then checks everything. It starts on a clone without
 * node_modules, under any Node from 20 on; the tests run under the Node version of the action.
 * With arguments it runs only those test files.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ensureTools, node24, root, run } from './tools.mjs';

/** Folders of tests that have their own commands, because they need more programs or more time. */
const others = ['workflows', 'mirror', 'live', 'faults'];
/** The folder of tests that take minutes: `npm run test:more`. */
const slow = 'slow';

const wantsMore = process.argv.includes('--more');
const given = process.argv.slice(2).filter((word) => word !== '--more');
const wantsSlow = wantsMore || given.some((file) => file.startsWith(`__tests__/${slow}`));
const wantsMirror = given.some((file) => file.startsWith('__tests__/mirror'));

function testFiles() {
  return readdirSync(join(root, '__tests__'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => !others.some((name) => file.startsWith(name)))
    .filter((file) => file.startsWith(slow) === wantsMore)
    .sort()
    .map((file) => join('__tests__', file));
}

ensureTools(wantsMirror ? 'test:mirror' : wantsSlow ? 'test:more' : 'test');
const node = node24();
const modules = join(root, 'node_modules');
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
