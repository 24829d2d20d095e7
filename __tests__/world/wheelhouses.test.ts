/** Wheelhouses on disk: their layout, and links that are never followed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { lockTexts, type Manifest, type Wheel, wheelPath } from '../../src/logic/manifest.ts';
import { wheelhousesAdapter } from '../../src/world/wheelhouses.ts';
import { manifestWheel } from '../support/fixtures.ts';

const wheelhouses = wheelhousesAdapter();
let root = '';
let directory = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'wheelhouses-'));
  directory = path.join(root, 'wheelhouse');
  mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true }));

function wheel(name: string, role: Wheel['role']): Wheel {
  const sha256 = createHash('sha256').update(name).digest('hex');
  const entry = manifestWheel(name, { sha256, size: name.length, role });
  writeFileSync(path.join(directory, entry.file), name);
  return entry;
}

function manifestOf(...wheels: Wheel[]): Manifest {
  return {
    ...{ interpreter: 'x', request: 'x', sources: 'x', direct: [], relied: [], wheels },
    resolvedAt: '2026-11-20T12:00:00.000Z',
  };
}

const below = (): string[] => readdirSync(directory, { recursive: true }).map(String).sort();
const layout = [
  'build',
  'build/setuptools-1.0-py3-none-any.whl',
  'pylock.toml',
  'requirements.lock',
  'six-1.0-py3-none-any.whl',
  'wheelhouse.json',
];

test('a sealed wheelhouse has the wheels that are not installed in a directory of their own', async () => {
  const manifest = manifestOf(wheel('six', 'runtime'), wheel('setuptools', 'build'));
  await wheelhouses.seal(directory, manifest);
  await wheelhouses.seal(directory, manifest);
  assert.deepEqual(below(), layout);
  const inspected = await wheelhouses.inspect(directory, 'content');
  assert.deepEqual(inspected, { manifest, sound: manifest.wheels, faults: [] });
});

test('a sealed wheelhouse contains nothing that its manifest does not name', async () => {
  const manifest = manifestOf(wheel('six', 'runtime'), wheel('setuptools', 'build'));
  wheel('old', 'runtime');
  mkdirSync(path.join(directory, 'build'));
  writeFileSync(path.join(directory, 'build', 'old-1.0-py3-none-any.whl'), 'old');
  await wheelhouses.seal(directory, manifest);
  assert.deepEqual(below(), layout);
});

test('sealing again replaces the locks, whatever is in them', async () => {
  const manifest = manifestOf(wheel('six', 'runtime'), wheel('setuptools', 'build'));
  await wheelhouses.seal(directory, manifest);
  const texts = lockTexts(manifest.wheels);
  writeFileSync(path.join(directory, 'pylock.toml'), 'tampered');
  rmSync(path.join(directory, 'requirements.lock'));
  await wheelhouses.seal(directory, manifest);
  for (const [file, text] of Object.entries(texts)) {
    assert.equal(readFileSync(path.join(directory, file), 'utf8'), text);
  }
});

test('share keeps the layout of a wheelhouse', async () => {
  await wheelhouses.seal(
    directory,
    manifestOf(wheel('six', 'runtime'), wheel('setuptools', 'build')),
  );
  const original = directory;
  directory = path.join(root, 'shared');
  mkdirSync(directory);
  await wheelhouses.share(original, directory);
  assert.deepEqual(below(), layout);
});

test('a reopened wheelhouse has all wheels in one directory', async () => {
  await wheelhouses.seal(
    directory,
    manifestOf(wheel('six', 'runtime'), wheel('setuptools', 'build')),
  );
  await wheelhouses.reopen(directory);
  assert.deepEqual(await wheelhouses.list(directory), [
    'setuptools-1.0-py3-none-any.whl',
    'six-1.0-py3-none-any.whl',
  ]);
  assert.ok(!existsSync(path.join(directory, 'build')));
});

test('a wheel in the wrong directory is missing, and not in the manifest', async () => {
  const six = wheel('six', 'runtime');
  await wheelhouses.seal(directory, manifestOf(six));
  mkdirSync(path.join(directory, 'build'));
  renameSync(path.join(directory, six.file), path.join(directory, 'build', six.file));
  const inspected = await wheelhouses.inspect(directory, 'content');
  assert.deepEqual(inspected?.faults, [
    `${six.file} is missing`,
    `build/${six.file} is not in the manifest`,
  ]);
});

test('a link in place of the build directory is not followed', async () => {
  await wheelhouses.seal(directory, manifestOf(wheel('setuptools', 'build')));
  renameSync(path.join(directory, 'build'), path.join(root, 'elsewhere'));
  symlinkSync(path.join(root, 'elsewhere'), path.join(directory, 'build'));
  const inspected = await wheelhouses.inspect(directory, 'content');
  assert.deepEqual(inspected?.faults, [
    'setuptools-1.0-py3-none-any.whl is missing',
    'build is not in the manifest',
  ]);
  await wheelhouses.keepOnly(directory, ['build/setuptools-1.0-py3-none-any.whl']);
  assert.ok(!existsSync(path.join(directory, 'build')));
  assert.equal(readdirSync(path.join(root, 'elsewhere')).length, 1);
});

test('supplement moves only the wheels that the manifest lists and the directory lacks', async () => {
  const [own, other, build] = [
    wheel('own', 'runtime'),
    wheel('other', 'runtime'),
    wheel('setuptools', 'build'),
  ];
  const manifest = manifestOf(own, other, build);
  await wheelhouses.seal(directory, manifest);
  const base = path.join(root, 'base');
  mkdirSync(path.join(base, 'build'), { recursive: true });
  for (const each of [other, build]) {
    renameSync(path.join(directory, wheelPath(each)), path.join(base, wheelPath(each)));
  }
  writeFileSync(path.join(base, own.file), 'another content');
  writeFileSync(path.join(base, 'evil-1.0-py3-none-any.whl'), 'evil');
  const moved = await wheelhouses.supplement(directory, base);
  assert.deepEqual([...moved].sort(), [wheelPath(build), other.file].sort());
  assert.deepEqual((await wheelhouses.inspect(directory, 'content'))?.faults, []);
});

for (const at of ['the base', 'the change'] as const) {
  test(`supplement does not follow a link in place of the build directory of ${at}`, async () => {
    const build = wheel('setuptools', 'build');
    await wheelhouses.seal(directory, manifestOf(build));
    const base = path.join(root, 'base');
    const outside = path.join(root, 'outside');
    renameSync(path.join(directory, 'build'), outside);
    mkdirSync(base);
    if (at === 'the change') {
      mkdirSync(path.join(base, 'build'));
      renameSync(path.join(outside, build.file), path.join(base, wheelPath(build)));
    }
    symlinkSync(outside, path.join(at === 'the base' ? base : directory, 'build'));
    assert.deepEqual([...(await wheelhouses.supplement(directory, base))], []);
    assert.deepEqual(readdirSync(outside), at === 'the base' ? [build.file] : []);
  });
}

test('a file that names the base is not read through a link', async () => {
  const secret = path.join(directory, 'secret');
  writeFileSync(secret, '{}');
  symlinkSync(secret, path.join(directory, 'base.json'));
  await assert.rejects(wheelhouses.takeBase(directory), /base\.json is not a regular file/);
});

test('keepOnly deletes files whose names are not valid UTF-8', async () => {
  const six = wheel('six', 'runtime');
  const evil = Buffer.concat([
    Buffer.from(`${directory}/alpha-`),
    Buffer.from([0xff]),
    Buffer.from('.whl'),
  ]);
  writeFileSync(evil, 'evil');
  mkdirSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xfe])]));
  await wheelhouses.keepOnly(directory, [six.file]);
  assert.deepEqual(readdirSync(directory, { encoding: 'buffer' }).map(String), [six.file]);
});

test('keepOnly deletes a file whose name only looks like a listed one', async () => {
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/a`), Buffer.from([0xff])]), 'evil');
  await wheelhouses.keepOnly(directory, ['a\ufffd']);
  assert.deepEqual(readdirSync(directory), []);
});
