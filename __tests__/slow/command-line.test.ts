/** The command line as its users meet it: what it prints, keeps and answers with. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { root } from '../../scripts/tools.mjs';
import { createMachine, type Machine, type RunOptions, start } from '../support/command-line.ts';
import { startIndex } from '../support/index-server.ts';
import { distributionsIn } from '../support/jobs.ts';
import { projectDirectory, sdist, wheel } from '../support/packages.ts';
import { sitePackages } from '../support/python.ts';

interface Diagnosis {
  readonly hit: boolean;
  readonly findings: readonly { readonly level: string; readonly text: string }[];
}

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1'] });
const betas = ['1.0', '2.0'].map((version) => wheel({ name: 'beta', version }));
const gamma = sdist({ name: 'gamma', version: '1.0' });
const large = ['one', 'two', 'three'].map((name) => wheel({ name, version: '1.0', size: 200_000 }));
const distributions = [alpha, ...betas, gamma, ...large];
const index = await startIndex({ urls: 'redirect', distributions });
const other = await startIndex({ distributions });
after(() => Promise.all([index.close(), other.close()]));

const pinned = 'alpha==1.0\nbeta==1.0\n';
const everything = ['alpha==1.0', 'beta==1.0'];

beforeEach(async () => {
  index.reset();
  await index.fail(undefined);
});

function machine(t: TestContext, files: Record<string, string> = { 'requirements.txt': pinned }) {
  const made = createMachine(files, index.url);
  t.after(made.remove);
  return made;
}

function installedBy(python: string): string[] {
  return distributionsIn(sitePackages(dirname(dirname(python))));
}

describe('install', () => {
  test('wheelhouse install: a miss, an exact hit without an index request, a partial hit', async (t) => {
    const m = machine(t);
    const [first, second] = [await m.python(), await m.python()];
    const install = (python: string) => m.run(['install', '--store', m.store, '--python', python]);
    const miss = await install(first);
    assert.equal(miss.exitCode, 0, miss.stderr);
    assert.match(miss.stdout, /^miss: 2 wheels, 0 from the cache \(0 B\), 2 downloaded/);
    assert.match(miss.stderr, /^ +alpha==1\.0$/m, 'progress is on standard error');
    assert.deepEqual(installedBy(first), everything);
    assert.equal(m.stored().length, 1);
    assert.deepEqual(Object.keys(m.storedWheels()), [
      'alpha-1.0-py3-none-any.whl',
      'beta-1.0-py3-none-any.whl',
    ]);

    index.reset();
    const hit = await install(second);
    assert.equal(hit.exitCode, 0, hit.stderr);
    assert.match(hit.stdout, /^exact hit, 0 index requests: 2 wheels, 2 from the cache/);
    assert.equal(index.count(), 0);
    assert.deepEqual(installedBy(second), everything);

    m.write({ 'requirements.txt': 'alpha==1.0\nbeta==2.0\n' });
    const partial = await install(second);
    assert.match(partial.stdout, /^partial hit: 2 wheels, 1 from the cache/);
    assert.deepEqual(index.artifacts(), ['beta-2.0-py3-none-any.whl']);
    assert.deepEqual(installedBy(second), ['alpha==1.0', 'beta==2.0']);
    assert.equal(m.stored().length, 2);
    assert.deepEqual(
      Object.keys(m.storedWheels()),
      [alpha, ...betas].map(({ filename }) => filename),
      'both wheelhouses share alpha',
    );
    assert.deepEqual(readdirSync(m.temporary), [], 'nothing is left where programs work');
  });

  test('install --json prints the origin of each wheel; progress stays on standard error', async (t) => {
    const m = machine(t, { 'requirements.txt': 'gamma==1.0\n' });
    const python = await m.python();
    const args = ['install', '--store', m.store, '--python', python, '--json'];
    const filled = (await m.run(args)).json();
    const [key] = m.stored();
    assert.deepEqual(Object.keys(filled), [
      ...['hit', 'key', 'matchedKey', 'indexUsed', 'python', 'wheelhouse', 'venv', 'wheels'],
      ...['fromCache', 'downloaded', 'built', 'seconds'],
    ]);
    assert.equal(filled['hit'], 'miss');
    assert.equal(filled['key'], key);
    assert.equal(filled['matchedKey'], null);
    assert.equal(filled['indexUsed'], index.url);
    assert.equal(filled['python'], python);
    const [built] = filled['wheels'] as Record<string, unknown>[];
    assert.equal(built?.['file'], 'gamma-1.0-py3-none-any.whl');
    assert.equal(built?.['origin'], 'built');
    assert.deepEqual(filled['built'], { count: 1, bytes: built?.['size'] });

    const again = (await m.run(args)).json();
    assert.equal(again['hit'], 'exact');
    assert.equal(again['matchedKey'], key);
    assert.equal(again['indexUsed'], null);
    assert.deepEqual(again['wheels'], filled['wheels']);
  });

  test('install keeps its store in the cache directory of the user', async (t) => {
    const m = machine(t, { 'requirements.txt': 'beta==1.0\n' });
    const env = { XDG_CACHE_HOME: join(m.root, 'caches') };
    const { exitCode, stderr } = await m.run(['install', '--python', await m.python()], { env });
    assert.equal(exitCode, 0, stderr);
    const place =
      process.platform === 'darwin'
        ? join(m.root, 'home', 'Library', 'Caches', 'wheelhouse')
        : join(m.root, 'caches', 'wheelhouse');
    assert.deepEqual(readdirSync(place).sort(), ['entries', 'wheels']);
  });

  test('install --no-store --wheelhouse uses only that directory', async (t) => {
    const m = machine(t, { 'requirements.txt': 'alpha==1.0\nbeta==1.0\ngamma==1.0\n' });
    const [first, second] = [await m.python(), await m.python()];
    const run = (python: string) =>
      m.run(['install', '--no-store', '--wheelhouse', 'wheels', '--python', python, '--json'], {
        env: { XDG_CACHE_HOME: m.store },
      });
    const filled = (await run(first)).json();
    const place = join(m.directory, 'wheels');
    assert.equal(filled['wheelhouse'], place);
    assert.deepEqual(readdirSync(place).sort(), [
      'alpha-1.0-py3-none-any.whl',
      'beta-1.0-py3-none-any.whl',
      'gamma-1.0-py3-none-any.whl',
      'pylock.toml',
      'requirements.lock',
      'wheelhouse.json',
    ]);
    const lock = readFileSync(join(place, 'requirements.lock'), 'utf8');
    index.reset();
    const hit = (await run(second)).json();
    assert.equal(hit['hit'], 'exact');
    assert.equal(index.count(), 0);
    assert.equal(readFileSync(join(place, 'requirements.lock'), 'utf8'), lock);
    assert.deepEqual(installedBy(second), [...everything, 'gamma==1.0']);
    assert.ok(!existsSync(join(m.store, 'wheelhouse')), 'no store was made');
  });

  test('install reads the index password from the environment, and an exact hit builds without it', async (t) => {
    const secret = 'pass-word-7f3a';
    const m = machine(t, {
      'requirements.txt': 'beta==1.0\n-e ./local\n',
      'local/pyproject.toml':
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
      'local/backend.py': [
        'import os, zipfile',
        'def build_editable(directory, *_):',
        "    with open(os.environ['SEEN'], 'a') as seen:",
        "        seen.write(repr(sorted(os.environ.items())) + '\\n')",
        "    base = 'local-1.0.dist-info/'",
        "    name = 'local-1.0-py3-none-any.whl'",
        "    with zipfile.ZipFile(os.path.join(directory, name), 'w') as archive:",
        "        archive.writestr(base + 'METADATA', 'Metadata-Version: 2.1\\nName: local\\nVersion: 1.0\\n')",
        "        archive.writestr(base + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')",
        "        archive.writestr(base + 'RECORD', base + 'METADATA,,\\n' + base + 'WHEEL,,\\n' + base + 'RECORD,,\\n')",
        '    return name',
        'build_wheel = build_editable',
      ].join('\n'),
    });
    index.mode.auth = { username: 'ci', password: secret };
    try {
      const seen = join(m.root, 'seen');
      const install = async () => {
        const args = ['--store', m.store, '--python', await m.python()];
        return m.run(['install', ...args, '--index-url', index.url, '--index-username', 'ci'], {
          env: { WHEELHOUSE_INDEX_PASSWORD: secret, PIP_INDEX_URL: undefined, SEEN: seen },
        });
      };
      const { exitCode, stdout, stderr } = await install();
      assert.equal(exitCode, 0, stderr);
      assert.ok(index.count() > 0);
      assert.doesNotMatch(stdout + stderr, new RegExp(secret));
      const [key] = m.stored();
      const manifest = readFileSync(m.entryFile(String(key)), 'utf8');
      assert.doesNotMatch(manifest, new RegExp(secret));
      const builds = (): string[] => readFileSync(seen, 'utf8').trim().split('\n');
      const before = builds().length;
      assert.equal((await install()).exitCode, 0);
      assert.equal(builds().length, before + 1);
      assert.doesNotMatch(String(builds().at(-1)), new RegExp(secret), 'built without it');
    } finally {
      index.mode.auth = undefined;
    }
  });

  test('install deletes the least recently used wheelhouse when the store is too large', async (t) => {
    const m = machine(t, {});
    const python = await m.python();
    // Each takes 200 kB and a little: two fit, three don't.
    const use = async (name: string) => {
      const { exitCode, stderr } = await m.run(
        [
          'install',
          '--packages',
          `${name}==1.0`,
          '--max-size',
          '500kB',
          '--install',
          'false',
        ].concat('--store', m.store, '--python', python),
      );
      assert.equal(exitCode, 0, stderr);
    };
    await use('one');
    await use('two');
    await use('one');
    await use('three');
    assert.deepEqual(Object.keys(m.storedWheels()), [
      'one-1.0-py3-none-any.whl',
      'three-1.0-py3-none-any.whl',
    ]);
  });

  test('install keeps the wheelhouse that it saved, even if that alone exceeds --max-size', async (t) => {
    const m = machine(t, {});
    const { exitCode } = await m.run(
      ['install', '--packages', 'one==1.0', '--max-size', '1kB', '--install', 'false'].concat(
        '--store',
        m.store,
        '--python',
        await m.python(),
      ),
    );
    assert.equal(exitCode, 0);
    assert.equal(m.stored().length, 1);
  });

  test('install, doctor and prune ignore a foreign file in the store', async (t) => {
    const m = machine(t);
    mkdirSync(m.store);
    writeFileSync(join(m.store, 'README'), 'The wheels of this machine.');
    const args = ['--store', m.store, '--python', await m.python()];
    const { exitCode, stderr } = await m.run(['install', ...args]);
    assert.equal(exitCode, 0, stderr);
    assert.equal(m.stored().length, 1);
    assert.equal((await m.run(['doctor', ...args])).exitCode, 0);
    assert.equal((await m.run(['prune', '--store', m.store, '--max-size', '0'])).exitCode, 0);
    assert.deepEqual(m.stored(), []);
    assert.ok(existsSync(join(m.store, 'README')));
  });

  test('install only warns if the store is not a directory', async (t) => {
    const m = machine(t);
    const python = await m.python();
    writeFileSync(m.store, '');
    const { exitCode, stderr } = await m.run(['install', '--store', m.store, '--python', python]);
    assert.equal(exitCode, 0, stderr);
    assert.match(
      stderr,
      /^warning: Could not write to the store .* The wheelhouse is not saved\.$/m,
    );
    assert.deepEqual(installedBy(python), everything);
  });
});

test('the command that npm puts on PATH starts through a link', {
  skip: process.platform === 'win32',
}, async (t) => {
  const m = machine(t);
  const { bin, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const installed = join(m.root, 'lib', 'cli');
  cpSync(dirname(join(root, bin.wheelhouse)), installed, { recursive: true });
  const program = join(installed, basename(bin.wheelhouse));
  // As npm does: the file itself is started, by a link.
  chmodSync(program, 0o755);
  const command = join(m.root, 'wheelhouse');
  symlinkSync(program, command);
  const { exitCode, stdout, stderr } = await start([command, '--version'], { env: m.env });
  assert.equal(exitCode, 0, stderr);
  assert.equal(stdout, `${version}\n`);
});

test('--help describes each flag as action.yml does', async (t) => {
  const { stdout } = await machine(t, {}).run(['install', '--help']);
  const text = stdout.replace(/\s+/g, ' ');
  assert.match(
    text,
    /-c, --constraints <value> Constraint files or globs, one per line\. Can be repeated\./,
  );
  assert.match(text, /--installer <value> [^-]* \(default: pip\)/);
});

test('--version prints the version of package.json', async (t) => {
  const { stdout } = await machine(t).run(['--version']);
  const file = readFileSync(join(root, 'package.json'), 'utf8');
  assert.equal(stdout, `${(JSON.parse(file) as { version: string }).version}\n`);
});

describe('exit codes', () => {
  const cases: [what: string, args: string[], code: number, says: RegExp][] = [
    ['help', ['--help'], 0, /^Usage: wheelhouse/m],
    ['the version', ['--version'], 0, /^\d+\.\d+\.\d+/],
    ['an unknown command', ['instal'], 2, /unknown command 'instal'/],
    ['an unknown option', ['install', '--fast'], 2, /unknown option '--fast'/],
    ['an invalid size', ['prune', '--max-size', 'big'], 2, /a size such as 500MB or 2GB/],
    ['a missing option', ['prune'], 2, /--max-size <size>' not specified/],
    ['a missing requirement file', ['install', '-r', 'no.txt'], 1, /^error: .*no\.txt/m],
    [
      'an invalid value',
      ['key', '--refresh', 'yearly'],
      1,
      /^error: .* is "yearly"; it must be one of/m,
    ],
    ['a missing Python', ['key', '--python', './python9'], 1, /^error: Python .* was not found/m],
  ];
  for (const [what, args, code, says] of cases) {
    test(`exit code ${code}: ${what}`, async (t) => {
      const m = machine(t);
      const { exitCode, stdout, stderr } = await m.run(args);
      assert.equal(exitCode, code, stderr);
      assert.match(stdout + stderr, says);
      assert.doesNotMatch(stderr, /bug in wheelhouse/);
    });
  }

  test('exit code 1: an error in a requirement file has its file and line', async (t) => {
    const m = machine(t, { 'requirements.txt': 'beta==1.0\n-r more.txt\n' });
    const { exitCode, stdout, stderr } = await m.run([
      'install',
      ...['--store', m.store, '--python', await m.python()],
    ]);
    assert.equal(exitCode, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^error: .*requirements\.txt:2: .*more\.txt/m);
  });

  test('exit code 1: an index without the requested version', async (t) => {
    const m = machine(t, { 'requirements.txt': 'beta==7.0\n' });
    const { exitCode, stderr } = await m.run([
      'install',
      ...['--store', m.store, '--python', await m.python()],
    ]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /beta==7\.0/);
    assert.deepEqual(m.stored(), []);
  });

  test('exit code 3: a bug in wheelhouse is reported with a stack', async (t) => {
    const m = machine(t);
    const trap = join(m.root, 'trap.mjs');
    // No such bug is known, or it would be fixed: this breaks a part of Node instead.
    writeFileSync(
      trap,
      `import crypto from 'node:crypto';
      import { syncBuiltinESMExports } from 'node:module';
      crypto.createHash = () => { throw new TypeError('gone'); };
      syncBuiltinESMExports();\n`,
    );
    const { exitCode, stderr } = await m.run(['key', '--python', await m.python()], {
      node: ['--import', trap],
    });
    assert.equal(exitCode, 3);
    assert.match(stderr, /^error: this is a bug in wheelhouse: TypeError: gone\n +at /m);
  });

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`exit code ${code}: ${signal} stops install and its programs, and nothing is left behind`, async (t) => {
      const m = machine(t);
      const python = await m.python();
      await index.fail('timeout');
      const { exitCode } = await m.run(['install', '--store', m.store, '--python', python], {
        meanwhile: async (pid) => {
          while (index.count() === 0) await sleep(20);
          process.kill(pid, signal);
        },
      });
      assert.equal(exitCode, code);
      assert.deepEqual(m.stored(), []);
      assert.deepEqual(readdirSync(m.temporary), []);
    });
  }
});

describe('key', () => {
  test('key prints the key and the restore prefixes, whatever the name of the requirement file', async (t) => {
    const m = machine(t, {
      'requirements.txt': pinned,
      'sub/renamed.txt': '# the same\r\nbeta == 1.0\r\nalpha==1.0\r\n',
    });
    const python = await m.python();
    const { stdout, exitCode } = await m.run(['key', '--python', python]);
    assert.equal(exitCode, 0);
    const [key = '', request = '', family = '', ...more] = stdout.trimEnd().split('\n');
    assert.deepEqual(more, []);
    assert.match(
      key,
      /^wheelhouse-v2-[a-z0-9_.-]+-cp3\d+-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{40}-\d{4}-w\d\d$/,
    );
    assert.ok(key.startsWith(request) && request.startsWith(family), stdout);
    assert.deepEqual((await m.run(['key', '--python', python, '--json'])).json(), {
      key,
      restoreKeys: [request, family],
    });
    const renamed = await m.run(['key', '-r', 'sub/renamed.txt', '--python', python]);
    assert.equal(renamed.stdout, stdout);
    await m.run(['install', '--store', m.store, '--python', python]);
    assert.deepEqual(m.stored(), [key], 'it is the very key that an installation keeps');
    assert.equal(index.count('root'), 0);
  });

  test('key prints nothing else for a glob, and -c means --constraints', async (t) => {
    const m = machine(t, { 'reqs/a.txt': pinned, 'limits.txt': 'beta<2\n' });
    const python = await m.python();
    const args = ['key', '-r', 'reqs/*.txt', '-c', 'limits.txt', '--python', python];
    const { stdout, stderr, exitCode } = await m.run(args);
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /^wheelhouse-v2-[^\n]+\n/);
    const long = args.map((word) => (word === '-c' ? '--constraints' : word));
    assert.deepEqual(
      (await m.run([...long, '--json'])).json<{ key: string }>().key,
      stdout.split('\n')[0],
    );
  });

  test('the key depends on the content of build constraints, not on their spelling', async (t) => {
    const m = machine(t);
    const python = await m.python('26.3');
    const key = async (text: string): Promise<string> => {
      m.write({ 'limits.txt': text });
      const env = { PIP_BUILD_CONSTRAINT: 'limits.txt' };
      const { stdout, stderr } = await m.run(['key', '--python', python], { env });
      assert.match(stdout, /^wheelhouse-v2-/, stderr);
      return stdout;
    };
    const before = await key('setuptools<70\n');
    assert.equal(await key('# why\nsetuptools < 70\n'), before);
    assert.notEqual(await key('setuptools<60\n'), before);
  });

  test('key makes no index requests', async (t) => {
    const m = machine(t);
    await m.run(['key', '--python', await m.python()]);
    assert.equal(index.count(), 0);
  });
});

describe('prune', () => {
  test('prune deletes the least recently used wheelhouses until the rest fits', async (t) => {
    const m = machine(t, {});
    const python = await m.python();
    const common = ['--store', m.store, '--python', python, '--install', 'false'];
    for (const name of ['one', 'two', 'three']) {
      await m.run(['install', '--packages', `${name}==1.0`, ...common]);
    }
    const [oldest = '', ...rest] = m
      .stored()
      .sort((a, b) => used(m, a) - used(m, b))
      .map((key) => key);
    const prune = (size: string) => m.run(['prune', '--store', m.store, '--max-size', size]);
    assert.equal((await prune('5GB')).stdout, 'Deleted 0 wheelhouses (0 B).\n');
    assert.match((await prune('0.5 MB')).stdout, /^Deleted 1 wheelhouse \(20\d kB\)\.\n$/);
    assert.deepEqual(m.stored(), [...rest].sort());
    assert.ok(!m.stored().includes(oldest));
    assert.match((await prune('0')).stdout, /^Deleted 2 wheelhouses \(/);
    assert.deepEqual(m.stored(), []);
    assert.equal((await prune('0')).exitCode, 0, 'a store that is empty');
    rmSync(m.store, { recursive: true });
    assert.equal((await prune('0')).exitCode, 0, 'a store that is not there');
  });

  test('prune deletes unfinished entries of killed runs after a day', async (t) => {
    const m = machine(t, {});
    const [old, young] = ['a', 'b'].map((letter) =>
      join(m.store, `.${letter.repeat(8)}-0000-4000-8000-000000000000`),
    ) as [string, string];
    for (const directory of [old, young]) {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'half.whl'), 'half');
    }
    const longAgo = new Date(Date.now() - 3 * 86_400_000);
    utimesSync(old, longAgo, longAgo);
    assert.equal((await m.run(['prune', '--store', m.store, '--max-size', '1GB'])).exitCode, 0);
    assert.ok(!existsSync(old));
    assert.ok(existsSync(young), 'another run may be at it');
  });
});

function used(m: Machine, key: string): number {
  return statSync(m.entryFile(key)).mtimeMs;
}

describe('doctor', () => {
  /** A store with one wheelhouse for `pinned`; each situation gets a copy. */
  let pattern: Machine;
  let key: string;

  before(async () => {
    pattern = createMachine({ 'requirements.txt': pinned }, index.url);
    const args = ['--store', pattern.store, '--python', await pattern.python()];
    const filled = await pattern.run(['install', ...args, '--install', 'false']);
    assert.equal(filled.exitCode, 0, filled.stderr);
    key = String(pattern.stored()[0]);
  });
  after(() => pattern.remove());

  const prepared = (t: TestContext, files?: Record<string, string>) => {
    const m = machine(t, files);
    cpSync(pattern.store, m.store, { recursive: true });
    return m;
  };
  const diagnose = async (
    m: Machine,
    python: string,
    options: RunOptions = {},
    ...more: string[]
  ) => {
    const before = JSON.stringify(m.stored());
    const args = ['doctor', '--store', m.store, '--python', python, ...more];
    const machines = await m.run([...args, '--json'], options);
    const people = await m.run(args, options);
    assert.equal(people.exitCode, machines.exitCode);
    const diagnosis = machines.json<Diagnosis>();
    const marks: Record<string, string> = { good: 'ok', note: '--', problem: '!!' };
    const lines = diagnosis.findings.map(({ level, text }) => `${marks[level]} ${text}\n`);
    // The name of a file that could not be made is another one each time.
    const settled = (text: string) => text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'UUID');
    assert.equal(
      settled(people.stdout),
      settled(lines.join('')),
      'the text says the same as the JSON',
    );
    const isProblem = diagnosis.findings.some(({ level }) => level === 'problem');
    assert.equal(machines.exitCode, isProblem ? 1 : 0);
    assert.deepEqual(distributionsIn(sitePackages(dirname(dirname(python)))), []);
    assert.equal(JSON.stringify(m.stored()), before, 'it changes nothing');
    return diagnosis;
  };
  const why = ({ findings }: Diagnosis) =>
    findings.find(({ text }) => text.startsWith('miss: '))?.text;
  const problems = ({ findings }: Diagnosis) =>
    findings.filter(({ level }) => level === 'problem').map(({ text }) => text);
  const because = (reason: string) => `miss: compared with ${key}:\n  - ${reason}`;

  test('doctor reports a hit without problems', async (t) => {
    const m = prepared(t);
    const diagnosis = await diagnose(m, await m.python());
    assert.equal(diagnosis.hit, true);
    assert.deepEqual(problems(diagnosis), []);
    assert.ok(
      diagnosis.findings.some(
        ({ text }) => text === `hit: ${key} serves; no index requests needed`,
      ),
    );
  });

  test('doctor names the files that it found, and what is wrong with a lock', async (t) => {
    const m = prepared(t);
    const found = await diagnose(
      m,
      await m.python(),
      {},
      '--packages',
      'alpha',
      '-r',
      'requirements.txt',
    );
    assert.equal(found.findings[0]?.text, 'requirements: requirements.txt (2), input packages (1)');
    const broken = machine(t, { 'pylock.toml': 'lock-version = "2.0"\n' });
    const { exitCode, stderr } = await broken.run(['doctor', '--python', await broken.python()]);
    assert.equal(exitCode, 1);
    assert.match(stderr, /Found pylock\.toml: installing what it lists/);
    assert.match(stderr, /error: pylock\.toml.*lock-version/);
  });

  test('doctor names a changed pin', async (t) => {
    const m = prepared(t, { 'requirements.txt': 'alpha==1.0\nbeta==2.0\n' });
    const diagnosis = await diagnose(m, await m.python());
    assert.equal(diagnosis.hit, false);
    assert.equal(why(diagnosis), because('beta==1.0 is now beta==2.0'));
    assert.deepEqual(problems(diagnosis), []);
  });

  test('doctor reports changed dependencies of a local project', async (t) => {
    const m = machine(t, { 'requirements.txt': './local\n' });
    const project = (dependency: string) =>
      projectDirectory(join(m.directory, 'local'), {
        ...{ name: 'local', version: '1.0', requires: [dependency] },
      });
    project('beta==1.0');
    const python = await m.python();
    const args = ['install', '--store', m.store, '--python', python, '--install', 'false'];
    const filled = await m.run(args);
    assert.equal(filled.exitCode, 0, filled.stderr);
    project('beta==2.0');
    const diagnosis = await diagnose(m, python);
    assert.match(
      String(why(diagnosis)),
      /^miss: compared with \S+:\n {2}- the dependency list of a local project changed$/,
    );
  });

  test('doctor notes that a different patch release of Python does not matter', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const series = pythonSeries(python);
    disguise(python, [`platform.python_version = lambda: '${series}.199'`]);
    const diagnosis = await diagnose(m, python);
    assert.equal(diagnosis.hit, true);
    const note = diagnosis.findings.find(({ level }) => level === 'note')?.text;
    assert.match(
      String(note),
      new RegExp(
        `^the wheelhouse was made with Python ${series}\\.\\d+\\S* and this is ${series}\\.199: a different patch release does not matter$`,
      ),
    );
    // The claim is the product's: a run hits indeed.
    const run = await m.run(['install', '--store', m.store, '--python', python, '--json']);
    assert.equal(run.json()['hit'], 'exact');
  });

  test('doctor names a different minor version of Python', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const series = pythonSeries(python);
    // An older one: pip takes from the standard library what a newer one would have.
    const older = series.replace(/\d+$/, (minor) => String(Number(minor) - 1));
    disguise(python, [
      'import collections',
      "Version = collections.namedtuple('Version', 'major minor micro releaselevel serial')",
      `sys.version_info = Version(3, ${older.slice(2)}, 1, 'final', 0)`,
      `platform.python_version = lambda: '${older}.1'`,
    ]);
    const diagnosis = await diagnose(m, python);
    assert.equal(diagnosis.hit, false);
    assert.equal(why(diagnosis), because(`the Python version changed from ${series} to ${older}`));
  });

  test('doctor names a different C library', { skip: process.platform !== 'linux' }, async (t) => {
    const m = prepared(t);
    const python = await m.python();
    disguise(python, ["os.confstr = lambda name: 'glibc 2.99'"]);
    const diagnosis = await diagnose(m, python);
    assert.match(
      String(why(diagnosis)),
      /^miss: compared with \S+:\n {2}- the C library changed from \S+ to glibc2\.99$/,
    );
  });

  test('doctor reports that unpinned requirements have expired', async (t) => {
    const m = machine(t, { 'requirements.txt': 'alpha\n' });
    const python = await m.python();
    const longAgo = join(m.root, 'long-ago.mjs');
    // As if it ran three weeks ago.
    writeFileSync(
      longAgo,
      `const ago = 21 * 86_400_000;
      const { now } = Date;
      Date.now = () => now() - ago;
      globalThis.Date = new Proxy(Date, {
        construct: (target, args) => Reflect.construct(target, args.length ? args : [Date.now()]),
      });\n`,
    );
    const filled = await m.run(
      ['install', '--store', m.store, '--python', python, '--install', 'false'],
      { node: ['--import', longAgo] },
    );
    assert.equal(filled.exitCode, 0, filled.stderr);
    const diagnosis = await diagnose(m, python);
    assert.equal(diagnosis.hit, false);
    const [then] = m.stored();
    assert.match(
      String(why(diagnosis)),
      new RegExp(
        `^miss: compared with ${then}:\n  - it was resolved on \\d{4}-\\d\\d-\\d\\d \\(\\d{4}-w\\d\\d\\), it is now \\d{4}-w\\d\\d, and not everything is pinned \\(refresh: auto\\)$`,
      ),
    );
    const never = await diagnose(m, python, {}, '--refresh', 'never');
    assert.equal(never.hit, true, JSON.stringify(never));
  });

  test('doctor names a different PIP_INDEX_URL', async (t) => {
    const m = prepared(t);
    const diagnosis = await diagnose(m, await m.python(), { env: { PIP_INDEX_URL: other.url } });
    assert.equal(diagnosis.hit, false);
    const named = (url: string): string => `index-url=${new URL(url).origin}/#[0-9a-f]{32}`;
    assert.match(
      String(why(diagnosis)),
      new RegExp(`- ${named(index.url)} is now ${named(other.url)}$`),
    );
  });

  test('doctor reports an unreachable index, as a problem only if it is needed', async (t) => {
    const m = prepared(t, { 'requirements.txt': 'alpha==1.0\nbeta==2.0\n' });
    const python = await m.python();
    await index.fail('refuse');
    const needed = await diagnose(m, python);
    assert.equal(needed.hit, false);
    const [problem, ...more] = problems(needed);
    assert.deepEqual(more, []);
    assert.match(
      String(problem),
      new RegExp(`^The index ${index.url} can't be used: the connection was refused\\.$`),
    );
    m.write({ 'requirements.txt': pinned });
    const spared = await diagnose(m, python);
    assert.equal(spared.hit, true);
    assert.deepEqual(problems(spared), []);
    assert.match(JSON.stringify(spared), /can't be used: .* \(not needed for a hit\)/);
  });

  for (const [pip, more, enforced] of [
    ['26.3', [], 'pip 26.3'],
    ['23.2.1', ['beta'], "pip 26.3, which a run installs for that, as pip 23.2.1 can't"],
  ] as const) {
    test(`doctor says which pip enforces a minimum release age with pip ${pip}`, async (t) => {
      const m = prepared(t);
      const flags = more.map((name) => `--minimum-release-age-exclude=${name}`);
      const args = ['--minimum-release-age', '7d', ...flags];
      const diagnosis = await diagnose(m, await m.python(pip), {}, ...args);
      const except = more.length > 0 ? `, except ${more.join(', ')}` : '';
      assert.deepEqual(diagnosis.findings.at(-1), {
        level: 'good',
        text: `minimum release age: 7 days${except}, enforced by ${enforced}`,
      });
      assert.match(String(why(diagnosis)), /minimum-release-age=7 days was added/);
    });
  }

  test('doctor reports a damaged entry of the store', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const damage = async (
      path: (of: Machine) => string,
      content: string | Buffer,
      reason: RegExp,
      miss: string | undefined,
    ) => {
      writeFileSync(path(m), content);
      const diagnosis = await diagnose(m, python);
      assert.equal(diagnosis.hit, miss === undefined);
      const [problem, ...more] = problems(diagnosis);
      assert.deepEqual(more, []);
      assert.match(String(problem), reason);
      assert.equal(why(diagnosis), miss);
      rmSync(m.store, { recursive: true });
      cpSync(pattern.store, m.store, { recursive: true });
    };
    const beta = (of: Machine): string => String(of.storedWheels()['beta-1.0-py3-none-any.whl']);
    const altered = readFileSync(beta(m));
    altered[100] = ~Number(altered[100]);
    const dropped = because('some of its wheels are not usable');
    await damage(beta, 'cut', /beta-1\.0-py3-none-any\.whl has 3 bytes instead of \d+\.$/, dropped);
    await damage(beta, altered, /whl has a different hash than in the manifest\.$/, dropped);
    await damage(
      (of) => of.entryFile(key),
      '{',
      /wheelhouse\.json/,
      'miss: the store has no intact wheelhouse',
    );
  });

  test('doctor reports a miss for an entry with a different cache-suffix, as a run does', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const diagnosis = await diagnose(m, python, {}, '--cache-suffix', 'other');
    assert.equal(diagnosis.hit, false);
    assert.equal(
      why(diagnosis),
      because('it would serve, but its key has a different cache-suffix or refresh period'),
    );
    const args = ['install', '--store', m.store, '--python', python, '--install', 'false'];
    const run = await m.run([...args, '--cache-suffix', 'other', '--json']);
    assert.equal(run.json()['hit'], 'miss');
  });

  test('doctor reports a store that is not writable', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    chmodSync(m.store, 0o555);
    const options: RunOptions = { within: withoutOverride(t) };
    const diagnosis = await diagnose(m, python, options).finally(() => chmodSync(m.store, 0o755));
    assert.equal(diagnosis.hit, true, 'it can be read');
    const [problem, ...more] = problems(diagnosis);
    assert.deepEqual(more, []);
    assert.match(
      String(problem),
      /^the store is not writable, so new wheelhouses are not saved: EACCES: permission denied/,
    );
  });

  test('doctor reports a Python that the system manages, with the error of a run', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const stdlib = join(m.root, 'stdlib');
    mkdirSync(stdlib);
    writeFileSync(join(stdlib, 'EXTERNALLY-MANAGED'), '[externally-managed]\nError=no\n');
    disguise(python, [
      'sys.base_prefix = sys.prefix',
      'get_path = sysconfig.get_path',
      `sysconfig.get_path = lambda name, *a, **k: ${JSON.stringify(stdlib)} if name == 'stdlib' else get_path(name, *a, **k)`,
    ]);
    const managed = await diagnose(m, python);
    const [problem, ...more] = problems(managed);
    assert.deepEqual(more, []);
    assert.match(String(problem), /^Python .* is managed by the system.*PEP 668/);
    const { exitCode, stderr } = await m.run(['install', '--store', m.store, '--python', python]);
    assert.equal(exitCode, 1);
    assert.ok(stderr.includes(`error: ${problem}\n`), stderr);
    assert.deepEqual(problems(await diagnose(m, python, {}, '--venv', 'env')), []);
    const permitted = { env: { PIP_BREAK_SYSTEM_PACKAGES: '1' } };
    assert.deepEqual(problems(await diagnose(m, python, permitted)), []);
  });

  test('doctor reports an empty store and does not create one', async (t) => {
    const m = machine(t);
    const diagnosis = await diagnose(m, await m.python());
    assert.equal(why(diagnosis), 'miss: the store is empty');
    assert.ok(!existsSync(m.store), 'it has made none');
  });

  test('doctor compares the request with the closest of several entries', async (t) => {
    const m = prepared(t);
    const python = await m.python();
    const args = ['--store', m.store, '--python', python, '--install', 'false'];
    await m.run(['install', '--packages', 'gamma==1.0', '--cache-suffix', 'tools', ...args]);
    m.write({ 'requirements.txt': `${pinned}gamma==1.0\n` });
    const diagnosis = await diagnose(m, python);
    assert.equal(why(diagnosis), because('gamma==1.0 was added'));
  });
});

function pythonSeries(python: string): string {
  const script = 'import sys; print("%d.%d" % sys.version_info[:2])';
  return spawnSync(python, ['-c', script], { encoding: 'utf8' }).stdout.trim();
}

/** Makes an interpreter answer as another one would: these lines run when it starts. */
function disguise(python: string, lines: readonly string[]): void {
  const directory = sitePackages(dirname(dirname(python)));
  const script = ['import os, platform, sys, sysconfig', ...lines].join('\n');
  writeFileSync(join(directory, 'sitecustomize.py'), `${script}\n`);
}

/** For root, whom modes don't stop: a command that gives up that right. */
function withoutOverride(t: TestContext): string[] {
  if (process.getuid?.() !== 0) return [];
  const command = ['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override'];
  const { status } = spawnSync(String(command[0]), [...command.slice(1), 'true']);
  if (status !== 0) t.skip('root may write everywhere, and there is no setpriv');
  return command;
}
