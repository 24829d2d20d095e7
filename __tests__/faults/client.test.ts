/** The client for pages and files, against every fault of a server or of the way to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { checkRow, faultRows } from '../support/http-faults.ts';

for (const kind of ['page', 'file'] as const) {
  describe(`a ${kind} is downloaded`, () => {
    for (const row of faultRows) {
      test(`client, ${kind}: ${row.fault}`, async () => {
        const scratch = mkdtempSync(join(tmpdir(), 'client-'));
        try {
          await checkRow(row, kind, scratch);
        } finally {
          rmSync(scratch, { recursive: true });
        }
      });
    }
  });
}
