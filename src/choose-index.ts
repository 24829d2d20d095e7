/** Chooses the index of a fill. Exactly one index decides, and it is probed before pip runs. */

import { UserError } from './logic/errors.ts';
import {
  confusionWarning,
  hasCredentials,
  type Indexes,
  indexesOf,
  indexVariables,
  isSecureOrigin,
  probeCandidates,
} from './logic/index-choice.ts';
import type { Interpreter } from './logic/model.ts';
import { certificatesOf } from './logic/pip-settings.ts';
import type { Health } from './logic/project-page.ts';
import type { RequestedSet } from './logic/requirements.ts';
import { shownAddress } from './logic/secrets.ts';
import type { IndexTrust, World } from './ports.ts';
import type { ChosenIndex, Run } from './run.ts';

const noIndex = {
  environment: {},
  shown: '',
  why: 'no-index is set',
  role: 'none',
  mayOffer: true,
  urls: [],
  trust: { trustedHosts: [], certificates: undefined },
} as const;

/** No index can be used now, and it is not the user's fault. */
export class IndexDown extends UserError {}

type Asking = Pick<Run, 'request' | 'interpreter' | 'settings' | 'requested'>;

/**
 * Chooses the index for a fill: the mirror if it is healthy, otherwise the authoritative index.
 * @throws IndexDown when the authoritative index does not answer like an index
 * @throws UserError when it, or the mirror, refuses the credentials
 */
export async function chooseIndex(run: Asking, world: World): Promise<ChosenIndex> {
  const candidates = await candidatesOf(run, world);
  if (candidates === undefined) return noIndex;
  const { indexes, health } = candidates;
  const confusion = confusionWarning(indexes, run.request.installer);
  if (confusion !== undefined) world.reporter.warning(confusion);
  if (indexes.mirror === undefined) return authoritative(candidates, 'authoritative');
  const answer = await health(indexes.mirror);
  if (answer.state !== 'healthy') return withoutMirror(candidates, world, answer);
  return {
    ...chosen(candidates, indexes.mirror),
    role: 'mirror',
    why: 'the mirror is healthy',
    mayOffer: true,
  };
}

/**
 * Chooses the index for the rest of a fill that failed with the mirror.
 * @param failure why the mirror is not used any more
 * @throws as {@link chooseIndex}
 */
export async function indexAfterMirror(
  run: Asking,
  world: World,
  failure: string,
): Promise<ChosenIndex> {
  const candidates = await candidatesOf(run, world);
  if (candidates?.indexes.mirror === undefined) throw new Error('there is no mirror');
  const answer = await candidates.health(candidates.indexes.mirror);
  const health =
    answer.state === 'healthy' ? ({ state: 'down', reason: failure } as const) : answer;
  return withoutMirror(candidates, world, health);
}

/**
 * Checks that the authoritative index answers.
 * @throws as {@link chooseIndex}
 */
export async function checkIndex(run: Asking, world: World): Promise<void> {
  const candidates = await candidatesOf(run, world);
  if (candidates !== undefined) await authoritative(candidates, 'authoritative');
}

/** The indexes of a run, and a way to ask one for its health. */
interface Candidates {
  readonly indexes: Indexes;
  readonly trust: IndexTrust;
  /** The project whose page is requested; undefined when there is nothing to request. */
  readonly project: string | undefined;
  readonly health: (url: string) => Promise<Health>;
}

/** @returns undefined when no index may be used */
async function candidatesOf(run: Asking, world: World): Promise<Candidates | undefined> {
  const { request, interpreter, settings, requested } = run;
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) return undefined;
  const project = await projectToProbe(interpreter, requested, world);
  const trust: IndexTrust = {
    trustedHosts: indexes.trustedHosts,
    certificates: certificatesOf(settings, request.environment),
  };
  const health = async (url: string): Promise<Health> => {
    // Credentials are not sent where pip would not send them.
    if (!isSecureOrigin(url, indexes.trustedHosts)) {
      const reason =
        'pip ignores it because it uses plain http; use https, or add its host to the input trusted-host';
      return { state: 'untrusted', reason };
    }
    // Only pip knows its own proxy.
    if (project === undefined || settings.text('proxy') !== undefined) return { state: 'healthy' };
    return world.indexProbe.probe(url, project, trust);
  };
  return { indexes, trust, project, health };
}

/** @param answer of the mirror */
async function withoutMirror(
  candidates: Candidates,
  world: World,
  answer: Exclude<Health, { state: 'healthy' }>,
): Promise<ChosenIndex> {
  const { indexes, project } = candidates;
  const mirror = shownAddress(indexes.mirror ?? '');
  if (answer.state === 'refused') {
    throw new UserError(
      `The mirror ${mirror} answers ${answer.status}: it requires credentials. Put them into mirror-url from a secret, or open the mirror to this runner.`,
    );
  }
  const reason = answer.state === 'absent' ? `it answers 404 for ${project}` : answer.reason;
  world.reporter.warning(
    `The mirror ${mirror} is not used: ${reason}. Using ${shownAddress(indexes.authoritative)}.`,
  );
  return authoritative(candidates, `the mirror is not healthy: ${reason}`);
}

async function authoritative(candidates: Candidates, why: string): Promise<ChosenIndex> {
  const { indexes, project, health } = candidates;
  const url = indexes.authoritative;
  const answer = await health(url);
  if (answer.state === 'refused' && (hasCredentials(url) || !indexes.otherCredentials)) {
    const advice = hasCredentials(url)
      ? 'it does not accept the credentials. Check the inputs index-username and index-password, and whether the secret has expired'
      : 'it requires credentials. Set the inputs index-username and index-password';
    throw new UserError(
      `The index ${shownAddress(url)} answers ${answer.status} for ${project}: ${advice}.`,
    );
  }
  if (answer.state === 'down') {
    throw new IndexDown(`The index ${shownAddress(url)} can't be used: ${answer.reason}.`);
  }
  return {
    ...chosen(candidates, url),
    role: 'authoritative',
    why,
    mayOffer: answer.state === 'healthy' || answer.state === 'absent',
    ...(answer.state === 'untrusted' ? { doubt: answer.reason } : {}),
  };
}

function chosen(
  { indexes, trust }: Candidates,
  url: string,
): Pick<ChosenIndex, 'environment' | 'shown' | 'urls' | 'trust'> {
  return {
    environment: indexVariables(indexes, url),
    shown: shownAddress(url),
    urls: [url, ...indexes.extra].filter((each) => isSecureOrigin(each, indexes.trustedHosts)),
    trust,
  };
}

/** The first project of the request that applies to this Python. */
async function projectToProbe(
  interpreter: Interpreter,
  requested: RequestedSet,
  world: World,
): Promise<string | undefined> {
  const candidates = probeCandidates(requested);
  const [first] = candidates;
  if (first === undefined || first.marker === undefined) return first?.name;
  const markers = candidates.flatMap(({ marker }) => marker ?? []);
  const applies = await world.python.applies(interpreter, markers);
  return candidates.find(({ marker }) => marker === undefined || (applies.get(marker) ?? true))
    ?.name;
}
