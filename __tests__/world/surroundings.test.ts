/** What a real Python reports about real wheels and about installed projects. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import type { Interpreter } from '../../src/logic/model.ts';
import { pythonAdapter } from '../../src/world/python.ts';
import { consoleReporter } from '../../src/world/reporters.ts';
import { wheel } from '../support/packages.ts';
import { freshPython, sitePackages } from '../support/python.ts';

const scratch = mkdtempSync(path.join(tmpdir(), 'surroundings-'));
after(() => rmSync(scratch, { recursive: true }));
const executable = freshPython(path.join(scratch, 'environment'));
const packages = sitePackages(path.join(scratch, 'environment'));
const python = pythonAdapter(consoleReporter(), { PATH: process.env['PATH'] ?? '' });

function surroundings(...wheels: string[]): ReturnType<typeof python.surroundings> {
  return python.surroundings({ executable } as Interpreter, wheels, scratch);
}

/** Names of a wheel with these files beside its own, without its own. */
async function namesWith(files: Record<string, string>): Promise<readonly string[] | null> {
  const { filename, content } = wheel({ name: 'own', version: '1.0', files });
  const file = path.join(scratch, filename);
  writeFileSync(file, content);
  const [found] = (await surroundings(file))?.contents ?? [];
  assert.ok(found !== undefined);
  return found?.names.filter((name) => !['own', 'own-1.0.dist-info'].includes(name)) ?? null;
}

const empty = (...files: string[]): Record<string, string> =>
  Object.fromEntries(files.map((file) => [file, '']));

describe('the surroundings of a wheel', () => {
  test('contain its number of files, its bytes, and the first part of each path in lower case', async () => {
    const files = { 'Pkg/sub/a.py': '12345', 'single.py': '', 'pkg/b.py': '' };
    assert.deepEqual(await namesWith(files), ['pkg', 'single.py']);
    const { filename, content } = wheel({ name: 'two', version: '1.0', size: 1000 });
    const file = path.join(scratch, filename);
    writeFileSync(file, content);
    const [found] = (await surroundings(file))?.contents ?? [];
    assert.equal(found?.files, 5, '__init__, filler, METADATA, WHEEL, RECORD');
    assert.ok(found.bytes > 1000 && found.bytes < 2000, `${found.bytes}`);
  });

  test('contain the places where pip puts the files of data directories', async () => {
    assert.deepEqual(await namesWith(empty('own-1.0.data/purelib/x/y.py')), ['x']);
    assert.deepEqual(await namesWith(empty('own-1.0.data/platlib/z.so')), ['z.so']);
    assert.deepEqual(await namesWith(empty('own-1.0.data/data/share/man/man1/x.1')), [
      'data/share',
    ]);
    assert.deepEqual(await namesWith(empty('own-1.0.data/headers/x.h')), []);
  });

  test('contain scripts under the same name, whether from files or from entry points', async () => {
    assert.deepEqual(
      await namesWith(
        empty(
          'own-1.0.data/scripts/Tool',
          'own-1.0.data/scripts/other.exe',
          'own-1.0.data/scripts/third.py',
        ),
      ),
      ['scripts/other', 'scripts/third', 'scripts/tool'],
    );
    const entries =
      '[ console_scripts ]\nTool = own:main\n b=own:main\n\n[x]\nc = own\n[gui_scripts]\nd=own:d\n';
    assert.deepEqual(await namesWith({ 'own-1.0.dist-info/entry_points.txt': entries }), [
      'scripts/b',
      'scripts/d',
      'scripts/tool',
    ]);
  });

  test('are null when a file may be put anywhere', async () => {
    for (const file of [
      'own-1.0.data/data/lib/python3.11/site-packages/x.py',
      'own-1.0.data/data/bin/x',
      'own-1.0.data/strange/x',
      'own-1.0.data/x',
      '../x.py',
      'a/../../x.py',
      '/x.py',
      './x.py',
      '__pycache__/x.cpython-311.pyc',
    ]) {
      assert.equal(await namesWith(empty(file)), null, file);
    }
  });

  test('are undefined for a file that is not a wheel', async () => {
    const file = path.join(scratch, 'broken-1.0-py3-none-any.whl');
    writeFileSync(file, 'no zip');
    assert.equal(await surroundings(file), undefined);
  });
});

test('surroundings list installed projects in all forms of metadata', async () => {
  for (const entry of ['Foo_Bar-1.0.dist-info', 'old-2.0-py3.11.egg-info', 'plain.egg-info']) {
    mkdirSync(path.join(packages, entry));
  }
  writeFileSync(path.join(packages, 'my-linked.egg-link'), '');
  mkdirSync(path.join(scratch, 'beside.egg-info'));
  const found = await surroundings();
  const names = ['Foo_Bar', 'beside', 'my-linked', 'old', 'pip', 'plain'];
  assert.deepEqual(found, { installed: names, contents: [] });
});

test('surroundings are undefined when Python prints something whenever it starts', async () => {
  const loud = path.join(packages, 'loud.pth');
  writeFileSync(loud, 'import sys; sys.stdout.write("hello")\n');
  assert.equal(await surroundings(), undefined);
  rmSync(loud);
});
