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

/**
 * Variables that name indexes to pip; they hold the credentials.
 * @param url what is asked first: the authoritative index, or its mirror
 */
export function indexVariables(
  { extra, trustedHosts }: Indexes,
  url: string,
): Record<string, string> {
  return {
    PIP_INDEX_URL: url,
    ...(extra.length > 0 ? { PIP_EXTRA_INDEX_URL: extra.join(' ') } : {}),
    ...(trustedHosts.length > 0 ? { PIP_TRUSTED_HOST: trustedHosts.join(' ') } : {}),
  };
}

/** @returns path of the file of certificates that pip trusts; undefined: its own */
export function certificatesOf(
  settings: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string>>,
): string | undefined {
  return (settings.get('cert') ?? environment['REQUESTS_CA_BUNDLE']) || undefined;
}

/** Whether a URL carries credentials of its own. */
export function hasCredentials(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
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
