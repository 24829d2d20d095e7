import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  cachePolicy,
  type Setting,
  type WorkflowEvent,
  workflowEvent,
} from '../../src/logic/cache-policy.ts';

const repository = 'octo/project';
const repo = (fullName: string, fork = false) => ({
  id: 1296269,
  name: fullName.split('/')[1],
  full_name: fullName,
  private: false,
  owner: { login: fullName.split('/')[0], id: 1, type: 'Organization' },
  fork,
  default_branch: 'main',
});
/** What every payload has. */
const common = { repository: repo(repository), sender: { login: 'octocat', id: 2, type: 'User' } };
const pull = (head: unknown) => ({
  ...common,
  action: 'synchronize',
  number: 7,
  pull_request: {
    number: 7,
    state: 'open',
    head: {
      label: 'x:topic',
      ref: 'topic',
      sha: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821',
      repo: head,
    },
    base: {
      label: 'octo:main',
      ref: 'main',
      sha: 'f95f852bd8fca8fcc58a9a2d6c842781e32a215e',
      repo: repo(repository),
    },
    merged: false,
  },
});
const push = (ref: string) => ({
  ...common,
  ref,
  before: '6113728f27ae82c7b1a177c8d03f9e96e0adf246',
  after: '59b20b8d5c6ff8d09518216e87bc8d1e9d2b9d3f',
  created: false,
  deleted: false,
  forced: false,
  commits: [],
});
const comment = {
  ...common,
  action: 'created',
  // Of a pull request it has the address, and not where that comes from.
  issue: { number: 7, pull_request: { url: 'https://api.github.com/repos/octo/project/pulls/7' } },
  comment: { id: 1, body: '/test', author_association: 'NONE' },
};
const run = (head: string) => ({
  ...common,
  action: 'completed',
  workflow: { id: 1, name: 'CI', path: '.github/workflows/ci.yml' },
  workflow_run: {
    id: 1,
    event: 'pull_request',
    head_branch: 'topic',
    conclusion: 'success',
    head_repository: repo(head, head !== repository),
    pull_requests: [],
  },
});
const queue = {
  ...common,
  action: 'checks_requested',
  merge_group: {
    head_ref: 'refs/heads/gh-readonly-queue/main/pr-7-abc',
    base_ref: 'refs/heads/main',
    head_sha: 'ec26c3e57ca3a959ca5aad62de7213c562f8c821',
  },
};
const release = {
  ...common,
  action: 'published',
  release: { id: 1, tag_name: 'v1', target_commitish: 'main', draft: false, prerelease: false },
};

const on = (name: string, ref: string, payload: unknown): WorkflowEvent =>
  workflowEvent(
    { GITHUB_EVENT_NAME: name, GITHUB_REF: ref, GITHUB_REPOSITORY: repository },
    payload,
  );
const fork = repo('fork/project', true);
const merge = 'refs/pull/7/merge';
const main = 'refs/heads/main';

/** Each event with the parts of its payload that GitHub sends; whether it restores, and saves. */
const events: readonly [string, WorkflowEvent, boolean, boolean][] = [
  ['a push to a branch', on('push', main, push(main)), true, true],
  ['a push of a tag', on('push', 'refs/tags/v1', push('refs/tags/v1')), false, false],
  [
    'a branch that is named like a tag',
    on('push', 'refs/heads/refs/tags/v1', push('refs/heads/refs/tags/v1')),
    true,
    true,
  ],
  [
    'a new tag',
    on('create', 'refs/tags/v1', { ...common, ref: 'v1', ref_type: 'tag' }),
    false,
    false,
  ],
  [
    'a new branch',
    on('create', 'refs/heads/t', { ...common, ref: 't', ref_type: 'branch' }),
    true,
    true,
  ],
  ['a release', on('release', 'refs/tags/v1', release), false, false],
  ['a pull request', on('pull_request', merge, pull(repo(repository))), true, true],
  ['a pull request of a fork', on('pull_request', merge, pull(fork)), true, false],
  ['a pull request of a deleted fork', on('pull_request', merge, pull(null)), true, false],
  [
    'a review in a pull request of a fork',
    on('pull_request_review', merge, pull(fork)),
    true,
    false,
  ],
  ['pull_request_target of a fork', on('pull_request_target', main, pull(fork)), false, false],
  [
    'pull_request_target of the same repository',
    on('pull_request_target', main, pull(repo(repository))),
    false,
    false,
  ],
  ['workflow_run', on('workflow_run', main, run(repository)), false, false],
  ['workflow_run for a fork', on('workflow_run', main, run('fork/project')), false, false],
  ['a comment', on('issue_comment', main, comment), true, false],
  ['a merge queue', on('merge_group', queue.merge_group.head_ref, queue), true, false],
  [
    'a schedule',
    on('schedule', main, { schedule: '17 4 * * 1', repository: repo(repository) }),
    true,
    true,
  ],
  ['by hand', on('workflow_dispatch', main, { ...common, inputs: null, ref: main }), true, true],
  [
    'by hand on a tag',
    on('workflow_dispatch', 'refs/tags/v1', { ...common, inputs: {}, ref: 'refs/tags/v1' }),
    false,
    false,
  ],
  ['a deployment of a tag', on('deployment', 'refs/tags/v1', common), false, false],
  ['a deployment of a branch', on('deployment', main, common), true, true],
  ['a call from outside on a tag', on('repository_dispatch', 'refs/tags/v1', common), false, false],
  ['a schedule on a tag', on('schedule', 'refs/tags/v1', common), false, false],
];

describe('workflow event', () => {
  test('the event comes from variables, the repository of a pull request from the payload', () => {
    assert.deepEqual(on('pull_request', merge, pull(fork)), {
      name: 'pull_request',
      ref: merge,
      repository,
      headRepository: 'fork/project',
    });
  });

  for (const payload of [undefined, null, 7, 'x', [], {}, { pull_request: null }]) {
    test(`no pull request: ${JSON.stringify(payload)}`, () => {
      assert.equal(on('push', main, payload).headRepository, undefined);
    });
  }

  for (const pull_request of [{}, { head: null }, { head: { repo: 7 } }, 'x']) {
    test(`a pull request without a head repository: ${JSON.stringify(pull_request)}`, () => {
      assert.equal(on('pull_request', merge, { pull_request }).headRepository, '');
    });
  }
});

describe('auto', () => {
  for (const [description, event, restore, save] of events) {
    test(`${description}: ${restore ? '' : 'no '}restore, ${save ? '' : 'no '}save`, () => {
      const policy = cachePolicy(event, 'auto', 'auto');
      assert.deepEqual([policy.restore, policy.save], [restore, save]);
      assert.equal(policy.notices.length, restore ? 0 : 1);
    });
  }

  test('without a workflow event, auto restores and saves', () => {
    assert.deepEqual(cachePolicy(undefined, 'auto', 'auto'), {
      restore: true,
      save: true,
      notices: [],
    });
  });

  test('the notice of auto names the reason and the inputs to set', () => {
    assert.deepEqual(cachePolicy(on('release', 'refs/tags/v1', release), 'auto', 'auto').notices, [
      'The cache is not used: this run is for a release. Set restore-cache and save-cache to true to use it anyway.',
    ]);
  });
});

describe('true and false', () => {
  test('false disables the cache for every event, without a notice', () => {
    for (const [, event] of events) {
      assert.deepEqual(cachePolicy(event, 'false', 'false'), {
        restore: false,
        save: false,
        notices: [],
      });
    }
  });

  test('true enables the cache for every event, with a notice of any risk', () => {
    for (const [description, event, restore, save] of events) {
      const policy = cachePolicy(event, 'true', 'true');
      assert.deepEqual([policy.restore, policy.save], [true, true], description);
      assert.equal(policy.notices.length, Number(!restore) + Number(!save), description);
    }
  });

  const aRelease = on('release', 'refs/tags/v1', release);
  const aFork = on('pull_request', merge, pull(fork));
  const aComment = on('issue_comment', main, comment);
  const table: readonly [WorkflowEvent, Setting, Setting, boolean, boolean, RegExp[]][] = [
    [
      aRelease,
      'true',
      'auto',
      true,
      false,
      [
        /^restore-cache is true, though this run is for a release: the cache is used, as configured\.$/,
      ],
    ],
    [aRelease, 'auto', 'true', false, true, [/^save-cache is true/, /^The cache is not used/]],
    [aRelease, 'false', 'auto', false, false, []],
    [
      aFork,
      'auto',
      'true',
      true,
      true,
      [
        /^save-cache is true, though this pull request comes from a fork: the cache is used, as configured\.$/,
      ],
    ],
    [
      aComment,
      'auto',
      'true',
      true,
      true,
      [/^save-cache is true, though GitHub makes the cache read-only for issue_comment/],
    ],
    [aFork, 'true', 'auto', true, false, []],
    [aFork, 'false', 'true', false, true, [/^save-cache is true/]],
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
