/**
 * A stand-in for GitHub's cache service v2, for tests: the three Twirp calls of
 * `github.actions.results.api.v1.CacheService` in front of real blob storage (Azurite), with faults
 * that can be switched while it runs.
 *
 * Every blob byte passes through our own port, so that transfers can be counted, slowed and broken
 * without Azurite knowing.
 */
import { spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** The five steps of a restore (look-up, download) and of a save (create, upload, finalize). */
export type CacheOperation = 'lookup' | 'download' | 'create' | 'upload' | 'finalize';

/**
 * A fault of an operation. For a transfer, "half" means half of the body's bytes.
 *
 * - `{ status }`: answers that status; `body` defaults to what the real service would send.
 * - `'refuse'` (transfers): signed URLs from now on point to a closed port. For the
 *   API itself use `env({ refused: true })`.
 * - `'reset'`: the connection is dropped without an answer.
 * - `'blackhole'`: the request is read and never answered.
 * - `'stall'` (transfers): half is transferred, then nothing, with the connection left open.
 * - `'truncate'` (transfers): half is transferred, then the connection is dropped.
 * - `'short'` (transfers): half is passed off as the whole.
 * - `'flip'` (transfers): the bytes in the middle are inverted.
 * - `{ drip }`: the body arrives at that many bytes per second.
 * - `{ matchedKey }` (look-up): a hit with that key, whatever the request.
 * - `'vanish'` (look-up, download): the entry is deleted between look-up and download.
 */
export type CacheFault =
  | 'refuse'
  | 'reset'
  | 'blackhole'
  | 'stall'
  | 'truncate'
  | 'short'
  | 'flip'
  | 'vanish'
  | { status: number; body?: string; headers?: Record<string, string> }
  | { drip: number }
  | { matchedKey: string };

/** A cache scope as in GitHub's tokens; permission bits: 1 read, 2 write. */
export interface CacheScope {
  Scope: string;
  Permission: number;
}

/** Whose token a job gets. */
export interface JobIdentity {
  /** The ref the job runs for; its scope is readable and writable. Default: the default branch. */
  ref?: string;
  /** A pull request's base branch, which may be read too. The default branch always may. */
  base?: string;
  /** The token may read but not write, as for `pull_request_target`. */
  readOnly?: boolean;
  /** The exact scopes, instead of those that follow from the fields above. */
  scopes?: CacheScope[];
  /** Sets `ACTIONS_CACHE_MODE`, which a runner exports beside the token. */
  mode?: 'none' | 'read' | 'write' | 'write-only';
  /** The API's URL points to a closed port. */
  refused?: boolean;
}

/** A finalised entry. */
export interface CacheEntry {
  key: string;
  version: string;
  scope: string;
  size: number;
  createdAt: Date;
}

/** One request to the API or a blob. `status` is 0 until an answer starts. */
export interface CacheCall {
  operation: CacheOperation;
  method: string;
  status: number;
  /** Bytes of the archive that were sent to the client (download) or by it (upload). */
  bytes: number;
  /** Milliseconds since the epoch. */
  at: number;
  key?: string | undefined;
  version?: string | undefined;
  restoreKeys?: string[];
  matchedKey?: string | undefined;
  /** The scopes of the token; undefined if the token is not one of ours. */
  scopes?: CacheScope[] | undefined;
}

/** Conditions of the simulated network. */
export interface Network {
  /** Milliseconds before any request is processed. */
  latency?: number | undefined;
  /** Bytes per second of each transfer. */
  bandwidth?: number | undefined;
}

/** Options of `startCacheService`. */
export interface CacheServiceOptions extends Network {
  /** Scope that every job may read. Default: `refs/heads/main`. */
  defaultBranch?: string;
  /**
   * Signed URLs name a host under `.blob.core.windows.net`, as the real ones do, and `env()` carries
   * a NODE_OPTIONS that resolves it to this machine. `@actions/cache` chooses its download code by
   * that host: the Azure SDK for it, a plain GET for any other.
   */
  azureHost?: boolean;
}

/** A running stand-in. */
export interface CacheService {
  url: string;
  /** Every request so far, oldest first. */
  log: readonly CacheCall[];
  calls(operation: CacheOperation): CacheCall[];
  env(identity?: string | JobIdentity): Record<string, string>;
  entries(): CacheEntry[];
  delete(key: string): Promise<void>;
  readArchive(key: string): Promise<Buffer>;
  replaceArchive(key: string, archive: Buffer): Promise<void>;
  addEntry(key: string, version: string, archive: Buffer, scope?: string): Promise<void>;
  setFault(operation: CacheOperation, fault: CacheFault | undefined, times?: number): void;
  clearFaults(): void;
  setNetwork(network: Network): void;
  reset(): Promise<void>;
  close(): Promise<void>;
}

interface StoredEntry extends CacheEntry {
  id: number;
  blob: string;
  finalized: boolean;
}

/** The position of one body in the archive. */
interface Part {
  start: number;
  length: number;
  whole: number;
}

interface TwirpAnswer {
  status: number;
  body: Record<string, unknown>;
}

const apiPrefix = '/twirp/github.actions.results.api.v1.CacheService/';
const apiOperations: Record<string, CacheOperation> = {
  CreateCacheEntry: 'create',
  FinalizeCacheEntryUpload: 'finalize',
  GetCacheEntryDownloadURL: 'lookup',
};
const account = 'wheelhousetests';
const container = 'actions-cache';
const azureHostname = `${account}.blob.core.windows.net`;
const storageVersion = '2021-12-02';
const read = 1;
const write = 2;

const twirpCodes: Record<number, string> = {
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  429: 'resource_exhausted',
};
const transferFaults = ['refuse', 'stall', 'truncate', 'short', 'flip'];

/**
 * Starts the stand-in on a free port of 127.0.0.1. Takes about a second, nearly all of it Azurite.
 *
 * @throws Error when Azurite doesn't come up within 30 s.
 */
export async function startCacheService(options: CacheServiceOptions = {}): Promise<CacheService> {
  const defaultBranch = options.defaultBranch ?? 'refs/heads/main';
  const accountKey = randomBytes(64);
  const tokenKey = randomBytes(32);
  const storage = await startAzurite(accountKey);
  // One connection per request: Azurite may close a persistent one just as it is used again.
  const storageAddress = { agent: false, host: storage.hostname, port: storage.port };
  const closedPort = await reserveClosedPort();

  const entries: StoredEntry[] = [];
  const log: CacheCall[] = [];
  const faults = new Map<CacheOperation, { fault: CacheFault; left: number }>();
  let network: Network = { latency: options.latency, bandwidth: options.bandwidth };
  let lastId = 0;

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  const created = await storageRequest('PUT', undefined, Buffer.alloc(0), '&restype=container');
  if (created.status !== 201) {
    await close();
    throw new Error(`Azurite made no container: ${created.body}`);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const method = path.startsWith(apiPrefix) ? path.slice(apiPrefix.length) : undefined;
    const operation =
      method === undefined
        ? request.method === 'GET' || request.method === 'HEAD'
          ? 'download'
          : 'upload'
        : apiOperations[method];
    if (operation === undefined) return void response.writeHead(404).end();

    const call: CacheCall = {
      operation,
      method: request.method ?? '',
      status: 0,
      bytes: 0,
      at: Date.now(),
    };
    log.push(call);
    if (network.latency) await sleep(network.latency);
    if (method === undefined) await handleBlob(request, response, path, call);
    else await handleApi(request, response, call);
  }

  /** The fault of this request; counts down if it was set for a number of requests. */
  function takeFault(operation: CacheOperation): CacheFault | undefined {
    const active = faults.get(operation);
    if (active === undefined || active.left === 0) return undefined;
    active.left--;
    return active.fault;
  }

  async function handleApi(
    request: IncomingMessage,
    response: ServerResponse,
    call: CacheCall,
  ): Promise<void> {
    const fields = JSON.parse((await readAll(request)).toString() || '{}');
    call.key = fields.key;
    call.version = fields.version;
    if (call.operation === 'lookup') call.restoreKeys = fields.restore_keys ?? [];

    const fault = takeFault(call.operation);
    if (fault === 'reset') return void request.socket.destroy();
    if (fault === 'blackhole') return;
    if (typeof fault === 'object' && 'status' in fault) {
      const error = {
        code: twirpCodes[fault.status] ?? 'unavailable',
        msg: 'injected by the test',
      };
      const body = fault.body ?? JSON.stringify(error);
      const type = body.startsWith('<') ? 'text/html' : 'application/json';
      begin(call, response, fault.status, { 'content-type': type, ...fault.headers }).end(body);
      return;
    }

    const scopes = readToken(request.headers);
    call.scopes = scopes;
    const answer =
      scopes === undefined
        ? twirpError(401, 'unauthenticated', 'invalid token')
        : call.operation === 'lookup'
          ? lookUp(call, scopes, fault)
          : call.operation === 'create'
            ? create(call, scopes)
            : await finalize(call, scopes);
    if (fault === 'vanish') await remove(findFinalized(call.matchedKey));
    const body = Buffer.from(JSON.stringify(answer.body));
    begin(call, response, answer.status, {
      'content-type': 'application/json',
      'content-length': body.length,
    });
    await pipeline(Readable.from([body]), pace(rateOf(fault)), response);
  }

  // The order is GitHub's: all keys in the job's own scope, then all in the next one; within a scope
  // the exact key first. https://docs.github.com/en/actions/reference/workflows-and-actions/dependency-caching
  function lookUp(call: CacheCall, scopes: CacheScope[], fault?: CacheFault): TwirpAnswer {
    const readable = scopes.filter((scope) => scope.Permission & read);
    if (readable.length === 0) {
      return twirpError(
        403,
        'permission_denied',
        'cache read denied: token has no readable scopes',
      );
    }
    const newestFirst = entries
      .filter((entry) => entry.finalized && entry.version === call.version)
      .sort((a, b) => b.id - a.id);
    let found: StoredEntry | undefined;
    for (const { Scope: scope } of readable) {
      const visible = newestFirst.filter((entry) => entry.scope === scope);
      for (const key of [call.key ?? '', ...(call.restoreKeys ?? [])]) {
        found ??= visible.find((entry) => entry.key === key);
        found ??= visible.find((entry) => entry.key.startsWith(key));
      }
    }
    if (typeof fault === 'object' && 'matchedKey' in fault) {
      call.matchedKey = fault.matchedKey;
      found = findFinalized(fault.matchedKey) ?? found ?? findFinalized();
    } else {
      call.matchedKey = found?.key;
    }
    if (call.matchedKey === undefined) return { status: 200, body: { ok: false } };
    return {
      status: 200,
      body: {
        ok: true,
        signed_download_url: signedUrl(found?.blob ?? 'missing', 'r', 'download'),
        matched_key: call.matchedKey,
      },
    };
  }

  // A taken key answers 409 (https://github.com/actions/cache/issues/1541), whether it is finalised
  // or still being uploaded; a token that may not write answers 200 with ok=false and this prefix
  // (https://github.com/Mic92/hestia/pull/84, CACHE_WRITE_DENIED_PREFIX of the toolkit).
  function create(call: CacheCall, scopes: CacheScope[]): TwirpAnswer {
    const writable = scopes.find((scope) => scope.Permission & write);
    if (writable === undefined) {
      const message = 'cache write denied: token has no writable scopes';
      return { status: 200, body: { ok: false, message } };
    }
    if (entries.some((entry) => isSame(entry, call, writable.Scope))) {
      return twirpError(
        409,
        'already_exists',
        'cache entry with the same key, version, and scope already exists',
      );
    }
    const entry = newEntry(call.key ?? '', call.version ?? '', writable.Scope);
    return {
      status: 200,
      body: { ok: true, signed_upload_url: signedUrl(entry.blob, 'cw', 'upload') },
    };
  }

  async function finalize(call: CacheCall, scopes: CacheScope[]): Promise<TwirpAnswer> {
    const writable = scopes.find((scope) => scope.Permission & write);
    const entry = entries.find((candidate) => isSame(candidate, call, writable?.Scope));
    if (entry === undefined || entry.finalized) {
      return twirpError(404, 'not_found', 'no cache entry is being uploaded under this key');
    }
    const stored = await storageRequest('HEAD', entry.blob);
    if (stored.status !== 200) return twirpError(404, 'not_found', 'nothing was uploaded');
    entry.size = Number(stored.headers['content-length']);
    entry.finalized = true;
    entry.createdAt = new Date();
    entry.id = ++lastId;
    return { status: 200, body: { ok: true, entry_id: String(entry.id) } };
  }

  function isSame(entry: StoredEntry, call: CacheCall, scope: string | undefined): boolean {
    return entry.key === call.key && entry.version === call.version && entry.scope === scope;
  }

  function newEntry(key: string, version: string, scope: string): StoredEntry {
    const id = ++lastId;
    const blob = `${id}-${randomBytes(8).toString('hex')}`;
    const createdAt = new Date();
    const entry = { id, key, version, scope, size: 0, createdAt, blob, finalized: false };
    entries.push(entry);
    return entry;
  }

  /** The newest finalised entry, of one key or of any. */
  function findFinalized(key?: string): StoredEntry | undefined {
    return entries
      .filter((entry) => entry.finalized && (key === undefined || entry.key === key))
      .sort((a, b) => b.id - a.id)[0];
  }

  async function remove(entry: StoredEntry | undefined): Promise<void> {
    if (entry === undefined || !entries.includes(entry)) return;
    entries.splice(entries.indexOf(entry), 1);
    await storageRequest('DELETE', entry.blob);
  }

  async function handleBlob(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    call: CacheCall,
  ): Promise<void> {
    const blob = path.slice(path.lastIndexOf('/') + 1);
    const entry = entries.find((candidate) => candidate.blob === blob);
    call.key = entry?.key;
    call.version = entry?.version;

    const fault = takeFault(call.operation);
    if (fault === 'reset') return void request.socket.destroy();
    if (fault === 'blackhole') return void request.resume();
    if (fault === 'vanish') await remove(entry);
    if (typeof fault === 'object' && 'status' in fault) {
      // An answer before the body is read would look like a reset to the client.
      await readAll(request);
      const body = fault.body ?? '<Error><Code>InjectedByTheTest</Code></Error>';
      const headers = { 'content-type': 'application/xml', ...fault.headers };
      begin(call, response, fault.status, headers).end(body);
      return;
    }

    const upload = call.operation === 'upload';
    const length = Number(request.headers['content-length'] ?? 0);
    const requestHeaders = { ...request.headers, host: `${storage.hostname}:${storage.port}` };
    delete requestHeaders.connection;
    if (upload && fault === 'short') requestHeaders['content-length'] = String(half(length));
    // With the real host name, the account is the first label and not the first path segment.
    const isProductStyle = (request.headers.host ?? '').startsWith(azureHostname);
    const upstream = httpRequest({
      ...storageAddress,
      method: request.method,
      path: `${isProductStyle ? `/${account}` : ''}${request.url}`,
      headers: requestHeaders,
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      upstream.once('response', resolve);
      upstream.once('error', reject);
    });
    // After a dropped upload, no client waits for the answer.
    answered.catch(() => {});
    response.once('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
    const sent = { start: 0, length, whole: length };
    await carry(request, upstream, sent, upload ? fault : undefined, request.socket, call);

    const answer = await answered;
    const headers = { ...answer.headers };
    delete headers.connection;
    delete headers['keep-alive'];
    const status = answer.statusCode ?? 502;
    const total = Number(headers['content-length'] ?? 0);
    const range = /bytes (\d+)-\d+\/(\d+)/.exec(String(headers['content-range'] ?? ''));
    const isShort = !upload && fault === 'short' && status === 200;
    if (isShort) headers['content-length'] = String(half(total));
    begin(call, response, status, headers);
    if (upload || request.method === 'HEAD' || status >= 400) {
      await pipeline(answer, response);
      return;
    }
    const part = {
      start: Number(range?.[1] ?? 0),
      length: total,
      whole: Number(range?.[2] ?? total),
    };
    // A client that requests ranges trusts the short length of a HEAD and requests nothing beyond it.
    const applied = fault === 'short' && !isShort ? undefined : fault;
    await carry(answer, response, part, applied, request.socket, call);
  }

  /** Transfers one body, with the faults of transfers. */
  async function carry(
    from: IncomingMessage,
    to: NodeJS.WritableStream,
    part: Part,
    fault: CacheFault | undefined,
    client: Socket,
    call: CacheCall,
  ): Promise<void> {
    const speed = pace(rateOf(fault));
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        call.bytes += chunk.length;
        done(null, chunk);
      },
    });
    if (fault === 'truncate' || fault === 'stall') {
      const cut = firstBytes(half(part.length), () => {
        // Long enough for the first half to leave this process.
        if (fault === 'truncate') setTimeout(() => client.destroy(), 50);
      });
      from.pipe(speed).pipe(cut).pipe(counter).pipe(to, { end: false });
      if (!client.destroyed) await new Promise((resolve) => client.once('close', resolve));
      from.destroy();
      return;
    }
    const change =
      fault === 'short'
        ? firstBytes(half(part.length))
        : fault === 'flip'
          ? invertBytes(half(part.whole) - part.start)
          : new PassThrough();
    await pipeline(from, speed, change, counter, to);
  }

  function rateOf(fault: CacheFault | undefined): number | undefined {
    return typeof fault === 'object' && 'drip' in fault ? fault.drip : network.bandwidth;
  }

  function signedUrl(blob: string, permissions: string, operation: CacheOperation): string {
    const expiry = expiryTime();
    const resource = `/blob/${account}/${container}/${blob}`;
    const signed = [permissions, '', expiry, resource, '', '', '', storageVersion, 'b'];
    const query = new URLSearchParams({
      sv: storageVersion,
      sp: permissions,
      se: expiry,
      sr: 'b',
      sig: hmac(accountKey, [...signed, '', '', '', '', '', '', ''].join('\n')),
    });
    const refused = faults.get(operation)?.fault === 'refuse';
    const target = refused ? closedPort.port : port;
    const origin = options.azureHost
      ? `http://${azureHostname}:${target}`
      : `http://127.0.0.1:${target}/${account}`;
    return `${origin}/${container}/${blob}?${query}`;
  }

  /** Direct access to the storage, without faults and log. */
  async function storageRequest(
    method: string,
    blob?: string,
    content?: Buffer,
    parameters = '',
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
    const expiry = expiryTime();
    const signed = [account, 'rwdlac', 'b', 'sco', '', expiry, '', '', storageVersion, '', ''];
    const query = new URLSearchParams({
      sv: storageVersion,
      sp: 'rwdlac',
      ss: 'b',
      srt: 'sco',
      se: expiry,
      sig: hmac(accountKey, signed.join('\n')),
    });
    const name = blob === undefined ? '' : `/${blob}`;
    const request = httpRequest({
      ...storageAddress,
      method,
      path: `/${account}/${container}${name}?${query}${parameters}`,
      headers:
        content === undefined
          ? {}
          : { 'content-length': content.length, 'x-ms-blob-type': 'BlockBlob' },
      signal: AbortSignal.timeout(30_000),
    });
    request.end(content);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    const body = await readAll(answer);
    return { status: answer.statusCode ?? 0, headers: answer.headers, body };
  }

  async function putBlob(entry: StoredEntry, archive: Buffer): Promise<void> {
    const stored = await storageRequest('PUT', entry.blob, archive);
    if (stored.status !== 201) throw new Error(`Azurite stored nothing: ${stored.body}`);
    entry.size = archive.length;
    entry.finalized = true;
  }

  function requireEntry(key: string): StoredEntry {
    const entry = findFinalized(key);
    if (entry === undefined) throw new Error(`no cache entry has the key ${key}`);
    return entry;
  }

  /** The scopes of one of our tokens; undefined for other tokens. */
  function readToken(headers: IncomingHttpHeaders): CacheScope[] | undefined {
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
    const [head, payload, signature] = token.split('.');
    if (!payload || signature !== sign(`${head}.${payload}`)) return undefined;
    return JSON.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()).ac);
  }

  function sign(text: string): string {
    return createHmac('sha256', tokenKey).update(text).digest('base64url');
  }

  /** A token like GitHub's: a JWT whose claim `ac` is JSON in a string. */
  function makeToken(scopes: CacheScope[]): string {
    const seconds = Math.floor(Date.now() / 1000);
    const parts = [
      { typ: 'JWT', alg: 'HS256' },
      { ac: JSON.stringify(scopes), scp: 'Actions.Results', iat: seconds, exp: seconds + 21_600 },
    ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
    return `${parts.join('.')}.${sign(parts.join('.'))}`;
  }

  function scopesOf(identity: JobIdentity): CacheScope[] {
    const own = identity.ref ?? defaultBranch;
    const others = [identity.base, defaultBranch].filter((ref) => ref !== undefined && ref !== own);
    return [
      { Scope: own, Permission: identity.readOnly ? read : read | write },
      ...[...new Set(others as string[])].map((Scope) => ({ Scope, Permission: read })),
    ];
  }

  async function close(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    closedPort.release();
    await Promise.all([closed, storage.stop()]);
  }

  return {
    url,
    log,
    calls: (operation) => log.filter((call) => call.operation === operation),
    env(identity = {}) {
      const who = typeof identity === 'string' ? { ref: identity } : identity;
      return {
        ACTIONS_CACHE_SERVICE_V2: 'True',
        ACTIONS_RESULTS_URL: `http://127.0.0.1:${who.refused ? closedPort.port : port}/`,
        ACTIONS_RUNTIME_TOKEN: makeToken(who.scopes ?? scopesOf(who)),
        ...(who.mode === undefined ? {} : { ACTIONS_CACHE_MODE: who.mode }),
        ...(options.azureHost ? { NODE_OPTIONS: `--import=${resolveAzureHostHere}` } : {}),
      };
    },
    entries: () =>
      entries
        .filter((entry) => entry.finalized)
        .sort((a, b) => a.id - b.id)
        .map(({ key, version, scope, size, createdAt }) => ({
          key,
          version,
          scope,
          size,
          createdAt,
        })),
    async delete(key) {
      const doomed = entries.filter((entry) => entry.key === key);
      await Promise.all(doomed.map(remove));
    },
    async readArchive(key) {
      return (await storageRequest('GET', requireEntry(key).blob)).body;
    },
    replaceArchive: (key, archive) => putBlob(requireEntry(key), archive),
    addEntry: (key, version, archive, scope = defaultBranch) =>
      putBlob(newEntry(key, version, scope), archive),
    setFault(operation, fault, times = Number.POSITIVE_INFINITY) {
      if (fault === undefined) return void faults.delete(operation);
      assertPossible(operation, fault);
      faults.set(operation, { fault, left: times });
    },
    clearFaults: () => faults.clear(),
    setNetwork(conditions) {
      network = conditions;
    },
    async reset() {
      faults.clear();
      network = { latency: options.latency, bandwidth: options.bandwidth };
      await Promise.all([...entries].map(remove));
      log.length = 0;
    },
    close,
  };
}

/**
 * The version under which `@actions/cache` files an archive: a digest of the path strings and the
 * compression. `compression` is what it finds on the machine: `gzip` where there is no zstd.
 */
export function cacheVersion(paths: string[], compression = 'zstd-without-long'): string {
  const platform = process.platform === 'win32' ? ['windows-only'] : [];
  const components = [...paths, compression, ...platform, '1.0'];
  return createHash('sha256').update(components.join('|')).digest('hex');
}

function assertPossible(operation: CacheOperation, fault: CacheFault): void {
  const isTransfer = operation === 'download' || operation === 'upload';
  const possible =
    typeof fault === 'object'
      ? !('matchedKey' in fault) || operation === 'lookup'
      : fault === 'vanish'
        ? operation === 'lookup' || operation === 'download'
        : isTransfer || !transferFaults.includes(fault);
  if (!possible) throw new Error(`${operation} has no fault ${JSON.stringify(fault)}`);
}

// Read by `node --import`, before anything else has asked for an address. No spaces or quotes may
// remain in it: NODE_OPTIONS splits on the one and unwraps the other.
const resolveAzureHostHere = `data:text/javascript,${encodeURIComponent(`
  import dns from 'node:dns';
  const { lookup } = dns;
  dns.lookup = (host, ...rest) =>
    lookup(host === '${azureHostname}' ? '127.0.0.1' : host, ...rest);
`).replaceAll("'", '%27')}`;

/** Starts Azurite's blob service with one account, on a free port. */
async function startAzurite(accountKey: Buffer) {
  const manifest = createRequire(import.meta.url).resolve('azurite/package.json');
  const entry = JSON.parse(readFileSync(manifest, 'utf8')).bin['azurite-blob'];
  // It would outlive a killed test process, so it exits when stdin closes.
  const exitWithParent = 'process.stdin.on("end",()=>process.exit()).resume()';
  const child = spawn(
    process.execPath,
    [
      `--import=data:text/javascript,${encodeURIComponent(exitWithParent)}`,
      join(dirname(manifest), entry),
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', '--inMemoryPersistence', '--silent'],
      ...['--skipApiVersionCheck', '--loose', '--disableTelemetry'],
    ],
    {
      cwd: tmpdir(),
      env: { AZURITE_ACCOUNTS: `${account}:${accountKey.toString('base64')}` },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const port = await new Promise<number>((resolve, reject) => {
    let output = '';
    const fail = (why: string) => {
      child.kill('SIGKILL');
      reject(new Error(`Azurite ${why}: ${output}`));
    };
    const timer = setTimeout(() => fail('did not start in 30 s'), 30_000);
    const onData = (data: Buffer) => {
      output += data;
      const listening = /successfully listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(output);
      if (listening === null) return;
      clearTimeout(timer);
      resolve(Number(listening[1]));
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('exit', () => {
      clearTimeout(timer);
      fail('ended');
    });
  });
  return {
    hostname: '127.0.0.1',
    port,
    async stop(): Promise<void> {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/**
 * A port of 127.0.0.1 on which nothing listens, and nothing will: it is the local end of an open
 * connection, so no other process is handed it meanwhile.
 */
async function reserveClosedPort(): Promise<{ port: number; release(): void }> {
  const listener = createTcpServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve));
  const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const peer = await accepted;
  return {
    port: socket.localPort as number,
    release() {
      socket.destroy();
      peer.destroy();
      listener.close();
    },
  };
}

/** Transfers bytes at a rate per second; undefined for no limit. */
function pace(bytesPerSecond: number | undefined): Transform {
  if (bytesPerSecond === undefined) return new PassThrough();
  const step = Math.max(1, Math.floor(bytesPerSecond / 20));
  let dueAt = Date.now();
  return new Transform({
    async transform(chunk: Buffer, _encoding, done) {
      for (let offset = 0; offset < chunk.length && !this.destroyed; offset += step) {
        const piece = chunk.subarray(offset, offset + step);
        // Timers are coarse: the next one makes up for a delay, up to a limit.
        dueAt = Math.max(dueAt, Date.now() - 100) + (1000 * piece.length) / bytesPerSecond;
        const ahead = dueAt - Date.now();
        if (ahead > 1) await sleep(ahead);
        this.push(piece);
      }
      done();
    },
  });
}

/** Transfers the first bytes and drops the rest. `onCut` is called once, at the cut. */
function firstBytes(count: number, onCut: () => void = () => {}): Transform {
  let left = count;
  let isCut = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left > 0 || isCut) return;
      isCut = true;
      onCut();
    },
  });
}

/** Inverts 16 bytes (fewer at the end) from `offset`, which may be before or after the body. */
function invertBytes(offset: number): Transform {
  let position = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const changed = Buffer.from(chunk);
      for (let index = 0; index < 16; index++) {
        const at = offset + index - position;
        if (at >= 0 && at < changed.length) changed[at] = ~(changed[at] as number) & 0xff;
      }
      position += chunk.length;
      done(null, changed);
    },
  });
}

function half(length: number): number {
  return Math.floor(length / 2);
}

function hmac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64');
}

function expiryTime(): string {
  return `${new Date(Date.now() + 3_600_000).toISOString().slice(0, 19)}Z`;
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function twirpError(status: number, code: string, msg: string): TwirpAnswer {
  return { status, body: { code, msg } };
}

/** Starts an answer, and logs its status before the client can see it. */
function begin(
  call: CacheCall,
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
): ServerResponse {
  call.status = status;
  return response.writeHead(status, headers);
}
