/** Requests project pages from a package index, with limits that keep a job from waiting. */
import { messageOf } from '../logic/errors.ts';
import { type Health, judgePage, offeredVersions, projectFiles } from '../logic/project-page.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import type { IndexProbe, IndexTrust } from '../ports.ts';
import { type Answer, type Credentials, follow, maxPage, textOf, withRetries } from './pages.ts';

/** Milliseconds for one attempt, including redirects. */
const timeLimit = 3000;
/** In milliseconds. */
const retries = { attempts: 2, pause: 500 } as const;
/** Bytes that show whether an answer is a project page. */
const sampleSize = 64 * 1024;

export function indexProbe(): IndexProbe {
  return {
    async probe(url, project, trust) {
      const page = pageOf(url, project);
      // An index behind file: or another scheme that pip knows has no server that could be down.
      if (!/^https?:$/.test(page.protocol)) return { state: 'healthy' };
      return withRetries(
        () => withinLimit((signal) => judge(page, trust, signal)),
        ({ state }) => state === 'down',
        retries,
      );
    },
    async versions(url, project, trust) {
      const page = pageOf(url, project);
      if (!/^https?:$/.test(page.protocol)) return undefined;
      try {
        const { response, url: base } = await ask(page, trust, AbortSignal.timeout(timeLimit));
        const { statusCode, headers } = response.message;
        const { text, isWhole } = await textOf(response, maxPage);
        if (statusCode !== 200 || !isWhole) return undefined;
        const files = projectFiles(headers['content-type'] ?? '', text, base.href);
        return offeredVersions(files, project);
      } catch {
        return undefined;
      }
    },
  };
}

function pageOf(index: string, project: string): URL {
  return new URL(`${index.replace(/\/*(?=$|[?#])/, '')}/${project}/`);
}

function ask(page: URL, trust: IndexTrust, signal: AbortSignal): Promise<Answer> {
  const bare = new URL(page);
  bare.username = '';
  bare.password = '';
  return follow(bare, {
    credentials: credentialsIn(page),
    certificates: trust.certificates,
    isTrusted: ({ host, hostname }) =>
      trust.trustedHosts.some((trusted) => trusted === host || trusted === hostname),
    signal,
  });
}

async function judge(page: URL, trust: IndexTrust, signal: AbortSignal): Promise<Health> {
  const { response } = await ask(page, trust, signal);
  const { statusCode = 0, headers } = response.message;
  const { text } = await textOf(response, sampleSize);
  return judgePage(statusCode, headers['content-type'] ?? '', text);
}

function credentialsIn({ username, password }: URL): Credentials | undefined {
  if (username === '' && password === '') return undefined;
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
}

async function withinLimit(work: (signal: AbortSignal) => Promise<Health>): Promise<Health> {
  const signal = AbortSignal.timeout(timeLimit);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted)
      return { state: 'down', reason: `it did not answer within ${timeLimit / 1000} s` };
    const { code } = error as NodeJS.ErrnoException;
    const reason = withoutSecrets(code ? `${reasons[code] ?? code}` : messageOf(error));
    return isCertificateError(code) ? { state: 'untrusted', reason } : { state: 'down', reason };
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'its host name does not exist',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'its host is unreachable',
  ENETUNREACH: 'its network is unreachable',
};

function isCertificateError(code: string | undefined): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ALTNAME/.test(code ?? '');
}
