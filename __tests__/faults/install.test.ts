/** Environments that are not empty: afterwards, the installed packages match the lock. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { wheel } from '../support/packages.ts';
import { processes } from '../support/processes.ts';
import type { StepResult } from '../support/runner.ts';
import { editable, has, packagesOf, placeOfBeta } from './environment.ts';
import {
  type Act,
  action,
  beta,
  everything,
  group,
  laterBeta,
  type Place,
  type Row,
} from './rows.ts';

/** A wheel that takes long enough to install to be interrupted halfway. */
const many = wheel({
  name: 'many',
  version: '1.0',
  files: Object.fromEntries(
    Array.from({ length: 4000 }, (_none, at) => [`many/file_${at}.py`, `number = ${at}\n`]),
  ),
});
const withMany = `alpha==1.0\nbeta==2.0\nmany==1.0\n`;
const all = [...everything, 'many==1.0'];

/** Interrupts the installation of `many` halfway by a signal to main, or to pip itself. */
function halfWay(end: (place: Place) => Promise<StepResult>): Act {
  return async (place) => {
    const first = await end(place);
    assert.equal(first.conclusion, 'failure', first.log);
    assert.ok(existsSync(join(packagesOf(place), 'many')), 'it was under way');
    return place.main();
  };
}

async function untilHalfWay(place: Place): Promise<ReturnType<Place['job']['start']>> {
  const running = place.job.start({ action, with: place.inputs });
  const directory = join(packagesOf(place), 'many');
  while (!existsSync(directory) || readdirSync(directory).length < 50) await sleep(2);
  return running;
}

/** Kills every pip of the environment at once, so that none of them can clean up. */
function killPip({ python }: Place): void {
  for (const { id, words } of processes()) {
    const [program, ...args] = words;
    if (program !== python || !/run_module\('pip'/.test(args[1] ?? '')) continue;
    try {
      process.kill(id, 'SIGKILL');
    } catch {
      // It has exited in the meantime.
    }
  }
}

const rows: Row[] = [
  {
    fault: 'a package is already installed in a later version',
    arrange: has(laterBeta),
    hit: true,
  },
  {
    fault: 'a package is already installed in the same version',
    arrange: has(beta),
    hit: true,
  },
  {
    fault: 'a package is already installed in the same version, as editable',
    arrange: editable('2.0'),
    hit: true,
    check: (after) => assert.match(placeOfBeta(after), /\/own\/beta\/src\//),
  },
  {
    fault: 'a package is already installed in another version, as editable',
    arrange: editable('3.0'),
    hit: true,
    check: (after) => assert.match(placeOfBeta(after), /\/site-packages\//),
  },
  {
    fault: 'an installation is cancelled halfway; the next run repairs it',
    files: { 'requirements.txt': withMany },
    installed: all,
    act: halfWay(async (place) => (await untilHalfWay(place)).cancel()),
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
  {
    fault: 'main and pip are killed halfway through an installation; the next run repairs it',
    files: { 'requirements.txt': withMany },
    installed: all,
    mayLeave: true,
    act: halfWay(async (place) => {
      const running = await untilHalfWay(place);
      running.signal('SIGKILL');
      killPip(place);
      return running.result;
    }),
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
  {
    fault: 'pip is killed halfway through an installation, as if memory ran out',
    files: { 'requirements.txt': withMany },
    installed: all,
    mayLeave: true,
    act: halfWay(async (place) => {
      const running = await untilHalfWay(place);
      killPip(place);
      return running.result;
    }),
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
  {
    fault: 'an interrupted installation has left a package with missing files',
    arrange: (place) => {
      has(beta)(place);
      rmSync(join(packagesOf(place), 'beta', 'filler.bin'));
      writeFileSync(join(packagesOf(place), '.wheelhouse-installing'), '');
    },
    hit: true,
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
  {
    fault: 'an interrupted installation has left a package without metadata',
    arrange: (place) => {
      mkdirSync(join(packagesOf(place), 'beta'));
      writeFileSync(join(packagesOf(place), 'beta', '__init__.py'), '__version__ = "0"\n');
      writeFileSync(join(packagesOf(place), '.wheelhouse-installing'), '');
    },
    hit: true,
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
];

group('install', rows, { distributions: [many] });
