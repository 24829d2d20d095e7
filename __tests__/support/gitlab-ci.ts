/**
 * A stand-in for GitLab CI and its runner: it merges included files, runs jobs one after the other,
 * each in a new clone, passes on dotenv reports, and stores caches. It supports what the template of
 * this repository uses, and throws on everything else.
 *
 * Follows the documentation (ci/yaml, ci/variables/where_variables_can_be_used, ci/caching) and
 * gitlab-org/gitlab-runner (shells/abstract.go).
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { start } from './command-line.ts';
import type { Mapping, Node } from './yaml.ts';

type Variables = Readonly<Record<string, string>>;

const knownKeys = new Set([
  ...['stage', 'image', 'extends', 'variables', 'before_script', 'script', 'artifacts', 'cache'],
  ...['needs', 'tags'],
]);

/** Merges included files and the pipeline's own, and resolves `extends` and `!reference`. */
export function resolveConfiguration(...files: readonly Mapping[]): Record<string, Mapping> {
  const merged = files.reduce((sum, file) => deepMerge(sum, file), {}) as Record<string, Mapping>;
  const extended = (name: string): Mapping => {
    const { extends: parents = [], ...own } = merged[name] ?? {};
    assert.ok(merged[name], `no job ${name}`);
    return deepMerge(
      [parents]
        .flat()
        .map((parent) => extended(String(parent)))
        .reduce(deepMerge, {}),
      own,
    );
  };
  const jobs: Record<string, Mapping> = {};
  for (const name of Object.keys(merged)) {
    if (name === 'variables' || name === 'stages') continue;
    const job = extended(name);
    for (const key of Object.keys(job)) assert.ok(knownKeys.has(key), `no such key: ${key}`);
    for (const part of ['before_script', 'script']) {
      if (part in job) {
        job[part] = [job[part] ?? []].flat().flatMap((line): Node[] => {
          const reference = (line as Mapping)['!reference'];
          if (!Array.isArray(reference)) return [line as Node];
          const [other, key] = reference.map(String) as [string, string];
          return [extended(other)[key] as Node].flat();
        });
      }
    }
    jobs[name] = job;
  }
  return jobs;
}

function deepMerge(one: Mapping, other: Mapping): Mapping {
  const result: Mapping = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const before = result[key];
    result[key] = isMapping(before) && isMapping(value) ? deepMerge(before, value) : value;
  }
  return result;
}

function isMapping(node: Node | undefined): node is Mapping {
  return typeof node === 'object' && node !== null && !Array.isArray(node);
}

/** The cache of a project's runners, where a new entry replaces the old one with the same key. */
export class GitlabCache {
  readonly #root = mkdtempSync(join(tmpdir(), 'gitlab-cache-'));
  /** Key → directory. */
  readonly entries = new Map<string, string>();
  #count = 0;

  restore(keys: readonly string[], project: string): string | undefined {
    const found = keys.find((key) => this.entries.has(key));
    if (found !== undefined) {
      cpSync(String(this.entries.get(found)), project, { recursive: true });
    }
    return found;
  }

  save(key: string, paths: readonly string[], project: string): void {
    const content = join(this.#root, String(this.#count++));
    for (const path of paths) {
      const from = join(project, path);
      if (existsSync(from)) cpSync(from, join(content, path), { recursive: true });
    }
    if (existsSync(content)) this.entries.set(key, content);
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export interface RunnerJob {
  readonly configuration: Readonly<Record<string, Mapping>>;
  /** Jobs in the order in which they run; each gets the reports of earlier ones. */
  readonly jobs: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly cache: GitlabCache;
  /** Variables of the project or the group. */
  readonly variables?: Variables;
  /** Variables of the machine. */
  readonly env?: Variables;
  /** Runs at the end of each job, before its directories are removed. */
  readonly atEnd?: (name: string, project: string) => void;
}

export interface RunnerResult {
  readonly failed: string | undefined;
  readonly log: string;
  /** Job → the key that its first cache was restored from; undefined on a miss. */
  readonly restored: Readonly<Record<string, string | undefined>>;
}

/** Runs a pipeline. */
export async function runPipeline(pipeline: RunnerJob): Promise<RunnerResult> {
  let reports: Variables = {};
  let log = '';
  const restored: Record<string, string | undefined> = {};
  for (const name of pipeline.jobs) {
    const job = pipeline.configuration[name] ?? assert.fail(`no job ${name}`);
    const place = realpathSync(mkdtempSync(join(tmpdir(), 'gitlab-job-')));
    const project = join(place, 'builds', 'group', 'project');
    mkdirSync(join(place, 'home'));
    for (const [file, content] of Object.entries(pipeline.files)) {
      mkdirSync(dirname(join(project, file)), { recursive: true });
      writeFileSync(join(project, file), content);
    }
    try {
      const own = Object.entries((job['variables'] ?? {}) as Mapping);
      const variables: Variables = {
        CI: 'true',
        GITLAB_CI: 'true',
        CI_PROJECT_DIR: project,
        CI_JOB_NAME: name,
        ...pipeline.variables,
        ...Object.fromEntries(own.map(([key, value]) => [key, String(value)])),
        ...reports,
      };
      const expand = (text: Node): string =>
        String(text).replace(/\$\{(\w+)\}|\$(\w+)/g, (_all, braced, bare) => {
          return variables[braced ?? bare] ?? '';
        });
      const caches = [job['cache'] ?? []].flat() as Mapping[];
      assert.ok(caches.length <= 4, 'GitLab takes four caches at most');
      for (const [order, { key = '', fallback_keys: others = [], policy }] of caches.entries()) {
        if (policy === 'push') continue;
        const keys = [key, ...(others as Node[])].map(expand).filter((each) => each !== '');
        const found = pipeline.cache.restore(keys, project);
        if (order === 0) restored[name] = found;
      }
      const lines = ['before_script', 'script'].flatMap((part) => (job[part] ?? []) as string[]);
      const { exitCode, stdout, stderr } = await start(
        // The only shell that every image has.
        ['sh', '-e', '-c', lines.join('\n')],
        {
          cwd: project,
          env: {
            PATH: process.env['PATH'] ?? '',
            LANG: 'C.UTF-8',
            HOME: join(place, 'home'),
            ...pipeline.env,
            ...variables,
          },
        },
      );
      log += stdout + stderr;
      for (const { key = '', paths = [], policy, when } of caches) {
        if (policy === 'pull' || (exitCode !== 0 && when !== 'always')) continue;
        const expanded = expand(key);
        if (expanded !== '') pipeline.cache.save(expanded, paths as string[], project);
      }
      pipeline.atEnd?.(name, project);
      if (exitCode !== 0) return { failed: name, log, restored };
      const { reports: { dotenv } = {} } = (job['artifacts'] ?? {}) as {
        reports?: { dotenv?: string };
      };
      if (dotenv !== undefined) {
        const text = readFileSync(join(project, dotenv), 'utf8');
        const pairs = [...text.matchAll(/^(\w+)=(.*)$/gm)].map((match) => match.slice(1, 3));
        reports = { ...reports, ...(Object.fromEntries(pairs) as Variables) };
      }
    } finally {
      rmSync(place, { recursive: true, force: true, maxRetries: 3 });
    }
  }
  return { failed: undefined, log, restored };
}
