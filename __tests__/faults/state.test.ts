/** What is saved and when nothing is, by the state of the post step, permissions and events. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { formatState } from '../../src/logic/state.ts';
import { wheel } from '../support/packages.ts';
import { readActionManifest } from '../support/runner.ts';
import { editManifest, poison } from './archives.ts';
import { action, beta, group, type Place, type Row } from './rows.ts';

/** The wheelhouse that main has written into the runner's directory. */
function wheelhouseOf({ job }: Place): string {
  const place = join(job.temp, 'wheelhouse');
  return join(place, String(readdirSync(place)[0]));
}

const evilBeta = wheel({ name: 'beta', version: '2.0', files: { 'beta/evil.py': '' } });
const hasChanged =
  'warning: The wheelhouse is not saved: it has changed since this step filled it.';
const notOurs =
  'warning: The wheelhouse is not saved: its state was not written by the main step of this job.';

/** The post step alone, with a state that names the wheelhouse of this job. */
function forged(state: (wheelhouse: string, place: Place) => string): Pick<Row, 'act' | 'saved'> {
  return {
    saved: [],
    act: async (place) => {
      const { job, main } = place;
      const result = await main();
      const text = state(wheelhouseOf(place), place);
      const post = await job.run(
        process.execPath,
        [join(action, String(readActionManifest(action).post))],
        { env: { STATE_wheelhouse: text } },
      );
      assert.deepEqual(
        post.annotations.map(({ level, message }) => `${level}: ${message}`),
        [notOurs],
        post.log,
      );
      return result;
    },
  };
}

const named = (wheelhouse: string) => ({
  ...{ wheelhouse, key: 'wheelhouse-v2-some-other-key', manifest: 'x' },
});

const states: Row[] = [
  {
    fault: 'the state of the post step: without a signature',
    empty: true,
    noPost: true,
    ...forged((wheelhouse) => JSON.stringify({ version: 3, wheelhouses: [named(wheelhouse)] })),
  },
  {
    fault: 'the state of the post step: from the previous version',
    empty: true,
    noPost: true,
    ...forged((wheelhouse) =>
      JSON.stringify({ version: 2, ...named(wheelhouse), signature: '0'.repeat(64) }),
    ),
  },
  {
    fault: 'the state of the post step: signed with another token',
    empty: true,
    noPost: true,
    ...forged((wheelhouse) => formatState([named(wheelhouse)], 'another token')),
  },
  {
    fault: 'the state of the post step: signed without a token',
    empty: true,
    noPost: true,
    ...forged((wheelhouse) => formatState([named(wheelhouse)], '')),
  },
  {
    fault: 'the state of the post step: another key with a signature of the right length',
    empty: true,
    noPost: true,
    ...forged((wheelhouse) =>
      JSON.stringify({
        ...{ version: 3, wheelhouses: [named(wheelhouse)] },
        signature: '0'.repeat(64),
      }),
    ),
  },
  {
    fault: 'the state of the post step: 100 KB of spaces',
    empty: true,
    noPost: true,
    ...forged(() => ' '.repeat(100_000)),
  },
  {
    fault: 'a later step poisons a wheel before it is saved, with a matching manifest',
    empty: true,
    saved: [],
    between: (place) => poison(wheelhouseOf(place), beta.filename, evilBeta.content),
    says: hasChanged,
  },
  {
    fault: 'a later step makes the manifest claim a later date',
    empty: true,
    saved: [],
    between: (place) =>
      editManifest(wheelhouseOf(place), (manifest) => {
        manifest['resolvedAt'] = '2999-01-01T00:00:00.000Z';
      }),
    says: hasChanged,
  },
  {
    fault: 'a later step adds a wheel before it is saved, with a matching manifest',
    empty: true,
    saved: [],
    between: (place) => {
      const at = wheelhouseOf(place);
      const { filename: file, content, sha256 } = wheel({ name: 'stranger', version: '1.0' });
      writeFileSync(join(at, file), content);
      editManifest(at, ({ wheels }) => {
        wheels.push({
          ...{ name: 'stranger', project: 'stranger', version: '1.0', file, sha256 },
          ...{ size: content.length, origin: 'downloaded', role: 'runtime' },
        });
      });
    },
    says: hasChanged,
  },
  {
    fault: 'a later step adds a file before it is saved',
    empty: true,
    saved: [],
    between: (place) => writeFileSync(join(wheelhouseOf(place), 'more'), ''),
    says: 'warning: The wheelhouse is not saved: more is not in the manifest.',
  },
  {
    fault: 'a later step writes the manifest in another order',
    empty: true,
    between: (place) => {
      const file = join(wheelhouseOf(place), 'wheelhouse.json');
      const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as object);
      writeFileSync(file, JSON.stringify(Object.fromEntries(entries.reverse())));
    },
  },
];

const tag = { eventName: 'workflow_dispatch', ref: 'refs/tags/v1' };
const isNotUsed =
  'notice: The cache is not used: this run is for a tag. Set restore-cache and save-cache to true to use it anyway.';

const rights: Row[] = [
  {
    fault: 'ACTIONS_CACHE_MODE: write-only, with an entry in the cache',
    identity: { mode: 'write-only' },
    hit: false,
    logs: "Nothing is restored: the effective cache-mode 'write-only' does not permit reads.",
  },
  {
    fault: 'ACTIONS_CACHE_MODE: write-only, with an empty cache',
    empty: true,
    identity: { mode: 'write-only' },
    hit: false,
  },
  {
    fault: 'ACTIONS_CACHE_MODE: read, with an entry in the cache',
    identity: { mode: 'read' },
    hit: true,
  },
  { fault: 'ACTIONS_CACHE_MODE: write', identity: { mode: 'write' }, hit: true },
  {
    fault: 'a read-only token, with an entry in the cache',
    identity: { readOnly: true },
    hit: true,
  },
  { fault: 'a manual run for a tag', job: tag, hit: false, says: isNotUsed },
  {
    fault: 'a deployment of a tag, with an empty cache',
    empty: true,
    job: { ...tag, eventName: 'deployment' },
    saved: [],
    says: isNotUsed,
  },
  {
    fault: 'a manual run for a tag, with restore-cache: true',
    job: tag,
    with: { 'restore-cache': true },
    hit: true,
    says: 'notice: restore-cache is true, though this run is for a tag: the cache is used, as configured.',
  },
];

group('post step', states);
group('permissions and events', rights);
