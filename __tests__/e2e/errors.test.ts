/** Bad input leads to exactly one error, which names the file, the line and what to do. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { wheel } from '../support/packages.ts';
import { evaluate } from '../support/python.ts';
import type { Job } from '../support/runner.ts';
import { type RunOptions, startScenario } from '../support/scenario.ts';

const { cache, run } = await startScenario({
  distributions: [wheel({ name: 'one', version: '1.0' })],
});

const nothing = (place: string, hint = ''): string =>
  `There is nothing to install in ${place}: looked for requirements.txt, pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pyproject.toml and setup.py.${hint} Set the input requirements, project, packages or groups, or set working-directory to the folder of the project; check that actions/checkout ran before this step.`;

interface Case extends RunOptions {
  readonly what: string;
  /** The annotation's text; a function if it contains a path of the job. */
  readonly message: string | ((job: Job, python: string) => string);
  readonly file?: string;
  readonly line?: string;
}

/** Writes a program to where a Python is expected. */
function fakePython(job: Job, script: string): void {
  mkdirSync(join(job.workspace, 'bin'), { recursive: true });
  const file = join(job.workspace, 'bin', 'python');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

const text = (content: string): Record<string, string> => ({ 'requirements.txt': content });

const cases: Case[] = [
  {
    what: 'a Python that does not exist',
    files: text('one\n'),
    with: { python: 'no-such-python' },
    message:
      'Python "no-such-python" was not found. Set the input python to an interpreter that exists.',
  },
  {
    what: 'a Python that crashes',
    files: text('one\n'),
    before: (job) => fakePython(job, 'echo some trouble >&2; exit 3'),
    with: { python: 'bin/python' },
    message: (job) =>
      `Could not get information from Python "${job.workspace}/bin/python" (exit code 3): some trouble. Check that it runs: ${job.workspace}/bin/python -c "print(1)".`,
  },
  {
    what: 'a Python that is too old',
    files: text('one\n'),
    before: (job) => fakePython(job, `echo '{"tooOld": "2.7"}'`),
    with: { python: 'bin/python' },
    message: (job) =>
      `Python "${job.workspace}/bin/python" is 2.7; 3.7 or newer is needed. Set the input python to a newer one.`,
  },
  {
    what: 'a pip that is too old',
    files: text('one\n'),
    before: (_job, python) => {
      const file = evaluate(python, `__import__('pip').__file__`);
      writeFileSync(file, '__version__ = "21.3.1"\n');
    },
    message: (_job, python) =>
      `pip 21.3.1 of ${python} is too old; 22.2 or newer is required. Run "${python} -m pip install --upgrade pip" before this step.`,
  },
  {
    what: 'nothing to install',
    message: nothing('the working directory'),
  },
  {
    what: 'a working-directory with nothing to install',
    files: { 'api/readme': '', 'api/setup.cfg': '[metadata]\nname = x\n' },
    with: { 'working-directory': 'api' },
    message: nothing(
      'api',
      ' pip cannot build a project that has only setup.cfg: add a pyproject.toml.',
    ),
  },
  {
    what: 'a pyproject.toml with nothing but settings',
    files: { 'pyproject.toml': '[tool.ruff]\nline-length = 100\n' },
    message: nothing(
      'the working directory',
      ' Its pyproject.toml has neither [project] nor [build-system].',
    ),
  },
  {
    what: 'a requirement file that does not exist',
    files: { 'pyproject.toml': '' },
    with: { requirements: 'dev.txt' },
    message:
      'No file matches "dev.txt" of the input requirements in the working directory. Correct the input, or set working-directory to the folder that contains it.',
  },
  {
    what: 'a working-directory that does not exist',
    with: { 'working-directory': 'api' },
    message: (job) =>
      `The working-directory ${job.workspace}/api does not exist. Check the input, and that actions/checkout ran before this step.`,
  },
  {
    what: 'a glob that points outside the workspace',
    with: { requirements: '../*.txt' },
    message:
      '"../*.txt" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    what: 'a symbolic link that points outside the workspace',
    before: (job) => {
      writeFileSync(join(job.root, 'secret.txt'), 'one\n');
      symlinkSync(join(job.root, 'secret.txt'), join(job.workspace, 'requirements.txt'));
    },
    message:
      '"requirements.txt" of the input requirements leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    what: 'a circular include',
    files: {
      'requirements.txt': 'one\n-r more/a.txt\n',
      'more/a.txt': '\n\n-r ../requirements.txt\n',
    },
    message:
      'Circular include in requirement files: requirements.txt → more/a.txt → requirements.txt. Remove one of these -r or -c lines.',
    file: 'more/a.txt',
    line: '3',
  },
  {
    what: 'an include of a file that does not exist',
    files: text('one\n-r gone.txt\n'),
    message: "gone.txt can't be read: it does not exist.",
    file: 'requirements.txt',
    line: '2',
  },
  {
    what: 'a file that is not text',
    files: { 'requirements.txt': Buffer.from('one\n# caf\xe9\n', 'latin1') },
    message: "requirements.txt can't be read: line 2 is not valid UTF-8; save the file as UTF-8.",
    file: 'requirements.txt',
    line: '2',
  },
  {
    what: 'a line that is not a requirement',
    files: text('one\n\none two three\n'),
    message:
      '"one two three" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip\'s options.',
    file: 'requirements.txt',
    line: '3',
  },
  {
    what: 'an option in the input packages',
    with: { packages: 'one --index-url=https://user:secret@index.example/simple' },
    message:
      '"one --index-url=https://index.example/simple" contains an option; input packages takes requirements only, such as "requests>=2.31". Put options into a requirement file.',
    file: 'input packages',
  },
  {
    what: 'a path in the input packages that does not exist',
    with: { packages: './local' },
    message: './local does not exist.',
    file: 'input packages',
  },
  {
    what: 'a project outside the workspace',
    with: { project: '../other' },
    message:
      '"../other" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
    file: 'input project',
  },
  {
    what: 'a link to a project outside the workspace',
    before: (job) => symlinkSync('/usr', join(job.workspace, 'other')),
    with: { project: 'other' },
    message:
      '"./other" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
    file: 'input project',
  },
  {
    what: 'a project with a marker',
    with: { project: '. ; python_version > "3"' },
    message:
      '". ; python_version > "3"" is not the path of a local project. Write a path with optional extras, such as ".[test]"; markers and options belong into a requirement file.',
    file: 'input project',
  },
  {
    what: 'a project with an invalid extra',
    with: { project: '.[te st]' },
    message: '".[te st]" asks for "te st", which is not the name of an extra.',
    file: 'input project',
  },
  {
    what: 'a local project that does not exist',
    files: text('one\n-e ./gone\n'),
    message: './gone does not exist.',
    file: 'requirements.txt',
    line: '2',
  },
  {
    what: 'a directory that is not a project',
    files: { ...text('./empty\n'), 'empty/readme': '' },
    message: './empty is not a Python project: it has neither pyproject.toml nor setup.py.',
    file: 'requirements.txt',
    line: '1',
  },
  {
    what: 'a pyproject.toml that is not valid TOML',
    files: { ...text('-e .\n'), 'pyproject.toml': '[project]\nname = \n' },
    message:
      'pyproject.toml is not valid TOML: Invalid TOML document: invalid value. Fix the file.',
    file: 'pyproject.toml',
    line: '2',
  },
  {
    what: 'a dependency group that does not exist',
    files: { 'pyproject.toml': '[dependency-groups]\ntest = []\n' },
    with: { groups: 'tset' },
    message: 'pyproject.toml has no dependency group "tset". It has: test.',
    file: 'pyproject.toml',
  },
  {
    what: 'pyproject.toml as a requirement file',
    files: { 'pyproject.toml': '[project]\nname = "x"\n' },
    with: { requirements: 'pyproject.toml' },
    message:
      'pyproject.toml is not a requirement file. Use the input project for the project, or groups for its dependency groups.',
    file: 'pyproject.toml',
  },
  {
    what: 'a Pipfile as a requirement file',
    files: { 'service/Pipfile': '' },
    with: { requirements: 'service/Pipfile' },
    message: 'service/Pipfile is not a requirement file. Name its Pipfile.lock.',
    file: 'service/Pipfile',
  },
  {
    what: 'a boolean input that is neither true nor false',
    files: text('one\n'),
    with: { install: 'yes' },
    message: 'The input install is "yes"; it must be one of true, false.',
  },
  {
    what: 'an unknown value of the input refresh',
    files: text('one\n'),
    with: { refresh: 'hourly' },
    message:
      'The input refresh is "hourly"; it must be one of auto, always, daily, weekly, monthly, never.',
  },
  {
    what: 'a cache-suffix with characters that are not allowed',
    files: text('one\n'),
    with: { 'cache-suffix': 'a,b' },
    message:
      'The input cache-suffix is "a,b"; it may only contain letters, digits, ".", "_" and "-".',
  },
  {
    what: 'a wheelhouse that would replace the checkout',
    files: text('one\n'),
    with: { wheelhouse: '.' },
    message: (job) =>
      `The input wheelhouse is ${job.workspace}, which contains the checkout and would be overwritten. Choose a dedicated directory.`,
  },
  {
    what: 'a wheelhouse directory that contains other files',
    files: { ...text('one\n'), 'precious/file': 'x' },
    with: { wheelhouse: 'precious' },
    message: (job) =>
      `${job.workspace}/precious is not empty and is not a wheelhouse; using it would delete its contents. Set the input wheelhouse to an empty or new directory.`,
  },
  {
    what: 'a venv directory that contains other files',
    files: { ...text('one\n'), 'precious/file': 'x' },
    with: { venv: 'precious' },
    message: (job) =>
      `${job.workspace}/precious exists and is not a virtual environment. Set the input venv to another directory, or remove that one.`,
  },
];

for (const { what, message, file, line, ...options } of cases) {
  test(`exactly one error for ${what}, and nothing is installed`, async () => {
    await cache.reset();
    let expected = message;
    const result = await run({
      ...options,
      before: async (job, python) => {
        await options.before?.(job, python);
        if (typeof message === 'function') expected = message(job, python);
      },
      between: (_job, main) => {
        assert.equal(main.conclusion, 'failure', main.log);
        const errors = main.annotations.filter((each) => each.level === 'error');
        assert.deepEqual(
          errors.map((each) => [each.message, each.properties['file'], each.properties['line']]),
          [[expected, file, line]],
        );
        assert.equal(main.annotations.length, 1, main.log);
      },
    });
    assert.deepEqual(
      result.installed.filter((each) => each.startsWith('one')),
      [],
    );
    assert.equal(cache.entries().length, 0);
  });
}

test('an externally managed Python is rejected without an index request, unless pip may break it', async () => {
  let python = '';
  const manage = (_job: Job, executable: string): void => {
    python = executable;
    const library = evaluate(executable, `__import__('sysconfig').get_path('stdlib')`);
    // A virtual environment is never externally managed, so this one denies being one.
    writeFileSync(
      join(evaluate(executable, `__import__('sysconfig').get_path('purelib')`), 'sitecustomize.py'),
      `import os, sys, sysconfig\nsys.base_prefix = sys.prefix\nexists = os.path.exists\nos.path.exists = lambda p: True if p == os.path.join(${JSON.stringify(library)}, 'EXTERNALLY-MANAGED') else exists(p)\n`,
    );
  };
  const refused = await run({ files: text('one\n'), before: manage });
  assert.deepEqual(
    refused.main.annotations.map((each) => each.message),
    [
      `Python ${refused.main.annotations[0]?.message.split(' ')[1]} at ${python} is managed by the system, which does not allow pip to install into it (PEP 668). Set the input venv, for example "venv: .venv", or run actions/setup-python before this step.`,
    ],
  );
  assert.equal(refused.requests, 0);
  const allowed = await run({
    files: text('one\n'),
    before: manage,
    env: { PIP_BREAK_SYSTEM_PACKAGES: '1' },
  });
  assert.equal(allowed.main.conclusion, 'success', allowed.main.log);
  assert.deepEqual(allowed.installed, ['one==1.0']);
});
