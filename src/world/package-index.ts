/** Requests project pages from a package index, with limits that keep a job from waiting. */
import { type Health, judgePage } from '../logic/project-page.ts';
import { pageUrl, WebError } from '../logic/web.ts';
import type { IndexProbe, PageOptions, Web } from '../ports.ts';

/** Milliseconds for one attempt, including redirects. */
const timeLimit = 3000;
const probing: PageOptions = { timeLimit, attempts: 2, sample: 64 * 1024 };

/** @param environment variables that name proxies */
export function indexProbe(web: Web, environment: Readonly<Record<string, string>>): IndexProbe {
  return {
    async probe(url, project, trust): Promise<Health> {
      // An index behind file: or another scheme that pip knows has no server that could be down.
      if (!/^https?:/i.test(url)) return { state: 'healthy' };
      const client = web.open({ indexes: [url], trust, environment });
      try {
        const { contentType, text } = await client.page(pageUrl(url, project), probing);
        return judgePage(200, contentType, text);
      } catch (error) {
        if (error instanceof WebError) return healthOf(error);
        throw error;
      } finally {
        await client.close();
      }
    },
  };
}

function healthOf({ kind, status, message }: WebError): Health {
  if (status === 401 || status === 403) return { state: 'refused', status };
  if (kind === 'absent') return { state: 'absent' };
  return { state: kind === 'untrusted' ? 'untrusted' : 'down', reason: message };
}
