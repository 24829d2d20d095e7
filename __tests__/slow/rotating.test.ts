/**
 * Indexes whose file addresses change all the time. What the action does with them, and as control
 * what pip and uv make of them with caches of their own that were kept.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { startCacheService } from '../support/cache-service.ts';
import { type Client, pipAlone, uvAlone } from '../support/clients.ts';
import { type Mode, startIndex } from '../support/index-server.ts';
import { sideJob } from '../support/jobs.ts';
import { sdist, wheel } from '../support/packages.ts';

const scratch = mkdtempSync(join(tmpdir(), 'rotating-'));
/** Each build of gamma leaves a line there. */
const marker = join(scratch, 'builds');
const distributions = [
  wheel({ name: 'alpha', version: '1.0' }),
  wheel({ name: 'beta', version: '1.0' }),
  wheel({ name: 'beta', version: '2.0' }),
  sdist({ name: 'gamma', version: '1.0', requires: ['alpha'], marker }),
];
const all = ['alpha-1.0-py3-none-any.whl', 'beta-1.0-py3-none-any.whl', 'gamma-1.0.tar.gz'];
const wheels = all.filter((file) => file.endsWith('.whl'));
const pins = ['alpha==1.0', 'beta==1.0', 'gamma==1.0'];
const bumped = ['alpha==1.0', 'beta==2.0', 'gamma==1.0'];

const [index, cache] = await Promise.all([startIndex({ distributions }), startCacheService()]);

after(async () => {
  rmSync(scratch, { recursive: true });
  await Promise.all([index.close(), cache.close()]);
});

beforeEach(async () => {
  await cache.reset();
  rmSync(marker, { force: true });
});

function builds(): number {
  if (!existsSync(marker)) return 0;
  return readFileSync(marker, 'utf8').match(/ build_wheel$/gm)?.length ?? 0;
}

/** What one job costs the index, and the machine. */
async function costOf(
  work: () => Promise<unknown>,
): Promise<{ requests: number; artifacts: string[]; builds: number }> {
  const before = builds();
  index.reset();
  await work();
  return {
    requests: index.count(),
    artifacts: index.artifacts().sort(),
    builds: builds() - before,
  };
}

/** The second of two jobs with the same requirements, by a tool with a cache of its own. */
async function secondJobOf(client: Client): Promise<{ artifacts: string[]; builds: number }> {
  try {
    assert.deepEqual(await client.install(index.url, pins), pins);
    const { artifacts, builds } = await costOf(async () => {
      assert.deepEqual(await client.install(index.url, pins), pins);
    });
    return { artifacts, builds };
  } finally {
    client.remove();
  }
}

const kept = { artifacts: [], builds: 0 };
const expected: Record<Mode['urls'], { pip: object; uv: object }> = {
  stable: { pip: kept, uv: kept },
  'query-token': {
    pip: { artifacts: all, builds: 1 },
    uv: { artifacts: ['gamma-1.0.tar.gz'], builds: 1 },
  },
  'path-token': {
    pip: { artifacts: all, builds: 1 },
    uv: { artifacts: ['gamma-1.0.tar.gz'], builds: 1 },
  },
  // What pip built is kept by the address on the page, what it downloaded by the one behind it. uv
  // keeps nothing that must not be stored, and brings an sdist once more to build it.
  redirect: {
    pip: { artifacts: wheels, builds: 0 },
    uv: { artifacts: [...all, 'gamma-1.0.tar.gz'], builds: 1 },
  },
};

for (const urls of Object.keys(expected) as Mode['urls'][]) {
  for (const pip of pipVersions.slice(-2)) {
    test(`${urls} URLs, pip ${pip}: a second run makes no requests, and a changed pin downloads one file`, async () => {
      index.mode.urls = urls;
      const run = (requirements: string[], post = false) =>
        sideJob({
          pip,
          post,
          files: { 'requirements.txt': requirements.join('\n') },
          env: { ...cache.env(), PIP_INDEX_URL: index.url },
        });
      const lockLine = (lock: string): string | undefined =>
        lock.split('\n').find((line) => line.startsWith('gamma=='));

      let built: string | undefined;
      const miss = await costOf(async () => {
        const { main, installed, lock } = await run(pins, true);
        assert.deepEqual(installed, pins, main.log);
        built = lockLine(lock);
      });
      assert.deepEqual([miss.artifacts, miss.builds], [all, 1]);

      const hit = await costOf(async () => {
        const { main, installed, lock } = await run(pins);
        assert.equal(main.outputs['cache-hit'], 'true', main.log);
        assert.deepEqual(installed, pins);
        assert.equal(lockLine(lock), built);
      });
      assert.deepEqual(hit, { requests: 0, artifacts: [], builds: 0 });

      const { artifacts, builds } = await costOf(async () => {
        const { main, installed, lock } = await run(bumped);
        assert.deepEqual(installed, bumped, main.log);
        assert.equal(lockLine(lock), built, 'the wheel that was built before is the very one');
      });
      assert.deepEqual(
        { artifacts, builds },
        { artifacts: ['beta-2.0-py3-none-any.whl'], builds: 0 },
      );

      assert.deepEqual(await secondJobOf(pipAlone(pip)), expected[urls].pip, 'pip alone');
    });
  }

  test(`${urls} URLs: uv alone`, async () => {
    index.mode.urls = urls;
    assert.deepEqual(await secondJobOf(uvAlone()), expected[urls].uv);
  });
}
