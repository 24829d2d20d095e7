/** Change entries and families of keys, through the real cache library: what takes many jobs. */
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { startCacheService } from '../support/cache-service.ts';
import { startIndex } from '../support/index-server.ts';
import { type SideResult, said, sideJob } from '../support/jobs.ts';
import { wheel } from '../support/packages.ts';

const size = 30_000;
const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
const versions = Array.from({ length: 40 }, (_, index) => `${index + 1}.0`);
const distributions = names.flatMap((name) =>
  versions.map((version) => wheel({ name, version, size })),
);
const index = await startIndex({ distributions });
const otherIndex = await startIndex({ distributions });
const cache = await startCacheService();
after(() => Promise.all([cache.close(), index.close(), otherIndex.close()]));
beforeEach(async () => {
  await cache.reset();
  index.reset();
});

/** Requirements with version 1.0 of everything but some projects. */
function lines(changed: Readonly<Record<string, string>> = {}): string {
  return names.map((name) => `${name}==${changed[name] ?? '1.0'}\n`).join('');
}

function job(
  changed: Readonly<Record<string, string>> = {},
  { identity = {}, ...options }: { identity?: { ref?: string }; file?: string; url?: string } = {},
): Promise<SideResult> {
  const { file = 'requirements.txt', url = index.url } = options;
  return sideJob({
    files: { [file]: lines(changed) },
    with: { requirements: file },
    env: { ...cache.env(identity), PIP_INDEX_URL: url },
    post: true,
  });
}

function keyOf({ main }: SideResult): string {
  return String(main.outputs['cache-primary-key']);
}

function installedWith(changed: Readonly<Record<string, string>>): string[] {
  return names.map((name) => `${name}==${changed[name] ?? '1.0'}`).sort();
}

const bumped = { beta: '2.0' };

/** Bytes of an entry. */
function bytes(key: string): number {
  return cache.entries().find((entry) => entry.key === key)?.size ?? Number.NaN;
}

describe('with a base that is of no use, the right versions are installed and a full entry is saved:', () => {
  async function mends(
    damage: (base: string, change: string) => Promise<void>,
    downloads: number,
    warning: RegExp,
  ): Promise<void> {
    const base = keyOf(await job());
    const change = keyOf(await job(bumped));
    assert.ok(bytes(change) <= size + 64 * 1024, `${bytes(change)} bytes`);
    await damage(base, change);
    index.reset();
    const partial = await job(bumped);
    assert.equal(partial.main.conclusion, 'success', partial.main.log);
    assert.deepEqual(partial.installed, installedWith(bumped));
    assert.equal(index.artifacts().length, downloads, partial.main.log);
    assert.match(said(partial).join('\n'), warning);
    assert.ok(bytes(`${change}-r1`) > names.length * size);
    index.reset();
    const hit = await job(bumped);
    assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
    assert.deepEqual(hit.installed, installedWith(bumped));
    assert.equal(index.count(), 0);
  }

  const truncate = async (key: string): Promise<void> => {
    const archive = await cache.readArchive(key);
    await cache.replaceArchive(key, archive.subarray(0, archive.length / 2));
  };

  test('evicted', () => mends((base) => cache.delete(base), 4, /^$/));

  test('a truncated archive', () =>
    mends(truncate, 4, /^warning: The cache could not be restored: tar failed/));

  test('both archives truncated', () =>
    mends(
      async (base, change) => {
        await truncate(base);
        await truncate(change);
      },
      5,
      /^warning: The cache could not be restored: tar failed/,
    ));

  test('replaced by the change', () =>
    mends(
      async (base, change) => {
        await cache.replaceArchive(base, await cache.readArchive(change));
      },
      4,
      /^$/,
    ));

  test('of another branch', async () => {
    const identity = { ref: 'refs/heads/feature' };
    await job({}, { identity });
    const change = keyOf(await job(bumped, { identity }));
    const archive = await cache.readArchive(change);
    const version = String(cache.entries().find(({ key }) => key === change)?.version);
    await cache.delete(change);
    await cache.addEntry(change, version, archive, 'refs/heads/main');
    index.reset();
    const partial = await job(bumped);
    assert.deepEqual(partial.installed, installedWith(bumped));
    assert.deepEqual(said(partial), []);
    assert.equal(index.artifacts().length, 4);
    index.reset();
    assert.equal((await job(bumped)).main.outputs['cache-hit'], 'true');
    assert.equal(index.count(), 0);
  });
});

test('in a pull request each job finds its own last wheelhouse on the default branch', async () => {
  const files = ['services/api.txt', 'services/web.txt'];
  const identity = { ref: 'refs/pull/1/merge' };
  const changed = (at: number, version: string): Record<string, string> =>
    Object.fromEntries(names.map((name) => [name, String(versions[at * 9 + Number(version)])]));
  for (const [at, file] of files.entries()) await job(changed(at, '0'), { file });
  for (const [at, file] of files.entries()) {
    index.reset();
    const pins = { ...changed(at, '0'), beta: String(versions[at * 9 + 1]) };
    await job(pins, { file, identity });
    assert.deepEqual(index.artifacts(), [`beta-${pins.beta}-py3-none-any.whl`]);
  }
});

test('20 changes in a row: one download each, and entries as small as promised', async () => {
  const changed: Record<string, string> = {};
  await job();
  for (let change = 1; change <= 20; change += 1) {
    changed['beta'] = versions[change] ?? '';
    index.reset();
    const result = await job(changed);
    assert.deepEqual(index.artifacts(), [`beta-${versions[change]}-py3-none-any.whl`]);
    assert.deepEqual(result.installed, installedWith(changed));
    assert.deepEqual(said(result), []);
  }
  const sizes = cache.entries().map((entry) => entry.size);
  assert.equal(sizes.filter((each) => each <= size + 64 * 1024).length >= 16, true, sizes.join());
  index.reset();
  assert.equal((await job(changed)).main.outputs['cache-hit'], 'true');
  assert.equal(index.count(), 0);
});

test('when two jobs save the same change at once, one of them does, and both install', async () => {
  await job();
  const both = await Promise.all([job(bumped), job(bumped)]);
  for (const each of both) {
    assert.deepEqual(each.installed, installedWith(bumped));
    assert.deepEqual(said(each), []);
    assert.deepEqual(each.post?.annotations, []);
  }
  assert.equal(cache.entries().length, 2);
  index.reset();
  assert.equal((await job(bumped)).main.outputs['cache-hit'], 'true');
  assert.equal(index.count(), 0);
});

test('two jobs with different indexes and two with different files share a cache: each bump downloads one artifact, in 32 random orders', async () => {
  const jobs = [
    { file: 'requirements.txt', server: index },
    { file: 'requirements.txt', server: otherIndex },
    { file: 'services/api.txt', server: index },
    { file: 'services/web.txt', server: index },
  ];
  // Each job needs other versions, so that a wheelhouse of another job is of no use.
  const state = jobs.map((_job, at) => ({ offset: at * 9, pins: names.map(() => 0) }));
  const run = async (at: number): Promise<string[]> => {
    const { file, server } = jobs[at] as (typeof jobs)[number];
    const { offset, pins } = state[at] as (typeof state)[number];
    server.reset();
    const changed = Object.fromEntries(
      names.map((name, each) => [name, String(versions[offset + (pins[each] ?? 0)])]),
    );
    const result = await job(changed, { file, url: server.url });
    assert.deepEqual(result.installed, installedWith(changed), result.main.log);
    return server.artifacts();
  };
  for (const at of jobs.keys()) assert.equal((await run(at)).length, names.length);
  for (let order = 0; order < 32; order += 1) {
    const shuffled = [...jobs.keys()]
      .map((at) => [Math.random(), at] as const)
      .sort(([one], [other]) => one - other)
      .map(([, at]) => at);
    for (const at of shuffled) {
      const { pins } = state[at] as (typeof state)[number];
      pins[order % names.length] = (pins[order % names.length] ?? 0) + 1;
      assert.equal((await run(at)).length, 1, `order ${order}: ${shuffled}`);
    }
  }
});
