/**
 * Writes the inputs and outputs of action.yml into README.md, between the markers
 * `<!-- inputs -->` and `<!-- outputs -->` and their ends, and into the texts of the command line's
 * --help. With --check it writes nothing and fails if they differ.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ensureInstalled, root } from './tools.mjs';

ensureInstalled();
const { parse } = await import('yaml');

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
    // As the formatter does it, which saves no line for a short key.
    return line.length > 100 && key.length > 4 ? line.replace(': ', ':\n    ') : line;
  });
  return [`export const ${name} = {`, ...lines, '} as const;'].join('\n');
}

/** The content of an action.yml, every scalar as the text that it is. @param {string} path */
function readAction(path) {
  return parse(readFileSync(join(root, path), 'utf8'), { schema: 'failsafe' });
}

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const action = readAction('action.yml');
let filledIn = readme;
for (const [name, text] of [
  ['inputs', withBlock(action.inputs)],
  ['outputs', outputTable(action.outputs)],
]) {
  const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  if (!section.test(filledIn)) throw new Error(`README.md has no section for ${name}.`);
  filledIn = filledIn.replace(section, (_whole, start, end) => `${start}${text}\n${end}`);
}
const help = [
  '/** What action.yml and publish/action.yml say of their inputs. Written by `npm run readme`. */',
  helpTexts('installHelp', action.inputs),
  '',
  helpTexts('publishHelp', readAction('publish/action.yml').inputs),
  '',
].join('\n');
for (const [path, text] of [
  ['README.md', filledIn],
  ['src/cli/help.ts', help],
]) {
  const file = join(root, path);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${path} does not match action.yml. Run "npm run readme".`);
    process.exitCode = 1;
  }
}
