import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatLock } from '../../src/logic/lock.ts';
import type { Wheel } from '../../src/logic/manifest.ts';

const wheel = (name: string, version: string, letter: string, role: Wheel['role']): Wheel => ({
  name,
  project: name,
  version,
  file: `${name}-${version}-py3-none-any.whl`,
  sha256: letter.repeat(64),
  size: 1,
  origin: 'downloaded',
  role,
});

test('a line for each runtime wheel, sorted, whatever their order', () => {
  const wheels = [
    wheel('zeta', '1.0+cpu', 'a', 'runtime'),
    wheel('tool', '3', 'b', 'build'),
    wheel('alpha', '2', 'c', 'runtime'),
  ];
  const expected = [
    `alpha==2 --hash=sha256:${'c'.repeat(64)}\n`,
    `zeta==1.0+cpu --hash=sha256:${'a'.repeat(64)}\n`,
  ].join('');
  assert.equal(formatLock(wheels), expected);
  assert.equal(formatLock(wheels.toReversed()), expected);
});

test('a project is named as its metadata spell it, as pip names directories after that', () => {
  const zope = { ...wheel('zope-proxy', '5.0', 'd', 'runtime'), project: 'zope.proxy' };
  assert.equal(formatLock([zope]), `zope.proxy==5.0 --hash=sha256:${'d'.repeat(64)}\n`);
});

test('nothing for no wheels', () => assert.equal(formatLock([]), ''));
