/** Asks a package index for one page, with limits that keep a job from waiting. */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:http';

import { HttpClient, type HttpClientResponse } from '@actions/http-client';

import { messageOf } from '../plan/model.ts';
import { type Health, judgePage } from '../plan/package-index.ts';
import { withoutSecrets } from '../plan/secrets.ts';
import type { IndexProbe } from '../ports.ts';

/** Milliseconds for one try, redirects included. */
const tryLimit = 3000;
const tries = 2;
/** Milliseconds between them: a restarting proxy answers 503 for a moment. */
const pause = 500;
const maxRedirects = 5;
/** Bytes of a page that are looked at. */
const enough = 64 * 1024;

/** JSON first, as pip asks. */
const accept =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';

export function indexProbe(): IndexProbe {
  return {
    async probe(url, project, trust) {
      const page = new URL(`${url.replace(/\/*(?=$|[?#])/, '')}/${project}/`);
      // A file: index, or one behind another scheme that pip knows, has no server to ask.
      if (!/^https?:$/.test(page.protocol)) return { state: 'healthy' };
      const certificates =
        trust.certificates && (await readFile(trust.certificates).catch(() => undefined));
      const isTrusted = trust.trustedHosts.some(
        (host) => host === page.host || host === page.hostname,
      );
      let health: Health = { state: 'down', reason: 'it was not asked' };
      for (let attempt = 1; attempt <= tries; attempt += 1) {
        health = await withinLimit((signal) =>
          ask(page, { certificates: certificates || undefined, isTrusted, signal }),
        );
        if (health.state !== 'down') return health;
        if (attempt < tries) await new Promise((resolve) => setTimeout(resolve, pause));
      }
      return health;
    },
  };
}

interface Asking {
  readonly certificates: Buffer | undefined;
  /** Its certificate need not be valid, as with pip's --trusted-host. */
  readonly isTrusted: boolean;
  readonly signal: AbortSignal;
}

async function withinLimit(work: (signal: AbortSignal) => Promise<Health>): Promise<Health> {
  const signal = AbortSignal.timeout(tryLimit);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted)
      return { state: 'down', reason: `it does not answer within ${tryLimit / 1000} s` };
    const { code } = error as NodeJS.ErrnoException;
    const reason = withoutSecrets(code ? `${reasons[code] ?? code}` : messageOf(error));
    return isCertificateError(code) ? { state: 'untrusted', reason } : { state: 'down', reason };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection is reset',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up',
  EHOSTUNREACH: 'its host is unreachable',
  ENETUNREACH: 'its network is unreachable',
};

function isCertificateError(code: string | undefined): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ALTNAME/.test(code ?? '');
}

/** Follows redirects by hand: credentials are for the origin that they were given for. */
async function ask(start: URL, options: Asking): Promise<Health> {
  let url = start;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await get(url, url.origin === start.origin ? start : undefined, options);
    const { statusCode = 0, headers } = response.message;
    if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
      return judgePage(statusCode, headers['content-type'] ?? '', await beginning(response));
    }
    response.message.destroy();
    url = new URL(headers.location, url);
  }
  return { state: 'down', reason: 'it redirects without end' };
}

async function get(
  url: URL,
  credentials: URL | undefined,
  { certificates, isTrusted, signal }: Asking,
): Promise<HttpClientResponse> {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  const handler = {
    prepareRequest(request: RequestOptions & { ca?: Buffer }): void {
      request.signal = signal;
      if (certificates) request.ca = certificates;
    },
    canHandleAuthentication: () => false,
    handleAuthentication: () => Promise.reject(new Error('not handled')),
  };
  const client = new HttpClient('wheelhouse', [handler], {
    allowRedirects: false,
    allowRetries: false,
    ignoreSslError: isTrusted,
    keepAlive: false,
  });
  const authorization = credentials && basic(credentials);
  return client.get(bare.href, { accept, ...(authorization ? { authorization } : {}) });
}

function basic({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text, 'utf8').toString('base64')}`;
}

async function beginning(response: HttpClientResponse): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.message) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= enough) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
