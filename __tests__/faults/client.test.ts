/** The client for pages and files, against every fault of a server or of the way to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { pipDirectory, python } from '../../scripts/tools.mjs';
import type { PipSession } from '../../src/ports.ts';
import { checkRow, faultRows } from '../support/http-faults.ts';

const pip: PipSession = {
  use: 'always',
  python,
  cwd: tmpdir(),
  env: {
    PATH: process.env['PATH'] ?? '',
    PYTHONPATH: pipDirectory('26.3'),
    PYTHONDONTWRITEBYTECODE: '1',
    PIP_CONFIG_FILE: devNull,
    PIP_RETRIES: '2',
    HOME: tmpdir(),
  },
};

for (const [way, session] of [
  ['our connections', undefined],
  ["pip's session", pip],
] as const) {
  for (const kind of ['page', 'file'] as const) {
    describe(`a ${kind} through ${way}`, () => {
      for (const row of faultRows) {
        test(`client, ${kind} through ${way}: ${row.fault}`, async () => {
          const scratch = mkdtempSync(join(tmpdir(), 'client-'));
          try {
            await checkRow(row, kind, scratch, session);
          } finally {
            rmSync(scratch, { recursive: true });
          }
        });
      }
    });
  }
}
