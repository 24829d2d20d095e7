import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  isDistributionName,
  isWheelFileName,
  normalizeName,
  sameVersion,
  versionInFileName,
  wheelNameParts,
} from '../../src/logic/names.ts';

test('normalizeName() follows PEP 503', () => {
  for (const [name, expected] of [
    ['Zope.Interface', 'zope-interface'],
    ['a__b--c..d', 'a-b-c-d'],
    ['a_.-b', 'a-b'],
    ['A', 'a'],
  ] as const) {
    assert.equal(normalizeName(name), expected);
  }
});

describe('wheel file name', () => {
  for (const [file, expected] of [
    ['a-1-py3-none-any.whl', true],
    ['a_b-1.0+cpu.1-1build-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', true],
    ['a-1!2-py2.py3-none-any.whl', true],
    ['a-1-cp313-cp313-linux_x86_64-x8664v3.whl', true],
    ['a-1-2-cp313-cp313-linux_x86_64-x8664v3.whl', true],
    ['a-1-2-3-cp313-cp313-linux_x86_64-x8664v3.whl', false],
    ['a-1-py3-none.whl', false],
    ['a-1-py3-none-any.WHL', false],
    ['a-1-1-1-py3-none-any.whl', false],
    ['-1-py3-none-any.whl', false],
    ['a b-1-py3-none-any.whl', false],
    ['a/b-1-py3-none-any.whl', false],
    ['a-1-py3-none-any.whl ', false],
    ['ä-1-py3-none-any.whl', false],
    ['', false],
  ] as const) {
    test(`${JSON.stringify(file)} is ${expected ? '' : 'not '}one`, () => {
      assert.equal(isWheelFileName(file), expected);
      assert.equal(isDistributionName(file), expected);
    });
  }

  test('the name and the version of a wheel come before any tags and labels', () => {
    for (const rest of ['py3-none-any', '1-py3-none-any', '1-cp313-cp313-linux_x86_64-x8664v3']) {
      assert.deepEqual(wheelNameParts(`Zope.Interface_x-5.0-${rest}.whl`), {
        name: 'zope-interface-x',
        version: '5.0',
      });
    }
  });
});

describe('version in a file name', () => {
  for (const [file, version] of [
    ['a_b-1.0-py3-none-any.whl', '1.0'],
    ['a-b-1.0.tar.gz', '1.0'],
    ['A.B-1.0-1.zip', '1.0-1'],
    ['a_b-1.0.exe', undefined],
    ['a-1.0.tar.gz', undefined],
    ['a_c-1.0-py3-none-any.whl', undefined],
  ] as const) {
    test(`${file} of a-b: ${version}`, () => {
      assert.equal(versionInFileName(file, 'a-b'), version);
    });
  }
});

describe('spellings of a version', () => {
  for (const [one, other, expected] of [
    ['1.0', '1', true],
    ['1.0-alpha.2', '1.0a2', true],
    ['1.0-1', '1.0.post1', true],
    ['1.0+ubuntu_1', '1.0+ubuntu.1', true],
    ['1.10', '1.1', false],
    ['1.0', '1.0+cpu', false],
    ['1.0', '1.0.dev0', false],
  ] as const) {
    test(`${one} and ${other} are ${expected ? 'equal' : 'different'}`, () => {
      assert.equal(sameVersion(one, other), expected);
    });
  }
});
