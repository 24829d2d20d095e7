/**
 * The story of publishing: bring the original files of what is asked for, ask the feed which of
 * them it has, upload the others.
 */
import path from 'node:path';
import { checkPip } from '../interpreter.ts';
import { UserError } from '../logic/errors.ts';
import { confusionWarning } from '../logic/index-choice.ts';
import type { Interpreter } from '../logic/model.ts';
import { certificatesOf } from '../logic/pip-settings.ts';
import { secretForms, secretsOfUrl, shownAddress } from '../logic/secrets.ts';
import { hideInputs, readRequest } from '../request.ts';
import { collect } from './collect.ts';
import { auditArgs, auditMessage, mergedAudit, readAudit } from './logic/audit.ts';
import { conflictMessage } from './logic/feed.ts';
import { auditLists, publishLock } from './logic/lock.ts';
import {
  type AuditResult,
  PublishConflict,
  type PublishPlan,
  type PublishReport,
  type PublishRequest,
  type PublishRow,
  type SourceFile,
  type Uploader,
} from './logic/model.ts';
import { pipConf } from './logic/pip-conf.ts';
import { type Command, checkTool, commandsOf } from './logic/programs.ts';
import { refuseDirect, sourceIndexes } from './logic/source.ts';
import { targetsOf } from './logic/targets.ts';
import type { PublishWorld } from './ports.ts';
import { askFeed, uploadAbsent } from './upload.ts';

/**
 * Publishes what is asked for.
 * @throws PublishConflict when the feed has other content under the name of a file
 * @throws UserError for everything else that the user can mend
 */
export async function publish(
  request: PublishRequest,
  world: PublishWorld,
): Promise<PublishReport> {
  const { reporter, wheelhouses } = world;
  const { source, feed } = request;
  hideInputs(source, reporter);
  reporter.hide([feed.url, request.uploadUrl].flatMap(secretsOfUrl));
  if (feed.password !== undefined) reporter.hide(secretForms(feed.username ?? '', feed.password));

  await world.sources.check(source);
  const interpreter = checkPip(await world.python.probe(source));
  const { settings, requested } = await readRequest(source, interpreter, world);
  refuseDirect(requested);
  const indexes = sourceIndexes(source, interpreter, settings);
  const confusion = confusionWarning(indexes);
  if (confusion !== undefined) reporter.warning(confusion);
  const targets = targetsOf(request.platforms, request.pythonVersions, interpreter);
  // Asked for first: bringing the packages may take minutes.
  const uploader = request.dryRun
    ? undefined
    : await findTool(request.uploader, request, interpreter, world);
  const auditor =
    request.audit === 'off' ? undefined : await findTool('pip-audit', request, interpreter, world);

  const workplace = await wheelhouses.workplace(source.temporary);
  try {
    const collection = await wheelhouses.stage(workplace);
    const plan: PublishPlan = {
      request,
      interpreter,
      indexes,
      requested,
      certificates: certificatesOf(settings, source.environment),
      workplace,
      collection,
    };
    const files = await collect(plan, world, targets);
    const audit = auditor
      ? await auditFiles(plan, world, auditor, files)
      : ({ state: 'off', findings: [] } as const);
    const feedAdapter = world.feed(plan.certificates);
    const reportOf = (rows: readonly PublishRow[]): PublishReport => ({
      rows,
      targets: targets.map((target) => target.name),
      feed: shownAddress(feed.url),
      audit,
      dryRun: request.dryRun,
      pipConf: pipConf(feed),
      lock: publishLock(files),
    });
    const checked = (rows: readonly PublishRow[]): readonly PublishRow[] => {
      if (!rows.some((row) => row.state === 'conflict')) return rows;
      throw new PublishConflict(conflictMessage(rows), reportOf(rows));
    };

    const before = checked(
      await reporter.group('Ask the feed', () => askFeed(plan, world, feedAdapter, files)),
    );
    if (uploader === undefined) return reportOf(before);
    const after = await reporter.group('Upload', () =>
      uploadAbsent(plan, world, feedAdapter, uploader, before, checked),
    );
    return reportOf(after);
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** @throws UserError when the program isn't there, or is too old */
async function findTool(
  tool: Uploader | 'pip-audit',
  { source }: PublishRequest,
  interpreter: Interpreter,
  { programs }: PublishWorld,
): Promise<Command> {
  for (const command of commandsOf(tool, interpreter.executable)) {
    const answer = await programs.run(command, ['--version'], {
      cwd: source.workingDirectory,
      env: source.environment,
      quiet: true,
    });
    if (answer?.exitCode !== 0) continue;
    checkTool(tool, interpreter.executable, answer.stdout);
    return command;
  }
  checkTool(tool, interpreter.executable, undefined);
  throw new Error(`${tool} was not found`);
}

/** @throws UserError when the audit was not clean and has to be */
async function auditFiles(
  plan: PublishPlan,
  world: PublishWorld,
  auditor: Command,
  files: readonly SourceFile[],
): Promise<AuditResult> {
  const { wheelhouses, reporter, programs } = world;
  const { source, audit } = plan.request;
  const scratch = await wheelhouses.stage(plan.workplace);
  const results = await reporter.group('Audit', async () => {
    const found: AuditResult[] = [];
    for (const [index, list] of auditLists(files).entries()) {
      const file = path.join(scratch, `audit-${index}.txt`);
      await wheelhouses.write(file, list);
      const answer = await programs.run(auditor, auditArgs(file, path.join(scratch, 'cache')), {
        cwd: scratch,
        env: source.environment,
      });
      found.push(readAudit(list, answer?.exitCode ?? 127, answer?.stdout ?? ''));
    }
    return found;
  });
  const result = mergedAudit(results);
  if (result.state !== 'clean') {
    if (audit === 'fail') throw new UserError(`${auditMessage(result)} Nothing was uploaded.`);
    reporter.warning(auditMessage(result));
  }
  return result;
}
