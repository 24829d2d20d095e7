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

import { python } from '../../scripts/tools.mjs';
import type { Output, WheelMetadata } from '../../src/bundle/logic/model.ts';
import { outputOf } from '../../src/bundle/logic/output.ts';
import { bundlesAdapter } from '../../src/bundle/world/bundles.ts';
import type { Interpreter } from '../../src/logic/model.ts';
import { zip } from '../support/zip.ts';

const bundles = bundlesAdapter({ PATH: process.env['PATH'] ?? '' });
let root = '';
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'bundles-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const at = (name: string): Output => outputOf(path.join(root, name), '/nowhere');
const six = 'six-1.0-py3-none-any.whl';

const own = {
  ...{ 'LICENSES.txt': '', 'README.txt': 'readme', 'requirements.lock': '', 'pylock.toml': '' },
  'sbom.cdx.json': '{}',
};
const complete = [...Object.keys(own), six].sort();

function staged(files: Record<string, string> = { [six]: 'six' }): string {
  const directory = mkdtempSync(path.join(root, '.staged-'));
  const all = { ...own, ...files };
  for (const [file, content] of Object.entries(all)) {
    writeFileSync(path.join(directory, file), content, { mode: 0o600 });
  }
  return directory;
}

function wheelFile(name: string, files: Record<string, string | Buffer>): string {
  const file = `${name}-1.0-py3-none-any.whl`;
  const all = { [`${name}-1.0.dist-info/METADATA`]: 'Metadata-Version: 2.1\n', ...files };
  const members = Object.entries(all).map(
    ([member, content]) => [member, Buffer.from(content)] as const,
  );
  writeFileSync(path.join(root, file), zip(new Map(members), true));
  return file;
}

/** The metadata of one wheel in the root. */
async function metadata(file: string): Promise<WheelMetadata | undefined> {
  const interpreter = { executable: python } as Interpreter;
  return (await bundles.metadata(interpreter, root, [file]))[0];
}

describe('the metadata of wheels', () => {
  const info = 'alpha-1.0.dist-info';

  test('are licences, classifiers, requirements and licence files', async () => {
    const headers = [
      ...['Metadata-Version: 2.4', 'Name: alpha', 'Version: 1.0', 'License-Expression: MIT'],
      ...['License: some', '  text', 'Classifier: License :: X', 'Classifier: Topic :: Y'],
      ...['Requires-Dist: beta>=1', 'Summary: ü', '', 'License: of the description'],
    ];
    const found = await metadata(
      wheelFile('alpha', {
        [`${info}/METADATA`]: headers.join('\n'),
        [`${info}/licenses/LICENSE`]: 'Grüße',
        [`${info}/licenses/vendored/x.txt`]: 'x',
        [`${info}/COPYING.LESSER`]: 'lesser',
        [`${info}/entry_points.txt`]: 'no licence',
        'alpha/LICENSE': 'not in dist-info',
        'beta-1.0.dist-info/LICENSE': 'of another project',
      }),
    );
    assert.deepEqual(found, {
      expression: 'MIT',
      license: 'some\n  text',
      classifiers: ['License :: X'],
      requires: ['beta>=1'],
      texts: [
        ['COPYING.LESSER', 'lesser'],
        ['licenses/LICENSE', 'Grüße'],
        ['licenses/vendored/x.txt', 'x'],
      ],
    });
  });

  test('leave out licence files that are too large, and all after the hundredth', async () => {
    const many = Array.from({ length: 120 }, (_, index) => [
      `${info}/licenses/${String(index).padStart(3, '0')}`,
      index === 0 ? Buffer.alloc(2 ** 20 + 1, 'x') : 'text',
    ]);
    const { texts = [] } = (await metadata(wheelFile('alpha', Object.fromEntries(many)))) ?? {};
    assert.deepEqual(texts[0], ['licenses/000', null]);
    assert.equal(texts.length, 100);
  });

  for (const [what, make, reason] of [
    [
      'is not a zip',
      () => writeFileSync(path.join(root, 'alpha-1.0-py3-none-any.whl'), 'x'),
      'BadZipFile',
    ],
    [
      'has METADATA that unpack to too much',
      () => wheelFile('alpha', { [`${info}/METADATA`]: Buffer.alloc(5 * 2 ** 20, 'x') }),
      'its METADATA is too large',
    ],
    [
      'has two METADATA',
      () => wheelFile('alpha', { 'Alpha-2.dist-info/METADATA': 'Name: alpha' }),
      'it has 2 files METADATA',
    ],
  ] as const) {
    test(`a wheel that ${what} is an error that names it`, async () => {
      make();
      await assert.rejects(metadata('alpha-1.0-py3-none-any.whl'), {
        name: 'UserError',
        message: `alpha-1.0-py3-none-any.whl is not a valid wheel (${reason}). Exclude that version, and tell the owner of the index.`,
      });
    });
  }
});

const visible = (): string[] => readdirSync(root).filter((name) => !name.startsWith('.staged'));

describe('a bundle as a directory', () => {
  test('has fixed modes and times', async () => {
    await bundles.place(staged(), at('new/bundle'));
    const place = path.join(root, 'new', 'bundle');
    assert.deepEqual(readdirSync(place).sort(), complete);
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
    assert.deepEqual(readdirSync(path.join(root, 'bundle')).sort(), complete);
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
