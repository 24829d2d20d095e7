/**
 * Writes what action.yml says of inputs and outputs into README.md, between the markers
 * `<!-- inputs -->` and `<!-- outputs -->` and their ends, and into the texts of the command line's
 * --help. With --check it only compares.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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

/**
 * @param {string} name of the constant
 * @param {Record<string, any>} inputs
 */
function helpTexts(name, inputs) {
  const lines = Object.entries(inputs).map(([input, { description }]) => {
    const quote = description.includes("'") ? '"' : "'";
    const key = /^\w+$/.test(input) ? input : `'${input}'`;
    const line = `  ${key}: ${quote}${description}${quote},`;
    return line.length > 100 ? line.replace(': ', ':\n    ') : line;
  });
  return [`export const ${name} = {`, ...lines, '} as const;'].join('\n');
}

/** @param {string} path */
function readAction(path) {
  return parseYaml(readFileSync(join(root, path), 'utf8'));
}

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const action = readAction('action.yml');
let filledIn = readme;
for (const [name, text] of [
  ['inputs', withBlock(/** @type {any} */ (action.inputs))],
  ['outputs', outputTable(/** @type {any} */ (action.outputs))],
]) {
  const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  if (!section.test(filledIn)) throw new Error(`README.md has no section for ${name}.`);
  filledIn = filledIn.replace(section, (_whole, start, end) => `${start}${text}\n${end}`);
}
const help = [
  '/** What action.yml and publish/action.yml say of their inputs. Written by `npm run readme`. */',
  helpTexts('installHelp', /** @type {any} */ (action.inputs)),
  '',
  helpTexts('publishHelp', /** @type {any} */ (readAction('publish/action.yml').inputs)),
  '',
].join('\n');
for (const [path, text] of [
  ['README.md', filledIn],
  ['src/cli/help.ts', help],
]) {
  const file = join(root, path);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is not what action.yml says. Run "npm run readme".`);
    process.exitCode = 1;
  }
}
