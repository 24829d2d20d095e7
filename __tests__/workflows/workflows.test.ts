/**
 * Runs the workflows beside this file with act, on the committed dist: a runner that evaluates
 * expressions, starts composite actions and matrices, and is not ours. `npm run test:workflows`
 * fetches it.
 *
 * act runs without containers here. Each job gets a new workspace and a new RUNNER_TEMP, as on
 * hosted runners. Of what a job prints act may lose the end, so nothing is read from its log: the
 * workflows check outputs and installed packages, this file the index, the cache and the exit code.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, beforeEach, type TestContext, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

import { root } from '../../scripts/tools.mjs';
import { type CacheService, startCacheService } from '../support/cache-service.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { type Distribution, sdist, wheel } from '../support/packages.ts';
import { freshPython } from '../support/python.ts';

type Expectation = 'miss' | 'partial' | 'exact';

const act = join(root, '.cache', 'bin', 'act');
const here = join('__tests__', 'workflows');

const names = Array.from({ length: 15 }, (_, order) => `package-${order + 1}`);
const wheels = names.map((name) => wheel({ name, version: '1.0', size: 20_000 }));
const bumped = wheel({ name: 'package-7', version: '1.1', size: 20_000 });
const source = sdist({ name: 'only-source', version: '1.0' });

let service: CacheService;
let index: IndexServer;
let temporary: string;

before(async () => {
  temporary = realpathSync(mkdtempSync(join(tmpdir(), 'wheelhouse-workflows-')));
  // Both as on GitHub and with the indexes that this action is for: signed, changing addresses.
  service = await startCacheService({ azureHost: true });
  index = await startIndex({ urls: 'redirect', distributions: [...wheels, bumped, source] });
});
beforeEach(async () => {
  await service.reset();
  index.reset();
});
after(async () => {
  await index?.close();
  await service?.close();
  rmSync(temporary, { recursive: true, force: true, maxRetries: 3 });
});

test('a miss, an exact hit without a request, and a partial hit after the bump of a pin', async (t) => {
  const all = [...wheels, source];
  const repository = makeRepository(t, { 'requirements.txt': hashed(all) });
  await pass(repository, 'round-trip.yml', 'miss');
  assert.deepEqual(index.artifacts().toSorted(), filenames(all));
  const [first] = service.entries();
  assert.ok(first);

  index.reset();
  await pass(repository, 'round-trip.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.calls('create').length, 1);

  const changed = [...wheels.filter(({ project }) => project !== bumped.project), bumped];
  writeFileSync(join(repository, 'requirements.txt'), hashed([...changed, source]));
  await pass(repository, 'round-trip.yml', 'partial');
  assert.deepEqual(index.artifacts(), [bumped.filename]);
  const second = service.entries().at(-1);
  assert.ok(second && second.key !== first.key);
  assert.deepEqual(await savedWheels(second.key), [
    'only_source-1.0-py3-none-any.whl',
    ...filenames(changed),
  ]);

  index.reset();
  await pass(repository, 'round-trip.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 2);
});

test('used by a composite action', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  await pass(repository, 'composite.yml', 'miss');
  index.reset();
  await pass(repository, 'composite.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 1);
});

test('two uses in one job', async (t) => {
  const tools = [...wheels.slice(0, 2), source];
  const app = wheels.slice(2, 5);
  const repository = makeRepository(t, { 'tools.txt': pinned(tools), 'app.txt': pinned(app) });
  await pass(repository, 'two-uses.yml', 'miss');
  const saved = await Promise.all(service.entries().map(({ key }) => savedWheels(key)));
  assert.deepEqual(
    saved.toSorted(),
    [
      ['only_source-1.0-py3-none-any.whl', ...filenames(wheels.slice(0, 2))],
      filenames(app),
    ].toSorted(),
  );
  index.reset();
  await pass(repository, 'two-uses.yml', 'exact');
  assert.equal(index.count(), 0);
});

test('a matrix', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  await pass(repository, 'matrix.yml', 'miss');
  const keys = service.entries().map(({ key }) => key);
  assert.equal(new Set(keys).size, 2);
  index.reset();
  await pass(repository, 'matrix.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 2);
});

test('a step that fails after the installation', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  const failed = await run(repository, 'failing-step.yml', 'miss');
  assert.equal(failed.exitCode, 1, failed.log);
  // act's own words, not the job's.
  assert.match(failed.log, /Failure - Main Tests that fail the first time/);
  assert.equal(service.entries().length, 1);
  index.reset();
  await pass(repository, 'failing-step.yml', 'exact');
  assert.equal(index.count(), 0);
});

/** A git repository with the action, the workflows and these files; goes when the test ends. */
function makeRepository(t: TestContext, files: Record<string, string>): string {
  const directory = mkdtempSync(join(temporary, 'repository-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const part of ['action.yml', 'dist', here]) {
    cpSync(join(root, part), join(directory, part), { recursive: true });
  }
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(join(directory, file), content);
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'pipe' });
  git('init', '--quiet', '--initial-branch=main');
  // act takes GITHUB_REPOSITORY from the address, GITHUB_SHA and GITHUB_REF from the commit.
  git('remote', 'add', 'origin', 'https://github.com/octo-org/example.git');
  git('add', '.');
  const author = ['-c', 'user.name=Octo', '-c', 'user.email=octo@example.com'];
  git(...author, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=First');
  return directory;
}

/** Runs a workflow that has to succeed. */
async function pass(repository: string, workflow: string, expected: Expectation): Promise<void> {
  const { exitCode, log } = await run(repository, workflow, expected);
  assert.equal(exitCode, 0, `${workflow}, where a ${expected} was expected:\n${log}`);
}

/** Runs a workflow in the repository as it is now, with a Python that has no packages yet. */
async function run(
  repository: string,
  workflow: string,
  expected: Expectation,
): Promise<{ exitCode: number | null; log: string }> {
  const place = mkdtempSync(join(temporary, 'run-'));
  const home = join(place, 'home');
  mkdirSync(home);
  const python = freshPython(join(place, 'python'));
  const variables = { EXPECTED_HIT: expected, INDEX_URL: index.url, PYTHON: python };
  const options = (name: string, values: Record<string, string>): string[] =>
    Object.entries(values).map(([key, value]) => `--${name}=${key}=${value}`);
  const child = spawn(
    act,
    [
      'push',
      ...['--workflows', join(here, workflow)],
      ...['--platform', 'ubuntu-latest=-self-hosted'],
      // It would offer its own cache, of the service's first version, instead of ours.
      '--no-cache-server',
      ...['--action-cache-path', join(place, 'act')],
      ...options('var', variables),
      ...options('env', service.env()),
    ],
    {
      cwd: repository,
      // Without containers act hands its own environment on to the jobs, and takes the first node
      // on PATH for actions, whichever they ask for.
      env: {
        PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
        HOME: home,
        LANG: 'C.UTF-8',
        PIP_CONFIG_FILE: devNull,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const deadline = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  clearTimeout(deadline);
  rmSync(place, { recursive: true, force: true, maxRetries: 3 });
  return { exitCode, log };
}

/** Names of the wheels in a cache entry's archive, in order. */
async function savedWheels(key: string): Promise<string[]> {
  const archive = await service.readArchive(key);
  const isGzip = archive.readUInt16BE() === 0x1f8b;
  const input = isGzip ? gunzipSync(archive) : zstdDecompressSync(archive);
  return execFileSync('tar', ['-tf', '-'], { input, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path.endsWith('.whl'))
    .map((path) => path.slice(path.lastIndexOf('/') + 1))
    .sort();
}

function filenames(distributions: readonly Distribution[]): string[] {
  return distributions.map(({ filename }) => filename).sort();
}

function pinned(distributions: readonly Distribution[]): string {
  return distributions.map(({ project, version }) => `${project}==${version}\n`).join('');
}

function hashed(distributions: readonly Distribution[]): string {
  return distributions
    .map(({ project, version, sha256 }) => `${project}==${version} --hash=sha256:${sha256}\n`)
    .join('');
}
