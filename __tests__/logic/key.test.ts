import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Recheck, Refresh } from '../../src/logic/freshness.ts';
import {
  generations,
  interpreterIdentity,
  type Keys,
  keysOf,
  matchKind,
  type ResolverChoice,
  setParts,
  variantOf,
} from '../../src/logic/key.ts';
import type { Interpreter, Request } from '../../src/logic/model.ts';
import type { ReleaseAge } from '../../src/logic/release-age.ts';
import { gatherLines, type RequestedSet } from '../../src/logic/requirements.ts';
import { interpreter } from '../support/fixtures.ts';

const now = new Date('2026-11-20T12:00:00Z');
const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;

interface Variation {
  readonly files?: Readonly<Record<string, string>>;
  readonly packages?: readonly string[];
  readonly constraints?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, string>>;
  readonly interpreter?: Partial<Interpreter>;
  readonly refresh?: Refresh;
  /** Default: never. */
  readonly recheck?: Recheck;
  readonly suffix?: string;
  readonly releaseAge?: ReleaseAge;
  readonly now?: Date;

  readonly projects?: RequestedSet['projects'];
  readonly extra?: RequestedSet['extra'];
  readonly buildConstraints?: readonly string[];
  readonly resolver?: ResolverChoice;
  readonly set?: readonly string[];
}

/** Keys of requirements.txt and what it includes. */
async function keysFor(text: string, variation: Variation = {}): Promise<Keys> {
  const files: Readonly<Record<string, string>> = {
    'requirements.txt': text,
    'c.txt': variation.constraints ?? '',
    ...variation.files,
  };
  const { lines, files: read } = await gatherLines(
    {
      requirements: [{ location: '/w/requirements.txt', shown: 'requirements.txt' }],
      constraints: [{ location: '/w/c.txt', shown: 'c.txt' }],
      packages: variation.packages ?? [],
      groups: [],
    },
    {
      workingDirectory: '/w',
      environment: variation.environment ?? {},
      read: async (location) => files[location.slice('/w/'.length)] ?? '',
    },
  );
  return keysOf(
    { ...interpreter, ...variation.interpreter },
    {
      lines,
      files: read,
      projects: variation.projects ?? [],
      extra: variation.extra ?? [],
      buildConstraints: variation.buildConstraints ?? [],
    },
    new Map(Object.entries(variation.settings ?? {})),
    {
      refresh: variation.refresh ?? 'auto',
      recheck: variation.recheck ?? 'never',
      suffix: variation.suffix ?? '',
      releaseAge: variation.releaseAge,
      now: variation.now ?? now,
      resolver: variation.resolver ?? { name: 'pip', settings: [] },
      set: variation.set ?? ['requirements.txt'],
    },
  );
}

/** Requirement files as people write them, one requirement a line. */
const requirement = fc
  .record({
    name: fc.constantFrom('requests', 'numpy', 'a-b', 'zope.interface', 'x1'),
    extras: fc.constantFrom('', '[s]', '[a,b]'),
    specifier: fc.constantFrom('', '==1.0', '>=1,<2', '~=3.1'),
    marker: fc.constantFrom('', '; python_version < "3"', '; os_name == "nt"'),
    hash: fc.constantFrom('', ` --hash=${hash('a')}`, ` --hash=${hash('b')} --hash=${hash('a')}`),
  })
  .map((parts) => Object.values(parts).join(''));
const direct = fc.constantFrom(
  '-e .',
  './pkg[x]',
  'a @ https://h.example/a-1.zip',
  'git+https://h/r@v1',
);
const option = fc.constantFrom(
  '--pre',
  '--index-url https://h.example/simple',
  '--no-binary numpy',
  '--find-links https://h.example/links',
);
const someLines = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: requirement },
    { weight: 1, arbitrary: direct },
    { weight: 1, arbitrary: option },
  ),
  { minLength: 1, maxLength: 8 },
);
const plain = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

describe('the key stays the same for', () => {
  /** The key stays, whatever `change` makes of the lines. */
  async function stays(
    change: (lines: readonly string[], choices: readonly number[]) => string | Variation,
  ): Promise<void> {
    const choices = fc.array(fc.nat(99), { minLength: 16, maxLength: 16 });
    await fc.assert(
      fc.asyncProperty(someLines, choices, async (lines, numbers) => {
        const changed = change(lines, numbers);
        const [one, other] = [
          await keysFor(plain(lines)),
          typeof changed === 'string' ? await keysFor(changed) : await keysFor('', changed),
        ];
        assert.deepEqual(
          { primary: other.primary, request: other.request, sources: other.sources },
          { primary: one.primary, request: one.request, sources: one.sources },
        );
      }),
      { numRuns: 200 },
    );
  }

  test('a comment or a blank line', () =>
    stays((lines, choices) =>
      lines
        .map((line, index) => {
          const before = ['', '\n', '# why\n', '  # -r x \\\n'][(choices[index] ?? 0) % 4];
          const behind = ['', ' # why', '\t#', '   '][(choices[index + 8] ?? 0) % 4];
          return `${before}${line}${behind}\n`;
        })
        .join(''),
    ));

  test('line endings and a byte-order mark', () =>
    stays(
      (lines, choices) =>
        `\uFEFF${lines.map((line, index) => line + ['\n', '\r\n'][(choices[index] ?? 0) % 2]).join('')}`,
    ));

  test('a missing final newline', () => stays((lines) => lines.join('\n')));

  test('a continuation', () =>
    stays((lines) => plain(lines.map((line) => line.replaceAll(' --hash', ' \\\n   --hash')))));

  test('the order of lines', () =>
    stays((lines, choices) => {
      const order = lines.map((line, index) => [choices[index] ?? 0, line] as const);
      return plain(order.sort(([a], [b]) => a - b).map(([, line]) => line));
    }));

  test('moving lines into included files', () =>
    stays((lines, choices) => {
      const cut = (choices[0] ?? 0) % (lines.length + 1);
      return {
        files: {
          'requirements.txt': `-r sub.txt\n${plain(lines.slice(cut))}`,
          'sub.txt': plain(lines.slice(0, cut)),
        },
      };
    }));

  const same: readonly [string, string, string, Variation?, Variation?][] = [
    ['an index that a later line overrules', '-i https://g/s\n-i https://h/s', '-i https://h/s'],
    [
      'the order of other sources',
      '-f https://g/a\n-f https://h/b\n--pre',
      '--pre\n-f https://h/b\n-f https://g/a',
    ],
    ['white space in a specifier', 'a >= 1 , < 2', 'a<2,>=1'],
    ['parentheses', 'a (==1)', 'a==1'],
    ['the spelling of a name', 'Zope.Interface==1', 'zope-interface==1'],
    ['the order and spelling of extras', 'a[X_y,b]==1', 'a[b,x-y]==1'],
    ['quotes and white space in a marker', "a ;python_version<'3'", 'a; python_version<"3"'],
    [
      'the order of hashes',
      `a==1 --hash=${hash('a')} --hash=${hash('b')}`,
      `a==1 --hash=${hash('b')} --hash=${hash('a')}`,
    ],
    ['the way an option is written', '-i https://h/simple', '--index-url=https://h/simple'],
    ['credentials of an index', '-i https://u:p@h/simple', '-i https://v:q@h/simple'],
    ['no credentials of an index', '-i https://u:p@h/simple', '-i https://h/simple'],
    ['a token in a query', '-i https://h/simple?t=1', '-i https://h/simple?t=2'],
    ['credentials of a URL', 'a @ https://t@h/a.zip?s=1', 'a @ https://h/a.zip?s=2'],
    ['credentials of a repository', 'git+https://u:p@h/r', 'git+https://h/r'],
    [
      'credentials from a variable',
      '-i https://$' + '{T}@h/',
      '-i https://$' + '{T}@h/',
      { environment: { T: 'a' } },
      { environment: { T: 'b' } },
    ],
    [
      'credentials in a setting',
      'a',
      'a',
      { settings: { 'index-url': 'https://a:b@h/' } },
      { settings: { 'index-url': 'https://h/' } },
    ],
    ['an empty setting', 'a', 'a', {}, { settings: { 'index-url': '', 'no-deps': '' } }],
    [
      'a setting that chooses no files',
      'a',
      'a',
      {},
      { settings: { timeout: '60', cert: '/c.pem', proxy: 'http://p' } },
    ],
    ['the place of the interpreter', 'a', 'a', {}, { interpreter: { executable: '/opt/python' } }],
    ['the patch release of Python', 'a', 'a', {}, { interpreter: { version: '3.11.8' } }],
    ['the version of pip', 'a', 'a', {}, { interpreter: { pip: '25.1' } }],
    ['a virtual environment', 'a', 'a', {}, { interpreter: { sitePackages: '/v/lib' } }],
    [
      'another moment of the week',
      'a',
      'a',
      { now: new Date('2026-11-16T00:00:00Z') },
      { now: new Date('2026-11-22T23:59:59Z') },
    ],
    [
      'where local projects lie',
      'a',
      'a',
      { projects: [{ path: '/w/p', shown: 'p', file: 'x', digest: '1', buildRequires: [] }] },
      { projects: [{ path: '/v/q', shown: 'q', file: 'x', digest: '1', buildRequires: [] }] },
    ],
  ];
  for (const [description, one, other, first, second] of same) {
    test(description, async () => {
      assert.equal(
        (await keysFor(other, second ?? first)).primary,
        (await keysFor(one, first)).primary,
      );
    });
  }

  test('moving a requirement from a file into the input packages', async () => {
    const inline = await keysFor('', { packages: ['requests>=2'] });
    assert.equal(inline.primary, (await keysFor('requests>=2')).primary);
  });

  test('another directory of the checkout, with a relative --find-links', async () => {
    const at = async (directory: string): Promise<string> => {
      const { lines } = await gatherLines(
        {
          requirements: [{ location: `${directory}/r.txt`, shown: 'r.txt' }],
          constraints: [],
          packages: [],
          groups: [],
        },
        { workingDirectory: directory, environment: {}, read: async () => 'a\n-f wheels' },
      );
      const requested = { lines, files: [], projects: [], extra: [] };
      const options = {
        refresh: 'auto',
        recheck: 'never',
        suffix: '',
        releaseAge: undefined,
        now,
        resolver: { name: 'pip', settings: [] },
        set: [],
      } as const;
      return keysOf(interpreter, requested, new Map(), options).primary;
    };
    assert.equal(await at('/home/runner/work/p/p'), await at('/__w/p/p'));
  });
});

describe('the key changes for', () => {
  test('every different set of requirements', async () => {
    await fc.assert(
      fc.asyncProperty(someLines, requirement, async (lines, more) => {
        const before = await keysFor(plain(lines));
        const after = await keysFor(plain([...lines, `new-${more}`]));
        assert.notEqual(after.request, before.request);
        assert.notEqual(after.primary.slice(0, -8), before.primary.slice(0, -8));
      }),
      { numRuns: 200 },
    );
  });

  const different: readonly [string, string, string, Variation?, Variation?][] = [
    ['a name', 'a==1', 'b==1'],
    ['a version', 'a==1.0', 'a==1.1'],
    ['an operator', 'a==1.0', 'a>=1.0'],
    ['a clause', 'a>=1', 'a>=1,<2'],
    ['an extra', 'a[x]', 'a'],
    ['another extra', 'a[x]', 'a[y]'],
    ['a marker', 'a; os_name=="nt"', 'a'],
    ['another marker', 'a; os_name=="nt"', 'a; os_name=="posix"'],
    ['a hash', `a==1 --hash=${hash('a')}`, `a==1 --hash=${hash('b')}`],
    ['one hash more', `a==1 --hash=${hash('a')}`, `a==1 --hash=${hash('a')} --hash=${hash('b')}`],
    ['no hash', `a==1 --hash=${hash('a')}`, 'a==1'],
    ['an index', '-i https://h/simple', '-i https://h/other'],
    [
      'the index that overrules',
      '-i https://h/a\n-i https://h/b',
      '-i https://h/b\n-i https://h/a',
    ],
    [
      'the format that overrules',
      '--only-binary :all:\n--only-binary :none:',
      '--only-binary :none:\n--only-binary :all:',
    ],
    ['an abbreviated option', '--extra-index https://a/simple', '--extra-index https://b/simple'],
    [
      'the content of a build constraint',
      'a==1',
      'a==1',
      { buildConstraints: ['constraint setuptools[]<70'] },
      { buildConstraints: ['constraint setuptools[]<60'] },
    ],
    ['one more index', 'a', 'a\n--extra-index-url https://h/simple'],
    ['the role of an index', '-i https://h/', '--extra-index-url https://h/'],
    ['--pre', 'a', '--pre\na'],
    ['--no-binary', '--no-binary a', '--no-binary b'],
    ['--only-binary', 'a', '--only-binary :all:\na'],
    ['--require-hashes', 'a', '--require-hashes\na'],
    ['build settings of a line', 'a==1', 'a==1 --config-settings="x=y"'],
    ['an editable', '-e ./p', './p'],
    ['the extras of a path', './p', './p[x]'],
    ['the branch of a repository', 'git+https://h/r@v1', 'git+https://h/r@v2'],
    ['the path of a URL', 'a @ https://h/a-1.zip', 'a @ https://h/a-2.zip'],
    [
      'the hash of a URL',
      `https://h/a.zip#sha256=${'a'.repeat(64)}`,
      `https://h/a.zip#sha256=${'b'.repeat(64)}`,
    ],
    [
      'a variable that is no secret',
      'a==$' + '{V}',
      'a==$' + '{V}',
      { environment: { V: '1' } },
      { environment: { V: '2' } },
    ],
    ['a constraint', 'a', 'a', { constraints: 'a<2' }, { constraints: 'a<3' }],
    ['a requirement for a constraint', 'z\na<2', 'z', {}, { constraints: 'a<2' }],
    ['a setting', 'a', 'a', {}, { settings: { 'index-url': 'https://h/' } }],
    [
      'another setting',
      'a',
      'a',
      { settings: { 'only-binary': ':all:' } },
      { settings: { 'no-binary': ':all:' } },
    ],
    ['no-deps', 'a', 'a', {}, { settings: { 'no-deps': '1' } }],
    [
      'a local project',
      'a',
      'a',
      { projects: [{ path: '/w', shown: '.', file: 'x', digest: '1', buildRequires: [] }] },
      { projects: [{ path: '/w', shown: '.', file: 'x', digest: '2', buildRequires: [] }] },
    ],
    [
      'a dependency file',
      'a',
      'a',
      { extra: [{ path: 'x', digest: '1' }] },
      { extra: [{ path: 'x', digest: '2' }] },
    ],
    ['the system', 'a', 'a', {}, { interpreter: { os: 'macos' } }],
    ['the architecture', 'a', 'a', {}, { interpreter: { arch: 'arm64' } }],
    ['the libc', 'a', 'a', {}, { interpreter: { libc: 'musl1.2' } }],
    ['the version of Python', 'a', 'a', {}, { interpreter: { series: '3.12' } }],
    ['3.1 for 3.11', 'a', 'a', {}, { interpreter: { series: '3.1' } }],
    ['a Python without the lock', 'a', 'a', {}, { interpreter: { freeThreaded: true } }],
    ['another implementation', 'a', 'a', {}, { interpreter: { implementation: 'pypy' } }],
    ['the suffix', 'a', 'a', { suffix: 'x' }, { suffix: 'y' }],
    ['the set of files', 'a', 'a', {}, { set: ['other.txt'] }],
    ['the resolver', 'a', 'a', {}, { resolver: { name: 'uv', settings: [] } }],
    [
      'a setting of the resolver',
      'a',
      'a',
      { resolver: { name: 'uv', settings: ['prerelease=allow'] } },
      { resolver: { name: 'uv', settings: [] } },
    ],
    [
      'the next week',
      'a',
      'a',
      { now: new Date('2026-11-22T23:59:59Z') },
      { now: new Date('2026-11-23T00:00:00Z') },
    ],
    ['the period', 'a', 'a', { refresh: 'daily' }, { refresh: 'monthly' }],
    [
      'the end of a long suffix',
      'a',
      'a',
      { suffix: `${'s'.repeat(99)}1` },
      { suffix: `${'s'.repeat(99)}2` },
    ],
  ];
  for (const [description, one, other, first, second] of different) {
    test(description, async () => {
      assert.notEqual(
        (await keysFor(other, second ?? first)).primary,
        (await keysFor(one, first)).primary,
      );
    });
  }

  test('a minimum release age and its exceptions, and the digest of the sources with it', async () => {
    const ages: (ReleaseAge | undefined)[] = [
      undefined,
      { hours: 168, except: [] },
      { hours: 36, except: [] },
      { hours: 168, except: ['alpha'] },
      { hours: 168, except: ['alpha', 'beta'] },
    ];
    const all = ages.map((releaseAge) => keysFor('a==1', releaseAge && { releaseAge }));
    const keys = await Promise.all(all);
    for (const part of ['primary', 'sources'] as const) {
      assert.equal(new Set(keys.map((each) => each[part])).size, ages.length);
    }
    assert.deepEqual(keys.at(-1)?.parts.sources, [
      'minimum-release-age=7 days',
      'minimum-release-age-exclude=alpha,beta',
    ]);
  });

  test('settings and options change the digest of the sources too', async () => {
    const { sources } = await keysFor('a');
    assert.notEqual((await keysFor('a\n-i https://h/')).sources, sources);
    assert.notEqual((await keysFor('a', { settings: { 'build-option': 'x' } })).sources, sources);
    const resolver = { name: 'uv', settings: [] } as const;
    assert.notEqual((await keysFor('a', { resolver })).sources, sources);
    assert.equal((await keysFor('b')).sources, sources);
  });
});

const machine = fc.record({
  os: fc.constantFrom('linux', 'macos', 'windows', 'Free BSD,1'),
  arch: fc.constantFrom('x86_64', 'arm64', 'amd64', 'x86_64-32'),
  libc: fc.constantFrom('glibc2.36', 'glibc2.3', 'musl1.2', 'none', 'macos14', 'unknown'),
  series: fc.constantFrom('3.1', '3.11', '3.12', '3.15b1', '4.0'),
  implementation: fc.constantFrom('cpython', 'pypy', 'graalpy'),
  freeThreaded: fc.boolean(),
  extensionSuffix: fc.constantFrom(
    '.cpython-311-x86_64-linux-gnu.so',
    '.pypy311-pp73-x86_64-linux-gnu.so',
    '.cp312-win_amd64.pyd',
    '',
  ),
});

describe('form of keys', () => {
  test('every key is valid for GitHub', async () => {
    await fc.assert(
      fc.asyncProperty(
        machine,
        fc.stringMatching(/^[A-Za-z0-9._-]{0,100}$/),
        fc.constantFrom<Refresh>('auto', 'always', 'daily', 'weekly', 'monthly', 'never'),
        async (interpreter, suffix, refresh) => {
          const keys = await keysFor('a', { interpreter, suffix, refresh });
          for (const key of [...generations(keys.primary), ...keys.restore]) {
            assert.match(key, /^[a-z0-9._-]+$/);
            assert.ok(key.length <= 512, `${key.length}`);
          }
          assert.equal(keys.restore.length, 3);
          for (const prefix of keys.restore) assert.ok(keys.primary.startsWith(prefix));
          assert.ok((keys.restore[0] ?? '').startsWith(keys.restore[1] ?? ' '));
          assert.ok((keys.restore[1] ?? '').startsWith(keys.restore[2] ?? ' '));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('no restore key matches an entry of another system or Python', async () => {
    await fc.assert(
      fc.asyncProperty(machine, machine, async (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        // Of CPython, only what the tag says counts: its suffix follows from the rest.
        fc.pre(
          !(
            one.implementation === 'cpython' &&
            JSON.stringify({ ...one, extensionSuffix: '' }) ===
              JSON.stringify({ ...other, extensionSuffix: '' })
          ),
        );
        fc.pre(
          one.implementation === 'cpython' ||
            JSON.stringify({ ...one, freeThreaded: false }) !==
              JSON.stringify({ ...other, freeThreaded: false }),
        );
        const saved = (await keysFor('a', { interpreter: other })).primary;
        const keys = await keysFor('a', { interpreter: one });
        assert.equal(matchKind(saved, keys), 'foreign');
        for (const prefix of keys.restore)
          assert.ok(!saved.startsWith(prefix), `${prefix} ${saved}`);
      }),
      { numRuns: 1000 },
    );
  });

  test('no restore key matches an entry of other sources', async () => {
    const { primary } = await keysFor('a\n-i https://h.example/simple');
    const keys = await keysFor('a');
    assert.equal(matchKind(primary, keys), 'foreign');
    assert.equal(matchKind((await keysFor('b')).primary, keys), 'partial');
  });

  test('restore keys leave out the freshness, then the request, then the set', async () => {
    const keys = await keysFor('a', { refresh: 'never' });
    const [request, set, family] = keys.restore;
    const parts = keys.primary.split('-');
    assert.equal(request, [...parts.slice(0, -1), ''].join('-'));
    assert.equal(set, [...parts.slice(0, -2), ''].join('-'));
    assert.equal(family, [...parts.slice(0, -3), ''].join('-'));
    const otherRequest = await keysFor('b', { refresh: 'never' });
    assert.deepEqual(otherRequest.restore.slice(1), [set, family]);
    const otherSet = await keysFor('a', { refresh: 'never', set: ['other.txt'] });
    assert.deepEqual(otherSet.restore.slice(2), [family]);
    assert.notEqual(otherSet.restore[1], set);
  });

  const table: readonly [string, string, Variation, RegExp][] = [
    [
      'the whole',
      'a',
      {},
      /^wheelhouse-v2-linux-x86_64-glibc2\.36-cp311-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{40}-2026-w47$/,
    ],
    ['a suffix, in lower case', 'a', { suffix: 'Tests' }, /^wheelhouse-v2-tests-linux-/],
    [
      'a free-threaded Python',
      'a',
      { interpreter: { series: '3.14', freeThreaded: true } },
      /-cp314t-/,
    ],
    ['a pre-release', 'a', { interpreter: { series: '3.15b1' } }, /-cp315b1-/],
    [
      'PyPy, with its ABI',
      'a',
      {
        interpreter: {
          implementation: 'pypy',
          extensionSuffix: '.pypy311-pp73-x86_64-linux-gnu.so',
        },
      },
      /-pypy311_pypy311-pp73-x86_64-linux-gnu-/,
    ],
    ['a daily one', 'a', { refresh: 'daily' }, /-2026-11-20$/],
    ['one that always asks', 'a', { refresh: 'always' }, /-2026-11-20$/],
    ['a monthly one', 'a', { refresh: 'monthly' }, /-2026-11$/],
    ['one that never asks again', 'a', { refresh: 'never' }, /-any$/],
    ['hashes on every line', `a==1 --hash=${hash('a')}`, { refresh: 'daily' }, /-pinned$/],
    [
      'hashes on every line, and a weekly check',
      `a==1 --hash=${hash('a')}`,
      { refresh: 'daily', recheck: 'weekly' },
      /-2026-w47$/,
    ],
    ['no refresh, and a daily check', 'a', { refresh: 'never', recheck: 'daily' }, /-2026-11-20$/],
    ['a refresh, and a daily check', 'a', { recheck: 'daily' }, /-2026-w47$/],
    [
      'hashes beside constraints without',
      `a==1 --hash=${hash('a')}`,
      { constraints: 'a<2' },
      /-pinned$/,
    ],
    ['hashes on some lines', `a==1 --hash=${hash('a')}\nb`, {}, /-2026-w47$/],
    ['pins without hashes: their dependencies are free', 'a==1', {}, /-2026-w47$/],
    ['nothing at all', '', {}, /-2026-w47$/],
    ['a local project and constraints', '-e .', { constraints: 'a==1' }, /-2026-w47$/],
  ];
  for (const [description, text, variation, form] of table) {
    test(description, async () => assert.match((await keysFor(text, variation)).primary, form));
  }

  test('the components of a key contain no secrets', async () => {
    const { components } = await keysFor('-i https://u:s3cret@h.example/simple?t=s3cret\na', {
      settings: { 'extra-index-url': 'https://s3cret@i.example/' },
      suffix: 'x',
    });
    const told = JSON.stringify(components);
    assert.doesNotMatch(told, /s3cret/);
    assert.match(told, /https:\/\/h\.example\/#[0-9a-f]{32}"/);
    assert.match(told, /https:\/\/i\.example\//);
    assert.match(told, /\["suffix","x"\]/);
  });
});

describe('the set of a request', () => {
  const given = {
    ...{ directory: '/w', workingDirectory: '/w', requirements: [], projects: [], packages: [] },
    ...{ constraints: [], groups: [], extras: [] },
  };
  const setFor = (fields: Partial<Request>): string[] =>
    setParts({ ...given, ...fields } as unknown as Request);

  const table: readonly [string, Partial<Request>, readonly string[]][] = [
    ['files', { requirements: ['./b.txt', 'a.txt'] }, ['a.txt', 'b.txt']],
    ['a glob, not the files that it matches', { requirements: ['r/*.txt'] }, ['r/*.txt']],
    [
      'files of another working directory',
      { workingDirectory: '/w/services/api', requirements: ['a.txt', '../../b.txt'] },
      ['b.txt', 'services/api/a.txt'],
    ],
    ['absolute paths in the checkout', { requirements: ['/w/a.txt'] }, ['a.txt']],
    [
      'projects',
      { projects: ['.', './api[dev]', '.[test]'] },
      ['.', '.[test]', 'api[dev]'].map((each) => `project ${each}`),
    ],
    ['a path among the packages', { packages: ['./api'] }, ['project api']],
    [
      'packages without their versions',
      {
        packages: ['Foo_bar[x]>=2', 'b == 1', 'c@https://h.example/c-1.whl', 'd; os_name == "nt"'],
      },
      ['package b', 'package c', 'package d', 'package foo-bar'],
    ],
    [
      'a package without a name, without its secrets',
      { packages: ['https://u:p@h.example/c-1.whl?t=1'] },
      ['package https://h.example/c-1.whl'],
    ],
    [
      'groups, extras and constraints',
      { workingDirectory: '/w/api', groups: ['test'], extras: ['X_y'], constraints: ['c.txt'] },
      ['constraint api/c.txt', 'extra x-y', 'group test in api'],
    ],
  ];
  for (const [description, fields, expected] of table) {
    test(`contains ${description}`, () => assert.deepEqual(setFor(fields), expected));
  }

  test('does not depend on where the checkout is', () => {
    const at = (directory: string): string[] =>
      setFor({
        ...{ directory, workingDirectory: `${directory}/api`, requirements: ['a.txt'] },
        ...{ projects: ['.'], constraints: [`${directory}/c.txt`] },
      });
    assert.deepEqual(at('/home/runner/work/p/p'), at('/__w/p/p'));
  });
});

test('an entry has the key itself and three replacement keys', () => {
  assert.deepEqual(generations('k'), ['k', 'k-r1', 'k-r2', 'k-r3']);
});

test('entries for different needs of builds have different keys, whatever the order', () => {
  assert.match(variantOf('k', ['a', 'b']), /^k-d[0-9a-f]{8}$/);
  assert.equal(variantOf('k', ['b', 'a']), variantOf('k', ['a', 'b']));
  assert.notEqual(variantOf('k', ['a']), variantOf('k', ['a', 'b']));
});

describe('matched key', () => {
  const keys = { primary: 'w-linux-aa-2026-w47', restore: ['w-linux-aa-', 'w-linux-'] };
  for (const [matched, kind] of [
    ['w-linux-aa-2026-w47', 'exact'],
    ['w-linux-aa-2026-w47-r1', 'exact'],
    ['w-linux-aa-2026-w47-r3', 'exact'],
    ['w-linux-aa-2026-w47-r4', 'partial'],
    ['w-linux-aa-2026-w47-d0123abcd', 'partial'],
    ['w-linux-aa-2026-w46', 'partial'],
    ['w-linux-aa-2026-w4', 'partial'],
    ['w-linux-bb-2026-w47', 'partial'],
    ['w-macos-aa-2026-w47', 'foreign'],
    ['w-linu', 'foreign'],
    ['x-w-linux-aa-2026-w47', 'foreign'],
    ['W-LINUX-aa-2026-w47', 'foreign'],
    ['w-linux-aa-$(id)', 'foreign'],
    ['w-linux-aa-`id`', 'foreign'],
    ['w-linux-aa-\n::error::x', 'foreign'],
    ['w-linux-aa-"; id', 'foreign'],
    ['', 'foreign'],
  ] as const) {
    test(`${matched || 'nothing'}: ${kind}`, () => assert.equal(matchKind(matched, keys), kind));
  }
});

test('the identity of an interpreter differs when wheels may be incompatible', () => {
  const identity = interpreterIdentity(interpreter);
  const other = (change: Partial<Interpreter>): string =>
    interpreterIdentity({ ...interpreter, ...change });
  for (const change of [
    { implementation: 'pypy' },
    { series: '3.12' },
    { extensionSuffix: '.so' },
    { platform: 'linux-aarch64' },
    { arch: 'aarch64' },
    { libc: 'musl1.2' },
    { freeThreaded: true },
  ]) {
    assert.notEqual(other(change), identity, JSON.stringify(change));
  }
  for (const change of [
    { executable: '/x' },
    { version: '3.11.9' },
    { pip: '22.2' },
    { sitePackages: '/v/lib' },
    { pipConfig: { 'global.pre': '1' } },
  ]) {
    assert.equal(other(change), identity, JSON.stringify(change));
  }
});
