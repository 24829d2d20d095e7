/** What a real Python says of real wheels, and of what is installed. */
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

describe('what a wheel puts where', () => {
  test('files, bytes and the first part of each path, in lower case', async () => {
    const files = { 'Pkg/sub/a.py': '12345', 'single.py': '', 'pkg/b.py': '' };
    assert.deepEqual(await namesWith(files), ['pkg', 'single.py']);
    const { filename, content } = wheel({ name: 'two', version: '1.0', size: 1000 });
    const file = path.join(scratch, filename);
    writeFileSync(file, content);
    const [found] = (await surroundings(file))?.contents ?? [];
    assert.equal(found?.files, 5, '__init__, filler, METADATA, WHEEL, RECORD');
    assert.ok(found.bytes > 1000 && found.bytes < 2000, `${found.bytes}`);
  });

  test('data directories lead to where pip puts their files', async () => {
    assert.deepEqual(await namesWith(empty('own-1.0.data/purelib/x/y.py')), ['x']);
    assert.deepEqual(await namesWith(empty('own-1.0.data/platlib/z.so')), ['z.so']);
    assert.deepEqual(await namesWith(empty('own-1.0.data/data/share/man/man1/x.1')), [
      'data/share',
    ]);
    assert.deepEqual(await namesWith(empty('own-1.0.data/headers/x.h')), []);
  });

  test('scripts, from files and from entry points, are one kind of name', async () => {
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

  test('null for what may lie anywhere', async () => {
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

  test('nothing can be told of what is no wheel', async () => {
    const file = path.join(scratch, 'broken-1.0-py3-none-any.whl');
    writeFileSync(file, 'no zip');
    assert.equal(await surroundings(file), undefined);
  });
});

test('what is installed, in all the forms that it is written in', async () => {
  for (const entry of ['Foo_Bar-1.0.dist-info', 'old-2.0-py3.11.egg-info', 'plain.egg-info']) {
    mkdirSync(path.join(packages, entry));
  }
  writeFileSync(path.join(packages, 'my-linked.egg-link'), '');
  mkdirSync(path.join(scratch, 'beside.egg-info'));
  const found = await surroundings();
  const names = ['Foo_Bar', 'beside', 'my-linked', 'old', 'pip', 'plain'];
  assert.deepEqual(found, { installed: names, contents: [] });
});

test('nothing can be told by a Python that speaks whenever it starts', async () => {
  const loud = path.join(packages, 'loud.pth');
  writeFileSync(loud, 'import sys; sys.stdout.write("hello")\n');
  assert.equal(await surroundings(), undefined);
  rmSync(loud);
});
