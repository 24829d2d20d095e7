/** Every form of requirement installs the same packages cold and warm, and warm needs no index. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';

import { projectDirectory, sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import { type RunOptions, startScenario } from '../support/scenario.ts';

const one = wheel({ name: 'one', version: '1.0' });
const source = sdist({ name: 'source', version: '1.0', backend: 'tinybuild' });
const distributions = [
  one,
  wheel({ name: 'one', version: '2.0' }),
  wheel({ name: 'one', version: '3.0rc1' }),
  wheel({ name: 'two', version: '1.0', requires: ['one'], extras: { more: ['three'] } }),
  wheel({ name: 'three', version: '1.0' }),
  wheel({ name: 'Odd_Name.pkg', version: '1.0' }),
  source,
  wheel({ name: 'source', version: '0.9' }),
  wheel({ name: 'both', version: '1.0' }),
  sdist({ name: 'both', version: '1.0' }),
  tinybuildWheel(),
];
const { index, cache, run } = await startScenario({ distributions });
beforeEach(() => cache.reset());

interface Case extends RunOptions {
  readonly what: string;
  /** Expected on both runs. */
  readonly installs: readonly string[];
}

const text = (content: string): Record<string, string> => ({ 'requirements.txt': content });

const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
after(() => rmSync(elsewhere, { recursive: true }));

/** Creates or changes a project outside the workspace and commits it to its own repository. */
function gitProject(name: string, requires: string[]): string {
  const directory = projectDirectory(join(elsewhere, name), { name, version: '0.5', requires });
  const commit = 'git -c user.name=t -c user.email=t@example.com commit -qm next';
  execFileSync('sh', ['-c', `git init -q && git add -A && ${commit}`], { cwd: directory });
  return directory;
}

const repository = gitProject('fromgit', ['one==1.0']);

const cases: Case[] = [
  {
    what: 'nested -r and -c, relative to their own files',
    files: {
      'requirements.txt': '-r deps/base.txt\n',
      'deps/base.txt': '-c limits.txt\n-r more/leaf.txt\n',
      'deps/limits.txt': 'one==1.0\n',
      'deps/more/leaf.txt': 'two\n',
    },
    installs: ['one==1.0', 'two==1.0'],
  },
  {
    what: 'a file of the input constraints',
    files: { ...text('one\n'), 'limits.txt': 'one<2\n' },
    with: { constraints: 'limits.txt' },
    installs: ['one==1.0'],
  },
  {
    what: 'PIP_CONSTRAINT in the environment',
    files: { ...text('one\n'), 'limits.txt': 'one<2\n' },
    env: { PIP_CONSTRAINT: 'limits.txt' },
    installs: ['one==1.0'],
  },
  {
    what: 'markers that apply and markers that do not',
    files: text('one==1.0 ; python_version >= "3"\nthree ; python_version < "3"\n'),
    installs: ['one==1.0'],
  },
  {
    what: 'extras, in any spelling',
    files: text('Two[ more ]\nOdd-name_PKG\n'),
    installs: ['Odd_Name.pkg==1.0', 'one==2.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'comments, blank lines and continuations',
    files: text('# first\n\none \\\n  ==1.0  # why\n   # indented\nthree\n'),
    installs: ['one==1.0', 'three==1.0'],
  },
  {
    what: 'a byte-order mark and CRLF',
    files: text('\uFEFFone==1.0\r\nthree\r\n'),
    installs: ['one==1.0', 'three==1.0'],
  },
  {
    what: 'UTF-16 with a byte-order mark, as pip reads it',
    files: { 'requirements.txt': Buffer.from('\uFEFFone==1.0\r\n', 'utf16le') },
    installs: ['one==1.0'],
  },
  {
    what: '${VARIABLES} in a requirement file',
    files: text('one==${ONE_VERSION}\n'),
    env: { ONE_VERSION: '1.0' },
    installs: ['one==1.0'],
  },
  { what: '--pre in a requirement file', files: text('--pre\none\n'), installs: ['one==3.0rc1'] },
  {
    what: '--only-binary, which excludes an sdist',
    files: text('--only-binary source\nsource\n'),
    installs: ['source==0.9'],
  },
  {
    what: '--no-binary, which builds a package that has a wheel',
    files: text('--no-binary both\nboth\n'),
    installs: ['both==1.0'],
  },
  {
    what: 'an sdist whose build needs a package from the index',
    files: text('source==1.0\n'),
    installs: ['source==1.0'],
  },
  {
    what: '--index-url in a requirement file',
    files: text(''),
    before: (job) => {
      writeFileSync(
        join(job.workspace, 'requirements.txt'),
        `--index-url ${index.url}\none==1.0\n`,
      );
    },
    env: { PIP_INDEX_URL: 'http://127.0.0.1:9/simple/' },
    installs: ['one==1.0'],
  },
  {
    what: '-e . with extras',
    files: text('-e .[more]\n'),
    before: (job) => {
      projectDirectory(job.workspace, {
        name: 'local',
        version: '0.1',
        requires: ['one==1.0'],
        extras: { more: ['three'] },
        backend: 'tinybuild',
      });
    },
    installs: ['local==0.1', 'one==1.0', 'three==1.0'],
  },
  {
    what: 'a project at ./local',
    files: text('./local\nthree\n'),
    before: (job) => {
      projectDirectory(join(job.workspace, 'local'), {
        name: 'local',
        version: '0.1',
        requires: ['one<2'],
      });
    },
    installs: ['local==0.1', 'one==1.0', 'three==1.0'],
  },
  {
    what: 'a wheel file in the checkout',
    files: {
      ...text('./wheels/one-1.0-py3-none-any.whl\ntwo\n'),
      [`wheels/${one.filename}`]: one.content,
    },
    installs: ['one==1.0', 'two==1.0'],
  },
  {
    what: 'a git+file: URL',
    files: text(`fromgit @ git+file://${repository}\nthree\n`),
    installs: ['fromgit==0.5', 'one==1.0', 'three==1.0'],
  },
  {
    what: '-e with a git+file: URL',
    files: text(`-e git+file://${repository}#egg=fromgit\n`),
    installs: ['fromgit==0.5', 'one==1.0'],
  },
  {
    what: 'a local project whose build backend requests another package during the build',
    files: text('-e ./local\n'),
    before: (job) => {
      projectDirectory(join(job.workspace, 'local'), {
        ...{ name: 'local', version: '0.1', requires: ['one==1.0'], backend: 'tinybuild' },
        dynamicBuildRequires: ['three'],
      });
    },
    installs: ['local==0.1', 'one==1.0'],
  },
  {
    what: 'an sdist in the checkout',
    files: { ...text('./vendor/source-1.0.tar.gz\n'), 'vendor/source-1.0.tar.gz': source.content },
    installs: ['source==1.0'],
  },
  {
    what: 'local projects that depend on each other by path and by an extra',
    files: text('./app[more]\n'),
    before: (job) => {
      // The checkout has the same path in every job of a workflow, but not in these tests.
      const lib = `file://${elsewhere}/lib`;
      projectDirectory(join(job.workspace, 'app'), {
        ...{ name: 'app', version: '0.1', requires: ['two', `lib @ ${lib}`] },
        extras: { more: [`deep @ file://${elsewhere}/deep`], never: [`x @ file:///none`] },
      });
      projectDirectory(join(elsewhere, 'lib'), {
        ...{ name: 'lib', version: '0.2', requires: ['one==1.0'], backend: 'tinybuild' },
      });
      projectDirectory(join(elsewhere, 'deep'), {
        ...{ name: 'deep', version: '0.3', requires: [`lib @ ${lib}`] },
      });
    },
    installs: ['app==0.1', 'deep==0.3', 'lib==0.2', 'one==1.0', 'two==1.0'],
  },
  {
    what: 'a local project that another one depends on by path, also named by the request',
    files: text(`./app\nlib @ file://${elsewhere}/both/lib\n`),
    before: (job) => {
      const lib = join(elsewhere, 'both', 'lib');
      const requires = [`lib @ file://${lib}`];
      projectDirectory(join(job.workspace, 'app'), { name: 'app', version: '0.1', requires });
      projectDirectory(lib, { name: 'lib', version: '0.2', requires: ['one==1.0'] });
    },
    installs: ['app==0.1', 'lib==0.2', 'one==1.0'],
  },
  {
    what: 'a URL of a wheel with a hash',
    files: text(`one @ \${FILES}/one-1.0-py3-none-any.whl#sha256=${one.sha256}\ntwo\n`),
    before: (job) => {
      job.env['FILES'] = new URL('/files', index.url).href;
    },
    installs: ['one==1.0', 'two==1.0'],
  },
  {
    what: 'dependency groups that include other groups',
    files: {
      'pyproject.toml':
        '[dependency-groups]\ntest = ["three", {include-group = "Base"}]\nbase = ["one==1.0"]\n',
    },
    with: { groups: 'test' },
    installs: ['one==1.0', 'three==1.0'],
  },
  {
    what: 'several files by a glob, with the input packages',
    files: { 'reqs/a.txt': 'one==1.0\n', 'reqs/b.txt': 'two\n', 'reqs/c.in': 'nothing-here\n' },
    with: { requirements: 'reqs/*.txt', packages: 'three\n# not this\nodd-name-pkg>=1' },
    installs: ['Odd_Name.pkg==1.0', 'one==1.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'the input working-directory in a monorepo',
    files: { 'services/api/requirements.txt': '-r ../../common.txt\n', 'common.txt': 'three\n' },
    with: { 'working-directory': 'services/api' },
    installs: ['three==1.0'],
  },
  { what: 'an empty requirement file', files: text('# nothing yet\n'), installs: [] },
];

for (const { what, installs, ...options } of cases) {
  test(`${what}: warm installs the same as cold, without an index`, async () => {
    const cold = await run(options);
    assert.equal(cold.main.conclusion, 'success', cold.main.log);
    assert.deepEqual(cold.installed, installs, cold.main.log);
    assert.deepEqual(cold.main.annotations, []);
    const warm = await run(options);
    assert.deepEqual(warm.installed, installs, warm.main.log);
    assert.equal(warm.main.outputs['cache-hit'], 'true', warm.main.log);
    assert.equal(warm.requests, 0, warm.main.log);
    assert.equal(warm.lock, cold.lock);
  });
}

test('only an edit of pyproject.toml that changes a dependency is a cache miss', async () => {
  const options = (requires: string[], description: string): RunOptions => ({
    files: text('-e .\n'),
    before: (job) => {
      projectDirectory(job.workspace, { name: 'local', version: '0.1', requires });
      const file = join(job.workspace, 'pyproject.toml');
      writeFileSync(file, `${readFileSync(file, 'utf8')}\n[tool.other]\ntext = "${description}"\n`);
    },
  });
  const first = await run(options(['one==1.0'], 'a'));
  assert.deepEqual(first.installed, ['local==0.1', 'one==1.0'], first.main.log);
  const edited = await run(options(['one==1.0'], 'b'));
  assert.equal(edited.main.outputs['cache-hit'], 'true', edited.main.log);
  const changed = await run(options(['one==2.0'], 'b'));
  assert.equal(changed.main.outputs['cache-hit'], 'false');
  assert.deepEqual(changed.installed, ['local==0.1', 'one==2.0']);
});

test('new dependencies of a branch turn an exact hit into a partial hit', async () => {
  const project = (requires: string[]): RunOptions => ({
    files: text(`moving @ git+file://${gitProject('moving', requires)}\n`),
  });
  const first = await run(project(['one==1.0']));
  assert.deepEqual(first.installed, ['moving==0.5', 'one==1.0'], first.main.log);
  const moved = await run(project(['one==1.0', 'three']));
  assert.deepEqual(moved.installed, ['moving==0.5', 'one==1.0', 'three==1.0'], moved.main.log);
  assert.match(moved.main.log, /Partial hit \(.*\): the dependencies of moving have changed\./);
  assert.equal(moved.main.outputs['cache-hit'], 'false');
});

test('a project that depends on a URL installs, cold and warm', async () => {
  const options: RunOptions = {
    files: text('./app\n'),
    before: (job) => {
      const url = new URL('/files/one-1.0-py3-none-any.whl', index.url).href;
      projectDirectory(join(job.workspace, 'app'), {
        ...{ name: 'app', version: '0.1', requires: ['two', `one @ ${url}`] },
      });
    },
  };
  for (const hit of ['false', 'true']) {
    const { main, installed } = await run(options);
    assert.equal(main.conclusion, 'success', main.log);
    assert.deepEqual(installed, ['app==0.1', 'one==1.0', 'two==1.0'], main.log);
    assert.equal(main.outputs['cache-hit'], hit, main.log);
  }
});

test('a ${VARIABLE} in the metadata of a project is not expanded', async () => {
  const { main } = await run({
    files: text('./app\n'),
    env: { CANARY: 'c4nary' },
    before: (job) => {
      const url = `${new URL('/files/', index.url).href}\${CANARY}/\${PIP_INDEX_URL}/one-1.0-py3-none-any.whl`;
      projectDirectory(join(job.workspace, 'app'), {
        ...{ name: 'app', version: '0.1', requires: [`one @ ${url}`] },
      });
    },
  });
  assert.equal(main.conclusion, 'failure', main.log);
  assert.ok(!index.log.some((entry) => entry.path.includes('c4nary')), JSON.stringify(index.log));
});

test('a cold run sets up the build environment of a local project once', async () => {
  const { main } = await run({
    files: text('-e .\n'),
    before: (job) => {
      projectDirectory(job.workspace, { name: 'local', version: '0.1', backend: 'tinybuild' });
    },
  });
  const builds = main.log.match(
    /Installing build dependencies: started|Installing build dependencies \.\.\. done/g,
  );
  assert.equal(builds?.length, 1, main.log);
});

test('a hit whose build needs another package uses the index, and the next run is an exact hit', async () => {
  const project = (asks: string[]): RunOptions => ({
    files: text('./local\n'),
    before: (job) => {
      // The key does not cover the packages that the hooks of a build backend request.
      const directory = projectDirectory(join(job.workspace, 'local'), {
        ...{ name: 'local', version: '0.1', backend: 'tinybuild', buildRequires: ['tinybuild'] },
        dynamicBuildRequires: asks,
      });
      assert.ok(directory);
    },
  });
  await run(project([]));
  const changed = await run(project(['three']));
  assert.equal(changed.main.conclusion, 'success', changed.main.log);
  assert.equal(changed.main.outputs['cache-hit'], 'false', changed.main.log);
  assert.notEqual(changed.main.outputs['index-used'], '');
  const after = await run(project(['three']));
  assert.equal(after.main.outputs['cache-hit'], 'true', after.main.log);
  assert.equal(after.requests, 0, after.main.log);
});

test('a build sees neither the tokens nor the command files of the runner', async () => {
  const seen = join(elsewhere, 'seen.json');
  const { main } = await run({
    files: text('./local\n'),
    before: (job) => {
      const directory = projectDirectory(join(job.workspace, 'local'), {
        ...{ name: 'local', version: '0.1' },
      });
      const backend = join(directory, 'intree_backend.py');
      const spy = `import json, os\njson.dump(dict(os.environ), open(${JSON.stringify(seen)}, 'w'))\n`;
      writeFileSync(backend, `${spy}${readFileSync(backend, 'utf8')}`);
      job.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'] = 'identity';
      job.env['ACTIONS_ID_TOKEN_REQUEST_URL'] = 'http://127.0.0.1:9/';
    },
  });
  assert.equal(main.conclusion, 'success', main.log);
  const names = Object.keys(JSON.parse(readFileSync(seen, 'utf8')) as Record<string, string>);
  const private_ =
    /^(INPUT_|STATE_|ACTIONS_(RUNTIME|RESULTS|CACHE|ID_TOKEN)|GITHUB_(STATE|OUTPUT|ENV|PATH|STEP_SUMMARY)$)/;
  assert.deepEqual(
    names.filter((name) => private_.test(name)),
    [],
  );
  assert.ok(names.includes('GITHUB_WORKSPACE'));
});

test('a pip.py in the checkout is not run instead of pip', async () => {
  const { main, installed } = await run({
    files: { ...text('one==1.0\n'), 'pip.py': 'raise SystemExit("hijacked")\n' },
  });
  assert.equal(main.conclusion, 'success', main.log);
  assert.deepEqual(installed, ['one==1.0']);
});

test('new dependencies of a branch are not an exact hit while the index is down', async () => {
  const project = (requires: string[]): RunOptions => ({
    files: text(`two==1.0\ndrifting @ git+file://${gitProject('drifting', requires)}\n`),
  });
  await run(project(['one==1.0']));
  await index.fail('refuse');
  const moved = await run(project(['one==1.0', 'three'])).finally(() => index.fail(undefined));
  assert.equal(moved.main.conclusion, 'success', moved.main.log);
  assert.match(moved.main.log, /Installing the last good set of these requirements/);
  assert.equal(moved.main.outputs['cache-hit'], 'false', moved.main.log);
});
