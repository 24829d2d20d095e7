/**
 * Runs workflows with act, an independent runner that evaluates expressions and supports composite
 * actions, reusable workflows and matrices. `npm run test:workflows` installs it.
 *
 * It runs without containers here. Each job gets a new workspace and a new RUNNER_TEMP, as on hosted
 * runners. act may lose the end of a job's output, so no test reads its log.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import { freshPython } from './python.ts';

const act = join(root, '.cache', 'bin', 'act');

/**
 * Creates a git repository with these files and these parts of the checkout, until the test ends.
 * @returns its directory
 */
export function makeRepository(
  t: TestContext,
  parts: readonly string[],
  files: Readonly<Record<string, string>>,
): string {
  const directory = mkdtempSync(join(tmpdir(), 'wheelhouse-repository-'));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  for (const part of parts) cpSync(join(root, part), join(directory, part), { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), content);
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'pipe' });
  git('init', '--quiet', '--initial-branch=main');
  // act takes GITHUB_REPOSITORY from the URL, GITHUB_SHA and GITHUB_REF from the commit.
  git('remote', 'add', 'origin', 'https://github.com/octo-org/example.git');
  git('add', '.');
  const author = ['-c', 'user.name=Octo', '-c', 'user.email=octo@example.com'];
  git(...author, '-c', 'commit.gpgsign=false', 'commit', '--quiet', '--message=First');
  return directory;
}

export interface ActRun {
  readonly repository: string;
  /** Relative to the repository. */
  readonly workflow: string;
  readonly vars?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Variables of every job. */
  readonly env?: Readonly<Record<string, string>>;
  /** `owner/name@ref` of an action → the directory to use for it. */
  readonly actions?: Readonly<Record<string, string>>;
}

/**
 * Runs a workflow. Its variable PYTHON is an interpreter without packages; a stand-in for
 * actions/setup-python puts a copy of it on PATH for each job.
 */
export async function runWorkflow({
  repository,
  workflow,
  vars = {},
  secrets = {},
  env = {},
  actions = {},
}: ActRun): Promise<{ exitCode: number | null; log: string }> {
  const place = mkdtempSync(join(tmpdir(), 'wheelhouse-act-'));
  const home = join(place, 'home');
  mkdirSync(home);
  const python = freshPython(join(place, 'python'));
  const options = (name: string, values: Readonly<Record<string, string>>): string[] =>
    Object.entries(values).map(([key, value]) => `--${name}=${key}=${value}`);
  const child = spawn(
    act,
    [
      'push',
      ...['--workflows', workflow],
      ...['--platform', 'ubuntu-latest=-self-hosted'],
      // act's own cache server supports only the first version of the service.
      '--no-cache-server',
      ...['--action-cache-path', join(place, 'act')],
      ...options('var', { PYTHON: python, ...vars }),
      ...options('secret', secrets),
      ...options('env', { SETUP_PYTHON: dirname(dirname(python)), ...env }),
      ...options('local-repository', { ...setupPython(repository, place), ...actions }),
    ],
    {
      cwd: repository,
      // Without containers, act passes its own environment on to the jobs, and runs actions with the
      // first node on PATH, whichever version they request.
      env: {
        PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
        HOME: home,
        LANG: 'C.UTF-8',
        PIP_CONFIG_FILE: devNull,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const deadline = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  clearTimeout(deadline);
  rmSync(place, { recursive: true, force: true, maxRetries: 3 });
  return { exitCode, log };
}

/** A stand-in for actions/setup-python, for every version that the repository's files name. */
function setupPython(repository: string, place: string): Record<string, string> {
  const stub = join(place, 'setup-python');
  mkdirSync(stub);
  writeFileSync(
    join(stub, 'action.yml'),
    `name: Python
description: A Python of this job's own
inputs:
  python-version:
    description: Which one is asked for
    required: true
runs:
  using: composite
  steps:
    - shell: bash
      run: |
        cp -a "$SETUP_PYTHON" "$RUNNER_TEMP/python"
        echo "$RUNNER_TEMP/python/bin" >> "$GITHUB_PATH"
`,
  );
  // grep fails without a match; no stand-in is needed then.
  const search = ['grep', '-h', '--only-matching', 'actions/setup-python@[0-9a-f]*'];
  const names = spawnSync('git', search, { cwd: repository, encoding: 'utf8' }).stdout;
  return Object.fromEntries(names.split('\n').flatMap((name) => (name ? [[name, stub]] : [])));
}
