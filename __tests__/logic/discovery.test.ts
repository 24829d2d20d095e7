/** Which file of a directory decides what is installed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { discover, nothingFound } from '../../src/logic/discovery.ts';
import { UserError } from '../../src/logic/errors.ts';

const project = '[project]\nname = "x"\n';

/** Returns the chosen file, and whether the project is installed. */
function chosen(names: readonly string[], pyproject?: string, extras = false): string | undefined {
  const found = discover(names, pyproject, { extras });
  if (found === undefined) return undefined;
  return `${found.file}${found.isProject ? ' project' : ''}`;
}

describe('discover', () => {
  const order = [
    ['requirements.txt', ''],
    ['pylock.toml', ' project'],
    ['uv.lock', ''],
    ['poetry.lock', ''],
    ['pdm.lock', ''],
    ['Pipfile.lock', ''],
    ['pyproject.toml', ' project'],
    ['setup.py', ' project'],
  ] as const;
  for (const [at, [file, kind]] of order.entries()) {
    test(`chooses ${file} before everything that follows`, () => {
      const names = order.slice(at).map(([name]) => name);
      assert.equal(chosen(names.toReversed(), project), `${file}${kind}`);
      const { others } = discover(names, project, { extras: false }) ?? {};
      const isDescribed = (name: string): boolean =>
        kind === ' project' && (name === 'pyproject.toml' || name === 'setup.py');
      assert.deepEqual(
        others,
        names.slice(1).filter((name) => !isDescribed(name)),
      );
    });
  }

  const table: readonly [string, readonly string[], string | undefined, string | undefined][] = [
    ['an empty directory', [], undefined, undefined],
    ['a pyproject.toml with settings only', ['pyproject.toml'], '[tool.black]', undefined],
    ['an empty pyproject.toml', ['pyproject.toml'], '', undefined],
    ['[build-system] alone', ['pyproject.toml'], '[build-system]', 'pyproject.toml project'],
    ['settings beside setup.cfg', ['pyproject.toml', 'setup.cfg'], '', 'pyproject.toml project'],
    ['settings beside setup.py', ['pyproject.toml', 'setup.py'], '', 'pyproject.toml project'],
    ['setup.cfg alone, which pip refuses', ['setup.cfg'], undefined, undefined],
    ['only other requirement files', ['requirements-dev.txt'], undefined, undefined],
    ['a lock without its pyproject.toml', ['uv.lock'], undefined, 'uv.lock'],
    ['a standard lock without a project', ['pylock.toml'], undefined, 'pylock.toml'],
    ['a lock of another environment', ['pylock.dev.toml'], undefined, undefined],
  ];
  for (const [what, names, pyproject, expected] of table) {
    test(what, () => assert.equal(chosen(names, pyproject), expected));
  }

  test('with extras, a requirement file does not decide', () => {
    const names = ['requirements.txt', 'pyproject.toml'];
    assert.equal(chosen(names, project, true), 'pyproject.toml project');
  });

  test('names requirement files that it does not choose', () => {
    const names = ['README.md', 'pylock.dev.toml', 'requirements-dev.txt', 'setup.py', 'tox.ini'];
    const { others } = discover(names, undefined, { extras: false }) ?? {};
    assert.deepEqual(others, ['pylock.dev.toml', 'requirements-dev.txt']);
  });

  test('an invalid pyproject.toml is an error with its line', () => {
    assert.throws(
      () => discover(['pyproject.toml'], '[project\n', { extras: false }),
      (error) => error instanceof UserError && error.file === 'pyproject.toml' && error.line === 1,
    );
  });
});

test('nothingFound explains what a directory with settings lacks', () => {
  assert.match(nothingFound('api', ['pyproject.toml']), /^There is nothing to install in api: /);
  assert.match(nothingFound('api', ['pyproject.toml']), /neither \[project\] nor \[build-system\]/);
  assert.match(nothingFound('api', ['setup.cfg']), /only setup\.cfg/);
  assert.doesNotMatch(nothingFound('api', []), /Its pyproject|setup\.cfg/);
});
