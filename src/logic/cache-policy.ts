/** Whether a run may restore from and save to the cache, depending on its event. */

/** The event that triggered a workflow. */
export interface WorkflowEvent {
  readonly name: string;
  /** `refs/heads/main`, `refs/tags/v1`, … */
  readonly ref: string;
  /** `owner/name` of the repository that the workflow runs in. */
  readonly repository: string;
  /** For a pull request, `owner/name` of the repository with the change. */
  readonly headRepository: string | undefined;
}

/**
 * The event of a workflow, from the runner's variables.
 * @param environment of the action: `GITHUB_EVENT_NAME`, `GITHUB_REF`, `GITHUB_REPOSITORY`
 * @param payload the JSON value of the file in `GITHUB_EVENT_PATH`, not validated
 * @see https://docs.github.com/en/webhooks/webhook-events-and-payloads
 */
export function workflowEvent(
  environment: Readonly<Record<string, string>>,
  payload: unknown,
): WorkflowEvent {
  const pull = field(payload, 'pull_request');
  const from = field(field(field(pull, 'head'), 'repo'), 'full_name');
  return {
    name: environment['GITHUB_EVENT_NAME'] ?? '',
    ref: environment['GITHUB_REF'] ?? '',
    repository: environment['GITHUB_REPOSITORY'] ?? '',
    // The repository of a deleted fork is null.
    headRepository: pull ? String(from ?? '') : undefined,
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

export type Setting = 'auto' | 'true' | 'false';

export interface CachePolicy {
  readonly restore: boolean;
  readonly save: boolean;
  /** Messages for the user. */
  readonly notices: readonly string[];
}

/**
 * With `auto`, a release does not use a cache that any job of the repository may have written, an
 * event with privileges does not save content that one without could have influenced, and a run
 * whose entry nobody could restore (merge queues, forks) does not evict other entries.
 */
export function cachePolicy(
  event: WorkflowEvent | undefined,
  restore: Setting,
  save: Setting,
): CachePolicy {
  const reason = event && restoreRisk(event);
  const saveReason = reason ?? (event && saveRisk(event));
  const notices: string[] = [];
  const decide = (input: string, setting: Setting, risk: string | undefined): boolean => {
    if (setting === 'false') return false;
    if (risk === undefined) return true;
    if (setting === 'true') {
      notices.push(`${input} is true, though ${risk}: the cache is used, as configured.`);
      return true;
    }
    return false;
  };
  const restores = decide('restore-cache', restore, reason);
  const saves = decide('save-cache', save, saveReason);
  if (!restores && restore === 'auto') {
    notices.push(
      `The cache is not used: ${reason}. Set restore-cache and save-cache to true to use it anyway.`,
    );
  }
  return { restore: restores, save: saves, notices };
}

function restoreRisk(event: WorkflowEvent): string | undefined {
  if (event.name === 'release') return 'this run is for a release';
  // Releases are built from tags, whether a push, a dispatch or a deployment starts the run.
  if (event.ref.startsWith('refs/tags/')) return 'this run is for a tag';
  if (event.name === 'pull_request_target' || event.name === 'workflow_run') {
    return `${event.name} runs with permissions that the author of the change may not have`;
  }
  return undefined;
}

function saveRisk(event: WorkflowEvent): string | undefined {
  if (event.name === 'merge_group') return 'no later run can restore what a merge queue saves';
  if (event.name === 'issue_comment') return 'GitHub makes the cache read-only for issue_comment';
  if (event.headRepository !== undefined && event.headRepository !== event.repository) {
    return 'this pull request comes from a fork';
  }
  return undefined;
}
