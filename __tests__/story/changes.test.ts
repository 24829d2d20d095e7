/** Change entries: what is saved after a partial hit, and whatever can be wrong with a base. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Outcome } from '../../src/install.ts';
import { save } from '../../src/save.ts';
import { type EntryStore, entryStore } from '../support/entry-store.ts';
import { type Fake, fakeWorld, indexUrl } from '../support/fake-world.ts';

const wheelSize = 100_000;
const allowance = 64 * 1024;

interface Scene {
  readonly fake: Fake;
  readonly store: EntryStore;
  /** Runs a job in a fresh environment with these versions. @returns the files that were downloaded */
  run(
    versions: readonly number[],
  ): Promise<{ fetched: string[]; hit: string; said: string; outcome: Outcome }>;
  last(): string;
}

const projectOf = (index: number): string =>
  `p${String.fromCharCode(97 + Math.floor(index / 26), 97 + (index % 26))}`;
const fileOf = (index: number, version: number): string =>
  `${projectOf(index)}-${version}.0-py3-none-any.whl`;

/** Requirements with one pin for each version. */
function scene(count: number): Scene {
  const versions = Object.fromEntries(Array.from({ length: 60 }, (_, each) => [`${each}.0`, []]));
  const names = Array.from({ length: count }, (_, index) => projectOf(index));
  let store = entryStore('');
  const fake = fakeWorld(Object.fromEntries(names.map((name) => [name, versions])), (root) => {
    store = entryStore(root);
    return store;
  });
  fake.wheelSize = wheelSize;
  return {
    fake,
    store,
    async run(pins) {
      const index = fake.indexes[indexUrl];
      const before = index?.fetched.length ?? 0;
      fake.installed.clear();
      rmSync(join(fake.root, 'temp'), { recursive: true, force: true });
      const lines = pins.map((version, each) => `${projectOf(each)}==${version}.0\n`);
      const outcome = await fake.run({}, lines.join(''));
      const installed = pins.map((_pin, each) => fake.installed.get(projectOf(each)));
      assert.deepEqual(
        installed,
        pins.map((version) => `${version}.0`),
      );
      return {
        fetched: index?.fetched.slice(before).sort() ?? [],
        hit: outcome.report.hit,
        said: fake.said.join('\n'),
        outcome,
      };
    },
    last: () => store.keys.at(-1) ?? '',
  };
}

/** Pins of version 1, but for some that are named by their index. */
function pins(count: number, changed: Readonly<Record<number, number>> = {}): number[] {
  return Array.from({ length: count }, (_, index) => changed[index] ?? 1);
}

function wheelsIn({ store }: Scene, key: string): string[] {
  return readdirSync(store.directory(key))
    .filter((file) => file.endsWith('.whl'))
    .sort();
}

function isChange({ store }: Scene, key: string): boolean {
  return readdirSync(store.directory(key)).includes('base.json');
}

/** A full entry of ten wheels, and a change upon it. */
async function changed(): Promise<Scene & { readonly base: string; readonly change: string }> {
  const made = scene(10);
  await made.run(pins(10));
  await made.run(pins(10, { 0: 2 }));
  const [base = '', change = ''] = made.store.keys;
  made.store.restored.length = 0;
  return { ...made, base, change };
}

test('after a bumped pin only the new wheel is saved', async () => {
  const made = await changed();
  assert.deepEqual(wheelsIn(made, made.change), [fileOf(0, 2)]);
  assert.ok(made.store.size(made.change) <= wheelSize + allowance);
  assert.match(made.fake.log.join('\n'), /^Saved what has changed .* since \S+ \(1 wheel\) as /m);
});

test('an exact hit on a change restores its base too, and needs no index', async () => {
  const made = await changed();
  const { fetched, hit, said } = await made.run(pins(10, { 0: 2 }));
  assert.deepEqual({ fetched, hit, said }, { fetched: [], hit: 'exact', said: '' });
  assert.deepEqual(made.store.restored, [made.change, made.base]);
  assert.equal(made.store.keys.length, 2);
});

test('an exact hit on a full entry restores nothing else', async () => {
  const made = await changed();
  await made.run(pins(10));
  assert.deepEqual(made.store.restored, [made.base]);
});

test('a change after a change has the same base and contains everything that it lacks', async () => {
  const made = await changed();
  const { fetched } = await made.run(pins(10, { 0: 2, 1: 2 }));
  assert.deepEqual(fetched, [fileOf(1, 2)]);
  assert.deepEqual(wheelsIn(made, made.last()), [fileOf(0, 2), fileOf(1, 2)]);
  made.store.evict(made.change);
  assert.equal((await made.run(pins(10, { 0: 2, 1: 2 }))).hit, 'exact');
});

test('a full entry is saved when more than a quarter is new', async () => {
  const made = await changed();
  await made.run(pins(10, { 0: 2, 1: 2, 2: 2 }));
  assert.equal(isChange(made, made.last()), false);
  assert.equal(wheelsIn(made, made.last()).length, 10);
});

test('a full entry is saved when more than a quarter of the base is no longer needed', async () => {
  const made = await changed();
  await made.run(pins(7));
  assert.equal(isChange(made, made.last()), false);
});

test('a full entry is saved when the wheels that are not new are small', async () => {
  const made = scene(10);
  made.fake.wheelSize = 1000;
  await made.run(pins(10));
  await made.run(pins(10, { 0: 2 }));
  assert.equal(isChange(made, made.last()), false);
});

test('20 changes in a row download one wheel each, and each is an exact hit afterwards', async () => {
  const made = scene(20);
  made.fake.wheelSize = 10_000;
  const versions = pins(20);
  await made.run(versions);
  for (let index = 0; index < 20; index += 1) {
    versions[index] = 2;
    assert.deepEqual((await made.run(versions)).fetched, [fileOf(index, 2)]);
    const { hit, fetched, said } = await made.run(versions);
    assert.deepEqual({ hit, fetched, said }, { hit: 'exact', fetched: [], said: '' });
  }
  const full = made.store.keys.filter((key) => !isChange(made, key));
  assert.ok(full.length <= 5, `${full.length} full entries`);
});

describe('the right versions are installed, from a new full entry, when the base', () => {
  /** Damages something; then a run is a partial hit, and the next one is an exact hit. */
  async function mends(
    damage: (made: Awaited<ReturnType<typeof changed>>) => void,
    { fetched: count, says = /^$/ }: { readonly fetched: number; readonly says?: RegExp },
  ): Promise<void> {
    const made = await changed();
    damage(made);
    const { hit, fetched, said } = await made.run(pins(10, { 0: 2 }));
    assert.notEqual(hit, 'exact');
    assert.equal(fetched.length, count, fetched.join());
    assert.match(said, says);
    assert.equal(made.last(), `${made.change}-r1`);
    assert.equal(isChange(made, made.last()), false);
    assert.equal((await made.run(pins(10, { 0: 2 }))).hit, 'exact');
  }

  test('was evicted', () => mends(({ store, base }) => store.evict(base), { fetched: 9 }));

  test('is of another branch', () =>
    mends(({ store, base }) => store.hidden.add(base), { fetched: 9 }));

  test('lacks a wheel', () =>
    mends(({ store, base }) => rmSync(join(store.directory(base), fileOf(3, 1))), {
      fetched: 1,
      says: /^warning: The wheelhouse from \S+ is partly damaged; .* pad-1\.0\S+ is missing\.$/,
    }));

  test('has a changed wheel', () =>
    mends(
      ({ store, base }) =>
        writeFileSync(join(store.directory(base), fileOf(3, 1)), 'x'.repeat(wheelSize)),
      { fetched: 1, says: /pad-1\.0-py3-none-any\.whl has a different hash/ },
    ));

  test('has a link in place of a wheel', () =>
    mends(
      ({ store, base, fake }) => {
        const outside = join(fake.root, 'outside.whl');
        renameSync(join(store.directory(base), fileOf(3, 1)), outside);
        symlinkSync(outside, join(store.directory(base), fileOf(3, 1)));
      },
      { fetched: 1, says: /pad-1\.0-py3-none-any\.whl is not a regular file/ },
    ));

  test('is damaged like the change', () =>
    mends(
      ({ store, base, change }) => {
        writeFileSync(join(store.directory(base), fileOf(3, 1)), 'x'.repeat(wheelSize));
        writeFileSync(join(store.directory(change), fileOf(0, 2)), 'x'.repeat(wheelSize));
      },
      { fetched: 2, says: /paa-2\.0-py3-none-any\.whl has a different hash.*; pad-1\.0/ },
    ));

  const keep = { size: 1_000_000, saved: 100_000 };
  const claim =
    (base: (made: Awaited<ReturnType<typeof changed>>) => unknown) =>
    (made: Awaited<ReturnType<typeof changed>>): void => {
      const text = base(made);
      const file = join(made.store.directory(made.change), 'base.json');
      writeFileSync(file, typeof text === 'string' ? text : JSON.stringify(text));
    };

  test('has a key of other sources', () =>
    mends(
      claim(({ base }) => ({ ...keep, key: base.replace(/cp311-[0-9a-f]{8}/, 'cp311-00000000') })),
      { fetched: 9 },
    ));

  test('has a key of another Python', () =>
    mends(
      claim(({ base }) => ({ ...keep, key: base.replace('cp311', 'cp312') })),
      { fetched: 9 },
    ));

  test('is the change itself', () =>
    mends(
      claim(({ change }) => ({ ...keep, key: change })),
      { fetched: 9 },
    ));

  test('has a key with a command in it', () =>
    mends(
      claim(() => ({ ...keep, key: '"; id' })),
      {
        fetched: 10,
        says: /is not used: base\.json is not valid: "key" must be a cache key/,
      },
    ));

  test('has a negative size', () =>
    mends(
      claim(({ base }) => ({ ...keep, key: base, size: -1 })),
      {
        fetched: 10,
        says: /base\.json is not valid: "size" must be a number of bytes/,
      },
    ));

  test('is not JSON', () =>
    mends(
      claim(() => '{'),
      { fetched: 10, says: /base\.json is not valid: it is not JSON/ },
    ));

  test('is described in a file that is too long', () =>
    mends(
      claim(() => ' '.repeat(5000)),
      { fetched: 10, says: /base\.json is not a regular file/ },
    ));
});

test('a base that is a change is not used', async () => {
  const made = await changed();
  await made.run(pins(10, { 0: 2, 1: 2 }));
  const file = join(made.store.directory(made.last()), 'base.json');
  const named = readFileSync(file, 'utf8').replace(made.base, made.change);
  writeFileSync(file, named);
  const { hit, fetched } = await made.run(pins(10, { 0: 2, 1: 2 }));
  assert.equal(hit, 'partial');
  assert.equal(fetched.length, 8);
  assert.match(made.fake.log.join('\n'), /which is not a full entry\. Other wheels come from/);
});

test('a change whose numbers lie can only cause another full entry or change', async () => {
  for (const numbers of [
    { size: 0, saved: 0 },
    { size: Number.MAX_SAFE_INTEGER, saved: Number.MAX_SAFE_INTEGER },
  ]) {
    const made = await changed();
    const file = join(made.store.directory(made.change), 'base.json');
    writeFileSync(file, JSON.stringify({ key: made.base, ...numbers }));
    const { fetched, said } = await made.run(pins(10, { 0: 2, 1: 2 }));
    assert.deepEqual({ fetched, said }, { fetched: [fileOf(1, 2)], said: '' });
    assert.equal((await made.run(pins(10, { 0: 2, 1: 2 }))).hit, 'exact');
  }
});

test('a change is not saved when one of its wheels changes after the main step', async () => {
  const made = await changed();
  const { outcome } = await made.run(pins(10, { 0: 2, 1: 2 }));
  const [state] = outcome.states;
  assert.ok(state?.change);
  made.store.evict(made.last());
  writeFileSync(join(state.wheelhouse, fileOf(1, 2)), 'x'.repeat(wheelSize));
  await save(state, { ...made.fake.world, temporary: made.fake.host.temporary });
  assert.deepEqual(made.store.keys, [made.base, made.change]);
  assert.match(made.fake.said.join(), /^warning: The wheelhouse is not saved: pab-2\.0.* hash/);
});

test('a wheel that the base has may change after the main step: it is not saved', async () => {
  const made = await changed();
  const { outcome } = await made.run(pins(10, { 0: 2, 1: 2 }));
  const [state] = outcome.states;
  assert.ok(state?.change);
  made.store.evict(made.last());
  rmSync(join(state.wheelhouse, fileOf(5, 1)));
  await save(state, { ...made.fake.world, temporary: made.fake.host.temporary });
  assert.equal((await made.run(pins(10, { 0: 2, 1: 2 }))).hit, 'exact');
});

test('when two jobs save at once, one of them wins', async () => {
  const made = scene(10);
  await made.run(pins(10));
  made.store.beforeSave = (key) => {
    made.store.beforeSave = () => {};
    made.store.keys.push(key);
  };
  await made.run(pins(10, { 0: 2 }));
  assert.match(made.fake.log.join('\n'), /is already in the cache\./);
});
