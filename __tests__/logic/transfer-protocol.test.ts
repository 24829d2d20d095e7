import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  bytesMark,
  initialState,
  resultLine,
  stateAfter,
} from '../../src/logic/transfer-protocol.ts';

const stateOf = (...lines: string[]) => lines.reduce(stateAfter, initialState('id'));

describe('output of the transfer process', () => {
  test('the output gives the key, the progress and the result', () => {
    assert.deepEqual(
      stateOf(
        'Cache hit for restore-key: key-1',
        'Received 10 of 20 (50.0%), 1.0 MBs/sec',
        `${bytesMark}12`,
        'Cache Size: ~1 MB (1048576 B)',
        resultLine({ id: 'id' }, { outcome: 'restored', key: 'key-1' }),
      ),
      {
        ...initialState('id'),
        matchedKey: 'key-1',
        archiveBytes: 10,
        networkBytes: 12,
        archiveSize: 1_048_576,
        result: { outcome: 'restored', key: 'key-1' },
      },
    );
  });

  test('an invalid result is ignored', () => {
    for (const text of ['{', 'null', '7', '{"outcome":1}', '']) {
      assert.equal(stateOf(`wheelhouse-transfer-result id: ${text}`).result, undefined);
    }
  });

  test('a result of another order is ignored, as the service may have forged it', () => {
    for (const id of ['', 'other', 'id id']) {
      assert.equal(stateOf(resultLine({ id }, { outcome: 'saved' })).result, undefined);
    }
    assert.equal(stateOf(resultLine({ id: 'id' }, { outcome: 'saved' })).result?.outcome, 'saved');
  });

  const problems: readonly [string, string | undefined][] = [
    ['::warning::Failed to restore: why%0Aand how', 'Failed to restore: why\nand how'],
    ['::error::Failed to restore: ', 'the archive could not be downloaded'],
    [
      `::warning::Failed to save: "/t/programs/tar" failed with error: The process '/t/programs/tar' failed with exit code 2`,
      'tar failed with exit code 2',
    ],
    ['/usr/bin/tar: x: Cannot write: No space left on device', 'the disk is full'],
    [
      '::debug::Failed to reserve cache: Error: (429) Too Many Requests',
      'Failed to reserve cache: Error: (429) Too Many Requests',
    ],
    ['::debug::Failed to reserve cache: Error: (409) Conflict', undefined],
    ['::debug::Failed to reserve cache: Error: cache write denied: read-only', undefined],
    ['::notice::nothing', undefined],
  ];
  for (const [line, problem] of problems) {
    test(`${problem === undefined ? 'not a problem' : 'a problem'}: ${line}`, () => {
      assert.deepEqual(stateOf(line).problems, problem === undefined ? [] : [problem]);
    });
  }

  test('a reserved key and a read-only cache mode are reasons to skip, not problems', () => {
    const taken = 'Failed to save: Unable to reserve cache with key k, another job may be creating';
    assert.deepEqual(stateOf(taken), { ...initialState('id'), skipReason: taken });
    const mode = "the effective cache-mode 'read' does not permit writes.";
    assert.deepEqual(stateOf(`Cache save skipped: ${mode}`), {
      ...initialState('id'),
      skipReason: mode,
    });
  });
});
