import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  buildEnvironment,
  environmentForPrograms,
  fillEnvironment,
  offlineEnvironment,
} from '../../src/logic/environment.ts';

/** What every fill sets. */
const always = { PIP_QUIET: '0', PIP_VERBOSE: '0', PIP_REFRESH_PACKAGE: ':all:' };

const user = {
  PATH: '/bin',
  HOME: '/home/u',
  PIP_INDEX_URL: 'https://u:p@h.example/simple',
  PIP_USER: '1',
  PIP_TARGET: '/t',
  PIP_DRY_RUN: '1',
  PIP_REQUIREMENT: 'x.txt',
  PIP_QUIET: '2',
  UV_INDEX_URL: 'https://u:p@h.example/simple',
};

describe('environment of the fill', () => {
  test('the fill keeps the index and the credentials but no setting that changes its output', () => {
    assert.deepEqual(fillEnvironment(user, {}, {}, false), {
      PATH: '/bin',
      HOME: '/home/u',
      PIP_INDEX_URL: 'https://u:p@h.example/simple',
      UV_INDEX_URL: 'https://u:p@h.example/simple',
      PIP_NO_INPUT: '1',
      PIP_BREAK_SYSTEM_PACKAGES: '1',
      ...always,
    });
  });

  test('the [install] settings apply, and the environment overrides them', () => {
    const env = fillEnvironment(
      { PIP_PRE: '0' },
      {
        'install.extra-index-url': 'https://i.example/',
        'install.pre': '1',
        'install.no-binary': 'a',
        'install.user': 'yes',
        'install.target': '/t',
        'global.timeout': '5',
        ':env:.pre': '0',
      },
      {},
      false,
    );
    assert.deepEqual(env, {
      PIP_EXTRA_INDEX_URL: 'https://i.example/',
      PIP_NO_BINARY: 'a',
      PIP_PRE: '0',
      PIP_NO_INPUT: '1',
      PIP_BREAK_SYSTEM_PACKAGES: '1',
      ...always,
    });
  });

  test('the index of an input overrides others, and keyring is named if pip may ask it', () => {
    const index = { PIP_INDEX_URL: 'https://v:q@i.example/simple' };
    const env = fillEnvironment(user, {}, index, true);
    assert.equal(env['PIP_INDEX_URL'], index.PIP_INDEX_URL);
    assert.equal(env['PIP_KEYRING_PROVIDER'], 'import');
  });
});

describe('environment without an index', () => {
  test('the offline environment has no setting of pip or uv in any spelling', () => {
    const env = offlineEnvironment({ ...user, pip_index_url: 'x', Uv_Cache_Dir: 'y' }, '/dev/null');
    assert.deepEqual(env, { PATH: '/bin', HOME: '/home/u', PIP_CONFIG_FILE: '/dev/null' });
  });

  test("the offline environment disables pip's configuration files", () => {
    assert.equal(offlineEnvironment({ PIP_CONFIG_FILE: '/u' }, 'nul')['PIP_CONFIG_FILE'], 'nul');
  });

  test('variables that only resemble pip settings stay', () => {
    const kept = { PIPENV_X: '1', PIPX_HOME: '2', UVICORN: '3', MY_PIP_X: '4' };
    assert.deepEqual(offlineEnvironment(kept, 'n'), { ...kept, PIP_CONFIG_FILE: 'n' });
  });

  test('the build environment keeps the build settings', () => {
    const settings = new Map([
      ['config-settings', 'a=b'],
      ['constraint', 'c.txt'],
      ['no-build-isolation', '1'],
      ['build-option', ''],
      ['index-url', 'https://h/'],
      ['no-binary', 'x'],
    ]);
    assert.deepEqual(buildEnvironment(user, settings, '/dev/null'), {
      PATH: '/bin',
      HOME: '/home/u',
      PIP_CONFIG_FILE: '/dev/null',
      PIP_CONFIG_SETTINGS: 'a=b',
      PIP_CONSTRAINT: 'c.txt',
      PIP_NO_BUILD_ISOLATION: '1',
    });
  });
});

test('other programs get no inputs, state, passwords or token of the cache service', () => {
  assert.deepEqual(
    environmentForPrograms({
      PATH: '/bin',
      GITHUB_TOKEN: 'of the workflow',
      ACTIONS_STEP_DEBUG: '1',
      MY_INPUT_X: '1',
      UNSET: undefined,
      'INPUT_INDEX-PASSWORD': 's3cret',
      input_x: '1',
      STATE_wheelhouse: '{}',
      ACTIONS_RUNTIME_TOKEN: 's3cret',
      ACTIONS_RESULTS_URL: 'https://r.example/',
      ACTIONS_CACHE_URL: 'https://c.example/',
      WHEELHOUSE_PIP: '/elsewhere',
      WHEELHOUSE_AGE_EXCEPT: 'alpha',
      WHEELHOUSE_BUILD_LOG: '/elsewhere',
      WHEELHOUSE_INDEX_PASSWORD: 's3cret',
      WHEELHOUSE_FEED_PASSWORD: 's3cret',
      WHEELHOUSE_INDEX_URL: 'https://user:s3cret@index.example/',
      WHEELHOUSE_EXTRA_INDEX_URL: 'https://user:s3cret@index.example/',
      WHEELHOUSE_MIRROR_URL: 'https://user:s3cret@mirror.example/',
    }),
    { PATH: '/bin', GITHUB_TOKEN: 'of the workflow', ACTIONS_STEP_DEBUG: '1', MY_INPUT_X: '1' },
  );
});
