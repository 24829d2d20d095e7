/** The process that talks to GitHub's cache service (see transfer.ts), and what stops it. */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { environmentForPrograms } from '../logic/environment.ts';
import {
  initialState,
  isProgress,
  stateAfter,
  type TransferOrder,
  type TransferState,
} from '../logic/transfer-protocol.ts';
import type { Reporter } from '../ports.ts';
import { confineTar, contentsOf, hostility } from './archive.ts';
import { discard, temporaryDirectory } from './disk.ts';
import { type Running, start } from './process.ts';

/** Seconds without any progress after which a transfer is stopped; a slow one is left alone. */
const limits = { lookup: 20, download: 30, save: 60 } as const;

const stalls = {
  lookup: 'the service did not answer',
  download: 'the download made no progress',
  save: 'the save made no progress',
} as const;

/** Milliseconds between two looks at a transfer. */
const interval = 500;

/** How a transfer process is started. */
export interface TransferOptions {
  /** The whole environment of the action: the service's address and token are in it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Absolute path of a directory for transfers. */
  readonly temporary: string;
  /** Absolute path of the built transfer.ts. */
  readonly program: string;
  readonly reporter: Reporter;
}

/** An order without its id. */
type GivenOrder = TransferOrder extends infer Order
  ? Order extends TransferOrder
    ? Omit<Order, 'id'>
    : never
  : never;

/** Directories of one transfer. */
interface Directories {
  readonly root: string;
  /** The toolkit takes it for the workspace: only members of the archive land here. */
  readonly work: string;
  readonly archives: string;
  readonly programs: string;
}

/**
 * A process that transfers entries, one after the other. It is started ahead of its first order, which
 * takes a while.
 */
export class TransferProcess {
  readonly #directories: Directories;
  readonly #running: Running;
  #transfer = initialState('');
  /** Called when there is a result. */
  #onResult = (): void => {};
  /** Why it was stopped. */
  #reason: string | undefined;
  /** Everything that a transfer in progress changes, and since when it has not. */
  #progress = { state: '', since: 0 };

  static async start(options: TransferOptions): Promise<TransferProcess> {
    const root = await temporaryDirectory(options.temporary, 'wheelhouse-transfer');
    const work = path.join(root, 'work');
    const archives = path.join(root, 'archives');
    const programs = path.join(root, 'programs');
    for (const directory of [work, archives, programs]) await mkdir(directory);
    const directories = { root, work, archives, programs };
    const env = environmentOf(options.environment, directories);
    await confineTar(programs, { ...env, PATH: options.environment['PATH'] ?? '' });
    return new TransferProcess(directories, env, options);
  }

  private constructor(
    directories: Directories,
    env: Readonly<Record<string, string>>,
    { program, reporter }: TransferOptions,
  ) {
    this.#directories = directories;
    this.#running = start(process.execPath, [program], {
      cwd: directories.work,
      env,
      onLine: (line) => {
        this.#transfer = stateAfter(this.#transfer, line);
        if (this.#transfer.result !== undefined) this.#onResult();
        if (isProgress(line)) reporter.info(line);
      },
    });
    this.#running.finished.catch(() => {}); // carryOut throws it.
  }

  /** The directory that the order's path is relative to. */
  get work(): string {
    return this.#directories.work;
  }

  /**
   * Gives the process an order, and waits for its result. Only after a restored entry it takes another
   * order. Stops it when it makes no progress.
   * @returns what it said; the problems include why it was stopped
   */
  async carryOut(given: GivenOrder): Promise<TransferState> {
    const order = { ...given, id: randomUUID() };
    this.#transfer = initialState(order.id);
    this.#progress = { state: '', since: performance.now() };
    const watchdog = setInterval(() => this.#watch(order), interval);
    const result = new Promise<void>((resolve) => {
      this.#onResult = resolve;
    });
    this.#running.write(`${JSON.stringify(order)}\n`);
    try {
      await Promise.race([result, this.#running.finished]);
      if (this.#transfer.result?.outcome !== 'restored') {
        // What went wrong is on standard error, perhaps after the result.
        this.#running.send('');
        await this.#running.finished;
      }
    } finally {
      clearInterval(watchdog);
    }
    const { problems } = this.#transfer;
    return { ...this.#transfer, problems: [...problems, ...(this.#reason ? [this.#reason] : [])] };
  }

  /** Stops the process if it still runs, and deletes its directories. */
  async discard(): Promise<void> {
    this.#running.stop();
    // Until then it may write into its directories.
    await this.#running.finished.catch(() => {});
    await discard(this.#directories.root);
  }

  async #watch({ operation }: TransferOrder): Promise<void> {
    const archive = (await contentsOf(this.#directories.archives)).bytes;
    const unpacked = await contentsOf(this.work);
    const { matchedKey, archiveBytes, networkBytes } = this.#transfer;
    const download = matchedKey === undefined ? 'lookup' : 'download';
    const phase = operation === 'save' ? 'save' : download;
    // Retries must not reset the look-up timeout.
    const traffic = phase === 'lookup' ? 0 : networkBytes;
    const state = `${phase} ${archiveBytes} ${traffic} ${archive + unpacked.bytes}`;
    const now = performance.now();
    if (state !== this.#progress.state) this.#progress = { state, since: now };
    if (now - this.#progress.since > limits[phase] * 1000) {
      this.#stop(`${stalls[phase]} for ${limits[phase]} s`);
    }
    const hostile = operation === 'restore' ? hostility(unpacked, archive) : undefined;
    if (hostile !== undefined) this.#stop(hostile);
  }

  #stop(reason: string): void {
    this.#reason ??= reason;
    this.#running.stop();
  }
}

/**
 * The environment of the transfer process: that of other programs, and the cache service's address
 * and token. `TAR_OPTIONS` of the environment could undo the confinement of tar.
 */
function environmentOf(
  environment: TransferOptions['environment'],
  { work, archives, programs }: Directories,
): Record<string, string> {
  const service = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && /^ACTIONS_(?:RUNTIME|RESULTS|CACHE)_/i.test(entry[0]),
  );
  return {
    ...environmentForPrograms(environment),
    ...Object.fromEntries(service),
    PATH: [programs, environment['PATH'] ?? ''].join(path.delimiter),
    // GNU tar reads 10 KiB at a time otherwise; other tars ignore this variable.
    TAR_OPTIONS: '--blocking-factor=128',
    GITHUB_WORKSPACE: work,
    RUNNER_TEMP: archives,
  };
}
