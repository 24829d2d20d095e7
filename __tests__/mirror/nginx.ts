/** Runs real nginx on the loopback with a configuration from the mirror's renderer. */
import assert from 'node:assert/strict';
import { execFile, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { findProgram, missingFor, python, root } from '../../scripts/tools.mjs';

/** A line of the access log, by the names in it. */
export interface LogLine {
  /** HIT, MISS, STALE, UPDATING, EXPIRED, REVALIDATED; `-` if the path is not cached. */
  cache: string;
  /** page, file or other. */
  kind: string;
  status: number;
  path: string;
}

/** A running nginx. */
export interface Nginx {
  /** Without a trailing slash. */
  readonly origin: string;
  /** Text of the configuration. */
  readonly config: string;
  /** The access log so far, oldest first. Lines are written after answers: see `until`. */
  log(): LogLine[];
  /** The error log so far. */
  errors(): string;
}

export interface MirrorOptions {
  /** More arguments for the renderer. */
  readonly args?: readonly string[];
  /** Changes the configuration before it is used. Throws if nothing is changed. */
  readonly edit?: (config: string) => string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Until the answer was complete. */
  readonly milliseconds: number;
}

function nginxCommand(): string {
  return findProgram('nginx') ?? assert.fail(missingFor('test:mirror').missing.join('\n'));
}

let version: string | undefined;

function nginxVersion(): string {
  version ??= spawnSync(nginxCommand(), ['-v'], { encoding: 'utf8' }).stderr;
  return /[\d.]+/.exec(version)?.[0] ?? '';
}

/** Runs render.py. Never throws: `status` and `stderr` say how it went. */
export async function render(
  upstream: string,
  args: readonly string[],
): Promise<Pick<SpawnSyncReturns<string>, 'status' | 'stdout' | 'stderr'>> {
  const command = [join(root, 'mirror', 'render.py'), upstream, ...args];
  try {
    // Not synchronous: the index that it asks may live in this process.
    const output = await promisify(execFile)(python, command, { env: plainEnvironment() });
    return { status: 0, ...output };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

/**
 * Renders the configuration for an upstream and starts nginx with it, until the test ends.
 * @param upstream address of a simple index that has the project `alpha`
 * @throws Error with what the renderer or nginx said
 */
export async function startMirror(
  t: TestContext,
  upstream: string,
  { args = [], edit }: MirrorOptions = {},
): Promise<Nginx & { readonly index: string }> {
  const directory = scratch(t);
  const [port, innerPort] = [await freePort(), await freePort()];
  const { status, stdout, stderr } = await render(upstream, [
    ...['--listen', `127.0.0.1:${port}`, '--inner-port', String(innerPort)],
    ...['--cache-dir', directory, '--access-log', join(directory, 'access.log')],
    // nginx empties its cache if less than this is free, and a test machine may be rather full.
    ...['--min-free', '1m'],
    ...['--project', 'alpha', '--nginx-version', nginxVersion()],
    ...args,
  ]);
  if (status !== 0) throw new Error(stderr);
  const config = edit ? edit(stdout) : stdout;
  if (edit && config === stdout) throw new Error('The edit changes nothing.');
  const nginx = await startNginx(t, directory, config, port);
  return { ...nginx, index: `${nginx.origin}${new URL(upstream).pathname}` };
}

/**
 * Starts nginx with a configuration for its http context, until the test ends.
 * @param port one that the configuration listens on
 */
export async function startNginx(
  t: TestContext,
  directory: string,
  config: string,
  port: number,
): Promise<Nginx> {
  const command = nginxCommand();
  const file = join(directory, 'nginx.conf');
  writeFileSync(join(directory, 'mirror.conf'), config);
  writeFileSync(file, mainConfig(directory));
  mkdirSync(join(directory, 'temporary'));
  const args = ['-p', directory, '-c', file, '-e', 'stderr'];
  const { stderr } = await promisify(execFile)(command, [...args, '-t']);
  if (/\[warn\]/.test(stderr)) throw new Error(`nginx -t:\n${stderr}`);

  const errorLog = join(directory, 'error.log');
  const log = openSync(errorLog, 'w');
  const child = spawn(command, args, { stdio: ['ignore', log, log] });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const errors = (): string => readFileSync(errorLog, 'utf8');
  const origin = `http://127.0.0.1:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx exited:\n${errors()}`);
    return get(`${origin}/health`).then(
      () => true,
      () => false,
    );
  });
  return { origin, config, errors, log: () => readLog(join(directory, 'access.log')) };
}

/** Creates a directory that is removed after the test. */
export function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'mirror-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Sends one request, without following redirects; the body is not decoded. */
export function get(
  url: string,
  headers: Record<string, string> = {},
  { body, ...options }: Pick<RequestOptions, 'method' | 'agent'> & { readonly body?: string } = {},
): Promise<Answer> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    // Not a URL object, which would normalise the path.
    const [, host, port, path] = /^http:\/\/([^/:]+):(\d+)([^#]*)/.exec(url) ?? [];
    const target = { host, port, path, agent: false, ...options, headers };
    const request = httpRequest(target, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
          milliseconds: performance.now() - start,
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Waits until a condition is true. @throws Error after 15 s */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const start = Date.now(); !(await condition()); await sleep(20)) {
    if (Date.now() - start > 15_000) throw new Error(`not true after 15 s: ${condition}`);
  }
}

/** An environment without any settings of this machine. */
export function plainEnvironment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8' };
}

/** The main configuration of a distribution around conf.d, with the settings that could interfere. */
function mainConfig(directory: string): string {
  // Started by root, nginx would drop its privileges and could not read the test's directory.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `  ${name}_temp_path ${directory}/temporary/${name};\n`,
  );
  return `${user}daemon off;
worker_processes 2;
pid ${directory}/nginx.pid;
error_log stderr info;
events { worker_connections 256; }
http {
  sendfile on;
  tcp_nopush on;
  gzip on;
${temporary.join('')}
  include ${directory}/mirror.conf;
}
`;
}

function readLog(file: string): LogLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const match = /cache=(\S+) kind=(\S+) status=(\d+) .* "\S+ ([^"]*)" "[^"]*"$/.exec(line);
      if (!match) return [];
      const [, cache = '', kind = '', status, path = ''] = match;
      return [{ cache, kind, status: Number(status), path }];
    });
}
