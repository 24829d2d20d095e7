/** Change entries of the committed dist, through the real cache library. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wheel } from '../support/packages.ts';
import { annotations, type JobResult, startScenario } from '../support/scenario.ts';

const size = 100_000;
const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
const { index, cache, run } = await startScenario({
  distributions: names.flatMap((name) =>
    ['1.0', '2.0'].map((version) => wheel({ name, version, size })),
  ),
});

/** Requirements in which some projects have version 2.0. */
function files(...bumped: readonly string[]): Record<string, string> {
  const lines = names.map((name) => `${name}==${bumped.includes(name) ? '2.0' : '1.0'}\n`);
  return { 'requirements.txt': lines.join('') };
}

function installedWith(...bumped: readonly string[]): string[] {
  return names.map((name) => `${name}==${bumped.includes(name) ? '2.0' : '1.0'}`).sort();
}

function savedBytes({ main }: JobResult): number {
  const key = main.outputs['cache-primary-key'];
  return cache.entries().find((entry) => entry.key === key)?.size ?? Number.NaN;
}

test('after a bump only the new wheel is saved, and a hit on it restores the rest from its base', async () => {
  await cache.reset();
  const full = await run({ files: files() });
  assert.ok(savedBytes(full) > 5 * size);
  const change = await run({ files: files('beta') });
  assert.deepEqual(change.artifacts, ['beta-2.0-py3-none-any.whl']);
  assert.ok(savedBytes(change) <= size + 64 * 1024, `${savedBytes(change)} bytes`);
  assert.match(String(change.post?.log), /Saved what has changed/);

  const before = cache.calls('lookup').length;
  const hit = await run({ files: files('beta') });
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.equal(hit.requests, 0);
  assert.deepEqual(hit.installed, installedWith('beta'));
  assert.equal(hit.lock, change.lock);
  assert.deepEqual(annotations(hit.main, 'warning'), []);
  assert.equal(cache.calls('lookup').length, before + 2);

  await run({ files: files() });
  assert.equal(cache.calls('lookup').length, before + 3, 'a hit on a full entry looks up only it');
});

test('without the base the change is a partial hit, and a full entry is saved', async () => {
  await cache.reset();
  const full = await run({ files: files() });
  await run({ files: files('beta') });
  await cache.delete(String(full.main.outputs['cache-primary-key']));
  const partial = await run({ files: files('beta') });
  assert.equal(partial.main.outputs['cache-hit'], 'false');
  assert.equal(partial.artifacts.length, 4);
  assert.deepEqual(partial.installed, installedWith('beta'));
  assert.deepEqual(annotations(partial.main, 'warning'), []);
  assert.match(partial.main.log, /which is not in the cache\. Other wheels come from the index\./);
  index.reset();
  const hit = await run({ files: files('beta') });
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.equal(hit.main.outputs['cache-matched-key']?.endsWith('-r1'), true);
});
