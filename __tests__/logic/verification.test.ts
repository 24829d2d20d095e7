/** Which wheels a run hashes itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Use, wheelsToHash } from '../../src/logic/verification.ts';
import { manifestWheel } from '../support/fixtures.ts';

const wheels = [
  manifestWheel('six'),
  manifestWheel('zope-interface'),
  manifestWheel('setuptools', { role: 'build' }),
];
const fresh: Use = { isInstalled: true, hasBuilds: false, present: ['pip-26.3.dist-info', 'pip'] };

function hashed(use: Partial<Use>): string[] {
  return wheelsToHash(wheels, { ...fresh, ...use }).map(({ name }) => name);
}

const all = ['six', 'zope-interface', 'setuptools'];

test('an installer hashes what it installs from the lock; build requirements are not in it', () => {
  assert.deepEqual(hashed({}), ['setuptools']);
});

test('without an installation, every wheel is hashed', () => {
  assert.deepEqual(hashed({ isInstalled: false }), all);
});

test('if local projects may be built with its wheels, every wheel is hashed', () => {
  assert.deepEqual(hashed({ hasBuilds: true }), all);
});

for (const [file, isSix] of [
  ['six-1.0.dist-info', true],
  ['SIX-0.9.dist-info', true],
  ['six-1.0-py3.11.egg-info', true],
  ['six.egg-info', true],
  ['six.egg-link', true],
  ['six-1.0-py3.11.egg', true],
  ['six', false],
  ['six.py', false],
  ['sixer-1.0.dist-info', false],
] as const) {
  test(`${file} in the environment ${isSix ? 'may be' : 'is not'} a project that an installer skips`, () => {
    assert.equal(hashed({ present: [file] }).includes('six'), isSix);
  });
}

for (const file of [
  'zope.interface-7.0.dist-info',
  'zope_interface-7.0.dist-info',
  'zope-interface-7.0.dist-info',
]) {
  test(`${file} is metadata of zope-interface`, () => {
    assert.ok(hashed({ present: [file] }).includes('zope-interface'));
  });
}
