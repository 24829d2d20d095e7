/** What the tests of the mirror share: an index with two projects, and clients. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

import { type IndexOptions, type IndexServer, startIndex } from '../support/index-server.ts';
import { wheel } from '../support/packages.ts';
import { freshPython, type PipVersion } from '../support/python.ts';
import { plainEnvironment, scratch } from './nginx.ts';

/** Options for `describe`. Three tests run at a time, because they mostly wait. */
export const onLinux = {
  skip: process.platform === 'linux' ? false : 'nginx is tested on Linux only',
  concurrency: 3,
};

export const jsonType = 'application/vnd.pypi.simple.v1+json';
/** Headers of clients that request a page as JSON or as HTML. */
export const json = { accept: jsonType };
export const html = { accept: 'text/html' };

export const alpha1 = wheel({ name: 'alpha', version: '1.0', requires: ['beta'], size: 30_000 });
export const alpha2 = wheel({ name: 'alpha', version: '2.0', requires: ['beta'], size: 30_000 });
/** For a Python that no test runs, with a character that URLs may escape. */
export const alphaLocal = wheel({ name: 'alpha', version: '3.0+local.1', tag: 'cp27-cp27m-win32' });
export const alpha = [alpha1, alpha2, alphaLocal];
export const beta = wheel({ name: 'beta', version: '1.0' });

/** Starts an index with `alpha` and `beta`, until the test ends. */
export async function indexFor(t: TestContext, options: IndexOptions = {}): Promise<IndexServer> {
  const index = await startIndex({ distributions: [...alpha, beta], ...options });
  t.after(() => index.close());
  return index;
}

/** Shortens how long pages are fresh, and how long stale ones are served while they are refreshed. */
export function pagesExpire(fresh: number, whileFetching: number): (config: string) => string {
  return (config) =>
    config.replace(
      'max-age=300, stale-while-revalidate=300',
      `max-age=${fresh}, stale-while-revalidate=${whileFetching}`,
    );
}

/** A function that downloads alpha and beta as a client with an empty cache; returns the files. */
export function pipClient(
  t: TestContext,
  index: string,
  version: PipVersion,
): (client: string) => Promise<string[]> {
  const directory = scratch(t);
  const python = freshPython(join(directory, 'venv'), version);
  return async (client) => {
    const destination = join(directory, client);
    const args = ['-m', 'pip', 'download', '-q', '--dest', destination, 'alpha'];
    await promisify(execFile)(python, args, {
      env: {
        ...plainEnvironment(),
        PIP_CONFIG_FILE: '/dev/null',
        PIP_INDEX_URL: index,
        PIP_RETRIES: '0',
        PIP_CACHE_DIR: join(directory, `${client}-cache`),
        PIP_DISABLE_PIP_VERSION_CHECK: '1',
      },
    });
    return readdirSync(destination).sort();
  };
}

/** Targets of the links of an HTML page, as written. */
export function hrefs(page: Buffer): string[] {
  return [...page.toString().matchAll(/href="([^"]*)"/g)].map(([, link = '']) => link);
}
