/**
 * Writes into README.md what action.yml says, between the markers `<!-- inputs -->` and
 * `<!-- outputs -->` and their ends. With --check it only compares.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseYaml } from '../__tests__/support/runner.ts';
import { root } from './tools.mjs';

/** @param {string} text */
function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (lines[last].length + word.length > 86) lines.push(word);
    else lines[last] = `${lines[last]} ${word}`.trim();
  }
  return lines;
}

/** @param {Record<string, any>} inputs */
function withBlock(inputs) {
  const lines = Object.entries(inputs).flatMap(([name, { description, default: value }]) => [
    '',
    ...wrapped(description).map((line) => `    # ${line}`),
    `    ${name}: ${value === undefined || value === '' ? "''" : value}`,
  ]);
  return ['```yaml', '- uses: -OWNER-/wheelhouse@v1', '  with:', ...lines.slice(1), '```'].join(
    '\n',
  );
}

/** @param {Record<string, any>} outputs */
function outputTable(outputs) {
  const rows = Object.entries(outputs).map(
    ([name, { description }]) => `| \`${name}\` | ${description} |`,
  );
  return ['| output | |', '| --- | --- |', ...rows].join('\n');
}

const file = join(root, 'README.md');
const action = parseYaml(readFileSync(join(root, 'action.yml'), 'utf8'));
const before = readFileSync(file, 'utf8');
let after = before;
for (const [name, text] of [
  ['inputs', withBlock(/** @type {any} */ (action.inputs))],
  ['outputs', outputTable(/** @type {any} */ (action.outputs))],
]) {
  const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  if (!section.test(after)) throw new Error(`README.md has no section for ${name}.`);
  after = after.replace(section, (_whole, start, end) => `${start}${text}\n${end}`);
}
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md is not what action.yml says. Run "npm run readme".');
    process.exit(1);
  }
} else {
  writeFileSync(file, after);
}
