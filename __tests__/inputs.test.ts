import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { root } from '../scripts/tools.mjs';
import { type Host, type InputName, inputDefaults, loadRequest } from '../src/inputs.ts';
import { UserError } from '../src/logic/errors.ts';
import type { Request } from '../src/logic/model.ts';
import { readActionManifest } from './support/runner.ts';

const host: Host = {
  workspace: '/w',
  directory: '/w',
  temporary: '/tmp/runner',
  environment: { PATH: '/bin' },
  event: { name: 'push', ref: 'refs/heads/main', repository: 'o/p', headRepository: undefined },
};

type Inputs = Partial<Record<InputName, string>>;

const load = (inputs: Inputs = {}, change: Partial<Host> = {}): ReturnType<typeof loadRequest> =>
  loadRequest((name) => inputs[name] ?? '', { ...host, ...change });

function refusal(inputs: Inputs): string {
  try {
    load(inputs);
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error.message;
  }
  return assert.fail('it was accepted');
}

test('the defaults of all inputs match action.yml', () => {
  const declared = Object.entries(readActionManifest(root).inputs).map(
    ([name, { default: value }]) => [name, value],
  );
  assert.ok(declared.length > 10);
  assert.deepEqual(Object.fromEntries(declared), inputDefaults);
});

test('without inputs, a request has the defaults', () => {
  const { request, notices } = load();
  const expected: Partial<Request> = {
    workspace: '/w',
    workingDirectory: '/w',
    requirements: [],
    projects: [],
    isOpen: true,
    extras: [],
    editable: true,
    installProject: true,
    packages: [],
    constraints: [],
    groups: [],
    cacheDependencyPath: [],
    python: undefined,
    venv: undefined,
    compileBytecode: false,
    install: true,
    export: false,
    refresh: 'auto',
    recheck: 'weekly',
    restoreCache: true,
    saveCache: true,
    cacheSuffix: '',
    wheelhouse: undefined,
    temporary: '/tmp/runner',
    environment: { PATH: '/bin' },
  };
  for (const [field, value] of Object.entries(expected)) {
    assert.deepEqual(request[field as keyof Request], value, field);
  }
  assert.deepEqual(notices, []);
  assert.ok(Object.isFrozen(request));
});

describe('loadRequest reads', () => {
  const table: readonly [string, Inputs, Partial<Request>][] = [
    [
      'lists by line',
      { requirements: ' a.txt \r\n\n# no\nb c.txt\n' },
      { requirements: ['a.txt', 'b c.txt'] },
    ],
    [
      'packages instead of files',
      { packages: 'a\nb>=1' },
      { isOpen: false, requirements: [], packages: ['a', 'b>=1'] },
    ],
    [
      'groups instead of files',
      { groups: 'dev' },
      { isOpen: false, requirements: [], groups: ['dev'] },
    ],
    [
      'local projects',
      { project: '.[test]\n./api', editable: 'false', 'install-project': 'false' },
      { isOpen: false, projects: ['.[test]', './api'], editable: false, installProject: false },
    ],
    [
      'extras, which leave open what to install',
      { extras: 'a, b\nC.d' },
      { isOpen: true, extras: ['a', 'b', 'C.d'] },
    ],
    [
      'packages beside files',
      { packages: 'a', requirements: 'r.txt' },
      { requirements: ['r.txt'], packages: ['a'] },
    ],
    ['packages that are only a comment', { packages: '# none' }, { isOpen: true, packages: [] }],
    ['constraints', { constraints: 'c.txt\nd.txt' }, { constraints: ['c.txt', 'd.txt'] }],
    [
      'dependency files',
      { 'cache-dependency-path': 'x/*.toml' },
      { cacheDependencyPath: ['x/*.toml'] },
    ],
    ['a working directory', { 'working-directory': 'sub' }, { workingDirectory: '/w/sub' }],
    ['an absolute working directory', { 'working-directory': '/v' }, { workingDirectory: '/v' }],
    ['a Python', { python: ' python3.12 ' }, { python: 'python3.12' }],
    [
      'a virtual environment relative to the working directory',
      { venv: '.venv', 'working-directory': 'sub' },
      { venv: '/w/sub/.venv' },
    ],
    ['a wheelhouse', { wheelhouse: '../cache/w' }, { wheelhouse: '/cache/w' }],
    ['a wheelhouse in the working directory', { wheelhouse: 'w' }, { wheelhouse: '/w/w' }],
    [
      'flags',
      { 'compile-bytecode': 'true', install: 'false', export: 'TRUE' },
      { compileBytecode: true, install: false, export: true },
    ],
    ['a period', { refresh: 'Daily' }, { refresh: 'daily' }],
    ['a suffix', { 'cache-suffix': 'a.B_c-1' }, { cacheSuffix: 'a.B_c-1' }],
    ['the longest suffix', { 'cache-suffix': 'x'.repeat(100) }, { cacheSuffix: 'x'.repeat(100) }],
    [
      'no cache',
      { 'restore-cache': 'false', 'save-cache': 'False' },
      { restoreCache: false, saveCache: false },
    ],
    [
      'nothing but white space',
      { refresh: '  ', install: '\n' },
      { refresh: 'auto', install: true },
    ],
    [
      'shell syntax, unchanged',
      { requirements: '$(id).txt\n`id`.txt\n::error::x' },
      { requirements: ['$(id).txt', '`id`.txt', '::error::x'] },
    ],
  ];
  for (const [description, inputs, expected] of table) {
    test(description, () => {
      const { request } = load(inputs);
      for (const [field, value] of Object.entries(expected)) {
        assert.deepEqual(request[field as keyof Request], value, field);
      }
    });
  }

  test('auto lets the event decide whether the cache is used', () => {
    const { request, notices } = load(
      {},
      {
        event: {
          name: 'release',
          ref: 'refs/tags/v1',
          repository: 'o/p',
          headRepository: undefined,
        },
      },
    );
    assert.deepEqual([request.restoreCache, request.saveCache, notices.length], [false, false, 1]);
  });

  test('relative paths start from the directory of the host', () => {
    const { request } = load({ 'working-directory': 'x', venv: 'v' }, { directory: '/here' });
    assert.deepEqual([request.workingDirectory, request.venv], ['/here/x', '/here/x/v']);
  });
});

describe('loadRequest refuses', () => {
  const yesNo = 'it must be one of true, false.';
  const auto = 'it must be one of auto, true, false.';
  const table: readonly [Inputs, string][] = [
    [{ install: 'yes' }, `The input install is "yes"; ${yesNo}`],
    [{ export: '1' }, `The input export is "1"; ${yesNo}`],
    [{ 'compile-bytecode': 'auto' }, `The input compile-bytecode is "auto"; ${yesNo}`],
    [{ 'restore-cache': 'on' }, `The input restore-cache is "on"; ${auto}`],
    [{ 'save-cache': 'always' }, `The input save-cache is "always"; ${auto}`],
    [
      { refresh: 'hourly' },
      'The input refresh is "hourly"; it must be one of auto, always, daily, weekly, monthly, never.',
    ],
    ...['a/b', 'a b', 'a,b', 'ä', '$(id)', 'a\nb'].map((suffix): [Inputs, string] => [
      { 'cache-suffix': suffix },
      `The input cache-suffix is "${suffix}"; it may only contain letters, digits, ".", "_" and "-".`,
    ]),
    [{ 'cache-suffix': 'x'.repeat(101) }, 'The input cache-suffix is longer than 100 characters.'],
    ...(['.', '/', '..', '/w'] as const).map((wheelhouse): [Inputs, string] => [
      { wheelhouse },
      `The input wheelhouse is ${{ '.': '/w', '/': '/', '..': '/', '/w': '/w' }[wheelhouse]}, which contains the checkout and would be overwritten. Choose a dedicated directory.`,
    ]),
    [
      { wheelhouse: '/w', 'working-directory': 'sub' },
      'The input wheelhouse is /w, which contains the working directory and would be overwritten. Choose a dedicated directory.',
    ],
    // A directory whose name begins with two dots is inside as well.
    [
      { wheelhouse: '/w', 'working-directory': '..sub' },
      'The input wheelhouse is /w, which contains the working directory and would be overwritten. Choose a dedicated directory.',
    ],
  ];
  for (const [inputs, message] of table) {
    test(JSON.stringify(inputs).slice(0, 60), () => assert.equal(refusal(inputs), message));
  }

  for (const name of Object.keys(inputDefaults) as InputName[]) {
    test(`a NUL character in ${name}`, () => {
      assert.equal(refusal({ [name]: 'a\0b' }), `The input ${name} contains a NUL character.`);
    });
  }

  test('a wheelhouse that is the whole checkout, with a working directory elsewhere', () => {
    assert.match(refusal({ wheelhouse: '/w', 'working-directory': '/elsewhere' }), /wheelhouse/);
  });
});
