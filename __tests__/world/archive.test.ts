/** What an archive of the cache may unpack to. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { contentsOf, hostility } from '../../src/world/archive.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'contents-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const file = (...names: string[]): string => path.join(directory, ...names);

describe('the contents of a directory', () => {
  test('are counted with those of directories in it, and links are not followed', async () => {
    mkdirSync(file('sub'));
    writeFileSync(file('a'), '12345');
    writeFileSync(file('sub', 'b'), '123');
    symlinkSync('/', file('link'));
    assert.deepEqual(await contentsOf(directory), { files: 4, bytes: 8, hasHardLinks: false });
  });

  test('have the sizes that reading them takes, however sparse they are', async () => {
    writeFileSync(file('sparse'), '');
    truncateSync(file('sparse'), 8e12);
    const contents = await contentsOf(directory);
    assert.equal(contents.bytes, 8e12);
    assert.equal(hostility(contents, 1197), 'the archive unpacks to far more than wheels do');
  });

  test('include files with names that are not valid UTF-8', async () => {
    writeFileSync(
      Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]),
      '12345',
    );
    assert.equal((await contentsOf(directory)).bytes, 5);
  });

  test('with hard links are refused, however small they are', async () => {
    writeFileSync(file('a'), 'x');
    linkSync(file('a'), file('b'));
    const contents = await contentsOf(directory);
    assert.equal(hostility(contents, 100), 'the archive contains hard links');
  });

  test('become readable for their owner, and keep their other rights', async () => {
    mkdirSync(file('closed'));
    writeFileSync(file('closed', 'a'), '');
    chmodSync(file('closed', 'a'), 0o004);
    chmodSync(file('closed'), 0o005);
    await contentsOf(directory);
    assert.equal(statSync(file('closed')).mode & 0o777, 0o705);
    assert.equal(statSync(file('closed', 'a')).mode & 0o777, 0o604);
  });
});

describe('an archive', () => {
  const fine = { files: 3, bytes: 1000, hasHardLinks: false };
  const table: readonly [string, Partial<typeof fine>, number, string | undefined][] = [
    ['of a few files is accepted', {}, 1000, undefined],
    ['that unpacks to a gigabyte more is accepted', { bytes: 1_000_004_000 }, 1000, undefined],
    [
      'that unpacks to more is refused',
      { bytes: 1_000_004_001 },
      1000,
      'the archive unpacks to far more than wheels do',
    ],
    ['of 10,000 files is accepted', { files: 10_000 }, 1000, undefined],
    [
      'of more files is refused',
      { files: 10_001 },
      1000,
      'the archive holds far more files than a wheelhouse',
    ],
  ];
  for (const [description, change, size, expected] of table) {
    test(description, () => assert.equal(hostility({ ...fine, ...change }, size), expected));
  }
});
