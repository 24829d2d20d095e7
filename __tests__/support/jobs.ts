/**
 * Jobs that can run in parallel: nothing here blocks the servers of the same process, and a Python
 * environment is cheap to create.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { pipVersions, root } from '../../scripts/tools.mjs';
import { freshPython, type PipVersion, sitePackages } from './python.ts';
import { createJob, type Job, type JobOptions, type StepResult } from './runner.ts';

export interface SideJob {
  readonly files?: Record<string, string>;
  readonly with?: Record<string, string | boolean>;
  readonly env?: Record<string, string>;
  readonly pip?: PipVersion;
  readonly job?: Omit<JobOptions, 'files' | 'env'>;
  /** Run the post step too. */
  readonly post?: boolean;
  /** Runs while main runs. */
  readonly meanwhile?: (job: Job, pid: number) => Promise<void>;
  /** Runs at the end, before the job's directories are removed. */
  readonly atEnd?: (job: Job, result: SideResult) => Promise<void> | void;
}

export interface SideResult {
  readonly main: StepResult;
  readonly post: StepResult | undefined;
  /** Installed packages except pip, as `name==version`. */
  readonly installed: string[];
  readonly lock: string;
}

const patterns = new Map<PipVersion, string>();
let patternRoot: string | undefined;

/** The virtual environment that others are copied from; created once per pip. */
function pattern(pip: PipVersion): string {
  if (patternRoot === undefined) {
    const made = realpathSync(mkdtempSync(join(tmpdir(), 'pythons-')));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    patternRoot = made;
  }
  const directory = patterns.get(pip) ?? join(patternRoot, `pip-${pip}`);
  if (!patterns.has(pip)) freshPython(directory, pip);
  patterns.set(pip, directory);
  return directory;
}

/**
 * Creates a virtual environment with that pip and nothing else. Its files are hard links to a shared
 * copy: replace them instead of writing into them.
 * @returns the path of its interpreter
 */
export async function linkedPython(
  directory: string,
  pip: PipVersion = String(pipVersions.at(-1)),
): Promise<string> {
  const flags = process.platform === 'linux' ? '-al' : '-a';
  await promisify(execFile)('cp', [flags, pattern(pip), directory]);
  return join(directory, 'bin', 'python');
}

/** The distributions in a site-packages directory except pip, as `name==version`. */
export function distributionsIn(directory: string): string[] {
  return readdirSync(directory)
    .flatMap((name) => /^(.+)-([^-]+)\.dist-info$/.exec(name)?.slice(1, 3).join('==') ?? [])
    .filter((name) => !name.startsWith('pip=='))
    .sort();
}

/** Runs a job that uses the action, in its own environment. */
export async function sideJob(options: SideJob): Promise<SideResult> {
  const job = createJob({
    timeout: 60_000,
    ...options.job,
    files: options.files ?? {},
    env: { PIP_RETRIES: '0', ...options.env },
  });
  try {
    const environment = join(job.root, 'environment');
    const python = await linkedPython(environment, options.pip);
    const running = job.start({ action: root, with: { python, ...options.with } });
    await options.meanwhile?.(job, Number(running.child.pid));
    const main = await running.result;
    const lockFile = main.outputs['lock-file'];
    const lock = lockFile ? readFileSync(lockFile, 'utf8') : '';
    const post = options.post ? (await job.post())[0] : undefined;
    const result = { main, post, installed: distributionsIn(sitePackages(environment)), lock };
    await options.atEnd?.(job, result);
    return result;
  } finally {
    job.cleanup();
  }
}

/** The annotations of the main step as `level: message`. */
export function said({ main }: { main: StepResult }): string[] {
  return main.annotations.map(({ level, message }) => `${level}: ${message}`);
}
