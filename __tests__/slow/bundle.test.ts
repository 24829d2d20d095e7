/** Bundles for other machines, and machines without a network that install from bundles. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, type TestContext, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { platformTags } from '../../src/collect/logic/targets.ts';
import { createMachine, type Finished, type Machine, start } from '../support/command-line.ts';
import { startIndex } from '../support/index-server.ts';
import { distributionsIn } from '../support/jobs.ts';
import { sdist, wheel } from '../support/packages.ts';
import { evaluate, sitePackages } from '../support/python.ts';

const [own = ''] = evaluate('python3', `'%d.%d' % __import__('sys').version_info[:2]`).split('\n');
const other = own === '3.12' ? '3.13' : '3.12';
const [ownTag, otherTag] = [own, other].map((version) => `cp${version.replace('.', '')}`);
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const linux = `manylinux_2_17_${machine}`;
const platforms = [linux, 'win_amd64'];

/** A file on a server that nobody named. */
const evil = wheel({ name: 'evil', version: '1.0' });
const foreign = await startIndex({ distributions: [evil] });

/** Wheels for both platforms and both Pythons, as projects with extension modules have them. */
const native = [ownTag, otherTag].flatMap((python) =>
  [`manylinux2014_${machine}`, 'win_amd64'].map((platform) =>
    wheel({ name: 'native', version: '1.0', tag: `${python}-${python}-${platform}` }),
  ),
);
const distributions = [
  wheel({
    name: 'alpha',
    version: '1.0',
    requires: ['native', 'colour; sys_platform == "win32"', 'dropped'],
  }),
  ...native,
  wheel({ name: 'native', version: '2.0', tag: `${ownTag}-${ownTag}-macosx_11_0_arm64` }),
  wheel({ name: 'colour', version: '1.0' }),
  wheel({ name: 'dropped', version: '1.0' }),
  wheel({ name: 'dropped', version: '2.0', requiresPython: `>=${other}` }),
  sdist({ name: 'source', version: '2.0' }),
  wheel({ name: 'source', version: '1.0' }),
  wheel({
    name: 'sly',
    version: '1.0',
    requires: [`evil @ ${new URL(`/files/${evil.filename}`, foreign.url).href}`],
  }),
];
if (other < own) throw new Error('the other Python has to be newer for the versions to differ');
const index = await startIndex({ distributions });
after(() => Promise.all([index.close(), foreign.close()]));
beforeEach(() => index.reset());

function created(t: TestContext, files: Record<string, string> = {}): Machine {
  const made = createMachine({ 'requirements.txt': 'alpha\n', ...files }, index.url);
  t.after(made.remove);
  return made;
}

const elsewhere = [...platforms.flatMap((each) => ['--platforms', each])].concat(
  ...[own, other].map((version) => ['--python-versions', version]),
);

async function bundle(m: Machine, ...args: string[]): Promise<Finished> {
  return m.run(['bundle', '--no-store', '--python', await m.python(), ...args]);
}

function wheelsIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.whl'));
}

describe('a bundle for other platforms and Pythons', () => {
  test('has the wheels that pip downloads for each, and markers where versions differ', async (t) => {
    const m = created(t);
    const made = await bundle(m, ...elsewhere, '-o', 'bundle');
    assert.equal(made.exitCode, 0, made.stderr);

    const expected = new Set<string>(['colour-1.0-py3-none-any.whl']);
    const python = await m.python();
    for (const platform of platforms) {
      for (const version of [own, other]) {
        const target = join(m.root, `${platform}-${version}`);
        mkdirSync(target);
        const tags = platformTags(platform).map((tag) => `--platform=${tag}`);
        const args = ['--only-binary=:all:', `--python-version=${version}`, ...tags, 'alpha'];
        const command = [python, '-m', 'pip', 'download', '-q', '--dest', target, ...args];
        const result = await start(command, { env: m.env });
        assert.equal(result.exitCode, 0, result.stderr);
        for (const file of wheelsIn(target)) expected.add(file);
      }
    }
    const place = join(m.directory, 'bundle');
    assert.deepEqual(wheelsIn(place).sort(), [...expected].sort());
    const lock = readFileSync(join(place, 'requirements.lock'), 'utf8');
    assert.deepEqual(
      lock
        .replaceAll(/ --hash=\S+/g, '')
        .trim()
        .split('\n'),
      [
        'alpha==1.0',
        'colour==1.0 ; sys_platform == "win32"',
        `dropped==1.0 ; python_version == "${own}"`,
        `dropped==2.0 ; python_version == "${other}"`,
        'native==1.0',
      ],
    );
    assert.equal(lock.match(/^native.*$/m)?.[0].match(/--hash/g)?.length, 4);
  });

  test('is the same for any order of platforms and versions', async (t) => {
    const m = created(t);
    await bundle(m, ...elsewhere, '-o', 'one.tar.gz');
    const lists = [platforms.toReversed().join('\n'), [other, own].join(',')];
    const flags = ['--platforms', lists[0] ?? '', '--python-versions', lists[1] ?? ''];
    const second = await bundle(m, ...flags, '-o', 'two.tar.gz');
    assert.equal(second.exitCode, 0, second.stderr);
    const [one, two] = ['one', 'two'].map((name) =>
      readFileSync(join(m.directory, `${name}.tar.gz`)),
    );
    assert.ok(one?.equals(two ?? Buffer.alloc(0)));
  });

  for (const pip of pipVersions) {
    test(`is installed here by pip ${pip}`, async (t) => {
      const m = created(t);
      await bundle(m, ...elsewhere, '-o', 'bundle');
      const python = await m.python(pip);
      const flags = ['--no-index', '--find-links', '.', '--require-hashes', '--no-cache-dir'];
      const command = [python, '-m', 'pip', 'install', ...flags, '-r', 'requirements.lock'];
      const { exitCode, stderr } = await start(command, {
        env: { ...m.env, PIP_INDEX_URL: undefined },
        cwd: join(m.directory, 'bundle'),
      });
      assert.equal(exitCode, 0, stderr);
      assert.deepEqual(distributionsIn(sitePackages(dirname(dirname(python)))), [
        ...['alpha==1.0', 'dropped==1.0', 'native==1.0'],
      ]);
    });
  }

  for (const [what, files, args, message] of [
    [
      'a version without a wheel',
      { 'requirements.txt': 'source\n' },
      [],
      /No wheel of these versions fits.*: source-2\.0\.tar\.gz \(Python 3\.\d+ on manylinux.*, Python 3\.\d+ on win_amd64\)\. Choose a version/,
    ],
    [
      'a file that the index does not list',
      { 'requirements.txt': 'sly\n' },
      [],
      /^error: evil-1\.0-py3-none-any\.whl is not listed by .*Only files of the index are bundled\. No bundle was written\./m,
    ],
    [
      'a local project',
      { 'pyproject.toml': '[project]\nname = "x"\nversion = "1"\n', 'requirements.txt': '.\n' },
      [],
      /"\." does not come from an index, so its dependencies on other platforms are not known/,
    ],
    ['an unknown platform', {}, ['--platforms', 'amiga'], /input platforms contains "amiga"/],
    ['a pip without an index', {}, ['no-index'], /pip is configured to use no index/],
    [
      'exceptions from the minimum release age',
      {},
      ['--minimum-release-age', '1 day', '--minimum-release-age-exclude', 'alpha'],
      /minimum-release-age needs pip 26\.0 or newer, and takes no exceptions/,
    ],
  ] as const) {
    test(`is refused because of ${what}`, async (t) => {
      const m = created(t, files);
      const noIndex = args.some((arg) => arg === 'no-index');
      const flags = [...elsewhere, ...args.filter((arg) => arg !== 'no-index'), '-o', 'bundle'];
      const made = await m.run(['bundle', '--no-store', '--python', await m.python(), ...flags], {
        env: noIndex ? { PIP_NO_INDEX: '1' } : {},
      });
      assert.equal(made.exitCode, 1, made.stderr);
      assert.match(made.stderr, message);
      assert.deepEqual(
        readdirSync(m.directory).sort(),
        Object.keys({ 'requirements.txt': '', ...files }).sort(),
      );
    });
  }
});
