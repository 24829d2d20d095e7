/** Every course a run can take, in memory. fake-world.ts says what is real. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { UserError } from '../../src/logic/errors.ts';
import { type Fake, fakeIndex, fakeWorld, indexUrl, type Projects } from '../support/fake-world.ts';

const projects: Projects = {
  app: { '1.0': ['base'], '2.0': ['base'] },
  base: { '1.0': [], '2.0': [] },
  other: { '1.0': [] },
};
const mirrorUrl = 'https://mirror.example/simple/';
const unreachable = 'ERROR: Could not install: ConnectionError';

function index(fake: Fake, url = indexUrl) {
  const found = fake.indexes[url];
  assert.ok(found);
  return found;
}

/** Names and versions in the environment, without pip. */
function environment(fake: Fake): string[] {
  return [...fake.installed]
    .map((each) => each.join('=='))
    .filter((each) => !/^pip=/.test(each))
    .sort();
}

/** Empties the environment. */
function fresh(fake: Fake): void {
  fake.installed.clear();
  fake.installed.set('pip', '25.0');
}

async function filled(text = 'app==1.0\n'): Promise<Fake> {
  const fake = fakeWorld(projects);
  await fake.run({}, text);
  fresh(fake);
  index(fake).fetched.length = 0;
  return fake;
}

test('a miss fills, installs and saves', async () => {
  const fake = fakeWorld(projects);
  const { report } = await fake.run({}, 'app==1.0\n');
  assert.equal(report.hit, 'miss');
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
  assert.deepEqual(index(fake).fetched, ['app-1.0-py3-none-any.whl', 'base-2.0-py3-none-any.whl']);
  assert.deepEqual(fake.entries(), [report.primaryKey]);
  assert.deepEqual(fake.said, []);
});

test('an exact hit makes no index requests and saves nothing', async () => {
  const fake = await filled();
  index(fake).health = { state: 'down', reason: 'nobody should ask' };
  index(fake).fails = unreachable;
  const { report, states } = await fake.run({}, 'app==1.0\n');
  assert.equal(report.hit, 'exact');
  assert.equal(report.index, undefined);
  assert.deepEqual(states, []);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

test('a bumped pin downloads exactly one wheel, and the old one is removed at the next save', async () => {
  const fake = await filled();
  const { report, wheelhouse } = await fake.run({}, 'app==2.0\n');
  assert.equal(report.hit, 'partial');
  assert.deepEqual(index(fake).fetched, ['app-2.0-py3-none-any.whl']);
  assert.ok(!existsSync(join(wheelhouse, 'app-1.0-py3-none-any.whl')));
  assert.equal(fake.entries().length, 2);
});

test('unpinned requirements are resolved again in a new period', async () => {
  const fake = await filled('app\n');
  index(fake).projects = { ...projects, base: { '1.0': [], '2.0': [], '3.0': [] } };
  assert.equal((await fake.run({}, 'app\n')).report.hit, 'exact');
  fresh(fake);
  fake.now = new Date('2026-12-21T12:00:00Z');
  assert.equal((await fake.run({}, 'app\n')).report.hit, 'partial');
  assert.deepEqual(environment(fake), ['app==2.0', 'base==3.0']);
});

test('refresh: always queries the index although nothing changed', async () => {
  const fake = await filled('app\n');
  const { report } = await fake.run({ refresh: 'always' }, 'app\n');
  assert.equal(report.hit, 'partial');
  assert.match(String(report.index?.why), /authoritative|mirror is not healthy/);
  assert.deepEqual(index(fake).fetched, []);
});

test('while the index is down the last good set is installed, as a partial hit', async () => {
  const fake = await filled('app\n');
  index(fake).health = { state: 'down', reason: 'the connection was refused' };
  const { report, states } = await fake.run({ refresh: 'always' }, 'app\n');
  assert.equal(report.hit, 'partial');
  assert.equal(report.index, undefined);
  assert.deepEqual(states, []);
  assert.deepEqual(environment(fake), ['app==2.0', 'base==2.0']);
  assert.match(
    fake.said.join('\n'),
    /^warning: .*Installing the last good set of these requirements/,
  );
});

test('the last good set is installed when the index goes down while pip runs', async () => {
  const fake = await filled('app\n');
  index(fake).fails = unreachable;
  await fake.run({ refresh: 'always' }, 'app\n');
  assert.deepEqual(environment(fake), ['app==2.0', 'base==2.0']);
  assert.match(fake.said.join('\n'), /last good set/);
});

test('the last good set of other requirements is not used', async () => {
  const fake = await filled('app==1.0\n');
  index(fake).health = { state: 'down', reason: 'the connection was refused' };
  await assert.rejects(fake.run({}, 'app==2.0\n'), /the connection was refused/);
  assert.deepEqual(environment(fake), []);
});

test('without a wheelhouse, an index that is down fails the run with the reason', async () => {
  const fake = fakeWorld(projects);
  index(fake).health = { state: 'down', reason: 'its host name does not exist' };
  await assert.rejects(fake.run({}, 'app\n'), (error: Error) => {
    assert.ok(error instanceof UserError);
    assert.match(
      error.message,
      /The index https:\/\/index\.example\/simple\/ can't be used: its host name/,
    );
    return true;
  });
});

test('a request that the index cannot satisfy fails with advice and saves nothing', async () => {
  const fake = fakeWorld(projects);
  await assert.rejects(fake.run({}, 'missing\n'), /pip could not download or build every wheel/);
  assert.deepEqual(fake.entries(), []);
});

for (const status of [401, 403] as const) {
  test(`an index that answers ${status} fails the run and says which inputs are missing`, async () => {
    const fake = await filled('app\n');
    index(fake).health = { state: 'refused', status };
    await assert.rejects(
      fake.run({ refresh: 'always' }, 'app\n'),
      new RegExp(`answers ${status} .*index-username`),
    );
  });
}

test('a healthy mirror is used, and shares wheelhouses with its index', async () => {
  const fake = fakeWorld(projects);
  fake.indexes[mirrorUrl] = fakeIndex(projects);
  const { report } = await fake.run({ 'mirror-url': mirrorUrl }, 'app==1.0\n');
  assert.equal(report.index?.why, 'the mirror is healthy');
  assert.deepEqual(index(fake).fetched, []);
  fresh(fake);
  assert.equal((await fake.run({}, 'app==1.0\n')).report.hit, 'exact');
});

for (const health of [
  { state: 'down', reason: 'the connection was refused' },
  { state: 'absent' },
  { state: 'untrusted', reason: 'its certificate is not valid' },
] as const) {
  test(`a mirror that is ${health.state} is replaced by its index with one warning`, async () => {
    const fake = fakeWorld(projects);
    fake.indexes[mirrorUrl] = { ...fakeIndex(projects), health };
    const { report } = await fake.run({ 'mirror-url': mirrorUrl }, 'app==1.0\n');
    assert.match(String(report.index?.why), /authoritative|mirror is not healthy/);
    assert.equal(fake.said.length, 1);
    assert.match(
      String(fake.said[0]),
      /^warning: The mirror https:\/\/mirror\.example\/simple\/ is not used/,
    );
  });
}

test('a mirror that fails half-way is replaced by its index in the same run', async () => {
  const fake = fakeWorld(projects);
  fake.indexes[mirrorUrl] = { ...fakeIndex(projects), fails: unreachable };
  const { report } = await fake.run({ 'mirror-url': mirrorUrl }, 'app==1.0\n');
  assert.match(String(report.index?.why), /authoritative|mirror is not healthy/);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

test('a mirror that refuses the credentials fails the run; its index is not tried with others', async () => {
  const fake = fakeWorld(projects);
  fake.indexes[mirrorUrl] = { ...fakeIndex(projects), health: { state: 'refused', status: 401 } };
  await assert.rejects(fake.run({ 'mirror-url': mirrorUrl }, 'app\n'), /The mirror .* answers 401/);
});

test('an entry that cannot be installed is replaced from the index, and the job passes', async () => {
  const fake = await filled();
  fake.installFails = 'ERROR: has an invalid wheel';
  const log = fake.log;
  const isTold = (): boolean =>
    log.some((line) => line.startsWith('Miss') || line.startsWith('Partial'));
  // It installs as soon as something else than the entry is there.
  Object.defineProperty(fake, 'installFails', {
    get: () => (isTold() ? undefined : 'ERROR: has an invalid wheel'),
  });
  const { report } = await fake.run({}, 'app==1.0\n');
  assert.notEqual(report.hit, 'exact');
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
  assert.match(fake.said.join('\n'), /could not be installed and is not used/);
});

test('an installation that fails on a full disk is not blamed on the cache entry', async () => {
  const fake = await filled();
  fake.installFails = 'ERROR: [Errno 28] No space left on device';
  await assert.rejects(fake.run({}, 'app==1.0\n'), /The disk is full/);
  assert.deepEqual(index(fake).fetched, []);
});

test('only the damaged wheel is downloaded again', async () => {
  const fake = await filled();
  fake.damageWheel('app-1.0-py3-none-any.whl', 'damaged!');
  await fake.run({ wheelhouse: 'elsewhere' }, 'app==1.0\n');
  assert.deepEqual(index(fake).fetched, ['app-1.0-py3-none-any.whl']);
  assert.match(fake.said.join('\n'), /^warning: The wheelhouse from .*app-1\.0/);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

/** Content of the size of the fake wheel, which no look at sizes notices. */
const sameSize = 'base 6.6';

test('the installer notices a damaged wheel of the same size, which alone is downloaded again', async () => {
  const fake = await filled();
  fake.damageWheel('base-2.0-py3-none-any.whl', sameSize);
  const { report } = await fake.run({ wheelhouse: 'elsewhere' }, 'app==1.0\n');
  assert.equal(report.hit, 'partial');
  assert.deepEqual(index(fake).fetched, ['base-2.0-py3-none-any.whl']);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
  const [warning = '', ...others] = fake.said;
  assert.match(
    warning,
    /^warning: The wheelhouse from \S+ is partly damaged; reusing the intact wheels\. Problems: base-2\.0-py3-none-any\.whl has a different hash than in the manifest\.$/,
  );
  assert.deepEqual(others, []);
  assert.doesNotMatch(fake.log.join('\n'), /interrupted/);
  assert.deepEqual(fake.entries(), [report.primaryKey, `${report.primaryKey}-r1`]);
});

test('a damaged wheelhouse on disk is repaired in place', async () => {
  const fake = await filled();
  const { wheelhouse } = await fake.run({}, 'app==1.0\n');
  fresh(fake);
  const wheel = join(wheelhouse, 'base-2.0-py3-none-any.whl');
  const before = readFileSync(wheel, 'utf8');
  writeFileSync(wheel, sameSize);
  assert.equal((await fake.run({}, 'app==1.0\n')).wheelhouse, wheelhouse);
  assert.equal(readFileSync(wheel, 'utf8'), before);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

test('while the installer can verify an entry of the cache, the run itself hashes nothing', async () => {
  const fake = await filled();
  fake.damageWheel('base-2.0-py3-none-any.whl', sameSize);
  fake.installFails = 'ERROR: [Errno 28] No space left on device';
  await assert.rejects(fake.run({ wheelhouse: 'elsewhere' }, 'app==1.0\n'), /The disk is full/);
  assert.deepEqual(fake.said, []);
});

for (const [title, inputs, has] of [
  ['install: false', { install: 'false' }, false],
  ['a project that the environment has', {}, true],
] as const) {
  test(`no damaged wheel is left for later steps: ${title}`, async () => {
    const fake = await filled();
    if (has) fake.installed.set('base', '2.0');
    fake.damageWheel('base-2.0-py3-none-any.whl', sameSize);
    const run = { wheelhouse: 'elsewhere', ...inputs };
    const { wheelhouse } = await fake.run(run, 'app==1.0\n');
    assert.deepEqual(index(fake).fetched, ['base-2.0-py3-none-any.whl']);
    assert.match(fake.said.join('\n'), /^warning: .*base-2\.0\S+ has a different hash/);
    const left = readFileSync(join(wheelhouse, 'base-2.0-py3-none-any.whl'), 'utf8');
    assert.equal(left, 'base 2.0');
  });
}

test('an interrupted installation is still repeated in full after a damaged wheel was replaced', async () => {
  const fake = await filled();
  const marker = join(fake.root, 'site', '.wheelhouse-installing');
  writeFileSync(marker, '');
  fake.damageWheel('base-2.0-py3-none-any.whl', sameSize);
  await fake.run({ wheelhouse: 'elsewhere' }, 'app==1.0\n');
  assert.equal(fake.log.filter((line) => /was interrupted/.test(line)).length, 2);
  assert.ok(!existsSync(marker));
});

for (const file of ['requirements.lock', 'pylock.toml']) {
  for (const content of [undefined, 'tampered']) {
    test(`a wheelhouse on disk with ${content ?? 'no'} ${file} gets its own again`, async () => {
      const fake = await filled();
      const { wheelhouse } = await fake.run({}, 'app==1.0\n');
      const lock = join(wheelhouse, file);
      const before = readFileSync(lock, 'utf8');
      if (content === undefined) rmSync(lock);
      else writeFileSync(lock, content);
      const { report } = await fake.run({}, 'app==1.0\n');
      assert.equal(report.hit, 'exact');
      assert.equal(readFileSync(lock, 'utf8'), before);
      assert.deepEqual(fake.said, []);
    });
  }
}

test('an entry with an unreadable manifest is a miss with one warning', async () => {
  const fake = await filled();
  const [entry = ''] = fake.entries();
  fake.damageEntry(entry, '{');
  const { report } = await fake.run({ wheelhouse: 'elsewhere' }, 'app==1.0\n');
  assert.equal(report.hit, 'miss');
  assert.equal(fake.said.length, 1);
  assert.deepEqual(fake.entries(), [report.primaryKey, `${report.primaryKey}-r1`]);
});

test('an installed version that satisfies the request is left alone', async () => {
  const fake = await filled('app==1.0\n');
  fake.installed.set('base', '1.0');
  const { report } = await fake.run({}, 'app==1.0\n');
  assert.equal(report.hit, 'exact');
  assert.deepEqual(environment(fake), ['app==1.0', 'base==1.0']);
  assert.match(fake.log.join('\n'), /Leaving base 1\.0/);
});

test('a pin replaces another version in the environment', async () => {
  const fake = await filled('app==1.0\nbase==2.0\n');
  fake.installed.set('base', '1.0');
  await fake.run({}, 'app==1.0\nbase==2.0\n');
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

test('an interrupted installation is repeated in full', async () => {
  const fake = await filled();
  writeFileSync(join(fake.root, 'site', '.wheelhouse-installing'), '');
  await fake.run({}, 'app==1.0\n');
  assert.match(
    fake.log.join('\n'),
    /A previous installation was interrupted; reinstalling everything\./,
  );
  assert.ok(!existsSync(join(fake.root, 'site', '.wheelhouse-installing')));
});

test('install: false fills and saves, and installs nothing', async () => {
  const fake = fakeWorld(projects);
  await fake.run({ install: 'false' }, 'app==1.0\n');
  assert.deepEqual(environment(fake), []);
  assert.equal(fake.entries().length, 1);
});

test('restore-cache: false makes a run a miss although the cache has an entry', async () => {
  const fake = await filled();
  const { report } = await fake.run({ 'restore-cache': 'false', wheelhouse: 'new' }, 'app==1.0\n');
  assert.equal(report.hit, 'miss');
});

test('save-cache: false leaves nothing to save', async () => {
  const fake = fakeWorld(projects);
  const { states } = await fake.run({ 'save-cache': 'false' }, 'app==1.0\n');
  assert.deepEqual(states, []);
  assert.deepEqual(fake.entries(), []);
});

test('a wheelhouse that cannot be written is put elsewhere with one warning', async () => {
  const fake = fakeWorld(projects);
  // A file in the place of its parent: the user is root in many containers, whom no mode stops.
  writeFileSync(join(fake.root, 'workspace', 'blocked'), '');
  const { wheelhouse } = await fake.run({ wheelhouse: 'blocked/wheels' }, 'app==1.0\n');
  assert.ok(wheelhouse.startsWith(join(fake.root, 'temp')), wheelhouse);
  assert.match(fake.said.join('\n'), /^warning: The wheelhouse could not be written to /);
  assert.deepEqual(environment(fake), ['app==1.0', 'base==2.0']);
});

test("a directory with the user's files is refused as a wheelhouse", async () => {
  const fake = fakeWorld(projects);
  const precious = join(fake.root, 'workspace', 'wheels', 'precious.txt');
  mkdirSync(join(fake.root, 'workspace', 'wheels'));
  writeFileSync(precious, 'precious\n');
  await assert.rejects(
    fake.run({ wheelhouse: 'wheels' }, 'app==1.0\n'),
    /no wheelhouse|not a wheelhouse/,
  );
  assert.equal(readFileSync(precious, 'utf8'), 'precious\n');
});

test('no-index without wheels fails like pip', async () => {
  const fake = fakeWorld(projects);
  await assert.rejects(
    fake.run({}, '--no-index\napp==1.0\n'),
    /pip could not download or build every wheel/,
  );
  assert.deepEqual(index(fake).fetched, []);
});

test('a wheelhouse of another index is not used', async () => {
  const fake = await filled();
  const other = 'https://other.example/simple/';
  fake.indexes[other] = fakeIndex(projects);
  const { report } = await fake.run({ 'index-url': other, wheelhouse: 'new' }, 'app==1.0\n');
  assert.equal(report.hit, 'miss');
  assert.equal(index(fake, other).fetched.length, 2);
});

describe('a minimum release age', () => {
  const limited = { 'minimum-release-age': '7 days' };

  test('is computed at each fill, and asks for nothing on an exact hit', async () => {
    const fake = fakeWorld(projects);
    fake.pip = '26.3';
    await fake.run(limited, 'app\n');
    fake.now = new Date('2026-11-22T12:00:00Z');
    assert.equal((await fake.run({ ...limited, refresh: 'never' }, 'app\n')).report.hit, 'exact');
    await fake.run({ ...limited, refresh: 'always' }, 'app\n');
    assert.deepEqual(fake.limits, ['2026-11-14T12:00:00+00:00', '2026-11-15T12:00:00+00:00']);
  });

  test('never uses a wheelhouse that was filled without it, or with another one', async () => {
    const fake = fakeWorld(projects);
    fake.pip = '26.3';
    await fake.run({}, 'app\n');
    for (const inputs of [
      limited,
      { 'minimum-release-age': '8 days' },
      { ...limited, 'minimum-release-age-exclude': 'base' },
    ]) {
      const { report } = await fake.run(inputs, 'app\n');
      assert.equal(report.hit, 'miss', JSON.stringify(inputs));
      assert.deepEqual(report.before, []);
    }
    assert.deepEqual(fake.limits.map(Boolean), [false, true, true, true]);
  });

  test('stays in force when a mirror gives way to its index', async () => {
    const fake = fakeWorld(projects);
    fake.pip = '26.3';
    fake.indexes[mirrorUrl] = { ...fakeIndex(projects), fails: unreachable };
    await fake.run({ ...limited, 'mirror-url': mirrorUrl }, 'app\n');
    assert.equal(fake.limits.length, 2);
    assert.ok(fake.limits.every(Boolean));
  });
});
