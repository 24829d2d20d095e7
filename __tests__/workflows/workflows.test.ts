/**
 * Runs the workflows in this directory with act, on the committed dist. The workflows check outputs
 * and installed packages; this file checks the index, the cache and the exit code.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, type TestContext, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

import { makeRepository as repositoryWith, runWorkflow } from '../support/act.ts';
import { type CacheService, startCacheService } from '../support/cache-service.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { type Distribution, sdist, wheel } from '../support/packages.ts';

type Expectation = 'miss' | 'partial' | 'exact';

const here = join('__tests__', 'workflows');

const names = Array.from({ length: 15 }, (_, order) => `package-${order + 1}`);
const wheels = names.map((name) => wheel({ name, version: '1.0', size: 20_000 }));
const bumped = wheel({ name: 'package-7', version: '1.1', size: 20_000 });
const source = sdist({ name: 'only-source', version: '1.0' });

let service: CacheService;
let index: IndexServer;

before(async () => {
  // File URLs with changing signatures, as the indexes have that this action is made for.
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
});

test('a workflow has a miss, then an exact hit without the index, then a partial hit after a version bump', async (t) => {
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
  assert.deepEqual(await savedWheels(first.key), [
    'only_source-1.0-py3-none-any.whl',
    ...filenames(wheels),
  ]);
  // A change has only what its base lacks; the exact hit below shows that the two are complete.
  assert.deepEqual(await savedWheels(second.key), [bumped.filename]);

  index.reset();
  await pass(repository, 'round-trip.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 2);
});

test('the action works inside a composite action', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  await pass(repository, 'composite.yml', 'miss');
  index.reset();
  await pass(repository, 'composite.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 1);
});

test('two uses of the action in one job have separate wheelhouses and post steps', async (t) => {
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

test('parallel jobs of a matrix with separate suffixes each save and hit', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  await pass(repository, 'matrix.yml', 'miss');
  const keys = service.entries().map(({ key }) => key);
  assert.equal(new Set(keys).size, 2);
  index.reset();
  await pass(repository, 'matrix.yml', 'exact');
  assert.equal(index.count(), 0);
  assert.equal(service.entries().length, 2);
});

test('the wheelhouse is saved even if a later step of the workflow fails', async (t) => {
  const repository = makeRepository(t, { 'requirements.txt': pinned(wheels.slice(0, 3)) });
  const failed = await run(repository, 'failing-step.yml', 'miss');
  assert.equal(failed.exitCode, 1, failed.log);
  // This text comes from act, not from the job.
  assert.match(failed.log, /Failure - Main Run tests that fail the first time/);
  assert.equal(service.entries().length, 1);
  index.reset();
  await pass(repository, 'failing-step.yml', 'exact');
  assert.equal(index.count(), 0);
});

/** Creates a git repository with the action, the workflows and these files, until the test ends. */
function makeRepository(t: TestContext, files: Record<string, string>): string {
  return repositoryWith(t, ['action.yml', 'dist', here], files);
}

/** Runs a workflow and asserts that it succeeds. */
async function pass(repository: string, workflow: string, expected: Expectation): Promise<void> {
  const { exitCode, log } = await run(repository, workflow, expected);
  assert.equal(exitCode, 0, `${workflow}, where a ${expected} was expected:\n${log}`);
}

/** Runs a workflow in the current state of the repository, with a Python that has no packages. */
function run(
  repository: string,
  workflow: string,
  expected: Expectation,
): Promise<{ exitCode: number | null; log: string }> {
  return runWorkflow({
    repository,
    workflow: join(here, workflow),
    vars: { EXPECTED_HIT: expected, INDEX_URL: index.url },
    env: service.env(),
  });
}

/** Sorted names of the wheels in a cache entry. */
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
