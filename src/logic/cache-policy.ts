/** Whether a workflow's event may read and write the cache when the inputs say `auto`. */

/** The event that a workflow runs for. */
export interface WorkflowEvent {
  readonly name: string;
  /** `refs/heads/main`, `refs/tags/v1`, … */
  readonly ref: string;
  /** `owner/name` of the repository that the workflow runs in. */
  readonly repository: string;
  /** For pull requests, `owner/name` of the repository that the change comes from. */
  readonly headRepository: string | undefined;
}

/**
 * The event, from what the runner hands to every action.
 * @param environment of the action: `GITHUB_EVENT_NAME`, `GITHUB_REF`, `GITHUB_REPOSITORY`
 * @param payload the JSON value of the file that `GITHUB_EVENT_PATH` names; of any form
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
    // A fork that was deleted has no repository any more, but was one.
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
  /** What people should know about it. */
  readonly notices: readonly string[];
}

/**
 * A release is not built from a cache that any job of the repository may have written; privileged
 * events must not write what unprivileged ones could have shaped; saves that nobody can restore
 * (merge queues, forks) only push others out.
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
  // Whatever starts a run for a tag (a push, a dispatch, a deployment), releases are built there.
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
