/**
 * A package index on the loopback for tests: it speaks the simple API as HTML (PEP 503) and JSON
 * (PEP 691), serves file URLs the way troublesome real indexes do, fails on demand, and logs each
 * request.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { selfSigned } from './certificate.ts';
import { type Distribution, normalise } from './packages.ts';

/** Credentials, and the status for requests without them (default: 401). */
export interface Credentials {
  username: string;
  password: string;
  status?: 401 | 403;
}

/** How the server answers; every field may be changed at any time and takes effect at once. */
export interface Mode {
  /**
   * The kind of file URLs on a page.
   * - `stable`: always the same, cacheable.
   * - `query-token`, `path-token`: a new token on each page; files are cacheable, but never have the
   *   same URL again. An unknown token: 403.
   * - `redirect`: always the same, answered by 303 and `no-store`; redirects to a signed URL on
   *   another origin, new each time, which answers `no-store` as well.
   */
  urls: 'stable' | 'query-token' | 'path-token' | 'redirect';
  /** Basic authentication for pages and files, but not for the targets of redirects. */
  auth?: Credentials | undefined;
  /** Answer with HTML even to clients that prefer JSON. */
  htmlOnly: boolean;
  /** Put the sha256 of files on the pages. */
  hashes: boolean;
  /**
   * Serve the metadata of wheels (PEP 658, PEP 714). Default: yes, except for `query-token`,
   * because clients append `.metadata` after the query, which breaks the token.
   */
  metadata?: boolean | undefined;
  /** Compress pages for clients that accept it. */
  gzip: boolean;
  /** `Cache-Control` of pages. Default: `no-cache`. */
  pageCaching: string;
  /** Milliseconds before each answer. For benchmarks. */
  latency: number;
  /** Bytes per second of each connection; 0 for no limit. For benchmarks. */
  bandwidth: number;
}

/** A file that pages show. */
export type ListedFile = Pick<
  Distribution,
  'project' | 'version' | 'filename' | 'sha256' | 'requiresPython' | 'uploaded'
> & {
  /** The reason why it was yanked (PEP 592). */
  readonly yanked?: string;
};

/** Options of `startIndex`. */
export interface IndexOptions extends Partial<Mode> {
  distributions?: Distribution[];
  /**
   * Serve https with a self-signed certificate for 127.0.0.1 and localhost, created by the command
   * `openssl`, which must be on PATH.
   */
  tls?: boolean;
}

/**
 * How the index is broken, on both origins unless noted.
 * - `refuse`: the port is closed.
 * - `timeout`: the connection is accepted, but never answered.
 * - `reset`: the connection is reset instead of an answer.
 * - `garbage`: 200 with meaningless text/plain.
 * - `captive`, `captive-redirect`: an HTML login page, directly or by a 302 to the other origin.
 * - `status`: this status for everything; `artifacts`: for files and their metadata only.
 * - `after`: `requests` more requests succeed, then `failure` applies.
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

/** `redirect` is every request that was answered by a redirect. */
export type RequestKind = 'root' | 'page' | 'metadata' | 'wheel' | 'sdist' | 'redirect' | 'other';

/** One request, logged when it arrives; `status` and `bytes` are updated while it is answered. */
export interface LogEntry {
  kind: RequestKind;
  /** `files` is the second origin, the target of redirects. */
  origin: 'index' | 'files';
  method: string;
  /** Including the query. */
  path: string;
  /** Normalised as in PEP 503. */
  project?: string;
  filename?: string;
  /** 0 until there is an answer. */
  status: number;
  /** Bytes of the answer's body, as sent. */
  bytes: number;
  /** The header as received. */
  authorization?: string;
}

/** A running index. */
export interface IndexServer {
  /** Address of the simple index, with a trailing slash. */
  readonly url: string;
  /** The second origin, the target of `redirect`. */
  readonly filesOrigin: string;
  /** The certificate as PEM, only with `tls`: for clients that trust it. */
  readonly certificate?: string;
  readonly mode: Mode;
  /** Requests, oldest first; always the same array. */
  readonly log: LogEntry[];
  /**
   * Adds distributions, which replace those with the same file names. The pages contain the `sha256`
   * of the object, so `{ ...wheel, content: altered }` is a file that is damaged in transit.
   */
  add(...distributions: Distribution[]): void;
  /** Adds files to the pages that can't be downloaded. For benchmarks. */
  list(files: readonly ListedFile[]): void;
  /**
   * Renders all pages for clients that accept JSON and gzip, so that an index with many files costs
   * the next requests nothing. A page with a token is sent once. For benchmarks.
   */
  prepare(): void;
  /** Removes a file, whose URL is 404 from then on. Throws if there is none. */
  remove(filename: string): void;
  /** Marks a file as yanked (PEP 592). Throws if there is none. */
  yank(filename: string, reason?: string): void;
  /** Breaks or repairs the index. When it resolves, the port is closed or open again. */
  fail(failure: Failure | undefined): Promise<void>;
  /** Number of requests, of one kind or of all. */
  count(kind?: RequestKind): number;
  /** Bytes of all answers' bodies, of one kind or of all. */
  bytes(kind?: RequestKind): number;
  /**
   * Names of the wheels and sdists that were sent completely, in order, once per time. A part of a
   * wheel (206) doesn't count: that is how uv and pip read metadata that are not served separately.
   */
  artifacts(): string[];
  /** Empties the log. */
  reset(): void;
  /** Closes all connections and both servers. */
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
 * Starts an index on a free port of 127.0.0.1. The caller has to close it.
 * Throws if `tls` is set and openssl fails.
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
  const listed = new Map<string, Map<string, ListedFile>>();
  const yanked = new Map<string, string>();
  const prepared = new Map<string, Answer>();
  const tokens = new Set<string>();
  const log: LogEntry[] = [];
  let failure: Failure | undefined;
  const freeAt = new WeakMap<Socket, number>();

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

    // Ignore a client that disconnects during the answer.
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

  /** The failure of a request of this kind, which counts as one of the `after` requests. */
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
    const gzip = mode.gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const name = entry.kind === 'root' ? undefined : entry.project;
    const answer = rendered(name, asJson, gzip);
    if (answer === undefined) return { status: 404 };
    if (request.headers['if-none-match'] !== answer.headers?.['etag']) return answer;
    return { status: 304, headers: answer.headers ?? {} };
  }

  /** Returns a page that was rendered before, unless it has a token, or else renders it. */
  function rendered(
    project: string | undefined,
    asJson: boolean,
    gzip: boolean,
  ): Answer | undefined {
    const key = JSON.stringify([project, asJson, gzip, mode]);
    const answer = prepared.get(key) ?? render(project, asJson, gzip);
    if (hasTokens()) prepared.delete(key);
    return answer;
  }

  /** @param project undefined for the list of all projects */
  function render(project: string | undefined, asJson: boolean, gzip: boolean): Answer | undefined {
    const body = project === undefined ? rootBody(asJson) : pageBody(project, asJson);
    if (body === undefined) return undefined;
    const headers: Record<string, string> = {
      'content-type': asJson ? jsonType : 'text/html; charset=utf-8',
      'cache-control': mode.pageCaching,
      vary: 'Accept, Accept-Encoding',
      etag: etagOf(body),
    };
    if (!gzip) return { status: 200, headers, body };
    return {
      status: 200,
      headers: { ...headers, 'content-encoding': 'gzip' },
      body: gzipSync(body, { level: 1 }),
    };
  }

  function rootBody(asJson: boolean): string {
    const projects = [...listed.keys()].sort();
    return asJson ? rootJson(projects) : rootHtml(projects);
  }

  function pageBody(project: string, asJson: boolean): string | undefined {
    const offered = [...(listed.get(project)?.values() ?? [])];
    if (offered.length === 0) return undefined;
    const token = hasTokens() ? newToken() : '';
    const withMetadata = mode.metadata ?? mode.urls !== 'query-token';
    const shown = offered.map((file): ShownFile => {
      const hashes = mode.hashes ? { sha256: file.sha256 } : {};
      const isWheel = file.filename.endsWith('.whl');
      const coreMetadata = withMetadata && isWheel && coreMetadataOf(file);
      const url = fileUrl(file.filename, token);
      const why = yanked.get(file.filename) ?? file.yanked;
      return {
        file,
        size: files.get(file.filename)?.content.length,
        url,
        hashes,
        coreMetadata,
        yanked: why,
      };
    });
    return asJson ? pageJson(project, shown) : pageHtml(project, shown);
  }

  function hasTokens(): boolean {
    return mode.urls.endsWith('-token');
  }

  function coreMetadataOf({ filename, sha256 }: ListedFile): true | { sha256: string } {
    if (!mode.hashes) return true;
    const metadata = files.get(filename)?.metadata;
    // Nobody can ask for the metadata of a file that is only listed.
    if (metadata === undefined) return { sha256 };
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
    // A 304 has no body, so it has no length either.
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
    const chunk = 64 * 1024;
    const { socket } = response;
    if (socket === null) return;
    let linkFreeAt = Math.max(freeAt.get(socket) ?? 0, Date.now());
    for (let offset = 0; offset < content.length && !response.destroyed; offset += chunk) {
      const part = content.subarray(offset, offset + chunk);
      linkFreeAt += (1000 * part.length) / mode.bandwidth;
      freeAt.set(socket, linkFreeAt);
      // Timers are accurate to a millisecond; the next one makes up for a delay of the last.
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

  function offered(filename: string): Distribution {
    const file = files.get(filename);
    if (file === undefined) throw new Error(`the index has no file ${filename}`);
    return file;
  }

  function show(shown: readonly ListedFile[]): void {
    for (const file of shown) {
      const page = listed.get(file.project) ?? new Map<string, ListedFile>();
      listed.set(file.project, page.set(file.filename, file));
    }
    prepared.clear();
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
      show(added);
    },
    list: show,
    prepare() {
      for (const project of listed.keys()) {
        const form = [project, !mode.htmlOnly, mode.gzip] as const;
        const key = JSON.stringify([...form, mode]);
        const answer = prepared.get(key) ?? render(...form);
        if (answer) prepared.set(key, answer);
      }
    },
    remove(filename) {
      const { project } = offered(filename);
      files.delete(filename);
      yanked.delete(filename);
      const page = listed.get(project);
      page?.delete(filename);
      if (page?.size === 0) listed.delete(project);
      prepared.clear();
    },
    yank(filename, reason = '') {
      offered(filename);
      yanked.set(filename, reason);
      prepared.clear();
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
  file: ListedFile;
  /** Undefined for a file that is only listed. */
  size: number | undefined;
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
  const files = shown.map(({ file, size, url, hashes, coreMetadata, yanked }) => ({
    filename: file.filename,
    url,
    hashes,
    ...(size === undefined ? {} : { size }),
    ...(file.uploaded === undefined ? {} : { 'upload-time': file.uploaded }),
    'requires-python': file.requiresPython ?? null,
    // Without its first name, `dist-info-metadata`, which makes pip 22.3 to 23.1 crash: PEP 714.
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
      // The second name is from PEP 658; pip used it before 23.2.
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

/** What a path refers to, whether or not it exists. */
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

/** Resolves with the port; at once if the server is already listening. */
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
