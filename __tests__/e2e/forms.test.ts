/** Every form of requirement, cold and warm: what is installed, and that warm asks no index. */
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

/** Makes or changes a project outside the workspace and commits it to a repository of its own. */
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
    what: 'the input constraints',
    files: { ...text('one\n'), 'limits.txt': 'one<2\n' },
    with: { constraints: 'limits.txt' },
    installs: ['one==1.0'],
  },
  {
    what: 'PIP_CONSTRAINT of the environment',
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
    what: '${VARIABLES}',
    files: text('one==${ONE_VERSION}\n'),
    env: { ONE_VERSION: '1.0' },
    installs: ['one==1.0'],
  },
  { what: '--pre', files: text('--pre\none\n'), installs: ['one==3.0rc1'] },
  {
    what: '--only-binary, which hides an sdist',
    files: text('--only-binary source\nsource\n'),
    installs: ['source==0.9'],
  },
  {
    what: '--no-binary, which builds what has a wheel',
    files: text('--no-binary both\nboth\n'),
    installs: ['both==1.0'],
  },
  {
    what: 'an sdist whose build needs a package of the index',
    files: text('source==1.0\n'),
    installs: ['source==1.0'],
  },
  {
    what: '--index-url in the file',
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
    what: '-e . with extras, its dependencies from the wheelhouse',
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
    what: './local',
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
    what: 'git+file: with the dependencies of its branch',
    files: text(`fromgit @ git+file://${repository}\nthree\n`),
    installs: ['fromgit==0.5', 'one==1.0', 'three==1.0'],
  },
  {
    what: '-e git+file:',
    files: text(`-e git+file://${repository}#egg=fromgit\n`),
    installs: ['fromgit==0.5', 'one==1.0'],
  },
  {
    what: 'a local project whose back end asks for more when it is built',
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
    what: 'local projects that depend on each other by path, the last one also by an extra',
    files: text('./app[more]\n'),
    before: (job) => {
      // A checkout has the same path in each job of a workflow; here it has not.
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
    what: 'a direct URL with a hash, which is kept',
    files: text(`one @ \${FILES}/one-1.0-py3-none-any.whl#sha256=${one.sha256}\ntwo\n`),
    before: (job) => {
      job.env['FILES'] = new URL('/files', index.url).href;
    },
    installs: ['one==1.0', 'two==1.0'],
  },
  {
    what: 'dependency groups, included groups among them',
    files: {
      'pyproject.toml':
        '[dependency-groups]\ntest = ["three", {include-group = "Base"}]\nbase = ["one==1.0"]\n',
    },
    with: { groups: 'test' },
    installs: ['one==1.0', 'three==1.0'],
  },
  {
    what: 'several files by a glob, with inline packages',
    files: { 'reqs/a.txt': 'one==1.0\n', 'reqs/b.txt': 'two\n', 'reqs/c.in': 'nothing-here\n' },
    with: { requirements: 'reqs/*.txt', packages: 'three\n# not this\nodd-name-pkg>=1' },
    installs: ['Odd_Name.pkg==1.0', 'one==1.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'working-directory of a monorepo',
    files: { 'services/api/requirements.txt': '-r ../../common.txt\n', 'common.txt': 'three\n' },
    with: { 'working-directory': 'services/api' },
    installs: ['three==1.0'],
  },
  { what: 'an empty file', files: text('# nothing yet\n'), installs: [] },
];

for (const { what, installs, ...options } of cases) {
  test(what, async () => {
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

test('an edit of pyproject.toml that changes no dependency is no miss; another one is', async () => {
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

test('a branch with new dependencies is noticed on an exact hit', async () => {
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

test('a project that depends on a URL is installed with what the URL gives now', async () => {
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

test('a variable in the metadata of a project means nothing', async () => {
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

test('a cold run builds a local project in one environment', async () => {
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

test('an exact hit that needs the index for a build says so, and the next one does not', async () => {
  const project = (asks: string[]): RunOptions => ({
    files: text('./local\n'),
    before: (job) => {
      // What the hooks of a back end ask for is not in the key.
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

test('a build gets neither the files of the runner nor its tokens', async () => {
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

test('a pip.py of the checkout is not run in the place of pip', async () => {
  const { main, installed } = await run({
    files: { ...text('one==1.0\n'), 'pip.py': 'raise SystemExit("hijacked")\n' },
  });
  assert.equal(main.conclusion, 'success', main.log);
  assert.deepEqual(installed, ['one==1.0']);
});

test('a branch with new dependencies is not an exact hit while the index is down', async () => {
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
