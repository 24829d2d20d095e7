/**
 * Builds dist from src: `tsc` emits lib/, from which ncc bundles one file per entry.
 * With --check it builds into another directory and fails if dist differs.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './tools.mjs';

/** Source file without its extension, and its directory in dist, which action.yml or package.json names. */
const entries = [
  ['main', 'main'],
  ['post', 'post'],
  ['transfer', 'transfer'],
  ['cli/main', 'cli'],
  ['publish/main', 'publish'],
];

function node(script, ...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) throw new Error(`${script} ${args.join(' ')} failed`);
}

/**
 * Makes the files of a directory part of the bundle, because the action runs without its sources.
 * @param {string} directory in src
 * @param {string} extension of the files
 * @param {string} module in src, whose function source() reads them
 */
function embed(directory, extension, module) {
  const from = join(root, 'src', directory);
  const texts = Object.fromEntries(
    readdirSync(from)
      .filter((file) => file.endsWith(extension))
      .sort()
      .map((file) => [file.slice(0, -extension.length), readFileSync(join(from, file), 'utf8')]),
  );
  const file = join(root, 'lib', `${module}.js`);
  const original = /function source\(name\) \{\n.*\n\}/;
  const text = readFileSync(file, 'utf8');
  if (!original.test(text)) {
    throw new Error(`source() in src/${module}.ts has changed: adapt embed()`);
  }
  const embedded = `const texts = ${JSON.stringify(texts, undefined, 2)};\nfunction source(name) {\n    return texts[name];\n}`;
  writeFileSync(
    file,
    text.replace(original, () => embedded),
  );
}

function build(output) {
  rmSync(join(root, 'lib'), { recursive: true, force: true });
  node('typescript/bin/tsc', '-p', 'tsconfig.json');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(
    join(root, 'lib', 'version.js'),
    `export const version = ${JSON.stringify(version)};\n`,
  );
  embed('python', '.py', 'world/python-program');
  embed('locktools', '.txt', 'world/lock-tools');
  rmSync(output, { recursive: true, force: true });
  for (const [entry, directory] of entries) {
    const to = join(output, directory);
    node('@vercel/ncc/dist/ncc/cli.js', 'build', `lib/${entry}.js`, '-o', to, '--no-cache');
  }
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

const dist = join(root, 'dist');
if (process.argv.includes('--check')) {
  const fresh = join(root, '.cache', 'dist');
  build(fresh);
  const names = new Set([...filesBelow(dist), ...filesBelow(fresh)]);
  const read = (directory, name) => {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch {
      return undefined;
    }
  };
  const different = [...names].filter((name) => read(dist, name) !== read(fresh, name));
  if (different.length > 0) {
    console.error(`dist does not match src: ${different.join(', ')}. Run "npm run build".`);
    process.exit(1);
  }
  console.log(`dist matches src (${names.size} files)`);
} else {
  const fresh = join(root, '.cache', 'build');
  build(fresh);
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  cpSync(fresh, dist, { recursive: true });
}
