/** A private feed: its project pages, and the content of its files. */
import { tmpdir } from 'node:os';
import path from 'node:path';

import { readAnswer } from '../../collect/logic/listing.ts';
import type { ProjectAnswer } from '../../collect/logic/model.ts';
import type { ProjectFile } from '../../logic/project-page.ts';
import { ForeignRedirect, pageUrl, WebError } from '../../logic/web.ts';
import { webAdapter } from '../../world/client.ts';
import { discard, temporaryDirectory } from '../../world/disk.ts';
import { readForeignRedirect } from '../logic/feed.ts';
import type { FeedAccess } from '../logic/model.ts';

/**
 * @param certificates path of a file of certificates to trust instead of Node's own
 * @param environment variables that name proxies
 */
export function feedAdapter(
  access: FeedAccess,
  certificates: string | undefined,
  environment: Readonly<Record<string, string>>,
) {
  const index = new URL(access.url);
  index.username = encodeURIComponent(access.username ?? '');
  index.password = encodeURIComponent(access.password ?? '');
  const trust = { trustedHosts: [], certificates };
  const client = webAdapter().open({ indexes: [index.href], trust, environment });

  return {
    async ask(project: string): Promise<ProjectAnswer> {
      try {
        const options = { stayAtOrigin: true };
        const page = await client.page(pageUrl(access.url, project), options);
        return readAnswer(200, page.contentType, page.text, page.url);
      } catch (error) {
        if (error instanceof ForeignRedirect) return readForeignRedirect(error.location, project);
        if (!(error instanceof WebError)) throw error;
        if (error.status !== undefined) return readAnswer(error.status, '', '', access.url);
        return { state: 'unreadable', reason: error.message };
      }
    },
    async digest({ url }: ProjectFile): Promise<string> {
      const directory = await temporaryDirectory(tmpdir(), 'wheelhouse-digest');
      try {
        return (await client.file(url, path.join(directory, 'file'))).sha256;
      } finally {
        await discard(directory);
      }
    },
  };
}
