/** The machines that packages are collected for: platform tags, markers and pip's options. */

import { UserError } from '../../logic/errors.ts';
import type { Interpreter } from '../../logic/model.ts';
import type { Target } from './model.ts';

/**
 * Returns the requested targets: every platform with every Python version.
 * @throws UserError for an invalid platform or version
 */
export function targetsOf(
  platforms: readonly string[],
  pythonVersions: readonly string[],
  interpreter: Pick<Interpreter, 'version' | 'series' | 'platform'>,
): Target[] {
  if (platforms.length + pythonVersions.length === 0) {
    const name = `Python ${interpreter.series} on ${interpreter.platform}`;
    return [{ name, options: [], markers: undefined }];
  }
  for (const version of pythonVersions) {
    if (!/^3\.\d+(\.\d+)?$/.test(version)) {
      throw new UserError(
        `The input python-versions contains "${version}"; expected versions of CPython such as 3.12, one per line.`,
      );
    }
  }
  const versions = pythonVersions.length > 0 ? pythonVersions : [interpreter.version];
  return (platforms.length > 0 ? platforms : [undefined]).flatMap((platform) =>
    versions.map((version) => ({
      name: `Python ${pythonVersions.length > 0 ? version : interpreter.series} on ${platform ?? interpreter.platform}`,
      options: [
        '--implementation=cp',
        `--python-version=${version.split('.').slice(0, 3).join('.')}`,
        ...(platform === undefined ? [] : platformTags(platform).map((tag) => `--platform=${tag}`)),
      ],
      markers: {
        ...versionMarkers(version),
        ...(platform === undefined ? {} : platformMarkers(platform)),
      },
    })),
  );
}

/** The minor version of glibc 2 behind each old name of PEP 600. */
const oldManylinux = [
  ['manylinux2014', 17],
  ['manylinux2010', 12],
  ['manylinux1', 5],
] as const;

/**
 * Returns all platform tags whose wheels run on a platform. pip's `--platform` takes
 * `manylinux_2_28_x86_64` literally, although wheels for every older glibc run there too (PEP 600;
 * PEP 656 for musl).
 */
export function platformTags(platform: string): string[] {
  const linux = /^(manylinux|musllinux)_(\d+)_(\d+)_(\w+)$/.exec(platform);
  if (linux === null) return [platform];
  const [, family = '', major = '', minor = '', arch = ''] = linux;
  const oldest = family === 'manylinux' ? 5 : 0;
  const tags: string[] = [];
  for (let each = Number(minor); each >= oldest; each -= 1) {
    tags.push(`${family}_${major}_${each}_${arch}`);
    const old = oldManylinux.find(([, glibc]) => family === 'manylinux' && glibc === each);
    if (old !== undefined && major === '2') tags.push(`${old[0]}_${arch}`);
  }
  return tags.length > 0 ? tags : [platform];
}

/** Values of the marker variables (PEP 508) that depend on the Python version. */
function versionMarkers(version: string): Record<string, string> {
  const full = /^3\.\d+$/.test(version) ? `${version}.0` : version;
  return {
    implementation_name: 'cpython',
    implementation_version: full,
    platform_python_implementation: 'CPython',
    python_full_version: full,
    python_version: full.split('.').slice(0, 2).join('.'),
  };
}

/**
 * Values of the marker variables (PEP 508) that depend on the platform.
 * @throws UserError for a tag of an unknown system
 */
function platformMarkers(platform: string): Record<string, string> {
  const known: readonly (readonly [RegExp, Record<string, string>])[] = [
    [
      /^(?:manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+|linux)_(\w+)$/,
      { os_name: 'posix', sys_platform: 'linux', platform_system: 'Linux' },
    ],
    [
      /^macosx_\d+_\d+_(\w+)$/,
      { os_name: 'posix', sys_platform: 'darwin', platform_system: 'Darwin' },
    ],
    [/^win_?(\w+)$/, { os_name: 'nt', sys_platform: 'win32', platform_system: 'Windows' }],
  ];
  for (const [form, system] of known) {
    const machine = form.exec(platform)?.[1];
    if (machine !== undefined) {
      return { ...system, platform_machine: machines[platform] ?? machines[machine] ?? machine };
    }
  }
  throw new UserError(
    `The input platforms contains "${platform}"; expected platform tags such as manylinux_2_28_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64 or win_amd64, one per line.`,
  );
}

/** `platform.machine()` where its spelling differs from the tag, or the tag means several. */
const machines: Readonly<Record<string, string>> = {
  win_amd64: 'AMD64',
  win_arm64: 'ARM64',
  win32: 'x86',
  universal2: 'arm64',
};
