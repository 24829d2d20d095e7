/** Real private feeds as the index: pypiserver and devpi. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { startGuard } from '../support/guard.ts';
import { wheel } from '../support/packages.ts';
import {
  credentials,
  type PrivateFeed,
  publisherPath,
  startDevpi,
  startPypiserver,
  uploadByHand,
} from '../support/publish-feeds.ts';
import { annotations, startScenario } from '../support/scenario.ts';

const { cache, run, index } = await startScenario();
type Feed = Pick<PrivateFeed, 'url' | 'close'>;

const inputs = (feed: Feed, password = credentials.password): Record<string, string> => ({
  'index-url': feed.url,
  'index-username': credentials.username,
  'index-password': password,
});
const files = { 'requirements.txt': 'tools==1.0\nhelper\n' };

/** Puts two wheels onto a feed with its real uploader. */
function fillFeed(uploadUrl: string): void {
  const place = mkdtempSync(join(tmpdir(), 'feed-'));
  try {
    const wheels = [
      wheel({ name: 'tools', version: '1.0', requires: ['helper'] }),
      wheel({ name: 'helper', version: '2.0' }),
    ].map(({ filename, content }) => {
      const file = join(place, filename);
      writeFileSync(file, content);
      return file;
    });
    uploadByHand(publisherPath(join(place, 'bin')), uploadUrl, wheels);
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** What is said to those who have no credentials, or wrong ones, by a feed that answers so. */
async function refuses(feed: Feed, [wrong, none]: readonly [number, number]): Promise<void> {
  const refused = await run({ files, with: inputs(feed, 'wrong') });
  assert.deepEqual(annotations(refused.main, 'error'), [
    `The index ${feed.url} answers ${wrong} for tools: it does not accept the credentials. Check the inputs index-username and index-password, and whether the secret has expired.`,
  ]);
  const unknown = await run({ files, with: { 'index-url': feed.url } });
  assert.deepEqual(annotations(unknown.main, 'error'), [
    `The index ${feed.url} answers ${none} for tools: it requires credentials. Set the inputs index-username and index-password.`,
  ]);
  for (const { main, installed } of [refused, unknown]) {
    assert.equal(main.conclusion, 'failure');
    assert.deepEqual(installed, []);
  }
}

async function missThenHit(feed: Feed): Promise<void> {
  await cache.reset();
  const miss = await run({ files, with: inputs(feed) });
  assert.equal(miss.main.conclusion, 'success', miss.main.log);
  assert.deepEqual(miss.installed, ['helper==2.0', 'tools==1.0']);
  assert.equal(miss.main.outputs['index-used'], feed.url);
  await feed.close();
  // The feed is gone now: a hit does not need it.
  const hit = await run({ files, with: inputs(feed) });
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.deepEqual(hit.installed, miss.installed);
  assert.equal(index.count(), 0, 'the index that pip is configured with is never asked');
}

test('pypiserver: wrong credentials are an error with the input names; right ones give a miss, then a hit', async () => {
  const feed = await startPypiserver();
  try {
    fillFeed(feed.url.replace(/simple\/$/, ''));
    // It says 403 to wrong credentials.
    await refuses(feed, [403, 401]);
    await missThenHit(feed);
  } finally {
    await feed.close();
  }
});

test('devpi behind an authenticating proxy: wrong credentials are an error; right ones give a miss, then a hit', async () => {
  const feed = await startDevpi();
  try {
    fillFeed(feed.url.replace(/\+simple\/$/, ''));
    const guard = await startGuard(feed.url);
    try {
      await refuses(guard, [401, 401]);
      guard.statuses.length = 0;
      await missThenHit(guard);
      assert.ok(guard.statuses.length > 0 && guard.statuses.every((status) => status === 200));
    } finally {
      await guard.close();
    }
  } finally {
    await feed.close();
  }
});
