/**
 * `npm run test:soak [runs] [seed]`: many jobs on the loopback, a random fault in half of them.
 * No job may install anything wrong, fail if pip alone would have succeeded, or leave a process or a
 * temporary file. Two jobs run at a time, each with its own cache.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repacked } from '../support/archive.ts';
import { type CacheService, startCacheService } from '../support/cache-service.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { linkedPython } from '../support/jobs.ts';
import { createJob, type Job, type StepResult } from '../support/runner.ts';
import { editManifest } from './archives.ts';
import {
  action,
  alpha,
  beta,
  inspectInstalled,
  laterBeta,
  leftOnDisk,
  leftRunning,
  pipEnv,
  wheelhouseFaults,
} from './rows.ts';

const runs = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? randomInt(2 ** 31));
/** The time limit of all jobs in seconds; the runner has a deadline for each job. */
const limit = 60 + runs * 10;

/** Requirements, and the packages that pip alone would install for them. */
const requests = [
  { text: 'alpha==1.0\nbeta==2.0\n', installed: ['alpha==1.0', 'beta==2.0'] },
  { text: 'alpha==1.0\nbeta==3.0\n', installed: ['alpha==1.0', 'beta==3.0'] },
  { text: 'beta\n', installed: ['beta==3.0'] },
  {
    text: `beta==2.0 --hash=sha256:${beta.sha256}\n`,
    installed: ['beta==2.0'],
  },
] as const;

interface Lane {
  readonly index: IndexServer;
  readonly cache: CacheService;
}

/** A job that is running. */
interface Run extends Lane {
  readonly random: Random;
  readonly job: Job;
  readonly python: string;
}

type Random = (below: number) => number;

interface Fault {
  readonly name: string;
  /** How often it happens relative to the others; those that take half a minute are rare. */
  readonly weight: number;
  /** Causes the fault before main. */
  readonly make?: (run: Run) => Promise<void> | void;
  /** Causes it while main runs. */
  readonly during?: (run: Run, running: ReturnType<Job['start']>) => Promise<void>;
  /** pip alone would fail too, unless a cache entry can be used. */
  readonly spoilsPip?: boolean;
}

/** Numbers that follow from a seed (mulberry32). */
function randomFrom(start: number): Random {
  let state = start >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function service(
  operation: Parameters<CacheService['setFault']>[0],
  fault: Parameters<CacheService['setFault']>[1],
  weight = 3,
): Fault {
  const name = `${operation}: ${JSON.stringify(fault)}`;
  return { name, weight, make: ({ cache }) => cache.setFault(operation, fault) };
}

/** Changes every entry of the cache. */
function content(name: string, change: (wheelhouse: string, random: Random) => void): Fault {
  return {
    name,
    weight: 3,
    async make({ cache, random }) {
      for (const { key } of cache.entries()) {
        const archive = await cache.readArchive(key);
        try {
          const changed = repacked(archive, (at) => change(at, random));
          await cache.replaceArchive(key, changed);
        } catch {
          // An earlier job has already damaged it.
        }
      }
    },
  };
}

/** A wheel that is in any wheelhouse of these requests. */
function aWheel(wheelhouse: string, use: (file: string) => void): void {
  for (const { filename } of [alpha, beta, laterBeta]) {
    try {
      use(join(wheelhouse, filename));
      return;
    } catch {
      // The entry has another wheel.
    }
  }
}

const faults: readonly Fault[] = [
  service('lookup', { status: 429 }),
  service('lookup', { status: 403 }),
  service('lookup', { status: 500 }, 1),
  service('lookup', 'blackhole', 1),
  service('lookup', 'reset'),
  service('lookup', 'vanish'),
  service('lookup', { matchedKey: 'something-else' }),
  service('download', { status: 404 }),
  service('download', 'flip'),
  service('download', 'short'),
  service('download', 'truncate'),
  service('download', 'stall', 1),
  service('create', { status: 403 }),
  service('upload', { status: 403 }),
  service('upload', 'truncate', 1),
  service('finalize', { status: 400 }),
  content('a truncated wheel', (at, random) =>
    aWheel(at, (file) => truncateSync(file, random(900))),
  ),
  content('a manifest that is cut', (at, random) =>
    truncateSync(join(at, 'wheelhouse.json'), random(300)),
  ),
  content('an unlisted wheel', (at) =>
    writeFileSync(join(at, 'beta-9.0-py3-none-any.whl'), laterBeta.content),
  ),
  content('another Python', (at) =>
    editManifest(at, (manifest) => {
      manifest['interpreter'] = 'cpython 2.7';
    }),
  ),
  {
    name: 'a file that is not an archive',
    weight: 3,
    async make({ cache, random }) {
      for (const { key } of cache.entries()) {
        await cache.replaceArchive(key, Buffer.alloc(random(5000), 'x'));
      }
    },
  },
  {
    name: 'the index answers 503',
    weight: 6,
    make: ({ index }) => index.fail({ kind: 'status', status: 503 }),
    spoilsPip: true,
  },
  {
    name: 'the index resets connections',
    weight: 6,
    make: ({ index }) => index.fail('reset'),
    spoilsPip: true,
  },
  {
    name: 'cancelled at a random moment',
    weight: 15,
    async during({ random }, running) {
      await Promise.race([sleep(random(3000)), running.result]);
      await running.cancel();
    },
    spoilsPip: true,
  },
];

function pick(random: Random): Fault | undefined {
  if (random(2) === 0) return undefined;
  let left = random(faults.reduce((sum, fault) => sum + fault.weight, 0));
  return faults.find((fault) => {
    left -= fault.weight;
    return left < 0;
  });
}

interface Tally {
  wrong: number;
  failed: number;
  left: number;
  faults: number;
  hits: number;
}

async function oneRun(number: number, lane: Lane, tally: Tally): Promise<void> {
  // Each job has its own numbers, so that it can be repeated without those before it.
  const random = randomFrom(seed + number * 7919);
  const request = requests[random(requests.length)] as (typeof requests)[number];
  const fault = pick(random);
  const { index, cache } = lane;
  // Some jobs start with an empty cache, the others with the entries of earlier jobs.
  if (random(8) === 0) await cache.reset();
  const marker = `WHEELHOUSE_TEST_JOB=${randomUUID()}`;
  const job = createJob({
    files: { 'requirements.txt': request.text },
    env: { ...cache.env(), ...pipEnv(index), WHEELHOUSE_TEST_JOB: marker.slice(20) },
  });
  job.env['TMPDIR'] = join(job.root, 'tmp');
  mkdirSync(join(job.root, 'tmp'));
  const complaints: string[] = [];
  const steps: StepResult[] = [];
  try {
    const python = await linkedPython(join(job.root, 'environment'));
    const run: Run = { ...lane, random, job, python };
    await fault?.make?.(run);
    const running = job.start({ action, with: { python } });
    await fault?.during?.(run, running);
    let main = await running.result;
    steps.push(main);
    cache.clearFaults();
    await index.fail(undefined);
    if (main.conclusion !== 'success' && fault?.spoilsPip) {
      // This job may fail, but not the next one.
      main = await job.step({ action, with: { python } });
      steps.push(main);
    }
    if (fault?.name.match(/^(?:create|upload|finalize)/)) await fault.make?.(run);
    steps.push(...(await job.post()));
    cache.clearFaults();

    if (main.conclusion !== 'success' || steps.some((step) => step.timedOut)) {
      complaints.push('it failed');
      tally.failed += 1;
    } else {
      const { installed, faults } = await inspectInstalled(python);
      const place = wheelhouseFaults(String(main.outputs['wheelhouse']));
      if (installed.join() !== request.installed.join() || faults.length + place.length > 0) {
        complaints.push(`installed ${installed.join()}: ${[...faults, ...place].join('; ')}`);
        tally.wrong += 1;
      }
    }
    const left = [...(await leftRunning(marker)), ...(await leftOnDisk(job))];
    if (left.length > 0) complaints.push(`it left ${left.join(', ')}`);
    tally.left += left.length;
    tally.faults += fault ? 1 : 0;
    tally.hits += main.outputs['cache-hit'] === 'true' ? 1 : 0;
  } finally {
    job.cleanup();
  }
  if (complaints.length > 0) {
    console.log(`run ${number} (${fault?.name ?? 'no fault'}): ${complaints.join('; ')}`);
    console.log(steps.map((step) => step.log).join('\n---\n'));
  }
}

console.log(`${runs} runs with the seed ${seed}`);
const tally: Tally = { wrong: 0, failed: 0, left: 0, faults: 0, hits: 0 };
const begun = performance.now();
const seconds = (): number => Math.round((performance.now() - begun) / 1000);
let next = 0;
let done = 0;
await Promise.all(
  [1, 2].map(async () => {
    const index = await startIndex({ distributions: [alpha, beta, laterBeta] });
    const cache = await startCacheService();
    while (next < runs && seconds() < limit) {
      await oneRun(next++, { index, cache }, tally);
      done += 1;
      if (done % 20 === 0) console.log(`${done} runs in ${seconds()} s`);
    }
    await cache.close();
    await index.close();
  }),
);
console.log(
  `${done} runs in ${seconds()} s, ${tally.faults} with a fault, ${tally.hits} hits: ${tally.wrong} wrong installations, ${tally.failed} failed jobs, ${tally.left} processes or files left`,
);
if (done < runs) console.log(`the time of ${limit} s is over`);
process.exitCode = done < runs || tally.wrong + tally.failed + tally.left > 0 ? 1 : 0;
