import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';

import { python, root } from '../../scripts/tools.mjs';
import { asciiJson, type PythonProgram, pythonProgram } from '../../src/world/python-program.ts';

const directory = join(root, 'src', 'python');
const files = readdirSync(directory).filter((file) => file.endsWith('.py'));
const scratch = mkdtempSync(join(tmpdir(), 'programs-'));
after(() => rmSync(scratch, { recursive: true }));

for (const file of files) {
  test(`${file} compiles together with the preamble`, () => {
    const text = pythonProgram(file.slice(0, -'.py'.length) as PythonProgram);
    execFileSync(python, ['-c', 'import sys; compile(sys.stdin.read(), "program", "exec")'], {
      input: text,
    });
  });
}

test('a Python program imports nothing from the working directory', () => {
  writeFileSync(join(scratch, 'json.py'), 'raise SystemExit("hijacked")\n');
  const { status, stderr } = spawnSync(python, ['-c', pythonProgram('markers')], {
    cwd: scratch,
    input: JSON.stringify({ markers: ['python_version >= "3"'], extras: [] }),
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('make_venv makes the same environment as `python -m venv`, with the same pip commands', () => {
  const plain = join(scratch, 'plain');
  const own = join(scratch, 'own');
  execFileSync(python, ['-m', 'venv', plain]);
  // pip as ensurepip brings it, and not one that was installed over it since.
  const base = join(plain, 'bin', basename(python));
  const said = execFileSync(base, ['-c', pythonProgram('make_venv'), own], { encoding: 'utf8' });
  assert.equal((JSON.parse(said) as { executable: string }).executable, join(own, 'bin', 'python'));
  const commands = (at: string) => readdirSync(join(at, 'bin')).sort();
  assert.deepEqual(commands(own), commands(plain));
  const pip = (at: string) =>
    readFileSync(join(at, 'bin', 'pip3'), 'utf8').replace(
      /^#!.*\/bin\/python[\d.]*\n/,
      '#!python\n',
    );
  assert.equal(pip(own), pip(plain));
  assert.deepEqual(readdirSync(own).sort(), readdirSync(plain).sort());
  // Commands are in pip's list of files, with their own digests: pip can remove them.
  const scripts = (at: string) =>
    execFileSync(
      join(at, 'bin', 'python'),
      [
        '-c',
        "from importlib.metadata import files; print(*sorted(str(f) for f in files('pip') if f.parts[0] == '..'))",
      ],
      { encoding: 'utf8' },
    );
  assert.equal(scripts(own), scripts(plain));
});

test('asciiJson writes every character so that Python reads it in any locale', () => {
  const value = { file: 'Größe/требования.txt', mark: '\u007f\u2028\u{1f40d}', number: 1 };
  const text = asciiJson(value);
  assert.match(text, /^[ -~]*$/);
  assert.deepEqual(JSON.parse(text), value);
  const read = 'import json, sys; sys.stdout.write(ascii(json.load(sys.stdin)["file"]))';
  const env = { PYTHONIOENCODING: 'ascii', PATH: process.env['PATH'] };
  const file = execFileSync(python, ['-c', read], { input: text, env, encoding: 'utf8' });
  assert.match(file, /^'Gr\\xf6\\xdfe/);
});
