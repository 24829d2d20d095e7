/** Downloads through pip's own HTTP session: see session.py. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { statusError, WebError } from '../logic/web.ts';
import type {
  ExpectedFile,
  PageOptions,
  PipSession,
  WebAccess,
  WebClient,
  WebPage,
} from '../ports.ts';
import type { Limits } from './connections.ts';
import { discard, temporaryDirectory } from './disk.ts';
import { type Running, start } from './process.ts';
import { asciiJson, pythonProgram } from './python-program.ts';

/** What session.py prints for one request. */
interface Reply {
  readonly id: number;
  readonly status?: number;
  readonly contentType?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly size?: number;
  readonly fault?: string;
  readonly large?: boolean;
  readonly broken?: boolean;
  readonly unwritable?: boolean;
}

type Arrived = Reply & { readonly sha256: string; readonly size: number };

/** What session.py is asked, besides its limits. */
interface Order {
  readonly url: string;
  /** Path of a file. */
  readonly to: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly page: boolean;
  /** Until the first byte, or the last one of a page. */
  readonly seconds: number;
}

/** A running program, and who waits for its replies. */
interface Session {
  readonly running: Running;
  readonly waiting: Map<number, (reply: Reply) => void>;
}

/** Attempts for something that breaks off; pip itself repeats requests without a response. */
const attempts = 2;

/** A client that starts the session with its first request. */
export function pipClient(
  pip: PipSession,
  { indexes }: Pick<WebAccess, 'indexes'>,
  limits: Limits,
  defaults: { readonly accept: string; readonly maxPage: number; readonly maxFile: number },
): WebClient {
  let session: Session | undefined;
  let directory: Promise<string> | undefined;
  let isClosed = false;
  let lastId = 0;

  function started(): Session {
    session ??= startSession(pip, indexes, (ended) => {
      if (session === ended) session = undefined;
    });
    return session;
  }

  async function ask(order: Order): Promise<Reply> {
    if (isClosed) throw new WebError('down', 'the client was closed');
    const { running, waiting } = started();
    lastId += 1;
    const id = lastId;
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      // Addresses may contain credentials, so they are not arguments.
      running.write(
        `${asciiJson({
          ...order,
          id,
          silence: limits.silence / 1000,
          window: limits.window / 1000,
          rate: limits.minRate,
        })}\n`,
      );
    });
  }

  async function download(order: Order): Promise<Arrived> {
    for (let attempt = 1; ; attempt += 1) {
      const reply = await ask(order);
      const { status, fault } = reply;
      if (status !== undefined && status !== 200) throw statusError(status);
      if (fault === undefined) return reply as Arrived;
      if (reply.unwritable) throw new Error(fault);
      if (reply.large) throw new WebError('too large', fault);
      if (!reply.broken || attempt >= attempts) throw new WebError('down', fault);
    }
  }

  return {
    async page(url, options: PageOptions = {}): Promise<WebPage> {
      directory ??= temporaryDirectory(tmpdir(), 'wheelhouse-pages');
      const to = path.join(await directory, randomUUID());
      try {
        const { contentType = '', url: from = '' } = await download({
          url,
          to,
          headers: { Accept: options.accept ?? defaults.accept, 'Accept-Encoding': 'gzip' },
          bytes: options.maxBytes ?? defaults.maxPage,
          page: true,
          seconds: (options.timeLimit ?? limits.pip) / 1000,
        });
        const body = await readFile(to);
        return { contentType, url: from, body, text: body.toString('utf8') };
      } finally {
        await rm(to, { force: true });
      }
    },
    async file(url, to, expected: ExpectedFile = {}) {
      const temporary = `${to}.${randomUUID().slice(0, 8)}.part`;
      try {
        for (let attempt = 1; ; attempt += 1) {
          const { sha256, size } = await download({
            url,
            to: temporary,
            headers: { Accept: '*/*', 'Accept-Encoding': 'identity' },
            bytes: Math.min(
              expected.size ?? defaults.maxFile,
              expected.maxBytes ?? defaults.maxFile,
            ),
            page: false,
            seconds: limits.pip / 1000,
          });
          const fault = mismatch({ sha256, size }, expected);
          if (fault === undefined) {
            await rename(temporary, to);
            return { sha256, size };
          }
          // It may have been damaged on the way.
          if (attempt >= attempts) throw new WebError('wrong', fault);
        }
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async close() {
      isClosed = true;
      session?.running.stop();
      await session?.running.finished.catch(() => {});
      if (directory !== undefined) await discard(await directory);
    },
  };
}

/** Why a file is not the expected one; undefined when it is. */
export function mismatch(
  file: { readonly sha256: string; readonly size: number },
  expected: ExpectedFile,
): string | undefined {
  if (expected.size !== undefined && expected.size !== file.size) {
    return 'its size is not the expected one';
  }
  if (expected.sha256 !== undefined && expected.sha256 !== file.sha256) {
    return 'its SHA-256 is not the expected one';
  }
  return undefined;
}

/** @param onEnd is told when the program has ended, for whatever reason */
function startSession(
  { python, cwd, env }: PipSession,
  indexes: readonly string[],
  onEnd: (session: Session) => void,
): Session {
  const waiting: Session['waiting'] = new Map();
  const running = start(python, ['-c', pythonProgram('session')], {
    cwd,
    env,
    onLine: (line) => {
      const reply = replyIn(line);
      const resolve = reply && waiting.get(reply.id);
      if (reply === undefined || resolve === undefined) return;
      waiting.delete(reply.id);
      resolve(reply);
    },
  });
  const session = { running, waiting };
  const end = (): void => {
    onEnd(session);
    for (const [id, resolve] of waiting) resolve({ id, fault: 'pip could not be used for it' });
    waiting.clear();
  };
  running.finished.then(end, end);
  running.write(`${asciiJson({ indexes })}\n`);
  return session;
}

/** Something in the environment may print whenever Python starts. */
function replyIn(line: string): Reply | undefined {
  try {
    const value = JSON.parse(line) as Reply | null;
    return typeof value?.id === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}
