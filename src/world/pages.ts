/** Gets pages and files over HTTP, with redirects followed by hand. */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:http';

import { HttpClient, type HttpClientResponse } from '@actions/http-client';

import { basicCredentials } from '../logic/secrets.ts';

const maxRedirects = 5;

/** Bytes. The longest page of a real project that was seen, ddtrace's, has 19 MB of HTML (2026). */
export const maxPage = 32 * 1024 * 1024;

/** For project pages: JSON first, as pip asks. */
export const accept =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';

/** How a server is asked. */
export interface Access {
  /** Sent to the origin of the first URL alone. */
  readonly credentials: Credentials | undefined;
  /** Path of a file of certificates to trust instead of Node's own. */
  readonly certificates?: string | undefined;
  /** Its certificate need not be valid, as with pip's --trusted-host. */
  readonly isTrusted?: (url: URL) => boolean;
  /** Default: project pages. */
  readonly accept?: string;
  /** Ends it all. */
  readonly signal: AbortSignal;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** What came back, and from where. */
export interface Answer {
  readonly response: HttpClientResponse;
  readonly url: URL;
}

/**
 * Asks for a page or file. Redirects are followed here, as the client would take the credentials
 * along to other origins.
 * @param mayFollow what is not followed ends the way: its URL comes with the answer that led there
 * @throws Error of the connection, or when redirects have no end
 */
export async function follow(
  start: URL,
  access: Access,
  mayFollow: (url: URL) => boolean = () => true,
): Promise<Answer> {
  const { certificates } = access;
  const ca = certificates ? await readFile(certificates).catch(() => undefined) : undefined;
  let url = start;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await get(url, url.origin === start.origin, access, ca);
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
  isOrigin: boolean,
  { credentials, isTrusted, signal, accept: accepted = accept }: Access,
  ca: Buffer | undefined,
): Promise<HttpClientResponse> {
  const handler = {
    prepareRequest(request: RequestOptions & { ca?: Buffer }): void {
      request.signal = signal;
      if (ca === undefined) return;
      request.ca = ca;
      // Through a proxy the connection is made by the agent, which does not look at the request's.
      const agent = request.agent as { options?: { ca?: Buffer } } | undefined;
      if (agent) agent.options = { ...agent.options, ca };
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error('not handled')),
  };
  const client = new HttpClient('wheelhouse', [handler], {
    allowRedirects: false,
    allowRetries: false,
    ignoreSslError: isTrusted?.(url) ?? false,
    keepAlive: false,
  });
  return client.get(url.href, {
    accept: accepted,
    ...(credentials && isOrigin
      ? { authorization: `Basic ${basicCredentials(credentials.username, credentials.password)}` }
      : {}),
  });
}

/**
 * Asks once more, up to a number of tries, where the answer may be better a moment later.
 * @param tries at least 1
 * @param pause milliseconds between two: a server that restarts answers 503 for a moment
 */
export async function persistently<T>(
  ask: () => Promise<T>,
  isPassing: (answer: T) => boolean,
  { tries, pause }: { readonly tries: number; readonly pause: number },
): Promise<T> {
  const answer = await ask();
  if (tries <= 1 || !isPassing(answer)) return answer;
  await new Promise((resolve) => setTimeout(resolve, pause));
  return persistently(ask, isPassing, { tries: tries - 1, pause });
}

/**
 * The text of an answer.
 * @param limit bytes after which it is cut off, or more when it ends with a chunk
 */
export async function textOf(
  response: HttpClientResponse,
  limit: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const { bytes, isWhole } = await bytesOf(response, limit);
  return { text: bytes.toString('utf8'), isWhole };
}

/** As {@link textOf}, not decoded. */
export async function bytesOf(
  { message }: HttpClientResponse,
  limit: number,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= limit) break;
  }
  return { bytes: Buffer.concat(chunks), isWhole: size < limit };
}
