/**
 * `npm run test:faults`: breaks everything that can be broken (`__tests__/faults`), prints what
 * came of it as a table, and keeps that in docs/faults.md. Needs what `npm test` needs; as root on
 * Linux it also has full and read-only disks.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run as runTests } from 'node:test';

import { ensureTools, node24, root, run } from './tools.mjs';

/** Before a row in a test's diagnostics; see rows.ts. */
const rowMark = 'fault-row: ';
/** Beginnings of the groups' names, in the order of the table. */
const order = [
  'cache service',
  'wheelhouse content',
  'hash roots',
  'local projects',
  'package index',
  'input',
  'process',
  'install',
];

/** @param {string} text */
function cell(text) {
  return text.replaceAll('\n', '⏎').replace(/[\\`*_{}[\]<>|~#]/g, (character) => `\\${character}`);
}

/** @param {any} row */
function installed(row) {
  if (row.job === 'failure')
    return row.installed.length === 0 ? 'nothing' : row.installed.join(', ');
  return `${row.installed.join(', ') || 'nothing'}${row.hit ? ', from the cache' : ''}`;
}

/** @param {any} row @param {string} result */
function tableRow(row, result) {
  const told = [...row.says, ...(row.logs ? [`log: ${row.logs}`] : [])];
  return `| ${[
    cell(row.fault),
    row.job,
    installed(row),
    cell(row.saved.join(', ')) || 'nothing',
    told.map(cell).join('<br>') || 'nothing',
    row.skip ? `not had here: ${row.skip}` : result,
  ].join(' | ')} |`;
}

async function main() {
  const directory = join(root, '__tests__', 'faults');
  const files = readdirSync(directory)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(directory, file));
  /** @type {Map<string, any>} */
  const rows = new Map();
  /** @type {Map<string, string>} */
  const results = new Map();
  const begun = performance.now();
  const events = runTests({ files, concurrency: 2, timeout: 1_200_000 });
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic' && data.message.startsWith(rowMark)) {
      const row = JSON.parse(data.message.slice(rowMark.length));
      if (rows.has(row.fault)) throw new Error(`Two rows have the name "${row.fault}".`);
      rows.set(row.fault, row);
    }
    if ((type === 'test:pass' || type === 'test:fail') && data.details.type !== 'suite') {
      results.set(data.name, type === 'test:pass' ? 'held' : '**not held**');
      const failure = type === 'test:fail' ? String(data.details.error?.cause ?? '') : '';
      const firstLines = failure.split('\n').slice(0, 60).join('\n');
      console.error(
        `${type === 'test:pass' ? '✔' : '✖'} ${data.name}${failure && `\n${firstLines}`}`,
      );
    }
  }
  const seconds = Math.round((performance.now() - begun) / 1000);

  const groups = new Map();
  const rank = (/** @type {any} */ row) => order.findIndex((name) => row.group.startsWith(name));
  for (const [id, row] of [...rows].sort(([, a], [, b]) => rank(a) - rank(b))) {
    const lines = groups.get(row.group) ?? [];
    lines.push(tableRow(row, results.get(id) ?? '**not run**'));
    groups.set(row.group, lines);
  }
  const ran = [...rows.keys()].filter((id) => !rows.get(id).skip);
  const held = ran.filter((id) => results.get(id) === 'held');
  const text = `# Faults

What happens when something breaks, is hostile, or is missing. Every row is a job of the committed
\`dist\` with real pip and a stand-in for the cache service (\`__tests__/faults\`). Of each one is
checked: the job's result; what is installed, by importing it and by comparing every file with its
RECORD; that no temporary file and no process is left; what is in the cache afterwards; and
everything that people are told.

In the table \`{key}\` is the key of the entry that was in the cache before, or that the job would
save, \`{key}-r1\` the next generation of it, and \`…\` any text. What is *not defended* is said in
[the threat model](threat-model.md).

Written by \`npm run test:faults\`: ${held.length} of ${ran.length} rows held${
    rows.size > ran.length ? `, ${rows.size - ran.length} could not be had` : ''
  }.
${[...groups]
  .map(
    ([group, lines]) => `
## ${group[0].toUpperCase()}${group.slice(1)}

| fault | job | installed | in the cache afterwards | warning or error | |
| --- | --- | --- | --- | --- | --- |
${lines.join('\n')}
`,
  )
  .join('')}`;
  console.log(text);
  console.log(`${seconds} s`);
  writeFileSync(join(root, 'docs', 'faults.md'), text);
  const failed = [...results.values()].some((result) => result !== 'held');
  process.exitCode = failed || ran.length === 0 ? 1 : 0;
}

if (process.versions.node.startsWith('24.')) {
  ensureTools();
  await main();
} else {
  run(node24(), [join(root, 'scripts', 'test-faults.mjs')]);
}
