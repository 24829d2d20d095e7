/**
 * A package index on the loopback for tests: it speaks the simple API as HTML (PEP 503) and JSON
 * (PEP 691), hands out file addresses the way troublesome real indexes do, fails on demand, and
 * remembers each request.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { type Distribution, normalise } from './packages.ts';

/** Who may enter, and how those are answered who don't know this (401 unless said otherwise). */
export interface Credentials {
  username: string;
  password: string;
  status?: 401 | 403;
}

/** How the server answers; every field may be changed at any time and counts at once. */
export interface Mode {
  /**
   * What the file addresses on a page look like.
   * - `stable`: always the same, cacheable.
   * - `query-token`, `path-token`: a new token with each page; files are cacheable, but never met
   *   again under the same address. A token that was never handed out: 403.
   * - `redirect`: always the same, answered by 303 and `no-store`; it leads to a signed, each
   *   time new address on another origin, which answers `no-store` as well.
   */
  urls: 'stable' | 'query-token' | 'path-token' | 'redirect';
  /** Basic authentication of pages and files, never of the redirect's target. */
  auth?: Credentials | undefined;
  /** Answer HTML also to those who prefer JSON. */
  htmlOnly: boolean;
  /** Give sha256 of files on the pages. */
  hashes: boolean;
  /**
   * Offer metadata beside wheels (PEP 658, PEP 714). Without a value: except for `query-token`,
   * since clients append `.metadata` behind the query, which breaks the token.
   */
  metadata?: boolean | undefined;
  /** Compress pages for those who accept it. */
  gzip: boolean;
  /** `Cache-Control` of pages: `no-cache` unless said otherwise. */
  pageCaching: string;
  /** Milliseconds before each answer. For benchmarks. */
  latency: number;
  /** Bytes per second for all answers together; 0: as fast as it goes. For benchmarks. */
  bandwidth: number;
}

/** What `startIndex` takes, all of it optional. */
export interface IndexOptions extends Partial<Mode> {
  distributions?: Distribution[];
  /**
   * Serve https with a certificate that nobody trusts, for 127.0.0.1 and localhost, made by the
   * `openssl` command (which must be on PATH).
   */
  tls?: boolean;
}

/**
 * A way to be broken, for both origins unless said otherwise.
 * - `refuse`: the port is closed.
 * - `timeout`: the connection is accepted, the answer never comes.
 * - `reset`: the connection is reset instead of an answer.
 * - `garbage`: 200 with text/plain that means nothing.
 * - `captive`, `captive-redirect`: an HTML page to log in, at once or by a 302 to the other origin.
 * - `status`: this status for everything; `artifacts`: for files and their metadata only.
 * - `after`: all is well for `requests` more requests, then comes `failure`.
 */
export type Failure =
  | 'refuse'
  | 'timeout'
  | 'reset'
  | 'garbage'
  | 'captive'
  | 'captive-redirect'
  | { kind: 'status' | 'artifacts'; status: number }
  | { kind: 'after'; requests: number; failure: Failure };

/** `redirect` is every request that was answered by an address to ask instead. */
export type RequestKind = 'root' | 'page' | 'metadata' | 'wheel' | 'sdist' | 'redirect' | 'other';

/** One request, noted when it arrives; `status` and `bytes` grow true as it is answered. */
export interface LogEntry {
  kind: RequestKind;
  /** `files` is the second origin, the redirects' target. */
  origin: 'index' | 'files';
  method: string;
  /** With the query. */
  path: string;
  /** In the normal form of PEP 503. */
  project?: string;
  filename?: string;
  /** 0 as long as there is no answer. */
  status: number;
  /** Bytes of the answer's body, as sent. */
  bytes: number;
  /** The header as it came. */
  authorization?: string;
}

/** A running index. */
export interface IndexServer {
  /** Address of the simple index, with a trailing slash. */
  readonly url: string;
  /** The second origin, where `redirect` leads. */
  readonly filesOrigin: string;
  /** PEM, only with `tls`: for clients that shall trust it. */
  readonly certificate?: string;
  readonly mode: Mode;
  /** Oldest first. Stays the same array. */
  readonly log: LogEntry[];
  /**
   * Offers these. One with a known file name takes the place of the old one. The pages give the
   * `sha256` of the object, so `{ ...wheel, content: altered }` is a file damaged on its way.
   */
  add(...distributions: Distribution[]): void;
  /** Stops offering a file; its address is 404 from now on. Throws if there is none. */
  remove(filename: string): void;
  /** Marks a file as yanked (PEP 592). Throws if there is none. */
  yank(filename: string, reason?: string): void;
  /** Breaks the index, or mends it. Done when it resolves: the port is closed or open again. */
  fail(failure: Failure | undefined): Promise<void>;
  /** Number of requests, of one kind or of all. */
  count(kind?: RequestKind): number;
  /** Bytes of all answers' bodies, of one kind or of all. */
  bytes(kind?: RequestKind): number;
  /**
   * Names of the wheels and sdists that were sent whole, one for each time, in order. A part of a
   * wheel (206) doesn't count: that is how uv and pip look for metadata that aren't beside it.
   */
  artifacts(): string[];
  /** Empties the log. */
  reset(): void;
  /** Ends all connections and both servers. */
  close(): Promise<void>;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

type Route = Pick<LogEntry, 'kind' | 'project' | 'filename'> & { token?: string | undefined };

const jsonType = 'application/vnd.pypi.simple.v1+json';
const loginPage =
  '<!DOCTYPE html><html><title>Sign in</title><form>Your name: <input></form></html>';

/**
 * Starts an index on 127.0.0.1, on a port that the system picks. The caller has to close it.
 * Throws if `tls` is asked for and openssl fails.
 */
export async function startIndex(options: IndexOptions = {}): Promise<IndexServer> {
  const { distributions = [], tls = false, ...given } = options;
  const mode: Mode = {
    urls: 'stable',
    htmlOnly: false,
    hashes: true,
    gzip: false,
    pageCaching: 'no-cache',
    latency: 0,
    bandwidth: 0,
    ...given,
  };
  const files = new Map<string, Distribution>();
  const yanked = new Map<string, string>();
  const tokens = new Set<string>();
  const log: LogEntry[] = [];
  let failure: Failure | undefined;
  let linkFreeAt = 0;

  const identity = tls ? selfSigned() : undefined;
  const serve = (origin: LogEntry['origin']): Server => {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      handle(origin, request, response).catch((error: Error) => response.destroy(error));
    };
    return identity ? createTlsServer(identity, listener) : createServer(listener);
  };
  const servers = { index: serve('index'), files: serve('files') };
  const scheme = tls ? 'https' : 'http';
  const indexOrigin = `${scheme}://127.0.0.1:${await listen(servers.index, 0)}`;
  const filesOrigin = `${scheme}://127.0.0.1:${await listen(servers.files, 0)}`;

  async function handle(
    origin: LogEntry['origin'],
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const path = request.url ?? '/';
    const { token, ...route } = routeOf(path);
    const method = request.method ?? 'GET';
    const entry: LogEntry = { ...route, origin, method, path, status: 0, bytes: 0 };
    const file = files.get(entry.filename ?? '');
    if (file) entry.project = file.project;
    const { authorization } = request.headers;
    if (authorization !== undefined) entry.authorization = authorization;
    log.push(entry);

    // A client may leave while it is answered, which is no concern of ours.
    response.on('error', () => {});
    const toLogin = origin === 'files' && path === '/login';
    const broken = toLogin ? 'captive' : currentFailure(entry.kind);
    if (mode.latency > 0) await sleep(mode.latency);
    if (response.destroyed) return;
    if (broken === 'timeout') return;
    if (broken === 'reset' || broken === 'refuse') {
      request.socket.resetAndDestroy();
      if (broken === 'refuse') await closePorts();
      return;
    }
    const answer = broken ? failureAnswer(broken) : answerTo(entry, token, request);
    if (answer.headers?.location) entry.kind = 'redirect';
    await send(entry, answer, response);
  }

  /** What is broken for a request of this kind, that counts as one of the `after` requests. */
  function currentFailure(kind: RequestKind): Exclude<Failure, { kind: 'after' }> | undefined {
    while (typeof failure === 'object' && failure.kind === 'after') {
      if (failure.requests > 0) {
        failure = { ...failure, requests: failure.requests - 1 };
        return undefined;
      }
      failure = failure.failure;
    }
    if (typeof failure === 'object' && failure.kind === 'artifacts' && !isFile(kind)) return;
    return failure;
  }

  function failureAnswer(broken: Failure): Answer {
    if (broken === 'garbage') {
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: randomBytes(512) };
    }
    if (broken === 'captive') {
      return { status: 200, headers: { 'content-type': 'text/html' }, body: loginPage };
    }
    if (broken === 'captive-redirect') {
      return { status: 302, headers: { location: `${filesOrigin}/login` } };
    }
    const status = typeof broken === 'object' && 'status' in broken ? broken.status : 500;
    const headers: Record<string, string> = { 'content-type': 'text/plain' };
    if (status === 401) headers['www-authenticate'] = 'Basic realm="index"';
    return { status, headers, body: `${status}\n` };
  }

  function answerTo(entry: LogEntry, token: string | undefined, request: IncomingMessage): Answer {
    if (!['GET', 'HEAD'].includes(entry.method)) return { status: 405 };
    if (entry.origin === 'files') {
      if (!isFile(entry.kind)) return { status: 404 };
      if (!token || !tokens.has(token)) return { status: 403, body: 'the signature is wrong\n' };
      return fileAnswer(entry, request);
    }
    if (mode.auth) {
      const { username, password, status = 401 } = mode.auth;
      const expected = Buffer.from(`${username}:${password}`).toString('base64');
      if (entry.authorization !== `Basic ${expected}`) {
        return failureAnswer({ kind: 'status', status });
      }
    }
    if (isFile(entry.kind)) {
      if (mode.urls === 'redirect') {
        const location = `${filesOrigin}/files/${fileOf(entry.path)}?token=${newToken()}`;
        return { status: 303, headers: { location, 'cache-control': 'no-store' } };
      }
      if (mode.urls !== 'stable' && !(token && tokens.has(token))) {
        return { status: 403, body: 'the token is wrong\n' };
      }
      return fileAnswer(entry, request);
    }
    return pageAnswer(entry, request);
  }

  function pageAnswer(entry: LogEntry, request: IncomingMessage): Answer {
    const [path = ''] = entry.path.split('?');
    if (entry.kind === 'other') return { status: 404 };
    const canonical = entry.kind === 'root' ? '/simple/' : `/simple/${entry.project}/`;
    if (path !== canonical) return { status: 301, headers: { location: canonical } };

    const asJson = !mode.htmlOnly && (request.headers.accept ?? '').includes(jsonType);
    let body: string;
    if (entry.kind === 'root') {
      const projects = [...new Set([...files.values()].map(({ project }) => project))].sort();
      body = asJson ? rootJson(projects) : rootHtml(projects);
    } else {
      const offered = [...files.values()].filter(({ project }) => project === entry.project);
      if (offered.length === 0) return { status: 404 };
      const token = mode.urls.endsWith('-token') ? newToken() : '';
      const shown = offered.map((file): ShownFile => {
        const hashes = mode.hashes ? { sha256: file.sha256 } : {};
        const withMetadata = mode.metadata ?? mode.urls !== 'query-token';
        const coreMetadata = withMetadata && file.kind === 'wheel' && coreMetadataOf(file);
        const url = fileUrl(file.filename, token);
        return { file, url, hashes, coreMetadata, yanked: yanked.get(file.filename) };
      });
      body = asJson ? pageJson(entry.project ?? '', shown) : pageHtml(entry.project ?? '', shown);
    }
    const headers: Record<string, string> = {
      'content-type': asJson ? jsonType : 'text/html; charset=utf-8',
      'cache-control': mode.pageCaching,
      vary: 'Accept, Accept-Encoding',
      etag: etagOf(body),
    };
    if (request.headers['if-none-match'] === headers.etag) return { status: 304, headers };
    if (mode.gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) {
      return {
        status: 200,
        headers: { ...headers, 'content-encoding': 'gzip' },
        body: gzipSync(body),
      };
    }
    return { status: 200, headers, body };
  }

  function coreMetadataOf({ metadata }: Distribution): true | { sha256: string } {
    if (!mode.hashes) return true;
    return { sha256: createHash('sha256').update(metadata).digest('hex') };
  }

  function fileUrl(filename: string, token: string): string {
    if (mode.urls === 'query-token') return `${indexOrigin}/files/${filename}?token=${token}`;
    if (mode.urls === 'path-token') return `${indexOrigin}/files/${token}/${filename}`;
    return `${indexOrigin}/files/${filename}`;
  }

  function newToken(): string {
    const token = randomBytes(12).toString('hex');
    tokens.add(token);
    return token;
  }

  function fileAnswer(entry: LogEntry, request: IncomingMessage): Answer {
    const file = files.get(entry.filename ?? '');
    if (!file) return { status: 404 };
    const body = entry.kind === 'metadata' ? file.metadata : file.content;
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      'cache-control':
        mode.urls === 'redirect' ? 'no-store' : 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      etag: etagOf(body),
    };
    const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
    if (ifNoneMatch === headers.etag) return { status: 304, headers };
    const parts = /^bytes=(\d*)-(\d*)$/.exec(range ?? '');
    if (!parts || (ifRange && ifRange !== headers.etag)) return { status: 200, headers, body };
    const [, from = '', to = ''] = parts;
    const start = from ? Number(from) : Math.max(0, body.length - Number(to));
    const end = from && to ? Math.min(Number(to), body.length - 1) : body.length - 1;
    if (start > end) {
      return { status: 416, headers: { 'content-range': `bytes */${body.length}` } };
    }
    headers['content-range'] = `bytes ${start}-${end}/${body.length}`;
    return { status: 206, headers, body: body.subarray(start, end + 1) };
  }

  async function send(
    entry: LogEntry,
    { status, headers, body }: Answer,
    response: ServerResponse,
  ): Promise<void> {
    const content = Buffer.from(body ?? '');
    entry.status = status;
    // A 304 has no body, so it has no length of its own either.
    const length = status === 304 ? {} : { 'content-length': content.length };
    response.writeHead(status, { ...length, ...headers });
    if (entry.method === 'HEAD' || status === 304) {
      response.end();
      return;
    }
    if (mode.bandwidth <= 0) {
      entry.bytes = content.length;
      response.end(content);
      return;
    }
    const chunk = 16 * 1024;
    linkFreeAt = Math.max(linkFreeAt, Date.now());
    for (let offset = 0; offset < content.length && !response.destroyed; offset += chunk) {
      const part = content.subarray(offset, offset + chunk);
      linkFreeAt += (1000 * part.length) / mode.bandwidth;
      // Timers are only good to a millisecond; what one of them oversleeps, the next makes up for.
      const ahead = linkFreeAt - Date.now();
      if (ahead > 1) await sleep(ahead);
      response.write(part);
      entry.bytes += part.length;
    }
    response.end();
  }

  async function closePorts(): Promise<void> {
    await Promise.all([shut(servers.index), shut(servers.files)]);
  }

  function offered(filename: string): void {
    if (!files.has(filename)) throw new Error(`the index has no file ${filename}`);
  }

  const selected = (kind?: RequestKind): LogEntry[] =>
    log.filter((entry) => kind === undefined || entry.kind === kind);

  const index: IndexServer = {
    url: `${indexOrigin}/simple/`,
    filesOrigin,
    ...(identity && { certificate: identity.cert }),
    mode,
    log,
    add(...added) {
      for (const file of added) files.set(file.filename, file);
    },
    remove(filename) {
      offered(filename);
      files.delete(filename);
      yanked.delete(filename);
    },
    yank(filename, reason = '') {
      offered(filename);
      yanked.set(filename, reason);
    },
    async fail(next) {
      failure = next;
      if (next === 'refuse') return closePorts();
      await listen(servers.index, Number(new URL(indexOrigin).port));
      await listen(servers.files, Number(new URL(filesOrigin).port));
    },
    count: (kind) => selected(kind).length,
    bytes: (kind) => selected(kind).reduce((total, entry) => total + entry.bytes, 0),
    artifacts: () =>
      log
        .filter(({ kind, method }) => method === 'GET' && (kind === 'wheel' || kind === 'sdist'))
        .filter(({ status }) => status === 200)
        .map(({ filename }) => filename ?? ''),
    reset() {
      log.length = 0;
    },
    close: closePorts,
  };
  index.add(...distributions);
  return index;
}

interface ShownFile {
  file: Distribution;
  url: string;
  hashes: { sha256?: string };
  coreMetadata: false | true | { sha256: string };
  yanked: string | undefined;
}

function rootJson(projects: string[]): string {
  return JSON.stringify({ meta: apiVersion, projects: projects.map((name) => ({ name })) });
}

function rootHtml(projects: string[]): string {
  return html(projects.map((name) => `<a href="/simple/${name}/">${name}</a><br>`));
}

const apiVersion = { 'api-version': '1.1' };

function pageJson(name: string, shown: ShownFile[]): string {
  const files = shown.map(({ file, url, hashes, coreMetadata, yanked }) => ({
    filename: file.filename,
    url,
    hashes,
    size: file.content.length,
    'requires-python': file.requiresPython ?? null,
    // Not by its first name too, `dist-info-metadata`, on which pip 22.3 to 23.1 crash: PEP 714.
    'core-metadata': coreMetadata,
    yanked: yanked === undefined ? false : yanked || true,
  }));
  const versions = [...new Set(shown.map(({ file }) => file.version))];
  return JSON.stringify({ meta: apiVersion, name, versions, files });
}

function pageHtml(name: string, shown: ShownFile[]): string {
  const links = shown.map(({ file, url, hashes, coreMetadata, yanked }) => {
    let attributes = '';
    if (file.requiresPython)
      attributes += ` data-requires-python="${escapeHtml(file.requiresPython)}"`;
    if (yanked !== undefined) attributes += ` data-yanked="${escapeHtml(yanked)}"`;
    if (coreMetadata) {
      // The second name is the one of PEP 658, which pip used before 23.2.
      const value = coreMetadata === true ? 'true' : `sha256=${coreMetadata.sha256}`;
      attributes += ` data-core-metadata="${value}" data-dist-info-metadata="${value}"`;
    }
    const fragment = hashes.sha256 ? `#sha256=${hashes.sha256}` : '';
    return `<a href="${escapeHtml(url)}${fragment}"${attributes}>${file.filename}</a><br>`;
  });
  return html([`<h1>Links for ${name}</h1>`, ...links]);
}

function html(lines: string[]): string {
  const head = '<meta name="pypi:repository-version" content="1.1">';
  return [
    '<!DOCTYPE html>',
    '<html><head>',
    head,
    '</head><body>',
    ...lines,
    '</body></html>',
    '',
  ].join('\n');
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}

/** Names what a path asks for, whether or not there is such a thing. */
function routeOf(path: string): Route {
  const { pathname, searchParams } = new URL(path, 'http://index.invalid');
  if (/^\/simple\/?$/.test(pathname)) return { kind: 'root' };
  const project = /^\/simple\/([^/]+)\/?$/.exec(pathname)?.[1];
  if (project) return { kind: 'page', project: normalise(decodeURIComponent(project)) };

  const file = /^\/files\/(?:([0-9a-f]+)\/)?([^/]+)$/.exec(pathname);
  if (!file) return { kind: 'other' };
  const name = decodeURIComponent(file[2] ?? '');
  const filename = name.replace(/\.metadata$/, '');
  const token = file[1] ?? searchParams.get('token') ?? undefined;
  const content = filename.endsWith('.whl') ? 'wheel' : 'sdist';
  return { kind: filename === name ? content : 'metadata', filename, token };
}

/** The last part of a path, without the query. */
function fileOf(path: string): string {
  return path.replace(/\?.*$/, '').replace(/^.*\//, '');
}

function isFile(kind: RequestKind): boolean {
  return kind === 'wheel' || kind === 'sdist' || kind === 'metadata';
}

function etagOf(body: Buffer | string): string {
  return `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`;
}

/** Resolves with the port; at once if the server listens already. */
async function listen(server: Server, port: number): Promise<number> {
  if (!server.listening) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  }
  return (server.address() as AddressInfo).port;
}

/** Closes the port and all connections. */
async function shut(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

function selfSigned(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'index-tls-'));
  try {
    const key = join(directory, 'key.pem');
    const cert = join(directory, 'cert.pem');
    const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
        .concat(['-days', '2', '-subj', '/CN=localhost', '-addext', names])
        .concat(['-keyout', key, '-out', cert]),
      { stdio: 'pipe' },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
