import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';

import { python } from '../../scripts/tools.mjs';
import { formatBundleLock, lockedVersions, markedWheels } from '../../src/bundle/logic/lock.ts';
import type { BundledWheel } from '../../src/bundle/logic/model.ts';
import type { Target } from '../../src/collect/logic/model.ts';
import { targetsOf } from '../../src/collect/logic/targets.ts';
import { sha256 } from '../../src/logic/digest.ts';
import { formatLock, formatPylock } from '../../src/logic/manifest.ts';
import { readLock } from '../../src/logic/pylock.ts';
import { manifestWheel } from '../support/fixtures.ts';

const here = { version: '3.11.7', series: '3.11', platform: 'linux-x86_64' };

function bundled(
  name: string,
  version: string,
  targets: readonly Target[],
  tag = 'py3-none-any',
): BundledWheel {
  const file = `${name}-${version}-${tag}.whl`;
  const names = targets.map((target) => target.name);
  return { name, project: name, version, file, sha256: sha256(file), size: 1, targets: names };
}

const linesOf = (wheels: readonly BundledWheel[], targets: readonly Target[]): string[] =>
  formatBundleLock(lockedVersions(wheels, targets)).trim().split('\n');

const withoutHashes = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replaceAll(/ --hash=\S+/g, ''));

describe('the lock of a bundle', () => {
  test('for this machine is the lock of its wheelhouse', () => {
    const targets = targetsOf([], [], here);
    const wheels = ['six', 'attrs'].map((name) => manifestWheel(name, { role: 'runtime' }));
    const own = wheels.map((wheel) => ({ ...wheel, targets: targets.map(({ name }) => name) }));
    assert.equal(formatBundleLock(lockedVersions(own, targets)), formatLock(wheels));
  });

  test('has one line with all hashes for a version that all machines share', () => {
    const targets = targetsOf(['manylinux_2_28_x86_64', 'win_amd64'], [], here);
    const wheels = targets.map((target, index) =>
      bundled('six', '1.0', [target], `py3-none-${index}`),
    );
    const hashes = wheels.map((wheel) => ` --hash=sha256:${wheel.sha256}`).sort();
    assert.deepEqual(linesOf(wheels, targets), [`six==1.0${hashes.join('')}`]);
  });

  test('has markers where versions differ by Python, by platform, or by both', () => {
    const targets = targetsOf(['manylinux_2_28_x86_64', 'win_amd64'], ['3.11', '3.12'], here);
    const [linux11, linux12, windows11, windows12] = targets as [Target, Target, Target, Target];
    const lines = linesOf(
      [
        bundled('both', '1.0', [linux11]),
        bundled('both', '2.0', [linux12, windows11, windows12]),
        bundled('colorama', '1.0', [windows11, windows12]),
        bundled('numpy', '1.0', [linux11, windows11]),
        bundled('numpy', '2.0', [linux12, windows12]),
      ],
      targets,
    );
    const [linux, windows] = ['sys_platform == "linux"', 'sys_platform == "win32"'];
    const [old, recent] = ['python_version == "3.11"', 'python_version == "3.12"'];
    assert.deepEqual(withoutHashes(lines), [
      `both==1.0 ; ${linux} and ${old}`,
      `both==2.0 ; ${linux} and ${recent} or ${windows} and ${old} or ${windows} and ${recent}`,
      `colorama==1.0 ; ${windows}`,
      `numpy==1.0 ; ${old}`,
      `numpy==2.0 ; ${recent}`,
    ]);
  });

  test('as pylock.toml has the wheels and the marker of each version, and is a valid lock', () => {
    const targets = targetsOf(['win_amd64'], ['3.11', '3.12'], here);
    const [old, recent] = targets as [Target, Target];
    const wheels = [
      bundled('numpy', '1.0', [old], 'cp311-cp311-win_amd64'),
      bundled('numpy', '2.0', [recent], 'cp312-cp312-win_amd64'),
      bundled('six', '1.0', [old], 'py3-none-0'),
      bundled('six', '1.0', [recent], 'py3-none-1'),
    ];
    const text = formatPylock(markedWheels(lockedVersions(wheels, targets)));
    const { packages } = readLock(text, 'pylock.toml', { extras: [], groups: [] });
    assert.deepEqual(
      packages.map(({ text: line, files }) => [withoutHashes([line])[0], files.length]),
      [
        ['numpy==1.0 ; python_version == "3.11"', 1],
        ['numpy==2.0 ; python_version == "3.12"', 1],
        ['six==1.0', 2],
      ],
    );
  });

  test('has markers that pip evaluates to the machines of each version, for every choice of machines', () => {
    const targets = targetsOf(
      ['manylinux_2_28_x86_64', 'manylinux_2_28_aarch64', 'macosx_11_0_arm64'],
      ['3.9', '3.13'],
      here,
    );
    const subsets = Array.from({ length: 2 ** targets.length - 1 }, (_, index) =>
      targets.filter((_target, bit) => ((index + 1) >> bit) & 1),
    );
    const markers = subsets.map((inside) => {
      const [found] = lockedVersions([bundled('six', '1.0', inside)], targets);
      return found?.marker ?? 'python_version >= "3"';
    });
    const program = [
      'import json, sys',
      'from pip._vendor.packaging.markers import Marker',
      'given = json.load(sys.stdin)',
      'print(json.dumps([[Marker(m).evaluate(e) for e in given["environments"]] for m in given["markers"]]))',
    ].join('\n');
    const input = JSON.stringify({
      markers,
      environments: targets.map((target) => target.markers),
    });
    const output = execFileSync(python, ['-c', program], { input, encoding: 'utf8' });
    assert.deepEqual(
      JSON.parse(output),
      subsets.map((inside) => targets.map((target) => inside.includes(target))),
    );
  });

  test('is refused where no marker tells two machines with different versions apart', () => {
    const targets = targetsOf(['manylinux_2_28_x86_64', 'musllinux_1_2_x86_64'], [], here);
    const [glibc, musl] = targets as [Target, Target];
    assert.throws(
      () =>
        lockedVersions([bundled('six', '1.0', [glibc]), bundled('six', '2.0', [musl])], targets),
      {
        name: 'UserError',
        message:
          'six 1.0 is for Python 3.11 on manylinux_2_28_x86_64, but not for Python 3.11 on musllinux_1_2_x86_64, and no environment marker tells all of these apart. Pin six to one version, or make a bundle for each.',
      },
    );
    assert.equal(linesOf([bundled('six', '1.0', [glibc, musl])], targets).length, 1);
  });
});
