/** Chooses the pip that chooses files on an index. */
import { UserError } from './logic/errors.ts';
import {
  ageText,
  enforcerOf,
  fetchedPip,
  latestUpload,
  releaseAgeText,
} from './logic/release-age.ts';
import type { World } from './ports.ts';
import type { Resolver, Run } from './run.ts';

/**
 * Returns the environment's own pip, with the limit of the input minimum-release-age, whose age counts
 * from now.
 * @throws UserError when no pip can enforce that limit
 */
export async function chooseResolver(
  { request, interpreter }: Pick<Run, 'request' | 'interpreter'>,
  { reporter, now }: World,
): Promise<Resolver> {
  const { releaseAge } = request;
  const own = { version: interpreter.pip ?? '', path: undefined };
  if (releaseAge === undefined) return { ...own, environment: {}, releaseAge: undefined };
  const latest = latestUpload(releaseAge, now());
  if (enforcerOf(releaseAge, interpreter) === 'fetched') {
    throw new UserError(
      `pip ${own.version} can't enforce minimum-release-age${releaseAge.except.length > 0 ? ' with exceptions' : ''}. Install pip ${fetchedPip.version} before this step, or remove the input.`,
    );
  }
  reporter.info(
    `Minimum release age: ${releaseAgeText(releaseAge)}. pip ${own.version} leaves out files that were uploaded after ${latest}.`,
  );
  return {
    ...own,
    environment: {
      PIP_UPLOADED_PRIOR_TO: latest,
      WHEELHOUSE_AGE_EXCEPT: releaseAge.except.join(' '),
    },
    releaseAge: ageText(releaseAge),
  };
}
