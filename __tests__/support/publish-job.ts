/** Jobs that publish, and what tests read from them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { root } from '../../scripts/tools.mjs';
import type { IndexServer } from './index-server.ts';
import { linkedPython } from './jobs.ts';
import type { Distribution } from './packages.ts';
import { credentials, type PrivateFeed } from './publish-feeds.ts';
import { createJob, type Job, type StepResult } from './runner.ts';
import { annotations } from './scenario.ts';

export interface PublishRun {
  readonly with?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
  readonly feed?: string;
  readonly path?: string;
  readonly meanwhile?: (job: Job, step: StepResult) => Promise<void>;
}

/** The default source and target of a publish job. */
export interface Scene {
  readonly index: IndexServer;
  readonly feed: PrivateFeed;
  /** Directory of the uploaders. */
  readonly tools: string;
}

/** Runs publish/action.yml in its own job. */
export async function publishFrom(
  { index, feed, tools }: Scene,
  options: PublishRun,
): Promise<StepResult> {
  const job = createJob({
    files: options.files ?? {},
    path: [options.path ?? tools],
    env: { PIP_INDEX_URL: index.url, PIP_RETRIES: '0', ...options.env },
  });
  try {
    const python = await linkedPython(join(job.root, 'environment'));
    const step = await job.step({
      action: join(root, 'publish'),
      with: {
        python,
        'feed-url': options.feed ?? feed.url,
        'feed-username': credentials.username,
        'feed-password': credentials.password,
        ...options.with,
      },
    });
    await options.meanwhile?.(job, step);
    return step;
  } finally {
    job.cleanup();
  }
}

/** Numbers of files: uploaded, already present, in conflict. */
export function counts({ outputs }: StepResult): string[] {
  return ['uploaded', 'present', 'conflicts'].map((name) => String(outputs[name]));
}

/** Files that the log says would be uploaded. */
export function planned({ stdout }: StepResult): string[] {
  return [...stdout.matchAll(/^ +(\S+): would be uploaded$/gm)].map(([, file = '']) => file).sort();
}

/** Sorted file names. */
export function names(files: readonly Distribution[]): string[] {
  return files.map((file) => file.filename).sort();
}

/** The annotation of a step, which must have failed. */
export function error(step: StepResult): string {
  assert.equal(step.conclusion, 'failure', step.log);
  return annotations(step, 'error').join('\n');
}
