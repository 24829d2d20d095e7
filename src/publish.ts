/**
 * The story of publishing: bring the original files of what is asked for, ask the feed which of
 * them it has, upload the others.
 */

import path from 'node:path';
import { fillEnvironment } from './plan/environment.ts';
import { projectParts } from './plan/local-project.ts';
import { type Interpreter, messageOf, type RequestedSet, UserError } from './plan/model.ts';
import { isDistributionName, isSdistName } from './plan/names.ts';
import { adviceFor, lastWords } from './plan/pip-output.ts';
import { certificatesOf, type PipSettings } from './plan/pip-settings.ts';
import type { ProjectFile } from './plan/project-page.ts';
import {
  type AuditResult,
  auditArgs,
  auditLists,
  auditMessage,
  batches,
  type Command,
  checkTool,
  commandsOf,
  conflictMessage,
  downloadArgs,
  type FeedAnswer,
  identity,
  mergedAudit,
  PublishConflict,
  type PublishReport,
  type PublishRequest,
  type PublishRow,
  pipConf,
  publishLock,
  readAudit,
  refuseDirect,
  type SourceFile,
  sourceEnvironment,
  stateOf,
  type Target,
  targetsOf,
  type Uploader,
  uploadAdvice,
  uploadArgs,
  uploadEnvironment,
} from './plan/publish.ts';
import {
  fillFiles,
  type GeneratedRequest,
  plainFile,
  withUserSources,
} from './plan/request-file.ts';
import { secretForms } from './plan/secrets.ts';
import type { Feed, PipResult, PublishWorld } from './ports.ts';
import { checkPip } from './prepare.ts';
import { hideInputs, readRequest } from './understand.ts';

/** What is known before anything is brought. */
interface Plan {
  readonly request: PublishRequest;
  readonly interpreter: Interpreter;
  readonly settings: PipSettings;
  readonly requested: RequestedSet;
  readonly certificates: string | undefined;
  readonly workplace: string;
  /** Where all files come together. */
  readonly collection: string;
}

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
  if (feed.password !== undefined) reporter.hide(secretForms(feed.username ?? '', feed.password));

  await world.sources.check(source);
  const interpreter = checkPip(await world.python.probe(source));
  const { settings, requested } = await readRequest(source, interpreter, world);
  refuseDirect(requested);
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
    const plan: Plan = {
      request,
      interpreter,
      settings,
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
      feed: feed.url,
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

/** Requirements that are brought together for one target. */
interface Wanted {
  readonly target: Target;
  readonly files: (constraintsFile: string) => GeneratedRequest;
  readonly role: SourceFile['role'];
}

/**
 * Brings the original files of the source index for all targets, and what their sdists are built
 * with: without that a machine that knows the feed alone could not install them.
 */
async function collect(
  plan: Plan,
  world: PublishWorld,
  targets: readonly Target[],
): Promise<SourceFile[]> {
  const { lines } = plan.requested;
  const queue: Wanted[] = targets.map((target) => ({
    target,
    files: (constraintsFile) => fillFiles(lines, [], [], false, constraintsFile),
    role: 'asked',
  }));
  const collected = new Map<string, SourceFile>();
  const seen = new Set<string>();
  for (let wanted = queue.shift(); wanted !== undefined; wanted = queue.shift()) {
    const { target, role } = wanted;
    const directory = await world.reporter.group(
      `Download ${role === 'asked' ? 'the packages' : 'what they are built with'} for ${target.name}`,
      () => download(plan, world, wanted),
    );
    const files = await world.downloads.list(directory);
    const odd = files.find(({ file }) => !isDistributionName(file));
    if (odd !== undefined) {
      throw new UserError(
        `The source index has a file "${odd.file}", which is neither a wheel nor an sdist. Leave that version out.`,
      );
    }
    const sdists = files.map(({ file }) => file).filter(isSdistName);
    const metadata = await world.downloads.sdists(plan.interpreter, directory, sdists);
    for (const each of files) {
      const known = collected.get(each.file);
      if (known !== undefined && known.sha256 !== each.sha256) {
        throw new UserError(
          `The source index gave two contents for ${each.file} in one run. Run again; if that persists, ask who runs it.`,
        );
      }
      const named = identity(each.file, metadata[sdists.indexOf(each.file)]);
      const newRole = known?.role === 'asked' ? 'asked' : role;
      collected.set(each.file, { ...each, ...named, role: newRole });
      if (known === undefined) await world.wheelhouses.move(each.file, directory, plan.collection);
    }
    for (const [index, { pyproject }] of metadata.entries()) {
      const shown = `pyproject.toml of ${sdists[index]}`;
      const { buildRequires } = projectParts(pyproject === undefined ? {} : { pyproject }, shown);
      const key = JSON.stringify([target.name, [...buildRequires].sort()]);
      if (buildRequires.length === 0 || seen.has(key)) continue;
      seen.add(key);
      const request = plainFile(buildRequires);
      queue.push({
        target,
        files: () => ({ request, constraints: plainFile([]) }),
        role: 'build',
      });
    }
  }
  return [...collected.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
}

/**
 * @returns a new directory with the files and nothing else
 * @throws UserError with pip's last words and one sentence of advice
 */
async function download(plan: Plan, world: PublishWorld, wanted: Wanted): Promise<string> {
  const { wheelhouses, python, downloads } = world;
  const { interpreter, request, settings, workplace } = plan;
  const { target } = wanted;
  const directory = await wheelhouses.stage(workplace);
  const scratch = await wheelhouses.stage(workplace);
  const requestFile = path.join(scratch, 'request.txt');
  const constraintsFile = path.join(scratch, 'constraints.txt');
  const generated = wanted.files(constraintsFile);
  await wheelhouses.write(requestFile, generated.request.text);
  await wheelhouses.write(constraintsFile, generated.constraints.text);

  const { source } = request;
  const args = downloadArgs({ target, directory, requestFile });
  const options = {
    cwd: source.workingDirectory,
    env: {
      ...fillEnvironment(
        source.environment,
        interpreter.pipConfig,
        sourceEnvironment(source, interpreter, settings),
        interpreter.keyring,
      ),
      // Directories of the user's own may hold wheels that were built: only originals are published.
      PIP_FIND_LINKS: await wheelhouses.stage(workplace),
    },
    rewrite: (line: string) =>
      withUserSources(
        line,
        new Map([
          [requestFile, generated.request],
          [constraintsFile, generated.constraints],
        ]),
      ),
  };
  const { exitCode, output } =
    target.markers === undefined
      ? await python.pip(interpreter, args, options)
      : await downloads.pip(interpreter, target.markers, args, options);
  if (exitCode === 0) return directory;
  throw new UserError(
    `pip could not download for ${target.name}. ${adviceFor(output)}\n${lastWords(output)}`,
  );
}

/** @throws UserError when the audit was not clean and has to be */
async function auditFiles(
  plan: Plan,
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

/** Projects that are asked for at the same time. */
const concurrency = 6;

/**
 * What the feed has of each file.
 * @throws UserError when it refuses the credentials, or does not answer as a feed
 */
async function askFeed(
  { request }: Plan,
  { reporter }: PublishWorld,
  feed: Feed,
  files: readonly SourceFile[],
): Promise<PublishRow[]> {
  const onFeed = new Map<string, ProjectFile>();
  const forwarded = new Map<string, string>();
  const names = [...new Set(files.map((file) => file.name))];
  for (const batch of batches(names, concurrency)) {
    const answers = await Promise.all(batch.map((name) => feed.ask(name)));
    for (const [index, answer] of answers.entries()) {
      const name = String(batch[index]);
      if (answer.state === 'listed') {
        for (const file of answer.files) onFeed.set(file.file, file);
      } else if (answer.state === 'absent') {
        if (answer.forwarded !== undefined) forwarded.set(name, answer.forwarded);
      } else {
        throw feedError(request, name, answer);
      }
    }
  }
  if (forwarded.size > 0) {
    const [host] = forwarded.values();
    reporter.warning(
      `The feed sends those who ask for what it does not have to ${host}, so its users may get packages from there: ${[...forwarded.keys()].join(', ')}. Switch that off at the feed (pypiserver: --disable-fallback), or know that whoever registers a name there is installed (dependency confusion).`,
    );
  }
  const rows: PublishRow[] = [];
  for (const file of files) {
    const there = onFeed.get(file.file);
    const feedSha256 = there && (there.sha256 ?? (await downloadedDigest(feed, there)));
    const state = stateOf(file, feedSha256);
    reporter.info(`${file.file}: ${state}`);
    rows.push({ ...file, state, feedSha256 });
  }
  return rows;
}

function feedError(
  { feed }: PublishRequest,
  project: string,
  answer: Extract<FeedAnswer, { state: 'refused' | 'unreadable' }>,
): UserError {
  if (answer.state === 'refused') {
    return new UserError(
      feed.username === undefined
        ? `The feed ${feed.url} answers ${answer.status} for ${project}: it wants credentials. Set the inputs feed-username and feed-password.`
        : `The feed ${feed.url} answers ${answer.status} for ${project}: it does not accept the credentials. Check the inputs feed-username and feed-password, and whether the secret has expired.`,
    );
  }
  return new UserError(
    `The feed ${feed.url} can't be asked for ${project}: ${answer.reason}. Check the input feed-url, which is the address of its simple index.`,
  );
}

/** For feeds whose pages give no sha256. */
async function downloadedDigest(feed: Feed, file: ProjectFile): Promise<string> {
  try {
    return await feed.digest(file);
  } catch (error) {
    throw new UserError(
      `The feed has ${file.file} without a sha256 on its page, and it can't be downloaded to compare: ${messageOf(error)}. Check what that user may do on the feed.`,
    );
  }
}

/** Files of one command line. */
const batchSize = 50;

/**
 * Uploads what the feed lacks. Whatever the uploader says, the feed is asked afterwards: an upload
 * may have arrived although its answer did not, and an answer is no proof that it arrived here.
 * @param checked throws when a file is in conflict
 */
async function uploadAbsent(
  plan: Plan,
  world: PublishWorld,
  feed: Feed,
  uploader: Command,
  before: readonly PublishRow[],
  checked: (rows: readonly PublishRow[]) => readonly PublishRow[],
): Promise<readonly PublishRow[]> {
  const { reporter } = world;
  const had = new Set(before.filter((row) => row.state === 'present').map((row) => row.file));
  let rows = before;
  let absent = rows.filter((row) => row.state === 'absent');
  while (absent.length > 0) {
    const [batch = []] = batches(absent, batchSize);
    const { exitCode, output } = await runUploader(plan, world, uploader, batch);
    if (exitCode !== 0) reporter.info('The upload ended with an error: asking the feed again.');
    const asked = await askFeed(plan, world, feed, batch);
    const now = new Map(asked.map((row) => [row.file, row]));
    rows = checked(
      rows.map((row) => {
        const answer = now.get(row.file) ?? row;
        return answer.state === 'present' && !had.has(row.file)
          ? { ...answer, state: 'uploaded' }
          : answer;
      }),
    );
    const missing = batch.filter((row) => now.get(row.file)?.state === 'absent');
    if (exitCode === 0 && missing.length > 0) {
      throw new UserError(
        `The upload to ${plan.request.uploadUrl} succeeded, but ${plan.request.feed.url} does not show ${missing.map((row) => row.file).join(', ')}. Check that the inputs upload-url and feed-url lead to the same feed; if they do, it needs a while: run again.`,
      );
    }
    if (missing.length === batch.length) {
      throw new UserError(
        `The upload to ${plan.request.uploadUrl} failed. ${uploadAdvice(output)}\n${lastWords(output)}`,
      );
    }
    absent = rows.filter((row) => row.state === 'absent');
  }
  return rows;
}

async function runUploader(
  { request, collection, certificates }: Plan,
  { programs }: PublishWorld,
  uploader: Command,
  files: readonly SourceFile[],
): Promise<PipResult> {
  const answer = await programs.run(
    uploader,
    uploadArgs(
      request.uploader,
      request.uploadUrl,
      files.map((file) => file.file),
    ),
    {
      cwd: collection,
      env: uploadEnvironment(
        request.uploader,
        request.source.environment,
        request.feed,
        certificates,
      ),
    },
  );
  if (answer === undefined)
    throw new UserError(`${uploader.join(' ')} is gone: it was there before.`);
  return answer;
}
