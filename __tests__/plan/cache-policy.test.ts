import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { cachePolicy, type Setting, type WorkflowEvent } from '../../src/plan/cache-policy.ts';

const repository = 'octo/project';
const on = (name: string, ref: string, headRepository?: string): WorkflowEvent => ({
  name,
  ref,
  repository,
  headRepository,
});

/** What the runner says for each event, as in its variables and the payload. */
const events: readonly [string, WorkflowEvent, boolean, boolean][] = [
  ['a push to a branch', on('push', 'refs/heads/main'), true, true],
  ['a push of a tag', on('push', 'refs/tags/v1'), false, false],
  ['a new tag', on('create', 'refs/tags/v1'), false, false],
  ['a new branch', on('create', 'refs/heads/topic'), true, true],
  ['a release', on('release', 'refs/tags/v1'), false, false],
  ['a pull request', on('pull_request', 'refs/pull/7/merge', repository), true, true],
  [
    'a pull request of a fork',
    on('pull_request', 'refs/pull/7/merge', 'fork/project'),
    true,
    false,
  ],
  ['a pull request of a deleted fork', on('pull_request', 'refs/pull/7/merge', ''), true, false],
  [
    'pull_request_target',
    on('pull_request_target', 'refs/heads/main', 'fork/project'),
    false,
    false,
  ],
  [
    'pull_request_target of the same repository',
    on('pull_request_target', 'refs/heads/main', repository),
    false,
    false,
  ],
  ['workflow_run', on('workflow_run', 'refs/heads/main'), false, false],
  ['a merge queue', on('merge_group', 'refs/heads/gh-readonly-queue/main/pr-7-abc'), true, false],
  ['a schedule', on('schedule', 'refs/heads/main'), true, true],
  ['by hand', on('workflow_dispatch', 'refs/heads/main'), true, true],
  ['by hand on a tag', on('workflow_dispatch', 'refs/tags/v1'), true, true],
  ['a branch that is named like a tag', on('push', 'refs/heads/refs/tags/v1'), true, true],
];

describe('auto', () => {
  for (const [description, event, restore, save] of events) {
    test(`${description}: ${restore ? '' : 'no '}restore, ${save ? '' : 'no '}save`, () => {
      const policy = cachePolicy(event, 'auto', 'auto');
      assert.deepEqual([policy.restore, policy.save], [restore, save]);
      assert.equal(policy.notices.length, restore ? 0 : 1);
    });
  }

  test('where no workflow runs, everything', () => {
    assert.deepEqual(cachePolicy(undefined, 'auto', 'auto'), {
      restore: true,
      save: true,
      notices: [],
    });
  });

  test('says why it does not restore, and what to do', () => {
    assert.deepEqual(cachePolicy(on('release', 'refs/tags/v1'), 'auto', 'auto').notices, [
      'The cache is not used: this run is for a release. Set restore-cache and save-cache to true to use it all the same.',
    ]);
  });
});

describe('true and false', () => {
  test('false is obeyed at each event, silently', () => {
    for (const [, event] of events) {
      assert.deepEqual(cachePolicy(event, 'false', 'false'), {
        restore: false,
        save: false,
        notices: [],
      });
    }
  });

  test('true is obeyed at each event, with a notice where it is a risk', () => {
    for (const [description, event, restore, save] of events) {
      const policy = cachePolicy(event, 'true', 'true');
      assert.deepEqual([policy.restore, policy.save], [true, true], description);
      assert.equal(policy.notices.length, Number(!restore) + Number(!save), description);
    }
  });

  const release = on('release', 'refs/tags/v1');
  const fork = on('pull_request', 'refs/pull/7/merge', 'fork/project');
  const table: readonly [WorkflowEvent, Setting, Setting, boolean, boolean, RegExp[]][] = [
    [
      release,
      'true',
      'auto',
      true,
      false,
      [
        /^restore-cache is true, though this run is for a release: the cache is used as you asked\.$/,
      ],
    ],
    [release, 'auto', 'true', false, true, [/^save-cache is true/, /^The cache is not used/]],
    [release, 'false', 'auto', false, false, []],
    [fork, 'auto', 'true', true, true, [/^save-cache is true, though this pull request comes/]],
    [fork, 'true', 'auto', true, false, []],
    [fork, 'false', 'true', false, true, [/^save-cache is true/]],
  ];
  for (const [event, restore, save, restores, saves, notices] of table) {
    test(`${event.name}: restore-cache ${restore}, save-cache ${save}`, () => {
      const policy = cachePolicy(event, restore, save);
      assert.deepEqual([policy.restore, policy.save], [restores, saves]);
      assert.equal(policy.notices.length, notices.length);
      for (const [index, notice] of notices.entries()) {
        assert.match(policy.notices[index] ?? '', notice);
      }
    });
  }
});
