/**
 * An index on the loopback address for the programs of one fill: it passes on the pages and files of
 * the real indexes. The programs need no credentials, wait for nothing that is known ahead, and get
 * from disk what is there already.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

import {
  isDistributionName,
  isNormalizedName,
  isWheelFileName,
  normalizeName,
  wheelNameParts,
} from '../logic/names.ts';
import {
  jsonPage,
  judgePage,
  type ListedFile,
  projectFiles,
  renderPage,
  requiredNames,
  usableFiles,
  withBuiltWheels,
} from '../logic/project-page.ts';
import { shownAddress } from '../logic/secrets.ts';
import { pageUrl, WebError } from '../logic/web.ts';
import type { FileAtHand, Gateway, GatewayFault, GatewayOptions, Gateways } from '../ports.ts';

/** Requests for pages ahead of time that run at once. */
const maxAhead = 16;
/** Wheels that are downloaded ahead of time at once. */
const maxFilesAhead = 6;
/** Milliseconds after which a download is mentioned in the log. */
const longDownload = 10_000;

export function gatewaysAdapter(): Gateways {
  return { open: openGateway };
}

/** A project's page on one index, ready to be sent. */
interface Page {
  readonly files: ReadonlyMap<string, ListedFile>;
  readonly text: string;
}

async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { indexes, client, reporter, downloaded, built, mayFit } = options;
  const directory = await mkdtemp(path.join(options.directory, 'gateway-'));
  const secret = randomBytes(16).toString('hex');
  const faults: GatewayFault[] = [];
  const wheels = new Map<string, FileAtHand>();
  for (const each of [...options.atHand, ...downloaded, ...built])
    wheels.set(`${each.file} ${each.sha256}`, each);
  const pages = new Map<string, Task<Page>>();
  const files = new Map<string, Task<string>>();
  const pageQueue = new Queue(maxAhead);
  const fileQueue = new Queue(maxFilesAhead);
  let isOpen = true;

  function pageTask(index: number, project: string): Task<Page> {
    return remembered(pages, `${index} ${project}`, () => fetchPage(index, project));
  }

  const isUsable = (file: string): boolean =>
    isDistributionName(file) && (!isWheelFileName(file) || mayFit(file));

  async function fetchPage(index: number, project: string): Promise<Page> {
    const { contentType, text, url } = await client.page(pageUrl(indexes[index] ?? '', project));
    const health = judgePage(200, contentType, text);
    if (health.state === 'down') throw new WebError('wrong', health.reason);
    let listed: ListedFile[];
    try {
      listed = projectFiles(contentType, text, url, isUsable);
    } catch {
      throw new WebError('wrong', 'its answer is not a package index page');
    }
    const own = built.filter(({ file }) => wheelNameParts(file).name === project);
    const offered = withBuiltWheels(usableFiles(listed), project, own);
    return { files: offered, text: renderPage(project, offered.values()) };
  }

  /** A file, or the metadata of a wheel. */
  function fileTask(index: number, project: string, file: ListedFile, isMetadata: boolean) {
    const name = isMetadata ? `${file.file}.metadata` : file.file;
    return remembered(files, `${index} ${project} ${name}`, async () => {
      const present = isMetadata ? undefined : await fileAtHand(file);
      if (present !== undefined) return present.path;
      const to = path.join(await mkdtemp(path.join(directory, 'file-')), name);
      if (isMetadata) {
        const { sha256 } = typeof file.metadata === 'object' ? file.metadata : {};
        await client.file(metadataUrl(file.url), to, { sha256, maxBytes: maxMetadata });
        return to;
      }
      const timer = setTimeout(() => {
        const size = file.size === undefined ? '' : ` (${Math.ceil(file.size / 1e6)} MB)`;
        reporter.info(`Downloading ${name}${size} from ${shownAddress(indexes[index] ?? '')} …`);
      }, longDownload);
      try {
        const { sha256 } = await client.file(file.url, to, { sha256: file.sha256 });
        if (isWheelFileName(name)) downloaded.push({ file: name, sha256, path: to });
      } finally {
        clearTimeout(timer);
      }
      return to;
    });
  }

  /** The same file on disk, as far as the page tells: without a hash on the page, by its name. */
  async function fileAtHand({ file, sha256, hashes }: ListedFile): Promise<FileAtHand | undefined> {
    if (sha256 !== undefined) return wheels.get(`${file} ${sha256}`);
    const named = [...wheels.values()].find((each) => each.file === file);
    const [algorithm] = Object.keys(hashes);
    if (named === undefined || algorithm === undefined) return named;
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(named.path)) hash.update(chunk as Buffer);
    return hash.digest('hex') === hashes[algorithm] ? named : undefined;
  }

  function fetchAhead(names: Iterable<string>): void {
    for (const project of names) {
      for (const index of indexes.keys()) pageQueue.add(pageTask(index, project));
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = routeOf(request);
    if (route === undefined) return refuse(response, 404, 'not found');
    const { index, project, file: name } = route;
    try {
      const page = await pageTask(index, project).run();
      if (name === undefined) return send(response, jsonPage, page.text);
      const isMetadata = name.endsWith('.metadata');
      const file = page.files.get(isMetadata ? name.slice(0, -'.metadata'.length) : name);
      if (file === undefined || (isMetadata && file.metadata === false)) {
        return refuse(response, 404, 'not found');
      }
      const task = fileTask(index, project, file, isMetadata);
      const location = await task.run();
      if (isMetadata) await followMetadata(index, project, file, location);
      await sendFile(response, location);
    } catch (error) {
      if (!(error instanceof WebError)) throw error;
      if (error.kind !== 'absent' || name !== undefined) {
        faults.push({
          index: shownAddress(indexes[index] ?? ''),
          ...{ project, file: name, kind: error.kind, reason: error.message, status: error.status },
        });
      }
      refuse(response, statusOf(error), error.message);
    }
  }

  /** A wheel whose metadata is read is likely to be chosen, and so are its dependencies. */
  async function followMetadata(
    index: number,
    project: string,
    file: ListedFile,
    location: string,
  ): Promise<void> {
    fileQueue.replace(project, fileTask(index, project, file, false));
    fetchAhead(requiredNames(await readFile(location, 'utf8')));
  }

  /** @returns undefined for everything that is not a page or a file of an index */
  function routeOf({ method, url = '', headers }: IncomingMessage) {
    if ((method !== 'GET' && method !== 'HEAD') || headers.host !== host) return undefined;
    const [, given = '', index = '', project = '', file, ...others] = url.split('/');
    const isOurs =
      given.length === secret.length && timingSafeEqual(Buffer.from(given), Buffer.from(secret));
    if (!isOurs || !/^\d{1,4}$/.test(index) || Number(index) >= indexes.length) return undefined;
    if (others.length > 0 || !isNormalizedName(normalizeName(project))) return undefined;
    if (file === undefined) return undefined;
    const name = decoded(file);
    return {
      index: Number(index),
      project: normalizeName(project),
      file: name === '' ? undefined : name,
    };
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const base = `http://${host}/${secret}/`;

  return {
    urls: Array.from(indexes, (_url, index) => `${base}${index}/`),
    faults,
    fetchAhead,
    shown(text) {
      return text.split(base).reduce((before, after) => {
        const [whole = '', number = ''] = /^(\d+)\//.exec(after) ?? [];
        const index = indexes[Number(number)];
        if (index === undefined) return `${before}${after}`;
        return `${before}${shownAddress(index).replace(/\/*$/, '/')}${after.slice(whole.length)}`;
      });
    },
    async close() {
      if (!isOpen) return;
      isOpen = false;
      pageQueue.clear();
      fileQueue.clear();
      server.close();
      server.closeAllConnections();
      await client.close();
    },
  };
}

/** Bytes. */
const maxMetadata = 16 * 1024 * 1024;

/** PEP 658 appends to the path; a query may follow it. */
function metadataUrl(file: string): string {
  const url = new URL(file);
  url.pathname += '.metadata';
  return url.href;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const unprocessable = 422;
/** Of the codes for faults of servers, this is one that no pip (22.2 to 26.3) tries again. */
const gatewayTimeout = 504;

function statusOf({ kind, status }: WebError): number {
  if (kind === 'absent') return 404;
  if (kind === 'wrong' || kind === 'too large') return unprocessable;
  return kind === 'refused' && status !== undefined ? status : gatewayTimeout;
}

/** pip shows the reason instead of the usual name of the status. */
function refuse(response: ServerResponse, status: number, reason: string): void {
  response.statusMessage = reason.replace(/[^\x20-\x7e]/g, '?');
  response.writeHead(status, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
  response.end(`${reason}\n`);
}

function send(response: ServerResponse, contentType: string, text: string): void {
  response.writeHead(200, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

async function sendFile(response: ServerResponse, file: string): Promise<void> {
  const { size } = await stat(file);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': size,
    'cache-control': 'no-store',
  });
  if (response.req.method === 'HEAD') response.end();
  // A client may go away.
  else await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), response).catch(() => {});
}

/** Work that is done once, at the latest when its result is needed. */
interface Task<T> {
  run(): Promise<T>;
}

function remembered<T>(tasks: Map<string, Task<T>>, key: string, work: () => Promise<T>): Task<T> {
  const known = tasks.get(key);
  if (known !== undefined) return known;
  let result: Promise<T> | undefined;
  const task = {
    run() {
      result ??= work();
      return result;
    },
  };
  tasks.set(key, task);
  return task;
}

/** Runs tasks ahead of time, a few at once. What fails is said to whoever needs it. */
class Queue {
  readonly #limit: number;
  readonly #waiting = new Map<string | Task<unknown>, Task<unknown>>();
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(task: Task<unknown>): void {
    this.replace(task, task);
  }

  /** Adds a task instead of the one with the same key, if that has not begun. */
  replace(key: string | Task<unknown>, task: Task<unknown>): void {
    this.#waiting.set(key, task);
    this.#next();
  }

  clear(): void {
    this.#waiting.clear();
  }

  #next(): void {
    for (const [key, task] of this.#waiting) {
      if (this.#running >= this.#limit) return;
      this.#waiting.delete(key);
      this.#running += 1;
      void task
        .run()
        .catch(() => {})
        .finally(() => {
          this.#running -= 1;
          this.#next();
        });
    }
  }
}
