/** minimum-release-age: which files are left out, with every pip and every kind of index. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { startIndex } from '../support/index-server.ts';
import { type Distribution, sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import { annotations, startScenario } from '../support/scenario.ts';

function aged(days: number, file: Distribution): Distribution {
  return { ...file, uploaded: new Date(Date.now() - days * 86_400_000).toISOString() };
}

const releases = [
  ['1.0', 30],
  ['2.0', 8],
  ['3.0', 1],
] as const;
const distributions = [
  ...releases.map(([version, days]) =>
    aged(days, wheel({ name: 'alpha', version, requires: ['beta'] })),
  ),
  ...releases.map(([version, days]) => aged(days, wheel({ name: 'beta', version }))),
];
const { index, cache, run } = await startScenario({ distributions });
const files = { 'requirements.txt': 'alpha\n' };

beforeEach(async () => {
  await cache.reset();
  index.mode.htmlOnly = false;
});

for (const pip of pipVersions.slice(-1)) {
  test(`pip ${pip}: files that are too young are left out, but for an exception, and an exact hit asks no index`, async () => {
    const limited = { 'minimum-release-age': '7 days' };
    const first = await run({ pip, files, with: limited });
    assert.equal(first.main.conclusion, 'success', first.main.log);
    assert.deepEqual(first.installed, ['alpha==2.0', 'beta==2.0']);
    assert.match(first.main.log, /^minimum release age: 7 days$/m);
    assert.match(first.main.summary, /^Minimum release age: 7 days$/m);

    const second = await run({ pip, files, with: { 'minimum-release-age': 'P7D' } });
    assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
    assert.equal(second.requests, 0);
    assert.deepEqual(second.installed, first.installed);
    assert.match(second.main.summary, /^Minimum release age: 7 days$/m);

    const excepting = { ...limited, 'minimum-release-age-exclude': 'Beta' };
    const third = await run({ pip, files, with: excepting });
    assert.deepEqual(third.installed, ['alpha==2.0', 'beta==3.0'], third.main.log);
    assert.match(third.main.log, /^minimum release age: 7 days, except beta$/m);
    assert.equal(third.main.outputs['cache-hit'], 'false');
  });

  test(`pip ${pip}: build requirements have the minimum release age too, but for an exception`, async () => {
    index.add(
      aged(30, sdist({ name: 'built', version: '1.0', backend: 'tinybuild' })),
      aged(30, tinybuildWheel('1.0')),
      aged(1, tinybuildWheel('2.0')),
    );
    const only = (step: { log: string }) => step.log;
    const limited = { 'minimum-release-age': '7 days' };
    const requirements = { 'requirements.txt': 'built\n' };
    const first = await run({ pip, files: requirements, with: limited });
    assert.deepEqual(first.installed, ['built==1.0'], only(first.main));
    assert.ok(first.artifacts.includes('tinybuild-1.0-py3-none-any.whl'), only(first.main));
    assert.ok(!first.artifacts.includes('tinybuild-2.0-py3-none-any.whl'), only(first.main));

    const excepting = { ...limited, 'minimum-release-age-exclude': 'tinybuild' };
    const second = await run({ pip, files: requirements, with: excepting });
    assert.deepEqual(second.installed, ['built==1.0'], only(second.main));
    assert.ok(second.artifacts.includes('tinybuild-2.0-py3-none-any.whl'), only(second.main));
  });
}

const limited = { 'minimum-release-age': '7 days' };

test('an index without upload times is an error that names it, even beside one that has them', async () => {
  const untimed = await startIndex({ distributions: [wheel({ name: 'beta', version: '9.0' })] });
  const sources = [
    { url: index.url, mode: { htmlOnly: true }, project: 'alpha' },
    { url: untimed.url, mode: {}, project: 'beta', extra: untimed.url },
  ];
  try {
    for (const { url, mode, project, extra = '' } of sources) {
      Object.assign(index.mode, { htmlOnly: false, ...mode });
      const inputs = { ...limited, 'extra-index-url': extra };
      const { main, installed } = await run({ files, with: inputs });
      assert.equal(main.conclusion, 'failure', main.log);
      assert.deepEqual(installed, []);
      const [message = ''] = annotations(main, 'error');
      const named = `The index ${url.slice(0, -1)} does not say when the files of ${project} were uploaded`;
      assert.ok(message.includes(named), message);
    }
    const excepting = { ...limited, 'minimum-release-age-exclude': 'beta' };
    const merged = { ...excepting, 'extra-index-url': untimed.url };
    const { installed, main } = await run({ files, with: merged });
    assert.deepEqual(installed, ['alpha==2.0', 'beta==9.0'], main.log);
  } finally {
    await untimed.close();
  }
});

test('a pin or a hash of a file that is too young is an error that says so', async () => {
  const [young] = distributions.filter(({ filename }) => filename.startsWith('beta-3.0'));
  for (const line of ['beta==3.0', `beta==3.0 --hash=sha256:${young?.sha256}`]) {
    const { main, installed } = await run({ files: { 'requirements.txt': line }, with: limited });
    assert.deepEqual(installed, [], main.log);
    const [message = ''] = annotations(main, 'error');
    assert.match(message, /Files younger than 7 days were left out \(minimum-release-age\)/);
  }
});

test('no-index or a second limit beside a minimum release age is an error, without an index request', async () => {
  for (const [text, env, says] of [
    ['--no-index\nalpha\n', {}, /pip uses no index/],
    ['alpha\n', { PIP_UPLOADED_PRIOR_TO: '2020-01-01' }, /Remove one of them/],
  ] as const) {
    const { main, requests } = await run({
      files: { 'requirements.txt': text },
      env,
      with: limited,
    });
    assert.match(annotations(main, 'error').join(), says, main.log);
    assert.equal(requests, 0);
  }
});

test('files of a local find-links directory have no upload time and are chosen', async () => {
  const local = wheel({ name: 'beta', version: '8.0' });
  const { main, installed } = await run({
    files: {
      'requirements.txt': '--find-links wheels\nalpha\n',
      [`wheels/${local.filename}`]: local.content,
    },
    with: limited,
  });
  assert.deepEqual(installed, ['alpha==2.0', 'beta==8.0'], main.log);
});
