/** Requests project pages from a package index, with limits that keep a job from waiting. */
import { type Health, judgePage, offeredVersions, projectFiles } from '../logic/project-page.ts';
import { pageUrl, WebError } from '../logic/web.ts';
import type { IndexProbe, IndexTrust, PageOptions, Web, WebPage } from '../ports.ts';

/** Milliseconds for one attempt, including redirects. */
const timeLimit = 3000;
const probing: PageOptions = { timeLimit, attempts: 2, sample: 64 * 1024 };

/** @param environment variables that name proxies */
export function indexProbe(web: Web, environment: Readonly<Record<string, string>>): IndexProbe {
  async function page(
    index: string,
    project: string,
    trust: IndexTrust,
    options: PageOptions,
  ): Promise<WebPage> {
    const client = web.open({ indexes: [index], trust, environment });
    try {
      return await client.page(pageUrl(index, project), options);
    } finally {
      await client.close();
    }
  }

  return {
    async probe(url, project, trust): Promise<Health> {
      // An index behind file: or another scheme that pip knows has no server that could be down.
      if (!/^https?:/i.test(url)) return { state: 'healthy' };
      try {
        const { contentType, text } = await page(url, project, trust, probing);
        return judgePage(200, contentType, text);
      } catch (error) {
        if (error instanceof WebError) return healthOf(error);
        throw error;
      }
    },
    async versions(url, project, trust) {
      if (!/^https?:/i.test(url)) return undefined;
      try {
        const found = await page(url, project, trust, { timeLimit, attempts: 1 });
        return offeredVersions(projectFiles(found.contentType, found.text, found.url), project);
      } catch {
        return undefined;
      }
    },
  };
}

function healthOf({ kind, status, message }: WebError): Health {
  if (status === 401 || status === 403) return { state: 'refused', status };
  if (kind === 'absent') return { state: 'absent' };
  return { state: kind === 'untrusted' ? 'untrusted' : 'down', reason: message };
}
