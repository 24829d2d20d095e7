import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  entriesBeyond,
  entryName,
  keyOfEntry,
  type StoredWheel,
  type StoreEntry,
  wheelName,
  wheelsOfEntry,
  wheelsToDelete,
} from '../../src/logic/content-store.ts';

const wheel = (name: string, size: number): StoredWheel => ({
  sha256: name.repeat(64).slice(0, 64),
  file: `${name}-1.0-py3-none-any.whl`,
  size,
});
const [a, b, c] = [wheel('a', 100), wheel('b', 10), wheel('c', 10)];

const hour = 3_600_000;
const now = new Date('2026-11-22T12:00:00Z');
const ago = (hours: number): Date => new Date(now.getTime() - hours * hour);

const entry = (key: string, hours: number, ...wheels: StoredWheel[]): StoreEntry => ({
  ...{ key, wheels, size: 1, usedAt: ago(hours) },
});
const keys = (entries: readonly StoreEntry[]): string[] => entries.map(({ key }) => key);

test('the name of a wheel in the store contains its hash, and an entry has the name of its key', () => {
  assert.equal(wheelName(a), `wheels/${'a'.repeat(64)}/a-1.0-py3-none-any.whl`);
  assert.equal(entryName('key-1.2'), 'entries/key-1.2.json');
  assert.equal(keyOfEntry('key-1.2.json'), 'key-1.2');
  assert.equal(keyOfEntry('.json'), undefined);
  assert.equal(keyOfEntry('README'), undefined);
});

test('an entry that is not a manifest has no wheels', () => {
  assert.deepEqual(wheelsOfEntry('{'), []);
  assert.deepEqual(wheelsOfEntry('{"schema":3,"wheels":[{"file":"../x.whl"}]}'), []);
});

describe('entries to delete', () => {
  const entries = [entry('new', 1, a, b), entry('middle', 2, a, c), entry('old', 3, c)];

  test('wheels that several entries share count once', () => {
    assert.deepEqual(keys(entriesBeyond(entries, 123, [])), []);
    assert.deepEqual(keys(entriesBeyond(entries, 122, [])), ['old']);
    assert.deepEqual(keys(entriesBeyond(entries, 121, [])), ['middle', 'old']);
    assert.deepEqual(keys(entriesBeyond(entries, 0, [])), ['new', 'middle', 'old']);
  });

  test('a protected entry counts and is never deleted', () => {
    assert.deepEqual(keys(entriesBeyond(entries, 0, ['old'])), ['new', 'middle']);
    assert.deepEqual(keys(entriesBeyond(entries, 122, ['old'])), ['middle']);
  });
});

describe('wheels to delete', () => {
  const listed = (hours: number) => ({ ...a, changedAt: ago(hours) });

  test('a wheel that a remaining entry names is kept', () => {
    const remaining = [entry('other', 30, a)];
    assert.deepEqual(wheelsToDelete([listed(40)], remaining, [entry('gone', 30, a)], now), []);
  });

  test('a wheel is deleted with the last entry that named it', () => {
    assert.deepEqual(wheelsToDelete([listed(2)], [], [entry('gone', 1, a)], now), [listed(2)]);
  });

  test('a wheel that a run has touched after the last use of its entry is kept', () => {
    assert.deepEqual(wheelsToDelete([listed(1)], [], [entry('gone', 2, a)], now), []);
  });

  test('a wheel without an entry is kept for a day', () => {
    assert.deepEqual(wheelsToDelete([listed(23)], [], [], now), []);
    assert.deepEqual(wheelsToDelete([listed(25)], [], [], now), [listed(25)]);
  });
});
