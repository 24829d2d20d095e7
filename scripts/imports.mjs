/**
 * `npm run imports`: draws the imports of `src` as a diagram into CONTRIBUTING.md, between the
 * markers `<!-- imports -->` and `<!-- /imports -->`, and prints the number of lines of each part.
 * It fails, naming the import, if a file imports from a layer above its own or if files import each
 * other in a circle; imports of types count.
 *
 *   npm run imports -- --check     writes nothing, and fails if the diagram differs; numbers of
 *                                  lines don't count
 *   npm run imports -- --longest   prints the ten longest functions
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensureInstalled, root } from './tools.mjs';

ensureInstalled();
const ast = await import('typescript/unstable/ast');
const { API } = await import('typescript/unstable/sync');

/** @typedef {{ from: string, to: string, line: number, typesOnly: boolean }} Import */
/** @typedef {{ name: string, file: string, line: number, lines: number }} LongFunction */

/** Beginnings of paths in `src` and the layer that they belong to; the first match counts. */
const layers = [
  ['publish/main.ts', 'entry of publish'],
  ...['collect', 'publish', 'bundle'].flatMap((name) => [
    [`${name}/logic/`, `logic of ${name}`],
    [`${name}/ports.ts`, `ports of ${name}`],
    [`${name}/world/`, `world of ${name}`],
    [`${name}/`, `story of ${name}`],
  ]),
  ['cli/', 'command line'],
  ['logic/', 'logic'],
  ['ports.ts', 'ports'],
  ['world/', 'world'],
  ['version.ts', 'version'],
  ...['main.ts', 'post.ts', 'save-main.ts', 'transfer.ts'].map((file) => [file, 'entries']),
  ['', 'story'],
];

/** Layer → the layers that it may import from, beside itself. */
const below = {
  version: [],
  logic: [],
  ports: ['logic'],
  world: ['logic', 'ports'],
  story: ['logic', 'ports'],
  entries: ['logic', 'ports', 'world', 'story', 'version'],
  ...wing('collect'),
  ...wing('publish', 'collect'),
  ...wing('bundle', 'collect'),
};
const publishing = Object.keys(below).filter((layer) => !layer.endsWith('of bundle'));
below['entry of publish'] = publishing;
below['command line'] = Object.keys(below);

/**
 * The layers of a wing: as in the core, whose layers it may use.
 * @param {string} name
 * @param {string[]} bases wings whose layers it may use as well
 */
function wing(name, ...bases) {
  const of = (/** @type {string[]} */ ...all) =>
    all.flatMap((layer) => [layer, ...bases.map((base) => `${layer} of ${base}`)]);
  const [logic, ports, world, story] = ['logic', 'ports', 'world', 'story'].map(
    (layer) => `${layer} of ${name}`,
  );
  return {
    [logic]: of('logic'),
    [ports]: [...of('logic', 'ports'), logic],
    [world]: [...of('logic', 'ports', 'world'), logic, ports],
    [story]: [...of('logic', 'ports', 'story'), logic, ports],
  };
}

/** Files that share a box of the diagram with another one. */
const companions = { 'inputs.ts': 'request.ts', 'run.ts': 'request.ts', 'timer.ts': 'request.ts' };

/** @param {string} file */
function layerOf(file) {
  return String(layers.find(([start]) => file.startsWith(start))?.[1]);
}

/** The box of the diagram that a file belongs to. @param {string} file */
function boxOf(file) {
  const layer = layerOf(file);
  if (file.startsWith('python/')) return 'python';
  if (layer === 'command line' || layer === 'version') return 'cli';
  const [, name] = / of (\w+)$/.exec(layer) ?? [];
  if (name !== undefined) return name;
  return layer === 'story' ? (companions[file] ?? file) : layer;
}

/** @param {string} text */
function linesOf(text) {
  return text.split('\n').length - 1;
}

/** Reads every file of `src`: its lines, and what TypeScript's parser finds in it. */
function readSources() {
  const src = join(root, 'src');
  /** @type {Map<string, number>} */
  const files = new Map();
  /** @type {Import[]} */
  const imports = [];
  /** @type {LongFunction[]} */
  const functions = [];
  const api = new API({ cwd: root });
  const [project] = api.updateSnapshot({ openProject: join(root, 'tsconfig.json') }).getProjects();
  const names = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => /\.(ts|py)$/.test(file))
    .sort();
  for (const file of names) {
    const text = readFileSync(join(src, file), 'utf8');
    files.set(file, linesOf(text));
    if (file.endsWith('.py')) continue;
    const source = project.program.getSourceFile(join(src, file));
    const lineAt = (position) => linesOf(`${text.slice(0, position)}\n`);
    const add = (node, specifier, typesOnly) => {
      if (!specifier?.text?.startsWith('.')) return;
      const to = relative(src, join(src, dirname(file), specifier.text)).replaceAll('\\', '/');
      imports.push({ from: file, to, line: lineAt(node.getStart(source)), typesOnly });
    };
    const visit = (node) => {
      if (ast.isImportDeclaration(node)) {
        const typesOnly = node.importClause?.phaseModifier === ast.SyntaxKind.TypeKeyword;
        add(node, node.moduleSpecifier, typesOnly);
      } else if (ast.isExportDeclaration(node)) {
        add(node, node.moduleSpecifier, node.isTypeOnly);
      } else if (
        ast.isCallExpression(node) &&
        node.expression.kind === ast.SyntaxKind.ImportKeyword
      ) {
        add(node, node.arguments[0], false);
      }
      if (ast.isFunctionLikeDeclaration(node) && node.body) {
        const named = node.name ?? node.parent?.name;
        const [first, last] = [lineAt(node.getStart(source)), lineAt(node.end)];
        const name = named?.getText(source) ?? 'a function without a name';
        functions.push({ name, file, line: first, lines: last - first + 1 });
      }
      node.forEachChild(visit);
    };
    visit(source);
  }
  api.close();
  return { files, imports, functions };
}

/** The imports that a layer does not allow. @param {Import[]} imports */
export function upward(imports) {
  return imports.flatMap(({ from, to, line }) => {
    const [own, other] = [layerOf(from), layerOf(to)];
    const allowed = [own, ...below[own]];
    if (allowed.includes(other)) return [];
    const others = below[own].length > 0 ? `only ${below[own].join(', ')}` : 'no other layer';
    return `src/${from}:${line} imports src/${to} (${other}), but ${own} may import ${others}.`;
  });
}

/**
 * Circles among files, each as `a → b → a`; of files that are in several, one circle.
 * @param {Import[]} imports
 */
export function circlesIn(imports) {
  const found = [];
  const done = new Set();
  /** @param {string} file @param {string[]} path */
  const visit = (file, path) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file) || path.includes(file)) return;
    for (const { from, to } of imports) if (from === file) visit(to, [...path, file]);
    done.add(file);
  };
  for (const { from } of imports) visit(from, []);
  return found;
}

/**
 * The arrows between boxes without those that follow from others.
 * @param {Map<string, Set<string>>} arrows
 * @returns {[string, string][]}
 */
function reduced(arrows) {
  const reaches = (from, to) =>
    [...(arrows.get(from) ?? [])].some((next) => next === to || reaches(next, to));
  return [...arrows].flatMap(([from, all]) =>
    [...all]
      .filter((to) => ![...all].some((other) => other !== to && reaches(other, to)))
      .sort()
      .map((to) => /** @type {[string, string]} */ ([from, to])),
  );
}

/** @param {number} count */
function about(count) {
  if (count < 50) return 'under 50 lines';
  const step = count < 100 ? 50 : 100;
  return `about ${(Math.round(count / step) * step).toLocaleString('en')} lines`;
}

/**
 * @param {Map<string, number>} files
 * @param {Import[]} imports
 */
function diagram(files, imports) {
  /** @type {Map<string, string[]>} */
  const boxes = new Map();
  for (const file of files.keys()) {
    boxes.set(boxOf(file), [...(boxes.get(boxOf(file)) ?? []), file]);
  }
  const isChapter = (box) => box.endsWith('.ts');
  const id = (box) => basename(box, '.ts').replaceAll('-', '_');
  const label = (box) => {
    const inside = boxes.get(box) ?? [];
    const count = inside.reduce((sum, file) => sum + (files.get(file) ?? 0), 0);
    const title = {
      entries: 'entry points: main, post, transfer',
      logic: 'logic/',
      ports: 'ports.ts',
      world: 'world/',
      python: 'python/',
      cli: 'cli/',
      publish: 'publish/',
      bundle: 'bundle/',
      collect: 'collect/',
    };
    const name = title[box] ?? [box, ...inside.filter((file) => file !== box)].join(', ');
    return `${id(box)}["${name}<br>${about(count)}"]`;
  };
  /** @type {Map<string, Set<string>>} */
  const outer = new Map();
  /** @type {Map<string, Set<string>>} */
  const inner = new Map();
  const draw = (arrows, from, to) => {
    if (from !== to) arrows.set(from, (arrows.get(from) ?? new Set()).add(to));
  };
  for (const { from, to, typesOnly } of imports) {
    const [one, other] = [boxOf(from), boxOf(to)];
    const group = (box) => (isChapter(box) ? 'story' : box);
    draw(outer, group(one), group(other));
    if (isChapter(one) && isChapter(other) && !typesOnly) draw(inner, one, other);
  }
  draw(outer, 'world', 'python');
  const chapters = [...boxes.keys()].filter(isChapter).sort();
  const parts = [...boxes.keys()].filter((box) => !isChapter(box)).sort();
  const arrow = ([from, to]) => `${id(from)} --> ${id(to)}`;
  return [
    '```mermaid',
    'flowchart TD',
    ...parts.map((box) => `  ${label(box)}`),
    '  subgraph story["the story of a run"]',
    ...chapters.map((box) => `    ${label(box)}`),
    ...reduced(inner)
      .sort()
      .map((pair) => `    ${arrow(pair)}`),
    '  end',
    ...reduced(outer)
      .sort()
      .map((pair) => `  ${arrow(pair)}`),
    '```',
  ].join('\n');
}

/** Lines of TypeScript or Python below some directories. @param {Map<string, number>} files */
function totals(files) {
  const sum = (isPart) =>
    [...files].filter(([file]) => isPart(file)).reduce((all, [, lines]) => all + lines, 0);
  const names = /** @type {const} */ (['bundle', 'cli', 'collect', 'publish', 'python']);
  const parts = Object.fromEntries(
    names.map((name) => [name, sum((file) => file.startsWith(`${name}/`))]),
  );
  const core = sum((file) => !names.some((name) => file.startsWith(`${name}/`)));
  return { core, ...parts };
}

function main() {
  const { files, imports, functions } = readSources();
  if (process.argv.includes('--longest')) {
    functions.sort((one, other) => other.lines - one.lines);
    for (const { name, file, line, lines } of functions.slice(0, 10)) {
      console.log(`${String(lines).padStart(4)} lines  ${name}  src/${file}:${line}`);
    }
    return;
  }
  const circles = circlesIn(imports).map((circle) => `Circular imports in src: ${circle}`);
  const faults = [...upward(imports), ...circles];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    process.exitCode = 1;
    return;
  }
  const count = totals(files);
  const text = [
    diagram(files, imports),
    '',
    'An arrow points from a file to one that it imports. Arrows that follow from others are left out,',
    'and so are imports of types among the files of the story.',
    '',
    '| part | size |',
    '| --- | --- |',
    ...Object.entries(count).map(([name, lines]) => {
      const part = name === 'core' ? 'the core: everything but the parts below' : `\`src/${name}\``;
      return `| ${part} | ${about(lines)} |`;
    }),
  ].join('\n');
  const contributing = join(root, 'CONTRIBUTING.md');
  const before = readFileSync(contributing, 'utf8');
  const section = /(<!-- imports -->\n)[\s\S]*?(<!-- \/imports -->)/;
  if (!section.test(before)) throw new Error('CONTRIBUTING.md has no section <!-- imports -->.');
  const after = before.replace(section, (_all, start, end) => `${start}\n${text}\n\n${end}`);
  const withoutNumbers = (whole) => whole.replace(/(?:about|under) [\d,]+ lines/g, 'lines');
  if (!process.argv.includes('--check')) {
    writeFileSync(contributing, after);
    const list = Object.entries(count).map((part) => part.join(' '));
    console.log(`Lines: ${list.join(', ')}.`);
    console.log(`${files.size} files, ${imports.length} imports: none upwards, no circles.`);
  } else if (withoutNumbers(before) !== withoutNumbers(after)) {
    console.error('The diagram in CONTRIBUTING.md does not match src. Run "npm run imports".');
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
