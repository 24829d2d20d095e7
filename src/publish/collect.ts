/** Brings the original files of the source index. */
import path from 'node:path';

import { fillEnvironment } from '../plan/environment.ts';
import { projectParts } from '../plan/local-project.ts';
import { UserError } from '../plan/model.ts';
import { isDistributionName, isSdistName } from '../plan/names.ts';
import { adviceFor, lastWords } from '../plan/pip-output.ts';
import {
  fillFiles,
  type GeneratedRequest,
  plainFile,
  withUserSources,
} from '../plan/request-file.ts';
import type { PublishPlan, SourceFile, Target } from './plan/model.ts';
import { downloadArgs, identity, sourceEnvironment } from './plan/source.ts';
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
async function download(plan: PublishPlan, world: PublishWorld, wanted: Wanted): Promise<string> {
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
