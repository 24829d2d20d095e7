import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
     console.log('wheelhouse-transfer-result: {"outcome":"none"}');`,
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
