/** Ways to fill the environment of a row before its job, and to look at it afterwards. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { type Distribution, projectDirectory } from '../support/packages.ts';
import { sitePackages } from '../support/python.ts';
import type { Place } from './rows.ts';

/** Runs pip in the environment. @throws Error if it fails */
export function pip({ python }: Place, ...args: string[]): void {
  execFileSync(python, ['-m', 'pip', '--isolated', '-q', '--disable-pip-version-check', ...args], {
    stdio: 'pipe',
  });
}

/** The directory that the environment installs into. */
export function packagesOf({ python }: Place): string {
  return sitePackages(dirname(dirname(python)));
}

/** Installs one file with pip, without an index and without dependencies. */
export function put(
  place: Place,
  { filename, content }: Pick<Distribution, 'filename' | 'content'>,
  ...args: string[]
): void {
  const file = join(place.own, filename);
  writeFileSync(file, content);
  pip(place, 'install', '--no-index', '--no-deps', ...args, file);
  rmSync(file);
}

/** Arranges that the environment has a distribution. */
export function has(distribution: Distribution): (place: Place) => void {
  return (place) => put(place, distribution);
}

/** Arranges that the environment has an editable installation of beta. */
export function editable(version: string): (place: Place) => void {
  return (place) => {
    const project = projectDirectory(join(place.own, 'beta'), { name: 'beta', version });
    pip(place, 'install', '--no-index', '--no-deps', '-e', project);
  };
}

/** The file that `import beta` loads. */
export function placeOfBeta({ python }: Place): string {
  return execFileSync(python, ['-B', '-c', 'import beta; print(beta.__file__)'], {
    encoding: 'utf8',
  });
}
