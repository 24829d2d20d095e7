/** pip-audit: its arguments, and the meaning of its reports. */
import { normalizeName } from '../../logic/names.ts';
import type { AuditResult } from './model.ts';

export function auditArgs(list: string, cache: string): string[] {
  return [
    '--strict',
    '--disable-pip',
    '--require-hashes',
    '--progress-spinner=off',
    '--format=json',
    `--cache-dir=${cache}`,
    `--requirement=${list}`,
  ];
}

/**
 * Reads the report of one run of pip-audit. Only a report that has every project of the list, none
 * of them skipped, counts as a look-up: without --strict, a service that answers 404 to everything
 * counts as clean, and the exit code is 1 for both "vulnerable" and "failed".
 */
export function readAudit(list: string, exitCode: number, stdout: string): AuditResult {
  const failed = (why: string): AuditResult => ({ state: 'failed', findings: [why] });
  let dependencies: unknown;
  try {
    ({ dependencies } = JSON.parse(stdout) as { dependencies?: unknown });
  } catch {
    return failed(`pip-audit printed no report (exit code ${exitCode})`);
  }
  if (!Array.isArray(dependencies)) return failed('the report of pip-audit has an unknown format');
  const vulnerabilities = new Map<string, string[]>();
  for (const entry of dependencies as {
    name?: unknown;
    skip_reason?: unknown;
    vulns?: unknown;
  }[]) {
    const name = normalizeName(String(entry.name));
    if (!Array.isArray(entry.vulns) || entry.skip_reason !== undefined) {
      return failed(`${name} was not looked up`);
    }
    vulnerabilities.set(
      name,
      entry.vulns.map((vulnerability: { id?: unknown }) =>
        String(vulnerability.id).replace(/[^\w.:-]/g, '?'),
      ),
    );
  }
  const pins = list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => /^(\S+)==(\S+)/.exec(line) ?? ['', line, '']);
  const missing = pins.find(([, name = '']) => !vulnerabilities.has(name));
  if (missing !== undefined) return failed(`${missing[1]} was not looked up`);
  const findings = pins.flatMap(([, name = '', version = '']) => {
    const ids = vulnerabilities.get(name) ?? [];
    return ids.length > 0 ? [`${name} ${version}: ${ids.join(', ')}`] : [];
  });
  if (findings.length > 0) return { state: 'vulnerable', findings };
  return exitCode === 0
    ? { state: 'clean', findings: [] }
    : failed(`pip-audit failed with exit code ${exitCode}`);
}

/** Combines several look-ups; the worst state wins. */
export function mergedAudit(results: readonly AuditResult[]): AuditResult {
  const order = ['failed', 'vulnerable', 'clean'] as const;
  const state = order.find((each) => results.some((result) => result.state === each)) ?? 'clean';
  return { state, findings: results.flatMap((result) => result.findings) };
}

/** Describes an audit that was not clean. */
export function auditMessage({ state, findings }: AuditResult): string {
  return state === 'failed'
    ? `The audit failed, so nothing is known about these packages: ${findings.join('; ')}. See pip-audit's output above; the vulnerability service must be reachable and must know every package.`
    : `The audit found known vulnerabilities: ${findings.join('; ')}. Choose different versions.`;
}
