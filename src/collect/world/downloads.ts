/** Downloads with pip, also for another machine, and reads the files. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../logic/errors.ts';
import type { Interpreter } from '../../logic/model.ts';
import { errorExcerpt } from '../../logic/pip-output.ts';
import type { PipResult, Python, Reporter } from '../../ports.ts';
import { fileSha256 } from '../../world/disk.ts';
import { accept, maxPage } from '../../world/pages.ts';
import { runPip } from '../../world/python.ts';
import { asciiJson, runProgram } from '../../world/python-program.ts';
import type { DownloadedFile, FileMetadata, Identity, IndexPage } from '../logic/model.ts';
import type { PipAccess } from '../ports.ts';

/** @param environment the environment of programs other than pip */
export function downloadsAdapter(
  reporter: Reporter,
  environment: Readonly<Record<string, string>>,
) {
  return {
    pip: (
      interpreter: Interpreter,
      markers: Readonly<Record<string, string>>,
      args: readonly string[],
      options: Parameters<Python['pip']>[2],
    ): Promise<PipResult> =>
      runPip(reporter, interpreter, 'pip_elsewhere', [JSON.stringify(markers), ...args], options),
    async list(directory: string): Promise<readonly DownloadedFile[]> {
      const files: DownloadedFile[] = [];
      for (const file of (await readdir(directory)).sort()) {
        const whole = path.join(directory, file);
        files.push({ file, sha256: await fileSha256(whole), size: (await stat(whole)).size });
      }
      return files;
    },
    async metadata(
      interpreter: Interpreter,
      directory: string,
      files: readonly string[],
    ): Promise<readonly FileMetadata[]> {
      if (files.length === 0) return [];
      const { exitCode, stdout, output } = await runProgram(
        interpreter.executable,
        'file_metadata',
        [],
        {
          env: environment,
          input: asciiJson(files.map((file) => path.join(directory, file))),
        },
      );
      if (exitCode !== 0) throw new Error(`Could not read files: ${errorExcerpt(output)}`);
      const found = JSON.parse(stdout) as readonly {
        readonly identities?: readonly Identity[];
        readonly pyproject?: string | null;
        readonly fault?: string;
      }[];
      return found.map(({ identities = [], pyproject, fault }, index) => {
        if (fault !== undefined) {
          throw new UserError(
            `${files[index]} of the source index can't be read (${fault}). Exclude that version.`,
          );
        }
        return { identities, pyproject: pyproject ?? undefined };
      });
    },
    async pages(
      interpreter: Interpreter,
      urls: readonly string[],
      { directory, ...options }: PipAccess & { readonly directory: string },
    ): Promise<readonly IndexPage[]> {
      const answers = await throughPip(interpreter, { urls, directory }, options);
      const pages: IndexPage[] = [];
      for (const [index, { status, contentType = '', url = '', fault }] of answers.entries()) {
        const body =
          status === undefined ? '' : await readFile(path.join(directory, String(index)), 'utf8');
        pages.push({ status, contentType, url, body, fault });
      }
      return pages;
    },
    async digests(
      interpreter: Interpreter,
      urls: readonly string[],
      options: PipAccess,
    ): Promise<readonly (string | undefined)[]> {
      const answers = await throughPip(interpreter, { urls }, options);
      return answers.map(({ sha256 }) => sha256);
    },
  };
}

/** The script's result for one URL. */
interface SessionAnswer {
  readonly status?: number;
  readonly contentType?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly fault?: string;
}

async function throughPip(
  interpreter: Interpreter,
  job: { readonly urls: readonly string[]; readonly directory?: string },
  { cwd, env }: PipAccess,
): Promise<readonly SessionAnswer[]> {
  if (job.urls.length === 0) return [];
  // URLs may contain credentials, so they are not arguments.
  const input = asciiJson({ ...job, accept, limit: maxPage });
  const { exitCode, stdout, output } = await runProgram(interpreter.executable, 'index_pages', [], {
    cwd,
    env,
    input,
  });
  if (exitCode === 0) return JSON.parse(stdout) as SessionAnswer[];
  throw new UserError(
    `pip ${interpreter.pip} can't be used to ask the source index which files it lists: ${errorExcerpt(output)}. Use a different version of pip.`,
  );
}
