/** Bundles on disk: what they replace, and what they leave alone. */
import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

import type { Output } from '../../src/bundle/logic/model.ts';
import { outputOf } from '../../src/bundle/logic/output.ts';
import { bundlesAdapter } from '../../src/bundle/world/bundles.ts';

const bundles = bundlesAdapter();
let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'bundles-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const at = (name: string): Output => outputOf(path.join(root, name), '/nowhere');
const six = 'six-1.0-py3-none-any.whl';

function staged(files: Record<string, string> = { [six]: 'six' }): string {
  const directory = mkdtempSync(path.join(root, '.staged-'));
  const all = { 'README.txt': 'readme', 'requirements.lock': '', ...files };
  for (const [file, content] of Object.entries(all)) {
    writeFileSync(path.join(directory, file), content, { mode: 0o600 });
  }
  return directory;
}

const visible = (): string[] => readdirSync(root).filter((name) => !name.startsWith('.staged'));

describe('a bundle as a directory', () => {
  test('has fixed modes and times', async () => {
    await bundles.place(staged(), at('new/bundle'));
    const place = path.join(root, 'new', 'bundle');
    assert.deepEqual(readdirSync(place), ['README.txt', 'requirements.lock', six]);
    assert.equal(statSync(place).mode & 0o777, 0o755);
    for (const file of readdirSync(place)) {
      const { mode, mtimeMs } = statSync(path.join(place, file));
      assert.deepEqual([mode & 0o777, mtimeMs], [0o644, Date.UTC(1980)], file);
    }
  });

  test('replaces an empty directory and an older bundle, whole', async () => {
    mkdirSync(path.join(root, 'bundle'));
    await bundles.place(staged({ 'old-1.0-py3-none-any.whl': '' }), at('bundle'));
    await bundles.place(staged(), at('bundle'));
    assert.deepEqual(readdirSync(path.join(root, 'bundle')), [
      ...['README.txt', 'requirements.lock', six],
    ]);
    assert.deepEqual(visible(), ['bundle']);
  });

  test('replaces the bundle that a link points to, and keeps the link', async () => {
    await bundles.place(staged(), at('real'));
    symlinkSync('real', path.join(root, 'bundle'));
    await bundles.place(staged({ 'new-1.0-py3-none-any.whl': '' }), at('bundle'));
    assert.ok(lstatSync(path.join(root, 'bundle')).isSymbolicLink());
    assert.ok(readdirSync(path.join(root, 'real')).includes('new-1.0-py3-none-any.whl'));
  });

  for (const [name, make] of [
    [
      'a directory with other files',
      (place: string) => {
        mkdirSync(place);
        writeFileSync(path.join(place, 'notes.txt'), 'mine');
      },
    ],
    ['a file', (place: string) => writeFileSync(place, 'mine')],
    ['a broken link', (place: string) => symlinkSync('nowhere', place)],
  ] as const) {
    test(`leaves ${name} alone`, async () => {
      const place = path.join(root, 'bundle');
      make(place);
      const refusal = { name: 'UserError', message: /^\/.*bundle .*[Cc]hoose another/ };
      await assert.rejects(bundles.check(at('bundle')), refusal);
      await assert.rejects(bundles.place(staged(), at('bundle')), refusal);
      assert.deepEqual(visible(), ['bundle']);
      if (name !== 'a broken link') {
        const file = name === 'a file' ? place : path.join(place, 'notes.txt');
        assert.equal(readFileSync(file, 'utf8'), 'mine');
      }
    });
  }
});

describe('a bundle as an archive', () => {
  test('replaces a file whole and leaves nothing beside it', async () => {
    writeFileSync(path.join(root, 'bundle.zip'), 'old');
    await bundles.place(staged(), at('bundle.zip'));
    assert.equal(readFileSync(path.join(root, 'bundle.zip')).subarray(0, 2).toString(), 'PK');
    assert.deepEqual(visible(), ['bundle.zip']);
  });

  test('leaves the old file if it cannot be written', async () => {
    writeFileSync(path.join(root, 'bundle.tar.gz'), 'old');
    const directory = staged();
    mkdirSync(path.join(directory, 'zzz'));
    await assert.rejects(bundles.place(directory, at('bundle.tar.gz')), { code: 'EISDIR' });
    assert.equal(readFileSync(path.join(root, 'bundle.tar.gz'), 'utf8'), 'old');
    assert.deepEqual(visible(), ['bundle.tar.gz']);
  });

  test('does not replace a directory', async () => {
    mkdirSync(path.join(root, 'bundle.zip'));
    await assert.rejects(bundles.check(at('bundle.zip')), { message: /is not a file/ });
  });
});
