/** Which index a fill uses: exactly one decides, and it is asked how it is before pip is run. */

import { UserError } from './logic/errors.ts';
import { age } from './logic/freshness.ts';
import {
  confusionWarning,
  hasCredentials,
  type Indexes,
  indexesOf,
  indexVariables,
  isSecureOrigin,
  probeCandidates,
} from './logic/index-choice.ts';
import type { Manifest } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { sameVersion } from './logic/names.ts';
import { certificatesOf, type PipSettings } from './logic/pip-settings.ts';
import type { Health } from './logic/project-page.ts';
import type { RequestedSet } from './logic/requirements.ts';
import { shownAddress } from './logic/secrets.ts';
import type { IndexTrust, World } from './ports.ts';

/** The index that a fill is run with. */
export interface ChosenIndex {
  /** Variables for pip; they hold the credentials. */
  readonly environment: Readonly<Record<string, string>>;
  /** For people; empty when there is none. */
  readonly shown: string;
  readonly why: string;
  readonly role: 'mirror' | 'authoritative' | 'none';
  /**
   * pip may take wheels that were built before. Not where it must prove its credentials: it would
   * hide a refusal as long as those wheels satisfy the request.
   */
  readonly mayOffer: boolean;
  /** Who says which versions there are, and how they are asked; several when indexes are merged. */
  readonly urls: readonly string[];
  readonly trust: IndexTrust;
  /** Why it may turn out to be out of reach, when only pip can tell. */
  readonly doubt?: string;
}

const noIndex = {
  environment: {},
  shown: '',
  role: 'none',
  mayOffer: true,
  urls: [],
  trust: { trustedHosts: [], certificates: undefined },
} as const;

/** No index can be used now, and it is not the user's fault. */
export class IndexDown extends UserError {}

interface Asking {
  readonly request: Request;
  readonly interpreter: Interpreter;
  readonly settings: PipSettings;
  readonly requested: RequestedSet;
}

/**
 * Chooses the index for a fill.
 * @param failed why the mirror must not be chosen again in this run
 * @throws IndexDown when the authoritative index does not answer as one
 * @throws UserError when it, or the mirror, refuses the credentials
 */
export async function chooseIndex(
  asking: Asking,
  world: World,
  failed?: string,
): Promise<ChosenIndex> {
  const asked = await whomToAsk(asking, world);
  if (asked === undefined) return { ...noIndex, why: 'no-index is set' };
  const { indexes, trust, project, health } = asked;
  const confusion = confusionWarning(indexes);
  if (confusion !== undefined && failed === undefined) world.reporter.warning(confusion);
  if (indexes.mirror === undefined) return authoritative(asked, 'it is the authoritative index');

  const shown = shownAddress(indexes.mirror);
  const answer = await health(indexes.mirror);
  if (answer.state === 'healthy' && failed === undefined) {
    return {
      ...chosen(indexes, trust, indexes.mirror),
      role: 'mirror',
      why: 'the mirror is healthy',
      mayOffer: true,
    };
  }
  if (answer.state === 'refused') {
    throw new UserError(
      `The mirror ${shown} answers ${answer.status}: it wants credentials. Put them into mirror-url from a secret, or open the mirror for this runner.`,
    );
  }
  const reason =
    answer.state === 'healthy'
      ? String(failed)
      : answer.state === 'absent'
        ? `it answers 404 for ${project}`
        : answer.reason;
  world.reporter.warning(
    `The mirror ${shown} is not used: ${reason}. Using ${shownAddress(indexes.authoritative)}.`,
  );
  return authoritative(asked, `the mirror is not healthy (${reason})`);
}

/**
 * Asks the authoritative index once more, after pip has failed with it: pip takes a page that it
 * could not get for one without files.
 * @throws as chooseIndex
 */
export async function askAgain(asking: Asking, world: World): Promise<void> {
  const asked = await whomToAsk(asking, world);
  if (asked !== undefined) await authoritative(asked, '');
}

/** The indexes of a run, and the way to ask one how it is. */
interface Asked {
  readonly indexes: Indexes;
  readonly trust: IndexTrust;
  /** Whose page is asked for; undefined: there is nothing to ask for. */
  readonly project: string | undefined;
  readonly health: (url: string) => Promise<Health>;
}

/** @returns undefined when no index is to be used */
async function whomToAsk(asking: Asking, world: World): Promise<Asked | undefined> {
  const { request, interpreter, settings, requested } = asking;
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) return undefined;
  const project = await projectToAsk(interpreter, requested, world);
  const trust: IndexTrust = {
    trustedHosts: indexes.trustedHosts,
    certificates: certificatesOf(settings, request.environment),
  };
  return {
    indexes,
    trust,
    project,
    health: async (url) => {
      // Credentials are not sent where pip would not send them.
      if (!isSecureOrigin(url, indexes.trustedHosts)) {
        const reason =
          'pip ignores it, as it is on plain http; use https, or name its host in the input trusted-host';
        return { state: 'untrusted', reason };
      }
      // Nothing to ask for, or a way that only pip knows.
      if (project === undefined || settings.text('proxy') !== undefined)
        return { state: 'healthy' };
      return world.indexProbe.probe(url, project, trust);
    },
  };
}

async function authoritative(
  { indexes, trust, project, health }: Asked,
  why: string,
): Promise<ChosenIndex> {
  const url = indexes.authoritative;
  const answer = await health(url);
  if (answer.state === 'refused' && (hasCredentials(url) || !indexes.otherCredentials)) {
    throw new UserError(
      `The index ${shownAddress(url)} answers ${answer.status} for ${project}: ${
        hasCredentials(url)
          ? 'it does not accept the credentials. Check the inputs index-username and index-password, and whether the secret has expired'
          : 'it wants credentials. Set the inputs index-username and index-password'
      }.`,
    );
  }
  if (answer.state === 'down') {
    throw new IndexDown(`The index ${shownAddress(url)} can't be used: ${answer.reason}.`);
  }
  return {
    ...chosen(indexes, trust, url),
    role: 'authoritative',
    why,
    mayOffer: answer.state === 'healthy' || answer.state === 'absent',
    ...(answer.state === 'untrusted' ? { doubt: answer.reason } : {}),
  };
}

function chosen(
  indexes: Indexes,
  trust: IndexTrust,
  url: string,
): Pick<ChosenIndex, 'environment' | 'shown' | 'urls' | 'trust'> {
  return {
    environment: indexVariables(indexes, url),
    shown: shownAddress(url),
    urls: [url, ...indexes.extra].filter((each) => isSecureOrigin(each, indexes.trustedHosts)),
    trust,
  };
}

/**
 * Whether the chosen index still offers a version: the one that was asked how it is may have
 * failed since, and pip says nothing of that while something else satisfies it.
 * @returns no, when that can't be told
 */
export async function isOffered(
  index: ChosenIndex,
  world: World,
  name: string,
  version: string,
): Promise<boolean> {
  const pages = await Promise.all(
    index.urls.map((url) => world.indexProbe.versions(url, name, index.trust)),
  );
  return pages.some((versions) => [...(versions ?? [])].some((each) => sameVersion(each, version)));
}

/** The first project of the request that applies to this Python. */
async function projectToAsk(
  interpreter: Interpreter,
  requested: RequestedSet,
  world: World,
): Promise<string | undefined> {
  const candidates = probeCandidates(requested);
  const [first] = candidates;
  if (first === undefined || first.marker === undefined) return first?.name;
  const markers = candidates.map((candidate) => candidate.marker ?? "python_version >= '3'");
  const applies = await world.python.applies(interpreter, markers);
  return candidates.find((_candidate, index) => applies?.[index] ?? true)?.name;
}

/** What is said when the last good set is installed instead. */
export function staleWarning(reason: string, last: Manifest, now: Date): string {
  return `${reason} Installing the last good set of these requirements, which is ${age(last.resolvedAt, now)} old.`;
}
