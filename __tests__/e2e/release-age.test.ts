/** minimum-release-age: which files are left out, with every pip and every kind of index. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeEach, test } from 'node:test';

import {
  pipDirectory,
  pipVersions,
  pipWheel,
  requirementsDirectory,
} from '../../scripts/tools.mjs';
import { fetchedPip } from '../../src/logic/release-age.ts';
import { startIndex } from '../support/index-server.ts';
import {
  type Distribution,
  filesBelow,
  sdist,
  tinybuildWheel,
  wheel,
} from '../support/packages.ts';
import { evaluate } from '../support/python.ts';
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
const limited = { 'minimum-release-age': '7 days' };
const fetched = basename(pipWheel(fetchedPip.version));
/** A test that needs the pip that is fetched, and so Python 3.10. */
const limitTest = pipVersions.includes(fetchedPip.version) ? test : test.skip;

/** The pip that an older one has to give way to; without an upload time, as its hash is pinned. */
function newestPip(): Distribution {
  const { version } = fetchedPip;
  const content = readFileSync(pipWheel(version));
  const metadata = readFileSync(
    join(pipDirectory(version), `pip-${version}.dist-info`, 'METADATA'),
  );
  const sha256 = createHash('sha256').update(content).digest('hex');
  return {
    ...{ kind: 'wheel', project: 'pip', version, filename: fetched },
    ...{ content, metadata, sha256 },
  };
}

/** The file of a version of beta. */
const release = (version: string) =>
  distributions.find(({ filename }) => filename.startsWith(`beta-${version}`));

beforeEach(async () => {
  await cache.reset();
  index.mode.htmlOnly = false;
  index.add(newestPip());
});

test('the pip that is fetched is the one that the tests use', () => {
  const file = readFileSync(join(requirementsDirectory, `pip-${fetchedPip.version}.txt`), 'utf8');
  assert.equal(file.replace(/^#.*\n/gm, ''), fetchedPip.requirements);
});

for (const pip of pipVersions) {
  limitTest(
    `pip ${pip}: files that are too young are left out, but for an exception, and an exact hit asks no index`,
    async () => {
      const first = await run({
        ...{ pip, files },
        with: { 'minimum-release-age': '7 days', 'minimum-release-age-exclude': 'Beta' },
        between: (_job, _main, python) => {
          assert.equal(evaluate(python, `__import__('pip').__version__`), pip);
        },
      });
      assert.deepEqual(first.installed, ['alpha==2.0', 'beta==3.0'], first.main.log);
      assert.equal(first.artifacts.includes(fetched), pip !== fetchedPip.version);
      const said = 'inimum release age: 7 days, except beta';
      assert.ok(first.main.log.includes(`\nm${said}\n`), first.main.log);
      assert.ok(first.main.summary.includes(`\nM${said}\n`), first.main.summary);

      const second = await run({
        ...{ pip, files },
        with: { 'minimum-release-age': 'P7D', 'minimum-release-age-exclude': 'beta' },
      });
      assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
      assert.equal(second.requests, 0);
      assert.deepEqual(second.installed, first.installed);
      assert.ok(second.main.summary.includes(`\nM${said}\n`), second.main.summary);
    },
  );
}

limitTest(
  'a fetched pip comes from the cache the next time, and also limits what a local project is built with',
  async () => {
    index.add(aged(30, tinybuildWheel('1.0')), aged(1, tinybuildWheel('2.0')));
    const job = { pip: '23.2.1', with: limited };
    const first = await run({ ...job, files });
    assert.deepEqual(first.installed, ['alpha==2.0', 'beta==2.0'], first.main.log);
    const project = { name: 'local', version: '1.0', backend: 'tinybuild' } as const;
    const { main, artifacts } = await run({
      ...job,
      files: { 'requirements.txt': '-e ./local\nalpha\n', ...filesBelow('local', project) },
    });
    assert.equal(main.conclusion, 'success', main.log);
    assert.deepEqual([...new Set(artifacts)], ['tinybuild-1.0-py3-none-any.whl'], main.log);
  },
);

limitTest(
  'packages are built with others of the minimum release age, but for an exception',
  async () => {
    index.add(
      aged(30, sdist({ name: 'built', version: '1.0', backend: 'tinybuild' })),
      aged(30, tinybuildWheel('1.0')),
      aged(1, tinybuildWheel('2.0')),
    );
    for (const [exclude, version] of [
      ['', '1.0'],
      ['tinybuild', '2.0'],
    ]) {
      const { main, installed, artifacts } = await run({
        files: { 'requirements.txt': 'built\n' },
        with: { ...limited, 'minimum-release-age-exclude': String(exclude) },
      });
      assert.deepEqual(installed, ['built==1.0'], main.log);
      assert.deepEqual(
        artifacts.filter((file) => file.startsWith('tinybuild')),
        [`tinybuild-${version}-py3-none-any.whl`],
      );
    }
  },
);

limitTest(
  'without an index that has the newer pip, an older one is an error that says what to do',
  async () => {
    index.remove(fetched);
    const { main, installed } = await run({ pip: '23.2.1', files, with: limited });
    assert.deepEqual(installed, []);
    assert.match(
      annotations(main, 'error').join(),
      /minimum-release-age needs pip 26\.3, which is not there and could not be installed: .*Install pip 26\.3 before this step\./s,
    );
  },
);

limitTest(
  'an index without upload times is an error that names it, even beside one that has them',
  async () => {
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
  },
);

limitTest(
  'a hash of a file that is too young is an error that says so, and only the input makes exceptions',
  async () => {
    const { main, installed } = await run({
      files: { 'requirements.txt': `beta==3.0 --hash=sha256:${release('3.0')?.sha256}` },
      with: limited,
      env: { WHEELHOUSE_AGE_EXCEPT: 'beta' },
    });
    assert.deepEqual(installed, [], main.log);
    const [message = ''] = annotations(main, 'error');
    assert.match(message, /Files younger than 7 days were left out \(minimum-release-age\)/);
  },
);

limitTest('files of a local find-links directory have no upload time and are chosen', async () => {
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

limitTest(
  'what a lock file lists comes from the index, not from an address that gives no upload time',
  async () => {
    const foreign = await startIndex({ distributions: [wheel({ name: 'beta', version: '7.0' })] });
    const locked = (address: string, file: Distribution | undefined): Record<string, string> => ({
      'pylock.toml': [
        'lock-version = "1.0"',
        'created-by = "a test"',
        '[[packages]]',
        `name = "${file?.project}"`,
        `version = "${file?.version}"`,
        `wheels = [{ url = "${new URL(`/files/${file?.filename}`, address).href}", hashes = { sha256 = "${file?.sha256}" } }]`,
        '',
      ].join('\n'),
    });
    try {
      for (const [lock, expected] of [
        [locked(index.url, release('2.0')), ['beta==2.0']],
        [locked(foreign.url, wheel({ name: 'beta', version: '7.0' })), []],
      ] as const) {
        const { main, installed } = await run({ files: lock, with: limited });
        assert.deepEqual(installed, expected, main.log);
      }
      assert.equal(foreign.count(), 0);
    } finally {
      await foreign.close();
    }
  },
);
