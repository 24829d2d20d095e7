import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { bytesMark, heard, resultMark, silence } from '../../src/logic/transfer-protocol.ts';

const talk = (...lines: string[]) => lines.reduce(heard, silence);

describe('what the transfer process says', () => {
  test('a key, progress and the result', () => {
    assert.deepEqual(
      talk(
        'Cache hit for restore-key: key-1',
        'Received 10 of 20 (50.0%), 1.0 MBs/sec',
        `${bytesMark}12`,
        'Cache Size: ~1 MB (1048576 B)',
        `${resultMark}{"outcome":"restored","key":"key-1"}`,
      ),
      {
        ...silence,
        found: 'key-1',
        passed: 10,
        bytes: 12,
        archive: 1_048_576,
        result: { outcome: 'restored', key: 'key-1' },
      },
    );
  });

  test('what looks like a result and is none is no result, and the last one counts', () => {
    for (const text of ['{', 'null', '7', '{"outcome":1}', '']) {
      assert.equal(talk(`${resultMark}${text}`).result, undefined);
    }
    const forged = `${resultMark}{"outcome":"saved"}`;
    assert.equal(talk(forged, `${resultMark}{"outcome":"none"}`).result?.outcome, 'none');
  });

  const complaints: readonly [string, string | undefined][] = [
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
  for (const [line, complaint] of complaints) {
    test(`${complaint === undefined ? 'no complaint' : 'a complaint'}: ${line}`, () => {
      assert.deepEqual(talk(line).complaints, complaint === undefined ? [] : [complaint]);
    });
  }

  test('a key that is taken is no complaint, and neither is a mode', () => {
    const taken = 'Failed to save: Unable to reserve cache with key k, another job may be creating';
    assert.deepEqual(talk(taken), { ...silence, skipped: taken });
    const mode = "the effective cache-mode 'read' does not permit writes.";
    assert.deepEqual(talk(`Cache save skipped: ${mode}`), { ...silence, skipped: mode });
  });
});
