/** Downloads the original files of indexes, for this machine or for others. */
import path from 'node:path';

import { UserError } from '../logic/errors.ts';
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
import type { Collected, FileMetadata, SourceFile, Target } from './logic/model.ts';
import { buildRequirements, downloadArgs, identity } from './logic/source.ts';
import type { CollectWorld } from './ports.ts';
import type { CollectRun } from './run.ts';

/** Requirements to download for one target. */
interface Order {
  readonly target: Target;
  readonly role: SourceFile['role'];
  readonly files: (constraintsFile: string) => GeneratedRequest;
}

/** A file that an order downloaded. */
interface Download {
  readonly source: SourceFile;
  /** What an sdist is built with; empty for a wheel. */
  readonly buildRequires: readonly string[];
}

/**
 * Downloads the original files for all targets; where the run says so, including the build
 * requirements of sdists: a machine that can only reach the copies could not install those otherwise.
 * @returns the files, sorted by name; they are in the collection
 * @throws UserError for a file that must not be collected
 */
export async function collect(run: CollectRun, world: CollectWorld): Promise<Collected[]> {
  const { lines } = run.requested;
  const orders: Order[] = run.targets.map((target) => ({
    target,
    role: 'runtime',
    files: (constraintsFile) => fillFiles(lines, constraintsFile),
  }));
  const collected = new Map<string, Collected>();
  const ordered = new Set<string>();
  for (let order = orders.shift(); order !== undefined; order = orders.shift()) {
    const { target } = order;
    const { directory, downloads } = await carryOut(run, world, order);
    const sources = downloads.map(({ source }) => source);
    const added = sources.filter((source) => isNew(source, collected));
    await checkListed(run, world, added);
    for (const { file } of added) await world.wheelhouses.move(file, directory, run.collection);
    for (const source of sources) {
      const known = collected.get(source.file);
      const targets = new Set([...(known?.targets ?? []), target]);
      const isRuntime = known?.source.role === 'runtime';
      collected.set(source.file, {
        source: isRuntime ? known.source : source,
        targets: [...targets],
      });
    }
    if (!run.withBuildRequirements) continue;
    for (const { buildRequires } of downloads) {
      const name = JSON.stringify([target.name, [...buildRequires].sort()]);
      if (buildRequires.length === 0 || ordered.has(name)) continue;
      ordered.add(name);
      const request = plainFile(buildRequires);
      const files = () => ({ request, constraints: plainFile([]) });
      orders.push({ target, role: 'build', files });
    }
  }
  return [...collected.values()].sort((a, b) => (a.source.file < b.source.file ? -1 : 1));
}

/** @throws UserError for a file that was collected with different content */
function isNew({ file, sha256 }: SourceFile, collected: ReadonlyMap<string, Collected>): boolean {
  const known = collected.get(file)?.source;
  if (known === undefined || known.sha256 === sha256) return known === undefined;
  throw new UserError(
    `The source index served two different contents for ${file} in one run. Run again; if it happens again, ask the owner of the index.`,
  );
}

/** Downloads what an order names into a directory of its own, and reads the metadata of each file. */
async function carryOut(
  run: CollectRun,
  world: CollectWorld,
  order: Order,
): Promise<{ readonly directory: string; readonly downloads: readonly Download[] }> {
  const { role, target } = order;
  const packages = role === 'runtime' ? 'packages' : 'build requirements';
  const directory = await world.reporter.group(`Download ${packages} for ${target.name}`, () =>
    download(run, world, order),
  );
  const files = await world.downloads.list(directory);
  const odd = files.find(({ file }) => !isDistributionName(file));
  if (odd !== undefined) {
    throw new UserError(
      `The source index has a file "${odd.file}" that is neither a wheel nor an sdist. Exclude that version.`,
    );
  }
  const names = files.map(({ file }) => file);
  const metadata = await world.downloads.metadata(run.interpreter, directory, names);
  const downloads = files.map((each, index) => ({
    source: { ...each, ...identity(each.file, metadata[index]?.identities ?? []), role },
    buildRequires: buildRequiresOf(each.file, metadata[index]),
  }));
  return { directory, downloads };
}

function buildRequiresOf(file: string, metadata: FileMetadata | undefined): string[] {
  if (!isSdistName(file)) return [];
  const pyproject = metadata?.pyproject;
  const parts = projectParts(
    pyproject === undefined ? {} : { pyproject },
    `pyproject.toml of ${file}`,
  );
  return buildRequirements(file, parts.buildRequires);
}

/**
 * Checks that the source indexes list each file under its name, version and hash. pip also takes
 * files from elsewhere (direct references, find-links), and an sdist runs code during the download.
 * @throws UserError for a file that no index lists, or that one lists with another hash
 */
async function checkListed(
  { interpreter, indexes, pip, purpose }: CollectRun,
  { downloads }: CollectWorld,
  files: readonly SourceFile[],
): Promise<void> {
  const urls = [indexes.authoritative, ...indexes.extra];
  const projects = [...new Set(files.map(({ name }) => name))];
  const queries = projects.flatMap((project) => urls.map((index) => ({ project, index })));
  const pages = await downloads.pages(
    interpreter,
    queries.map(({ project, index }) => pageUrl(index, project)),
    pip,
  );
  const answers = queries.map((each, index) => ({ ...each, answer: readPage(pages[index]) }));
  for (const file of files) {
    const own = answers.filter(({ project }) => project === file.name);
    const entries = own.flatMap(({ answer }) => (answer.state === 'listed' ? answer.files : []));
    const listing = listingOf(file, entries);
    if (listing.state === 'listed') continue;
    if (listing.state === 'unhashed') {
      const digests = await downloads.digests(interpreter, listing.urls, pip);
      if (digests.includes(file.sha256)) continue;
    }
    for (const { index, answer } of own) {
      if (answer.state === 'refused' || answer.state === 'unreadable') {
        throw new UserError(unreadableMessage(withoutSecrets(index), file.name, answer, purpose));
      }
    }
    throw new UserError(listingMessage(file, listing, urls.map(withoutSecrets), purpose));
  }
}

/**
 * Returns a new directory that contains the files of an order and nothing else.
 * @throws UserError with pip's last words and one sentence of advice
 */
async function download(
  { interpreter, noDeps, pip, workplace }: CollectRun,
  { wheelhouses, python, downloads }: CollectWorld,
  { target, role, files }: Order,
): Promise<string> {
  const directory = await wheelhouses.stage(workplace);
  const scratch = await wheelhouses.stage(workplace);
  const requestFile = path.join(scratch, 'request.txt');
  const constraintsFile = path.join(scratch, 'constraints.txt');
  const { request, constraints } = files(constraintsFile);
  await wheelhouses.write(requestFile, request.text);
  await wheelhouses.write(constraintsFile, constraints.text);

  const generated = new Map([
    [requestFile, request],
    [constraintsFile, constraints],
  ]);
  const args = downloadArgs({
    target,
    directory,
    requestFile,
    noDeps: noDeps && role === 'runtime',
  });
  const options = { ...pip, rewrite: (line: string) => withUserSources(line, generated) };
  const { exitCode, output } =
    target.markers === undefined
      ? await python.pip(interpreter, args, options)
      : await downloads.pip(interpreter, target.markers, args, options);
  if (exitCode === 0) return directory;
  throw new UserError(
    `pip could not download the packages for ${target.name}. ${adviceFor(output)}\n${errorExcerpt(output)}`,
  );
}
