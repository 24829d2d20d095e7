/** The whole flow of the committed dist: what it requests from the index, caches and installs. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { sdist, wheel } from '../support/packages.ts';
import { evaluate } from '../support/python.ts';
import { annotations, type JobResult, startScenario } from '../support/scenario.ts';

const gamma = sdist({ name: 'gamma', version: '1.0', requires: ['beta'] });
const betas = ['1.0', '2.0', '3.0'].map((version) => wheel({ name: 'beta', version }));
const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1'] });
const { index, cache, run } = await startScenario({ distributions: [alpha, ...betas, gamma] });
const pinned = 'alpha==1.0\nbeta==2.0\ngamma==1.0\n';
const bumped = 'alpha==1.0\nbeta==3.0\ngamma==1.0\n';
const everything = ['alpha==1.0', 'beta==2.0', 'gamma==1.0'];

beforeEach(async () => {
  await cache.reset();
  await index.fail(undefined);
});

function wheelNames(result: JobResult): string[] {
  return result.wheelhouse.filter((file) => file.endsWith('.whl'));
}

/** The names of the files in a cache entry. */
async function archived(key: string): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    writeFileSync(join(directory, 'a.tzst'), await cache.readArchive(key));
    execFileSync('tar', ['-xf', 'a.tzst', '--use-compress-program', 'unzstd'], { cwd: directory });
    return readdirSync(join(directory, 'wheelhouse')).sort();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const pip of pipVersions) {
  test(`pip ${pip}: a miss fills the cache, an exact hit needs no index, a bumped pin downloads exactly one wheel`, async () => {
    const miss = await run({ pip, files: { 'requirements.txt': pinned } });
    assert.equal(miss.main.conclusion, 'success', miss.main.log);
    assert.equal(miss.main.outputs['cache-hit'], 'false');
    assert.deepEqual(miss.artifacts.sort(), [
      'alpha-1.0-py3-none-any.whl',
      'beta-2.0-py3-none-any.whl',
      'gamma-1.0.tar.gz',
    ]);
    assert.deepEqual(miss.installed, everything);
    const [entry] = cache.entries();
    assert.equal(entry?.key, miss.main.outputs['cache-primary-key']);

    const hit = await run({ pip, files: { 'requirements.txt': pinned } });
    assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
    assert.equal(hit.requests, 0);
    assert.deepEqual(hit.installed, everything);
    assert.equal(hit.lock, miss.lock);
    assert.equal(cache.calls('create').length, 1, 'an exact hit saves nothing');
    assert.doesNotMatch(hit.main.log, /Fill the wheelhouse/);

    const partial = await run({ pip, files: { 'requirements.txt': bumped } });
    assert.equal(partial.main.outputs['cache-hit'], 'false');
    assert.equal(partial.main.outputs['cache-matched-key'], entry?.key);
    assert.deepEqual(partial.artifacts, ['beta-3.0-py3-none-any.whl'], partial.main.log);
    assert.deepEqual(partial.installed, ['alpha==1.0', 'beta==3.0', 'gamma==1.0']);
    assert.match(partial.main.summary, /beta 2\.0 → 3\.0/);
    const files = await archived(String(partial.main.outputs['cache-primary-key']));
    assert.deepEqual(files, [
      'alpha-1.0-py3-none-any.whl',
      'beta-3.0-py3-none-any.whl',
      'gamma-1.0-py3-none-any.whl',
      'pylock.toml',
      'requirements.lock',
      'wheelhouse.json',
    ]);
  });

  test(`pip ${pip}: an sdist with --hash is built once and reused on exact and partial hits`, async () => {
    const line = (dist: { sha256: string }, requirement: string): string =>
      `${requirement} \\\n    --hash=sha256:${dist.sha256}\n`;
    const files = (beta: 1 | 2): Record<string, string> => ({
      'requirements.txt':
        line(alpha, 'alpha==1.0') +
        line(betas[beta] as { sha256: string }, `beta==${beta + 1}.0`) +
        line(gamma, 'gamma==1.0'),
    });
    const cold = await run({ pip, files: files(1) });
    assert.equal(cold.main.conclusion, 'success', cold.main.log);
    assert.match(String(cold.main.outputs['cache-primary-key']), /-\d{4}-w\d\d$/);
    const built = cold.lock.split('\n').find((each) => each.startsWith('gamma=='));

    const warm = await run({ pip, files: files(1) });
    assert.equal(warm.main.outputs['cache-hit'], 'true', warm.main.log);
    assert.equal(warm.requests, 0);
    assert.deepEqual(warm.installed, everything);
    assert.deepEqual(wheelNames(warm), wheelNames(cold));

    const partial = await run({ pip, files: files(2) });
    assert.deepEqual(partial.artifacts, ['beta-3.0-py3-none-any.whl'], partial.main.log);
    assert.ok(partial.lock.includes(String(built)), 'the wheel that was built before is reused');
    assert.deepEqual(partial.installed, ['alpha==1.0', 'beta==3.0', 'gamma==1.0']);
  });
}

test('unpinned requirements keep their versions within the refresh period, and old wheels are dropped', async () => {
  const first = await run({ files: { 'requirements.txt': 'beta<3\n' } });
  assert.deepEqual(first.installed, ['beta==2.0']);
  assert.match(String(first.main.outputs['cache-primary-key']), /-\d{4}-w\d\d$/);
  const again = await run({ files: { 'requirements.txt': 'beta<3\n' } });
  assert.equal(again.main.outputs['cache-hit'], 'true');
  const wider = await run({ files: { 'requirements.txt': 'beta\n' } });
  assert.deepEqual(wheelNames(wider), ['beta-3.0-py3-none-any.whl']);
});

test('refresh: always asks the index on every run and downloads only new versions', async () => {
  const options = { files: { 'requirements.txt': 'alpha\n' }, with: { refresh: 'always' } };
  const first = await run(options);
  assert.deepEqual(first.installed, ['alpha==1.0', 'beta==3.0']);
  const second = await run(options);
  assert.equal(second.main.outputs['cache-hit'], 'false');
  assert.ok(second.requests > 0);
  assert.deepEqual(second.artifacts, []);
  const newer = wheel({ name: 'beta', version: '4.0' });
  index.add(newer);
  try {
    const third = await run(options);
    assert.deepEqual(third.artifacts, ['beta-4.0-py3-none-any.whl']);
    assert.match(third.main.summary, /beta 3\.0 → 4\.0/);
  } finally {
    index.remove(newer.filename);
  }
});

test('a version that the index has removed is not installed from an older wheelhouse', async () => {
  const gone = wheel({ name: 'beta', version: '9.0' });
  index.add(gone);
  const options = { files: { 'requirements.txt': 'beta\n' }, with: { refresh: 'always' } };
  assert.deepEqual((await run(options)).installed, ['beta==9.0']);
  index.remove(gone.filename);
  const after = await run(options);
  assert.deepEqual(after.installed, ['beta==3.0'], after.main.log);
  assert.deepEqual(wheelNames(after), ['beta-3.0-py3-none-any.whl']);
});

test('a damaged cache entry is replaced under the next generation of its key, which then hits', async () => {
  const files = { 'requirements.txt': pinned };
  const first = await run({ files });
  const key = String(first.main.outputs['cache-primary-key']);
  await cache.replaceArchive(key, Buffer.from('not an archive at all'));

  const repaired = await run({ files });
  assert.equal(repaired.main.conclusion, 'success');
  assert.equal(repaired.main.outputs['cache-hit'], 'false');
  assert.deepEqual(repaired.installed, everything);
  assert.equal(annotations(repaired.main, 'warning').length, 1, repaired.main.log);
  assert.deepEqual(
    cache
      .entries()
      .map((entry) => entry.key)
      .sort(),
    [key, `${key}-r1`],
  );

  const hit = await run({ files });
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.equal(hit.main.outputs['cache-matched-key'], `${key}-r1`);
  assert.equal(hit.requests, 0);
  assert.equal(cache.entries().length, 2);
});

test('a wheelhouse made for another interpreter is a miss, and none of its wheels are used', async () => {
  const files = { 'requirements.txt': pinned };
  const first = await run({ files });
  const key = String(first.main.outputs['cache-primary-key']);
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    const archive = join(directory, 'a.tzst');
    writeFileSync(archive, await cache.readArchive(key));
    const tar = (...args: string[]): Buffer => execFileSync('tar', args, { cwd: directory });
    tar('-xf', 'a.tzst', '--use-compress-program', 'unzstd');
    execFileSync('sed', ['-i', 's/cpython 3[.]/cpython 2./', 'wheelhouse/wheelhouse.json'], {
      cwd: directory,
    });
    tar('-cf', 'b.tzst', '--use-compress-program', 'zstd', 'wheelhouse');
    await cache.replaceArchive(key, execFileSync('cat', ['b.tzst'], { cwd: directory }));
  } finally {
    rmSync(directory, { recursive: true });
  }
  const second = await run({ files });
  assert.equal(second.main.outputs['cache-hit'], 'false');
  assert.equal(second.artifacts.length, 3);
  assert.match(annotations(second.main, 'warning').join(), /filled for another Python/);
  assert.deepEqual(second.installed, everything);
});

test('the wheelhouse is saved even if a later step fails', async () => {
  const result = await run({
    files: { 'requirements.txt': pinned },
    between: async (job) => {
      await job.run('false');
      assert.equal(job.outcome, 'failure');
    },
  });
  assert.match(String(result.post?.log), /Saved the wheelhouse/);
  assert.equal(cache.entries().length, 1);
});

test('a failure of pip shows its last lines with advice, installs nothing and saves nothing', async () => {
  const broken = sdist({ name: 'broken', version: '1.0', fail: 'no compiler here' });
  index.add(broken);
  const result = await run({ files: { 'requirements.txt': 'beta\nbroken\n' } });
  assert.equal(result.main.conclusion, 'failure');
  const [message = ''] = annotations(result.main, 'error');
  assert.match(
    message,
    /^pip could not download or build every wheel \(it failed on broken\)\. A package had to be built from source and the build failed/,
  );
  assert.match(message, /no compiler here|broken/);
  assert.equal(annotations(result.main, 'error').length, 1);
  assert.deepEqual(result.installed, []);
  assert.equal(cache.entries().length, 0);
});

test('the install from the lock ignores PIP_* and pip.conf, and pip freeze lists plain versions', async () => {
  const result = await run({
    files: {
      'requirements.txt': pinned,
      'pip.conf': '[install]\nuser = true\nno-binary = :all:\n',
    },
    env: { PIP_TARGET: '/nonexistent/target', PIP_NO_COMPILE: '1' },
    between: (_job, main) => {
      assert.equal(main.conclusion, 'success', main.log);
    },
  });
  assert.deepEqual(result.installed, everything);
});

test('install: false only fills the cache, and the next job with the same requirements hits', async () => {
  const files = { 'requirements.txt': pinned };
  const seed = await run({ files, with: { install: false } });
  assert.deepEqual(seed.installed, []);
  assert.equal(wheelNames(seed).length, 3);
  const hit = await run({ files });
  assert.equal(hit.requests, 0);
  assert.deepEqual(hit.installed, everything);
});

test('the input venv creates an environment, installs into it and activates it for later steps', async () => {
  await run({
    files: { 'requirements.txt': 'beta==1.0\n' },
    with: { venv: '.venv' },
    between: async (job, main) => {
      assert.equal(main.conclusion, 'success', main.log);
      assert.equal(main.outputs['venv'], join(job.workspace, '.venv'));
      const step = await job.run('python', [
        '-c',
        'import beta, sys; print(beta.__version__, sys.prefix)',
      ]);
      assert.match(step.stdout, /^1\.0 .*\.venv/);
    },
  });
});

test('export: true lets pip in later steps install from the wheelhouse without an index', async () => {
  await run({
    files: { 'requirements.txt': 'beta==1.0\n' },
    with: { install: false, export: true },
    between: async (job, _main, python) => {
      await index.fail('refuse');
      const step = await job.run(python, ['-m', 'pip', 'install', '--no-index', 'beta']);
      assert.equal(step.conclusion, 'success', step.log);
    },
  });
});

test('the input compile-bytecode decides whether installed modules are compiled', async () => {
  const files = { 'requirements.txt': 'beta==1.0\n' };
  for (const [value, expected] of [
    ['false', 'False'],
    ['true', 'True'],
  ] as const) {
    await run({
      files,
      with: { 'compile-bytecode': value },
      between: (_job, _main, python) => {
        const path =
          "__import__('glob').glob(__import__('sysconfig').get_path('purelib') + '/beta/__pycache__/*')";
        assert.equal(evaluate(python, `bool(${path})`), expected);
      },
    });
  }
});

describe('self-hosted runners', () => {
  test('a wheelhouse on disk that satisfies the requirements is used without the cache service', async () => {
    const keep = mkdtempSync(join(tmpdir(), 'kept-'));
    try {
      const options = {
        files: { 'requirements.txt': pinned },
        with: { wheelhouse: join(keep, 'wheels') },
        env: { ACTIONS_RESULTS_URL: '', ACTIONS_CACHE_URL: '' },
      };
      const first = await run(options);
      assert.equal(first.main.outputs['cache-hit'], 'false');
      const second = await run(options);
      assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
      assert.equal(second.requests, 0);
      assert.deepEqual(second.installed, everything);
      assert.deepEqual(readdirSync(keep), ['wheels'], 'nothing is left beside it');
    } finally {
      rmSync(keep, { recursive: true });
    }
  });
});
