import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../src/logic/errors.ts';
import { groupRequirements, projectParts } from '../../src/logic/local-project.ts';

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

  test('changes with any edit of setup.py and setup.cfg', () => {
    const digests = [
      projectParts({ setupPy: 'a' }, 'p'),
      projectParts({ setupPy: 'b' }, 'p'),
      projectParts({ setupCfg: 'a' }, 'p'),
      projectParts({ setupPy: 'a', setupCfg: 'a' }, 'p'),
      projectParts({ pyproject, setupPy: 'a' }, 'p'),
    ].map((parts) => parts.digest);
    assert.equal(new Set(digests).size, digests.length);
  });

  test('does not change with the name of the directory', () => {
    assert.equal(projectParts({ pyproject }, 'q').digest, base);
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
