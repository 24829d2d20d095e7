import assert from 'node:assert/strict';
import { test } from 'node:test';

import { mayFit } from '../../src/logic/wheel-tags.ts';

const linux = { implementation: 'cpython', version: '3.11.7', os: 'linux', arch: 'x86_64' };
const macos = { ...linux, os: 'macos', arch: 'arm64' };

for (const [tags, fits, machine] of [
  ['py3-none-any', true, linux],
  ['py2.py3-none-any', true, linux],
  ['cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64', true, linux],
  ['1-cp311-cp311-linux_x86_64', true, linux],
  ['cp38-abi3-manylinux_2_28_x86_64', true, linux],
  ['cp310.cp311-cp310.cp311-musllinux_1_2_x86_64', true, linux],
  ['cp312-cp312-manylinux_2_17_x86_64', false, linux],
  ['cp310-cp310-manylinux_2_17_x86_64', false, linux],
  ['cp312-abi3-manylinux_2_28_x86_64', false, linux],
  ['cp311-cp311-manylinux_2_17_aarch64', false, linux],
  ['cp311-cp311-win_amd64', false, linux],
  ['cp311-cp311-macosx_11_0_universal2', false, linux],
  ['cp311-cp311-macosx_11_0_universal2', true, macos],
  ['cp311-cp311-macosx_10_9_x86_64', true, macos],
  ['cp27-cp27mu-manylinux1_x86_64', false, linux],
  ['pp310-pypy310_pp73-manylinux_2_17_x86_64', false, linux],
  ['pp310-pypy310_pp73-manylinux_2_17_x86_64', true, { ...linux, implementation: 'pypy' }],
  ['cp311-cp311-manylinux_2_17_x86_64', true, { ...linux, arch: 'x86_64-32' }],
  ['cp311-cp311-haiku_1_x86_64', true, { ...linux, os: 'haiku' }],
] as const) {
  test(`${tags} ${fits ? 'is left to pip' : 'is certainly not'} for ${machine.implementation} ${machine.version} on ${machine.os} ${machine.arch}`, () => {
    assert.equal(mayFit(`a-1.0-${tags}.whl`, machine), fits);
  });
}
