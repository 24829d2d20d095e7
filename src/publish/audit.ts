/** Looks for known vulnerabilities before anything is uploaded. */

import path from 'node:path';
import type { SourceFile } from '../collect/logic/model.ts';

import { UserError } from '../logic/errors.ts';
import { auditArgs, auditMessage, mergedAudit, readAudit } from './logic/audit.ts';
import { auditLists } from './logic/lock.ts';
import type { AuditResult } from './logic/model.ts';
import type { Command } from './logic/programs.ts';
import type { PublishWorld } from './ports.ts';
import type { PublishRun } from './run.ts';

/** The exit code of a shell for a program that it does not find. */
const notFound = 127;

/**
 * Audits files with pip-audit; warns, or fails, as the input audit says.
 * @param auditor undefined when the audit is off
 * @throws UserError when the audit is not clean and has to be
 */
export async function auditFiles(
  { request, workplace }: PublishRun,
  { wheelhouses, reporter, programs }: PublishWorld,
  auditor: Command | undefined,
  files: readonly SourceFile[],
): Promise<AuditResult> {
  if (auditor === undefined) return { state: 'off', findings: [] };
  const scratch = await wheelhouses.stage(workplace);
  const results: AuditResult[] = [];
  await reporter.group('Audit', async () => {
    for (const [index, list] of auditLists(files).entries()) {
      const file = path.join(scratch, `audit-${index}.txt`);
      await wheelhouses.write(file, list);
      const result = await programs.run(auditor, auditArgs(file, path.join(scratch, 'cache')), {
        cwd: scratch,
        env: request.source.environment,
      });
      results.push(readAudit(list, result?.exitCode ?? notFound, result?.stdout ?? ''));
    }
  });
  const audit = mergedAudit(results);
  if (audit.state === 'clean') return audit;
  if (request.audit === 'fail') {
    throw new UserError(`${auditMessage(audit)} Nothing was uploaded.`);
  }
  reporter.warning(auditMessage(audit));
  return audit;
}
