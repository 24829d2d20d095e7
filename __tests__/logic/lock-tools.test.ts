import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { UserError } from '../../src/logic/errors.ts';
import type { LockTool } from '../../src/logic/lock-files.ts';
import {
  type ExportReading,
  type ExportSelection,
  exportEnvironment,
  exportFailure,
  exportOf,
  needsNetwork,
  pythonMarker,
  readExport,
  type ToolLock,
} from '../../src/logic/lock-tools.ts';

const python = '/opt/python/bin/python';
const plain: ExportSelection = { extras: [], groups: [], editable: true, installProject: true };
const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;

function lockOf(tool: LockTool, lock: string, project: string): ToolLock {
  const shown = tool === 'pipenv' ? 'Pipfile.lock' : `${tool}.lock`;
  return { tool, shown, lock, project };
}

function commandsOf(lock: ToolLock, selection: Partial<ExportSelection> = {}) {
  return exportOf(lock, { ...plain, ...selection }, python).commands.map(({ args }) => args);
}

const ranIn = path.resolve('/copies/of/lock');
const reading: ExportReading = {
  ...plain,
  ranIn,
  directory: '.',
  defaultIndex: 'https://default.example/simple',
};

const url = (...parts: string[]): string => pathToFileURL(path.join(ranIn, ...parts)).href;

describe('exporting uv.lock', () => {
  const lock = lockOf('uv', '', '');

  test('asks uv for a standard lock, first without a network', () => {
    const { commands, files } = exportOf(lock, plain, python);
    const args = [
      'export',
      '--locked',
      '--format=pylock.toml',
      '--no-header',
      `--python=${python}`,
    ];
    assert.deepEqual(commands, [{ args: [...args, '--offline'], online: args }]);
    assert.equal(files, undefined);
  });

  test('hands extras, groups and what to install on', () => {
    const [args = []] = commandsOf(lock, {
      extras: ['web', '--frozen'],
      groups: ['docs'],
      editable: false,
      installProject: false,
    });
    assert.deepEqual(args.slice(5), [
      '--extra=web',
      '--extra=--frozen',
      '--group=docs',
      '--no-editable',
      '--no-emit-project',
      '--offline',
    ]);
  });

  test('runs again with a network only if uv says that it lacked one', () => {
    assert.ok(
      needsNetwork('hint: Packages were unavailable because the network was disabled. When …'),
    );
    assert.ok(!needsNetwork('error: The lockfile at `uv.lock` needs to be updated, but …'));
  });
});

describe('exporting poetry.lock', () => {
  const pyproject = `
    [project]
    name = "app"
    license = { file = "docs/LICENSE" }
    [dependency-groups]
    lint = ["ruff"]
    Type_Check = ["mypy"]
    [tool.poetry.group.dev.dependencies]
    pytest = "*"
    [tool.poetry.group.type-check]
    optional = true
    [tool.poetry.group.docs]
    optional = true`;

  test('names the groups that Poetry installs by default, and copies what Poetry reads', () => {
    const { commands, files } = exportOf(lockOf('poetry', 'lock', pyproject), plain, python);
    assert.deepEqual(
      commands.map(({ args }) => args.slice(1)),
      [['--format=requirements.txt', '--no-interaction', '--no-ansi', '--with=lint', '--with=dev']],
    );
    assert.deepEqual(files, {
      'poetry.lock': 'lock',
      'pyproject.toml': pyproject,
      'docs/LICENSE': '',
    });
  });

  test('knows the older table of development dependencies', () => {
    const old = '[tool.poetry.dev-dependencies]\npytest = "*"';
    const [args = []] = commandsOf(lockOf('poetry', '', old));
    assert.deepEqual(args.slice(4), ['--with=dev']);
  });

  test('hands extras and groups on', () => {
    const [args = []] = commandsOf(
      lockOf('poetry', '', '[tool.poetry.group.docs]\noptional = true'),
      {
        extras: ['web'],
        groups: ['docs'],
      },
    );
    assert.deepEqual(args.slice(4), ['--with=docs', '--extras=web']);
  });

  for (const file of ['../../etc/passwd', '/etc/passwd', '.git/config', 'a\\..\\b']) {
    test(`does not write a licence file to ${file}`, () => {
      const text = `[project]\nlicense = { file = '${file}' }`;
      const { files } = exportOf(lockOf('poetry', '', text), plain, python);
      assert.deepEqual(Object.keys(files ?? {}), ['poetry.lock', 'pyproject.toml']);
    });
  }

  test('becomes requirement lines, with paths that start where pip runs', () => {
    const lock = `
      [[package]]
      name = "Lib_A"
      [package.source]
      type = "directory"
      url = "packages/lib-a"
      [metadata]
      python-versions = "^3.10"`;
    const output = [
      '--index-url https://default.example/simple/',
      '--extra-index-url https://private.example/simple',
      '',
      `-e ${url('packages', 'lib-a')} ; python_version >= "3.10"`,
      `tool @ ${url('..', 'tool')} ; sys_platform == "linux"`,
      'idna==3.20 ; python_version >= "3.10" \\',
      `    --hash=${hash('a')} \\`,
      `    --hash=${hash('b')}`,
      'demo[web] @ git+https://host.example/demo.git@0123abc ; python_version >= "3.10"',
    ].join('\n');
    const { packages, options, requiresPython } = readExport(
      lockOf('poetry', lock, '[tool.poetry]\nname = "app"'),
      output,
      { ...reading, directory: 'services/api' },
    );
    assert.deepEqual(
      packages.map(({ name, text, marker, path: local }) => [name, text, marker, local]),
      [
        [
          'lib-a',
          '-e ./services/api/packages/lib-a',
          'python_version >= "3.10"',
          './services/api/packages/lib-a',
        ],
        [
          'tool',
          './services/tool ; sys_platform == "linux"',
          'sys_platform == "linux"',
          './services/tool',
        ],
        [
          'idna',
          `idna==3.20 ; python_version >= "3.10" --hash=${hash('a')} --hash=${hash('b')}`,
          'python_version >= "3.10"',
          undefined,
        ],
        [
          'demo',
          'demo[web] @ git+https://host.example/demo.git@0123abc ; python_version >= "3.10"',
          'python_version >= "3.10"',
          undefined,
        ],
        ['', '-e ./services/api', undefined, './services/api'],
      ],
    );
    assert.deepEqual(options, ['--extra-index-url https://private.example/simple']);
    assert.equal(requiresPython, 'python_full_version >= "3.10" and python_full_version < "4"');
  });

  for (const [what, project, selection] of [
    ['a project without a package', '[tool.poetry]\npackage-mode = false', {}],
    ['a project that is not to be installed', '', { installProject: false }],
  ] as const) {
    test(`leaves out ${what}`, () => {
      const lock = lockOf('poetry', '', project);
      assert.deepEqual(readExport(lock, '', { ...reading, ...selection }).packages, []);
    });
  }

  test('installs nothing editable if that is not wanted', () => {
    const lock = lockOf('poetry', '', '');
    const output = `-e ${url('lib')} ; python_version >= "3.10"`;
    const { packages } = readExport(lock, output, { ...reading, editable: false });
    assert.deepEqual(
      packages.map(({ text }) => text),
      ['./lib ; python_version >= "3.10"', '.'],
    );
  });
});

describe('exporting pdm.lock', () => {
  const lock = `
    [metadata]
    groups = ["default", "web", "dev"]
    [[package]]
    name = "Idna"
    version = "3.20"
    files = [{ file = "a.whl", hash = "${hash('a')}" }, { file = "a.tar.gz", hash = "${hash('b')}" }]
    [[package]]
    name = "idna"
    version = "3.19"
    files = [{ file = "b.whl", hash = "${hash('c')}" }]`;

  test('checks the lock, then exports the groups that PDM installs by default', () => {
    const { commands, files } = exportOf(lockOf('pdm', lock, ''), plain, python);
    assert.deepEqual(
      commands.map(({ args }) => args),
      [
        ['lock', '--check'],
        ['export', '--format=requirements', '--no-hashes'],
      ],
    );
    assert.deepEqual(Object.keys(files ?? {}), ['pdm.lock', 'pyproject.toml']);
  });

  test('hands extras and groups on', () => {
    const [, args = []] = commandsOf(lockOf('pdm', lock, ''), { extras: ['web'], groups: ['dev'] });
    assert.deepEqual(args.slice(3), ['--group=web', '--group=dev']);
  });

  test('refuses a group that the lock lacks, which PDM would pass over', () => {
    assert.throws(
      () => commandsOf(lockOf('pdm', lock, ''), { groups: ['docs'] }),
      new UserError(
        'pdm.lock has no extra or group "docs". It has: default, web, dev. To add one, declare it in pyproject.toml and run "pdm lock".',
        { file: 'pdm.lock' },
      ),
    );
  });

  test('refuses dependencies that a build would have to compute', () => {
    const project = '[project]\nname = "app"\ndynamic = ["version", "optional-dependencies"]';
    assert.throws(() => commandsOf(lockOf('pdm', lock, project)), /project\.dynamic/);
    const version = '[project]\nname = "app"\ndynamic = ["version"]';
    assert.equal(commandsOf(lockOf('pdm', lock, version)).length, 2);
  });

  test('gets its hashes from the lock, by name and version', () => {
    const output = [
      '# This file is @generated by PDM.',
      'idna==3.20; sys_platform == "win32"',
      'idna[all]==3.19',
      `lib-a @ ${url('packages', 'lib-a')}`,
      '-e ./packages/lib-b#egg=lib-b',
    ].join('\n');
    const project = '[project]\nname = "app"\nrequires-python = ">=3.9,<3.14"';
    const { packages, requiresPython } = readExport(lockOf('pdm', lock, project), output, reading);
    assert.deepEqual(
      packages.map(({ text }) => text),
      [
        `idna==3.20 ; sys_platform == "win32" --hash=${hash('a')} --hash=${hash('b')}`,
        `idna[all]==3.19 --hash=${hash('c')}`,
        './packages/lib-a',
        '-e ./packages/lib-b',
        '-e .',
      ],
    );
    assert.equal(requiresPython, 'python_full_version >= "3.9" and python_full_version < "3.14"');
  });

  for (const settings of [
    '[project]\nname = "app"\n[tool.pdm]\ndistribution = false',
    '[project]\nname = "app"\n[tool.pdm]\npackage-type = "application"',
    '[project]\nrequires-python = ">=3.9"',
  ]) {
    test(`leaves the project out: ${JSON.stringify(settings)}`, () => {
      assert.deepEqual(readExport(lockOf('pdm', lock, settings), '', reading).packages, []);
    });
  }
});

describe('exporting Pipfile.lock', () => {
  const lock = JSON.stringify({
    _meta: {},
    default: { 'Lib-A': { path: './packages/lib-a', editable: true } },
    develop: {},
    docs: {},
  });

  test('verifies the lock, then exports the default packages', () => {
    assert.deepEqual(commandsOf(lockOf('pipenv', lock, '')), [
      ['verify'],
      ['requirements', '--hash'],
    ]);
  });

  test('hands groups on as categories', () => {
    const [, args = []] = commandsOf(lockOf('pipenv', lock, ''), { groups: ['dev', 'docs'] });
    assert.deepEqual(args.slice(2), ['--categories=packages dev-packages docs']);
  });

  test('refuses a category that the lock lacks, which pipenv would pass over', () => {
    assert.throws(
      () => commandsOf(lockOf('pipenv', lock, ''), { groups: ['tests'] }),
      /^UserError: Pipfile\.lock has no extra or group "tests"\. It has: default, develop, docs\./,
    );
  });

  test('refuses a lock that is not JSON', () => {
    assert.throws(() => commandsOf(lockOf('pipenv', '[[source]]', '')), /not valid JSON/);
  });

  test('becomes requirement lines; a path is editable if the lock says so', () => {
    const output = [
      '-i https://default.example/simple',
      '--extra-index-url https://${TOKEN}@private.example/simple',
      "colorama; sys_platform == 'win32'",
      `idna==3.20; python_version >= '3.9' --hash=${hash('a')}`,
      './packages/lib-a',
      './other ; python_version >= "3.9"',
      '-e git+https://host.example/demo.git@0123abc#egg=demo',
    ].join('\n');
    const { packages, options } = readExport(lockOf('pipenv', lock, ''), output, reading);
    assert.deepEqual(
      packages.map(({ text }) => text),
      [
        "colorama ; sys_platform == 'win32'",
        `idna==3.20 ; python_version >= '3.9' --hash=${hash('a')}`,
        '-e ./packages/lib-a',
        './other ; python_version >= "3.9"',
        '-e git+https://host.example/demo.git@0123abc#egg=demo',
      ],
    );
    assert.deepEqual(
      packages.map(({ name }) => name),
      ['colorama', 'idna', 'lib-a', '', ''],
    );
    assert.deepEqual(options, ['--extra-index-url https://${TOKEN}@private.example/simple']);
  });
});

describe('the environment of an exporter', () => {
  const environment = {
    PATH: '/bin',
    HOME: '/home/user',
    PIP_INDEX_URL: 'https://user:secret@index.example/simple',
    UV_INDEX: 'private=https://user:secret@index.example/simple https://other.example/simple',
    UV_INDEX_PRIVATE_PASSWORD: 'secret',
    UV_NO_DEV: '1',
    UV_PROJECT_ENVIRONMENT: '/elsewhere',
    POETRY_HTTP_BASIC_PRIVATE_PASSWORD: 'secret',
    PDM_PYPI_PASSWORD: 'secret',
    PIPENV_PYPI_MIRROR: 'https://user:secret@index.example/simple',
    PYTHONPATH: '.',
    VIRTUAL_ENV: '/venv',
  };
  const environmentOf = (tool: LockTool): Record<string, string> =>
    exportEnvironment(tool, environment, { home: '/temp/home', python, nullDevice: '/dev/null' });

  for (const tool of ['uv', 'poetry', 'pdm', 'pipenv'] as const) {
    test(`of ${tool} contains no credentials and no code of the checkout`, () => {
      const made = environmentOf(tool);
      assert.doesNotMatch(JSON.stringify(made), /secret/);
      assert.equal(made['PYTHONPATH'], undefined);
      assert.equal(made['VIRTUAL_ENV'], undefined);
      assert.equal(made['PATH'], '/bin');
    });
  }

  test('of uv contains the indexes and the groups that its lock depends on', () => {
    const made = environmentOf('uv');
    assert.equal(
      made['UV_INDEX'],
      'private=https://index.example/simple https://other.example/simple',
    );
    assert.equal(made['UV_NO_DEV'], '1');
    assert.equal(made['UV_PROJECT_ENVIRONMENT'], undefined);
    assert.equal(environmentOf('pdm')['UV_INDEX'], undefined);
  });
});

describe('the marker of supported Pythons', () => {
  for (const [constraint, marker] of [
    ['>=3.10', 'python_full_version >= "3.10"'],
    ['>= 3.10, <4.0', 'python_full_version >= "3.10" and python_full_version < "4.0"'],
    ['^3.9.2', 'python_full_version >= "3.9.2" and python_full_version < "4"'],
    ['~3.9', 'python_full_version >= "3.9" and python_full_version < "3.10"'],
    ['~=3.9', 'python_full_version ~= "3.9"'],
    ['3.11.*', 'python_full_version == "3.11.*"'],
    [
      '>=3.8,<3.9 || >=3.10',
      '(python_full_version >= "3.8" and python_full_version < "3.9") or (python_full_version >= "3.10")',
    ],
    ['*', undefined],
    ['', undefined],
    ['>=3.10 && <4', undefined],
    ['" or os_name != "', undefined],
  ] as const) {
    test(`of "${constraint}" is ${marker ?? 'unknown'}`, () => {
      assert.equal(pythonMarker(constraint), marker);
    });
  }
});

test('a failed export is reported in the words of the tool', () => {
  const lock = lockOf('uv', '', '');
  assert.equal(
    exportFailure(lock, 'error: The lockfile needs to be updated.\n').message,
    'uv could not export uv.lock:\nerror: The lockfile needs to be updated.\nIf pyproject.toml has changed, run "uv lock" and commit the result.',
  );
});
