/**
 * GitHub's cache service through @actions/cache, which is loaded only when it is asked for.
 *
 * The wheelhouse travels as a directory with a fixed name in the workspace root: the text of the
 * path is part of an entry's version, so an absolute path would miss on another runner, and `~`
 * unpacks elsewhere where home and workspace differ. It exists only during a transfer.
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';

import { messageOf } from '../plan/model.ts';
import { withoutSecrets } from '../plan/requirements.ts';
import type { CacheStore, Reporter } from '../ports.ts';
import { moveDirectory } from './wheelhouses.ts';

const transferName = '.wheelhouse-transfer';

/** Seconds that the service may take to say whether it has an entry. */
const lookupLimit = 20;
/** Seconds without an end of a transfer after which it is given up. */
const transferLimit = 600;

type Toolkit = Pick<typeof import('@actions/cache'), 'restoreCache' | 'saveCache'>;

/**
 * @param workspace absolute path of the checkout
 * @param environment where the runner tells whether there is a service
 */
export function githubCache(
  workspace: string,
  environment: Readonly<Record<string, string | undefined>>,
  reporter: Reporter,
): CacheStore {
  const transfer = path.join(workspace, transferName);
  const toolkit = (): Promise<Toolkit> => import('@actions/cache');

  return {
    // Asked first, as the toolkit itself retries for 10 s where there is none.
    unavailable:
      environment['ACTIONS_RESULTS_URL'] || environment['ACTIONS_CACHE_URL']
        ? undefined
        : 'this runner offers no cache service',

    async restore(directory, key, prefixes) {
      await rm(transfer, { recursive: true, force: true });
      let found: string | undefined;
      try {
        const matched = await quietly(reporter, 'restored', workspace, async () => {
          const { restoreCache } = await toolkit();
          // A look-up first: it has a limit of its own, and a miss is the common case.
          found = await within(
            lookupLimit,
            'the look-up',
            restoreCache([transferName], key, [...prefixes], { lookupOnly: true }),
          );
          if (found === undefined) return undefined;
          return within(
            transferLimit,
            'the download',
            restoreCache([transferName], found, [], { segmentTimeoutInMs: transferLimit * 1000 }),
          );
        });
        if (found === undefined) return undefined;
        if (matched === found) await moveDirectory(transfer, directory);
        return { key: found, arrived: matched === found };
      } catch (error) {
        reporter.warning(
          `The cache could not be restored: ${withoutSecrets(messageOf(error))}. Going on without it.`,
        );
        return found === undefined ? undefined : { key: found, arrived: false };
      } finally {
        await rm(transfer, { recursive: true, force: true });
      }
    },

    async save(directory, key) {
      try {
        await moveDirectory(directory, transfer);
        const id = await quietly(reporter, 'saved', workspace, async () => {
          const { saveCache } = await toolkit();
          return within(transferLimit, 'the upload', saveCache([transferName], key));
        });
        return id === undefined || id < 0 ? 'exists' : 'saved';
      } catch (error) {
        reporter.warning(`The cache could not be saved: ${withoutSecrets(messageOf(error))}.`);
        return 'failed';
      } finally {
        await moveDirectory(transfer, directory).catch(() => {});
      }
    },
  };
}

/**
 * Runs toolkit code with the current directory in the workspace, and turns the annotations that it
 * writes for faults of the cache into one warning: for us they are no errors.
 */
async function quietly<T>(
  reporter: Reporter,
  done: 'restored' | 'saved',
  workspace: string,
  work: () => Promise<T>,
): Promise<T> {
  const complaints: string[] = [];
  const write = process.stdout.write.bind(process.stdout);
  const directory = process.cwd();
  process.chdir(workspace);
  process.stdout.write = ((chunk: string | Uint8Array, ...rest: []) => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    const complaint = /^::(?:warning|error)(?: [^:]*)?::(.*)/.exec(text);
    if (!complaint) return write(chunk, ...rest);
    complaints.push(String(complaint[1]).trim());
    return true;
  }) as typeof process.stdout.write;
  try {
    return await work();
  } finally {
    process.stdout.write = write;
    process.chdir(directory);
    if (complaints.length > 0) {
      reporter.warning(`The cache could not be ${done}: ${withoutSecrets(complaints.join('; '))}`);
    }
  }
}

/** @throws Error when the work takes longer; the work itself can't be stopped, the process ends it */
async function within<T>(seconds: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} did not end within ${seconds} s`)),
      seconds * 1000,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
