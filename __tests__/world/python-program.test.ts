import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { pipVersions, python, root } from '../../scripts/tools.mjs';
import { asciiJson, type PythonProgram, pythonProgram } from '../../src/world/python-program.ts';
import { freshPython } from '../support/python.ts';

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

/** Prints what the probe says of pip, and what pip itself says, in each environment. */
const probeAndPip = `
import io, json, os, sys
from pip._internal.configuration import Configuration

probe, environments = json.load(sys.stdin)
results = []
for environment in environments:
    os.environ.clear()
    os.environ.update(environment)
    shown, sys.stdout = sys.stdout, io.StringIO()
    exec(probe, {'__name__': 'probe'})
    shown, sys.stdout = sys.stdout.getvalue(), shown
    configuration = Configuration(isolated=False)
    configuration.load()
    merged = {}
    for key, value in configuration.items():
        merged.update(value if isinstance(value, dict) else {key: value})
    said = json.loads(shown)
    results.append({'probe': said['pipConfig'], 'pip': merged, 'error': said['pipConfigError']})
json.dump(results, sys.stdout)
`;

for (const pip of pipVersions) {
  test(`the probe finds the settings that pip ${pip} finds`, () => {
    const base = mkdtempSync(join(scratch, 'settings-'));
    const write = (name: string): string => {
      const file = join(base, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `[global]\nindex-url = https://index.example/${name}\n`);
      return file;
    };
    const named = write('named.conf');
    write('new/.config/pip/pip.conf');
    write('old/.pip/pip.conf');
    write('shared/pip/pip.conf');
    mkdirSync(join(base, 'empty'));
    const common = { PATH: process.env['PATH'] ?? '', HOME: join(base, 'empty') };
    const settings = {
      ...{ PIP_NO_DEPS: '1', PIP_VERSION: '1', PIP___Index_URL: 'x', PIPX_HOME: 'x', pip_pre: '1' },
    };
    const environments = [
      common,
      { ...common, ...settings },
      { ...common, ...settings, PIP_CONFIG_FILE: devNull },
      { ...common, PIP_CONFIG_FILE: named },
      { ...common, PIP_CONFIG_FILE: join(base, 'missing') },
      { ...common, PIP_CONFIG_FILE: '' },
      { ...common, HOME: join(base, 'new') },
      { ...common, HOME: join(base, 'old') },
      { ...common, XDG_CONFIG_DIRS: join(base, 'shared') },
    ];
    const python = freshPython(join(base, 'environment'), pip);
    const results = (): Record<string, unknown>[] =>
      JSON.parse(
        execFileSync(python, ['-c', probeAndPip], {
          input: JSON.stringify([pythonProgram('probe'), environments]),
          encoding: 'utf8',
          env: common,
        }),
      );
    const inside = join(base, 'environment', 'pip.conf');
    const before = results();
    writeFileSync(inside, '[install]\nno-deps = true\n');
    for (const [index, { probe, pip: own, error }] of [
      ...before.entries(),
      ...results().entries(),
    ]) {
      assert.deepEqual(probe, own, JSON.stringify(environments[index]));
      assert.equal(error, null);
    }
    assert.deepEqual(Object.keys(before[2]?.['probe'] ?? {}).sort(), [
      ':env:.config-file',
      ':env:.index-url',
      ':env:.no-deps',
    ]);
  });
}

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
