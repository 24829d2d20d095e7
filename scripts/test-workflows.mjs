/**
 * `npm run test:workflows`: linters over action files and workflows, and the workflows of
 * `__tests__/workflows` under act. Plain JavaScript for any Node from 20 on, as it runs before
 * `npm ci`; what it needs beside npm's packages it puts below `.cache/`.
 *
 * Without Go, or with a Python older than the linters ask for, what needs them is left out and said
 * so; under CI=true that is a failure.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { commandOf, ensureEnvironment, ensureTools, node24, python, root, run } from './tools.mjs';

/** Name of the command → Go package and version. */
const goTools = {
  act: ['github.com/nektos/act', '0.2.89'],
  actionlint: ['github.com/rhysd/actionlint/cmd/actionlint', '1.7.12'],
};
const oldestPython = [3, 11];

const isWindows = process.platform === 'win32';
const cache = join(root, '.cache');
const goCommands = join(cache, 'bin');
const tests = join('__tests__', 'workflows');

const total = { passed: 0, failed: 0 };

/** Runs one check, and counts it. */
function check(name, work) {
  const start = performance.now();
  let reason;
  try {
    work();
    total.passed += 1;
  } catch (error) {
    total.failed += 1;
    reason = error instanceof Error ? error.message : String(error);
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${reason === undefined ? '✔' : '✖'} ${name} (${seconds} s)`);
  if (reason !== undefined) console.log(reason);
}

/** Says what is left out; counts as failed where everything has to run. */
function leaveOut(what, reason) {
  console.log(`- ${what}: left out. ${reason}`);
  if (process.env.CI === 'true') total.failed += 1;
}

/** What a command prints, its exit code aside; undefined when it can't be started. */
function output(command, args) {
  const { error, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return error ? undefined : stdout;
}

/** Runs a command in silence. @throws Error with what it printed, when it fails */
function lint(command, args) {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${stdout}${stderr}`.trim());
}

/** @returns path of the command, which is built where it is missing or another version */
function ensureGoTool(name) {
  const command = join(goCommands, isWindows ? `${name}.exe` : name);
  const [source, version] = goTools[name];
  if (!output(command, ['--version'])?.split(/\s+/).includes(version)) {
    run('go', ['install', `${source}@v${version}`], { env: { ...process.env, GOBIN: goCommands } });
  }
  return command;
}

function yamlFiles(directory) {
  return readdirSync(join(root, directory))
    .filter((file) => file.endsWith('.yml'))
    .sort()
    .map((file) => join(directory, file));
}

/** Names of the inputs and outputs that a file declares, in order. */
function declared(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const body = text.slice(text.search(/^inputs:/m)).split(/^runs:/m)[0];
  return body.match(/^ {0,2}[\w-]+:/gm);
}

/** Runs the workflows under act, and counts each test. */
function runWorkflows() {
  const report = join(cache, 'workflows.tap');
  rmSync(report, { force: true });
  const { status } = spawnSync(
    node24(),
    [
      '--test',
      ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
      ...['--test-reporter=tap', `--test-reporter-destination=${report}`],
      join(tests, 'workflows.test.ts'),
      join(tests, 'reuse.test.ts'),
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
  const count = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  total.passed += count('pass');
  // A test file that can't even be loaded may have counted nothing.
  total.failed += status === 0 ? failed : Math.max(failed, 1);
}

const workflows = yamlFiles(join('.github', 'workflows'));
const scenarios = [...yamlFiles(tests), ...yamlFiles('examples')];
const actions = [
  'action.yml',
  join('publish', 'action.yml'),
  join(tests, 'composite/action.yml'),
  join('examples', 'composite', 'action.yml'),
].filter((file) => existsSync(join(root, file)));

mkdirSync(cache, { recursive: true });
ensureTools();
const hasGo = output('go', ['version']) !== undefined;
const noGo = 'It is built with Go, which is not on PATH: install it from go.dev.';

if (hasGo) {
  check('actionlint', () => {
    // Neither shellcheck nor pyflakes: they would run only where they happen to be installed.
    const flags = ['-no-color', '-shellcheck=', '-pyflakes='];
    lint(ensureGoTool('actionlint'), [...flags, ...workflows, ...scenarios]);
  });
} else {
  leaveOut('actionlint', noGo);
}

const pythonVersion = output(python, ['-c', 'import sys; print(*sys.version_info[:2])']) ?? '';
const [major = 0, minor = 0] = pythonVersion.split(' ').map(Number);
if (major > oldestPython[0] || (major === oldestPython[0] && minor >= oldestPython[1])) {
  // Pedantic where it counts; what tests run under act need not limit its concurrency, for one.
  const audits = { pedantic: ['.github', 'action.yml'], regular: [...scenarios, ...actions] };
  for (const [persona, files] of Object.entries(audits)) {
    check(`zizmor ${persona}`, () => {
      ensureEnvironment('linters');
      lint(commandOf('linters', 'zizmor'), [
        ...['--offline', '--no-progress', '--color=never', `--persona=${persona}`],
        ...['--strict-collection', `--config=${join('.github', 'zizmor.yml')}`, ...files],
      ]);
    });
  }
  const schemas = {
    'github-workflows': [...workflows, ...scenarios],
    'github-actions': actions,
    dependabot: [join('.github', 'dependabot.yml')],
  };
  for (const [schema, files] of Object.entries(schemas)) {
    check(`check-jsonschema ${schema}`, () => {
      ensureEnvironment('linters');
      lint(commandOf('linters', 'check-jsonschema'), [
        `--builtin-schema=vendor.${schema}`,
        ...files,
      ]);
    });
  }
} else {
  leaveOut('zizmor and check-jsonschema', `They need Python ${oldestPython.join('.')} or newer.`);
}

check('action-types.yml has a type for each input and output', () => {
  assert.deepEqual(declared('action-types.yml'), declared('action.yml'));
});

if (isWindows) {
  console.log('- workflows under act: left out. Their shell steps are made for POSIX.');
} else if (hasGo) {
  check('act is there', () => ensureGoTool('act'));
  runWorkflows();
} else {
  leaveOut('workflows under act', noGo);
}

console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
