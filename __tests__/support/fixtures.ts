/** Values that many unit tests start from. */
import type { Wheel } from '../../src/logic/manifest.ts';
import type { Interpreter } from '../../src/logic/model.ts';

/** CPython 3.11 on 64-bit Linux, with a pip of today and no settings. */
export const interpreter: Interpreter = {
  executable: '/usr/bin/python3',
  implementation: 'cpython',
  version: '3.11.7',
  series: '3.11',
  extensionSuffix: '.cpython-311-x86_64-linux-gnu.so',
  platform: 'linux-x86_64',
  os: 'linux',
  arch: 'x86_64',
  libc: 'glibc2.36',
  freeThreaded: false,
  sitePackages: '/usr/lib/python3/site-packages',
  searchPath: ['/usr/lib/python3/site-packages'],
  externallyManaged: false,
  pip: '26.3',
  buildsLegacy: false,
  defaultIndex: 'https://index.example/simple',
  keyring: false,
  netrc: false,
  pipConfig: {},
};

/** What a manifest says of the wheel of version 1.0 of a project that was downloaded. */
export function manifestWheel(name: string, fields: Partial<Wheel> = {}): Wheel {
  return {
    name,
    project: name,
    version: '1.0',
    file: `${name.replaceAll('-', '_')}-1.0-py3-none-any.whl`,
    sha256: 'a'.repeat(64),
    size: 1234,
    origin: 'downloaded',
    role: 'runtime',
    ...fields,
  };
}
