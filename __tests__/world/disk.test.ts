/** Directories that must be deleted, whatever an archive has put into them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

let parent = '';
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'temporary-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** Runs a module without root's power to ignore modes. @returns what it prints */
function asOrdinaryUser(script: string): string {
  const drop = '-dac_override,-dac_read_search';
  const node = [process.execPath, '--input-type=module', '-e', script, parent];
  const command =
    process.getuid?.() === 0
      ? ['setpriv', `--bounding-set=${drop}`, `--inh-caps=${drop}`, ...node]
      : node;
  const { stdout, stderr, status } = spawnSync(String(command[0]), command.slice(1), {
    encoding: 'utf8',
    cwd: import.meta.dirname,
  });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

const make = `
  import { chmodSync, mkdirSync, writeFileSync, existsSync } from 'node:fs';
  import { discard, temporaryDirectory } from '../../src/world/disk.ts';
  const directory = await temporaryDirectory(process.argv[1], 'work');
  mkdirSync(directory + '/wheelhouse/closed', { recursive: true });
  writeFileSync(directory + '/wheelhouse/closed/file', '');
  chmodSync(directory + '/wheelhouse/closed', 0);
  chmodSync(directory + '/wheelhouse', 0);
`;

test('discard deletes a directory that nobody may read', () => {
  const script = `${make}\nawait discard(directory); console.log(existsSync(directory));`;
  assert.equal(asOrdinaryUser(script), 'false');
});

test('a temporary directory that nobody may read is deleted when the process ends', () => {
  const directory = asOrdinaryUser(`${make}\nconsole.log(directory);`);
  assert.equal(path.dirname(directory), parent);
  assert.equal(existsSync(directory), false);
});

test('discard does not throw when a directory cannot be deleted', () => {
  const script = `${make}
    chmodSync(process.argv[1], 0o500);
    await discard(directory);
    console.log(existsSync(directory));
    chmodSync(process.argv[1], 0o700);`;
  assert.equal(asOrdinaryUser(script), 'true');
});
