/** Whatever the cache service does, the job's result depends on pip alone and the delay is bounded. */
import assert from 'node:assert/strict';

import type { CacheFault, CacheOperation } from '../support/cache-service.ts';
import { wheel } from '../support/packages.ts';
import { needsMount, smallDisk } from './disks.ts';
import { group, type Row } from './rows.ts';

/** Sets a fault of one operation from the beginning. */
function at(operation: CacheOperation, fault: CacheFault): Pick<Row, 'arrange'> {
  return { arrange: ({ cache }) => cache.setFault(operation, fault) };
}

/** Sets a fault with an empty cache, so that there is something to save. */
function saving(operation: CacheOperation, fault: CacheFault): Pick<Row, 'arrange' | 'empty'> {
  return { empty: true, ...at(operation, fault) };
}

const large = wheel({ name: 'large', version: '1.0', size: 12_000_000 });
const html = '<html><body><h1>503 Service Unavailable</h1></body></html>';

const fromFork = {
  eventName: 'pull_request',
  ref: 'refs/pull/7/merge',
  event: { pull_request: { head: { repo: { full_name: 'fork/example' } } } },
};

/** An entry that can't be downloaded can't be replaced, so the next generation is saved. */
const later = { saved: ['{key}', '{key}-r1'] } as const;

/** Faults that show at once. */
const quick: Row[] = [
  {
    fault: 'look-up: 429',
    ...at('lookup', { status: 429 }),
    says: 'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Rate limited: Failed request: (429) Too Many Requests: injected by the test.',
  },
  {
    fault: 'look-up: 401',
    ...at('lookup', { status: 401 }),
    says: 'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Received non-retryable error: Failed request: (401) Unauthorized: injected by the test.',
  },
  {
    fault: 'look-up: 403',
    ...at('lookup', { status: 403 }),
    says: 'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Received non-retryable error: Failed request: (403) Forbidden: injected by the test.',
  },
  {
    fault: 'look-up: an HTML page with status 200',
    ...at('lookup', { status: 200, body: html }),
    says: 'warning: The cache could not be restored: the service did not answer for 20 s.',
  },
  {
    fault: 'look-up: a token without read permission',
    identity: { scopes: [] },
    says: [
      'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Received non-retryable error: Failed request: (403) Forbidden: cache read denied: token has no readable scopes.',
      'warning: The cache could not be saved: Failed to save: Unable to reserve cache with key {key}. More details: cache write denied: token has no writable scopes.',
    ],
  },
  {
    fault: 'look-up: an unrelated key',
    ...at('lookup', { matchedKey: 'npm-linux-x64' }),
    saved: ['{key}'],
    says: 'warning: The cache entry npm-linux-x64 is not used: its key does not match any requested key.',
  },
  {
    fault: 'look-up: an unrelated key with workflow commands in it',
    ...at('lookup', { matchedKey: 'a\n::error::pwned\n##[error]pwned' }),
    says: 'warning: The cache entry a… is not used: its key does not match any requested key.',
  },
  {
    fault: 'look-up: a key that forges a result',
    ...at('lookup', { matchedKey: 'a\nwheelhouse-transfer-result: {' }),
    says: 'warning: The cache entry a… is not used: its key does not match any requested key.',
  },
  {
    fault: 'the entry is deleted between look-up and download',
    ...at('lookup', 'vanish'),
    saved: ['{key}-r1'],
    says: 'warning: The cache could not be restored: the archive could not be downloaded.',
  },
  {
    fault: 'download: 404',
    ...at('download', { status: 404 }),
    ...later,
    says: 'warning: The cache could not be restored: the archive could not be downloaded.',
  },
  {
    fault: 'download: 403',
    ...at('download', { status: 403 }),
    ...later,
    says: 'warning: The cache could not be restored: the archive could not be downloaded.',
  },
  {
    fault: 'download: truncated once, then whole',
    arrange: ({ cache }) => cache.setFault('download', 'truncate', 1),
    hit: true,
  },
  {
    fault: 'download: half of the archive passed off as the whole',
    ...at('download', 'short'),
    ...later,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
  },
  {
    fault: 'download: flipped bits',
    ...at('download', 'flip'),
    ...later,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
  },
  {
    fault: 'create: 429',
    ...saving('create', { status: 429 }),
    says: 'warning: The cache could not be saved: …(429)…',
    saved: [],
  },
  {
    fault: 'create: 401',
    ...saving('create', { status: 401 }),
    says: 'warning: The cache could not be saved: …(401)…',
    saved: [],
  },
  {
    fault: 'create: 403',
    ...saving('create', { status: 403 }),
    says: 'warning: The cache could not be saved: …(403)…',
    saved: [],
  },
  {
    fault: 'upload: 403',
    ...saving('upload', { status: 403 }),
    says: 'warning: The cache could not be saved: uploadCacheArchiveSDK: internal error uploading cache archive: <Error><Code>InjectedByTheTest</Code></Error>; Failed to save: <Error><Code>InjectedByTheTest</Code></Error>.',
    saved: [],
  },
  {
    fault: 'upload: truncated',
    ...saving('upload', 'truncate'),
    says: 'warning: The cache could not be saved: uploadCacheArchiveSDK: internal error uploading cache archive: socket hang up; Failed to save: socket hang up.',
    saved: [],
  },
  {
    fault: 'finalize: 400',
    ...saving('finalize', { status: 400 }),
    says: 'warning: The cache could not be saved: Failed to save: Failed to FinalizeCacheEntryUpload: Received non-retryable error: Failed request: (400) Bad Request: injected by the test.',
    saved: [],
  },
  {
    fault: 'another job has saved the same key in the meantime',
    empty: true,
    between: ({ cache, entry }) => cache.addEntry(entry.key, entry.version, entry.archive),
    says: [],
    logs: '{key} is already in the cache.',
  },
  {
    fault: 'a read-only token',
    empty: true,
    identity: { readOnly: true },
    saved: [],
    says: 'warning: The cache could not be saved: Failed to save: Unable to reserve cache with key {key}. More details: cache write denied: token has no writable scopes.',
  },
  {
    fault: 'ACTIONS_CACHE_MODE: none',
    identity: { mode: 'none' },
    logs: 'The cache is not used: ACTIONS_CACHE_MODE is none.',
  },
  {
    fault: 'ACTIONS_CACHE_MODE: read',
    empty: true,
    identity: { mode: 'read' },
    saved: [],
    logs: "Nothing is saved: the effective cache-mode 'read' does not permit writes.",
  },
  {
    fault: 'no token for the cache service',
    env: { ACTIONS_RUNTIME_TOKEN: '' },
    logs: 'The cache is not used: this runner provides no token for its cache service.',
  },
  {
    fault: 'no cache service',
    env: { ACTIONS_RESULTS_URL: '', ACTIONS_CACHE_URL: '' },
    logs: 'The cache is not used: this runner offers no cache service.',
    check: ({ result }) => assert.match(result.log, /restore 0\.\d\d s/),
  },
  {
    fault: 'a server URL of GitHub Enterprise Server',
    env: { GITHUB_SERVER_URL: 'https://github.example.com' },
    logs: 'The cache is not used: this GitHub Enterprise Server offers no cache service.',
  },
  {
    fault: 'a pull request from a fork',
    empty: true,
    job: fromFork,
    saved: [],
  },
  {
    fault: 'a pull request from a fork, with save-cache: true',
    empty: true,
    job: fromFork,
    with: { 'save-cache': true },
    // Without an explicit exit, open connections would keep the process alive for two minutes.
    within: 60,
    says: 'notice: save-cache is true, though this pull request comes from a fork: the cache is used, as configured.',
  },
  {
    fault: 'the disk is too small for the archive',
    skip: needsMount,
    empty: true,
    arrange: (place) => smallDisk(place, 600),
    saved: [],
    says: 'warning: The cache could not be saved: the disk is full; tar failed with exit code 2.',
  },
];

/** Faults that make the action wait. */
const slow: Row[] = [
  {
    fault: 'look-up: 500',
    ...at('lookup', { status: 500 }),
    says: 'warning: The cache could not be restored: the service did not answer for 20 s.',
    within: 40,
  },
  {
    fault: 'look-up: 503 with an HTML page',
    ...at('lookup', { status: 503, body: html }),
    says: 'warning: The cache could not be restored: the service did not answer for 20 s.',
    within: 40,
  },
  {
    fault: 'look-up: connection reset',
    ...at('lookup', 'reset'),
    says: 'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Unable to make request: ECONNRESET\nIf you are using self-hosted runners, please make sure your runner has access to all GitHub endpoints: https://docs.github.com/en/actions/hosting-your-own-runners/managing-self-hosted-runners/about-self-hosted-runners#communication-between-self-hosted-runners-and-github.',
    within: 40,
  },
  {
    fault: 'look-up: never answered',
    ...at('lookup', 'blackhole'),
    says: 'warning: The cache could not be restored: the service did not answer for 20 s.',
    within: 40,
  },
  { fault: 'look-up: slow but alive', ...at('lookup', { drip: 60 }), hit: true, within: 40 },
  {
    fault: 'every connection refused',
    identity: { refused: true },
    says: [
      'warning: The cache could not be restored: Failed to restore: Failed to GetCacheEntryDownloadURL: Unable to make request: ECONNREFUSED\nIf you are using self-hosted runners, please make sure your runner has access to all GitHub endpoints: https://docs.github.com/en/actions/hosting-your-own-runners/managing-self-hosted-runners/about-self-hosted-runners#communication-between-self-hosted-runners-and-github.',
      'warning: The cache could not be saved: …ECONNREFUSED…',
    ],
    within: 100,
  },
  {
    fault: 'download: 500',
    ...at('download', { status: 500 }),
    ...later,
    says: 'warning: The cache could not be restored: the archive could not be downloaded.',
    within: 60,
  },
  {
    fault: 'download: connection refused',
    ...at('download', 'refuse'),
    ...later,
    says: 'warning: The cache could not be restored: Failed to restore: connect ECONNREFUSED 127.0.0.1:….',
    within: 60,
  },
  {
    fault: 'download: connection reset',
    ...at('download', 'reset'),
    ...later,
    says: 'warning: The cache could not be restored: Failed to restore: socket hang up.',
    within: 60,
  },
  {
    fault: 'download: always truncated',
    ...at('download', 'truncate'),
    ...later,
    says: 'warning: The cache could not be restored: Failed to restore: The operation was aborted.',
    within: 60,
  },
  {
    fault: 'download: never answered',
    ...at('download', 'blackhole'),
    ...later,
    says: 'warning: The cache could not be restored: the download made no progress for 30 s.',
    within: 50,
  },
  {
    fault: 'download: stalls halfway',
    ...at('download', 'stall'),
    ...later,
    says: 'warning: The cache could not be restored: the download made no progress for 30 s.',
    within: 60,
  },
  { fault: 'download: slow but alive', ...at('download', { drip: 8000 }), hit: true, within: 90 },
  {
    fault: 'create: 500',
    ...saving('create', { status: 500 }),
    saved: [],
    says: 'warning: The cache could not be saved: …500…',
    within: 90,
  },
  {
    fault: 'create: never answered',
    ...saving('create', 'blackhole'),
    saved: [],
    says: 'warning: The cache could not be saved: the save made no progress for 60 s.',
    within: 90,
  },
  {
    fault: 'upload: 500',
    ...saving('upload', { status: 500 }),
    saved: [],
    says: 'warning: The cache could not be saved: uploadCacheArchiveSDK: internal error uploading cache archive: <Error><Code>InjectedByTheTest</Code></Error>; Failed to save: <Error><Code>InjectedByTheTest</Code></Error>.',
    within: 90,
  },
  {
    fault: 'upload: connection refused',
    ...saving('upload', 'refuse'),
    saved: [],
    says: 'warning: The cache could not be saved: uploadCacheArchiveSDK: internal error uploading cache archive: connect ECONNREFUSED 127.0.0.1:…; Failed to save: connect ECONNREFUSED 127.0.0.1:….',
    within: 90,
  },
  {
    fault: 'upload: stalls halfway',
    ...saving('upload', 'stall'),
    saved: [],
    says: 'warning: The cache could not be saved: the save made no progress for 60 s.',
    within: 100,
  },
  {
    fault: 'upload: slow but alive',
    // More than what fits into the buffers of the system.
    ...{ files: { 'requirements.txt': 'large==1.0\n' }, installed: ['large==1.0'] },
    ...saving('upload', { drip: 150_000 }),
    within: 150,
  },
  {
    fault: 'finalize: never answered',
    ...saving('finalize', 'blackhole'),
    saved: [],
    says: 'warning: The cache could not be saved: the save made no progress for 60 s.',
    within: 100,
  },
];

/** The toolkit has separate, simpler code for downloads from hosts other than Azure's. */
const otherHost: Row[] = [
  {
    fault: 'download from another host than Azure: 404',
    ...at('download', { status: 404 }),
    ...later,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
  },
  {
    fault: 'download from another host than Azure: truncated',
    ...at('download', 'truncate'),
    ...later,
    says: 'warning: The cache could not be restored: Failed to restore: aborted.',
  },
  {
    fault: 'download from another host than Azure: stalls halfway',
    ...at('download', 'stall'),
    ...later,
    // In that code, the toolkit gives up when a socket is silent for 5 s.
    says: 'warning: The cache could not be restored: Failed to restore: Premature close.',
    within: 60,
  },
];

group('cache service', quick, { azureHost: true });
group('cache service: other hosts', otherHost, { lanes: 3 });
group('cache service: timeouts', slow, { azureHost: true, lanes: 7, distributions: [large] });
