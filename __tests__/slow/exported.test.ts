/** With `export: true` other tools of the job use the wheelhouse: real tox, nox, pip and uv. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { ensurePrograms, programOf } from '../../scripts/more-tools.mjs';
import { root, uvCommand } from '../../scripts/tools.mjs';
import { startIndex } from '../support/index-server.ts';
import { distributionsIn, linkedPython } from '../support/jobs.ts';
import { sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import { sitePackages } from '../support/python.ts';
import { createJob, type Job } from '../support/runner.ts';

const skip = ensurePrograms() ?? false;

const show = (name: string) => `python -c "import ${name}; print('${name}', ${name}.__version__)"`;
const files = {
  // tox packages the project in an environment of its own: what that needs has to be listed.
  'requirements.txt': 'alpha==1.0\nbuilt-here==1.0\ntinybuild\n-e .\n',
  'pyproject.toml': [
    '[build-system]',
    'requires = ["tinybuild"]',
    'build-backend = "tinybuild"',
    '[project]',
    'name = "local"',
    'version = "3.0"',
    'dependencies = ["beta"]',
    '',
  ].join('\n'),
  'src/local/__init__.py': '__version__ = "3.0"\n',
  'tox.ini': [
    '[testenv]',
    'description = the project itself, packaged by tox',
    'package = wheel',
    'deps = built-here==1.0',
    `commands = ${show('local')}`,
    `    ${show('beta')}`,
    `    ${show('built_here')}`,
    '',
  ].join('\n'),
  'noxfile.py': [
    'import nox',
    '@nox.session',
    'def tests(session):',
    "    session.install('alpha==1.0', 'built-here')",
    "    session.run('python', '-c', 'import alpha, beta, built_here; print(\"nox\", alpha.__version__)')",
    '',
  ].join('\n'),
};

describe('later steps, with the index switched off', { skip }, () => {
  let job: Job;
  let stop: () => Promise<void>;

  before(async () => {
    const index = await startIndex({
      urls: 'redirect',
      distributions: [
        wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1'] }),
        wheel({ name: 'beta', version: '1.0' }),
        sdist({ name: 'built-here', version: '1.0' }),
        tinybuildWheel(),
      ],
    });
    stop = () => index.close();
    job = createJob({
      files,
      env: {
        PIP_INDEX_URL: index.url,
        PIP_RETRIES: '0',
        UV_DEFAULT_INDEX: index.url,
        UV_HTTP_RETRIES: '0',
      },
    });
    const python = await linkedPython(join(job.root, 'environment'));
    const main = await job.step({ action: root, with: { python, export: true } });
    assert.equal(main.conclusion, 'success', main.log);
    assert.equal(main.env['PIP_FIND_LINKS'], main.outputs['wheelhouse']);
    assert.equal(main.env['UV_FIND_LINKS'], main.outputs['wheelhouse']);
    await index.fail('refuse');
  });
  after(async () => {
    job?.cleanup();
    await stop?.();
  });

  test('pip in a later step installs from the exported wheelhouse', async () => {
    const python = await linkedPython(join(job.root, 'pip'));
    const install = ['-m', 'pip', 'install', 'alpha', 'built-here'];
    const without = await job.run(python, install, { env: { PIP_FIND_LINKS: '' } });
    assert.equal(without.conclusion, 'failure', 'it is the wheelhouse that it comes from');
    const result = await job.run(python, install);
    assert.equal(result.conclusion, 'success', result.log);
    const found = distributionsIn(sitePackages(join(job.root, 'pip')));
    assert.deepEqual(found, ['alpha==1.0', 'beta==1.0', 'built_here==1.0']);
  });

  test('tox in a later step installs from the exported wheelhouse', async () => {
    const result = await job.run(programOf('tox'), ['run', '-e', 'py']);
    assert.equal(result.conclusion, 'success', result.log);
    for (const line of ['local 3.0', 'beta 1.0', 'built_here 1.0']) {
      assert.match(result.log, new RegExp(`^${line.replace('.', '\\.')}$`, 'm'));
    }
  });

  test('nox in a later step installs from the exported wheelhouse', async () => {
    const result = await job.run(programOf('nox'), ['--session', 'tests']);
    assert.equal(result.conclusion, 'success', result.log);
    assert.match(result.log, /^nox 1\.0$/m);
  });

  test('uv with no index in a later step installs from the exported wheelhouse', async () => {
    const python = await linkedPython(join(job.root, 'uv'));
    const install = ['pip', 'install', '--python', python, 'alpha', 'built-here'];
    const cache = { UV_CACHE_DIR: join(job.root, 'uv-cache') };
    const asking = await job.run(uvCommand(), install, { env: cache });
    assert.equal(asking.conclusion, 'failure', 'unlike pip it gives up where an index is down');
    assert.match(asking.log, /Failed to fetch: .*127\.0\.0\.1/);
    const env = { ...cache, UV_OFFLINE: '1' };
    const without = await job.run(uvCommand(), install, { env: { ...env, UV_FIND_LINKS: '' } });
    assert.equal(without.conclusion, 'failure', 'it is the wheelhouse that it comes from');
    const result = await job.run(uvCommand(), install, { env });
    assert.equal(result.conclusion, 'success', result.log);
    const found = distributionsIn(sitePackages(dirname(dirname(python))));
    assert.deepEqual(found, ['alpha==1.0', 'beta==1.0', 'built_here==1.0']);
  });
});
