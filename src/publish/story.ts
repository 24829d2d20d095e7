/**
 * The story of publishing: download the original files of the requested packages, ask the feed which
 * of them it has, upload the others.
 */
import { collect } from '../collect/collect.ts';
import { pipEnvironment } from '../collect/logic/source.ts';
import { targetsOf } from '../collect/logic/targets.ts';
import { checkPip } from '../interpreter.ts';
import { confusionWarning } from '../logic/index-choice.ts';
import type { Interpreter } from '../logic/model.ts';
import { certificatesOf } from '../logic/pip-settings.ts';
import { secretForms, secretsOfUrl, shownAddress } from '../logic/secrets.ts';
import { hideInputs, readRequest } from '../request.ts';
import { auditFiles } from './audit.ts';
import { conflictMessage, hasConflict } from './logic/feed.ts';
import { publishLock } from './logic/lock.ts';
import { PublishConflict, type PublishReport, type PublishRequest } from './logic/model.ts';
import { pipConf } from './logic/pip-conf.ts';
import { type Command, checkTool, commandsOf, type Tool } from './logic/programs.ts';
import { refuseDirect, sourceIndexes } from './logic/source.ts';
import type { PublishWorld } from './ports.ts';
import type { PublishRun } from './run.ts';
import { compareWithFeed, uploadAbsent } from './upload.ts';

/**
 * Publishes the requested packages.
 * @throws PublishConflict when the feed has different content under the name of a file
 * @throws UserError for everything else that the user can fix
 */
export async function publish(
  request: PublishRequest,
  world: PublishWorld,
): Promise<PublishReport> {
  const { reporter, wheelhouses } = world;
  const { source, feed } = request;
  hideSecrets(request, world);
  await world.sources.check(source);
  const interpreter = checkPip(await world.python.probe(source));
  const { settings, requested, noDeps } = await readRequest(source, interpreter, world);
  refuseDirect(requested);
  const indexes = sourceIndexes(source, interpreter, settings);
  const confusion = confusionWarning(indexes);
  if (confusion !== undefined) reporter.warning(confusion);
  const targets = targetsOf(request.platforms, request.pythonVersions, interpreter);
  const find = (tool: Tool): Promise<Command> => findTool(tool, request, interpreter, world);
  // Before the download, which may take minutes.
  const uploader = request.dryRun ? undefined : await find(request.uploader);
  const auditor = request.audit === 'off' ? undefined : await find('pip-audit');

  const workplace = await wheelhouses.workplace(source.temporary);
  try {
    const certificates = certificatesOf(settings, source.environment);
    const run: PublishRun = {
      ...{ request, interpreter, requested, noDeps, targets, indexes, certificates, workplace },
      purpose: { verb: 'published', onError: 'Nothing was uploaded.' },
      withBuildRequirements: true,
      pip: {
        cwd: source.workingDirectory,
        env: pipEnvironment(source, interpreter, indexes, await wheelhouses.stage(workplace)),
      },
      feed: world.feed(certificates),
      collection: await wheelhouses.stage(workplace),
    };
    const files = (await collect(run, world)).map(({ source: file }) => file);
    const audit = await auditFiles(run, world, auditor, files);
    const before = await reporter.group('Compare with the feed', () =>
      compareWithFeed(run, world, files),
    );
    const rows =
      uploader === undefined || hasConflict(before)
        ? before
        : await reporter.group('Upload', () => uploadAbsent(run, world, uploader, before));
    const report: PublishReport = {
      rows,
      targets: targets.map((target) => target.name),
      feed: shownAddress(feed.url),
      audit,
      dryRun: request.dryRun,
      pipConf: pipConf(feed),
      lock: publishLock(files),
    };
    if (hasConflict(rows)) throw new PublishConflict(conflictMessage(rows), report);
    return report;
  } finally {
    await wheelhouses.remove(workplace);
  }
}

function hideSecrets({ source, feed, uploadUrl }: PublishRequest, { reporter }: PublishWorld) {
  hideInputs(source, reporter);
  reporter.hide([feed.url, uploadUrl].flatMap(secretsOfUrl));
  if (feed.password !== undefined) reporter.hide(secretForms(feed.username ?? '', feed.password));
}

/**
 * Finds a program on PATH or in the interpreter's environment.
 * @throws UserError when it isn't there, or is too old
 */
async function findTool(
  tool: Tool,
  { source }: PublishRequest,
  { executable }: Interpreter,
  { programs }: PublishWorld,
): Promise<Command> {
  for (const command of commandsOf(tool, executable)) {
    const result = await programs.run(command, ['--version'], {
      cwd: source.workingDirectory,
      env: source.environment,
      quiet: true,
    });
    if (result?.exitCode !== 0) continue;
    checkTool(tool, executable, result.stdout);
    return command;
  }
  checkTool(tool, executable, undefined);
  throw new Error(`${tool} was not found`);
}
