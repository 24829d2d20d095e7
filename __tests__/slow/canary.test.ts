/** One credential with special characters through success and failure: it turns up nowhere. */
import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCacheService } from '../support/cache-service.ts';
import { canaryOf } from '../support/canary.ts';
import { type Failure, startIndex } from '../support/index-server.ts';
import { type SideJob, type SideResult, said, sideJob } from '../support/jobs.ts';
import { sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import { processes } from '../support/processes.ts';

const username = 'ro-bot';
const password = `c@nary/S3cr3t%:+&"'<x>`;
const distributions = [
  wheel({ name: 'one', version: '1.0' }),
  // Its build asks the index too.
  sdist({ name: 'source', version: '1.0', backend: 'tinybuild' }),
  tinybuildWheel(),
];
const auth = { username, password };
const [index, mirror, cache] = await Promise.all([
  startIndex({ distributions, auth }),
  startIndex({ distributions, auth }),
  startCacheService(),
]);

after(() => Promise.all([index.close(), mirror.close(), cache.close()]));

beforeEach(async () => {
  await Promise.all([index.fail(undefined), mirror.fail(undefined), cache.reset()]);
});

const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');
const encoded = encodeURIComponent(password).replaceAll("'", '%27');
const whatwg = new URL('https://h.example/');
whatwg.password = password;

/** Forms that programs write a secret in. */
const forms = {
  plain: password,
  'percent-encoded': encoded,
  'percent-encoded in lower case': encoded.replace(/%../g, (code) => code.toLowerCase()),
  'percent-encoded as in a URL': encodeURIComponent(password),
  'percent-encoded but for slashes': encoded.replaceAll('%2F', '/'),
  'percent-encoded as by a browser': whatwg.password,
  base64: base64(password),
  'base64 with the user name': base64(`${username}:${password}`),
  'base64 for URLs': Buffer.from(`${username}:${password}`).toString('base64url'),
  JSON: JSON.stringify(password).slice(1, -1),
  'escaped as a workflow command': password.replaceAll('%', '%25'),
};
/** Its start is enough to give it away. */
const starts = ['c@nary', 'c%40nary', 'c%2540nary', base64(password).slice(0, 12)];

const canary = canaryOf([...Object.values(forms), ...starts]);

function withUserinfo(address: string): string {
  const url = new URL(address);
  url.username = username;
  url.password = encoded;
  return url.href;
}

const files = { 'requirements.txt': 'one==1.0\nsource==1.0\n' };
const inputs = { 'index-url': index.url, 'index-username': username, 'index-password': password };
const byInputs: SideJob = { files, with: inputs };
/** The same with other inputs, or other requirements. */
const and = (options: SideJob, more: Record<string, string>, requirements = ''): SideJob => ({
  ...options,
  with: { ...options.with, ...more },
  files: { 'requirements.txt': `${options.files?.['requirements.txt']}${requirements}` },
});

/** Runs a job to its end with everything logged, and looks everywhere. */
async function check(
  what: string,
  options: SideJob,
  conclusion: 'success' | 'failure',
): Promise<SideResult> {
  const result = await sideJob({
    ...options,
    env: { ...cache.env(), PIP_INDEX_URL: index.url, ...options.env },
    job: { debug: true },
    post: true,
    atEnd: (job, { main, post }) => {
      assert.equal(main.conclusion, conclusion, `${what}: ${main.log}`);
      canary.step(`main (${what})`, main);
      canary.step(`post (${what})`, post);
      canary.files(job);
    },
  });
  await canary.cache(cache);
  return result;
}

const ways: Record<string, SideJob> = {
  inputs: byInputs,
  'the URL of index-url': { files, with: { 'index-url': withUserinfo(index.url) } },
  PIP_INDEX_URL: { files, env: { PIP_INDEX_URL: withUserinfo(index.url) } },
  'variables in a requirement file': {
    files: {
      'requirements.txt': `--index-url ${index.url.replace('//', '//${CANARY_USER}:${CANARY_TOKEN}@')}\n${files['requirements.txt']}`,
    },
    env: { CANARY_USER: username, CANARY_TOKEN: encoded },
  },
  'the URL of mirror-url': and(byInputs, { 'mirror-url': withUserinfo(mirror.url) }),
};

for (const [what, options] of Object.entries(ways)) {
  test(`a password given by ${what} is never shown: miss, hit and a failure of pip`, async () => {
    const { main } = await check(`${what}, miss`, options, 'success');
    for (const form of [password, encoded, base64(password), base64(`${username}:${password}`)]) {
      assert.ok(main.masks.includes(form), `${form} is masked`);
    }
    assert.equal(cache.entries().length, 1);
    const hit = await check(`${what}, hit`, options, 'success');
    assert.equal(hit.main.outputs['cache-hit'], 'true');
    await check(`${what}, not found`, and(options, {}, 'missing-project==9\n'), 'failure');
  });
}

describe('with an index that fails', () => {
  const failures: readonly Failure[] = [
    'refuse',
    'reset',
    'garbage',
    'captive',
    'captive-redirect',
    { kind: 'status', status: 403 },
    { kind: 'status', status: 503 },
    { kind: 'artifacts', status: 500 },
    { kind: 'artifacts', status: 403 },
    { kind: 'after', requests: 3, failure: 'refuse' },
  ];
  for (const failure of failures) {
    test(`a password is never shown when the index fails: ${JSON.stringify(failure)}`, async () => {
      await index.fail(failure);
      await check('failing index', byInputs, 'failure');
    });
  }

  test('a password is never shown when the last good set is installed', async () => {
    const always = and(byInputs, { refresh: 'always' });
    await check('miss', always, 'success');
    await index.fail({ kind: 'status', status: 503 });
    const stale = await check('stale', always, 'success');
    assert.match(said(stale).join(), /Installing the last good set/);
  });

  test('a password is never shown when a mirror fails before or during the fill', async () => {
    const mirrored = and(byInputs, { 'mirror-url': withUserinfo(mirror.url) });
    for (const failure of ['refuse', { kind: 'after', requests: 3, failure: 'reset' }] as const) {
      await cache.reset();
      await mirror.fail(failure);
      assert.match(said(await check('mirror', mirrored, 'success')).join(), /is not used/);
    }
  });
});

test('a password is never shown with wrong credentials or a redirect to another origin', async () => {
  index.mode.auth = { username, password: 'another one' };
  try {
    await check('refused', byInputs, 'failure');
  } finally {
    index.mode.auth = auth;
  }
  index.mode.urls = 'redirect';
  try {
    index.reset();
    await check('redirect', byInputs, 'success');
    const elsewhere = index.log.filter((entry) => entry.origin === 'files');
    assert.ok(elsewhere.length > 0);
    assert.ok(elsewhere.every((entry) => entry.authorization === undefined));
  } finally {
    index.mode.urls = 'stable';
  }
});

test('a password is never shown by a verbose pip, even if a build requirement is missing', async () => {
  const lacking = sdist({ name: 'lacking', version: '1.0', buildRequires: ['tinybuild==9'] });
  index.add(lacking);
  try {
    const env = { PIP_VERBOSE: '3' };
    await check('verbose', { ...byInputs, env }, 'success');
    await cache.reset();
    await check('verbose failure', and({ ...byInputs, env }, {}, 'lacking\n'), 'failure');
  } finally {
    index.remove(lacking.filename);
  }
});

test('a password is never shown by a failing build that prints it in every form', async () => {
  // Not in forms that take a decision of their own: those no mask can foresee.
  const {
    'percent-encoded as by a browser': _,
    'escaped as a workflow command': __,
    ...printed
  } = forms;
  const fail = Object.values(printed).join(' | ');
  const printing = sdist({ name: 'printing', version: '1.0', fail: `The token: ${fail} |.` });
  index.add(printing);
  try {
    const options = { files: { 'requirements.txt': 'printing' }, with: inputs };
    const { main } = await check('a build that prints it', options, 'failure');
    assert.match(main.log, /The token: (?:\*\*\* \| )+\*\*\* \|\./);
  } finally {
    index.remove(printing.filename);
  }
});

test('a password beyond ASCII works for the probe as for pip, and is masked', async () => {
  const open = await startIndex({ distributions });
  try {
    const { main } = await sideJob({
      files: { 'requirements.txt': 'one\n' },
      with: { ...inputs, 'index-url': open.url, 'index-password': 'Schlüssel' },
    });
    assert.equal(main.conclusion, 'success', main.log);
    const headers = new Set(
      open.log.filter(({ kind }) => kind === 'page').map((entry) => entry.authorization),
    );
    assert.equal(headers.size, 1, [...headers].join());
    for (const header of headers) assert.ok(main.masks.includes(String(header).slice(6)));
  } finally {
    await open.close();
  }
});

test("a password is in no process arguments except those of pip's own build processes", {
  skip: process.platform !== 'linux',
}, async () => {
  const slow = await startIndex({ distributions, auth, latency: 200 });
  const fills = new Set<string>();
  const telling = new Set<string>();
  let running = true;
  const watch = async (): Promise<void> => {
    for (; running; await sleep(20)) {
      for (const words of processes().map((each) => each.words.join(' '))) {
        if (/run_module\('pip'[^\n]*\)\s+wheel /.test(words)) fills.add(words);
        if (starts.some((start) => words.includes(start))) telling.add(words);
      }
    }
  };
  let watching: Promise<void> | undefined;
  try {
    const { main } = await sideJob({
      ...and(byInputs, { 'index-url': slow.url }),
      meanwhile: async () => {
        watching = watch();
      },
    });
    assert.equal(main.conclusion, 'success', main.log);
  } finally {
    running = false;
    await watching;
    await slow.close();
  }
  assert.ok(fills.size > 0);
  // pip hands the index on to the pip that fills the environment of a build, in its arguments.
  for (const words of telling) assert.match(words, /__pip-runner__\.py install /);
});
