/** Projects that declare their dependencies themselves install without a requirement file. */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';

import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';

import { type ProjectDescription, projectDirectory, wheel } from '../support/packages.ts';
import { evaluate } from '../support/python.ts';
import { annotations, type RunOptions, startScenario } from '../support/scenario.ts';

const { cache, run } = await startScenario({
  distributions: [
    wheel({ name: 'one', version: '1.0' }),
    wheel({ name: 'one', version: '2.0' }),
    wheel({ name: 'two', version: '1.0', requires: ['one'] }),
    wheel({ name: 'three', version: '1.0' }),
    wheel({ name: 'plugin', version: '1.0', requires: ['host'] }),
    wheel({ name: 'host', version: '9.0' }),
  ],
});
beforeEach(() => cache.reset());

const app: ProjectDescription = {
  ...{ name: 'app', version: '0.1', requires: ['one==1.0'] },
  extras: { test: ['two'], docs: ['three'], all: ['app[docs,test]'] },
};

/** Writes a project into the workspace before the job. */
function checkout(
  description: ProjectDescription = app,
  directory = '.',
): NonNullable<RunOptions['before']> {
  return (job) => void projectDirectory(join(job.workspace, directory), description);
}

interface Case extends RunOptions {
  readonly what: string;
  readonly installs: readonly string[];
  /** A line of the log. */
  readonly says?: RegExp;
}

const cases: Case[] = [
  {
    what: 'a project and no inputs',
    before: checkout(),
    installs: ['app==0.1', 'one==1.0'],
    says: /Found pyproject\.toml: installing this project, editable, with its dependencies\./,
  },
  {
    what: 'a requirement file beside the project and no inputs',
    before: checkout(),
    files: { 'requirements.txt': 'three\n', 'requirements-dev.txt': 'two\n' },
    installs: ['three==1.0'],
    says: /Found requirements\.txt: installing what it lists\. Also found: pyproject\.toml, requirements-dev\.txt\./,
  },
  {
    what: 'the input extras alone',
    before: checkout(),
    files: { 'requirements.txt': 'three\n' },
    with: { extras: 'test' },
    installs: ['app==0.1', 'one==1.0', 'two==1.0'],
  },
  {
    what: 'an extra that refers to the project itself',
    before: checkout(),
    with: { project: '.[all]' },
    installs: ['app==0.1', 'one==1.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'a project in the input packages, with other packages',
    before: checkout(),
    with: { packages: '.[test]\nthree' },
    installs: ['app==0.1', 'one==1.0', 'three==1.0', 'two==1.0'],
  },
  {
    what: 'several projects of a monorepo, with a group and a constraint',
    before: (job) => {
      checkout({ name: 'api', version: '1', requires: ['one'] }, 'services/api')(job, '');
      checkout({ name: 'worker', version: '2' }, 'services/my worker')(job, '');
    },
    files: {
      'pyproject.toml': '[dependency-groups]\ndev = ["three"]\n',
      'limits.txt': 'one<2\n',
    },
    with: {
      project: 'services/api\n./services/my worker',
      groups: 'dev',
      constraints: 'limits.txt',
    },
    installs: ['api==1', 'one==1.0', 'three==1.0', 'worker==2'],
  },
  {
    what: 'projects that depend on each other by path and by name',
    before: (job) => {
      const path = '{root}/../my%20lib';
      checkout({ name: 'api', version: '1', requires: [`lib @ ${path}`] }, 'apps/api')(job, '');
      checkout({ name: 'lib', version: '2', requires: ['one', 'base'] }, 'apps/my lib')(job, '');
      checkout({ name: 'base', version: '3', requires: ['three'] }, 'apps/base')(job, '');
      // As back ends with variables such as {root:uri} and ${PROJECT_ROOT} do.
      appendFileSync(
        join(job.workspace, 'apps', 'api', 'intree_backend.py'),
        `_plain = _metadata\ndef _metadata():\n    return _plain().replace(b'{root}', Path.cwd().as_uri().encode())\n`,
      );
    },
    with: { project: 'apps/api\napps/base' },
    installs: ['api==1', 'base==3', 'lib==2', 'one==2.0', 'three==1.0'],
  },
  {
    what: 'a project that its own dependency depends on',
    before: checkout({ name: 'host', version: '0.1', requires: ['plugin'] }),
    installs: ['host==0.1', 'plugin==1.0'],
  },
  {
    what: 'a project without dependencies',
    before: checkout({ name: 'alone', version: '1' }),
    installs: ['alone==1'],
  },
  {
    what: 'install-project: false',
    before: checkout(),
    with: { project: '.[docs]', 'install-project': 'false' },
    installs: ['one==1.0', 'three==1.0'],
  },
];

describe('without a requirement file, a second run is an exact hit without requests:', () => {
  for (const { what, installs, says = /^/, ...options } of cases) {
    test(what, async () => {
      const cold = await run(options);
      assert.equal(cold.main.conclusion, 'success', cold.main.log);
      assert.deepEqual(cold.installed, installs, cold.main.log);
      assert.match(cold.main.log, says);
      const warm = await run(options);
      assert.deepEqual(warm.installed, installs, warm.main.log);
      assert.equal(warm.main.outputs['cache-hit'], 'true', warm.main.log);
      assert.equal(warm.requests, 0, warm.main.log);
    });
  }
});

test('a project is editable unless the input editable is false', async () => {
  for (const editable of ['true', 'false']) {
    let place = '';
    let workspace = '';
    await run({
      before: (job, python) => {
        checkout()(job, python);
        workspace = job.workspace;
      },
      with: { editable },
      between: (_job, _main, python) => {
        place = evaluate(python, '__import__("app").__file__');
      },
    });
    assert.equal(place.startsWith(workspace), editable === 'true', place);
  }
});

test('a project for other Pythons is an error that names the file', async () => {
  const { main, installed } = await run({
    before: checkout({ ...app, requiresPython: '>=3.99' }, 'services/api'),
    with: { project: 'services/api' },
  });
  assert.equal(main.conclusion, 'failure', main.log);
  const [error] = main.annotations;
  assert.match(
    String(error?.message),
    /^services\/api\/pyproject\.toml requires Python >=3\.99, but \S+python is Python 3\.\d+\.\S+\. Use another Python: /,
  );
  assert.equal(error?.properties['file'], 'services/api/pyproject.toml');
  assert.deepEqual(installed, []);
});

test('an extra that the project does not have is a warning on a miss and on a hit', async () => {
  const options: RunOptions = { before: checkout(), with: { extras: 'tests, docs' } };
  for (const hit of ['false', 'true']) {
    const { main, installed } = await run(options);
    assert.equal(main.outputs['cache-hit'], hit, main.log);
    assert.deepEqual(installed, ['app==0.1', 'one==1.0', 'three==1.0'], main.log);
    assert.deepEqual(annotations(main, 'warning'), [
      'Nothing is installed for the extra "tests": app has only test, docs, all. Correct its name.',
    ]);
  }
});

describe('dependencies that no file in the cache key names', () => {
  /** A back end whose metadata depends on a file that it alone knows. */
  const reads = (needs: string): NonNullable<RunOptions['before']> => {
    return (job, python) => {
      checkout({ ...app, requires: [], extras: {} })(job, python);
      appendFileSync(
        join(job.workspace, 'intree_backend.py'),
        `_plain = _metadata\ndef _metadata():\n    return _plain() + Path('needs').read_bytes()\n`,
      );
      const lines = needs.split(' ').map((name) => `Requires-Dist: ${name}\n`);
      writeFileSync(join(job.workspace, 'needs'), lines.join(''));
    };
  };
  const steps: { needs: string; install?: boolean; hit: boolean; artifacts?: string[] }[] = [
    { needs: 'one', hit: false, artifacts: ['one-2.0-py3-none-any.whl'] },
    { needs: 'three', hit: false, artifacts: ['three-1.0-py3-none-any.whl'] },
    {
      ...{ needs: 'two three', install: false, hit: false },
      artifacts: ['three-1.0-py3-none-any.whl', 'two-1.0-py3-none-any.whl'],
    },
    { needs: 'three', hit: true },
    { needs: 'one', hit: true },
  ];

  test('are noticed every time, and each set of them has an entry of its own', async () => {
    const closures: Record<string, string[]> = {
      one: ['one==2.0'],
      two: ['one==2.0', 'two==1.0'],
      three: ['three==1.0'],
    };
    for (const { needs, install = true, hit, artifacts = [] } of steps) {
      const result = await run({ before: reads(needs), with: { install } });
      const { main, installed } = result;
      assert.equal(main.conclusion, 'success', main.log);
      assert.equal(main.outputs['cache-hit'], String(hit), `${needs}\n${main.log}`);
      assert.deepEqual(result.artifacts, artifacts, main.log);
      const names = needs.split(' ').flatMap((name) => closures[name] ?? []);
      const expected = install ? ['app==0.1', ...new Set(names)].sort() : [];
      assert.deepEqual(installed, expected, main.log);
      if (hit) assert.equal(result.requests, 0, main.log);
    }
  });
});
