/**
 * The same requirements on five hosts: the action, a composite action around it, the templates for
 * Azure Pipelines and GitLab CI, and a laptop. What the hosts themselves do is stood in for.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { devNull, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';

import { ensurePrograms, programOf } from '../../scripts/more-tools.mjs';
import { root } from '../../scripts/tools.mjs';
import {
  type AgentJob,
  type AgentResult,
  AzureCache,
  expandPipeline,
  runOnAgent,
} from '../support/azure-pipelines.ts';
import { startCacheService } from '../support/cache-service.ts';
import { createMachine } from '../support/command-line.ts';
import {
  GitlabCache,
  type RunnerResult,
  resolveConfiguration,
  runPipeline,
} from '../support/gitlab-ci.ts';
import { startIndex } from '../support/index-server.ts';
import { distributionsIn, linkedPython } from '../support/jobs.ts';
import { wheel } from '../support/packages.ts';
import { sitePackages } from '../support/python.ts';
import { createJob } from '../support/runner.ts';
import { type Mapping, parseYaml } from '../support/yaml.ts';

const missing = ensurePrograms();
const skip = missing ?? false;

const token = 'token-4f1d9c';
const distributions = [
  wheel({ name: 'alpha', version: '1.0', requires: ['beta'], extras: { more: ['Gamma.Rays'] } }),
  ...['1.0', '2.0', '3.0'].map((version) => wheel({ name: 'beta', version })),
  wheel({ name: 'Gamma.Rays', version: '1.5' }),
];
const index = await startIndex({
  urls: 'redirect',
  auth: { username: 'token', password: token },
  distributions,
});
const mirror = await startIndex({ distributions });
const cacheService = await startCacheService();
const place = realpathSync(mkdtempSync(join(tmpdir(), 'hosts-')));
after(async () => {
  await Promise.all([index.close(), mirror.close(), cacheService.close()]);
  rmSync(place, { recursive: true, force: true, maxRetries: 3 });
});
beforeEach(async () => {
  index.reset();
  mirror.reset();
  await mirror.fail(undefined);
});

const files = {
  'requirements.txt':
    '# What the service needs\nalpha[more] == 1.0\nbeta  # not pinned\n-c limits.txt\n',
  'limits.txt': 'beta<3\n',
};
const bumped = { ...files, 'requirements.txt': 'alpha[more]==1.0\nbeta<2\n', 'limits.txt': '' };
const everything = ['alpha==1.0', 'beta==2.0', 'gamma_rays==1.5'];

/** What one run of a host left. */
interface Run {
  readonly lock: string;
  readonly requests: number;
  readonly installed: readonly string[];
  readonly log: string;
}

/** A host runs the job twice, and keeps in between what it keeps. */
type Host = () => Promise<readonly [Run, Run]>;

async function twice(run: () => Promise<Omit<Run, 'requests'>>): Promise<[Run, Run]> {
  const results: Run[] = [];
  for (let order = 0; order < 2; order += 1) {
    index.reset();
    const result = await run();
    results.push({ ...result, requests: index.count() });
  }
  return results as [Run, Run];
}

/** A machine has the interpreter of a new environment first on its PATH. */
async function machineEnv(): Promise<{ env: Record<string, string>; python: string }> {
  const environment = mkdtempSync(join(place, 'python-'));
  rmSync(environment, { recursive: true });
  const python = await linkedPython(environment);
  const path = [dirname(python), dirname(process.execPath), process.env['PATH'] ?? ''];
  const env = { PATH: path.join(delimiter), PIP_CONFIG_FILE: devNull, PIP_RETRIES: '0' };
  return { env, python };
}

function inEnvironment(environment: string): string[] {
  return distributionsIn(sitePackages(environment));
}

/** @param venv the directory that the inputs name, if they do */
async function action(inputs: Record<string, string>, venv?: string): Promise<[Run, Run]> {
  return twice(async () => {
    const { env, python } = await machineEnv();
    const { PATH = '', ...others } = env;
    const job = createJob({
      files,
      env: { ...cacheService.env(), ...others },
      path: PATH.split(delimiter).slice(0, 1),
    });
    try {
      const main = await job.step({ action: root, with: inputs });
      assert.equal(main.conclusion, 'success', main.log);
      const lock = readFileSync(String(main.outputs['lock-file']), 'utf8');
      const [post] = await job.post();
      const environment = venv === undefined ? dirname(dirname(python)) : join(job.workspace, venv);
      return { lock, installed: inEnvironment(environment), log: `${main.log}${post?.log}` };
    } finally {
      job.cleanup();
    }
  });
}

const hosts: Record<string, Host> = {
  'the action': async () => {
    await cacheService.reset();
    const credentials = { 'index-url': index.url, 'index-username': 'token' };
    return action({ ...credentials, 'index-password': token });
  },

  'a composite action': async () => {
    await cacheService.reset();
    const text = readFileSync(join(root, 'examples', 'composite', 'action.yml'), 'utf8');
    const composite = parseYaml(text.replace('https://index.example/simple/', index.url));
    const { steps } = composite['runs'] as { steps: Mapping[] };
    const [step, ...more] = steps;
    assert.deepEqual(more, []);
    assert.equal(step?.['uses'], '-OWNER-/wheelhouse@v1');
    const declared = composite['inputs'] as Record<string, { default: string }>;
    const given: Record<string, string> = { token };
    const inputs = Object.entries(step?.['with'] as Mapping).map(([name, value]) => [
      name,
      String(value).replace(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_all, input: string) => {
        return given[input] ?? String(declared[input]?.default);
      }),
    ]);
    return action(Object.fromEntries(inputs), '.venv');
  },

  'Azure Pipelines': async () => {
    const cache = new AzureCache();
    const parameters = {
      indexUrl: index.url,
      indexUsername: 'token',
      indexPassword: '$(Packages)',
    };
    try {
      return await twice(() => onAzure({ cache, parameters }));
    } finally {
      cache.remove();
    }
  },

  'GitLab CI': async () => {
    const cache = new GitlabCache();
    try {
      return await twice(() => onGitlab({ cache }));
    } finally {
      cache.remove();
    }
  },

  'a laptop': async () => {
    const machine = createMachine(files);
    try {
      return await twice(async () => {
        const python = await machine.python();
        const { exitCode, stdout, stderr } = await machine.run(
          ['install', '--store', machine.store, '--python', python, '--wheelhouse', 'wheels'],
          { env: { PIP_INDEX_URL: index.url.replace('//', `//token:${token}@`) } },
        );
        assert.equal(exitCode, 0, stderr);
        const wheels = join(machine.directory, 'wheels');
        const lock = readFileSync(join(wheels, 'requirements.lock'), 'utf8');
        rmSync(wheels, { recursive: true });
        const installed = inEnvironment(dirname(dirname(python)));
        return { lock, installed, log: stdout + stderr };
      });
    } finally {
      machine.remove();
    }
  },
};

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** The repository that a pipeline checks out beside its own. */
function programRepository(): string {
  const repository = join(place, 'wheelhouse');
  if (!readdirSync(place).includes('wheelhouse')) {
    for (const part of ['dist', 'templates', 'package.json']) {
      cpSync(join(root, part), join(repository, part), { recursive: true });
    }
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: repository, stdio: 'pipe' });
    git('init', '--quiet', '--initial-branch=main');
    git('add', '.');
    const author = ['-c', 'user.name=Octo', '-c', 'user.email=octo@example.com'];
    git(...author, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=First');
    git('tag', 'v1');
  }
  return repository;
}

function projectRepository(content: Readonly<Record<string, string>>): string {
  const repository = mkdtempSync(join(place, 'project-'));
  for (const [file, text] of Object.entries(content)) {
    mkdirSync(dirname(join(repository, file)), { recursive: true });
    writeFileSync(join(repository, file), text);
  }
  return repository;
}

interface OnAzure extends Partial<AgentJob> {
  readonly cache: AzureCache;
  readonly parameters?: Mapping;
  readonly files?: Readonly<Record<string, string>>;
}

async function onAzure({
  parameters = {},
  files: content = files,
  ...job
}: OnAzure): Promise<Omit<Run, 'requests'> & AgentResult> {
  const repositories = { self: projectRepository(content), wheelhouse: programRepository() };
  const template = join(root, 'templates', 'azure-pipelines', 'wheelhouse.yml');
  const { steps } = expandPipeline(template, repositories, parameters);
  const { env, python } = await machineEnv();
  let lock = '';
  const result = await runOnAgent({
    repositories,
    steps: steps as Mapping[],
    secrets: { Packages: token, 'System.AccessToken': token },
    env,
    ...job,
    atEnd: (agent) => {
      lock = readIfThere(join(agent.workspace, 'wheelhouse', 'requirements.lock'));
      job.atEnd?.(agent);
    },
  });
  return { ...result, lock, installed: inEnvironment(dirname(dirname(python))) };
}

interface OnGitlab {
  readonly cache: GitlabCache;
  readonly variables?: Record<string, string>;
  readonly files?: Readonly<Record<string, string>>;
  readonly jobs?: readonly string[];
  readonly script?: string;
}

async function onGitlab({
  cache,
  variables,
  files: content = files,
  jobs = ['key', 'tests'],
  script = 'true',
}: OnGitlab): Promise<Omit<Run, 'requests'> & RunnerResult> {
  const template = readFileSync(join(root, 'templates', 'gitlab', 'wheelhouse.yml'), 'utf8');
  const configuration = resolveConfiguration(parseYaml(template), {
    key: { extends: '.wheelhouse-key' },
    tests: { extends: '.wheelhouse', script: [script] },
  });
  const { env, python } = await machineEnv();
  let lock = '';
  const result = await runPipeline({
    configuration,
    jobs,
    cache,
    env,
    files: content,
    variables: {
      WHEELHOUSE_REPOSITORY: programRepository(),
      WHEELHOUSE_INDEX_URL: index.url,
      WHEELHOUSE_INDEX_USERNAME: 'token',
      WHEELHOUSE_INDEX_PASSWORD: token,
      ...variables,
    },
    atEnd: (name, project) => {
      if (name !== 'tests') return;
      lock = readIfThere(join(project, '.wheelhouse', 'requirements.lock'));
    },
  });
  return { ...result, lock, installed: inEnvironment(dirname(dirname(python))) };
}

test('five CI hosts produce the same lock, and their second runs make no index requests', {
  skip,
}, async (t) => {
  const locks: string[] = [];
  for (const [name, host] of Object.entries(hosts)) {
    await t.test(name, async () => {
      const [first, second] = await host();
      assert.ok(first.requests > 0, 'the first one has to ask');
      assert.equal(second.requests, 0, second.log);
      assert.deepEqual(first.installed, everything);
      assert.deepEqual(second.installed, everything);
      assert.equal(second.lock, first.lock);
      for (const { log } of [first, second]) assert.ok(!log.includes(token), log);
      locks.push(first.lock);
    });
  }
  const lock = distributions
    .filter(({ project, version }) => project !== 'beta' || version === '2.0')
    .map(({ project, version, sha256 }) => {
      // The name as metadata spell it.
      const name = project === 'gamma-rays' ? 'Gamma.Rays' : project;
      return `${name}==${version} --hash=sha256:${sha256}\n`;
    });
  assert.deepEqual(locks, Array(5).fill(lock.join('')));
});

describe('Azure Pipelines', { skip }, () => {
  const parameters = { indexUrl: index.url, indexUsername: 'token', indexPassword: '$(Packages)' };

  test('Azure Pipelines: a changed pin downloads only that wheel and saves a new entry', async (t) => {
    const cache = new AzureCache();
    t.after(() => cache.remove());
    const miss = await onAzure({ cache, parameters });
    assert.equal(miss.cacheHit, 'false');
    index.reset();
    const partial = await onAzure({ cache, parameters, files: bumped });
    assert.equal(partial.failed, undefined, partial.log);
    assert.equal(partial.cacheHit, 'inexact');
    assert.deepEqual(index.artifacts(), ['beta-1.0-py3-none-any.whl']);
    assert.equal(cache.entries.length, 2);
    index.reset();
    assert.equal((await onAzure({ cache, parameters, files: bumped })).cacheHit, 'true');
    assert.equal(index.count(), 0);
    assert.equal(cache.entries.length, 2);
  });

  test('Azure Pipelines: a failed job saves nothing', async (t) => {
    const cache = new AzureCache();
    t.after(() => cache.remove());
    const wrong = { ...parameters, indexPassword: 'wrong' };
    const { failed, log } = await onAzure({ cache, parameters: wrong });
    assert.equal(failed, 'Install from the wheelhouse', log);
    assert.match(log, /^error: The index .* answers 401/m);
    assert.deepEqual(cache.entries, []);
  });

  test('Azure Pipelines: addresses with credentials are in no file and no process arguments', async (t) => {
    const cache = new AzureCache();
    t.after(() => cache.remove());
    const bin = mkdtempSync(join(place, 'bin-'));
    const seen = join(bin, 'arguments');
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" >> '${seen}'\nexec '${process.execPath}' "$@"\n`;
    writeFileSync(join(bin, 'node'), script, { mode: 0o755 });
    const { env } = await machineEnv();
    const withUser = new URL(index.url);
    withUser.username = 'token';
    withUser.password = token;
    const { failed, log } = await onAzure({
      cache,
      parameters: { indexUrl: withUser.href, extraIndexUrl: withUser.href },
      env: { ...env, PATH: [bin, env['PATH']].join(delimiter) },
      atEnd: ({ env: { AGENT_TEMPDIRECTORY = '' } }) => {
        const options = readFileSync(join(AGENT_TEMPDIRECTORY, 'wheelhouse-options'), 'utf8');
        assert.match(options, /--wheelhouse=/);
        assert.ok(!options.includes(token), options);
      },
    });
    assert.equal(failed, undefined, log);
    const given = readFileSync(seen, 'utf8');
    assert.match(given, /^install$/m);
    assert.ok(!given.includes(token), given);
  });

  test('Azure Pipelines: a persistent workspace, a venv for later steps and odd characters work', async (t) => {
    const cache = new AzureCache();
    const agent = mkdtempSync(join(place, 'agent-'));
    t.after(() => cache.remove());
    const odd = `beta >= 1 ; python_version > "3" and sys_platform != '$HOME "$(x)" \`x\`'`;
    const run = () =>
      onAzure({
        cache,
        agent,
        parameters: { ...parameters, packages: `Gamma.Rays\n${odd}`, venv: 'my venv' },
        atEnd: ({ env, workspace }) => {
          const venv = join(workspace, 's', 'my venv');
          assert.equal(env['VIRTUAL_ENV'], venv);
          assert.equal(env['PATH']?.split(delimiter)[0], join(venv, 'bin'));
          assert.deepEqual(inEnvironment(venv), ['beta==3.0', 'gamma_rays==1.5']);
        },
      });
    const first = await run();
    assert.equal(first.failed, undefined, first.log);
    writeFileSync(join(agent, '_work', '1', 'wheelhouse', 'stray.whl'), '');
    index.reset();
    const second = await run();
    assert.equal(second.cacheHit, 'true');
    assert.equal(index.count(), 0);
    assert.doesNotMatch(second.log, /warning/);
  });

  test('Azure Pipelines: the token of the job gives access to a feed', async (t) => {
    const cache = new AzureCache();
    t.after(() => cache.remove());
    const paths: string[] = [];
    // The feed's address on a server of one's own; this one leads it to the index.
    const feeds = createServer((incoming, outgoing) => {
      paths.push(String(incoming.url));
      const path = String(incoming.url).replace('/collection/project/_packaging/feed/pypi', '');
      const { headers } = incoming;
      const forward = request(new URL(path, index.url), { headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      });
      forward.end();
    });
    await new Promise<void>((resolve) => feeds.listen(0, '127.0.0.1', resolve));
    t.after(() => feeds.close());
    const { port } = feeds.address() as AddressInfo;
    // Files are offered under the index's own address, for which there are no credentials.
    const { auth } = index.mode;
    index.mode.auth = undefined;
    t.after(() => {
      index.mode.auth = auth;
    });
    const seen = () => index.log.filter(({ kind }) => kind === 'page');
    const { failed, log } = await onAzure({
      cache,
      parameters: { feed: 'project/feed' },
      variables: { 'System.CollectionUri': `http://127.0.0.1:${port}/collection/` },
    });
    assert.equal(failed, undefined, log);
    assert.ok(
      paths.every((path) => path.startsWith('/collection/project/_packaging/feed/pypi/simple/')),
    );
    const expected = `Basic ${Buffer.from(`token:${token}`).toString('base64')}`;
    assert.ok(seen().length > 0);
    // pip asks without credentials at first.
    assert.ok(seen().some(({ authorization }) => authorization === expected));
    assert.ok(!log.includes(token), log);
  });

  for (const [collection, feed, url] of [
    [
      'https://dev.azure.com/acme/',
      'f',
      'https://pkgs.dev.azure.com/acme/_packaging/f/pypi/simple/',
    ],
    [
      'https://dev.azure.com/acme/',
      'p/f',
      'https://pkgs.dev.azure.com/acme/p/_packaging/f/pypi/simple/',
    ],
    [
      'https://acme.visualstudio.com/',
      'f',
      'https://pkgs.dev.azure.com/acme/_packaging/f/pypi/simple/',
    ],
    [
      'https://tfs.example/tfs/main/',
      'p/f',
      'https://tfs.example/tfs/main/p/_packaging/f/pypi/simple/',
    ],
  ] as const) {
    test(`Azure Pipelines: the address of the feed ${feed} in ${collection} is right`, async (t) => {
      const repositories = { self: projectRepository(files), wheelhouse: programRepository() };
      const template = join(root, 'templates', 'azure-pipelines', 'wheelhouse.yml');
      const { steps } = expandPipeline(template, repositories, { feed });
      const cache = new AzureCache();
      t.after(() => cache.remove());
      const untilKey = (steps as Mapping[]).slice(0, 3);
      const agent = mkdtempSync(join(place, 'agent-'));
      const { failed, log } = await runOnAgent({
        repositories,
        steps: untilKey,
        cache,
        agent,
        env: (await machineEnv()).env,
        variables: { 'System.CollectionUri': collection },
      });
      assert.equal(failed, undefined, log);
      const options = readFileSync(join(agent, '_work', '_temp', 'wheelhouse-options'), 'utf8');
      assert.ok(options.split('\0').includes(`--index-url=${url}`), options);
    });
  }

  test('Azure Pipelines: no checkout of the program if the agent has it', () => {
    const template = join(root, 'templates', 'azure-pipelines', 'wheelhouse.yml');
    const { steps } = expandPipeline(template, {}, { home: '/opt/wheelhouse' });
    assert.ok(!(steps as Mapping[]).some((step) => 'checkout' in step));
    const { env } = (steps as Mapping[])[0] as { env: Mapping };
    assert.equal(env['PROGRAM'], '/opt/wheelhouse');
    assert.ok(!JSON.stringify(steps).includes('System.AccessToken'), 'nobody asked for the token');
  });

  test('Azure Pipelines: a pipeline can extend the example for an organisation', async (t) => {
    const cache = new AzureCache();
    t.after(() => cache.remove());
    const template = join(root, 'templates', 'azure-pipelines', 'org-wide-example.yml');
    const repositories = { self: projectRepository(files), wheelhouse: programRepository() };
    const own = 'python -c "import alpha; print(alpha.__version__, alpha.__file__)"';
    const pipeline = expandPipeline(template, repositories, {
      steps: [{ bash: own, displayName: 'Tests' }],
    });
    judge('azure-pipelines', pipeline);
    const [job] = pipeline['jobs'] as { steps: Mapping[] }[];
    const steps = job?.steps.map((step) =>
      'env' in step ? { ...step, env: { ...(step['env'] as Mapping), FEED: '' } } : step,
    );
    const { env } = await machineEnv();
    const { failed, log } = await runOnAgent({
      repositories,
      steps: steps ?? [],
      cache,
      // The feed of the example is nobody's: pip's own setting leads to the index instead.
      env: { ...env, PIP_INDEX_URL: index.url.replace('//', `//token:${token}@`) },
      secrets: { 'System.AccessToken': '' },
    });
    assert.equal(failed, undefined, log);
    assert.match(log, /^1\.0 .*\/\.venv\//m, 'its steps run in the virtual environment');
    assert.equal(cache.entries.length, 1);
  });
});

describe('GitLab CI', { skip }, () => {
  const cacheOf = (t: { after(work: () => void): void }) => {
    const cache = new GitlabCache();
    t.after(() => cache.remove());
    return cache;
  };

  test('GitLab CI: a changed pin downloads only that wheel', async (t) => {
    const cache = cacheOf(t);
    const miss = await onGitlab({ cache });
    assert.equal(miss.restored['tests'], undefined);
    assert.equal(cache.entries.size, 2, 'one of the request, one of the newest');
    index.reset();
    const partial = await onGitlab({ cache, files: bumped });
    assert.equal(partial.failed, undefined, partial.log);
    assert.match(String(partial.restored['tests']), /-cp3\d+-[0-9a-f]{8}-[0-9a-f]{8}$/);
    assert.deepEqual(index.artifacts(), ['beta-1.0-py3-none-any.whl']);
    index.reset();
    const exact = await onGitlab({ cache, files: bumped });
    assert.match(String(exact.restored['tests']), /-[0-9a-f]{40}-/);
    assert.equal(index.count(), 0);
    const back = await onGitlab({ cache });
    assert.match(String(back.restored['tests']), /-[0-9a-f]{40}-/);
    assert.equal(index.count(), 0, 'the entry of the first request is still there');
  });

  test('GitLab CI: a failing mirror in the network of the runner is replaced by the index', async (t) => {
    const cache = cacheOf(t);
    const variables = { WHEELHOUSE_MIRROR_URL: mirror.url };
    const first = await onGitlab({ cache, variables });
    assert.equal(first.failed, undefined, first.log);
    assert.deepEqual(first.installed, everything);
    assert.equal(index.count(), 0, 'the mirror serves it all');
    assert.ok(mirror.count() > 0);

    mirror.reset();
    await mirror.fail('refuse');
    const hit = await onGitlab({ cache, variables });
    assert.equal(hit.failed, undefined, hit.log);
    assert.equal(mirror.count() + index.count(), 0, 'neither is asked');
    const without = await onGitlab({ cache, variables, files: bumped });
    assert.equal(without.failed, undefined, without.log);
    assert.match(without.log, /^warning: The mirror .* is not used/m);
    assert.deepEqual(index.artifacts(), ['beta-1.0-py3-none-any.whl']);
  });

  test('GitLab CI: the script runs in the venv, and its failure still caches the wheelhouse', async (t) => {
    const cache = cacheOf(t);
    const odd = `beta >= 1 ; python_version > "3" and sys_platform != '$HOME "$(x)" \`x\`'`;
    const { failed, log } = await onGitlab({
      cache,
      variables: { WHEELHOUSE_PACKAGES: odd, WHEELHOUSE_VENV: 'my venv' },
      script: 'python -c "import beta; print(beta.__version__, beta.__file__)"; false',
    });
    assert.equal(failed, 'tests');
    assert.match(log, /^3\.0 .*\/my venv\//m);
    assert.equal(cache.entries.size, 2);
  });

  test('GitLab CI: a job without a key job installs, and reports what is missing', async (t) => {
    const cache = cacheOf(t);
    const { failed, installed, log } = await onGitlab({ cache, jobs: ['tests'] });
    assert.equal(failed, undefined, log);
    assert.deepEqual(installed, everything);
    assert.match(log, /^WHEELHOUSE_KEY is not set, so the cache is not used/m);
    assert.equal(cache.entries.size, 0);
  });
});

describe('published schemas', { skip }, () => {
  test('the Azure Pipelines template matches the published schema', () => {
    const template = join(root, 'templates', 'azure-pipelines', 'wheelhouse.yml');
    judge('azure-pipelines', readFileSync(template, 'utf8'));
    const examples = examplesOf('azure-pipelines');
    assert.equal(examples.length, 2);
    for (const example of examples) judge('azure-pipelines', example);
    assert.throws(() => judge('azure-pipelines', 'steps:\n  - bush: echo\n'), 'it can fail');
  });

  test('the GitLab CI template matches the published schema', () => {
    judge('gitlab-ci', readFileSync(join(root, 'templates', 'gitlab', 'wheelhouse.yml'), 'utf8'));
    const examples = examplesOf('gitlab');
    assert.equal(examples.length, 3);
    for (const example of examples) judge('gitlab-ci', example);
    assert.throws(() => judge('gitlab-ci', 'job: { script: [echo], stage: [1] }'), 'it can fail');
  });
});

/** The examples of a README, each as it stands there. */
function examplesOf(system: string): string[] {
  const text = readFileSync(join(root, 'templates', system, 'README.md'), 'utf8');
  return [...text.matchAll(/^( *)```yaml\n(.*?)^ *```$/gms)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

/** @throws Error where the schema does not take it */
function judge(schema: 'azure-pipelines' | 'gitlab-ci', content: string | Mapping): void {
  const file = join(mkdtempSync(join(place, 'judged-')), 'file.yml');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  execFileSync(
    programOf('check-jsonschema'),
    [`--builtin-schema=vendor.${schema}`, `--data-transform=${schema}`, file],
    { stdio: 'pipe' },
  );
}
