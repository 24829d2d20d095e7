/** The limits of what a cache archive may unpack to. */
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

describe('contentsOf', () => {
  test('counts the files in nested directories, and follows no links', async () => {
    mkdirSync(file('sub'));
    writeFileSync(file('a'), '12345');
    writeFileSync(file('sub', 'b'), '123');
    symlinkSync('/', file('link'));
    assert.deepEqual(await contentsOf(directory), { files: 4, bytes: 8, hasHardLinks: false });
  });

  test('counts a sparse file with its full size', async () => {
    writeFileSync(file('sparse'), '');
    truncateSync(file('sparse'), 8e12);
    const contents = await contentsOf(directory);
    assert.equal(contents.bytes, 8e12);
    assert.equal(hostility(contents, 1197), 'the archive unpacks to far more than wheels do');
  });

  test('counts files whose names are not valid UTF-8', async () => {
    writeFileSync(
      Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe])]),
      '12345',
    );
    assert.equal((await contentsOf(directory)).bytes, 5);
  });

  test('finds hard links, which make an archive of any size hostile', async () => {
    writeFileSync(file('a'), 'x');
    linkSync(file('a'), file('b'));
    const contents = await contentsOf(directory);
    assert.equal(hostility(contents, 100), 'the archive contains hard links');
  });

  test('makes files readable for their owner, and keeps their other permissions', async () => {
    mkdirSync(file('closed'));
    writeFileSync(file('closed', 'a'), '');
    chmodSync(file('closed', 'a'), 0o004);
    chmodSync(file('closed'), 0o005);
    await contentsOf(directory);
    assert.equal(statSync(file('closed')).mode & 0o777, 0o705);
    assert.equal(statSync(file('closed', 'a')).mode & 0o777, 0o604);
  });
});

describe('hostility', () => {
  const fine = { files: 3, bytes: 1000, hasHardLinks: false };
  const table: readonly [string, Partial<typeof fine>, number, string | undefined][] = [
    ['an archive of a few files is accepted', {}, 1000, undefined],
    [
      'an archive that unpacks to four times its size and a gigabyte is accepted',
      { bytes: 1_000_004_000 },
      1000,
      undefined,
    ],
    [
      'an archive that unpacks to more is refused',
      { bytes: 1_000_004_001 },
      1000,
      'the archive unpacks to far more than wheels do',
    ],
    ['an archive of 10,000 files is accepted', { files: 10_000 }, 1000, undefined],
    [
      'an archive of more than 10,000 files is refused',
      { files: 10_001 },
      1000,
      'the archive contains far more files than a wheelhouse',
    ],
  ];
  for (const [description, change, size, expected] of table) {
    test(description, () => assert.equal(hostility({ ...fine, ...change }, size), expected));
  }
});
