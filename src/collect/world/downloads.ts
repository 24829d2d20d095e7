/** Downloads with pip, also for another machine, and reads the files. */
import { randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UserError } from '../../logic/errors.ts';
import type { Interpreter } from '../../logic/model.ts';
import { errorExcerpt } from '../../logic/pip-output.ts';
import { WebError } from '../../logic/web.ts';
import type { PipResult, Python, Reporter, WebClient } from '../../ports.ts';
import { webAdapter } from '../../world/client.ts';
import { discard, fileSha256, temporaryDirectory } from '../../world/disk.ts';
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
      pip: PipAccess,
    ): Promise<readonly IndexPage[]> {
      return throughPip(interpreter, pip, (client) =>
        Promise.all(urls.map((url) => indexPage(client, url))),
      );
    },
    async digests(
      interpreter: Interpreter,
      urls: readonly string[],
      pip: PipAccess,
    ): Promise<readonly (string | undefined)[]> {
      const directory = await temporaryDirectory(tmpdir(), 'wheelhouse-digests');
      try {
        return await throughPip(interpreter, pip, (client) =>
          Promise.all(urls.map((url) => digest(client, url, directory))),
        );
      } finally {
        await discard(directory);
      }
    },
  };
}

/** pip's own session downloads, so that this sees what pip sees. */
async function throughPip<T>(
  { executable: python }: Interpreter,
  { cwd, env }: PipAccess,
  work: (client: WebClient) => Promise<T>,
): Promise<T> {
  const client = webAdapter().open({
    indexes: [],
    trust: { trustedHosts: [], certificates: undefined },
    environment: env,
    pip: { use: 'always', python, cwd, env },
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function indexPage(client: WebClient, address: string): Promise<IndexPage> {
  try {
    const { contentType, text: body, url } = await client.page(address);
    return { status: 200, contentType, url, body, fault: undefined };
  } catch (error) {
    if (!(error instanceof WebError)) throw error;
    const { status, message: fault } = error;
    return { status, contentType: '', url: '', body: '', fault };
  }
}

async function digest(
  client: WebClient,
  url: string,
  directory: string,
): Promise<string | undefined> {
  const file = path.join(directory, randomUUID());
  try {
    return (await client.file(url, file)).sha256;
  } catch (error) {
    if (error instanceof WebError) return undefined;
    throw error;
  } finally {
    await rm(file, { force: true });
  }
}
