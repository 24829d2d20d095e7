import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { PublishRow } from '../../src/publish/logic/model.ts';
import { formatPublishReport, formatPublishSummary } from '../../src/publish/logic/report.ts';
import { digit, file } from './files.ts';

test('the publish report has the result of each file', () => {
  const rows: PublishRow[] = [
    { ...file('alpha', '1.0', 'a'), state: 'present', feedSha256: digit('a') },
    { ...file('beta', '1.0', 'b', { role: 'build' }), state: 'uploaded', feedSha256: digit('b') },
    { ...file('gamma', '1.0', 'c'), state: 'absent', feedSha256: undefined },
  ];
  const report = {
    rows,
    targets: ['Python 3.12 on win_amd64'],
    feed: 'https://feed.example/simple/',
    audit: { state: 'clean', findings: [] },
    dryRun: false,
    pipConf: '[global]\n',
    lock: '',
  } as const;
  const [headline, ...lines] = formatPublishReport(report);
  assert.equal(headline, '3 files: 1 uploaded, 1 already present, 0 in conflict, 1 not uploaded');
  assert.ok(lines.includes('  gamma-1.0-py3-none-any.whl: not uploaded'));
  const [dry, ...dryLines] = formatPublishReport({ ...report, dryRun: true });
  assert.match(String(dry), /^3 files: 1 would be uploaded.*\(dry run\)$/);
  assert.ok(dryLines.includes('  gamma-1.0-py3-none-any.whl: would be uploaded'));
  const summary = formatPublishSummary(report);
  assert.match(
    summary,
    /^\| beta-1\.0-py3-none-any\.whl \(to build\) \| 1\.0 \| 1\.5 kB \| uploaded \|$/m,
  );
  assert.match(summary, /```ini\n\[global\]\n```/);
});
