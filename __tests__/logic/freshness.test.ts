import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { age, isFresh, period, type Refresh, refreshPeriods } from '../../src/logic/freshness.ts';

describe('week of a date', () => {
  for (const [date, week] of [
    ['2026-11-20', '2026-w47'],
    ['2026-01-01', '2026-w01'],
    ['2026-01-04', '2026-w01'],
    ['2026-01-05', '2026-w02'],
    ['2025-12-28', '2025-w52'],
    ['2025-12-29', '2026-w01'],
    ['2027-01-03', '2026-w53'],
    ['2027-01-04', '2027-w01'],
    ['2021-01-03', '2020-w53'],
    ['2021-01-04', '2021-w01'],
    ['2023-01-01', '2022-w52'],
    ['2024-02-29', '2024-w09'],
    ['2024-12-30', '2025-w01'],
    ['2016-01-01', '2015-w53'],
    ['2000-01-01', '1999-w52'],
  ] as const) {
    for (const time of ['00:00:00.000', '23:59:59.999']) {
      test(`${date} ${time}`, () => {
        assert.equal(period('weekly', new Date(`${date}T${time}Z`)), week);
      });
    }
  }

  test('a week has seven days and starts on Monday', () => {
    const day = fc.integer({ min: 0, max: 40_000 });
    fc.assert(
      fc.property(day, (days) => {
        const at = (offset: number): Date => new Date((days + offset) * 86_400_000);
        const weeks = [0, 1].map((offset) => period('weekly', at(offset)));
        assert.equal(weeks[0] !== weeks[1], at(1).getUTCDay() === 1);
      }),
    );
  });
});

describe('periods', () => {
  const moment = new Date('2026-11-20T23:30:00Z');
  for (const [refresh, text] of [
    ['auto', '2026-w47'],
    ['weekly', '2026-w47'],
    ['daily', '2026-11-20'],
    ['always', '2026-11-20'],
    ['monthly', '2026-11'],
    ['never', 'any'],
  ] as const) {
    test(`${refresh}: ${text}`, () => assert.equal(period(refresh, moment), text));
  }
});

describe('whether a wheelhouse is fresh', () => {
  const now = '2026-11-20T12:00:00Z';
  const table: readonly [Refresh, string, boolean, boolean][] = [
    ['always', now, false, false],
    ['always', now, true, false],
    ['never', '1999-01-01T00:00:00Z', false, true],
    ['daily', '2026-11-20T00:00:00Z', false, true],
    ['daily', '2026-11-19T23:59:59Z', false, false],
    ['daily', '2026-11-19T23:59:59Z', true, true],
    ['weekly', '2026-11-16T00:00:00Z', false, true],
    ['weekly', '2026-11-15T23:59:59Z', false, false],
    ['auto', '2026-11-16T00:00:00Z', false, true],
    ['auto', '2026-11-15T23:59:59Z', false, false],
    ['auto', '1999-01-01T00:00:00Z', true, true],
    ['monthly', '2026-11-01T00:00:00Z', false, true],
    ['monthly', '2026-10-31T23:59:59Z', false, false],
    ['monthly', '2025-11-20T12:00:00Z', false, false],
    // From a clock that was wrong, or from somebody who wants it to last.
    ['weekly', '2999-01-01T00:00:00Z', false, false],
  ];
  for (const [refresh, resolvedAt, pinned, expected] of table) {
    test(`${refresh}, ${pinned ? 'pinned, ' : ''}from ${resolvedAt}: ${expected}`, () => {
      assert.equal(isFresh({ resolvedAt, pinned }, refresh, new Date(now)), expected);
    });
  }

  test('a wheelhouse that was resolved just now is fresh except with always', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('2200-01-01') }),
        fc.constantFrom(...refreshPeriods),
        (moment, refresh) => {
          const wheelhouse = { resolvedAt: moment.toISOString(), pinned: false };
          assert.equal(isFresh(wheelhouse, refresh, moment), refresh !== 'always');
        },
      ),
    );
  });
});

describe('an age', () => {
  const now = new Date('2026-11-20T12:00:00Z');
  for (const [since, text] of [
    ['2026-11-20T12:00:00Z', '0 hours'],
    ['2026-11-20T11:00:00Z', '1 hour'],
    ['2026-11-20T09:10:00Z', '3 hours'],
    ['2026-11-18T13:00:00Z', '47 hours'],
    ['2026-11-18T12:00:00Z', '2 days'],
    ['2026-11-08T12:00:00Z', '12 days'],
    ['2026-11-20T13:00:00Z', '0 hours'],
  ] as const) {
    test(`since ${since}: ${text}`, () => assert.equal(age(since, now), text));
  }
});
