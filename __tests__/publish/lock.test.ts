import assert from 'node:assert/strict';
import { test } from 'node:test';

import { auditLists, publishLock } from '../../src/publish/logic/lock.ts';
import { digit, file } from './files.ts';

test('a publish lock has one line per version, all hashes and no build requirements', () => {
  const files = [
    file('beta', '2.0', 'c'),
    file('beta', '1.0', 'b'),
    file('beta', '1.0', 'a', { file: 'beta-1.0.tar.gz' }),
    file('hatchling', '1.0', 'd', { role: 'build' }),
    file('alpha', '1.0', 'e'),
  ];
  assert.equal(
    publishLock(files),
    [
      `alpha==1.0 --hash=sha256:${digit('e')}`,
      `beta==1.0 --hash=sha256:${digit('a')} --hash=sha256:${digit('b')}`,
      `beta==2.0 --hash=sha256:${digit('c')}`,
      '',
    ].join('\n'),
  );
  // pip-audit refuses two versions of one project in a file, and audits what builds too.
  assert.deepEqual(
    auditLists(files).map((list) => list.split('\n').map((line) => line.split(' ')[0])),
    [
      ['alpha==1.0', 'beta==1.0', 'hatchling==1.0', ''],
      ['beta==2.0', ''],
    ],
  );
});
