/** Which package index a fill uses, and what its answers mean. */
import type { Interpreter, Request, RequestedSet } from './model.ts';
import { indexRequirements } from './requirements.ts';
import { withoutSecrets } from './secrets.ts';

/** The indexes of a run. Their URLs may hold credentials: shown only without. */
export interface Indexes {
  /** The one that decides what there is; it never falls back to another. */
  readonly authoritative: string;
  /** It was named by the user: in an input, in pip's configuration or in a requirement file. */
  readonly named: boolean;
  readonly extra: readonly string[];
  /** A caching proxy of the authoritative one, used while it is healthy. */
  readonly mirror: string | undefined;
  readonly trustedHosts: readonly string[];
  /** pip may find credentials that are not in the URL: keyring or netrc. */
  readonly otherCredentials: boolean;
}

/** What an index answered when asked for one project. */
export type Health =
  | { readonly state: 'healthy' }
  /** 404: an index that is alive and does not have the project. */
  | { readonly state: 'absent' }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'down'; readonly reason: string }
  /** A certificate that this program does not trust; pip may. */
  | { readonly state: 'untrusted'; readonly reason: string };

/** The index inputs over pip's settings over pip's default. */
export function indexesOf(
  request: Request,
  interpreter: Interpreter,
  settings: ReadonlyMap<string, string>,
  requested: RequestedSet,
): Indexes | undefined {
  const { url, extra, trustedHosts, username, password, mirror } = request.index;
  const optionValues = (name: string): string[] =>
    requested.lines.flatMap((line) =>
      line.kind === 'option' && line.name === name ? [line.value] : [],
    );
  if (settings.has('no-index') || optionValues('no-index').length > 0) return undefined;
  const words = (value: string | undefined): string[] =>
    (value ?? '').split(/\s+/).filter((word) => word !== '');
  const named = url ?? optionValues('index-url').at(-1) ?? settings.get('index-url');
  const keyring = settings.get('keyring-provider') ?? (interpreter.keyring ? 'import' : 'disabled');
  return {
    authoritative: withCredentials(named ?? interpreter.defaultIndex, username, password),
    named: named !== undefined,
    extra: [
      ...(extra.length > 0 ? extra : words(settings.get('extra-index-url'))),
      ...optionValues('extra-index-url'),
    ],
    mirror,
    trustedHosts: [
      ...trustedHosts,
      ...words(settings.get('trusted-host')),
      ...optionValues('trusted-host'),
    ],
    otherCredentials: keyring !== 'disabled' || interpreter.netrc,
  };
}

/** @returns the URL with the credentials in its userinfo, as pip reads them (percent-encoded) */
export function withCredentials(
  url: string,
  username: string | undefined,
  password: string | undefined,
): string {
  if (username === undefined || !URL.canParse(url)) return url;
  const result = new URL(url);
  result.username = encodeURIComponent(username);
  result.password = password === undefined ? '' : encodeURIComponent(password);
  return result.href;
}

/** Whether a URL carries credentials of its own. */
export function hasCredentials(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

/**
 * What a page says of an index. Only a page that is a simple index counts: a captive portal and a
 * proxy's error page answer 200 as well.
 * @param body its beginning
 */
export function judgePage(status: number, contentType: string, body: string): Health {
  if (status === 401 || status === 403) return { state: 'refused', status };
  if (status === 404) return { state: 'absent' };
  if (status !== 200) return { state: 'down', reason: `it answers ${status}` };
  const isPage = /json/i.test(contentType) ? isJsonPage(body) : isHtmlPage(body);
  return isPage
    ? { state: 'healthy' }
    : { state: 'down', reason: 'it answers with something that is no package index' };
}

/** PEP 691: `meta` with the API's version comes with every answer, `files` with every project. */
function isJsonPage(body: string): boolean {
  return /"api-version"\s*:/.test(body) || /"files"\s*:\s*\[/.test(body);
}

/** PEP 503: links to distributions, or what indexes write on a project's page without files. */
function isHtmlPage(body: string): boolean {
  return (
    /<meta\s[^<>]{0,500}pypi:repository-version/i.test(body) ||
    /<a\s[^<>]{0,500}href\s*=\s*["'][^"'<>]{0,2000}\.(?:whl|tar\.gz|zip|tar\.bz2|tgz|egg)\b/i.test(
      body,
    ) ||
    /<(?:title|h1)>\s*Links for /i.test(body)
  );
}

/** More than one index, and one of them private: whoever publishes the higher version wins. */
export function confusionWarning(indexes: Indexes): string | undefined {
  const all = [indexes.authoritative, ...indexes.extra];
  const isPrivate = all.some(hasCredentials) || (indexes.named && indexes.otherCredentials);
  if (all.length < 2 || !isPrivate) return undefined;
  return `Packages come from ${all.length} indexes (${all.map(withoutSecrets).join(', ')}), one of which is private. pip takes the highest version of all of them, so whoever registers a name of yours on the other one is installed instead (dependency confusion). Let the private index proxy the public one (an upstream or remote repository) and name it alone, or pin with --hash.`;
}

/** The project whose page is asked for; names in the order of the request, with their markers. */
export function probeCandidates(
  requested: RequestedSet,
): { readonly name: string; readonly marker: string | undefined }[] {
  const lines = indexRequirements(requested.lines)
    .filter((line) => !line.constraint)
    .map(({ name, marker }) => ({ name, marker }));
  const building = requested.projects
    .flatMap((project) => project.buildRequires)
    .flatMap((text) => /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text)?.[0] ?? [])
    .map((name) => ({ name, marker: undefined }));
  return [...lines, ...building];
}
