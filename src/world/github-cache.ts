/**
 * GitHub's cache service, through @actions/cache in a process of its own (see transfer.ts).
 *
 * That process works in a directory of its own under the runner's temporary one, as if it were the
 * workspace: an entry's version depends on the text of the cached path, which is always
 * `wheelhouse`, and the checkout is never touched. See docs/decisions/0004-transfer.md.
 */
import { lstat, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';

import { environmentForPrograms } from '../logic/environment.ts';
import { messageOf } from '../logic/errors.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import {
  heard,
  isWorthSaying,
  silence,
  type TransferOrder,
  type TransferTalk,
} from '../logic/transfer-protocol.ts';
import type { CacheStore, Reporter } from '../ports.ts';
import { confineTar, contentsOf, hostility } from './archive.ts';
import { run } from './process.ts';
import { discard, temporaryDirectory } from './temporary.ts';
import { moveDirectory } from './wheelhouses.ts';

/** The name under which a wheelhouse is archived: part of every entry's version. */
const transferName = 'wheelhouse';

/** Seconds without any progress after which a transfer is given up; a slow one is left alone. */
const limits = { lookup: 20, download: 30, save: 60 } as const;

export interface GithubCacheOptions {
  /** The whole environment of the action: the service's address and token are in it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute path of a directory for transfers. */
  readonly temporary: string;
  /** Absolute path of the built transfer.ts. */
  readonly program: string;
  readonly reporter: Reporter;
}

export function githubCache(options: GithubCacheOptions): CacheStore {
  const { reporter } = options;
  let warm: Promise<Transfer> | undefined;

  return {
    unavailable: unavailable(options),

    warmUp() {
      warm ??= startTransfer(options);
      warm.catch(() => {}); // Told when it is needed.
    },

    async restore(directory, key, prefixes) {
      const { place, carryOut } = await (warm ?? startTransfer(options));
      warm = undefined;
      try {
        const order = { operation: 'restore', path: transferName, key, prefixes } as const;
        const talk = await carryOut(order, (talk) => (talk.found ? 'download' : 'lookup'));
        const arrived = talk.result?.outcome === 'restored' ? talk.result.key : undefined;
        if (arrived === undefined) {
          complain(reporter, 'restored', talk);
          if (talk.skipped !== undefined) reporter.info(`Nothing is restored: ${talk.skipped}`);
          return talk.found === undefined ? undefined : { key: talk.found, arrived: false };
        }
        // Small archives are unpacked between two looks of the watcher.
        const hostile = hostility(await contentsOf(place.work), talk.archive);
        if (hostile !== undefined) {
          reporter.warning(`The cache could not be restored: ${hostile}.`);
          return { key: arrived, arrived: false };
        }
        const strangers = (await readdir(place.work)).filter((name) => name !== transferName);
        if (strangers.length > 0) {
          reporter.warning(
            `The cache entry ${arrived} holds files outside its directory (${strangers.slice(0, 3).join(', ')}); it is not used.`,
          );
          return { key: arrived, arrived: false };
        }
        const inside = path.join(place.work, transferName);
        const found = await lstat(inside).catch(() => undefined);
        // A link would lead what is done with the directory to another one.
        if (found !== undefined && !found.isDirectory()) {
          reporter.warning(`The cache entry ${arrived} holds no directory; it is not used.`);
          return { key: arrived, arrived: false };
        }
        if (found !== undefined) await moveDirectory(inside, directory);
        return { key: arrived, arrived: true };
      } catch (error) {
        reporter.warning(`The cache could not be restored: ${withoutSecrets(messageOf(error))}.`);
        return undefined;
      } finally {
        await discard(place.root);
      }
    },

    async save(directory, key) {
      const { place, carryOut } = await startTransfer(options);
      const inside = path.join(place.work, transferName);
      try {
        await moveDirectory(directory, inside);
        const order = { operation: 'save', path: transferName, key } as const;
        const talk = await carryOut(order, () => 'save');
        if (talk.result?.outcome === 'saved') return 'saved';
        complain(reporter, 'saved', talk);
        if (talk.skipped !== undefined && talk.complaints.length > 0) return 'failed';
        if (talk.skipped !== undefined) reporter.info(`Nothing is saved: ${talk.skipped}`);
        return /another job may be/.test(talk.skipped ?? '') ? 'exists' : 'failed';
      } catch (error) {
        reporter.warning(`The cache could not be saved: ${withoutSecrets(messageOf(error))}.`);
        return 'failed';
      } finally {
        await moveDirectory(inside, directory).catch(() => {});
        await discard(place.root);
      }
    },
  };
}

/** @returns where the build puts transfer.ts: beside the entry that this process was started with */
export function transferProgram(): string {
  return path.join(path.dirname(process.argv[1] ?? ''), '..', 'transfer', 'index.js');
}

/** Asked before anything is started: where there is no service, it costs nothing. */
function unavailable({ environment, temporary }: GithubCacheOptions): string | undefined {
  if (!environment['ACTIONS_RESULTS_URL'] && !environment['ACTIONS_CACHE_URL']) {
    return 'this runner offers no cache service';
  }
  if (!environment['ACTIONS_RUNTIME_TOKEN']) {
    return 'this runner gives no token for its cache service';
  }
  if (/^\s*none\s*$/i.test(environment['ACTIONS_CACHE_MODE'] ?? '')) {
    return 'ACTIONS_CACHE_MODE is none';
  }
  if (!environment['ACTIONS_CACHE_URL'] && isEnterpriseServer(environment['GITHUB_SERVER_URL'])) {
    return 'this GitHub Enterprise Server offers no cache service';
  }
  // @actions/cache 6.3.0 gives tar its paths unquoted: with a space it keeps nothing, silently. And
  // a list of paths can't name one that holds what stands between two of them.
  if (/[\s"]/.test(temporary) || temporary.includes(path.delimiter)) {
    return `the runner's temporary directory "${temporary}" has white space, '"' or '${path.delimiter}' in its path, which the cache library can't handle`;
  }
  return undefined;
}

/** As the toolkit tells it (config.ts): there it knows the older service alone. */
function isEnterpriseServer(url: string | undefined): boolean {
  const host = URL.canParse(url ?? '') ? new URL(url ?? '').hostname : 'github.com';
  return !/^github\.com$|\.ghe\.com$|\.localhost$/i.test(host);
}

/** Directories of one transfer. */
interface Workplace {
  readonly root: string;
  /** The workspace, as the toolkit is told: an archive's members land here, and nothing else does. */
  readonly work: string;
  readonly archives: string;
  readonly programs: string;
}

async function workplace({ temporary }: GithubCacheOptions): Promise<Workplace> {
  const root = await temporaryDirectory(temporary, 'wheelhouse-transfer');
  const work = path.join(root, 'work');
  const archives = path.join(root, 'archives');
  const programs = path.join(root, 'programs');
  for (const directory of [work, archives, programs]) await mkdir(directory);
  return { root, work, archives, programs };
}

/**
 * The environment of the transfer process: that of other programs and the cache service's address
 * and token. `TAR_OPTIONS` of the environment could undo the confinement of tar.
 */
function environmentOf(
  { environment }: GithubCacheOptions,
  { work, archives, programs }: Workplace,
): Record<string, string> {
  const service = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && /^ACTIONS_(?:RUNTIME|RESULTS|CACHE)_/i.test(entry[0]),
  );
  return {
    ...environmentForPrograms(environment),
    ...Object.fromEntries(service),
    PATH: [programs, environment['PATH'] ?? ''].join(path.delimiter),
    // GNU tar reads 10 KiB at a time otherwise; others don't know this variable.
    TAR_OPTIONS: '--blocking-factor=128',
    GITHUB_WORKSPACE: work,
    RUNNER_TEMP: archives,
  };
}

/** A transfer process that waits for its order. */
interface Transfer {
  readonly place: Workplace;
  /**
   * Gives it its order, and waits until it ends or makes no progress any more.
   * @param phase which limit is in force
   */
  readonly carryOut: (order: TransferOrder, phase: Phase) => Promise<TransferTalk>;
}

type Phase = (talk: TransferTalk) => keyof typeof limits;

async function startTransfer(options: GithubCacheOptions): Promise<Transfer> {
  const { program, reporter } = options;
  const place = await workplace(options);
  const env = environmentOf(options, place);
  await confineTar(place.programs, { ...env, PATH: options.environment['PATH'] ?? '' });
  let talk = silence;
  const stop = new AbortController();
  let give: (order: string) => void = () => {};
  const ended = run(process.execPath, [program], {
    cwd: place.work,
    env,
    input: new Promise((resolve) => {
      give = resolve;
    }),
    signal: stop.signal,
    onLine: (line) => {
      talk = heard(talk, line);
      if (isWorthSaying(line)) reporter.info(line);
    },
  });
  ended.catch(() => {}); // Told by carryOut.

  return {
    place,
    async carryOut(order, phase) {
      const failures: string[] = [];
      const giveUp = (reason: string): void => {
        failures.push(reason);
        stop.abort();
      };
      const watch = setInterval(
        watcher(place, order, () => talk, phase, giveUp),
        500,
      );
      give(JSON.stringify(order));
      await ended.finally(() => clearInterval(watch));
      return { ...talk, complaints: [...talk.complaints, ...failures.slice(0, 1)] };
    },
  };
}

/**
 * Looks at a transfer now and then.
 * @param talk what it has said so far
 * @param giveUp is told why it is not to go on
 * @returns what is to be called twice a second
 */
function watcher(
  { work, archives }: Workplace,
  { operation }: TransferOrder,
  talk: () => TransferTalk,
  phase: Phase,
  giveUp: (reason: string) => void,
): () => Promise<void> {
  let before = '';
  let since = performance.now();
  return async () => {
    const archive = (await contentsOf(archives)).bytes;
    const unpacked = await contentsOf(work);
    const now = phase(talk());
    // A look-up is not kept alive by tries that begin again and again.
    const traffic = now === 'lookup' ? 0 : talk().bytes;
    const state = `${now} ${talk().passed} ${traffic} ${archive + unpacked.bytes}`;
    if (state !== before) {
      before = state;
      since = performance.now();
    }
    if (performance.now() - since > limits[now] * 1000) {
      giveUp(`${descriptions[now]} for ${limits[now]} s`);
    }
    const hostile = operation === 'restore' ? hostility(unpacked, archive) : undefined;
    if (hostile !== undefined) giveUp(hostile);
  };
}

const descriptions = {
  lookup: 'the service does not answer',
  download: 'the download makes no progress',
  save: 'the save makes no progress',
} as const;

function complain(reporter: Reporter, done: 'restored' | 'saved', talk: TransferTalk): void {
  const { result, complaints } = talk;
  const reasons = [
    ...complaints,
    ...(result?.outcome === 'failed' ? [result.reason] : []),
    ...(result === undefined && complaints.length === 0 ? ['the transfer ended early'] : []),
  ].map((reason) => withoutSecrets(reason).replace(/\.$/, ''));
  if (reasons.length > 0) {
    reporter.warning(`The cache could not be ${done}: ${[...new Set(reasons)].join('; ')}.`);
  }
}
