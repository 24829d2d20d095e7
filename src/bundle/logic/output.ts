/** Where a bundle is written, and what may be replaced there. */
import path from 'node:path';

import { UserError } from '../../logic/errors.ts';
import { lockFile, pylockFile } from '../../logic/manifest.ts';
import { isWheelFileName } from '../../logic/names.ts';
import { isWithin } from '../../logic/paths.ts';
import type { Output } from './model.ts';

export const readmeFile = 'README.txt';
export const licencesFile = 'LICENSES.txt';
export const sbomFile = 'sbom.cdx.json';

/** The files of a bundle beside its wheels. */
const ownFiles: readonly string[] = [lockFile, pylockFile, readmeFile, licencesFile, sbomFile];

/** The directory in an archive that contains everything. */
export const archiveRoot = 'wheelhouse';

/**
 * @param text the path as the user wrote it
 * @param directory absolute path that relative ones start from
 * @throws UserError for an archive of another kind
 */
export function outputOf(text: string, directory: string): Output {
  if (text.trim() === '' || text.includes('\0')) {
    throw new UserError('--output needs the path of a directory, a .tar.gz or a .zip.');
  }
  const whole = path.resolve(directory, text);
  const name = path.basename(whole).toLowerCase();
  if (/\.(?:tar\.gz|tgz)$/.test(name)) return { path: whole, form: 'tar.gz' };
  if (name.endsWith('.zip')) return { path: whole, form: 'zip' };
  if (/\.(?:tar|tar\.\w+|gz|tbz2?|txz|tzst|7z|rar|whl)$/.test(name)) {
    throw new UserError(
      `${text} has the extension of an archive that is not supported. Use .tar.gz, .zip, or a directory.`,
    );
  }
  if (isWithin(whole, directory)) {
    throw new UserError(
      `${text} contains the working directory and would be replaced. Choose another directory.`,
    );
  }
  return { path: whole, form: 'directory' };
}

/** Whether a directory with these entries is a bundle, so that nothing else is lost with it. */
export function isBundle(names: readonly string[]): boolean {
  return (
    ownFiles.every((file) => names.includes(file)) &&
    names.every((name) => ownFiles.includes(name) || isWheelFileName(name))
  );
}
