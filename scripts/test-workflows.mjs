/**
 * `npm run test:workflows`: linters over action files and workflows, and the workflows of
 * `__tests__/workflows` under act. Plain JavaScript for any Node from 20 on, as it runs before
 * `npm ci`; programs other than npm's packages are installed into `.cache/`.
 *
 * Without Go, or with a Python that is too old for the linters, the parts that need them are left
 * out with a message. With CI=true that is a failure.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import {
  commandOf,
  ensureEnvironment,
  ensureTools,
  findProgram,
  hasPython,
  node24,
  root,
  run,
} from './tools.mjs';

/** Name of the command → Go package and version. */
const goTools = {
  act: ['github.com/nektos/act', '0.2.89'],
  actionlint: ['github.com/rhysd/actionlint/cmd/actionlint', '1.7.12'],
};

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

/** Prints what is left out, and counts it as failed in CI, where everything has to run. */
function leaveOut(what, reason) {
  console.log(`- ${what}: left out. ${reason}`);
  if (process.env.CI === 'true') total.failed += 1;
}

/** What a command prints, whatever its exit code; undefined when it can't be started. */
function output(command, args) {
  const { error, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return error ? undefined : stdout;
}

/** Runs a command without showing its output. @throws Error with that output, when it fails */
function lint(command, args) {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${stdout}${stderr}`.trim());
}

/** Returns the path of the command, and builds it if it is missing or has another version. */
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
  const { inputs, outputs } = parse(readFileSync(join(root, file), 'utf8'));
  return [Object.keys(inputs), Object.keys(outputs)];
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
  // A test file that can't be loaded may not have been counted.
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
ensureTools('test:workflows');
const { parse } = await import('yaml');
const hasGo = findProgram('go') !== undefined;
const noGo = 'Go is not on PATH: install it from go.dev.';

if (hasGo) {
  check('actionlint', () => {
    // Without shellcheck and pyflakes, which would run only if they happen to be installed.
    const flags = ['-no-color', '-shellcheck=', '-pyflakes='];
    lint(ensureGoTool('actionlint'), [...flags, ...workflows, ...scenarios]);
  });
} else {
  leaveOut('actionlint', noGo);
}

if (hasPython(3, 11)) {
  // Pedantic only for what is published: workflows of the tests need no concurrency limit, say.
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
  leaveOut('zizmor and check-jsonschema', 'They need Python 3.11 or newer.');
}

check('action-types.yml has a type for each input and output', () => {
  assert.deepEqual(declared('action-types.yml'), declared('action.yml'));
});

if (isWindows) {
  console.log('- workflows under act: left out. Their shell steps need a POSIX system.');
} else if (hasGo) {
  check('act is built', () => ensureGoTool('act'));
  runWorkflows();
} else {
  leaveOut('workflows under act', noGo);
}

console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
