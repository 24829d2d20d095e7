import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../src/plan/model.ts';
import { isDistributionName } from '../../src/plan/names.ts';
import {
  auditLists,
  auditMessage,
  batches,
  checkTool,
  commandsOf,
  conflictMessage,
  derivedUploadUrl,
  downloadArgs,
  type FeedAnswer,
  identity,
  mergedAudit,
  type PublishRow,
  pipConf,
  platformTags,
  publishLock,
  readAnswer,
  readAudit,
  readForeignRedirect,
  type SourceFile,
  stateOf,
  targetsOf,
  uploadAdvice,
  uploadArgs,
  uploadEnvironment,
} from '../../src/plan/publish.ts';
import { formatPublishReport, formatPublishSummary } from '../../src/plan/publish-report.ts';

const words = (text: string): string[] => text.split(' ');
const digit = (character: string): string => character.repeat(64);

const file = (
  name: string,
  version: string,
  hash: string,
  more: Partial<SourceFile> = {},
): SourceFile => ({
  file: `${name}-${version}-py3-none-any.whl`,
  name,
  version,
  sha256: digit(hash),
  size: 1500,
  role: 'asked',
  ...more,
});

describe('targets', () => {
  const interpreter = { version: '3.11.7', series: '3.11', platform: 'linux-x86_64' };

  test('this machine needs no options', () => {
    assert.deepEqual(targetsOf([], [], interpreter), [
      { name: 'Python 3.11 on linux-x86_64', options: [], markers: undefined },
    ]);
  });

  test('every platform with every version', () => {
    const targets = targetsOf(['win_amd64', 'macosx_11_0_arm64'], ['3.12', '3.13.1'], interpreter);
    assert.deepEqual(
      targets.map((target) => target.name),
      [
        'Python 3.12 on win_amd64',
        'Python 3.13.1 on win_amd64',
        'Python 3.12 on macosx_11_0_arm64',
        'Python 3.13.1 on macosx_11_0_arm64',
      ],
    );
    assert.deepEqual(
      targets[0]?.options,
      words('--implementation=cp --python-version=3.12 --platform=win_amd64'),
    );
    assert.deepEqual(targets[3]?.markers, {
      implementation_name: 'cpython',
      implementation_version: '3.13.1',
      platform_python_implementation: 'CPython',
      python_full_version: '3.13.1',
      python_version: '3.13',
      os_name: 'posix',
      sys_platform: 'darwin',
      platform_system: 'Darwin',
      platform_machine: 'arm64',
    });
  });

  test('a version alone keeps this platform, a platform alone this version', () => {
    const [version] = targetsOf([], ['3.12'], interpreter);
    assert.equal(version?.name, 'Python 3.12 on linux-x86_64');
    assert.deepEqual(version.options, words('--implementation=cp --python-version=3.12'));
    assert.equal(version.markers?.['sys_platform'], undefined);
    const [platform] = targetsOf(['win32'], [], interpreter);
    assert.equal(platform?.markers?.['python_full_version'], '3.11.7');
  });

  const platforms: readonly [string, string, string, string][] = [
    ['manylinux_2_28_x86_64', 'posix', 'linux', 'x86_64'],
    ['manylinux2014_aarch64', 'posix', 'linux', 'aarch64'],
    ['musllinux_1_2_x86_64', 'posix', 'linux', 'x86_64'],
    ['linux_armv7l', 'posix', 'linux', 'armv7l'],
    ['macosx_10_9_universal2', 'posix', 'darwin', 'arm64'],
    ['macosx_10_9_x86_64', 'posix', 'darwin', 'x86_64'],
    ['win_amd64', 'nt', 'win32', 'AMD64'],
    ['win_arm64', 'nt', 'win32', 'ARM64'],
    ['win32', 'nt', 'win32', 'x86'],
  ];
  for (const [platform, osName, system, machine] of platforms) {
    test(`markers of ${platform}`, () => {
      const markers = targetsOf([platform], ['3.12'], interpreter)[0]?.markers;
      assert.deepEqual(
        [markers?.['os_name'], markers?.['sys_platform'], markers?.['platform_machine']],
        [osName, system, machine],
      );
    });
  }

  test('other forms are refused', () => {
    for (const platform of ['linux', 'windows-x64', 'x86_64', 'manylinux_x86_64 --index-url=x']) {
      assert.throws(
        () => targetsOf([platform], [], interpreter),
        /input platforms holds/,
        platform,
      );
    }
    for (const version of ['cp312', '2.7', '3', '3.12 --no-deps', '3.x']) {
      assert.throws(
        () => targetsOf([], [version], interpreter),
        /input python-versions holds/,
        version,
      );
    }
  });
});

describe('platform tags', () => {
  test('glibc', () => {
    const tags = platformTags('manylinux_2_18_x86_64');
    assert.deepEqual(tags.slice(0, 4), [
      'manylinux_2_18_x86_64',
      'manylinux_2_17_x86_64',
      'manylinux2014_x86_64',
      'manylinux_2_16_x86_64',
    ]);
    assert.ok(tags.includes('manylinux2010_x86_64'));
    assert.deepEqual(tags.slice(-2), ['manylinux_2_5_x86_64', 'manylinux1_x86_64']);
  });

  test('musl, and all that stands for itself', () => {
    assert.deepEqual(platformTags('musllinux_1_2_aarch64'), [
      'musllinux_1_2_aarch64',
      'musllinux_1_1_aarch64',
      'musllinux_1_0_aarch64',
    ]);
    for (const tag of ['win_amd64', 'macosx_11_0_arm64', 'manylinux2014_x86_64', 'linux_x86_64']) {
      assert.deepEqual(platformTags(tag), [tag]);
    }
  });
});

test('pip is told the target and the place', () => {
  const target = { name: '', options: ['--platform=win_amd64'], markers: {} };
  assert.deepEqual(
    downloadArgs({ target, directory: '/d', requestFile: '/s/r.txt' }),
    words(
      'download --disable-pip-version-check --no-input --progress-bar=off --platform=win_amd64 --dest=/d -r /s/r.txt',
    ),
  );
});

describe('what a feed answers', () => {
  const page = 'https://feed.example/simple/beta/';
  const json = 'application/vnd.pypi.simple.v1+json';
  const listed = (type: string, body: string): FeedAnswer => readAnswer(200, type, body, page);

  test('HTML: relative links, entities, bare ">" and other hashes', () => {
    const answer = listed(
      'text/html; charset=utf-8',
      `<!DOCTYPE html><html><head><title>Links for beta</title></head><body><h1>Links for beta</h1>
      <a href="../../packages/beta-1.0-py3-none-any.whl#sha256=${digit('A')}" data-requires-python=">=3.8">beta-1.0-py3-none-any.whl</a>
      <a data-requires-python=">=3.8" class=x HREF='/f/beta-1.1.tar.gz?a=1&amp;b=2#md5=0123'>beta</a>
      <a href=https://cdn.example/beta-1.2%2Bcpu-py3-none-any.whl>x</a>
      <a href="../">up</a><a name="top">top</a><abbr href="beta-9-py3-none-any.whl"></abbr>
      </body></html>`,
    );
    assert.deepEqual(answer, {
      state: 'listed',
      files: [
        {
          file: 'beta-1.0-py3-none-any.whl',
          url: 'https://feed.example/packages/beta-1.0-py3-none-any.whl',
          sha256: digit('a'),
          yanked: false,
        },
        {
          file: 'beta-1.1.tar.gz',
          url: 'https://feed.example/f/beta-1.1.tar.gz?a=1&b=2',
          sha256: undefined,
          yanked: false,
        },
        {
          file: 'beta-1.2+cpu-py3-none-any.whl',
          url: 'https://cdn.example/beta-1.2%2Bcpu-py3-none-any.whl',
          sha256: undefined,
          yanked: false,
        },
      ],
    });
  });

  test('JSON', () => {
    const answer = listed(
      json,
      JSON.stringify({
        meta: { 'api-version': '1.0' },
        name: 'beta',
        files: [
          {
            filename: 'beta-1.0.tar.gz',
            url: '../../+f/beta-1.0.tar.gz',
            hashes: { sha256: digit('B') },
          },
          { filename: 'beta-1.1.tar.gz', url: 'https://cdn.example/x', hashes: {} },
        ],
      }),
    );
    assert.deepEqual(answer, {
      state: 'listed',
      files: [
        {
          file: 'beta-1.0.tar.gz',
          url: 'https://feed.example/+f/beta-1.0.tar.gz',
          sha256: digit('b'),
          yanked: false,
        },
        { file: 'beta-1.1.tar.gz', url: 'https://cdn.example/x', sha256: undefined, yanked: false },
      ],
    });
  });

  const others: readonly [string, number, string, string, FeedAnswer['state']][] = [
    ['404 is absent', 404, 'text/html', 'no', 'absent'],
    ['401 is not absent', 401, 'text/html', '', 'refused'],
    ['403 is not absent', 403, json, '{}', 'refused'],
    ['500', 500, 'text/html', '', 'unreadable'],
    [
      'Azure answers 203 with a page to log in',
      203,
      'text/html',
      '<html>Sign in</html>',
      'unreadable',
    ],
    [
      'a page to log in',
      200,
      'text/html',
      '<html><form action="/login"></form></html>',
      'unreadable',
    ],
    ['half an answer', 200, json, '{"meta":{"api-version":"1.0"},"files":[', 'unreadable'],
    ['JSON without files', 200, json, '{"meta":{"api-version":"1.0"},"projects":[]}', 'unreadable'],
    ['a file without name', 200, json, '{"files":[{"url":"x"}]}', 'unreadable'],
    ['a project without files', 200, 'text/html', '<h1>Links for beta</h1>', 'listed'],
  ];
  for (const [description, status, type, body, state] of others) {
    test(description, () => assert.equal(readAnswer(status, type, body, page).state, state));
  }

  test('a redirect to a page of that project elsewhere is absence; another one says nothing', () => {
    assert.deepEqual(
      readForeignRedirect(new URL('https://public.example/simple/Be_ta/'), 'be-ta'),
      {
        state: 'absent',
        forwarded: 'public.example',
      },
    );
    for (const url of [
      'https://login.example/?next=/simple/beta/',
      'https://login.example/beta/in',
    ]) {
      assert.equal(readForeignRedirect(new URL(url), 'beta').state, 'unreadable', url);
    }
  });
});

test('present, conflict and absent', () => {
  const one = file('beta', '1.0', 'a');
  assert.equal(stateOf(one, digit('a')), 'present');
  assert.equal(stateOf(one, digit('b')), 'conflict');
  assert.equal(stateOf(one, undefined), 'absent');
});

test('the error lists every conflict, and what was uploaded before', () => {
  const rows: PublishRow[] = [
    { ...file('alpha', '1.0', 'a'), state: 'conflict', feedSha256: digit('b') },
    { ...file('beta', '1.0', 'c'), state: 'conflict', feedSha256: digit('d') },
    { ...file('gamma', '1.0', 'e'), state: 'absent', feedSha256: undefined },
  ];
  const message = conflictMessage(rows);
  assert.match(message, /^2 files have other content.*nothing was uploaded.*delete them/);
  assert.ok(
    message.includes(
      `alpha-1.0-py3-none-any.whl: sha256 ${digit('a')} at the source, ${digit('b')} on the feed`,
    ),
  );
  assert.ok(message.includes('beta-1.0-py3-none-any.whl'));
  assert.ok(!message.includes('gamma'));
  const late = conflictMessage([
    ...rows,
    { ...file('zeta', '1', 'f'), state: 'uploaded', feedSha256: digit('f') },
  ]);
  assert.match(late, /1 others were uploaded/);
});

describe('upload address', () => {
  const table: readonly [string, string | undefined][] = [
    ['http://pypi.example:8080/simple/', 'http://pypi.example:8080/'],
    ['http://devpi.example/robot/dev/+simple/', 'http://devpi.example/robot/dev/'],
    ['https://feed.example/api/pypi/local/simple', 'https://feed.example/api/pypi/local/'],
    [
      'https://feed.example/org/_packaging/team/pypi/simple/',
      'https://feed.example/org/_packaging/team/pypi/upload/',
    ],
    ['https://feed.example/', undefined],
    ['https://feed.example/notsimple/', undefined],
  ];
  for (const [feed, upload] of table) {
    test(feed, () => assert.equal(derivedUploadUrl(feed), upload));
  }
});

describe('uploaders', () => {
  test('where they are looked for', () => {
    assert.deepEqual(commandsOf('twine', '/p'), [['twine'], ['/p', '-m', 'twine']]);
    assert.deepEqual(commandsOf('pip-audit', '/p'), [['pip-audit'], ['/p', '-m', 'pip_audit']]);
  });

  test('command lines', () => {
    assert.deepEqual(
      uploadArgs('twine', 'https://feed.example/', ['a.whl', 'b.whl']),
      words(
        'upload --non-interactive --disable-progress-bar --repository-url=https://feed.example/ -- a.whl b.whl',
      ),
    );
    assert.deepEqual(
      uploadArgs('uv', 'https://feed.example/', ['a.whl']),
      words(
        'publish --no-config --no-cache --no-progress --trusted-publishing=never --publish-url=https://feed.example/ -- a.whl',
      ),
    );
  });

  const feed = { url: 'https://feed.example/simple/', username: 'robot', password: 'secret' };
  const environment = {
    PATH: '/bin',
    TWINE_PASSWORD: 'old',
    TWINE_REPOSITORY: 'pypi',
    TWINE_CERT: '/own.pem',
    UV_PUBLISH_TOKEN: 'old',
    UV_PUBLISH_CHECK_URL: 'https://other.example/',
  };

  test('credentials go into the environment, in the place of others', () => {
    assert.deepEqual(uploadEnvironment('twine', environment, feed, undefined), {
      PATH: '/bin',
      TWINE_CERT: '/own.pem',
      TWINE_USERNAME: 'robot',
      TWINE_PASSWORD: 'secret',
      NO_COLOR: '1',
      COLUMNS: '200',
    });
    const uv = uploadEnvironment('uv', environment, feed, '/ca.pem');
    assert.equal(uv['UV_PUBLISH_USERNAME'], 'robot');
    assert.equal(uv['UV_PUBLISH_PASSWORD'], 'secret');
    assert.equal(uv['SSL_CERT_FILE'], '/ca.pem');
    assert.equal(uv['UV_PUBLISH_TOKEN'], undefined);
    assert.equal(uv['UV_PUBLISH_CHECK_URL'], undefined);
  });

  test('without credentials the uploader keeps its own', () => {
    const open = { ...feed, username: undefined, password: undefined };
    assert.equal(uploadEnvironment('twine', environment, open, undefined)['TWINE_PASSWORD'], 'old');
  });

  const versions: readonly [
    'twine' | 'uv' | 'pip-audit',
    string | undefined,
    RegExp | undefined,
  ][] = [
    ['twine', 'twine version 7.0.0 (keyring: 25.7.0)', undefined],
    ['twine', 'twine version 10.1.0', undefined],
    [
      'twine',
      'twine version 6.2.0 (requests: 9.0)',
      /twine 6\.2\.0 is too old: 7\.0 .*pip install "twine>=7"/,
    ],
    ['uv', 'uv 0.13.8 (abc 2026-01-01)', undefined],
    ['uv', 'uv 0.8.9', /uv 0\.8\.9 is too old/],
    ['uv', undefined, /uv is not on PATH and not installed for \/p/],
    ['pip-audit', 'pip-audit 2.10.1', undefined],
    ['pip-audit', 'pip-audit 2.7.3', /too old/],
    ['twine', 'no version', /not on PATH/],
  ];
  for (const [tool, output, refusal] of versions) {
    test(`${tool}: ${output}`, () => {
      const check = (): void => checkTool(tool, '/p', output);
      if (refusal === undefined) check();
      else
        assert.throws(
          check,
          (error: unknown) => error instanceof UserError && refusal.test(error.message),
        );
    });
  }

  test('advice', () => {
    assert.match(
      uploadAdvice('HTTPError: 403 Forbidden from https://feed.example/'),
      /feed-password/,
    );
    assert.match(uploadAdvice('status code 401 Unauthorized'), /feed-password/);
    assert.match(uploadAdvice('HTTPError: 400 Bad Request'), /upload-url/);
  });

  test('batches', () => {
    assert.deepEqual(batches([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
    assert.deepEqual(batches([], 2), []);
  });
});

describe('names', () => {
  test('files of distributions', () => {
    for (const name of ['a-1.0-py3-none-any.whl', 'a-1.0.tar.gz', 'A_b-1.0+local.zip']) {
      assert.ok(isDistributionName(name), name);
    }
    for (const name of [
      '-rf.whl',
      '../a-1.tar.gz',
      'a b-1.tar.gz',
      'a-1.exe',
      '.a-1.zip',
      'a.whl',
    ]) {
      assert.ok(!isDistributionName(name), name);
    }
  });

  test('an sdist is what its metadata say, a wheel what its name says', () => {
    assert.deepEqual(identity('Foo.Bar-1.0-2.tar.gz', { name: 'Foo.Bar', version: '1.0-2' }), {
      name: 'foo-bar',
      version: '1.0-2',
    });
    assert.deepEqual(identity('foo_bar-1.0-py3-none-any.whl', undefined), {
      name: 'foo-bar',
      version: '1.0',
    });
    assert.throws(() => identity('x.zip', { name: '', version: '' }), /no usable name and version/);
    assert.throws(() => identity('x.zip', { name: 'x', version: '1 | <b>' }), /no usable name/);
  });
});

test('a lock has one line a version, all hashes, and nothing that is there to build', () => {
  const files = [
    file('beta', '2.0', 'c'),
    file('beta', '1.0', 'b'),
    file('beta', '1.0', 'a', { file: 'beta-1.0.tar.gz' }),
    file('hatchling', '1.0', 'd', { role: 'build' }),
    file('alpha', '1.0', 'e'),
  ];
  assert.equal(
    publishLock(files),
    [
      `alpha==1.0 --hash=sha256:${digit('e')}`,
      `beta==1.0 --hash=sha256:${digit('a')} --hash=sha256:${digit('b')}`,
      `beta==2.0 --hash=sha256:${digit('c')}`,
      '',
    ].join('\n'),
  );
  // pip-audit refuses two versions of one project in a file, and audits what builds too.
  assert.deepEqual(
    auditLists(files).map((list) => list.split('\n').map((line) => line.split(' ')[0])),
    [
      ['alpha==1.0', 'beta==1.0', 'hatchling==1.0', ''],
      ['beta==2.0', ''],
    ],
  );
});

describe('audit', () => {
  const list = 'alpha==1.0 --hash=sha256:aa\nbeta==2.0 --hash=sha256:bb\n';
  const report = (...dependencies: object[]): string => JSON.stringify({ dependencies, fixes: [] });
  const clean = (name: string): object => ({ name, version: '1', vulns: [] });
  const hole = { name: 'beta', version: '2.0', vulns: [{ id: 'EX-1' }, { id: '<b>' }] };

  test('clean is only a report of every project with exit code 0', () => {
    assert.deepEqual(readAudit(list, 0, report(clean('alpha'), clean('Beta'))), {
      state: 'clean',
      findings: [],
    });
  });

  test('vulnerable', () => {
    assert.deepEqual(readAudit(list, 1, report(clean('alpha'), hole)), {
      state: 'vulnerable',
      findings: ['beta 2.0: EX-1, ?b?'],
    });
  });

  const failures: readonly [string, number, string][] = [
    ['no output (a look-up that failed under --strict)', 1, ''],
    ['no output with exit code 0', 0, ''],
    [
      'a project that was skipped',
      0,
      report(clean('alpha'), { name: 'beta', skip_reason: 'not found' }),
    ],
    [
      'skipped, with an empty list',
      0,
      report(clean('alpha'), { name: 'beta', skip_reason: 'x', vulns: [] }),
    ],
    ['a project that is missing', 0, report(clean('alpha'))],
    ['another form', 0, '{"dependencies":{}}'],
    ['all clean, but an error', 1, report(clean('alpha'), clean('beta'))],
  ];
  for (const [description, exitCode, stdout] of failures) {
    test(description, () => {
      const result = readAudit(list, exitCode, stdout);
      assert.equal(result.state, 'failed');
      assert.match(auditMessage(result), /nothing is known/);
    });
  }

  test('together they are as bad as the worst', () => {
    const [good, bad, unknown] = [
      { state: 'clean', findings: [] },
      { state: 'vulnerable', findings: ['b 1: X'] },
      { state: 'failed', findings: ['why'] },
    ] as const;
    assert.equal(mergedAudit([good, good]).state, 'clean');
    assert.equal(mergedAudit([good, bad]).state, 'vulnerable');
    assert.deepEqual(mergedAudit([bad, good, unknown]), {
      state: 'failed',
      findings: ['b 1: X', 'why'],
    });
  });
});

describe('pip.conf', () => {
  test('holds no credentials, and says where they belong', () => {
    const text = pipConf({
      url: 'https://feed.example/simple/',
      username: 'robot',
      password: 'secret',
    });
    assert.ok(!text.includes('secret') && !text.includes('robot'));
    assert.match(text, /^\[global\]\nindex-url = https:\/\/feed\.example\/simple\/\n$/m);
    assert.match(
      text,
      /netrc[\s\S]*keyring[\s\S]*PIP_INDEX_URL=https:\/\/USER:TOKEN@feed\.example\/simple\//,
    );
    assert.ok(!text.includes('trusted-host'));
  });

  test('plain http has to be trusted', () => {
    const text = pipConf({
      url: 'http://feed.example:8080/simple/',
      username: undefined,
      password: undefined,
    });
    assert.match(text, /^trusted-host = feed\.example:8080$/m);
    assert.ok(!text.includes('netrc'));
  });
});

test('the report says what became of each file', () => {
  const rows: PublishRow[] = [
    { ...file('alpha', '1.0', 'a'), state: 'present', feedSha256: digit('a') },
    { ...file('beta', '1.0', 'b', { role: 'build' }), state: 'uploaded', feedSha256: digit('b') },
    { ...file('gamma', '1.0', 'c'), state: 'absent', feedSha256: undefined },
  ];
  const report = {
    rows,
    targets: ['Python 3.12 on win_amd64'],
    feed: 'https://feed.example/simple/',
    audit: { state: 'clean', findings: [] },
    dryRun: false,
    pipConf: '[global]\n',
    lock: '',
  } as const;
  const [headline, ...lines] = formatPublishReport(report);
  assert.equal(headline, '3 files: 1 uploaded, 1 present before, 0 in conflict, 1 not uploaded');
  assert.ok(lines.includes('  gamma-1.0-py3-none-any.whl: not uploaded'));
  const [dry, ...dryLines] = formatPublishReport({ ...report, dryRun: true });
  assert.match(String(dry), /^3 files: 1 would be uploaded.*\(dry run\)$/);
  assert.ok(dryLines.includes('  gamma-1.0-py3-none-any.whl: would be uploaded'));
  const summary = formatPublishSummary(report);
  assert.match(
    summary,
    /^\| beta-1\.0-py3-none-any\.whl \(to build\) \| 1\.0 \| 1\.5 kB \| uploaded \|$/m,
  );
  assert.match(summary, /```ini\n\[global\]\n```/);
});
