/** Asks the indexes whether they still offer the wheels of a set that serves. */
import { fillEnvironment } from './logic/environment.ts';
import { indexesOf, isSecureOrigin } from './logic/index-choice.ts';
import type { Wheel } from './logic/manifest.ts';
import { certificatesOf } from './logic/pip-settings.ts';
import { judgePage, projectFiles } from './logic/project-page.ts';
import { checkable, compareWithPages, isTurn, type Listing } from './logic/recheck.ts';
import { needsPip, pageUrl, WebError } from './logic/web.ts';
import type { WebClient, World } from './ports.ts';
import type { Found, Serving } from './restore.ts';
import type { Run } from './run.ts';

/** Milliseconds for all pages together. */
const timeLimit = 5000;

/**
 * Checks a set if it is its turn. Warns of yanked wheels. What can't be checked is left as it is: an
 * index that is down must not cost more than a few seconds.
 * @returns the wheels that no index offers any more
 */
export async function recheck(
  run: Run,
  world: World,
  found: Found & Serving,
): Promise<readonly Wheel[]> {
  const { request, interpreter, settings } = run;
  const { reporter } = world;
  const { manifest } = found.base;
  if (!isTurn(manifest, request.recheck, run.keys.primary, world.now())) return [];
  const indexes = indexesOf(request, interpreter, settings);
  // A page says nothing about files from elsewhere.
  if (indexes === undefined || settings.words('find-links').length > 0) return [];
  if (run.uv?.hasFindLinks === true) return [];
  const wheels = checkable(manifest);
  const urls = [indexes.authoritative, ...indexes.extra].filter((url) =>
    isSecureOrigin(url, indexes.trustedHosts),
  );
  if (wheels.length === 0 || urls.length === 0) return [];

  const { environment, workingDirectory: cwd } = request;
  const way = {
    indexes: urls,
    otherCredentials: indexes.otherCredentials,
    proxy: settings.text('proxy'),
    clientCertificate: settings.text('client-cert'),
    environment,
  };
  const env = fillEnvironment(environment, interpreter.pipConfig, {}, interpreter.keyring);
  const client = world.web.open({
    indexes: urls,
    trust: {
      trustedHosts: indexes.trustedHosts,
      certificates: certificatesOf(settings, environment),
    },
    environment,
    pip: needsPip(way) ? { use: 'always', python: interpreter.executable, cwd, env } : undefined,
  });
  const listings = await run.timer.time('recheck', () => listingsOf(client, urls, wheels));
  const { withdrawn, yanked, unknown, reason } = compareWithPages(wheels, listings);
  const checked = wheels.length - unknown;
  if (unknown > 0) {
    reporter.info(
      `Could not check whether the index still offers ${unknown} of ${wheels.length} wheels: ${reason}.`,
    );
  }
  if (checked > 0) {
    reporter.info(
      `Checked with the index: ${checked - withdrawn.length} of ${checked} wheels are still offered.`,
    );
  }
  for (const { wheel, reason: why } of yanked) {
    const because = why === '' ? '' : `: ${oneLine(why)}`;
    reporter.warning(
      `${wheel.project} ${wheel.version} was yanked from the index${because}. It is installed because the requirements pin it; choose another version.`,
    );
  }
  return withdrawn;
}

/** @returns the listings of each project; what has not arrived in time is unknown */
async function listingsOf(
  client: WebClient,
  indexes: readonly string[],
  wheels: readonly Wheel[],
): Promise<ReadonlyMap<string, readonly Listing[]>> {
  const end = setTimeout(() => void client.close(), timeLimit);
  try {
    const found = wheels.map(async ({ name }) => {
      const pages = indexes.map((index) => listing(client, index, name));
      return [name, await Promise.all(pages)] as const;
    });
    return new Map(await Promise.all(found));
  } finally {
    clearTimeout(end);
    await client.close();
  }
}

async function listing(client: WebClient, index: string, project: string): Promise<Listing> {
  try {
    const { contentType, text, url } = await client.page(pageUrl(index, project), {
      attempts: 1,
      timeLimit,
    });
    const health = judgePage(200, contentType, text);
    if (health.state !== 'healthy') {
      return { state: 'unknown', reason: 'its answer is not a package index page' };
    }
    return { state: 'listed', files: projectFiles(contentType, text, url) };
  } catch (error) {
    if (!(error instanceof WebError)) return { state: 'unknown', reason: 'its page is not valid' };
    if (error.kind === 'absent') return { state: 'absent' };
    return { state: 'unknown', reason: error.message };
  }
}

/** A reason comes from the index: only one short line of it is shown. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').slice(0, 200);
}
