/** The README of a bundle. */
import { lockFile, pylockFile } from '../../logic/manifest.ts';
import { size } from '../../logic/summary.ts';
import type { Contents } from './model.ts';
import { licencesFile, sbomFile } from './output.ts';

/** How much a bundle contains, such as `12 wheels (34 MB)`. */
export function amount({ wheels }: Pick<Contents, 'wheels'>): string {
  const bytes = wheels.reduce((sum, wheel) => sum + wheel.size, 0);
  return `${wheels.length} wheel${wheels.length === 1 ? '' : 's'} (${size(bytes)})`;
}

/** Five lines at most. */
export function formatReadme(contents: Contents): string {
  const { targets, missing } = contents;
  return [
    `Python packages for ${targets.join(', ')}: ${amount(contents)}. Install them here, without a network:`,
    `pip: pip install --no-index --find-links . --require-hashes -r ${lockFile}`,
    `pip 26.1 or newer: pip install -r ${pylockFile}; uv: uv pip install -r ${pylockFile}`,
    ...(missing.length === 0
      ? []
      : [`Not included, because they are installed from source: ${missing.join(', ')}`]),
    `Licences: ${licencesFile}. Software bill of materials (CycloneDX): ${sbomFile}.`,
    '',
  ].join('\n');
}
