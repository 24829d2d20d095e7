/**
 * GitHub's cache service, through @actions/cache in a process of its own (see transfer.ts).
 *
 * That process works in a directory of its own under the runner's temporary one, as if it were the
 * workspace: an entry's version depends on the text of the cached path, which is always
 * `wheelhouse`, and the checkout is never touched. See docs/decisions/0004-transfer.md.
 */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

import { messageOf } from '../logic/errors.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import type { TransferState } from '../logic/transfer-protocol.ts';
import type { CacheStore, Reporter } from '../ports.ts';
import { contentsOf, hostility } from './archive.ts';
import { exists, moveDirectory } from './disk.ts';
import { type TransferOptions, TransferProcess } from './transfer-process.ts';

/** The name under which a wheelhouse is archived: part of every entry's version. */
const transferName = 'wheelhouse';

export function githubCache(options: TransferOptions): CacheStore {
  const { reporter } = options;
  /** Processes for the restores to come. */
  const warm: Promise<TransferProcess>[] = [];
  /** Processes that have restored an entry and could restore its base. */
  const idle: TransferProcess[] = [];

  return {
    unavailable: unavailable(options),
    sharesFiles: false,

    warmUp() {
      const transfer = TransferProcess.start(options);
      transfer.catch(() => {}); // restore throws it.
      warm.push(transfer);
    },

    async restore(directory, key, prefixes) {
      const transfer = idle.pop() ?? (await (warm.shift() ?? TransferProcess.start(options)));
      const { work } = transfer;
      const inside = path.join(work, transferName);
      // Its directories are as empty as those of a new one.
      let isReusable = false;
      try {
        const order = { operation: 'restore', path: transferName, key, prefixes } as const;
        const talk = await transfer.carryOut(order);
        if (talk.result?.outcome !== 'restored') {
          complain(reporter, 'restored', talk);
          if (talk.skipReason !== undefined)
            reporter.info(`Nothing is restored: ${talk.skipReason}`);
          return talk.matchedKey === undefined
            ? undefined
            : { key: talk.matchedKey, arrived: false };
        }
        const entry = talk.result.key;
        // Small archives are unpacked between two looks of the watchdog.
        const hostile = hostility(await contentsOf(work), talk.archiveSize);
        const fault = await contentFault(work);
        if (hostile !== undefined) {
          reporter.warning(`The cache could not be restored: ${hostile}.`);
        } else if (fault !== undefined) {
          reporter.warning(`The cache entry ${entry} ${fault}; it is not used.`);
        } else if (await exists(inside)) {
          await moveDirectory(inside, directory);
          isReusable = true;
        }
        return { key: entry, arrived: hostile === undefined && fault === undefined };
      } catch (error) {
        reporter.warning(`The cache could not be restored: ${withoutSecrets(messageOf(error))}.`);
        return undefined;
      } finally {
        if (isReusable) idle.push(transfer);
        else await transfer.discard();
      }
    },

    async coolDown() {
      await Promise.all(idle.splice(0).map((transfer) => transfer.discard()));
    },

    async save(directory, key) {
      const transfer = await TransferProcess.start(options);
      const inside = path.join(transfer.work, transferName);
      try {
        await moveDirectory(directory, inside);
        const talk = await transfer.carryOut({ operation: 'save', path: transferName, key });
        if (talk.result?.outcome === 'saved') return 'saved';
        complain(reporter, 'saved', talk);
        if (talk.skipReason === undefined || talk.problems.length > 0) return 'failed';
        reporter.info(`Nothing is saved: ${talk.skipReason}`);
        return /another job may be/.test(talk.skipReason) ? 'exists' : 'failed';
      } catch (error) {
        reporter.warning(`The cache could not be saved: ${withoutSecrets(messageOf(error))}.`);
        return 'failed';
      } finally {
        await moveDirectory(inside, directory).catch(() => {});
        await transfer.discard();
      }
    },
  };
}

/** @returns where the build puts transfer.ts: beside the entry that this process was started with */
export function transferProgram(): string {
  return path.join(path.dirname(process.argv[1] ?? ''), '..', 'transfer', 'index.js');
}

/** Why the service can't be used, as far as the environment tells; nothing is started for it. */
function unavailable({ environment, temporary }: TransferOptions): string | undefined {
  if (!environment['ACTIONS_RESULTS_URL'] && !environment['ACTIONS_CACHE_URL']) {
    return 'this runner offers no cache service';
  }
  if (!environment['ACTIONS_RUNTIME_TOKEN']) {
    return 'this runner provides no token for its cache service';
  }
  if (/^\s*none\s*$/i.test(environment['ACTIONS_CACHE_MODE'] ?? '')) {
    return 'ACTIONS_CACHE_MODE is none';
  }
  if (!environment['ACTIONS_CACHE_URL'] && isEnterpriseServer(environment['GITHUB_SERVER_URL'])) {
    return 'this GitHub Enterprise Server offers no cache service';
  }
  // @actions/cache 6.3.0 gives tar its paths unquoted: with a space it silently saves nothing. And
  // PATH can't contain a directory whose name contains its separator.
  if (/[\s"]/.test(temporary) || temporary.includes(path.delimiter)) {
    return `the runner's temporary directory "${temporary}" has whitespace, '"' or '${path.delimiter}' in its path, which the cache library can't handle`;
  }
  return undefined;
}

/** Same check as the toolkit's config.ts: on GHES only the v1 service is supported. */
function isEnterpriseServer(url: string | undefined): boolean {
  const host = URL.canParse(url ?? '') ? new URL(url ?? '').hostname : 'github.com';
  return !/^github\.com$|\.ghe\.com$|\.localhost$/i.test(host);
}

/** What keeps an unpacked entry from being a wheelhouse, as the end of a sentence about it. */
async function contentFault(work: string): Promise<string | undefined> {
  const others = (await readdir(work)).filter((name) => name !== transferName);
  if (others.length > 0) {
    return `contains files outside its directory (${others.slice(0, 3).join(', ')})`;
  }
  const found = await lstat(path.join(work, transferName)).catch(() => undefined);
  // Whatever is done to the directory would be done to the target of a link.
  return found === undefined || found.isDirectory() ? undefined : 'contains no directory';
}

function complain(reporter: Reporter, done: 'restored' | 'saved', talk: TransferState): void {
  const { result, problems } = talk;
  const reasons = [
    ...problems,
    ...(result?.outcome === 'failed' ? [result.reason] : []),
    ...(result === undefined && problems.length === 0 ? ['the transfer process exited early'] : []),
  ].map((reason) => withoutSecrets(reason).replace(/\.$/, ''));
  if (reasons.length > 0) {
    reporter.warning(`The cache could not be ${done}: ${[...new Set(reasons)].join('; ')}.`);
  }
}
