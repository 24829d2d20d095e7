import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Recheck } from '../../src/logic/freshness.ts';
import type { Wheel } from '../../src/logic/manifest.ts';
import { type ListedFile, projectFiles } from '../../src/logic/project-page.ts';
import { checkable, compareWithPages, isTurn, type Listing } from '../../src/logic/recheck.ts';

describe('the turn of a set', () => {
  const resolved = { resolvedAt: '2026-01-01T00:00:00.000Z' };
  const hours = (recheck: Recheck, key: string, from: string, count: number): number[] =>
    Array.from({ length: count }, (_, hour) => hour).filter((hour) =>
      isTurn(resolved, recheck, key, new Date(Date.parse(from) + hour * 3_600_000)),
    );

  test('is one day of each week', () => {
    const days = new Set<number>();
    for (let number = 0; number < 50; number += 1) {
      const turn = hours('weekly', `key-${number}`, '2026-11-16T00:00:00Z', 7 * 24);
      assert.equal(turn.length, 24);
      assert.equal((turn.at(-1) ?? 0) - (turn[0] ?? 0), 23);
      days.add((turn[0] ?? 0) / 24);
    }
    assert.equal(days.size, 7);
  });

  test('is in every month and on every day', () => {
    for (let number = 0; number < 50; number += 1) {
      for (const month of ['2026-02', '2026-03', '2026-04']) {
        assert.ok(hours('monthly', `key-${number}`, `${month}-01T00:00:00Z`, 28 * 24).length > 0);
      }
      const turn = hours('daily', `key-${number}`, '2026-11-16T00:00:00Z', 24).length;
      assert.ok(turn === 3 || turn === 4, `${turn}`);
    }
  });

  test('is never in the period of the resolution, except with always', () => {
    const now = new Date(resolved.resolvedAt);
    for (let number = 0; number < 50; number += 1) {
      assert.equal(isTurn(resolved, 'weekly', `key-${number}`, now), false);
    }
    assert.equal(isTurn(resolved, 'always', 'key', now), true);
    assert.equal(isTurn(resolved, 'never', 'key', new Date('2027-01-01')), false);
  });
});

describe('a comparison with pages', () => {
  const hash = 'a'.repeat(64);
  const wheel: Wheel = {
    ...{ name: 'alpha', project: 'Alpha', version: '1.0', size: 1 },
    ...{ file: 'alpha-1.0-py3-none-any.whl', sha256: hash, origin: 'downloaded', role: 'runtime' },
  };
  const other: Wheel = { ...wheel, name: 'beta', file: 'beta-1.0-py3-none-any.whl' };
  const files = (...entries: { filename: string; sha256?: string; yanked?: string }[]): Listing => {
    const list = entries.map(({ filename, sha256, yanked }) => ({
      ...{ filename, url: filename, hashes: sha256 === undefined ? {} : { sha256 } },
      ...(yanked === undefined ? {} : { yanked }),
    }));
    const body = JSON.stringify({ files: list });
    const found: ListedFile[] = projectFiles('application/json', body, 'https://i.example/a/');
    return { state: 'listed', files: found };
  };
  const same = { filename: wheel.file, sha256: hash };
  const absent: Listing = { state: 'absent' };
  const unknown: Listing = { state: 'unknown', reason: 'it answers 503' };
  const rows: readonly [
    name: string,
    wheel: Wheel,
    listings: readonly Listing[],
    result: 'offered' | 'yanked' | 'withdrawn' | 'unknown',
  ][] = [
    ['the same file', wheel, [files(same)], 'offered'],
    ['the same file without a hash', wheel, [files({ filename: wheel.file })], 'offered'],
    ['another hash', wheel, [files({ ...same, sha256: 'b'.repeat(64) })], 'withdrawn'],
    ['another file', wheel, [files({ ...same, filename: 'alpha-1.0.tar.gz' })], 'withdrawn'],
    ['no files', wheel, [files()], 'withdrawn'],
    ['no page', wheel, [absent], 'withdrawn'],
    ['no page, and the file on another index', wheel, [absent, files(same)], 'offered'],
    ['no page, and another index is down', wheel, [absent, unknown], 'unknown'],
    ['the file, and another index is down', wheel, [files(same), unknown], 'offered'],
    ['a yanked file', wheel, [files({ ...same, yanked: 'bad' })], 'yanked'],
    [
      'a file that one index has yanked',
      wheel,
      [files({ ...same, yanked: '' }), files(same)],
      'offered',
    ],
    [
      'the sdist of a wheel that was built',
      { ...wheel, origin: 'built' },
      [files({ filename: 'Alpha-1.0.tar.gz' })],
      'offered',
    ],
    [
      'another sdist than the one of a wheel that was built',
      { ...wheel, origin: 'built' },
      [files({ filename: 'alpha-1.1.tar.gz' })],
      'withdrawn',
    ],
  ];
  for (const [name, one, listings, expected] of rows) {
    test(`${name}: ${expected}`, () => {
      const pages = new Map([
        ['alpha', listings],
        ['beta', [files({ filename: other.file, sha256: hash })]],
      ]);
      const found = compareWithPages([one, other], pages);
      assert.deepEqual(
        [found.withdrawn.length, found.yanked.length, found.unknown, found.offered],
        [
          expected === 'withdrawn' ? 1 : 0,
          expected === 'yanked' ? 1 : 0,
          expected === 'unknown' ? 1 : 0,
          expected === 'offered' ? 2 : 1,
        ],
      );
    });
  }

  test('an index that has none of the wheels says nothing about them', () => {
    const found = compareWithPages([wheel, other], new Map([['alpha', [absent]]]));
    assert.deepEqual([found.withdrawn, found.unknown], [[], 2]);
  });

  test('wheels from direct URLs and build requirements are left out', () => {
    const wheels: Wheel[] = [wheel, { ...wheel, url: 'x' }, { ...wheel, role: 'build' }];
    assert.deepEqual(checkable({ wheels }), [wheel]);
  });
});
