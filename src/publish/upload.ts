/** Compares files with the feed, and uploads those that it does not have. */
import type { ProjectAnswer, SourceFile } from '../collect/logic/model.ts';
import { messageOf, UserError } from '../logic/errors.ts';
import { errorExcerpt } from '../logic/pip-output.ts';
import type { ProjectFile } from '../logic/project-page.ts';
import type { PipResult } from '../ports.ts';
import { hasConflict, stateOf } from './logic/feed.ts';
import type { PublishRequest, PublishRow } from './logic/model.ts';
import {
  batches,
  type Command,
  uploadAdvice,
  uploadArgs,
  uploadEnvironment,
} from './logic/programs.ts';
import type { Feed, PublishWorld } from './ports.ts';
import type { PublishRun } from './run.ts';

/** Projects that the feed is asked for at the same time. */
const concurrency = 6;

/**
 * Returns each file with its state on the feed.
 * @throws UserError when the feed refuses the credentials, or does not answer as a feed
 */
export async function compareWithFeed(
  { request, feed }: PublishRun,
  { reporter }: PublishWorld,
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
      `The feed redirects requests for packages that it does not have to ${host}, so its users may install packages from there: ${[...forwarded.keys()].join(', ')}. Turn that off on the feed (pypiserver: --disable-fallback); otherwise anybody who registers a name there can get a package installed (dependency confusion).`,
    );
  }
  const rows: PublishRow[] = [];
  for (const file of files) {
    const listed = onFeed.get(file.file);
    const feedSha256 = listed && (listed.sha256 ?? (await downloadedDigest(feed, listed)));
    const state = stateOf(file, feedSha256);
    reporter.info(`${file.file}: ${state}`);
    rows.push({ ...file, state, feedSha256 });
  }
  return rows;
}

function feedError(
  { feed }: PublishRequest,
  project: string,
  answer: Extract<ProjectAnswer, { state: 'refused' | 'unreadable' }>,
): UserError {
  if (answer.state === 'unreadable') {
    return new UserError(
      `The feed ${feed.url} can't be asked for ${project}: ${answer.reason}. Check the input feed-url, which must be the address of the feed's simple index.`,
    );
  }
  const problem =
    feed.username === undefined
      ? 'it requires credentials. Set the inputs feed-username and feed-password'
      : 'it does not accept the credentials. Check the inputs feed-username and feed-password, and whether the secret has expired';
  return new UserError(`The feed ${feed.url} answers ${answer.status} for ${project}: ${problem}.`);
}

/** Downloads a file that the feed lists without a SHA-256, and returns its digest. */
async function downloadedDigest(feed: Feed, file: ProjectFile): Promise<string> {
  try {
    return await feed.digest(file);
  } catch (error) {
    throw new UserError(
      `The feed lists ${file.file} without a SHA-256, and downloading it for a comparison failed: ${messageOf(error)}. Check that the user may download files from the feed.`,
    );
  }
}

/** Files per command line of the uploader. */
const batchSize = 50;

/**
 * Uploads the files that the feed does not have. After each batch the feed is asked again, because
 * an upload may arrive although its answer is lost, and an answer does not prove that it arrived
 * on this feed. Stops at a conflict.
 * @param before each file with its state on the feed
 * @returns each file with its state afterwards
 */
export async function uploadAbsent(
  run: PublishRun,
  world: PublishWorld,
  uploader: Command,
  before: readonly PublishRow[],
): Promise<readonly PublishRow[]> {
  const { reporter } = world;
  const { uploadUrl, feed } = run.request;
  const old = new Set(before.filter((row) => row.state === 'present').map((row) => row.file));
  let rows = before;
  let absent = rows.filter((row) => row.state === 'absent');
  while (absent.length > 0) {
    const [batch = []] = batches(absent, batchSize);
    await checkUnchanged(run, world, batch);
    const { exitCode, output } = await runUploader(run, world, uploader, batch);
    if (exitCode !== 0) reporter.info('The upload failed; asking the feed which files arrived.');
    const compared = await compareWithFeed(run, world, batch);
    const now = new Map(compared.map((row) => [row.file, row]));
    rows = rows.map((row) => {
      const current = now.get(row.file) ?? row;
      const isUploaded = current.state === 'present' && !old.has(row.file);
      return isUploaded ? { ...current, state: 'uploaded' } : current;
    });
    if (hasConflict(rows)) break;
    const missing = compared.filter((row) => row.state === 'absent').map((row) => row.file);
    if (exitCode === 0 && missing.length > 0) {
      throw new UserError(
        `The upload to ${uploadUrl} succeeded, but ${feed.url} does not list ${missing.join(', ')}. Check that the inputs upload-url and feed-url belong to the same feed. If they do, the feed may need some time: run again.`,
      );
    }
    if (missing.length === batch.length) {
      throw new UserError(
        `The upload to ${uploadUrl} failed. ${uploadAdvice(output)}\n${errorExcerpt(output)}`,
      );
    }
    absent = rows.filter((row) => row.state === 'absent');
  }
  return rows;
}

/**
 * An sdist may have run code since the files were checked.
 * @throws UserError for a file that differs from what the source index lists
 */
async function checkUnchanged(
  { collection }: PublishRun,
  { wheelhouses }: PublishWorld,
  files: readonly SourceFile[],
): Promise<void> {
  const names = files.map(({ file }) => file);
  // A missing file cannot be measured.
  const now = await wheelhouses.measure(collection, names).catch(() => []);
  const changed = files.filter(({ sha256 }, index) => now[index]?.sha256 !== sha256);
  if (changed.length === 0) return;
  throw new UserError(
    `${changed.map(({ file }) => file).join(', ')} changed on this machine after the download, or disappeared. No file of that batch was uploaded. Code of an sdist may have changed it: find out which sdist, or refuse sdists with PIP_ONLY_BINARY=:all: in env.`,
  );
}

async function runUploader(
  { request, collection, certificates }: PublishRun,
  { programs }: PublishWorld,
  uploader: Command,
  files: readonly SourceFile[],
): Promise<PipResult> {
  const { source, uploadUrl, feed } = request;
  const names = files.map(({ file }) => file);
  const result = await programs.run(uploader, uploadArgs(request.uploader, uploadUrl, names), {
    cwd: collection,
    env: uploadEnvironment(request.uploader, source.environment, feed, certificates),
  });
  if (result !== undefined) return result;
  throw new UserError(`${uploader.join(' ')} could be run earlier but can no longer be found.`);
}
