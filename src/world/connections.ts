/** HTTP connections that are used again, and requests over them that no server can delay for ever. */
import { readFile } from 'node:fs/promises';

import type { Agent, Dispatcher, ProxyAgent } from 'undici';

import { basicCredentials } from '../logic/secrets.ts';
import {
  bareUrl,
  credentialsFor,
  ForeignRedirect,
  isForeignProxy,
  isSameOwner,
  isTemporary,
  isTrustedHost,
  proxyFor,
  statusError,
  WebError,
} from '../logic/web.ts';
import type { WebAccess } from '../ports.ts';

/** Bounds of every step of a request; times in milliseconds. */
export interface Limits {
  /** Until a connection is open, with TLS. */
  readonly connect: number;
  /** From a request to the head of its response, with the connection and what a proxy adds. */
  readonly answer: number;
  /** Between two pieces of a body. */
  readonly silence: number;
  /** A body is slow when less than `minRate` bytes per second come in such a time. */
  readonly window: number;
  readonly minRate: number;
  /** One attempt for a page, from the first connection to its last byte. */
  readonly page: number;
  /** Attempts for a page, or for a file without progress. */
  readonly attempts: number;
  /** Waits between attempts: the first, which doubles, and the longest. */
  readonly pause: { readonly first: number; readonly longest: number };
  /** Of pip's own session, which has retries of its own: for a page, or for the start of a file. */
  readonly pip: number;
}

/** An index that forwards requests may need a while before it sends the first byte of a big file. */
export const usualLimits: Limits = {
  connect: 10_000,
  answer: 30_000,
  silence: 30_000,
  window: 60_000,
  minRate: 1024,
  page: 60_000,
  attempts: 4,
  pause: { first: 500, longest: 30_000 },
  pip: 100_000,
};

/** Requests at the same time to one origin. */
const concurrency = 16;
const maxRedirects = 5;

/** An attempt that failed. */
export class Failure extends Error {
  readonly error: WebError;
  /** Whether another attempt may succeed. */
  readonly isTemporary: boolean;
  readonly retryAfter: string | undefined;

  constructor(error: WebError, temporary: boolean, retryAfter?: string) {
    super(error.message);
    this.error = error;
    this.isTemporary = temporary;
    this.retryAfter = retryAfter;
  }
}

/** The head of a response, and its body. */
export interface Exchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Where it came from, without credentials. */
  readonly url: URL;
  /** The bytes as they were sent. @throws Failure */
  body(): AsyncGenerator<Buffer, void>;
  /** Ends it. Has to be called, also after the last byte. */
  end(): void;
}

/** Stops an attempt that takes too long. */
class Watch {
  readonly #controller = new AbortController();
  readonly #total: NodeJS.Timeout | undefined;
  #step: NodeJS.Timeout | undefined;
  hasAnswer = false;
  /** Why it was stopped. */
  reason: string | undefined;

  constructor(total: number | undefined) {
    if (total === undefined) return;
    const stop = (): void => {
      const verb = this.hasAnswer ? 'arrive' : 'answer';
      this.stop(`it did not ${verb} within ${seconds(total)}`);
    };
    this.#total = setTimeout(stop, total);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(reason: string): void {
    this.reason ??= reason;
    this.#controller.abort();
  }

  /** Waits for one step. */
  async within<T>(limit: number, reason: string, step: Promise<T>): Promise<T> {
    this.#step = setTimeout(() => this.stop(reason), limit);
    try {
      return await step;
    } finally {
      clearTimeout(this.#step);
    }
  }

  end(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#step);
  }
}

function seconds(milliseconds: number): string {
  return `${milliseconds / 1000} s`;
}

/** The connections of one client. */
export class Connections {
  readonly #access: WebAccess;
  readonly #limits: Limits;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();
  readonly #proxies: Dispatcher[] = [];
  readonly #queues = new Map<string, Queue>();
  readonly #ongoing = new Set<Watch>();
  #certificates: Promise<Buffer> | undefined;
  #closed = false;

  constructor(access: WebAccess, limits: Limits) {
    this.#access = access;
    this.#limits = limits;
  }

  /**
   * Sends a request, and follows redirects: the credentials never go to another origin, and a
   * redirect from https to http is followed only to a trusted host.
   * @param total milliseconds from the request to the last byte; none by default
   * @returns a response with one of the wanted statuses
   * @throws Failure for every other one, and when there is none
   */
  async request(
    start: URL,
    headers: Readonly<Record<string, string>>,
    options: {
      readonly total?: number | undefined;
      readonly statuses: readonly number[];
      readonly stayAtOrigin?: boolean | undefined;
    },
  ): Promise<Exchange> {
    let credentials = credentialsFor(start, this.#access.indexes);
    let url = bareUrl(start);
    const watch = new Watch(options.total);
    this.#ongoing.add(watch);
    try {
      for (let hop = 0; hop <= maxRedirects; hop += 1) {
        const exchange = await this.#send(url, headers, credentials, watch);
        if (options.statuses.includes(exchange.status)) {
          watch.hasAnswer = true;
          const end = (): void => {
            exchange.end();
            this.#end(watch);
          };
          return { ...exchange, end };
        }
        const { status } = exchange;
        const target =
          status >= 300 && status <= 399 ? text(exchange.headers['location']) : undefined;
        exchange.end();
        if (target === undefined) {
          const retryAfter = text(exchange.headers['retry-after']);
          throw new Failure(statusError(status), isTemporary(status), retryAfter);
        }
        const next = this.#redirected(url, target);
        if (options.stayAtOrigin && next.origin !== url.origin) {
          throw new Failure(new ForeignRedirect(next), false);
        }
        if (!isSameOwner(url, next)) credentials = undefined;
        url = next;
      }
      throw new Failure(new WebError('wrong', 'it redirects too many times'), false);
    } catch (error) {
      this.#end(watch);
      throw failureOf(error, watch.reason);
    }
  }

  /** Ends all requests and connections. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#ongoing) watch.stop('the client was closed');
    const all = await Promise.allSettled(this.#dispatchers.values());
    // Connections to proxies first: a tunnel that is being made is waited for otherwise.
    await Promise.all(this.#proxies.map((pool) => pool.destroy()));
    await Promise.all(all.map((each) => each.status === 'fulfilled' && each.value.destroy()));
  }

  #end(watch: Watch): void {
    watch.end();
    this.#ongoing.delete(watch);
  }

  #redirected(from: URL, location: string): URL {
    if (!URL.canParse(location, from.href)) {
      throw new Failure(new WebError('wrong', 'it redirects to an invalid address'), false);
    }
    const to = bareUrl(new URL(location, from.href).href);
    if (!/^https?:$/.test(to.protocol)) {
      throw new Failure(
        new WebError('wrong', `it redirects to an address with ${to.protocol}`),
        false,
      );
    }
    const isDowngrade = from.protocol === 'https:' && to.protocol === 'http:';
    if (isDowngrade && !isTrustedHost(to, this.#access.trust.trustedHosts)) {
      throw new Failure(
        new WebError('untrusted', `it redirects from https to plain http (${to.host})`),
        false,
      );
    }
    return to;
  }

  async #send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    credentials: ReturnType<typeof credentialsFor>,
    watch: Watch,
  ): Promise<Exchange> {
    const queue = getOrAdd(this.#queues, url.origin, () => new Queue(concurrency));
    await queue.enter(watch.signal);
    let isEnded = false;
    const leave = (): void => {
      if (isEnded) return;
      isEnded = true;
      queue.leave();
    };
    try {
      const dispatcher = await this.#dispatcher(url);
      const { answer } = this.#limits;
      const response = await watch.within(
        answer,
        `it did not answer within ${seconds(answer)}`,
        dispatcher.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: 'GET',
          headers: {
            ...headers,
            'user-agent': 'wheelhouse',
            ...(credentials && {
              authorization: `Basic ${basicCredentials(credentials.username, credentials.password)}`,
            }),
          },
          signal: watch.signal,
          headersTimeout: 0,
          bodyTimeout: 0,
        }),
      );
      return {
        status: response.statusCode,
        headers: response.headers,
        url,
        body: () => this.#body(response.body, watch),
        end: () => {
          // The connection can be used again if little is left to read.
          response.body.on('error', () => {});
          void response.body.dump({ limit: 64 * 1024 }).catch(() => {});
          leave();
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async *#body(body: AsyncIterable<Buffer>, watch: Watch): AsyncGenerator<Buffer, void> {
    const { silence, window, minRate } = this.#limits;
    const pieces = body[Symbol.asyncIterator]();
    // Only time spent waiting for the server counts, not what the reader does with the bytes.
    let waited = 0;
    let bytes = 0;
    try {
      for (;;) {
        const from = performance.now();
        const { value, done } = await watch.within(
          silence,
          `it sent nothing for ${seconds(silence)}`,
          pieces.next(),
        );
        if (done) return;
        waited += performance.now() - from;
        bytes += value.length;
        if (waited >= window) {
          if (bytes < (minRate * waited) / 1000) {
            const rate = `${minRate / 1024} kB/s`;
            throw new Failure(new WebError('down', `it sent less than ${rate}`), true);
          }
          waited = 0;
          bytes = 0;
        }
        yield value;
      }
    } catch (error) {
      throw failureOf(error, watch.reason);
    } finally {
      await pieces.return?.();
    }
  }

  async #dispatcher(url: URL): Promise<Dispatcher> {
    if (this.#closed) throw new Failure(new WebError('down', 'the client was closed'), false);
    const { trust, environment } = this.#access;
    const proxy = proxyFor(url, environment);
    if (isForeignProxy(proxy)) {
      throw new Failure(new WebError('down', 'its proxy is not an http proxy'), false);
    }
    const isTrusted = isTrustedHost(url, trust.trustedHosts);
    return getOrAdd(this.#dispatchers, `${isTrusted} ${proxy}`, () =>
      this.#newDispatcher(proxy, isTrusted),
    );
  }

  async #newDispatcher(proxy: string | undefined, isTrusted: boolean): Promise<Agent | ProxyAgent> {
    const { certificates } = this.#access.trust;
    this.#certificates ??= certificates === undefined ? undefined : readFile(certificates);
    const ca = await this.#certificates?.catch(() => {
      throw new Failure(
        new WebError('untrusted', 'the file of trusted certificates can not be read'),
        false,
      );
    });
    const tls = {
      timeout: this.#limits.connect,
      ...(ca && { ca }),
      ...(isTrusted && { rejectUnauthorized: false }),
    };
    const undici = await import('undici');
    if (proxy === undefined) return new undici.Agent({ connections: concurrency, connect: tls });
    const address = new URL(proxy);
    const credentials = credentialsFor(address, []);
    return new undici.ProxyAgent({
      uri: bareUrl(address).href,
      // Plain http is forwarded, as curl and requests have it; only https needs a tunnel.
      proxyTunnel: false,
      connections: concurrency,
      clientFactory: (origin, options) => {
        const pool = new undici.Pool(origin, { ...options, headersTimeout: this.#limits.answer });
        this.#proxies.push(pool);
        return pool;
      },
      requestTls: tls,
      proxyTls: tls,
      ...(credentials && {
        token: `Basic ${basicCredentials(credentials.username, credentials.password)}`,
      }),
    });
  }
}

/** Admits a number of requests at a time, in order. */
class Queue {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  /** @throws when the signal aborts first */
  async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        reject(signal.reason as Error);
      };
      const admit = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(admit);
    });
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

function getOrAdd<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

/** The first value of a header. */
export function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** In a few words; messages of Node and undici may contain addresses. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ENOTFOUND: 'its host name does not exist',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'its host is unreachable',
  ENETUNREACH: 'its network is unreachable',
  ETIMEDOUT: 'it did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
  UND_ERR_SOCKET: 'the connection ended too early',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'it has another length than announced',
  UND_ERR_HEADERS_OVERFLOW: 'its headers are too long',
};

/** @param stopped why the attempt was stopped, if it was */
function failureOf(error: unknown, stopped: string | undefined): Failure {
  if (error instanceof Failure) return error;
  if (stopped !== undefined) return new Failure(new WebError('down', stopped), true);
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ALTNAME|UNABLE_TO_GET_ISSUER/.test(code)) {
    return new Failure(
      new WebError('untrusted', `its certificate is not trusted (${code})`),
      false,
    );
  }
  const [, proxyStatus] = /^Proxy .*\((\d{3})\)/.exec(message) ?? [];
  const reason = proxyStatus ? `the proxy answers ${proxyStatus}` : (reasons[code] ?? code);
  const isLasting =
    proxyStatus === undefined ? code === 'ENOTFOUND' : !isTemporary(Number(proxyStatus));
  return new Failure(new WebError('down', reason || 'the connection failed'), !isLasting);
}
