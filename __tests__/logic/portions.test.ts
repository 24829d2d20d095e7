import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import type { Wheel } from '../../src/logic/manifest.ts';
import { mayDivide, portionsOf, type WheelContents } from '../../src/logic/portions.ts';
import { manifestWheel } from '../support/fixtures.ts';

function wheelOf(name: string, size = 1000): Wheel {
  return manifestWheel(name, { size });
}

/** Wheels of half a gigabyte each, by the names that they put into place. */
function big(names: Record<string, readonly string[]>): [Wheel[], WheelContents[]] {
  const contents = Object.values(names).map((each) => ({ files: 10, bytes: 5e8, names: each }));
  return [Object.keys(names).map((name) => wheelOf(name)), contents];
}

function divided(
  names: Record<string, readonly string[]>,
  options: { installed?: string[]; cores?: number } = {},
): string[][] {
  const [wheels, contents] = big(names);
  const { installed = ['pip'], cores = 2 } = options;
  return portionsOf(wheels, { installed, contents }, { cores, compile: false }).map((portion) =>
    portion.map((wheel) => wheel.name).sort(),
  );
}

describe('portions of a lock', () => {
  test('wheels that have nothing in common are divided', () => {
    assert.deepEqual(divided({ a: ['a'], b: ['b'] }), [['a'], ['b']]);
    assert.deepEqual(divided({ a: ['a'], b: ['b'], c: ['c'], d: ['d'] }, { cores: 8 }).length, 4);
    const many = Object.fromEntries(
      Array.from({ length: 9 }, (_none, at) => [`p${at}`, [`p${at}`]]),
    );
    assert.equal(divided(many, { cores: 64 }).length, 4, 'no more than four pips');
    assert.equal(divided(many, { cores: 3 }).length, 3);
  });

  test('wheels with a name in common stay together, also through others', () => {
    const portions = divided({ a: ['a', 'x'], b: ['b'], c: ['y', 'c'], d: ['x', 'y'], e: ['e'] });
    assert.ok(
      portions.some((portion) => ['a', 'c', 'd'].every((name) => portion.includes(name))),
      JSON.stringify(portions),
    );
    assert.deepEqual(divided({ a: ['x'], b: ['x'] }), [['a', 'b']]);
  });

  test('one where something of the lock is installed, however its name is written', () => {
    const names = { 'a-b': ['a'], c: ['c'] };
    assert.equal(divided(names, { installed: ['other'] }).length, 2);
    assert.equal(divided(names, { installed: ['A_b'] }).length, 1);
  });

  test('one where a wheel may put something anywhere, or nothing is known of it', () => {
    const [wheels, contents] = big({ a: ['a'], b: ['b'], c: [] });
    const options = { cores: 2, compile: false };
    assert.deepEqual(portionsOf(wheels, { installed: [], contents }, options), [wheels]);
    const surroundings = { installed: [], contents: [...contents.slice(0, 2), null] };
    assert.deepEqual(portionsOf(wheels, surroundings, options), [wheels]);
  });

  test('one where there is little to do; bytecode is much to do', () => {
    const wheels = [wheelOf('a'), wheelOf('b')];
    const contents = ['a', 'b'].map((name) => ({ files: 1000, bytes: 3e7, names: [name] }));
    const surroundings = { installed: [], contents };
    assert.equal(portionsOf(wheels, surroundings, { cores: 2, compile: false }).length, 1);
    assert.equal(portionsOf(wheels, surroundings, { cores: 2, compile: true }).length, 2);
    const beside = [{ files: 9, bytes: 1e9, names: ['a'] }, contents[1] ?? null];
    const unlike = { installed: [], contents: beside };
    assert.equal(portionsOf(wheels, unlike, { cores: 2, compile: false }).length, 1);
  });

  test('every wheel is in one portion, and no name in two', () => {
    const name = fc.constantFrom(...'abcdefghijklmnop');
    const content = fc.record({
      files: fc.integer({ min: 1, max: 5000 }),
      bytes: fc.integer({ min: 1, max: 3e8 }),
      names: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(
        fc.array(content, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 8 }),
        (contents, cores) => {
          const wheels = contents.map((_content, at) => wheelOf(`p${at}`));
          const surroundings = { installed: [], contents };
          const portions = portionsOf(wheels, surroundings, { cores, compile: false });
          const all = portions.flat();
          assert.equal(all.length, wheels.length);
          assert.deepEqual(new Set(all), new Set(wheels));
          assert.ok(portions.length <= cores);
          assert.ok(portions.every((portion) => portion.length > 0));
          const owner = new Map<string, number>();
          for (const [at, portion] of portions.entries()) {
            for (const wheel of portion) {
              for (const each of contents[wheels.indexOf(wheel)]?.names ?? []) {
                assert.equal(owner.get(each) ?? at, at, `${each} is in two portions`);
                owner.set(each, at);
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is asked for only with two cores, many bytes, and a pip that is known to allow it', () => {
    const wheels = [wheelOf('a', 15e6), wheelOf('b', 15e6)];
    assert.ok(mayDivide(wheels, '26.3', 2));
    assert.ok(mayDivide(wheels, '24.2', 2));
    assert.ok(!mayDivide(wheels, '24.1.2', 2));
    assert.ok(!mayDivide(wheels, '23.2.1', 2));
    assert.ok(!mayDivide(wheels, '', 2));
    assert.ok(!mayDivide(wheels, '26.3', 1));
    assert.ok(!mayDivide(wheels.slice(1), '26.3', 2));
  });
});
