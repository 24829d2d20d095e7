/** Gathers the wheels for other machines, from the indexes alone: nothing is built for them. */
import { collect } from '../collect/collect.ts';
import type { Collected, Target } from '../collect/logic/model.ts';
import { pipEnvironment } from '../collect/logic/source.ts';
import { targetsOf } from '../collect/logic/targets.ts';
import type { CollectRun } from '../collect/run.ts';
import { completeRequest } from '../discover.ts';
import { install } from '../install.ts';
import { checkPip } from '../interpreter.ts';
import { UserError } from '../logic/errors.ts';
import { confusionWarning, indexesOf } from '../logic/index-choice.ts';
import type { Interpreter, Request } from '../logic/model.ts';
import { isSdistName } from '../logic/names.ts';
import { enforcerOf, latestUpload } from '../logic/release-age.ts';
import { directRequirements, type RequestedSet } from '../logic/requirements.ts';
import { hideInputs, readRequest } from '../request.ts';
import { Tools } from '../tools.ts';
import type { Gathered } from './gathered.ts';
import { gatherHere } from './here.ts';
import type { BundleRequest } from './logic/model.ts';
import type { BundleWorld } from './ports.ts';

/**
 * @param workplace a directory for temporary files
 * @throws UserError for everything that the user can fix
 */
export async function gatherElsewhere(
  { source, platforms, pythonVersions }: BundleRequest,
  world: BundleWorld,
  workplace: string,
): Promise<Gathered> {
  const { python, reporter, wheelhouses } = world;
  hideInputs(source, reporter);
  const request = await completeRequest(source, world);
  const interpreter = checkPip(await python.probe(request));
  const { series, version } = interpreter;
  if (platforms.length === 0 && pythonVersions.every((each) => [series, version].includes(each))) {
    return gatherHere(source, world);
  }
  const targets = targetsOf(platforms, pythonVersions, interpreter);
  const tools = new Tools(request, interpreter, world, install);
  const { settings, requested, noDeps } = await readRequest(request, interpreter, world, tools);
  const missing = refuseDirect(requested);
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) {
    throw new UserError(
      'pip is configured to use no index (no-index), and wheels for other platforms come from an index only. Remove that setting.',
    );
  }
  const confusion = confusionWarning(indexes);
  if (confusion !== undefined) reporter.warning(confusion);
  const run: CollectRun = {
    ...{ interpreter, noDeps, targets, indexes, workplace },
    requested: { ...requested, lines: requested.lines.filter(({ kind }) => kind !== 'direct') },
    pip: {
      cwd: request.workingDirectory,
      env: {
        ...pipEnvironment(request, interpreter, indexes, await wheelhouses.stage(workplace)),
        ...ageLimit(request, interpreter, world),
      },
    },
    purpose: { verb: 'bundled', onError: 'No bundle was written.' },
    withBuildRequirements: false,
    collection: await wheelhouses.stage(workplace),
  };
  const collected = await collect(run, world);
  refuseSdists(collected);
  return {
    directory: run.collection,
    wheels: collected.map(({ source: { name, version, file, sha256, size }, targets: own }) => ({
      ...{ name, project: name, version, file, sha256, size },
      targets: own.map((target) => target.name),
    })),
    ...{ targets, missing, interpreter, requested, states: tools.states },
  };
}

/**
 * @returns the local projects of a lock, whose dependencies the lock lists
 * @throws UserError for anything else that does not come from an index
 */
function refuseDirect({ lines, lock }: RequestedSet): string[] {
  const direct = directRequirements(lines);
  const other = direct.find(({ form }) => lock === undefined || form !== 'path');
  if (other === undefined) return direct.map(({ shownTarget }) => shownTarget);
  throw new UserError(
    `"${other.shown}" does not come from an index, so its dependencies on other platforms are not known. Make the bundle on the platform that installs it, or name a lock file with --requirements.`,
    other.source,
  );
}

/** @throws UserError for packages without a wheel, which names them */
function refuseSdists(collected: readonly Collected[]): void {
  const sdists = collected.filter(({ source }) => isSdistName(source.file));
  if (sdists.length === 0) return;
  const named = sdists.map(({ source: { file }, targets }) => `${file} (${namesOf(targets)})`);
  throw new UserError(
    `These have no wheel that fits, and an sdist can't be built for another platform or Python: ${named.join(', ')}. Choose a version that has a wheel, or make the bundle on a machine like the one that installs it.`,
  );
}

function namesOf(targets: readonly Target[]): string {
  return targets.map((target) => target.name).join(', ');
}

/**
 * Variables that make pip leave out files that are too young.
 * @throws UserError when this pip can't do that
 */
function ageLimit(
  { releaseAge }: Request,
  interpreter: Interpreter,
  { now }: BundleWorld,
): Record<string, string> {
  if (releaseAge === undefined) return {};
  if (releaseAge.except.length > 0 || enforcerOf(releaseAge, interpreter) !== 'own') {
    throw new UserError(
      `For other platforms, minimum-release-age needs pip 26.0 or newer, and takes no exceptions; this is pip ${interpreter.pip}. Run "${interpreter.executable} -m pip install --upgrade pip" and remove minimum-release-age-exclude, or make the bundle on the platform that installs it.`,
    );
  }
  return { PIP_UPLOADED_PRIOR_TO: latestUpload(releaseAge, now()) };
}
