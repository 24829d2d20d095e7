/** What a run does when an index no longer offers what a wheelhouse contains. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { type Fake, fakeWorld, indexUrl, type Projects } from '../support/fake-world.ts';

const projects: Projects = {
  app: { '1.0': ['base'] },
  base: { '1.0': [], '2.0': [] },
};
const pinned = 'app==1.0\nbase==2.0\n';
const always = { recheck: 'always' };

function index(fake: Fake) {
  const found = fake.indexes[indexUrl];
  assert.ok(found);
  return found;
}

/** A world in which a run has saved a wheelhouse, and the environment is empty again. */
async function filled(inputs = {}, text = pinned): Promise<Fake> {
  const fake = fakeWorld(projects);
  await fake.run(inputs, text);
  fake.installed.clear();
  fake.installed.set('pip', '25.0');
  fake.pages.length = 0;
  return fake;
}

function withoutNewBase(fake: Fake): void {
  index(fake).projects = { ...projects, base: { '1.0': [] } };
}

test('a set that the index still offers is installed, and not saved again', async () => {
  const fake = await filled();
  const entries = fake.entries();
  const { report, states } = await fake.run(always, pinned);
  assert.equal(report.hit, 'exact');
  assert.deepEqual(fake.pages.sort(), [`${indexUrl}app/`, `${indexUrl}base/`]);
  assert.ok(fake.log.includes('Checked with the index: 2 of 2 wheels are still offered.'));
  assert.deepEqual([states, fake.entries(), fake.said], [[], entries, []]);
});

test('a weekly check happens on one day of each week, but not in the week of the resolution', async () => {
  const fake = await filled();
  const monday = Date.parse('2026-11-16T12:00:00Z');
  const asked: number[] = [];
  for (let day = 0; day < 35; day += 1) {
    fake.now = new Date(monday + day * 86_400_000);
    fake.pages.length = 0;
    const { report } = await fake.run({}, pinned);
    assert.equal(report.hit, 'exact');
    if (fake.pages.length > 0) asked.push(Math.floor(day / 7));
  }
  assert.deepEqual(asked, [1, 2, 3, 4]);
  assert.equal(fake.entries().length, 1);
});

test('a deleted wheel is replaced; the new set is saved, and later weeks find it first', async () => {
  const inputs = { refresh: 'never' };
  const fake = await filled(inputs, 'app==1.0\n');
  assert.match(fake.entries().join(), /-2026-w47$/);
  withoutNewBase(fake);
  fake.now = new Date('2026-12-02T12:00:00Z');
  const { report } = await fake.run({ ...inputs, ...always }, 'app==1.0\n');
  assert.equal(fake.installed.get('base'), '1.0');
  assert.equal(report.hit, 'partial');
  // The wheelhouse of the first run is still on disk, and also in the cache.
  assert.equal(fake.said.length, 2);
  for (const warning of fake.said) {
    assert.match(
      warning,
      /^warning: The wheelhouse from \S+ is out of date: the index no longer offers base 2\.0\. Resolving again\.$/,
    );
  }
  assert.equal(fake.entries().length, 2);
  fake.installed.clear();
  fake.now = new Date('2026-12-14T12:00:00Z');
  const later = await fake.run({ ...inputs, recheck: 'weekly' }, 'app==1.0\n');
  assert.deepEqual([later.report.hit, fake.installed.get('base')], ['exact', '1.0']);
});

test('a deleted wheel whose version is pinned fails as with pip alone', async () => {
  const fake = await filled();
  withoutNewBase(fake);
  await assert.rejects(fake.run(always, pinned));
  assert.equal(fake.installed.get('base'), undefined);
});

test('a yanked wheel is installed with a warning that has the reason, in one line', async () => {
  const fake = await filled();
  index(fake).yanked['base-2.0-py3-none-any.whl'] = 'broken\n::error::x';
  const { report } = await fake.run(always, pinned);
  assert.equal(report.hit, 'exact');
  assert.deepEqual(fake.said, [
    'warning: base 2.0 was yanked from the index: broken ::error::x. It is installed because the requirements pin it; choose another version.',
  ]);
});

test('an index that is down is one line in the log', async () => {
  const fake = await filled();
  index(fake).health = { state: 'down', reason: 'it answers 503' };
  const { report } = await fake.run(always, pinned);
  assert.equal(report.hit, 'exact');
  assert.deepEqual(fake.said, []);
  assert.ok(
    fake.log.includes(
      'Could not check whether the index still offers 2 of 2 wheels: it answers 503.',
    ),
  );
});

test('an index without any of the projects is another one, and nothing is resolved again', async () => {
  const fake = await filled();
  index(fake).projects = {};
  const { report } = await fake.run(always, pinned);
  assert.equal(report.hit, 'exact');
  assert.deepEqual(fake.said, []);
});

describe('no page is requested', () => {
  for (const [name, inputs] of [
    ['with recheck: never', { recheck: 'never' }],
    ['in the week of the resolution', { recheck: 'weekly' }],
  ] as const) {
    test(name, async () => {
      const fake = await filled();
      await fake.run(inputs, pinned);
      assert.deepEqual(fake.pages, []);
    });
  }

  test('without an index', async () => {
    const text = `--no-index\n${pinned}`;
    const fake = fakeWorld(projects);
    await fake.run({}, text).catch(() => {});
    fake.pages.length = 0;
    await fake.run(always, text).catch(() => {});
    assert.deepEqual(fake.pages, []);
  });
});
