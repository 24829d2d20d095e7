/**
 * Which index a run uses when one of them is broken. A public index with higher versions of the
 * private packages stands by through all of it, as pip's configured one: nothing may come from it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';

import { makeEntryOlder, makeOlder } from '../support/archive.ts';
import { startCacheService } from '../support/cache-service.ts';
import { type Failure, type IndexOptions, startIndex } from '../support/index-server.ts';
import { type SideJob, type SideResult, said, sideJob } from '../support/jobs.ts';
import { sdist, wheel } from '../support/packages.ts';

const alpha = wheel({ name: 'alpha', version: '1.0.0', requires: ['beta'] });
const beta = wheel({ name: 'beta', version: '1.0.0' });
/** Only as an sdist: once built, its wheel is what pip could be satisfied with. */
const gamma = sdist({ name: 'gamma', version: '1.0.0' });
/** One that only the private index has. */
const delta = wheel({ name: 'delta', version: '1.0.0' });
const distributions = [alpha, beta, gamma];
const files = distributions.map(({ filename }) => filename).sort();
const everything = ['alpha==1.0.0', 'beta==1.0.0', 'gamma==1.0.0'];
const requirements = { 'requirements.txt': 'alpha\ngamma\n' };

const cache = await startCacheService();
const index = (options: IndexOptions = {}) =>
  startIndex({ distributions: [...distributions, delta], ...options });
const [own, broken, encrypted] = await Promise.all([index(), index(), index({ tls: true })]);
const open = await startIndex({
  distributions: ['alpha', 'beta', 'gamma'].map((name) => wheel({ name, version: '99.0.0' })),
});
const keep = mkdtempSync(join(tmpdir(), 'kept-'));

after(async () => {
  rmSync(keep, { recursive: true });
  for (const server of [own, broken, encrypted, open, cache]) await server.close();
});

beforeEach(async () => {
  await Promise.all([own.fail(undefined), broken.fail(undefined), cache.reset()]);
  for (const { mode } of [own, broken]) mode.auth = undefined;
  for (const server of [own, broken, open]) server.reset();
});

/** A job that has to end within a deadline, whatever its indexes do; without a cache. */
function job(inputs: Record<string, string>, options: SideJob = {}): Promise<SideResult> {
  return sideJob({
    files: requirements,
    ...options,
    with: inputs,
    env: { PIP_INDEX_URL: open.url, ...options.env },
  });
}

const firstLines = (result: SideResult): string[] =>
  said(result).map((text) => text.split('\n')[0] ?? '');
/** How often pip was started to fill: not at all with an index that is known to fail. */
const fills = ({ main }: SideResult): number =>
  main.groups.filter(({ title }) => title === 'Fill the wheelhouse').length;
const onlyGamma = { files: { 'requirements.txt': 'gamma\n' } };
const onlyAlpha = { files: { 'requirements.txt': 'alpha\n' } };

interface Broken {
  readonly what: string;
  readonly failure?: Failure;
  /** Instead of an index that fails. */
  readonly url?: string;
  /** In the words of the warning or error. */
  readonly reason: string | RegExp;
  readonly as?: 'mirror' | 'authoritative';
}

const status = (code: number): Failure => ({ kind: 'status', status: code });
const noIndex = 'its answer is not a package index page';
const unavailable: Broken[] = [
  { what: 'refuses', failure: 'refuse', reason: 'the connection was refused' },
  { what: 'does not answer', failure: 'timeout', reason: 'it did not answer within 3 s' },
  { what: 'resets', failure: 'reset', reason: 'the connection was reset' },
  { what: 'answers garbage', failure: 'garbage', reason: noIndex },
  { what: 'is a captive portal', failure: 'captive', reason: noIndex },
  { what: 'redirects to a captive portal', failure: 'captive-redirect', reason: noIndex },
  { what: 'answers 500', failure: status(500), reason: 'it answers 500' },
  { what: 'answers 503', failure: status(503), reason: 'it answers 503' },
  { what: 'answers 429', failure: status(429), reason: 'it answers 429' },
];

/** Takes the place of what a resolver says of a name that there is not, which differs. */
const unknownName =
  /its host name (?:does not exist|could not be looked up)|it did not answer within 3 s/;
const unknownHost = 'https://wheelhouse-tests.invalid/simple/';

describe('an index that', () => {
  const lastGood = join(keep, 'last-good');
  let seed: Promise<void> | undefined;
  const seeded = (): Promise<void> => {
    seed ??= job({ 'index-url': broken.url, wheelhouse: lastGood }).then(({ installed, main }) => {
      assert.deepEqual(installed, everything, main.log);
      makeOlder(lastGood, 75);
    });
    return seed;
  };

  for (const { what, failure, reason } of unavailable) {
    test(`an index that ${what}: as mirror it is replaced, as authoritative index the last good set is installed`, async () => {
      await seeded();
      await broken.fail(failure);
      broken.reset();
      const [asMirror, withLastGood, withNothing] = await Promise.all([
        job({ 'index-url': own.url, 'mirror-url': broken.url }),
        job({ 'index-url': broken.url, refresh: 'always', wheelhouse: lastGood }),
        job({ 'index-url': broken.url }),
      ]);

      assert.deepEqual(said(asMirror), [
        `warning: The mirror ${broken.url} is not used: ${reason}. Using ${own.url}.`,
      ]);
      assert.equal(asMirror.main.conclusion, 'success');
      assert.deepEqual([asMirror, withLastGood, withNothing].map(fills), [1, 0, 0]);
      assert.equal(asMirror.main.outputs['index-used'], own.url);
      assert.deepEqual(asMirror.installed, everything);
      assert.deepEqual(own.artifacts().sort(), files);

      assert.deepEqual(said(withLastGood), [
        `warning: The index ${broken.url} can't be used: ${reason}. Installing the last good set of these requirements, which is 3 days old.`,
      ]);
      assert.equal(withLastGood.main.conclusion, 'success');
      assert.equal(withLastGood.main.outputs['index-used'], '');
      assert.deepEqual(withLastGood.installed, everything);

      assert.deepEqual(said(withNothing), [
        `error: The index ${broken.url} can't be used: ${reason}.`,
      ]);
      assert.equal(withNothing.main.conclusion, 'failure');
      assert.deepEqual(withNothing.installed, []);

      assert.deepEqual(broken.artifacts(), []);
      // Two tries for each of the three, and where they lead.
      assert.ok(broken.log.filter(({ origin }) => origin === 'index').length <= 6);
      assert.equal(open.count(), 0);
    });
  }

  test('an index that answers 404: as mirror it is replaced, as authoritative index it does not have the project', async () => {
    await seeded();
    await broken.fail(status(404));
    const [asMirror, withLastGood] = await Promise.all([
      job({ 'index-url': own.url, 'mirror-url': broken.url }),
      job({ 'index-url': broken.url, refresh: 'always', wheelhouse: lastGood }),
    ]);
    assert.deepEqual(said(asMirror), [
      `warning: The mirror ${broken.url} is not used: it answers 404 for alpha. Using ${own.url}.`,
    ]);
    assert.equal(fills(asMirror), 1);
    assert.deepEqual(asMirror.installed, everything);
    assert.deepEqual(firstLines(withLastGood), [
      'error: pip could not download or build every wheel (it failed on alpha). Check the name, the version and whether the index has a file for this Python and system.',
    ]);
    assert.deepEqual(withLastGood.installed, []);
    assert.equal(open.count(), 0);
  });

  for (const code of [401, 403] as const) {
    test(`an index that answers ${code} is an error with the input name, whatever the wheelhouse contains`, async () => {
      await seeded();
      // pip would be satisfied with the built wheel of this one, and not say that it was refused.
      const built = join(keep, `built-${code}`);
      const credentials = { 'index-username': 'me', 'index-password': 'right' };
      const inputs = { 'index-url': broken.url, wheelhouse: built, refresh: 'always' };
      broken.mode.auth = { username: 'me', password: 'right', status: code };
      const made = await job({ ...inputs, ...credentials }, onlyGamma);
      assert.deepEqual(made.installed, ['gamma==1.0.0'], made.main.log);

      own.reset();
      const [asMirror, without, wrong] = await Promise.all([
        job({ 'index-url': own.url, 'mirror-url': broken.url }),
        job({ 'index-url': broken.url, refresh: 'always', wheelhouse: lastGood }),
        job({ ...inputs, ...credentials, 'index-password': 'wrong' }, onlyGamma),
      ]);
      assert.deepEqual(said(asMirror), [
        `error: The mirror ${broken.url} answers ${code}: it requires credentials. Put them into mirror-url from a secret, or open the mirror to this runner.`,
      ]);
      assert.deepEqual(own.artifacts(), []);
      assert.deepEqual(said(without), [
        `error: The index ${broken.url} answers ${code} for alpha: it requires credentials. Set the inputs index-username and index-password.`,
      ]);
      assert.deepEqual(said(wrong), [
        `error: The index ${broken.url} answers ${code} for gamma: it does not accept the credentials. Check the inputs index-username and index-password, and whether the secret has expired.`,
      ]);
      for (const result of [asMirror, without, wrong]) assert.deepEqual(result.installed, []);
      assert.equal(open.count(), 0);
    });
  }

  test('an index whose host name is unknown', async () => {
    const [asMirror, alone] = await Promise.all([
      job({ 'index-url': own.url, 'mirror-url': unknownHost }),
      job({ 'index-url': unknownHost }),
    ]);
    assert.deepEqual(
      said(asMirror).map((text) => text.replace(unknownName, 'REASON')),
      [`warning: The mirror ${unknownHost} is not used: REASON. Using ${own.url}.`],
    );
    assert.deepEqual(asMirror.installed, everything);
    assert.deepEqual(
      said(alone).map((text) => text.replace(unknownName, 'REASON')),
      [`error: The index ${unknownHost} can't be used: REASON.`],
    );
    assert.deepEqual(alone.installed, []);
    assert.equal(open.count(), 0);
  });

  test('an index whose certificate is not trusted', async () => {
    const wheelhouse = join(keep, 'encrypted');
    const built = join(keep, 'encrypted-built');
    const inputs = { 'index-url': encrypted.url, refresh: 'always' };
    const trusting = { ...inputs, 'trusted-host': '127.0.0.1' };
    const made = await Promise.all([
      job({ ...trusting, wheelhouse }),
      job({ ...trusting, wheelhouse: built }, onlyGamma),
    ]);
    assert.deepEqual(
      made.map(({ installed }) => installed),
      [everything, ['gamma==1.0.0']],
      made[0].main.log,
    );
    makeOlder(built, 75);
    const [asMirror, alone, withLastGood, hidden] = await Promise.all([
      job({ 'index-url': own.url, 'mirror-url': encrypted.url }),
      job(inputs),
      job({ ...inputs, wheelhouse }),
      job({ ...inputs, wheelhouse: built }, onlyGamma),
    ]);
    assert.equal(said(asMirror).length, 1);
    assert.match(
      said(asMirror)[0] ?? '',
      /^warning: The mirror \S+ is not used: .*cert.*\. Using /i,
    );
    assert.deepEqual(asMirror.installed, everything);
    assert.equal(said(alone).length, 1);
    assert.match(said(alone)[0] ?? '', /^error: .*cert/i);
    assert.deepEqual(alone.installed, []);
    for (const result of [withLastGood, hidden]) {
      assert.match(said(result).join(), /^warning: .*cert.* Installing the last good set/i);
    }
    assert.equal(open.count(), 0);
  });
});

test('the last good set can come from the cache, and is not saved again', async () => {
  const options = { env: cache.env(), post: true };
  const first = await job({ 'index-url': broken.url }, options);
  const key = String(first.main.outputs['cache-primary-key']);
  await makeEntryOlder(cache, key, 24 * 14);
  await broken.fail('refuse');
  const result = await job({ 'index-url': broken.url }, options);
  assert.deepEqual(said(result), [
    `warning: The index ${broken.url} can't be used: the connection was refused. Installing the last good set of these requirements, which is 14 days old.`,
  ]);
  assert.equal(result.main.outputs['cache-hit'], 'false');
  assert.deepEqual(result.installed, everything);
  assert.deepEqual(
    cache.entries().map((entry) => entry.key),
    [key],
  );

  // For other requirements it is no set at all.
  const other = await job(
    { 'index-url': broken.url },
    { ...options, files: { 'requirements.txt': 'alpha\n' } },
  );
  assert.deepEqual(said(other), [
    `error: The index ${broken.url} can't be used: the connection was refused.`,
  ]);
  assert.deepEqual(other.installed, []);
});

describe('the index fails after it was asked how it is', () => {
  // pip says nothing of a page that it could not get as long as something else satisfies it.
  const refused = status(401);
  for (const failure of ['refuse', status(503), refused] satisfies Failure[]) {
    test(`an index that fails after the probe (${JSON.stringify(failure)}): a built wheel does not hide it`, async () => {
      const inputs = {
        'index-url': broken.url,
        wheelhouse: join(keep, `after-${JSON.stringify(failure).replace(/\W/g, '')}`),
        refresh: 'always',
      };
      await job(inputs, onlyGamma);
      makeOlder(inputs.wheelhouse, 75);
      await broken.fail({ kind: 'after', requests: 1, failure });
      const result = await job(inputs, onlyGamma);
      assert.equal(said(result).length, 1, 'it was kept quiet');
      if (failure !== refused) {
        assert.match(said(result)[0] ?? '', /^warning: .* the last good set .* 3 days old/);
        assert.deepEqual(result.installed, ['gamma==1.0.0']);
      } else {
        assert.match(said(result)[0] ?? '', /^error: .*index-password/);
        assert.deepEqual(result.installed, []);
      }
    });
  }

  test('a built wheel of a withdrawn version is not installed', async () => {
    const newer = sdist({ name: 'gamma', version: '2.0.0' });
    const inputs = {
      'index-url': own.url,
      wheelhouse: join(keep, 'withdrawn'),
      refresh: 'always',
    };
    own.add(newer);
    try {
      assert.deepEqual((await job(inputs, onlyGamma)).installed, ['gamma==2.0.0']);
    } finally {
      own.remove(newer.filename);
    }
    assert.deepEqual((await job(inputs, onlyGamma)).installed, ['gamma==1.0.0']);
  });

  test('a built wheel of a yanked version is installed only if it is pinned', async () => {
    const newer = sdist({ name: 'gamma', version: '2.0.0' });
    const pinned = { files: { 'requirements.txt': 'gamma==2.0.0\n' } };
    const inputs = {
      'index-url': own.url,
      wheelhouse: join(keep, 'yanked'),
      refresh: 'always',
    };
    own.add(newer);
    try {
      assert.deepEqual((await job(inputs, onlyGamma)).installed, ['gamma==2.0.0']);
      own.yank(newer.filename);
      assert.deepEqual((await job(inputs, pinned)).installed, ['gamma==2.0.0']);
      assert.deepEqual((await job(inputs, onlyGamma)).installed, ['gamma==1.0.0']);
    } finally {
      own.remove(newer.filename);
    }
  });
});

describe('a mirror that fails in the middle of the fill', () => {
  const altered = distributions.map((file) => ({ ...file, content: Buffer.from('not it') }));
  const cases: [what: string, failure: Failure | 'altered', reason: string][] = [
    ['dies after the probe', { kind: 'after', requests: 1, failure: 'refuse' }, 'refused'],
    ['dies between two pages', { kind: 'after', requests: 4, failure: 'refuse' }, 'refused'],
    ['resets', { kind: 'after', requests: 3, failure: 'reset' }, 'reset'],
    ['turns into a captive portal', { kind: 'after', requests: 4, failure: 'captive' }, noIndex],
    ['answers 503', { kind: 'after', requests: 4, failure: status(503) }, 'it answers 503'],
    ['has pages and no files (500)', { kind: 'artifacts', status: 500 }, 'pip failed with it'],
    ['has pages and no files (404)', { kind: 'artifacts', status: 404 }, 'pip failed with it'],
    ['limits files (429)', { kind: 'artifacts', status: 429 }, 'pip failed with it'],
    ['has damaged files', 'altered', 'pip failed with it'],
  ];
  for (const [what, failure, reason] of cases) {
    test(`a mirror that fails during the fill (${what}): the fill runs again from the authoritative index`, async () => {
      if (failure === 'altered') broken.add(...altered);
      else await broken.fail(failure);
      try {
        const result = await job({ 'index-url': own.url, 'mirror-url': broken.url });
        assert.equal(result.main.conclusion, 'success', result.main.log);
        assert.equal(said(result).length, 1);
        const [warning = ''] = said(result);
        assert.ok(warning.startsWith(`warning: The mirror ${broken.url} is not used: `), warning);
        assert.ok(warning.includes(reason), warning);
        assert.ok(warning.endsWith(`. Using ${own.url}.`), warning);
        assert.equal(fills(result), 2);
        assert.equal(result.main.outputs['index-used'], own.url);
        assert.deepEqual(result.installed, everything);
        assert.deepEqual(own.artifacts().sort(), files);
      } finally {
        broken.add(...distributions);
      }
      assert.equal(open.count(), 0);
    });
  }

  test('a failed build is not retried with the authoritative index', async () => {
    const failing = sdist({ name: 'failing', version: '1.0', fail: 'no compiler here' });
    for (const server of [own, broken]) server.add(failing);
    try {
      const result = await job(
        { 'index-url': own.url, 'mirror-url': broken.url },
        { files: { 'requirements.txt': 'failing\n' } },
      );
      assert.match(said(result).join('\n'), /^error: .*the build failed/);
      assert.equal(own.count(), 0);
    } finally {
      for (const server of [own, broken]) server.remove(failing.filename);
    }
  });
});

describe('a healthy mirror', () => {
  test('a healthy mirror is used and is not part of the key', async () => {
    const options = { env: cache.env(), post: true };
    const mirrored = await job({ 'index-url': own.url, 'mirror-url': broken.url }, options);
    assert.equal(mirrored.main.conclusion, 'success', mirrored.main.log);
    assert.equal(mirrored.main.outputs['index-used'], broken.url);
    assert.deepEqual(broken.artifacts().sort(), files);
    assert.equal(own.count(), 0);
    assert.deepEqual(said(mirrored), []);

    // Not even a mirror that hangs is asked.
    await Promise.all([own.fail('timeout'), broken.fail('timeout')]);
    for (const server of [own, broken]) server.reset();
    for (const mirror of [{}, { 'mirror-url': broken.url }, { 'mirror-url': unknownHost }]) {
      const hit = await job({ 'index-url': own.url, ...mirror }, options);
      assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
      assert.equal(
        hit.main.outputs['cache-primary-key'],
        mirrored.main.outputs['cache-primary-key'],
      );
      assert.equal(hit.main.outputs['index-used'], '');
      assert.deepEqual(hit.installed, everything);
    }
    assert.deepEqual([own.count(), broken.count(), open.count()], [0, 0, 0]);
  });

  test('a mirror without one of the projects is replaced by the index', async () => {
    broken.remove(gamma.filename);
    try {
      const result = await job({ 'index-url': own.url, 'mirror-url': broken.url });
      assert.deepEqual(result.installed, everything, result.main.log);
      assert.deepEqual(said(result), [
        `warning: The mirror ${broken.url} is not used: pip failed with it. Using ${own.url}.`,
      ]);
    } finally {
      broken.add(gamma);
    }
  });
});

describe('private and public', () => {
  test('extra-index-url merges indexes: the highest version wins, with a warning', async () => {
    own.mode.auth = { username: 'me', password: 'my secret' };
    const credentials = { 'index-username': 'me', 'index-password': 'my secret' };
    const result = await job(
      { 'index-url': own.url, 'extra-index-url': open.url, ...credentials },
      { ...onlyAlpha },
    );
    assert.deepEqual(result.installed, ['alpha==99.0.0']);
    assert.deepEqual(said(result), [
      `warning: Packages come from 2 indexes (${own.url}, ${open.url}), one of which is private. pip installs the highest version from any of them, so an attacker who registers the name of your package on another index can replace it (dependency confusion). Let the private index proxy the public one (an upstream or remote repository) and use only that, or pin with --hash.`,
    ]);
  });

  test('the warning about merged indexes appears once, even if the mirror fails during the fill', async () => {
    await broken.fail({ kind: 'after', requests: 1, failure: 'refuse' });
    own.mode.auth = { username: 'me', password: 'my secret' };
    const credentials = { 'index-username': 'me', 'index-password': 'my secret' };
    const result = await job(
      {
        'index-url': own.url,
        'mirror-url': broken.url,
        'extra-index-url': open.url,
        ...credentials,
      },
      { files: { 'requirements.txt': 'delta\n' } },
    );
    assert.deepEqual(result.installed, ['delta==1.0.0'], result.main.log);
    const confusion = said(result).filter((text) => /dependency confusion/.test(text));
    assert.equal(confusion.length, 1);
  });

  test('the input index-url overrides --index-url in the requirement file', async () => {
    const result = await job(
      { 'index-url': own.url },
      {
        files: { 'requirements.txt': `--index-url ${open.url}\nalpha\n` },
      },
    );
    assert.deepEqual(result.installed, ['alpha==1.0.0', 'beta==1.0.0'], result.main.log);
    assert.equal(result.main.outputs['index-used'], own.url);
    assert.equal(open.count(), 0);
  });

  test("--index-url in the requirement file overrides pip's configuration", async () => {
    const result = await job(
      {},
      {
        files: { 'requirements.txt': `--index-url ${own.url}\nalpha\n` },
      },
    );
    assert.deepEqual(result.installed, ['alpha==1.0.0', 'beta==1.0.0'], result.main.log);
    assert.equal(result.main.outputs['index-used'], own.url);
    assert.equal(open.count(), 0);
  });
});

describe('the probe', () => {
  test('the probe asks for the page of the first project that applies, never for the list of projects', async () => {
    const result = await job(
      { 'index-url': own.url },
      {
        files: {
          'requirements.txt':
            './local\nskipped ; python_version < "3"\ngamma ; python_version >= "3"\nalpha\n',
          'local/pyproject.toml':
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
          'local/backend.py': '',
        },
      },
    );
    // The local project can't be built; what was asked for before is the point.
    assert.equal(result.main.conclusion, 'failure');
    assert.deepEqual(
      own.log.map(({ path }) => path),
      ['/simple/gamma/'],
    );
  });

  test('the probe does not send credentials to another origin after a redirect', async () => {
    own.mode.auth = { username: 'me', password: 'my secret' };
    // A feed's front that leads to another origin, where a page lies that needs no credentials.
    const front = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(307, { location: broken.url + String(request.url).slice(1) }).end();
    });
    const seen: (string | undefined)[] = [];
    await new Promise<void>((ready) => front.listen(0, '127.0.0.1', ready));
    try {
      const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}/`;
      const result = await job(
        { 'index-url': url, 'index-username': 'me', 'index-password': 'my secret' },
        { ...onlyAlpha },
      );
      assert.deepEqual(result.installed, ['alpha==1.0.0', 'beta==1.0.0'], result.main.log);
      const header = `Basic ${Buffer.from('me:my secret').toString('base64')}`;
      assert.ok(seen.length >= 2 && seen.every((each) => each === header));
      assert.ok(broken.log.length >= 2);
      assert.ok(broken.log.every(({ authorization }) => authorization === undefined));
    } finally {
      front.close();
    }
  });
});
