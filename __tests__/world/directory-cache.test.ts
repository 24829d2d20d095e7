/** The directory store, on a real disk, with several runs at once. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { directoryCache } from '../../src/cli/directory-cache.ts';
import type { LocalStore } from '../../src/cli/local-store.ts';
import { prune } from '../../src/cli/prune.ts';
import { wheelName } from '../../src/logic/content-store.ts';
import type { Wheel } from '../../src/logic/manifest.ts';
import type { Reporter } from '../../src/ports.ts';
import { wheelhousesAdapter } from '../../src/world/wheelhouses.ts';
import { manifestWheel } from '../support/fixtures.ts';

const wheelhouses = wheelhousesAdapter();
const key = (name: string): string => `wheelhouse-v2-linux-${name}`;

let place = '';
let root = '';
let store: LocalStore;
let warnings: string[] = [];
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'directory-cache-'));
  root = join(place, 'store');
  warnings = [];
  const reporter: Reporter = {
    info() {},
    notice() {},
    warning: (text) => warnings.push(text),
    error() {},
    hide() {},
    foreign() {},
    group: (_title, work) => work(),
  };
  store = directoryCache(root, reporter);
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

let directories = 0;
function newDirectory(): string {
  directories += 1;
  return join(place, `directory-${directories}`);
}

const contentOf = (name: string): string => `${name} `.repeat(20_000);

function wheelOf(name: string): Wheel {
  const content = contentOf(name);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return manifestWheel(name, {
    ...{ sha256, size: content.length },
    role: name === 'setuptools' ? 'build' : 'runtime',
  });
}

/** Makes a wheelhouse with one wheel per name. */
async function wheelhouse(...names: string[]): Promise<string> {
  const directory = newDirectory();
  mkdirSync(directory);
  const wheels = names.map(wheelOf);
  for (const { file, name } of wheels) writeFileSync(join(directory, file), contentOf(name));
  await wheelhouses.seal(directory, {
    ...{ interpreter: 'cp311', request: 'r', sources: 's', resolvedAt: '2026-11-22T12:00:00Z' },
    ...{ wheels, direct: [], relied: [] },
  });
  return directory;
}

const save = async (name: string, ...wheels: string[]) =>
  store.save(await wheelhouse(...wheels), key(name));

/** Restores an entry and verifies it. */
async function restored(name: string) {
  const directory = newDirectory();
  const found = await store.restore(directory, key(name), []);
  assert.deepEqual(found, { key: key(name), arrived: true });
  const inspected = await wheelhouses.inspect(directory, 'content');
  assert.ok(inspected);
  return { directory, sound: inspected.sound.map((each) => each.name), faults: inspected.faults };
}

function storedFile(name: string): string {
  return join(root, wheelName(wheelOf(name)));
}

function bytesOnDisk(): number {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const stats = files.map((file) => lstatSync(join(root, file)));
  return stats.filter((each) => each.isFile()).reduce((sum, each) => sum + each.size, 0);
}

const longAgo = new Date(Date.now() - 3 * 86_400_000);

test('wheelhouses that share wheels share bytes, and each is restored whole', async () => {
  assert.equal(await save('one', 'six', 'setuptools', 'numpy'), 'saved');
  const before = bytesOnDisk();
  assert.equal(await save('two', 'six', 'setuptools', 'pandas'), 'saved');
  const added = bytesOnDisk() - before;
  const pandas = wheelOf('pandas').size;
  assert.ok(added > pandas && added < pandas + 2500, `${added} bytes for ${pandas} of pandas`);
  assert.deepEqual((await restored('one')).sound, ['six', 'setuptools', 'numpy']);
  const { directory, sound, faults } = await restored('two');
  assert.deepEqual([sound, faults], [['six', 'setuptools', 'pandas'], []]);
  assert.ok(existsSync(join(directory, 'build', wheelOf('setuptools').file)));
  assert.deepEqual(warnings, []);
});

test('a key that has an entry is not saved again', async () => {
  assert.equal(await save('one', 'six'), 'saved');
  assert.equal(await save('one', 'numpy'), 'exists');
  assert.deepEqual((await restored('one')).sound, ['six']);
});

test('a prefix finds the most recently used entry', async () => {
  await save('1-old', 'six');
  await save('1-new', 'numpy');
  utimesSync(join(root, 'entries', `${key('1-old')}.json`), longAgo, longAgo);
  const find = (): ReturnType<typeof store.restore> =>
    store.restore(newDirectory(), key('absent'), [key('none'), key('1-')]);
  assert.equal((await find())?.key, key('1-new'));
  utimesSync(join(root, 'entries', `${key('1-new')}.json`), longAgo, longAgo);
  await restored('1-old');
  assert.equal((await find())?.key, key('1-old'));
});

test('a program that writes into a saved or restored wheelhouse does not change the store', async () => {
  const source = await wheelhouse('six');
  await store.save(source, key('one'));
  const { directory } = await restored('one');
  for (const each of [source, directory]) {
    writeFileSync(join(each, wheelOf('six').file), 'overwritten in place');
  }
  assert.deepEqual((await restored('one')).faults, []);
});

for (const [how, damage] of [
  ['other bytes', (file: string) => writeFileSync(file, contentOf('xis'))],
  ['fewer bytes', (file: string) => writeFileSync(file, 'six')],
  [
    'a link out of the store',
    (file: string) => {
      writeFileSync(join(place, 'outside'), contentOf('six'));
      rmSync(file);
      symlinkSync(join(place, 'outside'), file);
    },
  ],
  [
    'a directory',
    (file: string) => {
      rmSync(file);
      mkdirSync(join(file, 'nested'), { recursive: true });
    },
  ],
] as const) {
  test(`a wheel of the store that has become ${how} is not used, and the next save replaces it`, async () => {
    await save('one', 'six', 'numpy');
    damage(storedFile('six'));
    const partial = await restored('one');
    assert.deepEqual(partial.sound, ['numpy']);
    assert.match(partial.faults.join(), /^six-1\.0-py3-none-any\.whl /);
    assert.equal(await save('two', 'six'), 'saved');
    assert.ok(lstatSync(storedFile('six')).isFile());
    assert.deepEqual((await restored('one')).faults, []);
    assert.deepEqual(warnings, []);
  });
}

test('an entry whose wheel has been deleted is restored without it', async () => {
  await save('one', 'six', 'numpy');
  rmSync(storedFile('six'));
  const { sound, faults } = await restored('one');
  assert.deepEqual([sound, faults], [['numpy'], ['six-1.0-py3-none-any.whl is missing']]);
  assert.deepEqual(warnings, []);
});

test('an entry that is not a regular file is one warning', async () => {
  await save('one', 'six');
  const entry = join(root, 'entries', `${key('one')}.json`);
  rmSync(entry);
  mkdirSync(entry);
  assert.deepEqual(await store.restore(newDirectory(), key('one'), []), {
    key: key('one'),
    arrived: false,
  });
  assert.equal(warnings.length, 1);
});

test('prune counts the bytes that become free, not those that other entries share', async () => {
  await save('old', 'six', 'numpy');
  await save('new', 'six', 'pandas');
  const entry = join(root, 'entries', `${key('old')}.json`);
  utimesSync(entry, longAgo, longAgo);
  utimesSync(storedFile('numpy'), longAgo, longAgo);
  utimesSync(storedFile('six'), longAgo, longAgo);
  const before = bytesOnDisk();
  const entrySize = statSync(entry).size;
  const { entries, freed } = await prune(store, before - 1);
  assert.deepEqual(
    entries.map((each) => each.key),
    [key('old')],
  );
  assert.equal(freed, wheelOf('numpy').size + entrySize);
  assert.equal(before - bytesOnDisk(), freed);
  assert.deepEqual((await restored('new')).faults, []);
  assert.ok(!existsSync(join(storedFile('numpy'), '..')), 'no empty directory is left');
});

test('prune deletes entries of the old form, and what killed runs left, and nothing of others', async () => {
  const old = join(root, 'wheelhouse-v1-linux-old');
  mkdirSync(old, { recursive: true });
  writeFileSync(join(old, 'six-1.0-py3-none-any.whl'), contentOf('six'));
  const unfinished = join(root, '.aaaaaaaa-0000-4000-8000-000000000000');
  writeFileSync(unfinished, 'half');
  utimesSync(unfinished, longAgo, longAgo);
  const young = join(root, '.bbbbbbbb-0000-4000-8000-000000000000');
  writeFileSync(young, 'half');
  await save('one', 'numpy');
  const orphan = storedFile('pandas');
  mkdirSync(join(orphan, '..'));
  writeFileSync(orphan, contentOf('pandas'));
  utimesSync(orphan, longAgo, longAgo);
  const foreign = ['README', '.hidden', 'notes/wheel.whl', 'wheels/README', 'wheels/mine/x.whl'];
  for (const file of foreign) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), 'foreign');
    utimesSync(join(root, file), longAgo, longAgo);
  }
  const prefix = 'wheelhouse-v1-linux-';
  assert.equal(await store.restore(newDirectory(), `${prefix}old`, [prefix]), undefined);

  const { entries, freed } = await prune(store, 1e9);
  assert.deepEqual(entries, []);
  assert.equal(freed, wheelOf('six').size + 'half'.length + wheelOf('pandas').size);
  for (const gone of [old, unfinished, orphan]) assert.ok(!existsSync(gone), gone);
  for (const file of foreign) assert.equal(readFileSync(join(root, file), 'utf8'), 'foreign');
  assert.ok(existsSync(young), 'another run may be writing it');
  assert.deepEqual((await restored('one')).faults, []);
});

test('a save that has not finished keeps its wheels when prune deletes the entry that had them', async () => {
  await save('old', 'six');
  const entry = join(root, 'entries', `${key('old')}.json`);
  utimesSync(entry, longAgo, longAgo);
  // The save of another run has found the wheel there and has not written its entry yet.
  const now = new Date();
  utimesSync(storedFile('six'), now, now);
  await prune(store, 0);
  assert.ok(!existsSync(entry));
  assert.ok(existsSync(storedFile('six')));
});

test('runs that save, restore and prune at the same time never fail or get wrong bytes', async () => {
  const names = ['six', 'numpy', 'pandas', 'setuptools', 'requests'];
  const sources = await Promise.all(
    names.map((name) => wheelhouse(...names.filter((each) => each !== name))),
  );
  const work = Array.from({ length: 60 }, async (_, number) => {
    const own = key(`run-${number % 12}`);
    if (number % 5 === 4) await prune(store, number % 2 === 0 ? 0 : 300_000);
    else await store.save(String(sources[number % names.length]), own);
    const directory = newDirectory();
    const found = await store.restore(directory, own, [key('run-')]);
    if (found === undefined) return;
    assert.ok(found.arrived);
    const inspected = await wheelhouses.inspect(directory, 'content');
    for (const fault of inspected?.faults ?? []) assert.match(fault, / is missing$/);
  });
  await Promise.all(work);
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    readdirSync(root).filter((name) => name.startsWith('.')),
    [],
    'nothing unfinished is left',
  );
  assert.equal(await save('last', ...names), 'saved');
  assert.deepEqual((await restored('last')).faults, []);
});

test('eight runs that save the same key at once leave one whole entry', async () => {
  const sources = await Promise.all(Array.from({ length: 8 }, () => wheelhouse('six', 'numpy')));
  const outcomes = await Promise.all(sources.map((source) => store.save(source, key('one'))));
  assert.ok(outcomes.includes('saved'));
  assert.ok(!outcomes.includes('failed'));
  assert.deepEqual((await restored('one')).faults, []);
  assert.deepEqual(warnings, []);
});
