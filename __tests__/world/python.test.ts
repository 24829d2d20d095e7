import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { python } from '../../scripts/tools.mjs';
import type { Interpreter, Request } from '../../src/logic/model.ts';
import type { Reporter } from '../../src/ports.ts';
import { pythonAdapter } from '../../src/world/python.ts';

const scratch = mkdtempSync(join(tmpdir(), 'python-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const environment = { PATH: process.env['PATH'] ?? '' };
const adapter = pythonAdapter({} as Reporter, environment);

function write(file: string, content: string, mode = 0o644): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
  return file;
}

test('createVenv keeps the files of an existing environment when pip cannot be copied into it', async () => {
  // A Python whose pip can't be copied: the program that copies it fails.
  const executable = write(
    join(scratch, 'python'),
    `#!/bin/sh\n[ "$1" = -c ] && exit 1\nexec ${python} "$@"\n`,
    0o755,
  );
  const directory = join(scratch, 'venv');
  write(join(directory, 'pyvenv.cfg'), 'home = /nowhere\n');
  const precious = write(join(directory, 'precious.txt'), 'precious\n');
  const request = { environment, workingDirectory: scratch } as unknown as Request;
  const made = await adapter.createVenv(
    { executable } as unknown as Interpreter,
    request,
    directory,
  );
  assert.equal(readFileSync(precious, 'utf8'), 'precious\n');
  assert.ok(made.executable.startsWith(directory), made.executable);
  assert.notEqual(made.pip, undefined);
});

test('installed reads projects from the names of their metadata, and the first one on the path wins', async () => {
  const first = join(scratch, 'first');
  const second = join(scratch, 'second');
  for (const name of ['Zope.Proxy-5.0.dist-info', 'six-1.16.0.egg-info', 'no_version.dist-info']) {
    mkdirSync(join(first, name), { recursive: true });
  }
  for (const name of ['six-1.17.0.dist-info', 'old-1.0-py3.11.egg-info', '__pycache__', 'six.py']) {
    mkdirSync(join(second, name), { recursive: true });
  }
  const searchPath = [first, join(scratch, 'missing'), second];
  const found = await adapter.installed({ searchPath } as unknown as Interpreter);
  assert.deepEqual(Object.fromEntries(found), {
    'zope-proxy': '5.0',
    six: '1.16.0',
    old: '1.0',
  });
});
