/** The machines that packages are published for: tags, markers, and what pip is told of them. */

import { UserError } from '../../logic/errors.ts';
import type { Interpreter } from '../../logic/model.ts';
import type { Target } from './model.ts';

/**
 * The machines that are asked for: every platform with every version.
 * @throws UserError for a platform or version of another form
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
        `The input python-versions holds "${version}"; it takes versions of CPython such as 3.12, one per line.`,
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

/** The glibc that each of the old names of PEP 600 stands for. */
const oldManylinux = [
  ['manylinux2014', 17],
  ['manylinux2010', 12],
  ['manylinux1', 5],
] as const;

/**
 * All platform tags whose wheels run on a platform. pip's `--platform` takes
 * `manylinux_2_28_x86_64` by the letter, although it stands for every older glibc too (PEP 600,
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

/** The variables of PEP 508 that a version decides. */
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
 * The variables of PEP 508 that a platform decides.
 * @throws UserError for a tag whose system is not known
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
    `The input platforms holds "${platform}"; it takes platform tags such as manylinux_2_28_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64 or win_amd64, one per line.`,
  );
}

/** `platform.machine()` where it is spelt in another way than the tag, or the tag names several. */
const machines: Readonly<Record<string, string>> = {
  win_amd64: 'AMD64',
  win_arm64: 'ARM64',
  win32: 'x86',
  universal2: 'arm64',
};
