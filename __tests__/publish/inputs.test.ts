import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import type { Host } from '../../src/inputs.ts';
import { UserError } from '../../src/logic/errors.ts';
import {
  loadPublishRequest,
  type PublishInputName,
  publishInputDefaults,
} from '../../src/publish/inputs.ts';
import type { PublishRequest } from '../../src/publish/logic/model.ts';
import { readActionManifest } from '../support/runner.ts';

const host: Host = {
  workspace: '/w',
  directory: '/w',
  temporary: '/tmp/runner',
  environment: { PATH: '/bin' },
  event: undefined,
};

type Inputs = Partial<Record<PublishInputName, string>>;

const least: Inputs = { packages: 'alpha', 'feed-url': 'https://feed.example/simple' };

const load = (inputs: Inputs = {}): PublishRequest =>
  loadPublishRequest((name) => ({ ...least, ...inputs })[name] ?? '', host);

test('the defaults of the publish inputs match publish/action.yml', () => {
  const { inputs } = readActionManifest(join(root, 'publish'));
  const declared = Object.entries(inputs).map(([name, { default: value = '' }]) => [name, value]);
  assert.ok(declared.length > 10);
  assert.deepEqual(Object.fromEntries(declared), publishInputDefaults);
});

test('packages and feed-url are enough to publish', () => {
  const { source, ...rest } = load();
  assert.deepEqual(rest, {
    platforms: [],
    pythonVersions: [],
    feed: { url: 'https://feed.example/simple/', username: undefined, password: undefined },
    uploadUrl: 'https://feed.example/',
    uploader: 'twine',
    audit: 'off',
    dryRun: false,
  });
  assert.deepEqual(source.packages, ['alpha']);
  assert.deepEqual(source.requirements, []);
});

test('every publish input is read', () => {
  const request = load({
    packages: '',
    requirements: 'lock.txt',
    platforms: 'win_amd64\n# a remark\nmanylinux_2_28_x86_64',
    'python-versions': '3.12, 3.13',
    'index-url': 'https://index.example/simple/',
    'index-username': 'reader',
    'index-password': 'one',
    'upload-url': 'https://feed.example/up',
    'feed-username': 'robot',
    'feed-password': 'two',
    uploader: 'UV',
    audit: 'fail',
    'dry-run': 'true',
  });
  assert.deepEqual(request.source.requirements, ['lock.txt']);
  assert.equal(request.source.index.password, 'one');
  assert.deepEqual(request.platforms, ['win_amd64', 'manylinux_2_28_x86_64']);
  assert.deepEqual(request.pythonVersions, ['3.12', '3.13']);
  assert.equal(request.uploadUrl, 'https://feed.example/up');
  assert.deepEqual(request.feed, {
    url: 'https://feed.example/simple/',
    username: 'robot',
    password: 'two',
  });
  assert.deepEqual([request.uploader, request.audit, request.dryRun], ['uv', 'fail', true]);
});

const refusals: readonly [string, Inputs, RegExp][] = [
  ['nothing to publish', { packages: '' }, /input packages, such as .* or the input requirements/],
  ['no feed-url', { 'feed-url': '' }, /feed-url is not set/],
  ['a feed-url that is not a URL', { 'feed-url': 'feed.example' }, /feed-url is not a valid URL/],
  [
    'a feed-url with an unknown scheme',
    { 'feed-url': 'file:///feed/simple' },
    /feed-url is not a valid URL/,
  ],
  [
    'no upload-url for an unknown kind of feed',
    { 'feed-url': 'https://feed.example/x' },
    /upload-url is not set/,
  ],
  [
    'credentials in feed-url',
    { 'feed-url': 'https://robot:hunter2@feed.example/simple/' },
    /feed-url contains more than an address/,
  ],
  [
    'a token in upload-url',
    { 'upload-url': 'https://feed.example/?token=hunter2' },
    /upload-url contains more than an address/,
  ],
  ['a password without a user name', { 'feed-password': 'hunter2' }, /Set both/],
  ['a user name without a password', { 'feed-username': 'robot' }, /Set both/],
  ['an unknown uploader', { uploader: 'curl' }, /uploader is "curl"; it must be one of twine, uv/],
  [
    'an unknown audit mode',
    { audit: 'true' },
    /audit is "true"; it must be one of off, warn, fail/,
  ],
  [
    'a dry-run that is neither true nor false',
    { 'dry-run': 'yes' },
    /dry-run is "yes"; it must be one of true, false/,
  ],
  ['an index-url that is not a URL', { 'index-url': 'x' }, /index-url is not a valid URL/],
];
for (const [description, inputs, message] of refusals) {
  test(`publish inputs with ${description} are refused`, () => {
    assert.throws(
      () => load(inputs),
      (error: unknown) =>
        error instanceof UserError &&
        message.test(error.message) &&
        !error.message.includes('hunter2'),
    );
  });
}
