/** A private feed: its project pages, and the content of its files. */
import { createHash } from 'node:crypto';

import { readAnswer } from '../../collect/logic/listing.ts';
import type { ProjectAnswer } from '../../collect/logic/model.ts';
import { messageOf } from '../../logic/errors.ts';
import type { ProjectFile } from '../../logic/project-page.ts';
import { withoutSecrets } from '../../logic/secrets.ts';
import { type Answer, follow, maxPage, textOf, withRetries } from '../../world/pages.ts';
import { readForeignRedirect } from '../logic/feed.ts';
import type { FeedAccess } from '../logic/model.ts';

/** Time limit for one page including redirects, in milliseconds. */
const pageLimit = 30_000;
/** Time limit for one file, in milliseconds. */
const fileLimit = 600_000;
/** How often a page is tried, and the milliseconds between two attempts. */
const patience = { attempts: 3, pause: 1000 } as const;

/** @param certificates path of a file of certificates to trust instead of Node's own */
export function feedAdapter(access: FeedAccess, certificates: string | undefined) {
  const { origin } = new URL(access.url);
  const { username, password = '' } = access;
  const askFor = (
    url: URL,
    limit: number,
    mayFollow: (url: URL) => boolean,
  ): { readonly signal: AbortSignal; readonly answer: Promise<Answer> } => {
    const signal = AbortSignal.timeout(limit);
    // A feed's files may be on another origin, which must not get its credentials.
    const credentials =
      username === undefined || url.origin !== origin ? undefined : { username, password };
    return { signal, answer: follow(url, { credentials, certificates, signal }, mayFollow) };
  };

  async function askOnce(project: string): Promise<ProjectAnswer> {
    const isFeed = (url: URL): boolean => url.origin === origin;
    const attempt = askFor(new URL(`${project}/`, access.url), pageLimit, isFeed);
    try {
      const { response, url } = await attempt.answer;
      if (!isFeed(url)) return readForeignRedirect(url, project);
      const { statusCode = 0, headers } = response.message;
      const { text, isWhole } = await textOf(response, maxPage);
      if (!isWhole)
        return { state: 'unreadable', reason: `its page is larger than ${maxPage} bytes` };
      return readAnswer(statusCode, headers['content-type'] ?? '', text, url.href);
    } catch (error) {
      if (attempt.signal.aborted) {
        return { state: 'unreadable', reason: `it does not answer within ${pageLimit / 1000} s` };
      }
      const { code } = error as NodeJS.ErrnoException;
      return { state: 'unreadable', reason: withoutSecrets(code ?? messageOf(error)) };
    }
  }

  return {
    ask: (project: string): Promise<ProjectAnswer> =>
      withRetries(
        () => askOnce(project),
        ({ state }) => state === 'unreadable',
        patience,
      ),
    async digest({ url }: ProjectFile): Promise<string> {
      const { response } = await askFor(new URL(url), fileLimit, () => true).answer;
      const { statusCode } = response.message;
      if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
      const hash = createHash('sha256');
      for await (const chunk of response.message) hash.update(chunk as Buffer);
      return hash.digest('hex');
    },
  };
}
