import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import type { Reporter } from '../../src/ports.ts';
import { githubCache } from '../../src/world/github-cache.ts';

const scratch = mkdtempSync(join(tmpdir(), 'github-cache-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const silent: Reporter = {
  info() {},
  notice() {},
  warning() {},
  error() {},
  hide() {},
  foreign() {},
  group: (_title, work) => work(),
};

test('the transfer process gets the cache token but no inputs or state, and tar gets no token', async () => {
  const program = join(scratch, 'transfer.mjs');
  const seen = join(scratch, 'seen.json');
  const fromTar = join(scratch, 'tar.txt');
  const tar = join(scratch, 'tar');
  writeFileSync(tar, `#!/bin/sh\nenv > ${fromTar}\n`, { mode: 0o755 });
  writeFileSync(
    program,
    `import { spawnSync } from 'node:child_process';
     import { writeFileSync } from 'node:fs';
     writeFileSync(${JSON.stringify(seen)}, JSON.stringify(process.env));
     spawnSync('tar', ['--version']);
     process.stdin.once('data', (data) => {
       const { id } = JSON.parse(String(data));
       console.log('wheelhouse-transfer-result ' + id + ': {"outcome":"none"}');
     });`,
  );
  const store = githubCache({
    environment: {
      PATH: `${scratch}:${process.env['PATH'] ?? ''}`,
      ACTIONS_RESULTS_URL: 'http://127.0.0.1:9/',
      ACTIONS_RUNTIME_TOKEN: 'service-token',
      ACTIONS_CACHE_SERVICE_V2: 'true',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'identity-token',
      GITHUB_STATE: '/state',
      'INPUT_INDEX-PASSWORD': 'index-password',
      STATE_wheelhouse: 'state-of-main',
      TAR_OPTIONS: '-P',
    },
    temporary: scratch,
    program,
    reporter: silent,
  });
  assert.equal(await store.restore(join(scratch, 'to'), 'key', []), undefined);
  const environment = JSON.parse(readFileSync(seen, 'utf8')) as Record<string, string>;
  assert.equal(environment['ACTIONS_RUNTIME_TOKEN'], 'service-token');
  const values = JSON.stringify(environment);
  for (const secret of ['index-password', 'state-of-main', 'identity-token', '/state"', '"-P"']) {
    assert.ok(!values.includes(secret), `${secret} in ${values}`);
  }
  const ofTar = readFileSync(fromTar, 'utf8');
  assert.doesNotMatch(ofTar, /service-token|ACTIONS_/);
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name.startsWith('wheelhouse-transfer')),
    [],
  );
});

test('restores share a process until one finds nothing, and coolDown ends it', async () => {
  const directory = join(scratch, 'shared');
  mkdirSync(directory);
  const program = join(directory, 'transfer.mjs');
  const pids = join(directory, 'pids');
  writeFileSync(
    program,
    `import { appendFileSync, mkdirSync } from 'node:fs';
     import { createInterface } from 'node:readline';
     appendFileSync(${JSON.stringify(pids)}, process.pid + '\\n');
     for await (const line of createInterface({ input: process.stdin })) {
       const { id, key } = JSON.parse(line);
       const result = { outcome: key === 'missing' ? 'none' : 'restored', key };
       if (key !== 'missing') mkdirSync('wheelhouse');
       console.log('wheelhouse-transfer-result ' + id + ': ' + JSON.stringify(result));
     }`,
  );
  const store = githubCache({
    environment: {
      PATH: process.env['PATH'] ?? '',
      ACTIONS_RESULTS_URL: 'http://127.0.0.1:9/',
      ACTIONS_RUNTIME_TOKEN: 'token',
    },
    ...{ temporary: directory, program, reporter: silent },
  });
  const started = (): string[] => readFileSync(pids, 'utf8').trim().split('\n');
  const restore = (key: string) => store.restore(join(directory, 'to'), key, []);

  assert.equal((await restore('one'))?.arrived, true);
  assert.equal((await restore('two'))?.arrived, true);
  assert.equal(started().length, 1);
  assert.equal(await restore('missing'), undefined);
  assert.equal((await restore('three'))?.arrived, true);
  assert.equal(started().length, 2);
  await store.coolDown();
  assert.throws(() => process.kill(Number(started().at(-1)), 0), { code: 'ESRCH' });
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('wheelhouse-transfer')),
    [],
  );
});
