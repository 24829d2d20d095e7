/** A private feed: what its project pages say, and the program that uploads to it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:http';

import { HttpClient, type HttpClientResponse } from '@actions/http-client';

import { messageOf } from '../plan/model.ts';
import {
  type Command,
  type FeedAccess,
  type FeedAnswer,
  type FeedFile,
  readAnswer,
  readForeignRedirect,
} from '../plan/publish.ts';
import { withoutSecrets } from '../plan/secrets.ts';
import type { Reporter } from '../ports.ts';
import { type Finished, run } from './process.ts';

/** Milliseconds for one page, redirects included. */
const pageLimit = 30_000;
/** Milliseconds for one file. */
const fileLimit = 600_000;
const tries = 3;
/** Milliseconds between them: a restarting feed answers 503 for a moment. */
const pause = 1000;
const maxRedirects = 5;
/** Bytes: no project's page is longer. */
const maxPage = 64 * 1024 * 1024;

/** JSON first, as pip asks. */
const accept =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';

/**
 * Asks one feed.
 * @param certificates path of a file of certificates to trust instead of Node's own
 */
export function feedAdapter(access: FeedAccess, certificates: string | undefined) {
  return {
    async ask(project: string): Promise<FeedAnswer> {
      const page = new URL(`${project}/`, access.url);
      let answer: FeedAnswer = { state: 'unreadable', reason: 'it was not asked' };
      for (let attempt = 1; attempt <= tries; attempt += 1) {
        answer = await askOnce(page, project, access, certificates);
        if (answer.state !== 'unreadable') return answer;
        if (attempt < tries) await new Promise((resolve) => setTimeout(resolve, pause));
      }
      return answer;
    },
    async digest({ url }: FeedFile): Promise<string> {
      const signal = AbortSignal.timeout(fileLimit);
      const { response } = await follow(new URL(url), () => true, access, certificates, signal);
      const { statusCode } = response.message;
      if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
      const hash = createHash('sha256');
      for await (const chunk of response.message) hash.update(chunk as Buffer);
      return hash.digest('hex');
    },
  };
}

async function askOnce(
  page: URL,
  project: string,
  access: FeedAccess,
  certificates: string | undefined,
): Promise<FeedAnswer> {
  const signal = AbortSignal.timeout(pageLimit);
  try {
    const isFeed = (url: URL): boolean => url.origin === page.origin;
    const { response, url } = await follow(page, isFeed, access, certificates, signal);
    if (!isFeed(url)) return readForeignRedirect(url, project);
    const { statusCode = 0, headers } = response.message;
    const body = await textOf(response);
    return readAnswer(statusCode, headers['content-type'] ?? '', body, url.href);
  } catch (error) {
    if (signal.aborted) {
      return { state: 'unreadable', reason: `it does not answer within ${pageLimit / 1000} s` };
    }
    const { code } = error as NodeJS.ErrnoException;
    return { state: 'unreadable', reason: withoutSecrets(code ?? messageOf(error)) };
  }
}

/**
 * Follows redirects by hand: credentials are for the feed's origin alone.
 * @param mayFollow what is not followed ends the way: its URL comes with the answer that led there
 */
async function follow(
  start: URL,
  mayFollow: (url: URL) => boolean,
  access: FeedAccess,
  certificates: string | undefined,
  signal: AbortSignal,
): Promise<{ response: HttpClientResponse; url: URL }> {
  const { origin } = new URL(access.url);
  let url = start;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const credentials = url.origin === origin ? access : undefined;
    const response = await get(url, credentials, certificates, signal);
    const { statusCode = 0, headers } = response.message;
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
      return { response, url };
    }
    url = new URL(headers.location, url);
    response.message.destroy();
    if (!mayFollow(url)) return { response, url };
  }
  throw new Error('it redirects without end');
}

async function get(
  url: URL,
  credentials: FeedAccess | undefined,
  certificates: string | undefined,
  signal: AbortSignal,
): Promise<HttpClientResponse> {
  const ca = certificates === undefined ? undefined : await readFile(certificates);
  const handler = {
    prepareRequest(request: RequestOptions & { ca?: Buffer }): void {
      request.signal = signal;
      if (ca) request.ca = ca;
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error('not handled')),
  };
  const client = new HttpClient('wheelhouse', [handler], {
    allowRedirects: false,
    allowRetries: false,
    keepAlive: false,
  });
  const { username, password = '' } = credentials ?? {};
  const basic = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
  return client.get(url.href, {
    accept,
    ...(username === undefined ? {} : { authorization: `Basic ${basic}` }),
  });
}

async function textOf(response: HttpClientResponse): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.message) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > maxPage) throw new Error('its page has no end');
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Runs programs that are not pip. */
export function programsAdapter(reporter: Reporter) {
  return {
    async run(
      [program, ...first]: Command,
      args: readonly string[],
      {
        cwd,
        env,
        quiet = false,
      }: {
        readonly cwd: string;
        readonly env: Readonly<Record<string, string>>;
        readonly quiet?: boolean;
      },
    ): Promise<Finished | undefined> {
      try {
        return await run(program, [...first, ...args], {
          cwd,
          env,
          ...(quiet ? {} : { onLine: (line: string) => reporter.foreign(line) }),
        });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'EACCES') return undefined;
        throw error;
      }
    },
  };
}
