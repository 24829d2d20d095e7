/** The package indexes of a run, and which of them pip may use. */

import { UserError } from './errors.ts';
import type { Interpreter, Request } from './model.ts';
import type { PipSettings } from './pip-settings.ts';
import { indexRequirements, indexRequirementsIn, type RequestedSet } from './requirements.ts';
import { shownAddress, withoutSecrets } from './secrets.ts';

/** The indexes of a run. Their URLs may contain credentials, which are never shown. */
export interface Indexes {
  /** The index that decides which packages exist; there is no fallback to another. */
  readonly authoritative: string;
  /** The user named it in an input, in pip's configuration or in a requirement file. */
  readonly named: boolean;
  readonly extra: readonly string[];
  /** A caching proxy of the authoritative index, used while it is healthy. */
  readonly mirror: string | undefined;
  readonly trustedHosts: readonly string[];
  /** pip may find credentials outside the URL, in keyring or netrc. */
  readonly otherCredentials: boolean;
}

/**
 * The indexes that a run may use.
 * @returns undefined when pip is configured to use none
 */
export function indexesOf(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
): Indexes | undefined {
  const { trustedHosts, username, password, mirror } = request.index;
  if (settings.flag('no-index')) return undefined;
  const named = settings.text('index-url');
  const configured = settings.configured.get('index-url') ?? interpreter.defaultIndex;
  if (username !== undefined && named !== undefined && !isSameIndex(named, configured)) {
    // The author of a requirement file must not get the credentials.
    throw new UserError(
      `The inputs index-username and index-password are set, but a requirement file names another index than pip's configuration (--index-url ${shownAddress(named)}). Set the input index-url to the index that the credentials are for.`,
    );
  }
  const keyring =
    settings.text('keyring-provider') ?? (interpreter.keyring ? 'import' : 'disabled');
  return {
    authoritative: withCredentials(named ?? interpreter.defaultIndex, username, password),
    named: named !== undefined,
    extra: settings.words('extra-index-url'),
    mirror,
    trustedHosts: [...trustedHosts, ...settings.words('trusted-host')],
    otherCredentials: keyring !== 'disabled' || interpreter.netrc,
  };
}

/** Whether two addresses are the same index; credentials do not matter. */
export function isSameIndex(one: string, other: string): boolean {
  return withoutSecrets(one).replace(/\/*$/, '') === withoutSecrets(other).replace(/\/*$/, '');
}

/** @returns the URL with the credentials in its userinfo, percent-encoded as pip expects them */
function withCredentials(
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
 * Whether pip accepts an index at this address: plain http to another machine needs a trusted host
 * (SECURE_ORIGINS in pip's session).
 */
export function isSecureOrigin(url: string, trustedHosts: readonly string[]): boolean {
  if (!/^http:/i.test(url) || !URL.canParse(url)) return true;
  const { host, hostname } = new URL(url);
  return (
    /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname) ||
    trustedHosts.some((trusted) => trusted === host || trusted === hostname)
  );
}

/**
 * Variables that name indexes to pip, with their credentials.
 * @param url of the authoritative index or its mirror
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

/** Whether a URL contains credentials. */
export function hasCredentials(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username !== '' || password !== '';
}

/**
 * A warning when there are several indexes and one is private: with pip the highest version wins, with
 * uv the index that is asked first.
 */
export function confusionWarning(
  indexes: Indexes,
  installer: Request['installer'] = 'pip',
): string | undefined {
  const all = [indexes.authoritative, ...indexes.extra];
  const isPrivate = all.some(hasCredentials) || (indexes.named && indexes.otherCredentials);
  if (all.length < 2 || !isPrivate) return undefined;
  const rule =
    installer === 'pip'
      ? 'pip installs the highest version from any of them'
      : `uv installs from the first that has a package, and asks ${shownAddress(all[0] ?? '')} last`;
  return `Packages come from ${all.length} indexes (${all.map(shownAddress).join(', ')}), one of which is private. ${rule}, so an attacker who registers the name of your package on another index can replace it (dependency confusion). Let the private index proxy the public one (an upstream or remote repository) and use only that, or pin with --hash.`;
}

/** The projects whose page can show whether an index is healthy: those of the request, in order. */
export function probeCandidates(
  requested: RequestedSet,
): { readonly name: string; readonly marker: string | undefined }[] {
  const building = requested.projects.flatMap((project) => project.buildRequires);
  return [
    ...indexRequirements(requested.lines).filter((line) => !line.constraint),
    ...indexRequirementsIn(building),
  ];
}
