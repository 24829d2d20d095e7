/**
 * What src/logic/verification.ts relies on: with the command lines that a run uses, every installer
 * hashes all wheels of the lock before it changes the environment.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

import { pipVersions, uvCommand } from '../../scripts/tools.mjs';
import { offlineEnvironment } from '../../src/logic/environment.ts';
import { formatLock } from '../../src/logic/manifest.ts';
import { installArgs, uvInstallArgs } from '../../src/logic/pip-args.ts';
import { repacked } from '../support/archive.ts';
import { manifestWheel } from '../support/fixtures.ts';
import { wheel } from '../support/packages.ts';
import { freshPython, sitePackages } from '../support/python.ts';
import { annotations, startScenario } from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0' });
const zeta = wheel({ name: 'zeta', version: '1.0', files: { 'zeta/code.py': 'text = "right"\n' } });
/** The installer would come to this wheel last. */
const wrong: Readonly<Record<string, Buffer>> = {
  'other content': wheel({
    ...{ name: 'zeta', version: '1.0' },
    files: { 'zeta/code.py': 'text = "wrong"\n' },
  }).content,
  'a flipped bit': Buffer.from(zeta.content.map((byte, at) => (at === 60 ? byte ^ 1 : byte))),
};

let root = '';
let lock = '';
before(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'installer-hashes-')));
  lock = join(root, 'requirements.lock');
  const wheels = [alpha, zeta].map(({ project, filename: file, sha256 }) =>
    manifestWheel(project, { file, sha256: String(sha256) }),
  );
  writeFileSync(lock, formatLock(wheels));
});
after(() => rmSync(root, { recursive: true }));

const installers = [...pipVersions.map((version) => `pip ${version}`), 'uv'];

for (const installer of installers) {
  test(`${installer} changes nothing if a wheel of the lock has another hash`, () => {
    const environment = mkdtempSync(join(root, 'environment-'));
    const python = freshPython(environment, installer.split(' ')[1]);
    const listed = (): string[] => readdirSync(sitePackages(environment)).sort();
    const untouched = listed();
    const install = (content: Buffer): { readonly status: number | null; readonly log: string } => {
      const wheelhouse = mkdtempSync(join(root, 'wheelhouse-'));
      writeFileSync(join(wheelhouse, alpha.filename), alpha.content);
      writeFileSync(join(wheelhouse, zeta.filename), content);
      const options = {
        ...{ wheelhouse, lock, compile: false, breakSystemPackages: false, repair: false },
      };
      const [command, args] =
        installer === 'uv'
          ? [uvCommand(), uvInstallArgs({ ...options, python })]
          : [python, ['-m', 'pip', ...installArgs(options)]];
      const env = offlineEnvironment({ PATH: process.env['PATH'] ?? '', HOME: root }, devNull);
      const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, env });
      return { status, log: `${stdout}${stderr}` };
    };
    for (const [what, content] of Object.entries(wrong)) {
      // pip does not look into a wheel before it knows the hash.
      if (installer !== 'uv' && what !== 'a flipped bit') continue;
      const { status, log } = install(content);
      assert.notEqual(status, 0, `${what}: ${log}`);
      assert.match(log, /zeta/, what);
      assert.deepEqual(listed(), untouched, what);
    }
    const { status, log } = install(zeta.content);
    assert.equal(status, 0, log);
    assert.ok(listed().includes('zeta-1.0.dist-info'));
  });
}

test('a wheel in the cache that uv refuses is replaced, and nothing else is downloaded', async () => {
  const { run, cache } = await startScenario({ distributions: [alpha, zeta] });
  const job = {
    files: { 'requirements.txt': 'alpha==1.0\nzeta==1.0\n' },
    with: { installer: 'uv' },
    env: { PATH: `${dirname(uvCommand())}:${process.env['PATH']}` },
  };
  const first = await run(job);
  const key = String(first.main.outputs['cache-primary-key']);
  const damaged = repacked(await cache.readArchive(key), (wheelhouse) => {
    writeFileSync(join(wheelhouse, zeta.filename), wrong['a flipped bit'] ?? '');
  });
  await cache.replaceArchive(key, damaged);

  const second = await run(job);
  assert.equal(second.main.conclusion, 'success', second.main.log);
  assert.deepEqual(second.installed, ['alpha==1.0', 'zeta==1.0']);
  assert.deepEqual(second.artifacts, [zeta.filename]);
  assert.deepEqual(annotations(second.main, 'warning'), [
    `The wheelhouse from ${key} is partly damaged; reusing the intact wheels. Problems: ${zeta.filename} has a different hash than in the manifest.`,
  ]);
  assert.deepEqual(
    cache
      .entries()
      .map((entry) => entry.key)
      .sort(),
    [key, `${key}-r1`],
  );

  const third = await run(job);
  assert.equal(third.main.outputs['cache-hit'], 'true', third.main.log);
  assert.equal(third.requests, 0);
});
