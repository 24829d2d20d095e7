/** Jobs that use the action, with the test's own index and cache service. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import { type CacheService, type JobIdentity, startCacheService } from './cache-service.ts';
import { type IndexOptions, type IndexServer, startIndex } from './index-server.ts';
import { freshPython, installed as installedIn, type PipVersion } from './python.ts';
import { createJob, type Job, type JobOptions, type StepResult } from './runner.ts';

/** What one job did. */
export interface JobResult {
  readonly main: StepResult;
  readonly post: StepResult | undefined;
  /** Distributions in the environment after the job, as `pip freeze` writes them. */
  readonly installed: string[];
  /** Files of the wheelhouse after the main step. */
  readonly wheelhouse: string[];
  readonly lock: string;
  /** Requests that the index got during the main step. */
  readonly requests: number;
  /** Names of the wheels and sdists that the index sent completely, in order. */
  readonly artifacts: string[];
}

export interface RunOptions {
  readonly files?: Record<string, string | Buffer>;
  readonly with?: Record<string, string | boolean>;
  readonly env?: Record<string, string>;
  readonly pip?: PipVersion;
  readonly job?: Omit<JobOptions, 'files' | 'env'>;
  /** Whose token the job has. */
  readonly identity?: JobIdentity;
  /** Runs between main and post. */
  readonly between?: (job: Job, main: StepResult, python: string) => Promise<void> | void;
  /** Runs before main. */
  readonly before?: (job: Job, python: string) => Promise<void> | void;
  readonly noPost?: boolean;
}

export interface Scenario {
  readonly index: IndexServer;
  readonly cache: CacheService;
  run(options: RunOptions): Promise<JobResult>;
}

/** Starts an index and a cache service, until the end of the test file. */
export async function startScenario(options: IndexOptions = {}): Promise<Scenario> {
  const index = await startIndex(options);
  const cache = await startCacheService();
  after(async () => {
    await cache.close();
    await index.close();
  });

  async function run({
    identity,
    pip,
    between,
    before,
    noPost,
    ...rest
  }: RunOptions): Promise<JobResult> {
    const job = createJob({
      ...rest.job,
      files: rest.files ?? {},
      env: {
        ...cache.env(identity),
        PIP_INDEX_URL: index.url,
        PIP_RETRIES: '0',
        ...rest.env,
      },
    });
    try {
      const python = freshPython(join(job.root, 'environment'), pip);
      await before?.(job, python);
      index.reset();
      const main = await job.step({ action: root, with: { python, ...rest.with } });
      const requests = index.count();
      const artifacts = index.artifacts();
      const place = main.outputs['wheelhouse'];
      const wheelhouse = place ? readdirSync(place).sort() : [];
      const lock = main.outputs['lock-file'] ? readFileSync(main.outputs['lock-file'], 'utf8') : '';
      await between?.(job, main, python);
      const installed = installedIn(python);
      const post = noPost ? undefined : (await job.post())[0];
      return { main, post, installed, wheelhouse, lock, requests, artifacts };
    } finally {
      job.cleanup();
    }
  }
  return { index, cache, run };
}

/** The messages of one kind of annotation. */
export function annotations(
  step: StepResult | undefined,
  level: 'error' | 'warning' | 'notice',
): string[] {
  return (step?.annotations ?? [])
    .filter((each) => each.level === level)
    .map((each) => each.message);
}
