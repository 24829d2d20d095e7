/** Archives of bundles, read by the programs that users have. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { python } from '../../scripts/tools.mjs';
import { writeArchive } from '../../src/bundle/world/archive.ts';
import { sha256 } from '../../src/logic/digest.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'archives-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const long = `${'long_name_'.repeat(13)}-1.0-py3-none-any.whl`;
/** The second one takes several blocks of every kind. */
const contents: Record<string, string> = {
  'README.txt': 'one\n',
  'big-1.0-py3-none-any.whl': 'x'.repeat(200_000),
  'empty-1.0-py3-none-any.whl': '',
  [long]: 'long',
};
const files = Object.keys(contents);

async function archived(form: 'tar.gz' | 'zip', name: string): Promise<string> {
  const directory = path.join(root, name);
  mkdirSync(directory);
  for (const [file, content] of Object.entries(contents)) {
    writeFileSync(path.join(directory, file), content, { mode: 0o600 });
    utimesSync(path.join(directory, file), Math.random() * 1e9, Math.random() * 1e9);
  }
  const archive = path.join(root, `${name}.${form}`);
  await writeArchive(form, directory, files, archive);
  return archive;
}

/** A Python program that prints path, mode, size, modification time and digest of each member. */
const listing = `
import hashlib, json, sys, tarfile, zipfile
name = sys.argv[1]
if name.endswith('.zip'):
    with zipfile.ZipFile(name) as archive:
        found = [(m.filename, m.external_attr >> 16, m.file_size, str(m.date_time), archive.read(m)) for m in archive.infolist()]
else:
    with tarfile.open(name) as archive:
        found = [(m.name, m.mode, m.size, str(m.mtime), archive.extractfile(m).read()) for m in archive]
print(json.dumps([(n, m, s, t, hashlib.sha256(c).hexdigest()) for n, m, s, t, c in found]))
`;

describe('an archive', () => {
  for (const { form, mode, time, digest } of [
    {
      ...{ form: 'tar.gz' as const, mode: 0o644, time: '315532800' },
      digest: '9814f918c02d3f3fa23a880cffae455f547d2b10f421eb087a371285477430a2',
    },
    {
      ...{ form: 'zip' as const, mode: 0o100644, time: '(1980, 1, 1, 0, 0, 0)' },
      digest: 'b7057c9504792b9f1b58e4147a578667468e1e64d2f60abfdee49a8a2dfee3ce',
    },
  ] as const) {
    test(`${form}: Python finds every file with fixed mode and time`, async () => {
      const archive = await archived(form, 'one');
      const found = execFileSync(python, ['-c', listing, archive], { encoding: 'utf8' });
      assert.deepEqual(
        JSON.parse(found),
        files.map((file) => {
          const content = String(contents[file]);
          return [`wheelhouse/${file}`, mode, content.length, time, sha256(content)];
        }),
      );
    });

    test(`${form}: the same files give the same bytes on every machine`, async () => {
      const zone = process.env['TZ'];
      const first = sha256(readFileSync(await archived(form, 'first')));
      process.env['TZ'] = 'Pacific/Kiritimati';
      try {
        assert.equal(sha256(readFileSync(await archived(form, 'second'))), first);
      } finally {
        if (zone === undefined) delete process.env['TZ'];
        else process.env['TZ'] = zone;
      }
      assert.equal(first, digest, 'bundles of earlier versions had other bytes');
    });
  }

  test('tar.gz: tar and gzip accept it', async () => {
    const archive = await archived('tar.gz', 'one');
    execFileSync('gzip', ['--test', archive]);
    execFileSync('tar', ['-xzf', archive, '-C', root]);
    for (const file of files) {
      assert.equal(readFileSync(path.join(root, 'wheelhouse', file), 'utf8'), contents[file]);
    }
  });
});
