/** Brings the original files of the source index. */
import path from 'node:path';

import { fillEnvironment } from '../logic/environment.ts';
import { UserError } from '../logic/errors.ts';
import { indexVariables } from '../logic/index-choice.ts';
import { projectParts } from '../logic/local-project.ts';
import { isDistributionName, isSdistName } from '../logic/names.ts';
import { adviceFor, errorExcerpt } from '../logic/pip-output.ts';
import {
  fillFiles,
  type GeneratedRequest,
  plainFile,
  withUserSources,
} from '../logic/request-file.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import {
  listingMessage,
  listingOf,
  pageUrl,
  readPage,
  unreadableMessage,
} from './logic/listing.ts';
import type { PublishPlan, SourceFile, Target } from './logic/model.ts';
import { buildRequirements, downloadArgs, identity } from './logic/source.ts';
import type { PublishWorld } from './ports.ts';

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
export async function collect(
  plan: PublishPlan,
  world: PublishWorld,
  targets: readonly Target[],
): Promise<SourceFile[]> {
  const { lines } = plan.requested;
  const queue: Wanted[] = targets.map((target) => ({
    target,
    files: (constraintsFile) => fillFiles(lines, constraintsFile),
    role: 'runtime',
  }));
  const access = await pipAccess(plan, world);
  const collected = new Map<string, SourceFile>();
  const seen = new Set<string>();
  for (let wanted = queue.shift(); wanted !== undefined; wanted = queue.shift()) {
    const { target, role } = wanted;
    const directory = await world.reporter.group(
      `Download ${role === 'runtime' ? 'the packages' : 'what they are built with'} for ${target.name}`,
      () => download(plan, world, access, wanted),
    );
    const files = await world.downloads.list(directory);
    const odd = files.find(({ file }) => !isDistributionName(file));
    if (odd !== undefined) {
      throw new UserError(
        `The source index has a file "${odd.file}", which is neither a wheel nor an sdist. Leave that version out.`,
      );
    }
    const metadata = await world.downloads.metadata(
      plan.interpreter,
      directory,
      files.map(({ file }) => file),
    );
    const found = files.map((each, index) => ({
      ...each,
      ...identity(each.file, metadata[index]?.identities ?? []),
      role,
    }));
    const fresh = found.filter(({ file, sha256 }) => {
      const known = collected.get(file);
      if (known !== undefined && known.sha256 !== sha256) {
        throw new UserError(
          `The source index gave two contents for ${file} in one run. Run again; if that persists, ask who runs it.`,
        );
      }
      return known === undefined;
    });
    await checkListed(plan, world, access, fresh);
    for (const each of fresh) await world.wheelhouses.move(each.file, directory, plan.collection);
    for (const each of found) {
      const known = collected.get(each.file);
      collected.set(each.file, known?.role === 'runtime' ? known : each);
    }
    for (const [index, { pyproject }] of metadata.entries()) {
      const file = String(files[index]?.file);
      if (!isSdistName(file)) continue;
      const shown = `pyproject.toml of ${file}`;
      const parts = projectParts(pyproject === undefined ? {} : { pyproject }, shown);
      const buildRequires = buildRequirements(file, parts.buildRequires);
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

/** Where pip is run, and with which environment. */
type PipAccess = Pick<Parameters<PublishWorld['python']['pip']>[2], 'cwd' | 'env'>;

async function pipAccess(
  { request: { source }, interpreter, indexes, workplace }: PublishPlan,
  { wheelhouses }: PublishWorld,
): Promise<PipAccess> {
  return {
    cwd: source.workingDirectory,
    env: {
      ...fillEnvironment(
        source.environment,
        interpreter.pipConfig,
        indexVariables(indexes, indexes.authoritative),
        interpreter.keyring,
      ),
      // Directories of the user's own may hold wheels that were built: only originals are published.
      PIP_FIND_LINKS: await wheelhouses.stage(workplace),
    },
  };
}

/**
 * Only what the source index lists under its name, version and hash is published: pip also takes
 * files from elsewhere (direct references, find-links), and sdists run code while it works.
 * @throws UserError for a file that no index lists, or lists with another hash
 */
async function checkListed(
  { interpreter, indexes, workplace }: PublishPlan,
  { downloads, wheelhouses }: PublishWorld,
  access: PipAccess,
  files: readonly SourceFile[],
): Promise<void> {
  const urls = [indexes.authoritative, ...indexes.extra];
  const projects = [...new Set(files.map(({ name }) => name))];
  const queries = projects.flatMap((project) => urls.map((index) => ({ project, index })));
  const directory = await wheelhouses.stage(workplace);
  const pages = await downloads.pages(
    interpreter,
    queries.map(({ project, index }) => pageUrl(index, project)),
    { ...access, directory },
  );
  await wheelhouses.remove(directory);
  const answers = queries.map((each, index) => ({ ...each, answer: readPage(pages[index]) }));
  for (const file of files) {
    const own = answers.filter(({ project }) => project === file.name);
    const entries = own.flatMap(({ answer }) => (answer.state === 'listed' ? answer.files : []));
    const listing = listingOf(file, entries);
    if (listing.state === 'listed') continue;
    if (listing.state === 'unhashed') {
      const digests = await downloads.digests(interpreter, listing.urls, access);
      if (digests.includes(file.sha256)) continue;
    }
    for (const { index, answer } of own) {
      if (answer.state === 'refused' || answer.state === 'unreadable') {
        throw new UserError(unreadableMessage(withoutSecrets(index), file.name, answer));
      }
    }
    throw new UserError(listingMessage(file, listing, urls.map(withoutSecrets)));
  }
}

/**
 * @returns a new directory with the files and nothing else
 * @throws UserError with pip's last words and one sentence of advice
 */
async function download(
  plan: PublishPlan,
  world: PublishWorld,
  access: PipAccess,
  wanted: Wanted,
): Promise<string> {
  const { wheelhouses, python, downloads } = world;
  const { interpreter, workplace } = plan;
  const { target } = wanted;
  const directory = await wheelhouses.stage(workplace);
  const scratch = await wheelhouses.stage(workplace);
  const requestFile = path.join(scratch, 'request.txt');
  const constraintsFile = path.join(scratch, 'constraints.txt');
  const generated = wanted.files(constraintsFile);
  await wheelhouses.write(requestFile, generated.request.text);
  await wheelhouses.write(constraintsFile, generated.constraints.text);

  const args = downloadArgs({ target, directory, requestFile });
  const options = {
    ...access,
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
    `pip could not download for ${target.name}. ${adviceFor(output)}\n${errorExcerpt(output)}`,
  );
}
