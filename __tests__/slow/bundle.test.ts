/** Bundles for other machines, and machines without a network that install from bundles. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, type TestContext, test } from 'node:test';

import { pipVersions, root, uvCommand } from '../../scripts/tools.mjs';
import { platformTags } from '../../src/collect/logic/targets.ts';
import { isOlderPip } from '../../src/logic/names.ts';
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

const newest = String(pipVersions.at(-1));
const readsPylock = !isOlderPip(newest, [26, 1]);
const pylock = '/wheelhouse/pylock.toml';

/** Makes a root with the system's programs, these directories and a read-only /wheelhouse. */
const rootScript = `
root=$1; bundle=$2; own=$3; shift 3
mount -t tmpfs none "$root"
for directory in bin sbin lib lib32 lib64 libx32; do
  if [ -L /$directory ]; then cp -P /$directory "$root/"; fi
  if [ -d /$directory ] && [ ! -L /$directory ]; then
    mkdir "$root/$directory"; mount --rbind /$directory "$root/$directory"
  fi
done
for directory in /usr /etc /dev $own; do
  if [ -e "$root$directory" ]; then continue; fi
  mkdir -p "$root$directory"; mount --rbind $directory "$root$directory"
done
mkdir -p "$root/tmp" "$root/wheelhouse"
mount --bind "$bundle" "$root/wheelhouse"
mount -o remount,ro,bind "$root/wheelhouse"
exec chroot "$root" "$@"`;

/** Runs a command on that root, in a network namespace without any network. */
function onIsolatedRoot(m: Machine, bundled: string, own: readonly string[]): string[] {
  const place = join(m.root, 'root');
  mkdirSync(place, { recursive: true });
  return [
    'unshare',
    '-r',
    '-n',
    '-m',
    'sh',
    '-euc',
    rootScript,
    'sh',
    place,
    bundled,
    own.join(' '),
  ];
}

/** The commands of a RUN line of docs/bundle.md. */
function dockerCommand(program: string): string {
  const text = readFileSync(join(root, 'docs', 'bundle.md'), 'utf8');
  const found = new RegExp(
    `^RUN --network=none --mount=type=bind,from=wheelhouse,target=/wheelhouse \\\\\n +(${program} .*)$`,
    'm',
  ).exec(text);
  return String(found?.[1]);
}

describe('a machine without a network', () => {
  for (const [name, pip, program] of [
    ...pipVersions.map((pip) => [`pip ${pip}`, pip, 'pip'] as const),
    ...(readsPylock ? [[`pip ${newest} from pylock.toml`, newest, 'pip'] as const] : []),
    ['uv', undefined, 'uv'] as const,
  ]) {
    test(`${name} installs a bundle by the RUN line of docs/bundle.md`, async (t) => {
      const m = created(t, { 'requirements.txt': 'alpha\nsource\n' });
      const made = await bundle(m, '-o', 'bundle');
      assert.equal(made.exitCode, 0, made.stderr);
      const python = await m.python(pip);
      const environment = dirname(dirname(python));
      const tools = dirname(uvCommand());
      const wheels = join(m.directory, 'bundle');
      const command = dockerCommand(program)
        // A venv stands for the system's Python of an image.
        .replace('uv pip install --system', `uv pip install --python ${python}`)
        .replace(/^pip /, `${python} -m pip `)
        .replace(/--no-index.*$/, (all) => (name.includes('pylock') ? `-r ${pylock}` : all));
      const env = {
        PATH: `${tools}:${process.env['PATH']}`,
        HOME: '/tmp',
        PIP_CONFIG_FILE: devNull,
      };
      const base = evaluate('python3', `__import__('sys').base_prefix`);
      const isolated = onIsolatedRoot(m, wheels, [environment, tools, base]);
      const canIsolate = (await start([...isolated, 'true'], { env })).exitCode === 0;
      if (!canIsolate) {
        t.diagnostic(
          'unshare is not permitted here: only a proxy that refuses connections is in the way',
        );
      }
      const deadProxy = { HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9' };
      const { exitCode, stderr } = canIsolate
        ? await start([...isolated, 'sh', '-c', command], { env })
        : await start(['sh', '-c', command.replaceAll('/wheelhouse', wheels)], {
            env: { ...env, ...deadProxy },
          });
      assert.equal(exitCode, 0, stderr);
      assert.deepEqual(distributionsIn(sitePackages(environment)), [
        ...['alpha==1.0', 'dropped==1.0', 'native==1.0', 'source==2.0'],
      ]);
    });
  }
});

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

  test('is built here if the only version is that of this Python', async (t) => {
    const m = created(t, { 'requirements.txt': 'source\n' });
    const made = await bundle(m, '--python-versions', own, '-o', 'bundle');
    assert.equal(made.exitCode, 0, made.stderr);
    assert.deepEqual(wheelsIn(join(m.directory, 'bundle')), ['source-2.0-py3-none-any.whl']);
  });

  test('shows the credentials of the index nowhere', async (t) => {
    const [username, password] = ['robot', 'c@nary/S3cr3t'];
    const guarded = await startIndex({ distributions, auth: { username, password } });
    t.after(() => guarded.close());
    const m = created(t);
    for (const args of [elsewhere, []]) {
      const flags = ['--no-store', '--python', await m.python(), ...args, '-o', 'bundle'].concat(
        ...['--index-username', username],
      );
      const { exitCode, stdout, stderr } = await m.run(['bundle', ...flags], {
        env: {
          WHEELHOUSE_INDEX_URL: guarded.url,
          WHEELHOUSE_INDEX_PASSWORD: password,
          PIP_INDEX_URL: undefined,
        },
      });
      assert.equal(exitCode, 0, stderr);
      const place = join(m.directory, 'bundle');
      const files = readdirSync(place).map((file) => readFileSync(join(place, file), 'latin1'));
      for (const text of [stdout, stderr, ...files]) {
        for (const secret of [password, encodeURIComponent(password), 'c%40nary']) {
          assert.ok(!text.includes(secret), text);
        }
        if (text !== stderr) assert.ok(!text.includes(new URL(guarded.url).host), text);
      }
    }
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

  const locked = ['--no-index', '--find-links', '.', '--require-hashes', '-r', 'requirements.lock'];
  for (const [name, pip, args] of [
    ...pipVersions.map((each) => [`pip ${each}`, each, locked] as const),
    ...(readsPylock
      ? [[`pip ${newest} from pylock.toml`, newest, ['-r', 'pylock.toml']] as const]
      : []),
    ['uv from pylock.toml', undefined, ['-r', 'pylock.toml']] as const,
    ['uv', undefined, locked] as const,
  ]) {
    test(`is installed here by ${name}`, async (t) => {
      const m = created(t);
      await bundle(m, ...elsewhere, '-o', 'bundle');
      const python = await m.python(pip);
      const command = name.startsWith('uv')
        ? [uvCommand(), 'pip', 'install', '--python', python, '--no-cache', ...args]
        : [python, '-m', 'pip', 'install', '--no-cache-dir', ...args];
      const { exitCode, stderr } = await start(command, {
        env: { ...m.env, PIP_INDEX_URL: undefined, UV_OFFLINE: '1' },
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
      /^error: These have no wheel that fits.*: source-2\.0\.tar\.gz \(Python 3\.\d+ on manylinux.*, Python 3\.\d+ on win_amd64\)\. Choose a version/m,
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
