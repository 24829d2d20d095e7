import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { indexesOf, isSecureOrigin } from '../../src/logic/index-choice.ts';
import type { Interpreter, Request } from '../../src/logic/model.ts';
import {
  breaksSystemPackages,
  effectiveSettings,
  isolatesBuilds,
  type PipSettings,
  pipSettings,
  refuseIgnoredSettings,
  withOptionLines,
} from '../../src/logic/pip-settings.ts';
import type { OptionLine, RequestLine } from '../../src/logic/requirement-line.ts';

const noIndexInputs = { url: undefined, extra: [] };

function configured(pipConfig: Record<string, string>): PipSettings {
  return pipSettings({ pipConfig }, noIndexInputs);
}

function option(name: string, value = ''): OptionLine {
  const text = `--${name} ${value}`.trim();
  const source = { file: 'requirements.txt', line: 1 };
  return {
    ...{ kind: 'option', name, value, raw: value },
    ...{ text, shown: text, source, constraint: false },
  };
}

describe("pip's effective settings", () => {
  const table: readonly [string, Record<string, string>, Record<string, string>][] = [
    ['none', {}, {}],
    ['global', { 'global.index-url': 'g' }, { 'index-url': 'g' }],
    ['underscores are dashes', { ':env:.index_url': 'e' }, { 'index-url': 'e' }],
    [
      'the environment wins',
      { ':env:.index-url': 'e', 'global.index-url': 'g', 'install.index-url': 'i' },
      { 'index-url': 'e' },
    ],
    [
      'in any order',
      { 'install.index-url': 'i', 'global.index-url': 'g', ':env:.index-url': 'e' },
      { 'index-url': 'e' },
    ],
    [
      'install over wheel over global',
      { 'global.pre': 'g', 'install.pre': 'i', 'wheel.pre': 'w' },
      { pre: 'i' },
    ],
    ['wheel over global', { 'wheel.pre': 'w', 'global.pre': 'g' }, { pre: 'w' }],
    ['other commands do not count', { 'download.pre': 'd', 'list.format': 'json' }, {}],
    [
      'a value with dots',
      { 'global.index-url': 'https://h.example/a.b' },
      { 'index-url': 'https://h.example/a.b' },
    ],
    // pip passes over empty values.
    [
      'an empty variable does not hide a file',
      { ':env:.index-url': '', 'global.index-url': 'g' },
      { 'index-url': 'g' },
    ],
    ['an empty variable is none', { ':env:.no-deps': '' }, {}],
  ];
  for (const [description, config, expected] of table) {
    test(description, () => {
      assert.deepEqual(Object.fromEntries(effectiveSettings(config)), expected);
    });
  }
});

describe('a flag has the same value as in pip:', () => {
  for (const value of ['1', 'y', 'yes', 't', 'true', 'on', 'TRUE', 'Y']) {
    test(`${value} is on`, () => {
      assert.equal(configured({ ':env:.no-index': value }).flag('no-index'), true);
      assert.equal(
        breaksSystemPackages({ pipConfig: { 'install.break-system-packages': value } }),
        true,
      );
    });
  }
  for (const value of ['0', 'n', 'no', 'f', 'false', 'off', 'False', '']) {
    test(`${value || 'an empty value'} is off`, () => {
      assert.equal(configured({ ':env:.no-index': value }).flag('no-index'), false);
      assert.equal(
        breaksSystemPackages({ pipConfig: { 'install.break-system-packages': value } }),
        false,
      );
    });
  }

  test('a line of a requirement file turns on a flag that the configuration turns off', () => {
    const settings = configured({ 'global.pre': 'false' });
    assert.equal(settings.flag('pre'), false);
    assert.equal(withOptionLines(settings, [option('pre')]).flag('pre'), true);
  });
});

test('the last line that names an index replaces the configured one', () => {
  const settings = configured({ 'global.index-url': 'https://a.example/' });
  const lines = [
    option('index-url', 'https://b.example/'),
    option('index-url', 'https://c.example/'),
  ];
  assert.equal(withOptionLines(settings, lines).text('index-url'), 'https://c.example/');
  assert.equal(settings.text('index-url'), 'https://a.example/');
});

test('lines add to repeatable settings', () => {
  const settings = configured({
    'global.extra-index-url': 'https://a.example/\n https://b.example/',
  });
  assert.deepEqual(
    withOptionLines(settings, [option('extra-index-url', 'https://c.example/')]).words(
      'extra-index-url',
    ),
    ['https://a.example/', 'https://b.example/', 'https://c.example/'],
  );
});

test('inputs replace the configured indexes', () => {
  const settings = pipSettings(
    {
      pipConfig: {
        ':env:.index-url': 'https://a.example/',
        ':env:.extra-index-url': 'https://b.example/',
      },
    },
    { url: 'https://c.example/', extra: ['https://d.example/'] },
  );
  assert.equal(settings.text('index-url'), 'https://c.example/');
  assert.deepEqual(settings.words('extra-index-url'), ['https://d.example/']);
});

test('no-build-isolation in the configuration means the opposite of its name, as in pip', () => {
  assert.equal(isolatesBuilds(configured({})), true);
  assert.equal(isolatesBuilds(configured({ ':env:.no-build-isolation': '1' })), true);
  assert.equal(isolatesBuilds(configured({ ':env:.no-build-isolation': '0' })), false);
});

describe('indexes of a run', () => {
  const interpreter = {
    defaultIndex: 'https://default.example/simple',
    keyring: false,
    netrc: false,
  } as Interpreter;
  const indexes = (
    pipConfig: Record<string, string>,
    lines: readonly RequestLine[],
    index: Partial<Request['index']>,
  ) => {
    const inputs = {
      url: undefined,
      extra: [],
      trustedHosts: [],
      username: undefined,
      password: undefined,
      mirror: undefined,
      ...index,
    };
    const settings = withOptionLines(pipSettings({ pipConfig }, inputs), lines);
    return indexesOf({ index: inputs } as unknown as Request, interpreter, settings);
  };
  const credentials = { username: 'u', password: 'p4ssword' };

  test('a false no-index does not disable the input index-url', () => {
    const index = { url: 'https://private.example/simple' };
    assert.equal(
      indexes({ ':env:.no-index': '0' }, [], index)?.authoritative,
      'https://private.example/simple',
    );
    assert.equal(indexes({ ':env:.no-index': '1' }, [], index), undefined);
    assert.equal(indexes({}, [option('no-index')], {}), undefined);
  });

  test("credentials go to the index in pip's configuration", () => {
    const config = { 'global.index-url': 'https://private.example/simple' };
    const expected = 'https://u:p4ssword@private.example/simple';
    assert.equal(indexes(config, [], credentials)?.authoritative, expected);
    const line = option('index-url', 'https://private.example/simple/');
    assert.equal(indexes(config, [line], credentials)?.authoritative, `${expected}/`);
  });

  test('credentials never go to an index that only a requirement file names', () => {
    const line = option('index-url', 'https://other.example/simple');
    for (const config of [{}, { ':env:.index-url': 'https://private.example/simple' }]) {
      assert.throws(() => indexes(config, [line], credentials), /Set the input index-url/);
      assert.equal(indexes(config, [line], {})?.authoritative, 'https://other.example/simple');
    }
  });
});

describe('a setting that this pip would ignore is an error', () => {
  for (const [name, oldest] of [
    ['uploaded-prior-to', '26.0'],
    ['only-final', '26.0'],
    ['all-releases', '26.0'],
    ['build-constraint', '25.3'],
  ]) {
    test(`${name} before pip ${oldest}`, () => {
      const settings = configured({ [`:env:.${name}`]: 'x' });
      assert.throws(
        () => refuseIgnoredSettings(settings, '25.2'),
        new RegExp(`${name}, which pip 25\\.2 ignores\\. Upgrade pip to ${oldest}`),
      );
      refuseIgnoredSettings(settings, '26.3');
      refuseIgnoredSettings(configured({}), '22.2');
    });
  }
});

describe('whether pip accepts an origin', () => {
  const table: readonly [url: string, trusted: readonly string[], expected: boolean][] = [
    ['https://index.example/simple', [], true],
    ['http://index.example/simple', [], false],
    ['http://index.example:81/simple', ['index.example'], true],
    ['http://index.example:81/simple', ['index.example:81'], true],
    ['http://index.example:81/simple', ['other.example'], false],
    ['http://127.0.0.1:8000/simple', [], true],
    ['http://[::1]/simple', [], true],
    ['http://localhost/simple', [], true],
    ['http://localhost.evil.example/simple', [], false],
    ['file:///simple', [], true],
  ];
  for (const [url, trusted, expected] of table) {
    test(`${url} ${trusted.join()}: ${expected ? 'yes' : 'no'}`, () => {
      assert.equal(isSecureOrigin(url, trusted), expected);
    });
  }
});
