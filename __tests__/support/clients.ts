/** Plain pip and uv with a cache directory that is kept between jobs, as users have them. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { uvCommand } from '../../scripts/tools.mjs';
import { distributionsIn, linkedPython } from './jobs.ts';
import { type PipVersion, sitePackages } from './python.ts';

export interface Client {
  /** Installs into a new environment, with the cache of the previous call. */
  install(indexUrl: string, requirements: readonly string[]): Promise<string[]>;
  remove(): void;
}

type Tool = (
  python: string,
  requirements: readonly string[],
) => { command: string; args: string[]; env: (url: string, cache: string) => Environment };
type Environment = Record<string, string>;

function client(pip: PipVersion | undefined, tool: Tool): Client {
  const root = mkdtempSync(join(tmpdir(), 'client-'));
  let jobs = 0;
  return {
    async install(indexUrl, requirements) {
      const last = join(root, `cache-${jobs}`);
      jobs += 1;
      const cache = join(root, `cache-${jobs}`);
      // As actions/cache restores it: the same content at another path.
      if (existsSync(last)) cpSync(last, cache, { recursive: true, preserveTimestamps: true });
      const environment = join(root, `environment-${jobs}`);
      const python = await linkedPython(environment, pip);
      const { command, args, env } = tool(python, requirements);
      await promisify(execFile)(command, args, {
        env: {
          PATH: process.env['PATH'] ?? '',
          LANG: 'C.UTF-8',
          HOME: root,
          ...env(indexUrl, cache),
        },
      });
      return distributionsIn(sitePackages(environment));
    },
    remove: () => rmSync(root, { recursive: true }),
  };
}

export function pipAlone(version: PipVersion): Client {
  return client(version, (python, requirements) => ({
    command: python,
    args: ['-m', 'pip', 'install', '-q', ...requirements],
    env: (url, cache) => ({
      PIP_INDEX_URL: url,
      PIP_CACHE_DIR: cache,
      // pip does not cache downloads over http from a host that it does not trust.
      PIP_TRUSTED_HOST: new URL(url).hostname,
      PIP_DISABLE_PIP_VERSION_CHECK: '1',
    }),
  }));
}

export function uvAlone(): Client {
  return client(undefined, (python, requirements) => ({
    command: uvCommand(),
    args: ['pip', 'install', '-q', '--python', python, ...requirements],
    env: (url, cache) => ({ UV_NO_CONFIG: '1', UV_DEFAULT_INDEX: url, UV_CACHE_DIR: cache }),
  }));
}
