/** Real private feeds that require credentials, and the real programs that upload to them. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { ensureFeeds, feedCommand, uvCommand } from '../../scripts/tools.mjs';

export const credentials = { username: 'robot', password: 'hunter2 & Co%' };

export interface PrivateFeed {
  /** Address of the simple index, without credentials. */
  readonly url: string;
  /** Where pypiserver keeps its files. */
  readonly packages: string;
  close(): Promise<void>;
}

/** Creates a directory for PATH with twine, uv and pip-audit and nothing else. */
export function publisherPath(directory: string, tools = ['twine', 'uv', 'pip-audit']): string {
  ensureFeeds();
  mkdirSync(directory, { recursive: true });
  for (const tool of tools) {
    const command = tool === 'uv' ? uvCommand() : feedCommand('publishers', tool);
    symlinkSync(command, join(directory, tool));
  }
  return directory;
}

/** Starts pypiserver, which requires credentials for everything. */
export async function startPypiserver(options: readonly string[] = []): Promise<PrivateFeed> {
  ensureFeeds();
  const place = mkdtempSync(join(tmpdir(), 'pypiserver-'));
  const packages = join(place, 'packages');
  const passwords = join(place, 'passwords');
  mkdirSync(packages);
  const digest = createHash('sha1').update(credentials.password).digest('base64');
  writeFileSync(passwords, `${credentials.username}:{SHA}${digest}\n`);
  const port = await freePort();
  const server = spawn(
    feedCommand('pypiserver', 'pypi-server'),
    ['run', '-i', '127.0.0.1', '-p', String(port), '-P', passwords, '-a', 'update,download,list']
      // Without its cache, because tests write files into the directory.
      .concat(['--backend', 'simple-dir', ...options, packages]),
    { stdio: 'ignore', env: { PATH: process.env['PATH'] ?? '' } },
  );
  const url = `http://127.0.0.1:${port}/simple/`;
  await answering(url, server);
  return { url, packages, close: () => end(server, place) };
}

/** Starts devpi with an index `robot/dev` where that user alone may upload, each file once. */
export async function startDevpi(): Promise<PrivateFeed> {
  ensureFeeds();
  const place = mkdtempSync(join(tmpdir(), 'devpi-'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: place };
  const directory = ['--serverdir', join(place, 'server')];
  await promisify(execFile)(
    feedCommand('devpi', 'devpi-init'),
    [...directory, '--no-root-pypi', '--root-passwd', credentials.password],
    { env },
  );
  const port = await freePort();
  const server = spawn(
    feedCommand('devpi', 'devpi-server'),
    [...directory, '--host', '127.0.0.1', '--port', String(port)],
    { stdio: 'ignore', env },
  );
  const origin = `http://127.0.0.1:${port}`;
  await answering(`${origin}/+api`, server);
  const { username, password } = credentials;
  const call = async (method: string, path: string, body: object, auth = ''): Promise<unknown> => {
    const answer = await fetch(`${origin}/${path}`, {
      method,
      headers: { 'content-type': 'application/json', 'x-devpi-auth': auth },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`devpi: ${path}: ${await answer.text()}`);
    return answer.json();
  };
  await call('PUT', username, { password, email: '' });
  const login = (await call('POST', '+login', { user: username, password })) as {
    result: { password: string };
  };
  const auth = Buffer.from(`${username}:${login.result.password}`).toString('base64');
  const index = { type: 'stage', bases: [], volatile: false, acl_upload: [username] };
  await call('PUT', `${username}/dev`, index, auth);
  return {
    url: `${origin}/${username}/dev/+simple/`,
    packages: '',
    close: () => end(server, place),
  };
}

export interface Proxy {
  /** The feed's own address, through the proxy. */
  readonly url: string;
  /** Uploads, by the status that the client received. */
  readonly uploads: number[];
  close(): Promise<void>;
}

/**
 * Starts a proxy in front of a feed.
 * @param spoil the number of the upload, from 1, that is forwarded but answered by a 502
 */
export async function startProxy(feed: string, spoil: (upload: number) => boolean): Promise<Proxy> {
  const target = new URL(feed);
  const uploads: number[] = [];
  const server = createServer((incoming, outgoing) => {
    const upload = incoming.method === 'POST';
    const number = uploads.length + 1;
    if (upload) uploads.push(0);
    const headers: IncomingHttpHeaders = { ...incoming.headers };
    const passed = request(
      {
        host: target.hostname,
        port: target.port,
        path: incoming.url,
        headers,
        method: incoming.method,
      },
      (answer) => {
        const status = upload && spoil(number) ? 502 : (answer.statusCode ?? 500);
        if (upload) uploads[number - 1] = status;
        const { 'content-length': _length, 'transfer-encoding': _coding, ...rest } = answer.headers;
        outgoing.writeHead(status, rest);
        if (status === 502) {
          answer.resume().on('end', () => outgoing.end('the proxy has lost the answer\n'));
        } else {
          answer.pipe(outgoing);
        }
      },
    );
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = new URL(feed);
  url.port = String(port);
  return {
    url: url.href,
    uploads,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Runs a program until it exits, without blocking the servers of this process. */
export async function finished(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ exitCode: number; output: string }> {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [exitCode] = await new Promise<[number]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve([code ?? 128]));
  });
  return { exitCode, output };
}

/** Uploads files with twine as a user would. */
export function uploadByHand(path: string, url: string, files: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(
    join(path, 'twine'),
    ['upload', '--non-interactive', '--disable-progress-bar', `--repository-url=${url}`, ...files],
    {
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'] ?? '',
        TWINE_USERNAME: credentials.username,
        TWINE_PASSWORD: credentials.password,
      },
    },
  );
  if (status !== 0) throw new Error(`twine failed: ${stdout}${stderr}`);
}

async function freePort(): Promise<number> {
  const probe = createSocketServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function answering(url: string, server: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (server.exitCode !== null) throw new Error(`the feed ended with ${server.exitCode}`);
    const answer = await fetch(url, { redirect: 'manual' }).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer !== undefined) return;
    await sleep(100);
  }
  throw new Error(`no feed answers at ${url}`);
}

async function end(server: ChildProcess, place: string): Promise<void> {
  const ended = new Promise((resolve) => server.once('close', resolve));
  if (server.exitCode === null && server.kill('SIGKILL')) await ended;
  rmSync(place, { recursive: true, force: true });
}
