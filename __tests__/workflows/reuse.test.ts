/** Runs the reusable workflow and the examples, which other repositories use, with act. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, type TestContext, test } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import { type ActRun, makeRepository, runWorkflow } from '../support/act.ts';
import { type CacheService, startCacheService } from '../support/cache-service.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { wheel } from '../support/packages.ts';

const here = '__tests__/workflows';
const token = 'token-1b7e0f';
const wheels = ['alpha', 'beta', 'gamma'].map((name) => wheel({ name, version: '1.0' }));
const filenames = wheels.map(({ filename }) => filename);
const pinned = wheels.map(({ project, version }) => `${project}==${version}\n`).join('');

let service: CacheService;
let index: IndexServer;

before(async () => {
  service = await startCacheService({ azureHost: true });
  index = await startIndex({ urls: 'redirect', distributions: wheels });
});
beforeEach(async () => {
  await service.reset();
  index.mode.auth = { username: 'token', password: token };
});
after(async () => {
  await index?.close();
  await service?.close();
});

/** Runs a workflow twice, and checks that the second run sends no request to the index. */
async function twice(run: Omit<ActRun, 'env'>): Promise<void> {
  for (const expected of ['miss', 'exact']) {
    index.reset();
    const { exitCode, log } = await runWorkflow({
      ...run,
      vars: { EXPECTED_HIT: expected, INDEX_URL: index.url },
      secrets: { INDEX_TOKEN: token },
      env: service.env(),
    });
    assert.equal(exitCode, 0, `where a ${expected} was expected:\n${log}`);
    const artifacts = index.artifacts().toSorted();
    assert.deepEqual(artifacts, expected === 'miss' ? filenames : []);
    if (expected === 'exact') assert.equal(index.count(), 0);
    assert.equal(service.entries().length, 1);
  }
}

/** Creates a directory that is removed when the test ends. */
function directory(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'wheelhouse-reuse-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('the reusable workflow installs, runs its command, and hits without the index', async (t) => {
  const repository = makeRepository(t, [here], { 'service/requirements.txt': pinned });
  await twice({
    repository,
    workflow: join(here, 'reusable.yml'),
    actions: { '-OWNER-/wheelhouse@v1': product(t) },
  });
});

test('the example of a composite action for an organisation works, and hits without the index', async (t) => {
  const repository = makeRepository(t, [here], { 'requirements.txt': pinned });
  const organisation = directory(t);
  const example = readFileSync(join(root, 'examples', 'composite', 'action.yml'), 'utf8');
  const adapted = example.replace('https://index.example/simple/', index.url);
  assert.notEqual(adapted, example);
  writeFileSync(join(organisation, 'action.yml'), adapted);
  const actions = {
    [`your-org/setup@${'1'.repeat(40)}`]: organisation,
    '-OWNER-/wheelhouse@v1': product(t),
  };
  await twice({ repository, workflow: join(here, 'organisation.yml'), actions });
});

test('the example of a seed job fills the cache once for a matrix', async (t) => {
  index.mode.auth = undefined;
  const marks = directory(t);
  const suite = [
    'import os, pathlib, unittest',
    'import alpha, beta, gamma',
    'class Test(unittest.TestCase):',
    '    def test(self):',
    `        pathlib.Path(${JSON.stringify(marks)}, os.environ['PART']).write_text(alpha.__version__)`,
  ].join('\n');
  const parts = ['api', 'cli', 'unit'];
  const workflow = '.github/workflows/tests.yml';
  const repository = makeRepository(t, [], {
    [workflow]: readFileSync(join(root, 'examples', 'seed-matrix.yml'), 'utf8'),
    'requirements.txt': pinned,
    ...Object.fromEntries(parts.map((part) => [`tests/${part}/test_${part}.py`, suite])),
  });
  for (const order of ['first', 'second']) {
    index.reset();
    const { exitCode, log } = await runWorkflow({
      repository,
      workflow,
      env: { ...service.env(), PIP_INDEX_URL: index.url },
      actions: { '-OWNER-/wheelhouse@v1': product(t) },
    });
    assert.equal(exitCode, 0, log);
    assert.deepEqual(readdirSync(marks).sort(), parts, 'each job of the matrix ran its tests');
    for (const part of parts) rmSync(join(marks, part));
    if (order === 'second') assert.equal(index.count(), 0);
    // Only once, although three jobs install them.
    else assert.deepEqual(index.artifacts().toSorted(), filenames);
    assert.equal(service.calls('create').length, 1, 'only the seed saves');
  }
});

/** The action and the workflow in the form that users get. */
function product(t: TestContext): string {
  const made = directory(t);
  for (const part of ['action.yml', 'dist', '.github']) {
    cpSync(join(root, part), join(made, part), { recursive: true });
  }
  return made;
}
