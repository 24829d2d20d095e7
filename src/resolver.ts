/** Chooses the pip that chooses files on an index. */
import {
  ageText,
  enforcerOf,
  fetchedPip,
  latestUpload,
  releaseAgeText,
} from './logic/release-age.ts';
import { directRequirements } from './logic/requirements.ts';
import type { World } from './ports.ts';
import type { Resolver, Run } from './run.ts';

/**
 * Returns the environment's own pip, or, where the input minimum-release-age needs another one, a pip
 * that is installed for this purpose. Where uv resolves, pip only builds local projects. The age counts
 * from now.
 * @throws UserError when no pip can enforce the minimum
 */
export async function chooseResolver(run: Run, world: World): Promise<Resolver> {
  const { releaseAge } = run.request;
  const own = { version: run.interpreter.pip ?? '', path: undefined };
  if (releaseAge === undefined) return { ...own, environment: {}, releaseAge: undefined };
  const latest = latestUpload(releaseAge, world.now());
  const age = `Minimum release age: ${releaseAgeText(releaseAge)}.`;
  if (run.uv !== undefined && directRequirements(run.requested.lines).length === 0) {
    world.reporter.info(`${age} uv leaves out files that were uploaded after ${latest}.`);
    return { ...own, environment: {}, releaseAge: ageText(releaseAge) };
  }
  const pip = enforcerOf(releaseAge, run.interpreter) === 'own' ? own : await fetchPip(run, world);
  world.reporter.info(
    `${age} pip ${pip.version} leaves out files that were uploaded after ${latest}.`,
  );
  return {
    ...pip,
    environment: {
      PIP_UPLOADED_PRIOR_TO: latest,
      WHEELHOUSE_AGE_EXCEPT: releaseAge.except.join(' '),
    },
    releaseAge: ageText(releaseAge),
  };
}

/** The environment's own pip stays what it is, and installs. */
async function fetchPip(
  { request, tools }: Run,
  { python }: World,
): Promise<Pick<Resolver, 'version' | 'path'>> {
  const { version, requirements } = fetchedPip;
  const tool = { name: 'pip', shown: `pip ${version}`, requirements };
  const { venv } = await tools.prepare(tool, 'minimum-release-age');
  const { sitePackages } = await python.probe({ ...request, venv });
  return { version, path: sitePackages };
}
