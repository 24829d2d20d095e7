/** Parallel pips that install from one lock leave the same files as a single pip. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import { wheel } from '../support/packages.ts';
import { processes } from '../support/processes.ts';
import { freshPython, sitePackages } from '../support/python.ts';
import type { StepResult } from '../support/runner.ts';
import { annotations, startScenario } from '../support/scenario.ts';

const compiled = { 'compile-bytecode': true } as const;
const shared = /^(\d) pips share the work\.$/m;

/** Modules of a big wheel. */
const length = 400;

/** A wheel that keeps pip busy for a while, above all when it compiles. */
function bigWheel(name: string, more: Record<string, string> = {}): ReturnType<typeof wheel> {
  const modules = Array.from({ length }, (_none, at) => [`${name}/m${at}.py`, `n = ${at}\n`]);
  return wheel({
    ...{ name, version: '1.0', size: 10_500_000 },
    files: { ...Object.fromEntries(modules), ...more },
  });
}

const script = (name: string): string => `[console_scripts]\n${name} = ${name}:main\n`;
const small = wheel({ name: 'small', version: '1.0', requires: ['one'] });
const distributions = [
  bigWheel('one', { 'one-1.0.dist-info/entry_points.txt': script('one') }),
  bigWheel('two', { 'two-1.0.data/scripts/two-tool': '#!python\nprint(2)\n' }),
  wheel({ name: 'plugin', version: '1.0', files: { 'two/plugin.py': 'is_here = True\n' } }),
  small,
  bigWheel('rival', { 'one/plugin.py': 'is_here = True\n' }),
];
const { run } = await startScenario({ distributions });

/** Digests of all files in an environment, by path. The path of the environment does not count. */
function tree(environment: string): Record<string, string> {
  const files = readdirSync(environment, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/\.pyc$|pyvenv\.cfg$/.test(file) && !file.includes('/lib64/'));
  return Object.fromEntries(
    files.sort().map((file) => {
      const content = readFileSync(file);
      // A script contains the path of its interpreter, and RECORD has the digest of the script.
      const isText = file.startsWith(join(environment, 'bin')) || file.endsWith('/RECORD');
      const own = isText
        ? content
            .toString()
            .replaceAll(environment, '')
            .replace(/^(\S*\/bin\/[^,]*),.*$/gm, '$1')
        : content;
      return [file.slice(environment.length), createHash('sha256').update(own).digest('hex')];
    }),
  );
}

const environmentOf = (python: string): string => dirname(dirname(python));

/** Returns the files that a single pip leaves when it installs from the same lock. */
function onePip({
  wheelhouse = '',
  'lock-file': lock = '',
}: StepResult['outputs']): Record<string, string> {
  const directory = mkdtempSync(join(tmpdir(), 'one-pip-'));
  try {
    const python = freshPython(join(directory, 'environment'));
    const args = ['-m', 'pip', '--isolated', '--disable-pip-version-check', 'install', '--quiet'];
    const offline = ['--no-index', '--no-deps', '--require-hashes'];
    execFileSync(python, [...args, ...offline, '--find-links', wheelhouse, '-r', lock], {
      env: { PATH: process.env['PATH'] ?? '', HOME: directory, PIP_CONFIG_FILE: '/dev/null' },
      stdio: 'pipe',
    });
    return tree(environmentOf(python));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Returns the process id of a pip that installs from that lock. */
function pipOf(python: string, lock: string): number | undefined {
  return processes().find(
    ({ words: [program, ...args] }) =>
      program === python && args.some((word) => word.endsWith(lock)),
  )?.id;
}

describe('parallel pips', { skip: availableParallelism() < 2 && 'needs two cores' }, () => {
  test('parallel pips leave the same files as a single pip', async () => {
    const { main, installed } = await run({
      ...{ files: { 'requirements.txt': 'small\ntwo\nplugin\n' }, with: compiled, noPost: true },
      between(_job, step, python) {
        assert.deepEqual(tree(environmentOf(python)), onePip(step.outputs));
        const found = readdirSync(environmentOf(python), { recursive: true, encoding: 'utf8' });
        const bytecode = found.filter((file) => /^lib\/.*\/(?:one|two)\/.*\.pyc$/.test(file));
        assert.equal(bytecode.length, 2 * length + 3);
      },
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.equal(shared.exec(main.log)?.[1], '2', main.log);
    assert.deepEqual(installed, ['one==1.0', 'plugin==1.0', 'small==1.0', 'two==1.0']);
    assert.deepEqual(main.annotations, []);
  });

  test('a single pip installs if two wheels contain the same path', async () => {
    const { main, installed } = await run({
      files: { 'requirements.txt': 'one\nrival\n' },
      with: compiled,
      noPost: true,
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.deepEqual(installed, ['one==1.0', 'rival==1.0']);
    assert.doesNotMatch(main.log, shared);
  });

  test('a single pip installs if a package of the lock is already installed', async () => {
    const { main } = await run({
      files: { 'requirements.txt': 'one\ntwo\nsmall\n' },
      with: compiled,
      noPost: true,
      before(job, python) {
        const file = join(job.root, small.filename);
        writeFileSync(file, small.content);
        const args = ['-m', 'pip', '--isolated', 'install', '-q', '--no-index', '--no-deps', file];
        execFileSync(python, args, { stdio: 'pipe' });
      },
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.doesNotMatch(main.log, shared);
  });

  test('a single pip installs if its version reads files that another pip is unpacking', async () => {
    const { main } = await run({
      files: { 'requirements.txt': 'one\ntwo\n' },
      pip: '23.2.1',
      with: compiled,
      noPost: true,
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.doesNotMatch(main.log, shared);
  });

  test('a single pip reinstalls everything if one of the parallel pips is killed', async () => {
    const killed: number[] = [];
    const { main, installed } = await run({
      ...{ files: { 'requirements.txt': 'one\ntwo\n' }, with: compiled, noPost: true },
      before(_job, python) {
        const watch = setInterval(() => {
          const found = pipOf(python, 'portion-2.txt');
          if (found === undefined) return;
          clearInterval(watch);
          killed.push(found);
          process.kill(found, 'SIGKILL');
        }, 20);
        watch.unref();
      },
      between: (_job, step, python) =>
        assert.deepEqual(tree(environmentOf(python)), onePip(step.outputs)),
    });
    assert.equal(killed.length, 1);
    assert.equal(main.conclusion, 'success', main.log);
    assert.match(main.log, /^One of them failed: a single pip installs all again\.$/m);
    assert.deepEqual(installed, ['one==1.0', 'two==1.0']);
    assert.deepEqual(main.annotations, []);
  });

  test('a failure of parallel pips shows the error of a single pip, and the next run repairs it', async () => {
    let blocked = '';
    const { main, installed } = await run({
      files: { 'requirements.txt': 'one\ntwo\n' },
      with: compiled,
      noPost: true,
      before(_job, python) {
        // A directory at the path of a file that pip has to write.
        blocked = join(sitePackages(environmentOf(python)), 'two', 'm7.py');
        mkdirSync(join(blocked, 'inside'), { recursive: true });
      },
      async between(job, step, python) {
        assert.equal(step.conclusion, 'failure', step.log);
        rmSync(blocked, { recursive: true });
        const again = await job.step({ action: root, with: { python, ...compiled } });
        assert.equal(again.conclusion, 'success', again.log);
        assert.match(
          again.log,
          /A previous installation was interrupted; reinstalling everything\./,
        );
        assert.doesNotMatch(again.log, shared);
        assert.deepEqual(tree(environmentOf(python)), onePip(again.outputs));
      },
    });
    assert.match(main.log, shared);
    const errors = annotations(main, 'error');
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(errors[0] ?? '', /pip could not install\..*m7\.py/s);
    assert.deepEqual(installed, ['one==1.0', 'two==1.0']);
  });
});
