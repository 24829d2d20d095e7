import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refreshPeriods } from '../../src/logic/freshness.ts';
import { interpreterIdentity } from '../../src/logic/key.ts';
import type { Manifest, Wheel } from '../../src/logic/manifest.ts';
import { gatherLines } from '../../src/logic/requirements.ts';
import { fingerprinted } from '../../src/logic/secrets.ts';
import { decisiveMarkers, type Verdict, verdict, type Wanted } from '../../src/logic/verdict.ts';
import { interpreter, manifestWheel } from '../support/fixtures.ts';

const hex = (letter: string): string => letter.repeat(64);
const hash = (letter: string): string => `sha256:${hex(letter)}`;

const alpha = manifestWheel('alpha');
const manifest: Manifest = {
  interpreter: interpreterIdentity(interpreter),
  request: hex('1'),
  sources: hex('2'),
  resolvedAt: '2026-11-20T12:00:00.000Z',
  wheels: [alpha],
  direct: [],
  relied: [],
};
const now = new Date('2026-11-20T13:00:00Z');
const later = new Date('2030-01-01T00:00:00Z');

async function wanted(text: string, change: Partial<Wanted> = {}): Promise<Wanted> {
  const { lines } = await gatherLines(
    {
      requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
      ...{ constraints: [], packages: [], groups: [] },
    },
    { workingDirectory: '/w', environment: {}, read: async () => text },
  );
  return {
    keys: { request: hex('1'), sources: hex('2') },
    ...{ interpreter, lines, settings: new Map(), refresh: 'auto', now, tools: [] },
    ...change,
  };
}

/** The verdict with all markers that matter evaluated: those that name `yes` apply. */
async function judged(
  text: string,
  change: Partial<Wanted> = {},
  manifestChange: Partial<Manifest> = {},
  sound?: readonly Wheel[],
): Promise<Verdict> {
  const whole = { ...manifest, ...manifestChange };
  const what = await wanted(text, change);
  const markers = decisiveMarkers(whole, what).map(
    (marker) => [marker, marker.includes('yes')] as const,
  );
  return verdict({ manifest: whole, sound: sound ?? whole.wheels }, what, new Map(markers));
}

const why = (found: Verdict): string | undefined =>
  found.kind === 'serves' ? undefined : found.reason;

describe('a wheelhouse', () => {
  test('serves the request that it was made for', async () => {
    assert.deepEqual(await judged('alpha\n'), { kind: 'serves', wheels: [alpha] });
  });

  const table: readonly [string, Partial<Wanted>, Partial<Manifest>, Verdict['kind'], string][] = [
    [
      'of another Python is unusable',
      { interpreter: { ...interpreter, series: '3.12' } },
      {},
      'unusable',
      `it was filled for another Python (${manifest.interpreter})`,
    ],
    [
      'filled from other indexes is unusable',
      {},
      { sources: hex('3') },
      'unusable',
      'it was filled from other indexes, or with other build settings, another resolver or another minimum release age',
    ],
    ['that lacks a project is unusable', {}, { wheels: [] }, 'unusable', 'it lacks alpha'],
    [
      'made for other requirements is usable',
      {},
      { request: hex('3'), wheels: [] },
      'usable',
      'it was filled for other requirements',
    ],
    [
      'resolved in an earlier period is usable',
      { now: later },
      {},
      'usable',
      'it was resolved on 2026-11-20, which is too old for refresh: auto',
    ],
  ];
  for (const [description, want, change, kind, reason] of table) {
    test(description, async () => {
      const found = await judged('alpha\n', want, change);
      assert.deepEqual([found.kind, why(found)], [kind, reason]);
    });
  }

  test('with a damaged wheel is usable without it, and is not complete', async () => {
    assert.deepEqual(await judged('alpha\n', {}, {}, []), {
      kind: 'usable',
      mismatch: 'wheels',
      reason: 'some of its wheels are not usable',
      wheels: [],
      isComplete: false,
    });
  });

  test('that is only too old is complete', async () => {
    const found = await judged('alpha\n', { now: later });
    assert.equal(found.kind === 'usable' && found.isComplete, true);
  });
});

describe('a wheelhouse of an earlier period serves', () => {
  const beta: Wheel = { ...alpha, name: 'beta', file: 'beta-1.0-py3-none-any.whl' };
  const both = { wheels: [alpha, beta] };
  const url = `https://index.example/beta-1.0-py3-none-any.whl#sha256=${hex('a')}`;
  const table: readonly [string, string, Partial<Manifest>, boolean][] = [
    ['if the request pins every wheel', 'alpha==1.0\nbeta==1\n', both, true],
    ['not if it leaves one open', 'alpha==1.0\nbeta>=1\n', both, false],
    ['not if a dependency is not pinned', 'alpha==1.0\n', both, false],
    [
      'if a marker that applies stands at a pin',
      'alpha==1.0\nbeta==1; os_name == "yes"\n',
      both,
      true,
    ],
    [
      'not if the marker of a pin does not apply',
      'alpha==1.0\nbeta==1; os_name == "no"\n',
      both,
      false,
    ],
    [
      'in hash mode, whatever the markers are',
      `alpha==1.0 --hash=${hash('a')}\nbeta==1.0; os_name == "no" --hash=${hash('a')}\n`,
      both,
      true,
    ],
    [
      'if its wheel comes from a URL with a hash',
      `alpha==1.0\nbeta @ ${url}\n`,
      { wheels: [alpha, { ...beta, url: fingerprinted(url) }] },
      true,
    ],
    [
      'not if a wheel claims a URL that the request does not name',
      'alpha==1.0\nbeta>=1\n',
      { wheels: [alpha, { ...beta, url: 'https://elsewhere.example/beta.whl' }] },
      false,
    ],
  ];
  for (const [description, text, change, serves] of table) {
    test(description, async () => {
      const found = await judged(text, { now: later }, change);
      assert.equal(found.kind === 'serves', serves, why(found));
    });
  }

  test('whatever the manifest says of itself', async () => {
    const lying = { ...both, pinned: true } as Partial<Manifest>;
    assert.equal((await judged('alpha\nbeta\n', { now: later }, lying)).kind, 'usable');
  });

  for (const refresh of refreshPeriods) {
    test(`with every wheel pinned and refresh: ${refresh}`, async () => {
      const found = await judged('alpha==1.0\n', { now: later, refresh });
      assert.equal(found.kind === 'serves', refresh !== 'always', why(found));
    });
  }
});

describe('of several lines for one project', () => {
  const lock = [
    `alpha==1.0; os_name == "no" --hash=${hash('a')}`,
    `alpha==2.0; os_name == "yes" --hash=${hash('b')}`,
    `gamma==3.0; os_name == "no" --hash=${hash('c')}`,
    '',
  ].join('\n');
  const second: Wheel = {
    ...alpha,
    version: '2.0',
    file: 'alpha-2.0-py3-none-any.whl',
    sha256: hex('b'),
  };

  test("the version of another platform's line is refused", async () => {
    assert.equal(why(await judged(lock)), 'it contains alpha 1.0 instead of 2.0');
  });

  test("the hash of another platform's line is refused", async () => {
    const found = await judged(lock, {}, { wheels: [{ ...second, sha256: hex('a') }] });
    assert.equal(why(found), 'some of its wheels are not usable');
  });

  test('the line that applies is served', async () => {
    assert.equal((await judged(lock, {}, { wheels: [second] })).kind, 'serves');
  });

  test('only their markers are evaluated', async () => {
    const markers = decisiveMarkers(manifest, await wanted(lock));
    assert.deepEqual(markers, ['os_name == "no"', 'os_name == "yes"']);
    assert.deepEqual(decisiveMarkers(manifest, await wanted('gamma==3.0; os_name == "no"\n')), []);
  });

  test('all may apply where the interpreter cannot evaluate markers', async () => {
    const what = await wanted(lock);
    const found = verdict({ manifest, sound: manifest.wheels }, what, new Map());
    assert.equal(found.kind, 'serves');
  });
});

describe('of wheels that no hash covers', () => {
  const others: readonly Wheel[] = [
    { ...alpha, name: 'setuptools', file: 'setuptools-1.0-py3-none-any.whl', role: 'build' },
  ];
  const taken = async (text: string): Promise<string[]> => {
    const found = await judged(text, {}, { wheels: [alpha, ...others] });
    return found.kind === 'unusable' ? [] : found.wheels.map(({ name }) => name);
  };

  test('none is taken where nothing is built', async () => {
    assert.deepEqual(await taken('alpha==1.0\n'), ['alpha']);
  });

  test('those for building are taken where a local project is asked for', async () => {
    assert.deepEqual(await taken('alpha==1.0\n./project\n'), ['alpha', 'setuptools']);
  });

  test('those for building are taken where a branch is asked for', async () => {
    const branch = 'project @ git+https://git.example/project\n';
    assert.deepEqual(await taken(`alpha==1.0\n${branch}`), ['alpha', 'setuptools']);
  });

  test('a wheelhouse with one that is not needed does not serve', async () => {
    const found = await judged('alpha==1.0\n', {}, { wheels: [alpha, ...others] });
    assert.equal(why(found), 'some of its wheels are not usable');
  });
});
