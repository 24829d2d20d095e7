/** The report of a publishing run, for the log, a terminal and the job summary. */

import { size } from '../../logic/summary.ts';
import type { PublishReport, PublishRow } from './model.ts';

/** Returns the number of files in each state. */
export function publishCounts(report: PublishReport): Record<PublishRow['state'], number> {
  const counts = { uploaded: 0, present: 0, conflict: 0, absent: 0 };
  for (const { state } of report.rows) counts[state] += 1;
  return counts;
}

/** The result in one sentence. */
function headline(report: PublishReport): string {
  const { uploaded, present, conflict, absent } = publishCounts(report);
  const parts = [
    report.dryRun ? `${absent} would be uploaded` : `${uploaded} uploaded`,
    `${present} already present`,
    `${conflict} in conflict`,
    ...(report.dryRun || absent === 0 ? [] : [`${absent} not uploaded`]),
  ];
  return `${report.rows.length} files: ${parts.join(', ')}${report.dryRun ? ' (dry run)' : ''}`;
}

const auditWords = {
  off: 'off',
  clean: 'no known vulnerabilities',
  vulnerable: 'known vulnerabilities',
  failed: 'failed, so nothing is known',
} as const;

function auditLine({ audit }: PublishReport): string {
  const found = audit.findings.length > 0 ? ` (${audit.findings.join('; ')})` : '';
  return `Audit: ${auditWords[audit.state]}${found}.`;
}

function result({ state }: PublishRow, { dryRun }: PublishReport): string {
  if (state === 'absent') return dryRun ? 'would be uploaded' : 'not uploaded';
  return state === 'present' ? 'already present' : state;
}

/** Plain text. */
export function formatPublishReport(report: PublishReport): string[] {
  return [
    headline(report),
    ...report.rows.map((row) => `  ${row.file}: ${result(row, report)}`),
    `Targets: ${report.targets.join(', ')}`,
    auditLine(report),
    'To install from the feed, use this pip.conf:',
    ...report.pipConf
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}

/** GitHub-flavoured Markdown. File names and versions were checked, so nothing needs escaping. */
export function formatPublishSummary(report: PublishReport): string {
  return [
    `### Wheelhouse: ${headline(report)}`,
    '',
    `Feed: \`${report.feed}\`. Targets: ${report.targets.join(', ')}. ${auditLine(report)}`,
    '',
    '| file | version | size | |',
    '| --- | --- | --: | --- |',
    ...report.rows.map(
      (row) =>
        `| ${row.file}${row.role === 'build' ? ' (to build)' : ''} | ${row.version} | ${size(row.size)} | ${result(row, report)} |`,
    ),
    '',
    '<details><summary>pip.conf for machines that install from the feed</summary>',
    '',
    '```ini',
    report.pipConf.trimEnd(),
    '```',
    '',
    '</details>',
    '',
  ].join('\n');
}
