import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { platformTags, targetsOf } from '../../src/collect/logic/targets.ts';
import { words } from '../publish/files.ts';

describe('targets', () => {
  const interpreter = { version: '3.11.7', series: '3.11', platform: 'linux-x86_64' };

  test('the target for this machine needs no pip options', () => {
    assert.deepEqual(targetsOf([], [], interpreter), [
      { name: 'Python 3.11 on linux-x86_64', options: [], markers: undefined },
    ]);
  });

  test('there is a target for every platform with every version', () => {
    const targets = targetsOf(['win_amd64', 'macosx_11_0_arm64'], ['3.12', '3.13.1'], interpreter);
    assert.deepEqual(
      targets.map((target) => target.name),
      [
        'Python 3.12 on win_amd64',
        'Python 3.13.1 on win_amd64',
        'Python 3.12 on macosx_11_0_arm64',
        'Python 3.13.1 on macosx_11_0_arm64',
      ],
    );
    assert.deepEqual(
      targets[0]?.options,
      words('--implementation=cp --python-version=3.12 --platform=win_amd64'),
    );
    assert.deepEqual(targets[3]?.markers, {
      implementation_name: 'cpython',
      implementation_version: '3.13.1',
      platform_python_implementation: 'CPython',
      python_full_version: '3.13.1',
      python_version: '3.13',
      os_name: 'posix',
      sys_platform: 'darwin',
      platform_system: 'Darwin',
      platform_machine: 'arm64',
    });
  });

  test('a version alone keeps the platform of this machine, a platform alone keeps its version', () => {
    const [version] = targetsOf([], ['3.12'], interpreter);
    assert.equal(version?.name, 'Python 3.12 on linux-x86_64');
    assert.deepEqual(version.options, words('--implementation=cp --python-version=3.12'));
    assert.equal(version.markers?.['sys_platform'], undefined);
    const [platform] = targetsOf(['win32'], [], interpreter);
    assert.equal(platform?.markers?.['python_full_version'], '3.11.7');
  });

  const platforms: readonly [string, string, string, string][] = [
    ['manylinux_2_28_x86_64', 'posix', 'linux', 'x86_64'],
    ['manylinux2014_aarch64', 'posix', 'linux', 'aarch64'],
    ['musllinux_1_2_x86_64', 'posix', 'linux', 'x86_64'],
    ['linux_armv7l', 'posix', 'linux', 'armv7l'],
    ['macosx_10_9_universal2', 'posix', 'darwin', 'arm64'],
    ['macosx_10_9_x86_64', 'posix', 'darwin', 'x86_64'],
    ['win_amd64', 'nt', 'win32', 'AMD64'],
    ['win_arm64', 'nt', 'win32', 'ARM64'],
    ['win32', 'nt', 'win32', 'x86'],
  ];
  for (const [platform, osName, system, machine] of platforms) {
    test(`the marker values of ${platform} are right`, () => {
      const markers = targetsOf([platform], ['3.12'], interpreter)[0]?.markers;
      assert.deepEqual(
        [markers?.['os_name'], markers?.['sys_platform'], markers?.['platform_machine']],
        [osName, system, machine],
      );
    });
  }

  test('invalid platforms and versions are refused', () => {
    for (const platform of ['linux', 'windows-x64', 'x86_64', 'manylinux_x86_64 --index-url=x']) {
      assert.throws(
        () => targetsOf([platform], [], interpreter),
        /input platforms contains/,
        platform,
      );
    }
    for (const version of ['cp312', '2.7', '3', '3.12 --no-deps', '3.x']) {
      assert.throws(
        () => targetsOf([], [version], interpreter),
        /input python-versions contains/,
        version,
      );
    }
  });
});

describe('platform tags', () => {
  test('a manylinux platform accepts the tags of every older glibc', () => {
    const tags = platformTags('manylinux_2_18_x86_64');
    assert.deepEqual(tags.slice(0, 4), [
      'manylinux_2_18_x86_64',
      'manylinux_2_17_x86_64',
      'manylinux2014_x86_64',
      'manylinux_2_16_x86_64',
    ]);
    assert.ok(tags.includes('manylinux2010_x86_64'));
    assert.deepEqual(tags.slice(-2), ['manylinux_2_5_x86_64', 'manylinux1_x86_64']);
  });

  test('a musllinux platform accepts older musl, other platforms only themselves', () => {
    assert.deepEqual(platformTags('musllinux_1_2_aarch64'), [
      'musllinux_1_2_aarch64',
      'musllinux_1_1_aarch64',
      'musllinux_1_0_aarch64',
    ]);
    for (const tag of ['win_amd64', 'macosx_11_0_arm64', 'manylinux2014_x86_64', 'linux_x86_64']) {
      assert.deepEqual(platformTags(tag), [tag]);
    }
  });
});
