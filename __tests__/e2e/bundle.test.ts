/** Bundles as the command line makes them: the same bytes every time, installed without a network. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, type TestContext, test } from 'node:test';

import { pipVersions, uvCommand } from '../../scripts/tools.mjs';
import { sha256 } from '../../src/logic/digest.ts';
import { isOlderPip } from '../../src/logic/names.ts';
import { createMachine, type Finished, type Machine, start } from '../support/command-line.ts';
import { startIndex } from '../support/index-server.ts';
import { distributionsIn } from '../support/jobs.ts';
import { projectDirectory, sdist, wheel } from '../support/packages.ts';
import { sitePackages } from '../support/python.ts';

const index = await startIndex({
  distributions: [
    wheel({ name: 'Alpha', version: '1.0', requires: ['beta>=1'] }),
    wheel({ name: 'beta', version: '1.0' }),
    sdist({ name: 'gamma', version: '1.0' }),
  ],
});
after(() => index.close());
beforeEach(() => index.reset());

const everything = ['Alpha==1.0', 'beta==1.0', 'gamma==1.0'];
const files = { 'requirements.txt': 'gamma==1.0\nalpha==1.0\n' };

const secret = 'canary-8f2e';

function machine(t: TestContext): Machine {
  const url = new URL(index.url);
  [url.username, url.password] = ['robot', secret];
  const made = createMachine(files, url.href);
  t.after(made.remove);
  return made;
}

interface Installer {
  readonly name: string;
  readonly pip: string;
  readonly install: (python: string) => Promise<Finished>;
}

/** The commands of README.txt, for every pip and for uv. */
function installersOf(bundle: string, m: Machine): Installer[] {
  const readme = readFileSync(join(bundle, 'README.txt'), 'utf8');
  const [, plain = ''] = /^pip: pip (install .*)$/m.exec(readme) ?? [];
  const [, modern = '', uv = ''] =
    /^pip 26\.1 or newer: pip (install .*); uv: uv (pip install .*)$/m.exec(readme) ?? [];
  const env = { ...m.env, PIP_INDEX_URL: undefined, UV_NO_CONFIG: '1', UV_OFFLINE: '1' };
  const within = (...command: string[]) => start(command, { cwd: bundle, env });
  const withPip = (pip: string, words: string): Installer => ({
    ...{ name: `pip ${pip} ${words}`, pip },
    install: (python) => within(python, '-m', 'pip', ...words.split(' '), '--no-cache-dir'),
  });
  const newest = String(pipVersions.at(-1));
  return [
    ...pipVersions.map((pip) => withPip(pip, plain)),
    ...(isOlderPip(newest, [26, 1]) ? [] : [withPip(newest, modern)]),
    {
      ...{ name: `uv ${uv}`, pip: newest },
      install: (python) => within(uvCommand(), ...uv.split(' '), '--python', python, '--no-cache'),
    },
  ];
}

/** Digests of the files below a directory, by path. */
function digests(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    names.map((name) => [name, sha256(readFileSync(join(directory, name)))]),
  );
}

describe('wheelhouse bundle', () => {
  test('the same input gives the same bytes, whatever the directory and the order', async (t) => {
    const m = machine(t);
    const python = await m.python();
    const common = ['--store', m.store, '--python', python];
    m.write({ 'elsewhere/reordered.txt': 'alpha==1.0\n\n# a comment\ngamma==1.0\n' });
    for (const name of ['bundle', 'bundle.tar.gz', 'bundle.zip']) {
      const first = await m.run(['bundle', ...common, '-o', name]);
      assert.equal(first.exitCode, 0, first.stderr);
      assert.match(first.stdout, /^Wrote \/.*: 3 wheels \(.* kB\) for Python 3\.\d+ on \S+\.\n$/);
      const other = join(m.root, 'other', name);
      const second = await m.run(['bundle', ...common, '-r', 'reordered.txt', '-o', other], {
        cwd: join(m.directory, 'elsewhere'),
        env: { TZ: 'Pacific/Kiritimati', LC_ALL: 'sv_SE.UTF-8' },
      });
      assert.equal(second.exitCode, 0, second.stderr);
      const own = join(m.directory, name);
      if (name === 'bundle') assert.deepEqual(digests(other), digests(own));
      else assert.equal(sha256(readFileSync(other)), sha256(readFileSync(own)), name);
    }
    assert.deepEqual(readdirSync(m.temporary), [], 'nothing is left where programs work');
    const bundle = join(m.directory, 'bundle');
    assert.deepEqual(readdirSync(bundle).sort(), [
      'LICENSES.txt',
      'README.txt',
      'alpha-1.0-py3-none-any.whl',
      'beta-1.0-py3-none-any.whl',
      'gamma-1.0-py3-none-any.whl',
      'pylock.toml',
      'requirements.lock',
      'sbom.cdx.json',
    ]);
    const readme = readFileSync(join(bundle, 'README.txt'), 'utf8');
    assert.ok(readme.split('\n').length <= 6, readme);
    for (const file of readdirSync(bundle)) {
      const content = readFileSync(join(bundle, file), 'latin1');
      assert.ok(!content.includes(new URL(index.url).host), `${file} names the index`);
      assert.ok(!content.includes(secret), `${file} contains a credential`);
      assert.ok(!content.includes(m.root), `${file} names a directory of this machine`);
    }
  });

  test('every pip and uv install a bundle by its locks, and refuse a changed wheel', async (t) => {
    const m = machine(t);
    const args = ['bundle', '--no-store', '--python', await m.python(), '-o', 'bundle.tar.gz'];
    const { exitCode, stderr } = await m.run(args);
    assert.equal(exitCode, 0, stderr);
    const target = mkdtempSync(join(m.root, 'target-'));
    execFileSync('tar', ['-xzf', join(m.directory, 'bundle.tar.gz'), '-C', target]);
    const bundle = join(target, 'wheelhouse');
    index.reset();
    const installers = installersOf(bundle, m);
    for (const { name, install, pip } of installers) {
      const python = await m.python(pip);
      const installed = await install(python);
      assert.equal(installed.exitCode, 0, `${name}: ${installed.stderr}`);
      const names = distributionsIn(sitePackages(dirname(dirname(python))));
      assert.deepEqual(
        names.map((name) => name.toLowerCase()),
        everything.map((name) => name.toLowerCase()),
      );
    }
    // Of the same size: only the digest differs.
    const other = wheel({
      ...{ name: 'beta', version: '1.0' },
      files: { 'beta/__init__.py': '__version__ = "6.6"\n' },
    });
    writeFileSync(join(bundle, other.filename), other.content);
    for (const { name, install, pip } of installers) {
      const refused = await install(await m.python(pip));
      assert.notEqual(refused.exitCode, 0, name);
      assert.match(refused.stderr, /DO NOT MATCH THE HASHES|[Hh]ash mismatch/, name);
    }
    assert.equal(index.count(), 0);
  });

  test('an output that is not a bundle is refused before anything is downloaded', async (t) => {
    const m = machine(t);
    m.write({ 'mine/notes.txt': 'mine' });
    const run = await m.run(['bundle', '--no-store', '--python', await m.python(), '-o', 'mine']);
    assert.equal(run.exitCode, 1);
    assert.match(run.stderr, /mine is not empty and is not a bundle/);
    assert.equal(index.count(), 0);
    assert.equal(readFileSync(join(m.directory, 'mine', 'notes.txt'), 'utf8'), 'mine');
    assert.equal((await m.run(['bundle'])).exitCode, 2, '--output is mandatory');
  });

  test('a bundle says that it lacks projects that are installed from source', async (t) => {
    const m = machine(t);
    projectDirectory(join(m.directory, 'source'), {
      ...{ name: 'delta', version: '1.0', requires: ['beta'] },
    });
    m.write({ 'requirements.txt': './source\n' });
    const args = ['bundle', '--no-store', '--python', await m.python(), '-o', 'bundle', '--json'];
    const run = await m.run(args);
    assert.equal(run.exitCode, 0, run.stderr);
    assert.match(run.stderr, /contains the dependencies of delta, but not/);
    assert.deepEqual(run.json()['missing'], ['delta']);
    const readme = readFileSync(join(m.directory, 'bundle', 'README.txt'), 'utf8');
    assert.match(readme, /^Not included.*: delta$/m);
  });
});
