/**
 * The account that this is published under. Until somebody publishes it, a placeholder stands for
 * the account wherever the action, its workflow or the repository is named. GitHub's account names
 * neither begin nor end with a hyphen, so nobody can register the placeholder and have their own
 * code run.
 *
 *   npm run owner NAME           replaces the placeholder with the account's name everywhere
 *   npm run owner -- --check     fails if the placeholder is anywhere
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const placeholder = '-OWNER-';

/** What GitHub accepts as the name of an account. */
const accountName = /^[a-z\d](?:[a-z\d]|-(?=[a-z\d])){0,38}$/i;

/** @returns {boolean} whether somebody could register this name */
export function canBeAccount(name) {
  return accountName.test(name);
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Committed files with the placeholder before a slash, except this one and dist. */
export function filesWithPlaceholder(directory = root) {
  try {
    const args = ['grep', '-lIz', '-F', '-e', `${placeholder}/`];
    const paths = ['--', '.', ':!scripts/owner.mjs', ':!dist'];
    const names = execFileSync('git', [...args, ...paths], { cwd: directory, encoding: 'utf8' });
    return names.split('\0').filter((name) => name !== '');
  } catch (error) {
    if (error.status === 1) return [];
    throw error;
  }
}

/** Replaces the placeholder in all of them. @param {string} name */
export function putIn(name, directory = root) {
  for (const file of filesWithPlaceholder(directory)) {
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(`${placeholder}/`, `${name}/`));
  }
}

function main([argument = '']) {
  if (argument !== '--check' && !canBeAccount(argument)) {
    console.error('Usage: npm run owner NAME, or npm run owner -- --check');
    return 2;
  }
  if (argument !== '--check') {
    putIn(argument);
    return 0;
  }
  const files = filesWithPlaceholder();
  if (files.length === 0) return 0;
  const list = files.join(', ');
  console.error(`The placeholder ${placeholder} is still in ${list}. Run "npm run owner NAME".`);
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
