/** A job that asks the index whether it still offers what is in the cache. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sdist, wheel } from '../support/packages.ts';
import { annotations, startScenario } from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta'] });
const beta = wheel({ name: 'beta', version: '2.0' });
const gamma = sdist({ name: 'gamma', version: '1.0' });
const scenario = await startScenario({ distributions: [alpha, beta, gamma] });

test('yanked and deleted wheels of a pinned set are noticed, with 3 requests', async () => {
  const { index, run } = scenario;
  const files = { 'requirements.txt': 'alpha==1.0\nbeta==2.0\ngamma==1.0\n' };
  const options = { files, with: { recheck: 'always' } };
  const cold = await run({ files });
  assert.equal(cold.main.conclusion, 'success', cold.main.log);

  const good = await run(options);
  assert.equal(good.main.outputs['cache-hit'], 'true', good.main.log);
  assert.match(good.main.log, /Checked with the index: 3 of 3 wheels are still offered/);
  assert.equal(good.requests, 3);

  index.yank(beta.filename, 'it is broken');
  const yanked = await run(options);
  assert.equal(yanked.main.outputs['cache-hit'], 'true', yanked.main.log);
  assert.match(
    annotations(yanked.main, 'warning').join('\n'),
    /beta 2\.0 was yanked .*: it is broken\./,
  );
  assert.deepEqual(yanked.installed, ['alpha==1.0', 'beta==2.0', 'gamma==1.0']);

  await index.fail({ kind: 'status', status: 503 });
  const down = await run(options);
  assert.equal(down.main.outputs['cache-hit'], 'true', down.main.log);
  assert.match(down.main.log, /Could not check whether the index still offers 3 of 3 wheels/);
  await index.fail(undefined);

  index.remove(beta.filename);
  const deleted = await run(options);
  assert.equal(deleted.main.conclusion, 'failure', deleted.main.log);
  assert.match(
    annotations(deleted.main, 'warning').join('\n'),
    /the index no longer offers beta 2\.0/,
  );
  assert.deepEqual(deleted.installed, []);

  index.add(wheel({ name: 'beta', version: '2.0', size: 5000 }));
  const replaced = await run(options);
  assert.equal(replaced.main.conclusion, 'success', replaced.main.log);
  assert.deepEqual(replaced.artifacts, [beta.filename]);
  assert.deepEqual(replaced.installed, ['alpha==1.0', 'beta==2.0', 'gamma==1.0']);
});
