/** Downloads pages and files over HTTP. Follows redirects itself, to protect credentials. */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:http';

import type { HttpClientResponse } from '@actions/http-client';

import { basicCredentials } from '../logic/secrets.ts';

const maxRedirects = 5;

/** Bytes. The longest known page of a real project, ddtrace's, has 19 MB of HTML (2026). */
export const maxPage = 32 * 1024 * 1024;

/** For project pages: prefers JSON, like pip. */
export const accept =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';

/** How a request is made. */
export interface Access {
  /** Sent only to the origin of the first URL. */
  readonly credentials: Credentials | undefined;
  /** Path of a file of certificates to trust instead of Node's own. */
  readonly certificates?: string | undefined;
  /** Whether a server's certificate may be invalid, as with pip's --trusted-host. */
  readonly isTrusted?: (url: URL) => boolean;
  /** Project pages by default. */
  readonly accept?: string;
  /** Aborts the request. */
  readonly signal: AbortSignal;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A response, and the URL that sent it. */
export interface Answer {
  readonly response: HttpClientResponse;
  readonly url: URL;
}

/**
 * Requests a page or file, and follows redirects; the client would send the credentials to other
 * origins as well.
 * @param mayFollow stops at a redirect: the answer then has the redirect's target as its URL
 * @throws Error of the connection, or when there are too many redirects
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
  throw new Error('it redirects too many times');
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
      // Behind a proxy the agent makes the connection, with its own options.
      const agent = request.agent as { options?: { ca?: Buffer } } | undefined;
      if (agent) agent.options = { ...agent.options, ca };
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error('not handled')),
  };
  // Most runs ask for no page: the library takes a while to load.
  const { HttpClient } = await import('@actions/http-client');
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
 * Repeats a request while its answer may be temporary.
 * @param attempts at least 1
 * @param pause milliseconds between two attempts: a server that restarts answers 503 for a moment
 */
export async function withRetries<T>(
  ask: () => Promise<T>,
  isTemporary: (answer: T) => boolean,
  { attempts, pause }: { readonly attempts: number; readonly pause: number },
): Promise<T> {
  const answer = await ask();
  if (attempts <= 1 || !isTemporary(answer)) return answer;
  await new Promise((resolve) => setTimeout(resolve, pause));
  return withRetries(ask, isTemporary, { attempts: attempts - 1, pause });
}

/**
 * Reads the text of a response.
 * @param limit bytes after which it is cut off, at the end of a chunk
 */
export async function textOf(
  response: HttpClientResponse,
  limit: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const { bytes, isWhole } = await bytesOf(response, limit);
  return { text: bytes.toString('utf8'), isWhole };
}

/** Like {@link textOf}, but not decoded. */
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
