import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../src/logic/errors.ts';
import { dependencyFiles, groupRequirements, projectParts } from '../../src/logic/local-project.ts';

const pyproject = `
[build-system]
requires = ["hatchling>=1", "hatch-vcs"]
build-backend = "hatchling.build"

[project]
name = "local"
version = "1.0"
description = "A project"
requires-python = ">=3.9"
dependencies = ["requests>=2"]

[project.optional-dependencies]
test = ["pytest"]

[dependency-groups]
dev = ["ruff"]

[tool.ruff]
line-length = 100

[tool.poetry.dependencies]
python = "^3.9"
`;

function refusal(work: () => unknown): UserError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  return assert.fail('it was taken');
}

describe('the digest of a project', () => {
  const base = projectParts({ pyproject }, 'p').digest;
  const edits: readonly [string, string, string, boolean][] = [
    ['a dependency', '"requests>=2"', '"requests>=3"', true],
    ['an optional dependency', '"pytest"', '"pytest>=8"', true],
    ['the name of an extra', 'test = [', 'tests = [', true],
    ['a group', '"ruff"', '"mypy"', true],
    ['what it is built with', '"hatch-vcs"', '"hatch-vcs>=1"', true],
    ['the backend', 'hatchling.build', 'hatchling.other', true],
    ['the Pythons that it runs on', '>=3.9"\ndep', '>=3.10"\ndep', true],
    ['the name', 'name = "local"', 'name = "other"', true],
    ['dependencies of a tool', '"^3.9"', '"^3.10"', true],
    ['dynamic fields', 'version = "1.0"', 'dynamic = ["version"]', true],
    ['the version', '"1.0"', '"1.1"', false],
    ['the description', 'A project', 'Another', false],
    ['the settings of a linter', '= 100', '= 120', false],
    [
      'a hook for the description',
      '[tool.poetry',
      '[[tool.hatch.metadata.hooks.fancy-pypi-readme.fragments]]\ntext = "x"\n[tool.poetry',
      false,
    ],
    [
      'another hook',
      '[tool.poetry',
      '[tool.hatch.metadata.hooks.requirements_txt]\nfiles = ["x"]\n[tool.poetry',
      true,
    ],
    [
      'where the dependencies are',
      '[tool.poetry',
      '[tool.setuptools.dynamic]\ndependencies = { file = "x" }\n[tool.poetry',
      true,
    ],
    [
      'where the version is',
      '[tool.poetry',
      '[tool.setuptools.dynamic]\nversion = { attr = "x" }\n[tool.poetry',
      false,
    ],
    ['a comment', '[project]', '# why\n[project]', false],
    ['the order of tables', '[project.optional-dependencies]\ntest = ["pytest"]\n', '', true],
  ];
  for (const [description, from, to, decides] of edits) {
    test(`${decides ? 'changes' : 'does not change'} with ${description}`, () => {
      assert.ok(pyproject.includes(from));
      const edited = projectParts({ pyproject: pyproject.replace(from, to) }, 'p').digest;
      assert.equal(edited !== base, decides);
    });
  }

  test('does not change with line endings and the order of tables', () => {
    assert.equal(projectParts({ pyproject: pyproject.replaceAll('\n', '\r\n') }, 'p').digest, base);
    const [head = '', ...tables] = pyproject.split(/\n(?=\[)/);
    const turned = [head, ...tables.toReversed()].join('\n');
    assert.notEqual(turned, pyproject);
    assert.equal(projectParts({ pyproject: turned }, 'p').digest, base);
  });

  const setupCfg = `[metadata]
name = local
version = 1.0
description = A project
  in two lines
classifiers =
    Framework :: Other
[options]
python_requires = >=3.9
install_requires =
    requests>=2
[options.extras_require]
test = pytest
[flake8]
max-line-length = 100
`;
  const setupPy = `from setuptools import setup
setup(
    name="local",
    version="1.0",
    description='A "project"',
    install_requires=["requests>=2"],
)
`;
  const setupEdits: readonly [string, string, string, boolean][] = [
    ['the version', '1.0', '1.1', false],
    ['the description', 'project', 'thing', false],
    ['its second line', 'two lines', '2 lines', false],
    ['a classifier', 'Framework', 'Topic', false],
    ['the settings of a linter', '100', '120', false],
    ['a dependency', 'requests>=2', 'requests>=3', true],
    ['the name', 'local', 'other', true],
    ['an extra', 'pytest', 'nose', true],
    ['the Pythons that it runs on', '>=3.9', '>=3.10', true],
  ];
  for (const [what, from, to, decides] of setupEdits) {
    for (const [file, text] of Object.entries({ setupCfg, setupPy })) {
      if (!text.includes(from)) continue;
      test(`${decides ? 'changes' : 'does not change'} with ${what} in ${file}`, () => {
        const [before, after] = [text, text.replace(from, to)].map(
          (content) => projectParts({ [file]: content }, 'p').digest,
        );
        assert.notEqual(text, text.replace(from, to));
        assert.equal(before !== after, decides);
      });
    }
  }

  test('changes with the code of setup.py and with files that dependencies are read from', () => {
    const digests = [
      projectParts({ setupPy }, 'p'),
      projectParts({ setupPy: `import os\n${setupPy}` }, 'p'),
      projectParts({ setupCfg }, 'p'),
      projectParts({ pyproject }, 'p'),
      projectParts({ pyproject }, 'p', ['requirements.txt\none']),
      projectParts({ pyproject }, 'p', ['requirements.txt\ntwo']),
    ].map(({ digest }) => digest);
    assert.equal(new Set(digests).size, digests.length);
  });

  for (const [description, text, expected] of [
    ['as pyproject.toml says', pyproject, ['hatchling>=1', 'hatch-vcs']],
    ['none, when it says none', '[build-system]\nrequires = []', []],
    ['as pip assumes without it', '[project]\nname = "x"', ['setuptools>=40.8.0', 'wheel']],
    ['as pip assumes without a file', undefined, ['setuptools>=40.8.0', 'wheel']],
  ] as const) {
    test(`build requirements: ${description}`, () => {
      const files = text === undefined ? { setupPy: '' } : { pyproject: text };
      assert.deepEqual(projectParts(files, 'p').buildRequires, expected);
    });
  }

  test('invalid TOML is an error with its line', () => {
    const error = refusal(() =>
      projectParts({ pyproject: 'a = 1\nb = [\n' }, 'sub/pyproject.toml'),
    );
    assert.match(error.message, /^sub\/pyproject\.toml is not valid TOML: .+\. Fix the file\.$/);
    assert.equal(error.file, 'sub/pyproject.toml');
    assert.ok(error.line === 2 || error.line === 3, `${error.line}`);
  });

  for (const text of ['project = 1', 'tool = []', 'build-system = "x"', '[tool]\npoetry = 1', '']) {
    test(`ignores values of the wrong type: ${JSON.stringify(text)}`, () => {
      assert.match(projectParts({ pyproject: text }, 'p').digest, /^[0-9a-f]{64}$/);
    });
  }
});

describe('dependencyFiles', () => {
  const names = ['requirements.txt', 'README.txt', 'requirements-dev.in', 'requirements/base.txt'];
  const dynamic = '[project]\ndynamic = ["version", "dependencies"]\n';
  const files =
    '[tool.setuptools.dynamic]\ndependencies = { file = ["deps.txt"] }\noptional-dependencies.test = { file = "test.txt" }\n';
  const related = ['requirements-dev.in', 'requirements.txt', 'requirements/base.txt'];
  const table: readonly [string, Parameters<typeof dependencyFiles>[0], readonly string[]][] = [
    ['a project with static dependencies', { pyproject }, []],
    ['a dynamic version only', { pyproject: '[project]\ndynamic = ["version"]\n' }, []],
    ['dynamic dependencies', { pyproject: dynamic }, related],
    [
      'files that setuptools is told to read',
      { pyproject: dynamic + files },
      ['deps.txt', ...related, 'test.txt'],
    ],
    [
      'other files that setuptools is told to read',
      {
        pyproject: `${dynamic}[tool.setuptools.dynamic]\nreadme = { file = ["README.txt"] }\n`,
      },
      related,
    ],
    [
      'files that a hook of hatchling is told to read',
      { pyproject: `${dynamic}[tool.hatch.metadata.hooks.requirements_txt]\nfiles = ["deps"]\n` },
      ['deps', ...related],
    ],
    [
      "the code of a project's own hook",
      { pyproject: `${dynamic}[tool.hatch.metadata.hooks.custom]\n` },
      ['hatch_build.py', ...related],
    ],
    [
      "the code of a project's own hook in another file",
      { pyproject: `${dynamic}[tool.hatch.metadata.hooks.custom]\npath = "hook.py"\n` },
      ['hatch_build.py', 'hook.py', ...related],
    ],
    [
      'the parts of a description',
      {
        pyproject: `${dynamic}[[tool.hatch.metadata.hooks.fancy-pypi-readme.fragments]]\npath = "README.md"\n`,
      },
      related,
    ],
    ['a setup.py', { setupPy: 'setup()' }, related],
    ['file: in setup.cfg', { setupCfg: 'install_requires = file: requirements.txt' }, related],
  ];
  for (const [what, given, expected] of table) {
    test(what, () => assert.deepEqual(dependencyFiles(given, 'p', names), expected));
  }
});

describe('dependency groups', () => {
  const text = `
[dependency-groups]
test = ["pytest>=8", "coverage[toml]"]
Type_Checks = ["mypy"]
all = [{ include-group = "test" }, "ruff", {include-group = "type.checks"}]
empty = []
one = [{ include-group = "two" }]
two = ["x", { include-group = "One" }]
odd = [1]
wrong = [{ include = "test" }]
text = "pytest"
lost = [{ include-group = "nowhere" }]
`;
  for (const [group, expected] of [
    ['test', ['pytest>=8', 'coverage[toml]']],
    ['TEST', ['pytest>=8', 'coverage[toml]']],
    ['type-checks', ['mypy']],
    ['all', ['pytest>=8', 'coverage[toml]', 'ruff', 'mypy']],
    ['empty', []],
  ] as const) {
    test(`the group ${group} is resolved`, () =>
      assert.deepEqual(groupRequirements(text, 'pyproject.toml', group), expected));
  }

  const known = 'test, Type_Checks, all, empty, one, two, odd, wrong, text, lost';
  for (const [group, message] of [
    ['no', `p.toml has no dependency group "no". It has: ${known}.`],
    ['constructor', `p.toml has no dependency group "constructor". It has: ${known}.`],
    ['__proto__', `p.toml has no dependency group "__proto__". It has: ${known}.`],
    ['', `p.toml has no dependency group "". It has: ${known}.`],
    ['lost', `p.toml has no dependency group "nowhere". It has: ${known}.`],
    ['text', `p.toml has no dependency group "text". It has: ${known}.`],
    ['one', 'The dependency groups of p.toml form a circle: one → two → one.'],
    [
      'odd',
      'The dependency group "odd" of p.toml contains 1; only requirements and { include-group = "…" } are allowed.',
    ],
    [
      'wrong',
      'The dependency group "wrong" of p.toml contains {"include":"test"}; only requirements and { include-group = "…" } are allowed.',
    ],
  ] as const) {
    test(`the group ${group || '(empty)'} is rejected`, () => {
      const error = refusal(() => groupRequirements(text, 'p.toml', group));
      assert.deepEqual([error.message, error.file], [message, 'p.toml']);
    });
  }

  test('a file without dependency groups is rejected', () => {
    assert.equal(
      refusal(() => groupRequirements('', 'p.toml', 'dev')).message,
      'p.toml has no dependency group "dev". It has: none.',
    );
  });

  test('a file that is not TOML is rejected', () => {
    assert.match(refusal(() => groupRequirements('[', 'p.toml', 'dev')).message, /not valid TOML/);
  });
});

test('the requirements of groups that include others twice do not double each time', () => {
  const groups = Array.from(
    { length: 40 },
    (_each, at) => `g${at} = [{ include-group = "g${at + 1}" }, { include-group = "g${at + 1}" }]`,
  );
  const text = `[dependency-groups]\n${groups.join('\n')}\ng40 = ["a", "b"]\n`;
  assert.deepEqual(groupRequirements(text, 'p.toml', 'g0'), ['a', 'b']);
});
