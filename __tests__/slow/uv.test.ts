/** `installer: uv` with real uv: its settings, hashes, and where uv itself comes from. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';

import { python, root, uvCommand } from '../../scripts/tools.mjs';
import { createMachine } from '../support/command-line.ts';
import { startIndex } from '../support/index-server.ts';
import { type Distribution, projectDirectory, sdist, wheel } from '../support/packages.ts';
import {
  annotations,
  type JobResult,
  type RunOptions,
  startScenario,
} from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1'] });
const gamma = sdist({ name: 'gamma', version: '1.0', requires: ['beta'] });
const betas = ['1.0', '2.0', '3.0'].map((version) => wheel({ name: 'beta', version }));
const pre = wheel({ name: 'delta', version: '2.0rc1' });
const scenario = await startScenario({
  distributions: [alpha, gamma, ...betas, wheel({ name: 'delta', version: '1.0' }), pre],
});
const { cache, index } = scenario;

beforeEach(() => cache.reset());

const runWithUv = (options: RunOptions): Promise<JobResult> =>
  scenario.run({
    ...options,
    job: { path: [dirname(uvCommand())], ...options.job },
    with: { installer: 'uv', ...options.with },
  });

const requirements = (text: string) => ({ 'requirements.txt': text });

test('wheelhouses of pip and uv do not mix', async () => {
  const files = requirements('beta==2.0\n');
  const pip = await scenario.run({ files });
  const uv = await runWithUv({ files });
  assert.equal(uv.main.outputs['cache-matched-key'], '', uv.main.log);
  assert.notEqual(uv.main.outputs['cache-primary-key'], pip.main.outputs['cache-primary-key']);
  assert.deepEqual(uv.artifacts, [betas[1]?.filename]);
});

describe("uv's settings", () => {
  test('of the checkout count: the key changes, and uv chooses by them', async () => {
    const plain = await runWithUv({ files: requirements('delta\n') });
    assert.deepEqual(plain.installed, ['delta==1.0'], plain.main.log);
    const files = { ...requirements('delta\n'), 'uv.toml': 'prerelease = "allow"\n' };
    const allowed = await runWithUv({ files });
    assert.deepEqual(allowed.installed, ['delta==2.0rc1'], allowed.main.log);
    assert.equal(allowed.main.outputs['cache-hit'], 'false');
  });

  test('in variables count, and so does the content of files that they name', async () => {
    const runWith = (constraint: string) =>
      runWithUv({
        files: { ...requirements('beta\n'), 'limits.txt': constraint },
        env: { UV_CONSTRAINT: 'limits.txt' },
      });
    const first = await runWith('beta<3\n');
    assert.deepEqual(first.installed, ['beta==2.0'], first.main.log);
    const second = await runWith('beta<2\n');
    assert.deepEqual(second.installed, ['beta==1.0'], second.main.log);
  });

  test('an index of pyproject.toml is asked before the default one, and wins', async () => {
    const other = await startIndex({ distributions: [wheel({ name: 'beta', version: '0.5' })] });
    try {
      const project = `[tool.uv]\nindex = [{ name = "other", url = "${other.url}" }]\n`;
      const files = { ...requirements('beta\n'), 'pyproject.toml': project };
      const { main, installed } = await runWithUv({ files });
      assert.deepEqual(installed, ['beta==0.5'], main.log);
    } finally {
      await other.close();
    }
  });
});

describe('hashes', () => {
  const line = (name: string, ...hashes: string[]): string =>
    `${name} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`;
  const beta = betas[1] as (typeof betas)[number];

  test('that a file has are checked, and an sdist is built once', async () => {
    const files = requirements(line('gamma==1.0', gamma.sha256) + line('beta==2.0', beta.sha256));
    const first = await runWithUv({ files });
    assert.deepEqual(first.installed, ['beta==2.0', 'gamma==1.0'], first.main.log);
    const second = await runWithUv({ files });
    assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
    assert.equal(second.requests, 0);
  });

  test('that no file has are an error', async () => {
    const { main, installed } = await runWithUv({
      files: requirements(line('beta==2.0', 'a'.repeat(64))),
    });
    assert.equal(main.conclusion, 'failure');
    assert.match(String(annotations(main, 'error')[0]), /beta 2\.0 has no file with a hash in/);
    assert.deepEqual(installed, []);
  });

  test('of a file that is damaged in transit are an error', async () => {
    const damaged = await startIndex({
      distributions: [{ ...beta, content: Buffer.from('damaged') }],
    });
    try {
      const { main, installed } = await runWithUv({
        files: requirements('beta==2.0\n'),
        with: { 'index-url': damaged.url },
      });
      assert.equal(main.conclusion, 'failure');
      assert.deepEqual(installed, []);
    } finally {
      await damaged.close();
    }
  });
});

test('uv chooses the dependencies of a local project', async () => {
  const { main, installed } = await runWithUv({
    before(job) {
      projectDirectory(job.workspace, {
        ...{ name: 'app', version: '1.0', requires: ['alpha', 'beta<3'] },
      });
    },
    with: { project: '.', 'install-project': false },
  });
  assert.deepEqual(installed, ['alpha==1.0', 'beta==2.0'], main.log);
});

describe('the pinned uv, where PATH has none', () => {
  const [, version = ''] =
    /^uv==(\S+)/m.exec(readFileSync(join(root, 'src', 'locktools', 'uv.txt'), 'utf8')) ?? [];

  /** Its wheel for this machine, from the index that this machine's pip is configured with. */
  function wheelOfUv(): Distribution {
    const directory = mkdtempSync(join(tmpdir(), 'uv-'));
    const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', `--dest=${directory}`];
    execFileSync(python, [...args, `uv==${version}`]);
    const [filename = ''] = readdirSync(directory);
    const content = readFileSync(join(directory, filename));
    rmSync(directory, { recursive: true });
    const sha256 = createHash('sha256').update(content).digest('hex');
    const metadata = Buffer.from(`Metadata-Version: 2.1\nName: uv\nVersion: ${version}\n`);
    return { kind: 'wheel', project: 'uv', version, filename, content, metadata, sha256 };
  }

  test('comes from the index once, is cached, and is not used after it was changed', async () => {
    index.add(wheelOfUv());
    const machine = createMachine({ 'requirements.txt': 'beta==2.0\n' }, index.url);
    try {
      const install = async (): Promise<{ stderr: string; files: string[] }> => {
        index.reset();
        const args = ['install', '-r', 'requirements.txt', '--installer', 'uv'];
        const into = ['--python', await machine.python(), '--store', machine.store];
        const { exitCode, stderr } = await machine.run([...args, ...into]);
        assert.equal(exitCode, 0, stderr);
        return { stderr, files: index.artifacts().map((file) => String(file.split('-')[0])) };
      };
      const first = await install();
      assert.deepEqual(first.files.sort(), ['beta', 'uv'], first.stderr);
      assert.match(first.stderr, new RegExp(`There is no uv on PATH; using uv ${version}\\.`));
      const second = await install();
      assert.deepEqual([second.files, index.count()], [[], 0], second.stderr);

      const file = Object.entries(machine.storedWheels()).find(([name]) =>
        name.startsWith('uv-'),
      )?.[1];
      const content = readFileSync(String(file));
      content[content.length >> 1] = Number(content[content.length >> 1]) ^ 1;
      rmSync(String(file));
      writeFileSync(String(file), content);
      const third = await install();
      assert.deepEqual(third.files, ['uv'], third.stderr);
    } finally {
      machine.remove();
    }
  });
});
