/** Downloads requirement files from URLs: with a request of our own, or else as pip would. */
import { messageOf } from '../logic/errors.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import { WebError } from '../logic/web.ts';
import type { RemoteAccess } from '../ports.ts';
import { webAdapter } from './client.ts';

/** Bytes. */
const maxBytes = 16 * 1024 * 1024;
/** Milliseconds for one attempt of our own. */
const timeLimit = 10_000;

/**
 * Downloads a file. pip, which takes half a second to start, is only asked when our own request
 * fails: it alone can use a keyring, a netrc, a client certificate or the proxy that it is
 * configured with.
 * @param access how pip downloads; undefined for our own request only
 * @throws Error with the reason in a few words, without secrets
 */
export async function remoteFile(url: string, access: RemoteAccess | undefined): Promise<Buffer> {
  const client = webAdapter().open({
    indexes: [],
    trust: { trustedHosts: [], certificates: access?.certificates },
    environment: access?.env ?? {},
    pip: access && { ...access, use: access.hasProxy ? 'always' : 'fallback' },
  });
  try {
    const page = await client.page(url, { accept: '*/*', maxBytes, timeLimit, attempts: 1 });
    return page.body;
  } catch (error) {
    const status = error instanceof WebError ? error.status : undefined;
    if (status !== undefined) throw new Error(`the server answers ${status}`);
    throw new Error(withoutSecrets(messageOf(error)));
  } finally {
    await client.close();
  }
}
