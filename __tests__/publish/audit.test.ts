import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { auditMessage, mergedAudit, readAudit } from '../../src/publish/logic/audit.ts';

describe('audit', () => {
  const list = 'alpha==1.0 --hash=sha256:aa\nbeta==2.0 --hash=sha256:bb\n';
  const report = (...dependencies: object[]): string => JSON.stringify({ dependencies, fixes: [] });
  const clean = (name: string): object => ({ name, version: '1', vulns: [] });
  const hole = { name: 'beta', version: '2.0', vulns: [{ id: 'EX-1' }, { id: '<b>' }] };

  test('only a report of every project with exit code 0 is a clean audit', () => {
    assert.deepEqual(readAudit(list, 0, report(clean('alpha'), clean('Beta'))), {
      state: 'clean',
      findings: [],
    });
  });

  test('an audit reports vulnerabilities with escaped IDs', () => {
    assert.deepEqual(readAudit(list, 1, report(clean('alpha'), hole)), {
      state: 'vulnerable',
      findings: ['beta 2.0: EX-1, ?b?'],
    });
  });

  const failures: readonly [string, number, string][] = [
    ['no output (a look-up that failed under --strict)', 1, ''],
    ['no output with exit code 0', 0, ''],
    ['a skipped project', 0, report(clean('alpha'), { name: 'beta', skip_reason: 'not found' })],
    [
      'a skipped project with an empty list of vulnerabilities',
      0,
      report(clean('alpha'), { name: 'beta', skip_reason: 'x', vulns: [] }),
    ],
    ['a missing project', 0, report(clean('alpha'))],
    ['a report of an unknown format', 0, '{"dependencies":{}}'],
    ['no vulnerabilities, but exit code 1', 1, report(clean('alpha'), clean('beta'))],
  ];
  for (const [description, exitCode, stdout] of failures) {
    test(`a failed audit: ${description}`, () => {
      const result = readAudit(list, exitCode, stdout);
      assert.equal(result.state, 'failed');
      assert.match(auditMessage(result), /nothing is known/);
    });
  }

  test('several audits have the worst state of all', () => {
    const [good, bad, unknown] = [
      { state: 'clean', findings: [] },
      { state: 'vulnerable', findings: ['b 1: X'] },
      { state: 'failed', findings: ['why'] },
    ] as const;
    assert.equal(mergedAudit([good, good]).state, 'clean');
    assert.equal(mergedAudit([good, bad]).state, 'vulnerable');
    assert.deepEqual(mergedAudit([bad, good, unknown]), {
      state: 'failed',
      findings: ['b 1: X', 'why'],
    });
  });
});
