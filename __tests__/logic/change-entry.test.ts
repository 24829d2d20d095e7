import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  changeUpon,
  type FullEntry,
  formatBase,
  fullEntryOf,
  parseBase,
  sizeOf,
} from '../../src/logic/change-entry.ts';
import { type Wheel, wheelPath } from '../../src/logic/manifest.ts';
import { manifestWheel } from '../support/fixtures.ts';

const size = 1_000_000;

/** A wheel whose content follows from its version. */
function wheel(index: number, version = 1, fields: Partial<Wheel> = {}): Wheel {
  const file = `p${index}-${version}.0-py3-none-any.whl`;
  return manifestWheel(`p${index}`, { file, sha256: `${index}/${version}`, size, ...fields });
}

/** The wheels of some versions. */
function wheels(versions: readonly number[]): Wheel[] {
  return versions.map((version, index) => wheel(index, version));
}

const ones = Array.from({ length: 8 }, () => 1);
const full = fullEntryOf('k', wheels(ones), undefined);

describe('a change', () => {
  test('contains what its base lacks', () => {
    const change = changeUpon(full, wheels(ones.with(3, 2)));
    assert.deepEqual(change, {
      base: { key: 'k', size: 8 * size, saved: size },
      wheels: ['p3-2.0-py3-none-any.whl'],
    });
  });

  test('contains a wheel whose content or place is new', () => {
    const rebuilt = wheels(ones).with(0, wheel(0, 1, { sha256: 'other' }));
    assert.deepEqual(changeUpon(full, rebuilt)?.wheels, ['p0-1.0-py3-none-any.whl']);
    const moved = wheels(ones).with(0, wheel(0, 1, { role: 'build' }));
    assert.deepEqual(changeUpon(full, moved)?.wheels, ['build/p0-1.0-py3-none-any.whl']);
  });

  test('may contain nothing but a manifest', () => {
    assert.deepEqual(changeUpon(full, wheels(ones))?.wheels, []);
  });

  test('upon a change names the same base', () => {
    const first = changeUpon(full, wheels(ones.with(3, 2)));
    assert.ok(first);
    const after = afterRestore(wheels(ones.with(3, 2)), first.base, first.wheels);
    assert.deepEqual(changeUpon(after, wheels(ones.with(3, 2).with(4, 2))), {
      base: { key: 'k', size: 8 * size, saved: 3 * size },
      wheels: ['p3-2.0-py3-none-any.whl', 'p4-2.0-py3-none-any.whl'],
    });
  });
});

describe('a full entry is saved when', () => {
  test('more than a quarter is new', () => {
    assert.ok(changeUpon(full, wheels([2, 2, 1, 1, 1, 1, 1, 1])));
    assert.equal(changeUpon(full, wheels([2, 2, 2, 1, 1, 1, 1, 1])), undefined);
  });

  test('the base has too much that is no longer needed', () => {
    assert.ok(changeUpon(full, wheels(ones.slice(0, 7))));
    assert.equal(changeUpon(full, wheels(ones.slice(0, 6))), undefined);
  });

  test('the changes upon the base add up to more than a full entry', () => {
    assert.ok(changeUpon({ ...full, saved: 7 * size }, wheels(ones.with(0, 2))));
    assert.equal(changeUpon({ ...full, saved: 7 * size + 1 }, wheels(ones.with(0, 2))), undefined);
  });

  test('that is hardly more than the new wheels', () => {
    const small = wheels(ones).map((each) => ({ ...each, size: 8_000 }));
    const base = fullEntryOf('k', small, undefined);
    const next = small.with(0, wheel(0, 2, { size: 8_000 }));
    assert.equal(changeUpon(base, next), undefined);
  });
});

/** The full entry of a run that has restored a change. */
function afterRestore(
  now: readonly Wheel[],
  base: Parameters<typeof formatBase>[0],
  own: readonly string[],
): FullEntry {
  const moved = new Set(now.map(wheelPath).filter((file) => !own.includes(file)));
  return fullEntryOf('restored', now, { base: parseBase(formatBase(base)), moved });
}

describe('bytes after 50 bumps of one pin each, as multiples of 88 equal wheels', () => {
  function stored(pick: (bump: number) => number): number {
    let versions = Array.from({ length: 88 }, () => 1);
    const whole = sizeOf(wheels(versions));
    let found = fullEntryOf('k', wheels(versions), undefined);
    let total = whole;
    for (let bump = 0; bump < 50; bump += 1) {
      versions = versions.with(pick(bump), bump + 2);
      const now = wheels(versions);
      const change = changeUpon(found, now);
      total += change === undefined ? whole : size * change.wheels.length;
      found =
        change === undefined
          ? fullEntryOf('k', now, undefined)
          : afterRestore(now, change.base, change.wheels);
    }
    return total / whole;
  }

  test('the same pin: less than 2', () => assert.ok(stored(() => 7) <= 2));

  // With one base per entry, no rule gets below 7.4.
  test('different pins: less than 7.5', () => assert.ok(stored((bump) => bump) <= 7.5));
});

test('a reference to a base is read as it was written', () => {
  const base = { key: 'wheelhouse-v2-linux', size: 1, saved: 2 };
  assert.deepEqual(parseBase(formatBase(base)), base);
});

describe('a reference is refused that', () => {
  const valid = { key: 'k', size: 1, saved: 2 };
  const table: Readonly<Record<string, [unknown, RegExp]>> = {
    'is not an object': ['x', /^base\.json is not valid: it is not an object$/],
    'has no key': [{ ...valid, key: undefined }, /"key" must be a cache key/],
    'has a key with a comma': [{ ...valid, key: 'a,b' }, /"key" must be a cache key/],
    'has a key with upper-case letters': [{ ...valid, key: 'A' }, /"key" must be a cache key/],
    'has a key that leads elsewhere': [{ ...valid, key: '../x' }, /"key" must be a cache key/],
    'has a key of more than 512 characters': [{ ...valid, key: 'k'.repeat(513) }, /"key" must be/],
    'has a fraction of a byte': [{ ...valid, size: 0.5 }, /"size" must be a number of bytes/],
    'has a negative number': [{ ...valid, saved: -1 }, /"saved" must be a number of bytes/],
  };
  for (const [description, [value, message]] of Object.entries(table)) {
    test(description, () => {
      assert.throws(() => parseBase(JSON.stringify(value)), { name: 'Error', message });
    });
  }

  test('is not JSON', () => assert.throws(() => parseBase('{'), { message: /it is not JSON$/ }));
});
