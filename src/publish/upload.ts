/** What the feed has, and the upload of what it lacks. */
import { messageOf, UserError } from '../logic/errors.ts';
import { errorExcerpt } from '../logic/pip-output.ts';
import type { ProjectFile } from '../logic/project-page.ts';
import type { PipResult } from '../ports.ts';
import { stateOf } from './logic/feed.ts';
import type {
  FeedAnswer,
  PublishPlan,
  PublishRequest,
  PublishRow,
  SourceFile,
} from './logic/model.ts';
import {
  batches,
  type Command,
  uploadAdvice,
  uploadArgs,
  uploadEnvironment,
} from './logic/programs.ts';
import type { Feed, PublishWorld } from './ports.ts';

/** Projects that are asked for at the same time. */
const concurrency = 6;

/**
 * What the feed has of each file.
 * @throws UserError when it refuses the credentials, or does not answer as a feed
 */
export async function askFeed(
  { request }: PublishPlan,
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
export async function uploadAbsent(
  plan: PublishPlan,
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
    await checkUnchanged(plan, world, batch);
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
        `The upload to ${plan.request.uploadUrl} failed. ${uploadAdvice(output)}\n${errorExcerpt(output)}`,
      );
    }
    absent = rows.filter((row) => row.state === 'absent');
  }
  return rows;
}

/**
 * Sdists may have run code since the files were checked.
 * @throws UserError for a file that is not what the source index listed any more
 */
async function checkUnchanged(
  { collection }: PublishPlan,
  { wheelhouses }: PublishWorld,
  files: readonly SourceFile[],
): Promise<void> {
  const names = files.map(({ file }) => file);
  // One that has disappeared leaves nothing to measure.
  const now = await wheelhouses.measure(collection, names).catch(() => []);
  const changed = files.filter(({ sha256 }, index) => now[index]?.sha256 !== sha256);
  if (changed.length === 0) return;
  throw new UserError(
    `${changed.map(({ file }) => file).join(', ')} changed on this machine after the download, or disappeared. Nothing of that batch was uploaded. Code of an sdist may have done it: find out which, or refuse sdists with PIP_ONLY_BINARY=:all: in env.`,
  );
}

async function runUploader(
  { request, collection, certificates }: PublishPlan,
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
