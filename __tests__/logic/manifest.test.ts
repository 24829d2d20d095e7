import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  changes,
  formatLock,
  formatManifest,
  formatPylock,
  lockTexts,
  type Manifest,
  ManifestError,
  parseManifest,
  sameWheels,
  type Wheel,
  wheelPath,
} from '../../src/logic/manifest.ts';
import { isWheelFileName } from '../../src/logic/names.ts';
import { readLock } from '../../src/logic/pylock.ts';
import { gatherLines } from '../../src/logic/requirements.ts';
import { contradiction } from '../../src/logic/verdict.ts';
import { manifestWheel } from '../support/fixtures.ts';

const hex = (letter: string): string => letter.repeat(64);
const wheel = manifestWheel('alpha-beta', { project: 'Alpha.Beta' });
const manifest: Manifest = {
  interpreter: 'cpython 3.11',
  request: hex('1'),
  sources: hex('2'),
  resolvedAt: '2026-11-20T12:00:00.000Z',
  wheels: [wheel],
  direct: [
    {
      ...{ requirement: 'direct -e . []', name: 'local', version: '0.1' },
      ...{ extras: ['test'], requires: ['alpha-beta>=1'] },
    },
  ],
  relied: [{ name: 'setuptools', version: '65.5.0' }],
};

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const wheels: fc.Arbitrary<Wheel> = fc
  .record({
    words: fc.array(word, { minLength: 1, maxLength: 3 }),
    version: fc.constantFrom('1.0', '1!2.0', '1.0+cpu.1', '2026.11.20rc1'),
    build: fc.constantFrom('', '-1', '-2b'),
    tag: fc.constantFrom('py3-none-any', 'cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64'),
    sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
    size: fc.nat(),
    origin: fc.constantFrom('downloaded' as const, 'built' as const),
    role: fc.constantFrom('runtime' as const, 'build' as const),
    requestHashes: fc.option(fc.array(word.map((text) => `sha256:${text}`)), { nil: undefined }),
    url: fc.option(fc.webUrl(), { nil: undefined }),
  })
  .map(({ words, build, tag, requestHashes, url, ...rest }) => ({
    ...rest,
    name: words.join('-'),
    project: words.join('.'),
    file: `${words.join('_')}-${rest.version}${build}-${tag}.whl`,
    ...(requestHashes === undefined ? {} : { requestHashes }),
    ...(url === undefined ? {} : { url }),
  }));
const manifests: fc.Arbitrary<Manifest> = fc.record({
  interpreter: fc.string({ minLength: 1 }),
  request: word,
  sources: word,
  resolvedAt: fc
    .date({ noInvalidDate: true, min: new Date(0), max: new Date('2200-01-01') })
    .map((date) => date.toISOString()),
  wheels: fc.uniqueArray(wheels, { selector: (each) => each.name, maxLength: 5 }),
  direct: fc.array(
    fc.record({
      ...{ requirement: word, name: word, version: word },
      ...{ extras: fc.array(word), requires: fc.array(word) },
    }),
    { maxLength: 3 },
  ),
  relied: fc.array(fc.record({ name: word, version: word }), { maxLength: 2 }),
});

test('a wheel that is not installed is in the directory build', () => {
  const { file } = wheel;
  assert.equal(wheelPath({ role: 'runtime', file }), file);
  assert.equal(wheelPath({ role: 'build', file }), `build/${file}`);
});

test('a formatted manifest is parsed to the same value', () => {
  fc.assert(
    fc.property(manifests, (value) => {
      // Records of fast-check have no prototype.
      assert.deepEqual(parseManifest(formatManifest(value)), structuredClone(value));
    }),
  );
});

/** The manifest with one thing changed; a path such as `wheels.0.size`. */
function changed(path: string, value: unknown): string {
  const copy = JSON.parse(formatManifest(manifest)) as Record<string, unknown>;
  const keys = path.split('.');
  let place: Record<string, unknown> = copy;
  for (const key of keys.slice(0, -1)) place = place[key] as Record<string, unknown>;
  const last = keys.at(-1) ?? '';
  if (value === undefined) delete place[last];
  else place[last] = value;
  return JSON.stringify(copy);
}

describe('a manifest is rejected for', () => {
  const table: readonly [string, unknown, RegExp][] = [
    ['schema', 1, /schema 1; this version reads 3/],
    ['schema', '2', /schema "2"; this version reads 3/],
    ['schema', undefined, /schema undefined/],
    ['interpreter', undefined, /"interpreter" must be a line of text/],
    ['interpreter', 3, /"interpreter" must be a line of text/],
    ['interpreter', '', /"interpreter" must be a line of text/],
    ['request', null, /"request" must be a line of text/],
    ['sources', [], /"sources" must be a line of text/],
    ['resolvedAt', 'yesterday', /"resolvedAt" must be a date and time in UTC/],
    ['resolvedAt', 1763640000, /"resolvedAt" must be a date and time in UTC/],
    ['wheels', undefined, /"wheels" must be a list/],
    ['wheels', {}, /"wheels" must be a list/],
    ['wheels', [null], /"wheels\[0\]" must be an object/],
    ['wheels', ['x'], /"wheels\[0\]" must be an object/],
    ['wheels', [[]], /"wheels\[0\]" must be an object/],
    ['wheels', [wheel, wheel], /listed twice/],
    ['wheels.0.file', undefined, /"wheels\[0\]\.file" must be the file name of a wheel/],
    [
      'wheels.0.file',
      '../alpha_beta-1.0-py3-none-any.whl',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      '/alpha_beta-1.0-py3-none-any.whl',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      '.alpha_beta-1.0-py3-none-any.whl',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      'a\\alpha_beta-1.0-py3-none-any.whl',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      'alpha_beta-1.0-py3-none-any.whl\n',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      'alpha_beta-1.0-py3-none-any.whl\0',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    [
      'wheels.0.file',
      'alpha_beta-1.0-py3-none-any.tar.gz',
      /"wheels\[0\]\.file" must be the file name of a wheel/,
    ],
    ['wheels.0.file', 'alpha_beta-1.0.whl', /"wheels\[0\]\.file" must be the file name of a wheel/],
    ['wheels.0.file', 'CON', /"wheels\[0\]\.file" must be the file name of a wheel/],
    ['wheels.0.file', 'gamma-1.0-py3-none-any.whl', /is not a wheel of "alpha-beta"/],
    ['wheels.0.name', 'Alpha_Beta', /name" must be a normalized project name/],
    ['wheels.0.name', 'alpha-beta\nevil==1', /name" must be a normalized project name/],
    ['wheels.0.name', undefined, /name" must be a normalized project name/],
    ['wheels.0.version', '', /"wheels\[0\]\.version" must be a version/],
    ['wheels.0.version', '1.0 --index-url=x', /"wheels\[0\]\.version" must be a version/],
    ['wheels.0.version', '1.0\nevil==1', /"wheels\[0\]\.version" must be a version/],
    ['wheels.0.sha256', hex('A'), /"wheels\[0\]\.sha256" must be a SHA-256 in lower-case hex/],
    ['wheels.0.sha256', 'ab', /"wheels\[0\]\.sha256" must be a SHA-256 in lower-case hex/],
    [
      'wheels.0.sha256',
      `${hex('a')}\n`,
      /"wheels\[0\]\.sha256" must be a SHA-256 in lower-case hex/,
    ],
    ['wheels.0.size', -1, /"wheels\[0\]\.size" must be a number of bytes/],
    ['wheels.0.size', 1.5, /"wheels\[0\]\.size" must be a number of bytes/],
    ['wheels.0.size', '1234', /"wheels\[0\]\.size" must be a number of bytes/],
    ['wheels.0.size', 1e300, /"wheels\[0\]\.size" must be a number of bytes/],
    ['wheels.0.origin', 'found', /"wheels\[0\]\.origin" must be "downloaded" or "built"/],
    ['wheels.0.role', undefined, /"wheels\[0\]\.role" must be "runtime" or "build"/],
    ['wheels.0.requestHashes', 'sha256:x', /"wheels\[0\]\.requestHashes" must be a list/],
    ['wheels.0.requestHashes', [1], /"wheels\[0\]\.requestHashes\[0\]" must be a string/],
    ['wheels.0.url', 5, /"wheels\[0\]\.url" must be a line of text/],
    ['effort', -1, /"effort" must be a number of seconds/],
    ['effort', 1e300, /"effort" must be a number of seconds/],
    ['effort', '5', /"effort" must be a number of seconds/],
    ['parts', [], /"parts" must be an object/],
    ['parts', { sources: [1], lines: [] }, /"parts\.sources\[0\]" must be a string/],
    ['direct', undefined, /"direct" must be a list/],
    ['direct', [1], /"direct\[0\]" must be an object/],
    ['direct.0.requirement', 1, /"direct\[0\]\.requirement" must be a line of text/],
    ['direct.0.name', undefined, /name" must be a normalized project name/],
    [
      'direct.0.extras',
      ['x] @ https://evil.example/x.tar.gz\ny[z'],
      /must be the name of an extra/,
    ],
    ['direct.0.extras', ['x] @ https://evil.example/x.tar.gz #'], /must be the name of an extra/],
    ['direct.0.requires', 'x', /"direct\[0\]\.requires" must be a list/],
    ['direct.0.requires', [{}], /"direct\[0\]\.requires\[0\]" must be a string/],
  ];
  for (const [path, value, message] of table) {
    test(`${path}: ${JSON.stringify(value)?.slice(0, 60)}`, () => {
      assert.throws(
        () => parseManifest(changed(path, value)),
        (error) => error instanceof ManifestError && message.test(error.message),
      );
    });
  }

  for (const text of ['', 'null', '[]', '1', '"x"', '{', '{}', '\0']) {
    test(`the text ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseManifest(text), ManifestError);
    });
  }

  test('a version that differs from the one in the file name', () => {
    assert.throws(() => parseManifest(changed('wheels.0.version', '2.0')), ManifestError);
  });

  test('two runtime wheels of one project', () => {
    const other = { ...wheel, version: '2.0', file: 'alpha_beta-2.0-py3-none-any.whl' };
    assert.throws(() => parseManifest(changed('wheels', [wheel, other])), ManifestError);
  });

  // All of these are shown to people: a new line may begin with a command to the runner.
  for (const [path, value] of [
    ['direct.0.name', 'x\n::error::y'],
    ['interpreter', 'x\n::error::y'],
    ['resolvedAt', '2026-11-20 (\n::error::y)'],
  ] as const) {
    test(`a line break in ${path}`, () => {
      assert.throws(() => parseManifest(changed(path, value)), ManifestError);
    });
  }
});

describe('a manifest is accepted', () => {
  test('with a build wheel and a runtime wheel of the same project', () => {
    const other: Wheel = {
      ...wheel,
      version: '2.0',
      file: 'alpha_beta-2.0-py3-none-any.whl',
      role: 'build',
    };
    assert.equal(parseManifest(changed('wheels', [wheel, other])).wheels.length, 2);
  });

  for (const [version, inFile] of [
    ['1.0', '1.0.0'],
    ['2020.06.01', '2020.6.1'],
    ['1.0-1', '1.0_1'],
    ['1.0-rc.1', '1.0rc1'],
    ['1.0+ubuntu-1', '1.0+ubuntu_1'],
  ] as const) {
    test(`with version ${version} in a file of ${inFile}`, () => {
      const other = { ...wheel, version, file: `alpha_beta-${inFile}-py3-none-any.whl` };
      assert.deepEqual(parseManifest(changed('wheels', [other])).wheels, [other]);
    });
  }

  test('with unknown fields, which are dropped', () => {
    assert.deepEqual(parseManifest(changed('wheels.0.colour', 'blue')), manifest);
    assert.deepEqual(parseManifest(changed('more', 1)), manifest);
  });

  test('without any wheel', () => {
    assert.deepEqual(parseManifest(changed('wheels', [])).wheels, []);
  });
});

describe('a manifest is parsed or rejected for any', () => {
  const read = (text: string): void => {
    try {
      const value = parseManifest(text);
      assert.deepEqual(parseManifest(formatManifest(value)), value);
      for (const each of value.wheels) {
        assert.ok(isWheelFileName(each.file));
        assert.match(`${each.name}==${each.version}`, /^[\w.!+-]+==[\w.!+-]+$/);
      }
    } catch (error) {
      assert.ok(error instanceof ManifestError, String((error as Error).stack));
    }
  };

  test('bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        read(Buffer.from(bytes).toString('utf8'));
      }),
      { numRuns: 3000 },
    );
  });

  test('JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => read(JSON.stringify(value))),
      { numRuns: 3000 },
    );
  });

  test('manifest with one value replaced', () => {
    const paths = ['schema', 'interpreter', 'request', 'sources', 'resolvedAt', 'wheels'];
    paths.push(
      'wheels.0',
      'direct',
      'direct.0',
      'direct.0.requires',
      '__proto__',
      'wheels.0.__proto__',
    );
    for (const key of [
      'name',
      'version',
      'file',
      'sha256',
      'size',
      'origin',
      'role',
      'requestHashes',
      'url',
    ]) {
      paths.push(`wheels.0.${key}`);
    }
    const value = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constant(undefined));
    fc.assert(
      fc.property(fc.constantFrom(...paths), value, (path, replacement) => {
        read(changed(path, replacement));
      }),
      { numRuns: 6000 },
    );
  });

  test('manifest with lost or flipped bytes', () => {
    const text = Buffer.from(formatManifest(manifest));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const copy = Buffer.from(text);
        copy[at] = byte;
        read((cut ? copy.subarray(0, at) : copy).toString('utf8'));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('whether a manifest contradicts the request that it names', () => {
  const table: readonly [string, string, Partial<Manifest>, string | undefined][] = [
    ['all is there', 'Alpha_Beta==1.0.0\n', {}, undefined],
    ['more is there', '', {}, undefined],
    ['a project is missing', 'alpha-beta\ngamma\n', {}, 'it lacks gamma'],
    [
      'it is there to build with',
      'alpha-beta',
      { wheels: [{ ...wheel, role: 'build' }] },
      'it lacks alpha-beta',
    ],
    ['a marker may rule it out', 'gamma; os_name == "nt"\n', {}, undefined],
    ['a local project is it', 'local\n', {}, undefined],
    ['another version', 'alpha-beta==2.0\n', {}, 'it contains alpha-beta 1.0 instead of 2.0'],
    ['another version, for another system', 'alpha-beta==2.0; os_name == "nt"\n', {}, undefined],
    [
      'a local version',
      'alpha-beta==1.0\n',
      { wheels: [{ ...wheel, version: '1.0+cpu' }] },
      undefined,
    ],
    [
      'another local version',
      'alpha-beta==1.0+gpu\n',
      { wheels: [{ ...wheel, version: '1.0+cpu' }] },
      'it contains alpha-beta 1.0+cpu instead of 1.0+gpu',
    ],
    ['a version that a range rules out is for pip to say', 'alpha-beta>=2.0\n', {}, undefined],
  ];
  for (const [description, text, change, expected] of table) {
    test(description, async () => {
      const { lines } = await gatherLines(
        {
          requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
          ...{ constraints: [], packages: [], groups: [] },
        },
        { workingDirectory: '/w', environment: {}, read: async () => text },
      );
      assert.equal(contradiction({ ...manifest, ...change }, lines), expected);
    });
  }

  test('a constraint requires a version but not the project', async () => {
    const read = async (file: string): Promise<string> =>
      file === '/w/c.txt' ? 'gamma==1\nalpha-beta==3\n' : 'alpha-beta\n-c c.txt\n';
    const { lines } = await gatherLines(
      {
        requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
        ...{ constraints: [], packages: [], groups: [] },
      },
      { workingDirectory: '/w', environment: {}, read },
    );
    assert.equal(contradiction(manifest, lines), 'it contains alpha-beta 1.0 instead of 3');
  });
});

test('changes() lists added, removed and updated runtime wheels', () => {
  const of = (name: string, version: string, role: Wheel['role'] = 'runtime'): Wheel => ({
    ...wheel,
    name,
    version,
    role,
  });
  assert.deepEqual(
    changes(
      [of('same', '1'), of('up', '1'), of('gone', '1'), of('tool', '1', 'build')],
      [of('up', '2'), of('same', '1'), of('added', '3'), of('tool', '2', 'build')],
    ),
    [
      { name: 'added', from: undefined, to: '3' },
      { name: 'gone', from: '1', to: undefined },
      { name: 'up', from: '1', to: '2' },
    ],
  );
});

test('sameWheels() compares role, file and digest in any order', () => {
  const other = { ...wheel, file: 'b-1-py3-none-any.whl' };
  assert.equal(sameWheels([wheel, other], [other, wheel]), true);
  assert.equal(sameWheels([wheel], [wheel, other]), false);
  assert.equal(sameWheels([wheel], [{ ...wheel, sha256: hex('b') }]), false);
  assert.equal(sameWheels([wheel], [{ ...wheel, role: 'build' }]), false);
  assert.equal(sameWheels([], []), true);
});

const member = (name: string, version: string, letter: string, role: Wheel['role']): Wheel => ({
  ...wheel,
  ...{ name, project: name, version, role },
  file: `${name}-${version}-py3-none-any.whl`,
  sha256: hex(letter),
});

test('the lock has one line per runtime wheel, sorted, whatever the order of the manifest', () => {
  const wheels = [
    member('zeta', '1.0+cpu', 'a', 'runtime'),
    member('tool', '3', 'b', 'build'),
    member('alpha', '2', 'c', 'runtime'),
  ];
  const expected = [
    `alpha==2 --hash=sha256:${'c'.repeat(64)}\n`,
    `zeta==1.0+cpu --hash=sha256:${'a'.repeat(64)}\n`,
  ].join('');
  assert.equal(formatLock(wheels), expected);
  assert.equal(formatLock(wheels.toReversed()), expected);
});

test('the lock spells a project as its metadata does, because pip names directories after it', () => {
  const zope = { ...member('zope-proxy', '5.0', 'd', 'runtime'), project: 'zope.proxy' };
  assert.equal(formatLock([zope]), `zope.proxy==5.0 --hash=sha256:${'d'.repeat(64)}\n`);
});

test('the lock of no wheels is empty', () => assert.equal(formatLock([]), ''));

describe('the lock in the standard format', () => {
  const beta = manifestWheel('beta', {
    project: 'Beta',
    version: '2.0+cpu',
    file: 'beta-2.0+cpu-cp311-cp311-linux_x86_64.whl',
    sha256: hex('b'),
    size: 7,
  });
  const text = `lock-version = "1.0"
created-by = "wheelhouse"

[[packages]]
name = "alpha-beta"
version = "1.0"

[[packages.wheels]]
name = "alpha_beta-1.0-py3-none-any.whl"
path = "alpha_beta-1.0-py3-none-any.whl"
size = 1234
hashes = { sha256 = "${hex('a')}" }

[[packages]]
name = "beta"
version = "2.0+cpu"

[[packages.wheels]]
name = "beta-2.0+cpu-cp311-cp311-linux_x86_64.whl"
path = "beta-2.0+cpu-cp311-cp311-linux_x86_64.whl"
size = 7
hashes = { sha256 = "${hex('b')}" }
`;

  test('has a package per wheel, sorted by name', () => {
    assert.equal(formatPylock([wheel, beta]), text);
    assert.equal(formatPylock([beta, wheel]), text);
  });

  test('has the wheels of one version for several platforms in one package', () => {
    const windows = { ...beta, file: 'beta-2.0+cpu-cp311-cp311-win_amd64.whl' };
    const { packages } = readLock(formatPylock([windows, beta]), 'x', { extras: [], groups: [] });
    assert.deepEqual(
      packages.map(({ files }) => files.map(({ name }) => name)),
      [[beta.file, windows.file]],
    );
  });

  test('of a wheelhouse leaves out the wheels that are not installed', () => {
    const build = manifestWheel('setuptools', { role: 'build' });
    const texts = lockTexts([build, beta, wheel]);
    assert.deepEqual(texts, {
      'requirements.lock': formatLock([wheel, beta]),
      'pylock.toml': text,
    });
  });

  test('of no wheels is valid', () => {
    const lock = readLock(formatPylock([]), 'pylock.toml', { extras: [], groups: [] });
    assert.deepEqual(lock.packages, []);
  });

  test('is read back by our own reader', () => {
    const arbitrary = fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z0-9]{1,6}(-[a-z0-9]{1,4})?$/),
        version: fc.constantFrom('1.0', '2!0.1', '1.0rc1', '1.0.post1.dev2', '1.0+cpu.1'),
        tag: fc.constantFrom('py3-none-any', '1-cp311-abi3-linux_x86_64'),
        sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
        size: fc.nat(),
      }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(arbitrary, (given) => {
        const wheels = given.map((each) => {
          const file = `${each.name.replaceAll('-', '_')}-${each.version}-${each.tag}.whl`;
          return { ...each, file };
        });
        const lock = readLock(formatPylock(wheels), 'pylock.toml', { extras: [], groups: [] });
        assert.deepEqual(
          lock.packages.map(({ name, text: line, files }) => ({ name, line, files })),
          wheels
            .toSorted((one, other) => (one.name < other.name ? -1 : 1))
            .map(({ name, version, file, sha256 }) => ({
              name,
              line: `${name}==${version} --hash=sha256:${sha256}`,
              files: [
                { name: file, location: `./${file}`, isPath: true, hash: `sha256:${sha256}` },
              ],
            })),
        );
      }),
    );
  });
});
