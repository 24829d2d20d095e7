/**
 * What the tests need beside npm's packages: several pips, fetched once from the index that pip is
 * configured with, and unpacked under `.cache/`. Plain JavaScript, as it runs before `npm ci`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The pips that the tests run with: the oldest that works, a common one, the newest known. */
export const pipVersions = ['22.2', '23.2.1', '26.3'];

const cache = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..', '.cache');

/** Directory whose content, copied into site-packages, is that pip. */
export function pipDirectory(version) {
  return join(cache, `pip-${version}`);
}

/** The Python that the tests start from. */
export const python = process.platform === 'win32' ? 'python' : 'python3';

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error || status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`,
    );
  }
}

/** Fetches what is missing. */
export function ensureTools() {
  for (const version of pipVersions) {
    if (existsSync(pipDirectory(version))) continue;
    const download = join(cache, `download-${version}-${process.pid}`);
    const unpacked = `${download}-unpacked`;
    mkdirSync(download, { recursive: true });
    run(python, [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '-d',
      download,
      `pip==${version}`,
    ]);
    const wheel = readdirSync(download).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error(`The index has no wheel of pip ${version}.`);
    run(python, ['-m', 'zipfile', '-e', join(download, wheel), unpacked]);
    renameSync(unpacked, pipDirectory(version));
    rmSync(download, { recursive: true });
  }
}
