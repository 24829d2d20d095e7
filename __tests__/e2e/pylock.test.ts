/** The pylock.toml of a wheelhouse, from which pip and uv install without a network. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { canIsolate, isolation, uvCommand } from '../../scripts/tools.mjs';
import { projectDirectory, sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import { freshPython, installed } from '../support/python.ts';
import { startScenario } from '../support/scenario.ts';

const alpha = { name: 'alpha', version: '1.0', requires: ['beta'] };
const { index, run } = await startScenario({
  distributions: [
    wheel(alpha),
    wheel({ name: 'beta', version: '2.0+cpu' }),
    sdist({ name: 'Gamma.Ray', version: '3.0' }),
    tinybuildWheel(),
  ],
});
const everything = ['Gamma.Ray==3.0', 'alpha==1.0', 'beta==2.0+cpu'];

let root: string;
let wheelhouse: string;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'pylock-'));
  wheelhouse = join(root, 'wheelhouse');
  // A local project, so that there are wheels to build with.
  const result = await run({
    files: { 'requirements.txt': '-e ./local\nalpha\ngamma.ray\n' },
    before: (job) => {
      projectDirectory(join(job.workspace, 'local'), {
        ...{ name: 'local', version: '1.0', requires: ['beta'] },
        backend: 'tinybuild',
      });
    },
    between: (_job, main) => {
      const lock = String(main.outputs['pylock-file']);
      assert.equal(lock, join(String(main.outputs['wheelhouse']), 'pylock.toml'));
      cpSync(String(main.outputs['wheelhouse']), wheelhouse, { recursive: true });
    },
  });
  assert.equal(result.main.conclusion, 'success', result.main.log);
  index.reset();
});
after(() => rmSync(root, { recursive: true }));

/** Installs from a pylock.toml with neither an index nor, where the system can cut it, a network. */
const installers: Record<string, (python: string, lock: string) => readonly string[]> = {
  'pip install': (python, lock) => [
    ...[python, '-m', 'pip', '--isolated', '--disable-pip-version-check', 'install'],
    ...['--no-index', '--no-cache-dir', '-r', lock],
  ],
  'uv pip sync': (python, lock) => [
    ...[uvCommand(), 'pip', 'sync', '--offline', '--no-config', '--no-cache'],
    ...['--python', python, lock],
  ],
  'uv pip install': (python, lock) => [
    ...[uvCommand(), 'pip', 'install', '--offline', '--no-config', '--no-cache'],
    ...['--python', python, '-r', lock],
  ],
};

function install(installer: keyof typeof installers, lock: string) {
  const python = freshPython(mkdtempSync(join(root, 'environment-')));
  const command = [
    ...(canIsolate() ? isolation : []),
    ...(installers[installer]?.(python, lock) ?? []),
  ];
  const { status, stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), {
    encoding: 'utf8',
    cwd: root,
    env: { PATH: process.env['PATH'], HOME: root, LANG: 'C.UTF-8' },
  });
  return { python, status, log: `${stdout}${stderr}` };
}

const damages: readonly [what: string, damage: (content: Buffer) => Buffer, says: RegExp][] = [
  [
    'a wheel with one changed byte',
    (content) => {
      const changed = Buffer.from(content);
      const middle = changed.length >> 1;
      changed[middle] = Number(changed[middle]) ^ 1;
      return changed;
    },
    // uv finds it while it unpacks.
    /hash|Bad CRC/i,
  ],
  [
    'another wheel of the same name and size',
    () => wheel({ ...alpha, files: { 'alpha/__init__.py': '__version__ = "6.6"\n' } }).content,
    /hash/i,
  ],
];

for (const installer of Object.keys(installers)) {
  test(`${installer} installs from the pylock.toml of a wheelhouse without a network`, () => {
    const { python, status, log } = install(installer, join(wheelhouse, 'pylock.toml'));
    assert.equal(status, 0, log);
    assert.deepEqual(installed(python).sort(), everything);
    assert.equal(index.count(), 0);
  });

  for (const [what, damage, says] of damages) {
    test(`${installer} refuses ${what}`, () => {
      const damaged = mkdtempSync(join(root, 'damaged-'));
      cpSync(wheelhouse, damaged, { recursive: true });
      const file = join(damaged, 'alpha-1.0-py3-none-any.whl');
      writeFileSync(file, damage(readFileSync(file)));
      const { python, status, log } = install(installer, join(damaged, 'pylock.toml'));
      assert.notEqual(status, 0, log);
      assert.match(log, says);
      assert.ok(!installed(python).some((name) => name.startsWith('alpha')), log);
    });
  }
}

test('pylock.toml names neither the wheels to build with nor any URL', () => {
  assert.ok(existsSync(join(wheelhouse, 'build', 'tinybuild-1.0-py3-none-any.whl')));
  const text = readFileSync(join(wheelhouse, 'pylock.toml'), 'utf8');
  assert.doesNotMatch(text, /tinybuild|local|url|:\/\//);
});
