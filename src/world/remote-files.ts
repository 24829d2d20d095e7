/** Downloads requirement files from URLs: with a request of our own, or else as pip would. */
import { messageOf } from '../logic/errors.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import type { RemoteAccess } from '../ports.ts';
import { bytesOf, follow } from './pages.ts';
import { answer } from './python-program.ts';

/** Bytes. */
const maxFile = 16 * 1024 * 1024;
/** Milliseconds for a request of our own, from the DNS look-up to the last byte. */
const ownLimit = 10_000;
/** Seconds for pip, which waits 15 s for each answer and tries up to 6 times. */
const pipLimit = 100;

/** An error that pip would run into as well. */
class FinalError extends Error {}

/**
 * Downloads a file. pip, which takes half a second to start, is only asked when our own request
 * fails: it alone can use a keyring, a netrc, a client certificate or the proxy that it is
 * configured with.
 * @param access how pip downloads; undefined for our own request only
 * @throws Error with the reason in a few words, without secrets
 */
export async function remoteFile(url: string, access: RemoteAccess | undefined): Promise<Buffer> {
  let reason: string | undefined;
  if (access?.hasProxy !== true) {
    try {
      return await request(url, access?.certificates);
    } catch (error) {
      reason = withoutSecrets(messageOf(error));
      if (error instanceof FinalError || access === undefined) throw new Error(reason);
    }
  }
  if (access === undefined) throw new Error(reason);
  const job = { url, seconds: pipLimit, bytes: maxFile };
  const { python: executable, cwd, env } = access;
  const found = await answer<Download>({ executable }, 'download', job, { cwd, env });
  if (found?.body !== undefined) return Buffer.from(found.body, 'base64');
  if (found?.status !== undefined) throw new Error(statusText(found.status));
  throw new Error(reason ?? withoutSecrets(found?.error ?? 'pip could not download it'));
}

/** What download.py prints. */
interface Download {
  readonly body?: string;
  readonly status?: number;
  readonly error?: string;
}

async function request(address: string, certificates: string | undefined): Promise<Buffer> {
  const url = new URL(address);
  const [username, password] = [url.username, url.password].map(decodeURIComponent);
  url.username = '';
  url.password = '';
  const signal = AbortSignal.timeout(ownLimit);
  try {
    const { response } = await follow(url, {
      credentials: username ? { username, password: password ?? '' } : undefined,
      certificates,
      accept: '*/*',
      signal,
    });
    const { statusCode = 0 } = response.message;
    if (statusCode !== 200) {
      response.message.destroy();
      throw new Error(statusText(statusCode));
    }
    const { bytes, isWhole } = await bytesOf(response, maxFile);
    if (!isWhole) throw new FinalError(`it is larger than ${maxFile / 1024 / 1024} MB`);
    if (!response.message.complete) throw new Error('the connection ended too early');
    return bytes;
  } catch (error) {
    if (signal.aborted) throw new Error(`it did not arrive within ${ownLimit / 1000} s`);
    throw error;
  }
}

function statusText(status: number): string {
  return `the server answers ${status}`;
}
