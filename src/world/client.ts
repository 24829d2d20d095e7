/** Downloads pages and files of indexes. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { pauseBefore, WebError } from '../logic/web.ts';
import type { ExpectedFile, PageOptions, Web, WebAccess, WebClient, WebPage } from '../ports.ts';
import {
  Connections,
  type Exchange,
  Failure,
  type Limits,
  text,
  usualLimits,
} from './connections.ts';
import { mismatch, pipClient } from './pip-session.ts';

/** Bytes. The longest known page of a real project, ddtrace's, has 19 MB of HTML (2026). */
export const maxPage = 32 * 1024 * 1024;

/** Bytes. The largest known wheels have about 4 GB. */
const maxFile = 8 * 1024 ** 3;

/** For project pages: prefers JSON, like pip. */
export const accept =
  'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01';

/** Bytes that have to arrive for an attempt to count as progress. */
const progress = 1024 * 1024;

/** @param limits for tests */
export function webAdapter(limits: Limits = usualLimits): Web {
  return { open: (access) => openClient(access, limits) };
}

/** A request that succeeded through one of the two ways. */
type Work<T> = (client: WebClient) => Promise<T>;

function openClient(access: WebAccess, limits: Limits): WebClient {
  const { pip } = access;
  const own = ownClient(access, limits);
  if (pip === undefined) return own;
  const session = pipClient(pip, access, limits, { accept, maxPage, maxFile });
  /** Where pip could do what this program could not. */
  const pipOrigins = new Set<string>();

  async function through<T>(address: string, work: Work<T>): Promise<T> {
    const url = new URL(address);
    const isHttp = /^https?:$/.test(url.protocol);
    if (pip?.use === 'always' || !isHttp || pipOrigins.has(url.origin)) return work(session);
    try {
      return await work(own);
    } catch (error) {
      if (!(error instanceof WebError) || !mayPipHelp(error)) throw error;
      const result = await work(session).catch((other: unknown) => {
        throw other instanceof WebError && other.kind === 'down' ? error : other;
      });
      pipOrigins.add(url.origin);
      return result;
    }
  }

  return {
    page: (url, options) => through(url, (client) => client.page(url, options)),
    file: (url, to, expected) => through(url, (client) => client.file(url, to, expected)),
    async close() {
      await Promise.all([own.close(), session.close()]);
    },
  };
}

function mayPipHelp({ kind }: WebError): boolean {
  return kind === 'refused' || kind === 'untrusted' || kind === 'down';
}

function ownClient(access: WebAccess, limits: Limits): WebClient {
  const connections = new Connections(access, limits);
  return {
    page: (url, options = {}) =>
      withRetries({ ...limits, attempts: options.attempts ?? limits.attempts }, () =>
        page(connections, parsed(url), { timeLimit: limits.page, ...options }),
      ),
    file: (url, to, expected = {}) => file(connections, parsed(url), to, expected, limits),
    close: () => connections.close(),
  };
}

/** @throws WebError for an address that is not one of a web server */
function parsed(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new WebError('wrong', 'its address is not an http address');
}

/**
 * Repeats what fails for reasons that may pass.
 * @param hasProgressed whether the last attempt came further: it then does not count
 * @throws WebError of the last attempt
 */
async function withRetries<T>(
  limits: Limits,
  attempt: () => Promise<T>,
  hasProgressed: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures = hasProgressed() ? 1 : failures + 1;
      if (!error.isTemporary || failures >= limits.attempts) throw error.error;
      await sleep(pauseBefore(failures, error.retryAfter, Date.now(), limits.pause));
    }
  }
}

async function page(
  connections: Connections,
  start: URL,
  { accept: types = accept, maxBytes = maxPage, sample, timeLimit, stayAtOrigin }: PageOptions,
): Promise<WebPage> {
  const headers = { accept: types, 'accept-encoding': sample === undefined ? 'gzip' : 'identity' };
  const exchange = await connections.request(start, headers, {
    statuses: [200],
    total: timeLimit,
    stayAtOrigin,
  });
  try {
    if (Number(text(exchange.headers['content-length'])) > maxBytes) throw tooLarge(maxBytes);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of exchange.body()) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      if (sample !== undefined && size >= sample) break;
    }
    const body = await decompressed(Buffer.concat(chunks), exchange, maxBytes);
    return {
      contentType: text(exchange.headers['content-type']) ?? '',
      body,
      text: body.toString('utf8'),
      url: exchange.url.href,
    };
  } finally {
    exchange.end();
  }
}

async function decompressed(
  body: Buffer,
  { headers }: Exchange,
  maxOutputLength: number,
): Promise<Buffer> {
  const encoding = (text(headers['content-encoding']) ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new WebError('wrong', 'it has a content encoding that was not requested');
  }
  try {
    return await promisify(gunzip)(body, { maxOutputLength });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength);
    throw new Failure(new WebError('wrong', 'it is not the gzip data that it should be'), true);
  }
}

function tooLarge(limit: number): WebError {
  return new WebError('too large', `it is larger than ${Math.floor(limit / 1024 / 1024)} MB`);
}

async function file(
  connections: Connections,
  start: URL,
  to: string,
  expected: ExpectedFile,
  limits: Limits,
): Promise<{ sha256: string; size: number }> {
  const temporary = `${to}.${Math.random().toString(36).slice(2, 10)}.part`;
  const handle = await open(temporary, 'wx');
  const partial = new PartialFile(handle, expected);
  let before = 0;
  let isClosed = false;
  try {
    const result = await withRetries(
      limits,
      () => {
        before = partial.size;
        return download(connections, start, partial);
      },
      () => partial.size >= before + progress,
    );
    await handle.close();
    isClosed = true;
    await rename(temporary, to);
    return result;
  } catch (error) {
    if (!isClosed) await handle.close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/** One attempt, which goes on where the last one ended. */
async function download(
  connections: Connections,
  start: URL,
  partial: PartialFile,
): Promise<{ sha256: string; size: number }> {
  const headers = { accept: '*/*', 'accept-encoding': 'identity', ...partial.rangeHeaders() };
  let exchange: Exchange;
  try {
    exchange = await connections.request(start, headers, { statuses: [200, 206] });
  } catch (error) {
    // 416: what is here already is longer than what is there now.
    if (error instanceof Failure && error.error.status === 416 && partial.size > 0) {
      await partial.restart();
      throw new Failure(error.error, true);
    }
    throw error;
  }
  try {
    await partial.begin(exchange);
    for await (const chunk of exchange.body()) await partial.append(chunk);
  } finally {
    exchange.end();
  }
  return partial.finish();
}

/** A file that is being downloaded, perhaps in several attempts. */
class PartialFile {
  readonly #handle: FileHandle;
  readonly #expected: ExpectedFile;
  #hash: Hash = createHash('sha256');
  /** Identifies the version of the file on the server, for If-Range. */
  #validator: string | undefined;
  /** What arrived in full was wrong before. */
  #wasWrong = false;
  /** Bytes. */
  size = 0;

  constructor(handle: FileHandle, expected: ExpectedFile) {
    this.#handle = handle;
    this.#expected = expected;
  }

  /** Without a validator, only a known hash shows that the parts belong together. */
  rangeHeaders(): Record<string, string> {
    const mayResume = this.#validator !== undefined || this.#expected.sha256 !== undefined;
    if (this.size === 0 || !mayResume) return {};
    return {
      range: `bytes=${this.size}-`,
      ...(this.#validator === undefined ? {} : { 'if-range': this.#validator }),
    };
  }

  async begin({ status, headers }: Exchange): Promise<void> {
    const range = /^bytes (\d+)-\d*\/(\d+|\*)$/.exec(text(headers['content-range']) ?? '');
    const isNext = status === 206 && Number(range?.[1]) === this.size && this.size > 0;
    if (status === 206 && !isNext) {
      await this.restart();
      throw new Failure(new WebError('wrong', 'it sent another part than requested'), true);
    }
    if (!isNext && this.size > 0) await this.restart();
    const etag = text(headers['etag']);
    this.#validator = etag?.startsWith('"') ? etag : text(headers['last-modified']);
    const length = text(headers['content-length']);
    if (length !== undefined) await this.#check(this.size + Number(length), true);
  }

  async append(chunk: Buffer): Promise<void> {
    await this.#check(this.size + chunk.length, false);
    this.#hash.update(chunk);
    for (let written = 0; written < chunk.length; ) {
      const rest = chunk.length - written;
      const { bytesWritten } = await this.#handle.write(chunk, written, rest, this.size);
      written += bytesWritten;
      this.size += bytesWritten;
    }
  }

  async finish(): Promise<{ sha256: string; size: number }> {
    const sha256 = this.#hash.digest('hex');
    const found = { sha256, size: this.size };
    const fault = mismatch(found, this.#expected);
    if (fault !== undefined) throw await this.#wrong(fault);
    return found;
  }

  /** Forgets everything that has arrived. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#validator = undefined;
    this.size = 0;
  }

  /** @param isFinal whether the size is that of the whole file */
  async #check(size: number, isFinal: boolean): Promise<void> {
    const { size: wanted, maxBytes = maxFile } = this.#expected;
    if (size > maxBytes) throw tooLarge(maxBytes);
    if (wanted !== undefined && (isFinal ? size !== wanted : size > wanted)) {
      throw await this.#wrong('its size is not the expected one');
    }
  }

  /** It may have been damaged on the way: all of it is requested once more. */
  async #wrong(reason: string): Promise<Failure> {
    const isFirst = !this.#wasWrong;
    this.#wasWrong = true;
    await this.restart();
    return new Failure(new WebError('wrong', reason), isFirst);
  }
}
