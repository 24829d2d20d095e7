/** `installer: uv` with real uv on PATH: uv resolves, builds and installs. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { beforeEach, describe, test } from 'node:test';

import { uvCommand } from '../../scripts/tools.mjs';
import { startIndex } from '../support/index-server.ts';
import { sdist, wheel } from '../support/packages.ts';
import {
  annotations,
  type JobResult,
  type RunOptions,
  startScenario,
} from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1'] });
const gamma = sdist({ name: 'gamma', version: '1.0', requires: ['beta'] });
const betas = ['1.0', '2.0', '3.0'].map((version) => wheel({ name: 'beta', version }));
const pre = wheel({ name: 'delta', version: '2.0rc1' });
const scenario = await startScenario({
  distributions: [alpha, gamma, ...betas, wheel({ name: 'delta', version: '1.0' }), pre],
});
const { cache } = scenario;

beforeEach(() => cache.reset());

const runWithUv = (options: RunOptions): Promise<JobResult> =>
  scenario.run({
    ...options,
    job: { path: [dirname(uvCommand())], ...options.job },
    with: { installer: 'uv', ...options.with },
  });

const requirements = (text: string) => ({ 'requirements.txt': text });
const pinned = 'alpha==1.0\nbeta==2.0\ngamma==1.0\n';

test('with uv a miss fills the cache, an exact hit needs no index, a bumped pin downloads exactly one wheel', async () => {
  const miss = await runWithUv({ files: requirements(pinned) });
  assert.equal(miss.main.conclusion, 'success', miss.main.log);
  assert.match(miss.main.log, /Using uv \S+ from PATH\./);
  assert.deepEqual(miss.installed, ['alpha==1.0', 'beta==2.0', 'gamma==1.0']);
  assert.deepEqual(
    new Set(miss.artifacts),
    new Set([alpha.filename, String(betas[1]?.filename), gamma.filename]),
  );

  const hit = await runWithUv({ files: requirements(pinned) });
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.equal(hit.requests, 0);
  assert.equal(hit.lock, miss.lock);
  assert.deepEqual(hit.installed, miss.installed);

  const bump = await runWithUv({ files: requirements(pinned.replace('beta==2.0', 'beta==3.0')) });
  assert.deepEqual(bump.artifacts, [betas[2]?.filename], bump.main.log);
  const built = miss.lock.split('\n').find((line) => line.startsWith('gamma=='));
  assert.ok(bump.lock.includes(String(built)), 'the wheel that was built before is reused');
});

describe("uv's settings", () => {
  test('of the checkout count: they are in the key, and uv chooses by them', async () => {
    const files = { ...requirements('delta\n'), 'uv.toml': 'prerelease = "allow"\n' };
    const allowed = await runWithUv({ files });
    assert.deepEqual(allowed.installed, ['delta==2.0rc1'], allowed.main.log);
    assert.match(allowed.main.log, /resolver=uv; uv prerelease="allow"/);
  });

  test('of the checkout can not direct the credentials of inputs to another index', async () => {
    const other = await startIndex({ distributions: betas });
    try {
      const { main } = await runWithUv({
        files: { ...requirements('beta\n'), 'uv.toml': `index-url = "${other.url}"\n` },
        with: { 'index-username': 'robot', 'index-password': 's3cr3t-of-robot' },
      });
      assert.equal(main.conclusion, 'failure');
      assert.match(
        String(annotations(main, 'error')[0]),
        /uv's settings name another default index/,
      );
      assert.equal(other.count(), 0);
    } finally {
      await other.close();
    }
  });
});

test('a resolution that fails shows the words of uv and the place in the file', async () => {
  const { main } = await runWithUv({ files: requirements('alpha\nbeta==9\n') });
  const [error] = main.annotations.filter(({ level }) => level === 'error');
  assert.match(String(error?.message), /uv could not resolve the requirements\./);
  assert.match(String(error?.message), /there is no version of beta==9/);
  assert.equal(error?.properties['file'], 'requirements.txt');
  assert.equal(error?.properties['line'], '2');
});
