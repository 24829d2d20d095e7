/** Full and read-only disks, which need root on Linux. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { canMount } from '../../scripts/tools.mjs';
import type { Place } from './rows.ts';

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

/** Why a row that needs a mount is skipped; false when it isn't. */
export const needsMount = canMount() ? false : 'needs root on Linux, to mount a disk';

/** Makes the runner's temporary directory a disk of that many kilobytes. */
export function smallDisk({ job, later }: Place, kilobytes: number): void {
  const directory = join(job.root, 'small');
  mkdirSync(directory);
  mount('-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', directory);
  later(() => execFileSync('umount', ['-l', directory]));
  job.env['RUNNER_TEMP'] = directory;
}

/** Makes a directory read-only, for root too. */
export function readOnly({ later }: Place, directory: string): void {
  mount('--bind', directory, directory);
  later(() => execFileSync('umount', ['-l', directory]));
  mount('-o', 'remount,bind,ro', directory);
}
