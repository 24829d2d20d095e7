import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  refuseNewestOfUv,
  uvConfiguration,
  uvSettings,
  withUvIndexes,
} from '../../src/logic/uv-settings.ts';

const isOfProject = true;
const project = (text: string) => ({ path: '/work/app/pyproject.toml', text, isOfProject });
const own = (text: string, path = '/work/app/uv.toml') => ({ path, text, isOfProject });
const secret = 's3cr3tT0kenAbC';

/** The addresses of the indexes in the order in which uv asks them. */
function indexes(
  environment: Record<string, string>,
  ...files: ReturnType<typeof own>[]
): string[] {
  const { defaultIndex, otherIndexes } = uvSettings(environment, files);
  return [...otherIndexes.map(({ url }) => url), defaultIndex?.url ?? 'none'];
}

describe('the indexes', () => {
  const cases: readonly (readonly [string, Record<string, string>, string, readonly string[]])[] = [
    ['are none by default', {}, '', ['none']],
    [
      'of variables come before those of files',
      {
        UV_INDEX: 'https://a.example/ b=https://b.example/',
        UV_DEFAULT_INDEX: 'https://d.example/',
      },
      'index-url = "https://e.example/"\n[[index]]\nurl = "https://c.example/"',
      ['https://a.example/', 'https://b.example/', 'https://c.example/', 'https://d.example/'],
    ],
    [
      'of older settings come after those of newer ones',
      { UV_EXTRA_INDEX_URL: 'https://a.example/' },
      'extra-index-url = ["https://c.example/"]\n[[index]]\nurl = "https://b.example/"',
      ['https://a.example/', 'https://b.example/', 'https://c.example/', 'none'],
    ],
    [
      'of [pip] come first',
      {},
      'extra-index-url = ["https://b.example/"]\n[pip]\nextra-index-url = ["https://a.example/"]',
      ['https://a.example/', 'https://b.example/', 'none'],
    ],
    [
      'may replace one another by name',
      { UV_INDEX: 'a=https://other.example/' },
      '[[index]]\nname = "a"\nurl = "https://a.example/"',
      ['https://other.example/', 'none'],
    ],
    [
      'that are explicit are for the sources of projects only',
      {},
      '[[index]]\nname = "a"\nurl = "https://a.example/"\nexplicit = true',
      ['none'],
    ],
    [
      'get their credentials from variables',
      { UV_INDEX_MY_INDEX_USERNAME: 'me@home', UV_INDEX_MY_INDEX_PASSWORD: 'a/b' },
      '[[index]]\nname = "my-index"\nurl = "https://a.example/"\ndefault = true',
      ['https://me%40home:a%2Fb@a.example/'],
    ],
    [
      'may be directories, relative to their file',
      {},
      'index-url = "./simple"',
      ['file:///work/app/simple'],
    ],
  ];
  for (const [name, environment, text, expected] of cases) {
    test(name, () => assert.deepEqual(indexes(environment, own(text)), expected));
  }
});

describe('the parts of the key', () => {
  const partsOf = (environment: Record<string, string>, ...files: ReturnType<typeof own>[]) =>
    uvSettings(environment, files).parts;

  test('have what decides the choice, from variables and files', () => {
    const text = '[tool.uv]\nresolution = "lowest"\n[tool.uv.pip]\nprerelease = "allow"\n';
    assert.deepEqual(partsOf({ UV_INDEX_STRATEGY: 'unsafe-best-match' }, project(text)), [
      'UV_INDEX_STRATEGY=unsafe-best-match',
      'uv prerelease="allow"',
      'uv resolution="lowest"',
    ]);
  });

  test('leave out what only matters to other commands, to projects and to the connection', () => {
    const text = `
cache-dir = "/tmp/x"
link-mode = "copy"
native-tls = true
publish-url = "https://upload.example/"
[sources]
a = { workspace = true }
[pip]
output-file = "requirements.txt"
universal = true
`;
    assert.deepEqual(partsOf({ UV_CACHE_DIR: '/tmp', UV_PUBLISH_TOKEN: secret }, own(text)), []);
  });

  test('have no secret', () => {
    const text = `
find-links = ["https://me:${secret}@a.example/${secret}/"]
[config-settings]
token = "${secret}"
[[index]]
name = "x"
url = "https://me:${secret}@b.example/"
ignore-error-codes = [403]
`;
    const parts = partsOf({ UV_FIND_LINKS: `https://x:${secret}@c.example/` }, own(text));
    assert.equal(parts.length, 4);
    assert.doesNotMatch(parts.join('\n'), new RegExp(secret));
  });
});

test('of several files the first one counts, and lists are joined', () => {
  const { config } = uvSettings({}, [
    own('resolution = "lowest"\nconstraint-dependencies = ["a<2"]'),
    own(
      'resolution = "highest"\nprerelease = "allow"\nconstraint-dependencies = ["b<2"]',
      '/etc/uv.toml',
    ),
  ]);
  assert.deepEqual(config, {
    resolution: 'lowest',
    prerelease: 'allow',
    'constraint-dependencies': ['a<2', 'b<2'],
  });
});

test('proxies and trusted hosts count in the files of the machine, not in those of the checkout', () => {
  const text = 'https-proxy = "http://proxy.example"\nallow-insecure-host = ["index.example"]\n';
  const machine = { ...own(text, '/etc/uv/uv.toml'), isOfProject: false };
  assert.deepEqual(uvSettings({}, [own(text)]).config, {});
  assert.deepEqual(Object.keys(uvSettings({}, [own(text), machine]).config).sort(), [
    'allow-insecure-host',
    'https-proxy',
  ]);
});

test('the settings of [pip] go before those above it', () => {
  const { config } = uvSettings({}, [
    own(
      'prerelease = "disallow"\nno-binary-package = ["b"]\n[pip]\nprerelease = "allow"\nno-binary = ["a"]',
    ),
  ]);
  assert.deepEqual(config, {
    prerelease: 'allow',
    'no-binary-package': ['b'],
    pip: { 'no-binary': ['a'] },
  });
});

test('a file that is not valid is an error with its path and line', () => {
  assert.throws(
    () => uvSettings({}, [own('a = 1\nb =')]),
    /\/work\/app\/uv\.toml is not valid TOML/,
  );
});

describe('the inputs', () => {
  const none = {
    ...{ url: undefined, extra: [], trustedHosts: [], mirror: undefined },
    ...{ username: undefined, password: undefined },
  };
  const pip = 'https://pip.example/simple';
  const settings = uvSettings({}, [
    own('index-url = "https://uv.example/"\nextra-index-url = ["https://extra.example/"]'),
  ]);

  test('are completed by the indexes of uv', () => {
    const { url, extra } = withUvIndexes(none, settings, pip);
    assert.deepEqual([url, extra], ['https://uv.example/', ['https://extra.example/']]);
  });

  test('with an index-url use no index of uv', () => {
    const given = { ...none, url: 'https://input.example/' };
    assert.deepEqual(withUvIndexes(given, settings, pip), given);
  });

  test("with extra-index-url keep uv's default index", () => {
    const { url, extra } = withUvIndexes({ ...none, extra: ['https://b.example/'] }, settings, pip);
    assert.deepEqual([url, extra], ['https://uv.example/', ['https://b.example/']]);
  });

  test("with credentials refuse a default index of uv other than pip's", () => {
    const given = { ...none, username: 'me', password: secret };
    assert.throws(() => withUvIndexes(given, settings, pip), /uv's settings name another default/);
    assert.equal(withUvIndexes(given, settings, 'https://uv.example').url, 'https://uv.example/');
  });
});

test('the configuration of a fill names the indexes without their credentials', () => {
  const settings = uvSettings({}, [
    own('[[index]]\nname = "b"\nurl = "https://b.example/"\nignore-error-codes = [403]'),
  ]);
  const urls = ['https://b.example/', 'https://me:p%2Fw@a.example/simple'];
  assert.deepEqual(uvConfiguration(settings, urls, []), {
    config: {
      index: [
        {
          ...{ name: 'index-1', url: 'https://b.example/', default: false },
          'ignore-error-codes': [403],
        },
        { name: 'index-2', url: 'https://a.example/simple', default: true },
      ],
    },
    environment: { UV_INDEX_INDEX_2_USERNAME: 'me', UV_INDEX_INDEX_2_PASSWORD: 'p/w' },
  });
});

test('a minimum release age and exclude-newer can not be set together', () => {
  assert.throws(() => refuseNewestOfUv(uvSettings({}, []), { UV_EXCLUDE_NEWER: '2026-01-01' }));
  assert.throws(() => refuseNewestOfUv(uvSettings({}, [own('exclude-newer = "2026-01-01"')]), {}));
  refuseNewestOfUv(uvSettings({}, []), {});
});
