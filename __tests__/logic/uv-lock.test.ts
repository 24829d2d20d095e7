import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { chooseFile, offeredPackages } from '../../src/logic/uv-lock.ts';

const tags = new Map(
  [
    'cp311-cp311-manylinux_2_28_x86_64',
    'cp311-cp311-manylinux_2_17_x86_64',
    'cp311-abi3-manylinux_2_17_x86_64',
    'cp37-abi3-manylinux_2_17_x86_64',
    'py3-none-any',
  ].map((tag, position) => [tag, position]),
);
const hashOf = (digit: string): string => digit.repeat(64);

/** A package in the form that uv writes. @param files by name; the value is a digit of the hash */
function lock(files: Readonly<Record<string, string | undefined>>, name = 'some-thing'): string {
  const table = (file: string, digit: string | undefined): string =>
    `{ url = "https://index.example/files/${file}", size = 3, hashes = {${digit === undefined ? '' : ` sha256 = "${hashOf(digit)}" `}} }`;
  const entries = Object.entries(files);
  const wheels = entries.filter(([file]) => file.endsWith('.whl'));
  const sdist = entries.find(([file]) => !file.endsWith('.whl'));
  return [
    'lock-version = "1.0"\ncreated-by = "uv"\n[[packages]]',
    `name = "${name}"\nversion = "1.0"`,
    ...(sdist === undefined ? [] : [`sdist = ${table(...sdist)}`]),
    ...(wheels.length === 0
      ? []
      : [`wheels = [${wheels.map((each) => table(...each)).join(', ')}]`]),
  ].join('\n');
}

function chosen(
  files: Readonly<Record<string, string | undefined>>,
  allowed?: readonly string[],
): string {
  const [found] = offeredPackages(lock(files));
  assert.ok(found);
  const hashes = allowed?.map((digit) => `sha256:${hashOf(digit)}`);
  return chooseFile(found, tags, hashes).file;
}

const own = 'some_thing-1.0-cp311-cp311-manylinux_2_28_x86_64.whl';
const older = 'some_thing-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl';
const stable = 'some_thing-1.0-cp37-abi3-manylinux_2_17_x86_64.whl';
const pure = 'some_thing-1.0-py2.py3-none-any.whl';
const other = 'some_thing-1.0-cp312-cp312-manylinux_2_28_x86_64.whl';
const sdist = 'some_thing-1.0.tar.gz';

describe('the file that is installed', () => {
  const cases: readonly (readonly [string, Record<string, string>, string])[] = [
    [
      'is the wheel with the best tag',
      { [pure]: '1', [stable]: '2', [own]: '3', [older]: '4' },
      own,
    ],
    ['counts the best of several tags', { [pure]: '1', [older]: '2', [stable]: '3' }, older],
    ['is a wheel rather than an sdist', { [sdist]: '1', [pure]: '2' }, pure],
    ['is the sdist where no wheel fits', { [sdist]: '1', [other]: '2' }, sdist],
    [
      'is the wheel with the highest build tag',
      {
        [pure]: '1',
        'some_thing-1.0-2-py3-none-any.whl': '2',
        'some_thing-1.0-10a-py3-none-any.whl': '3',
        'some_thing-1.0-10-py3-none-any.whl': '4',
      },
      'some_thing-1.0-10a-py3-none-any.whl',
    ],
  ];
  for (const [name, files, expected] of cases) {
    test(name, () => assert.equal(chosen(files), expected));
  }

  test('has an allowed hash, even if another one has a better tag', () => {
    assert.equal(chosen({ [own]: '1', [pure]: '2', [sdist]: '3' }, ['2', '3']), pure);
    assert.equal(chosen({ [own]: '1', [pure]: '2', [sdist]: '3' }, ['3']), sdist);
  });

  test('may have no hash on the index; one without is preferred to another hash', () => {
    assert.equal(chosen({ [own]: '1', [pure]: undefined } as never, ['2']), pure);
  });
});

describe('an error', () => {
  test('names the version that fits nothing', () => {
    assert.throws(() => chosen({ [other]: '1' }), /some-thing 1\.0 has no wheel for this Python/);
  });

  test('names the version none of whose files has an allowed hash', () => {
    assert.throws(
      () => chosen({ [own]: '1', [sdist]: '2' }, ['3']),
      /has no file with a hash in the/,
    );
  });

  test('tells that only SHA-256 is checked', () => {
    const [found] = offeredPackages(lock({ [own]: '1' }));
    assert.ok(found);
    assert.throws(
      () => chooseFile(found, tags, [`sha512:${'a'.repeat(128)}`]),
      /The hashes of some-thing are not SHA-256/,
    );
  });

  test('is a file name that leads elsewhere', () => {
    const text = lock({ [own]: '1' }).replace(own, '..%2F..%2Fevil.whl');
    assert.throws(() => offeredPackages(text), /invalid file name/);
  });
});

test('packages that the request names by their address are left out', () => {
  const text = `${lock({ [own]: '1' })}\n[[packages]]\nname = "app"\nversion = "1"\narchive = { path = "app.whl" }\n`;
  assert.deepEqual(
    offeredPackages(text).map(({ name }) => name),
    ['some-thing'],
  );
});
