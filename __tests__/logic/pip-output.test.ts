import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import vm from 'node:vm';

import {
  adviceFor,
  builtWheels,
  errorExcerpt,
  failedRequirement,
  isMachineFailure,
  isMirrorFailure,
  isUnreachable,
  parseReport,
  readBuildLog,
  requiredPython,
  unmetRequirements,
} from '../../src/logic/pip-output.ts';

describe('log of a fill', () => {
  const logs: Record<string, string> = {
    'pip 22.2': `Looking in indexes: http://127.0.0.1/simple
Looking in links: file:///w/sd-1.0-py3-none-any.whl
Collecting alpha==1.0
  Using cached http://127.0.0.1/files/other-1.0-py3-none-any.whl (1 kB)
  File was already downloaded /my work/w/alpha-1.0-py3-none-any.whl
Collecting sd
  Downloading http://127.0.0.1/files/sd-1.0.tar.gz (1 kB)
  Preparing metadata (setup.py): started
Building wheels for collected packages: sd
  Building wheel for sd (setup.py): started
  Building wheel for sd (setup.py): finished with status 'done'
  Created wheel for sd: filename=sd-1.0-py3-none-any.whl size=1062 sha256=${'a'.repeat(64)}
  Stored in directory: /home/runner/.cache/pip/wheels/aa/bb
Successfully built sd
`,
    'pip 26.3': `Looking in indexes: http://127.0.0.1/simple
Collecting alpha==1.0 (from -r /s/request.txt (line 2))
  File was already downloaded /my work/w/alpha-1.0-py3-none-any.whl
Collecting sd (from -r /s/request.txt (line 3))
  Downloading http://127.0.0.1/files/sd-1.0.tar.gz (1 kB)
  Installing build dependencies: started
Saved ./new-1.0-py3-none-any.whl
Building wheels for collected packages: sd
  Building wheel for sd (pyproject.toml): started
  Created wheel for sd: filename=sd-1.0-py3-none-any.whl size=1062 sha256=${'a'.repeat(64)}
Successfully built sd
`,
  };
  logs['pip on Windows'] = (logs['pip 26.3'] ?? '')
    .replaceAll('/my work/w/', 'C:\\my work\\w\\')
    .replaceAll('\n', '\r\n');
  for (const [pip, log] of Object.entries(logs)) {
    test(`the log of ${pip} gives the built wheels`, () => {
      assert.deepEqual([...builtWheels(log)], ['sd-1.0-py3-none-any.whl']);
    });
  }

  test('several wheels are each listed once', () => {
    const built = builtWheels(
      [
        'Created wheel for a: filename=a-1-py3-none-any.whl size=1 sha256=0',
        'Created wheel for b: filename=b-1-cp311-cp311-linux_x86_64.whl size=1 sha256=0',
        'Created wheel for a: filename=a-1-py3-none-any.whl size=1 sha256=0',
      ].join('\n'),
    );
    assert.deepEqual([...built], ['a-1-py3-none-any.whl', 'b-1-cp311-cp311-linux_x86_64.whl']);
  });

  for (const log of [
    '',
    'garbage \0\uFFFD',
    'Created wheel for a: filename=../../a.whl size=1',
    'Created wheel for a: filename=.a-1-py3-none-any.whl size=1',
    'Created wheel for a: size=1',
  ]) {
    test(`no wheel from ${JSON.stringify(log)}`, () => {
      assert.deepEqual([...builtWheels(log)], []);
    });
  }
});

describe("pip's report", () => {
  const item = (change: object): string =>
    JSON.stringify({
      version: '1',
      pip_version: '26.3',
      install: [
        {
          download_info: { url: 'file:///w/A_b-1.0-py3-none-any.whl', archive_info: {} },
          is_direct: false,
          requested: true,
          metadata: {
            ...{ name: 'A_b', version: '1.0', provides_extra: ['x'] },
            requires_dist: ['z>1', 'c ; extra == "x"'],
          },
          ...change,
        },
      ],
    });

  test('a report gives names, versions, URLs and sorted requirements', () => {
    assert.deepEqual(parseReport(item({})), [
      {
        name: 'a-b',
        writtenName: 'A_b',
        version: '1.0',
        url: 'file:///w/A_b-1.0-py3-none-any.whl',
        extras: ['x'],
        requires: ['c ; extra == "x"', 'z>1'],
      },
    ]);
  });

  test('a report may omit the requirements and the URL', () => {
    const [read] = parseReport(
      item({ metadata: { name: 'a', version: '1' }, download_info: undefined }),
    );
    assert.deepEqual(read, {
      ...{ name: 'a', writtenName: 'a', version: '1', url: '' },
      ...{ extras: [], requires: [] },
    });
  });

  test('a report may be empty', () => assert.deepEqual(parseReport('{"install": []}'), []));

  for (const text of [
    '',
    '{}',
    'null',
    '[]',
    '{"install": {}}',
    '{"install": [null]}',
    '{"install": [1]}',
    item({ metadata: undefined }),
    item({ metadata: null }),
    item({ metadata: { name: 'a' } }),
    item({ metadata: { name: 1, version: '1' } }),
  ]) {
    test(`an invalid report is an error: ${text.slice(0, 40)}`, () =>
      assert.throws(() => parseReport(text), Error));
  }
});

describe('error excerpt', () => {
  const noise = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  test('the excerpt of output without an error is its last lines', () => {
    assert.equal(errorExcerpt(noise.join('\n'), 3), 'line 27\nline 28\nline 29');
  });
  test('the excerpt has at most twelve lines by default', () =>
    assert.equal(errorExcerpt(noise.join('\n')).split('\n').length, 12));
  test('the excerpt starts with the first error', () => {
    assert.equal(
      errorExcerpt(['x', '  ERROR: one', 'why', '', 'ERROR: two', ' '].join('\r\n')),
      '  ERROR: one\nwhy\nERROR: two',
    );
  });
  test('the excerpt after an error is limited too', () => {
    assert.equal(errorExcerpt(`ERROR: one\n${noise.join('\n')}`, 2), 'line 28\nline 29');
  });
  test("the excerpt starts with git's own reason and repeats nothing", () => {
    // pip 23.2.1
    const output = `Collecting x@ git+https://h.example/y.git (from -r r.txt (line 1))
  Running command git clone --filter=blob:none --quiet https://h.example/y.git /tmp/x
  fatal: unable to access 'https://h.example/y.git/': Could not resolve host: h.example
  error: subprocess-exited-with-error

  × git clone --filter=blob:none --quiet https://h.example/y.git /tmp/x did not run successfully.
  │ exit code: 128
  ╰─> See above for output.

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: subprocess-exited-with-error

× git clone --filter=blob:none --quiet https://h.example/y.git /tmp/x did not run successfully.
│ exit code: 128
╰─> See above for output.

note: This error originates from a subprocess, and is likely not a problem with pip.
`;
    assert.equal(
      errorExcerpt(output),
      `  fatal: unable to access 'https://h.example/y.git/': Could not resolve host: h.example
  error: subprocess-exited-with-error
  × git clone --filter=blob:none --quiet https://h.example/y.git /tmp/x did not run successfully.
  │ exit code: 128`,
    );
    assert.match(adviceFor(output), /^git could not fetch a repository: /);
    assert.deepEqual(failedRequirement(output), {
      project: 'x@',
      place: { file: 'r.txt', line: 1 },
      dependent: undefined,
    });
  });
  test('the excerpt of no output is empty', () => assert.equal(errorExcerpt(''), ''));
  test('the excerpt contains no secrets', () => {
    assert.equal(
      errorExcerpt('ERROR: 401 for url: https://u:s3cret@h.example/a?t=s3cret'),
      'ERROR: 401 for url: https://h.example/a',
    );
  });

  test('the advice for a version for another Python says so', () => {
    const output = (wanted: string): string =>
      [
        'ERROR: Ignored the following versions that require a different python version: 2.0 Requires-Python >=3.99; 2.1 Requires-Python >=3.99',
        `ERROR: Could not find a version that satisfies the requirement ${wanted} (from r.txt (line 7)) (from versions: 1.0)`,
        'ERROR: No matching distribution found for alpha',
      ].join('\n');
    for (const wanted of ['alpha==2.0.0', 'alpha>=2']) {
      assert.match(adviceFor(output(wanted)), /require another Python/);
    }
    assert.match(adviceFor(output('alpha==3.0')), /^Check the name/);
    const place = { file: 'r.txt', line: 7 };
    const failed = { project: 'alpha>=2', place, dependent: undefined };
    assert.deepEqual(failedRequirement(output('alpha>=2')), failed);
  });

  test('a failed build gives its project and its line', () => {
    // pip 26.3
    const output = `Collecting good==1 (from requirements.txt (line 1))
Collecting mod_wsgi==4.9 (from sub/r.txt (line 12))
Building wheels for collected packages: good, mod-wsgi
  Building wheel for mod-wsgi (pyproject.toml): finished with status 'error'
  error: subprocess-exited-with-error
  ERROR: Failed building wheel for mod-wsgi
`;
    const place = { file: 'sub/r.txt', line: 12 };
    const failed = { project: 'mod_wsgi==4.9', place, dependent: undefined };
    assert.deepEqual(failedRequirement(output), failed);
    const metadata = output.replace(/Building[\s\S]*/, '  error: subprocess-exited-with-error\n');
    assert.deepEqual(failedRequirement(metadata), failed);
  });

  test('a failed dependency gives the project that depends on it', () => {
    const build = '  error: subprocess-exited-with-error\n';
    for (const [output, place, dependent] of [
      [`Collecting b (from a==1->r.txt (line 1))\n${build}`, { file: 'r.txt', line: 1 }, 'a==1'],
      [`Collecting b (from a)\n${build}`, undefined, 'a'],
      [`Collecting b\n${build}`, undefined, undefined],
      [
        'ERROR: Could not find a version that satisfies the requirement b (from a) (from versions: none)\n',
        undefined,
        'a',
      ],
      [
        'ERROR: Could not find a version that satisfies the requirement b (from versions: 1, 2)\n',
        undefined,
        undefined,
      ],
    ] as const) {
      assert.deepEqual(failedRequirement(output), { project: 'b', place, dependent });
    }
    assert.equal(failedRequirement('Collecting b\nERROR: something else\n'), undefined);
  });

  // One long line of a build.
  const run = (text: string): string => text.repeat(Math.ceil(1_000_000 / text.length));
  for (const [description, text] of Object.entries({
    letters: run('a'),
    'a file that was downloaded': `File was already downloaded ${run('a')}`,
    'files that were downloaded': run('File was already downloaded '),
    'hashes of hashes': run('hash '),
    'white space': run(' '),
    'line ends': run('\n'),
    'carriage returns': run('\r'),
    'wheels that were created': run('Created wheel for '),
    'wheels of a name': `Created wheel for a: filename=a${run('-1.')}.whl`,
    'what could not be installed': run('Cannot install '),
    URLs: run('https://u:p/'),
    'statuses of servers': run('500 '),
    repositories: run('× git clone '),
    'versions for another Python': `No matching distribution found ${run('; 1 Requires-Python ')}`,
    'places of requirements': run('Collecting a (from '),
  })) {
    test(`a log of 1 MB does not hang: ${description}`, () => {
      const read = (): void => {
        builtWheels(text);
        readBuildLog(text);
        adviceFor(text);
        failedRequirement(text);
        isUnreachable(text);
        isMirrorFailure(text);
        errorExcerpt(text);
      };
      // Only V8's own clock stops a pattern that doesn't come back. A part of a second should do.
      vm.runInNewContext('read()', { read }, { timeout: 10_000 });
    });
  }
});

describe('advice', () => {
  const table: readonly [string, RegExp][] = [
    [
      'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    a==1:\n        Expected sha256 0\n             Got        1',
      /whose hash is not in your requirements/,
    ],
    [
      'ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==.',
      /turns on hash checking/,
    ],
    [
      'ERROR: Hashes are required in --require-hashes mode, but they are missing from some requirements.',
      /turns on hash checking/,
    ],
    [
      'ERROR: Cannot install a==1 and b==1 because these package versions have conflicting dependencies.\nERROR: ResolutionImpossible: for help visit …',
      /The requirements conflict: /,
    ],
    [
      'ERROR: Cannot install pluggy 0.1.dev1+g67fe2b390 and pluggy[testing]==0.1.dev1+g67fe2b390 because these package versions have conflicting dependencies.\nThe conflict is caused by:\n    The user requested pluggy[testing] 0.1.dev1+g67fe2b390\n    pytest 9.1.1 depends on pluggy<2 and >=1.5',
      /^pluggy has version 0\.1\.dev1\+g67fe2b390, as in a checkout without tags: set fetch-depth: 0 /,
    ],
    [
      'ERROR: Cannot install a and b because these package versions have conflicting dependencies.\n    The user requested a 0.1\n    b 1 depends on a>=1',
      /The requirements conflict: /,
    ],
    [
      'ERROR: HTTP error 401 while getting\nERROR: 401 Client Error: Unauthorized for url: https://h',
      /credentials/,
    ],
    ['ERROR: 403 Client Error: Forbidden for url: https://h', /credentials/],
    ["ERROR: Package 'a' requires a different Python: 3.11.7 not in '>=3.12'", /this Python/],
    [
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('…')': /simple/a/\nERROR: Could not find a version that satisfies the requirement a",
      /could not be reached/,
    ],
    ['ERROR: 503 Server Error: Service Unavailable for url: https://h', /could not be reached/],
    [
      'ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\nERROR: No matching distribution found for nosuch',
      /Check the name/,
    ],
    [
      'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
      /disk is full/,
    ],
    [
      'error: subprocess-exited-with-error\n × python setup.py bdist_wheel did not run',
      /had to be built from source/,
    ],
    [
      'ERROR: Failed building wheel for a\nERROR: Failed to build one or more wheels',
      /had to be built from source/,
    ],
    ['ERROR: something new', /same command should fail the same way/],
    ['', /same command should fail the same way/],
    // pip lists versions for other Pythons whenever a version isn't found.
    [
      'ERROR: Ignored the following versions that require a different python version: 2.0 Requires-Python >=3.13\nERROR: Could not find a version that satisfies the requirement a==9 (from versions: 1.0, 1.1)\nERROR: No matching distribution found for a==9',
      /Check the name/,
    ],
    // A name is not a fault.
    [
      'ERROR: Could not find a version that satisfies the requirement gcloud-credentials (from versions: none)\nERROR: No matching distribution found for gcloud-credentials',
      /Check the name/,
    ],
  ];
  for (const [output, advice] of table) {
    test(output.split('\n').at(-1) || 'nothing', () => assert.match(adviceFor(output), advice));
  }

  for (const [output, expected] of [
    ['HTTPConnectionPool: Max retries exceeded with url: /simple', true],
    ["ReadTimeoutError(\"HTTPSConnectionPool(host='h', port=443): Read timed out.", true],
    ['500 Server Error: Internal Server Error for url', true],
    ['404 Client Error: Not Found for url', false],
    ['401 Client Error: Unauthorized for url', false],
    ['No matching distribution found for a', false],
    ['', false],
  ] as const) {
    test(`${output || 'nothing'}: ${expected ? 'un' : ''}reachable`, () => {
      assert.equal(isUnreachable(output), expected);
    });
  }
});

describe('projects in build environments', () => {
  test('the projects are read from the shared log of all pips of a build', () => {
    assert.deepEqual(
      readBuildLog(
        [
          '2026-11-21T14:59:18,638   Successfully installed hatchling-1.33.0 trove-classifiers-2026.9.21.13',
          '2026-11-21T14:59:18,637 Successfully installed hatchling-1.33.0 trove-classifiers-2026.9.21.13',
          '2026-11-21T14:59:20,894 Successfully installed editables-0.6',
          '2026-11-21T14:59:21,265 Successfully installed proj-1.0',
        ].join('\n'),
      ),
      [
        { name: 'hatchling', version: '1.33.0' },
        { name: 'trove-classifiers', version: '2026.9.21.13' },
        { name: 'editables', version: '0.6' },
        { name: 'proj', version: '1.0' },
      ],
    );
  });

  for (const items of [
    '--index-url-1.0',
    'a@https://evil.example/x-1.0',
    '../x-1.0',
    'x-$(y)',
    '',
  ]) {
    test(`only names and versions are accepted: ${items}`, () => {
      assert.deepEqual(readBuildLog(`2026-11-21T14:59:18,637 Successfully installed ${items}`), []);
    });
  }
});

describe('whether the machine is the reason for a failure', () => {
  const table: readonly [string, boolean][] = [
    [
      'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
      true,
    ],
    [
      "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
      true,
    ],
    [
      "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: '/x'",
      true,
    ],
    ['error: failed to create file `/x` Caused by: Disk quota exceeded (os error 122)', true],
    ['MemoryError', true],
    [
      "ERROR: Could not install packages due to an OSError: [Errno 36] File name too long: '/x'",
      false,
    ],
    [
      "ERROR: Could not install packages due to an OSError: [Errno 20] Not a directory: '/x'",
      false,
    ],
    ['ERROR: Wheel x is invalid.', false],
  ];
  for (const [output, expected] of table) {
    test(`${output}: ${expected}`, () => assert.equal(isMachineFailure(output), expected));
  }
});

describe('requiredPython', () => {
  for (const [output, expected] of [
    ["ERROR: Package 'a' requires a different Python: 3.11.7 not in '>=3.12'", '>=3.12'],
    ["ERROR: Package 'a-b' requires a different Python: 3.8 not in '<4,>=3.12'\nx", '<4,>=3.12'],
    ['ERROR: no luck', undefined],
  ] as const) {
    test(`is ${expected}`, () => assert.equal(requiredPython(output), expected));
  }
});

describe('unmetRequirements', () => {
  test('are those that pip found no file for, each once', () => {
    const line = 'ERROR: No matching distribution found for editables~=0.3';
    assert.deepEqual(unmetRequirements(`x\n${line}\n  ${line}\r\n`), ['editables~=0.3']);
  });
  test('are unknown after another error', () => {
    assert.equal(unmetRequirements('ERROR: no luck'), undefined);
  });
});
