/**
 * `npm run test:faults`: breaks everything that can be broken (`__tests__/faults`), prints the
 * results as a table, and writes the table to docs/faults.md. Full and read-only disks need root on
 * Linux.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run as runTests } from 'node:test';

import { ensureTools, node24, root, run } from './tools.mjs';

/** Starts a row in a test's diagnostics; see rows.ts. */
const rowMark = 'fault-row: ';
/** How the groups' names start, in the order of the table. */
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
  const messages = [...row.says, ...(row.logs ? [`log: ${row.logs}`] : [])];
  return `| ${[
    cell(row.fault),
    row.job,
    installed(row),
    cell(row.saved.join(', ')) || 'nothing',
    messages.map(cell).join('<br>') || 'nothing',
    row.skip ? `skipped: ${row.skip}` : result,
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
      const name = `${row.group}: ${row.fault}`;
      if (rows.has(name)) throw new Error(`Two rows have the name "${name}".`);
      rows.set(name, row);
    }
    if ((type === 'test:pass' || type === 'test:fail') && data.details.type !== 'suite') {
      results.set(data.name, type === 'test:pass' ? 'passed' : '**failed**');
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
  const passed = ran.filter((id) => results.get(id) === 'passed');
  const text = `# Faults

What happens when something breaks, is hostile, or is missing. Every row is a job that runs the
committed \`dist\` with real pip and a stand-in for the cache service (\`__tests__/faults\`). Each row
checks the job's result; the installed packages, by importing them and comparing every file with its
RECORD; that no temporary file and no process is left behind; the cache entries afterwards; and every
warning and error.

In the table, \`{key}\` is the key of the entry that was in the cache before, or that the job would
save, \`{key}-r1\` its next generation, and \`…\` any text. [The threat model](threat-model.md) says
what is *not defended*.

Written by \`npm run test:faults\`: ${passed.length} of ${ran.length} rows passed${
    rows.size > ran.length ? `, ${rows.size - ran.length} were skipped` : ''
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
  const failed = [...results.values()].some((result) => result !== 'passed');
  process.exitCode = failed || ran.length === 0 ? 1 : 0;
}

if (process.versions.node.startsWith('24.')) {
  ensureTools('test:faults');
  await main();
} else {
  run(node24(), [join(root, 'scripts', 'test-faults.mjs')]);
}
