/** Several jobs share one cache: each finds its own last wheelhouse. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fake, fakeIndex, fakeWorld, indexUrl } from '../support/fake-world.ts';

const otherUrl = 'https://other.example/simple/';
const orders = 32;
const bumps = 4;

/** Jobs with different indexes, and with different files. */
const jobs = [
  { 'index-url': indexUrl, requirements: 'requirements.txt' },
  { 'index-url': otherUrl, requirements: 'requirements.txt' },
  { 'index-url': indexUrl, requirements: 'services/api.txt' },
  { 'index-url': indexUrl, requirements: 'services/web.txt' },
] as const;

/** Each job has three packages of its own, with as many versions as it is bumped. */
function packagesOf(job: number): string[] {
  return ['a', 'b', 'c'].map((letter) => `job${'xyzw'[job]}${letter}`);
}

function world(): Fake {
  const versions = Object.fromEntries(
    Array.from({ length: bumps + 1 }, (_, index) => [`${index}.0`, []]),
  );
  const names = jobs.flatMap((_job, index) => packagesOf(index));
  const projects = Object.fromEntries(names.map((name) => [name, versions]));
  const fake = fakeWorld(projects);
  fake.indexes[otherUrl] = fakeIndex(projects);
  return fake;
}

test(`each bump downloads one artifact, in any of ${orders} orders of four jobs`, async () => {
  const fake = world();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(jobs.length - 1), fc.nat(2)), {
        minLength: bumps,
        maxLength: bumps,
      }),
      async (sequence) => {
        for (const name of ['store', 'temp']) {
          rmSync(join(fake.root, name), { recursive: true, force: true });
        }
        const pins = jobs.map(() => [0, 0, 0]);
        const run = async (job: number): Promise<number> => {
          const inputs = jobs[job];
          assert.ok(inputs);
          const lines = packagesOf(job).map((name, index) => `${name}==${pins[job]?.[index]}.0\n`);
          const index = fake.indexes[inputs['index-url']];
          const before = index?.fetched.length ?? 0;
          const file = join(fake.host.workspace, inputs.requirements);
          mkdirSync(dirname(file), { recursive: true });
          writeFileSync(file, lines.join(''));
          await fake.run(inputs);
          fake.installed.clear();
          return (index?.fetched.length ?? 0) - before;
        };
        for (const job of jobs.keys()) assert.equal(await run(job), 3);
        for (const [job, pin] of sequence) {
          const own = pins[job];
          assert.ok(own);
          own[pin] = (own[pin] ?? 0) + 1;
          assert.equal(await run(job), 1);
        }
      },
    ),
    { numRuns: orders },
  );
});
