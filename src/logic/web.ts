/** Requests to indexes: their errors, whose credentials they carry, which proxy they take. */

/**
 * `refused`: credentials are missing or wrong. `absent`: the server does not have it. `down`: the
 * server, or the way to it, does not work now. `untrusted`: its certificate, or a redirect to plain
 * http. `wrong`: what arrived is not what was expected. `too large`: more than the limit.
 */
export type WebFault = 'refused' | 'absent' | 'down' | 'untrusted' | 'wrong' | 'too large';

/** Why a page or file could not be downloaded: a few words about "it", without secrets. */
export class WebError extends Error {
  override readonly name = 'WebError';
  readonly kind: WebFault;
  /** Of the response, if there was one. */
  readonly status: number | undefined;

  constructor(kind: WebFault, message: string, status?: number) {
    super(message);
    this.kind = kind;
    this.status = status;
  }
}

/** A redirect that was not to be followed. */
export class ForeignRedirect extends WebError {
  /** It may contain secrets. */
  readonly location: URL;

  constructor(location: URL) {
    super('wrong', `it redirects to ${location.host}`);
    this.location = location;
  }
}

/** The error for a response that is neither what was asked for nor a redirect. */
export function statusError(status: number): WebError {
  let kind: WebFault = 'down';
  if (status === 401 || status === 403) kind = 'refused';
  if (status === 404 || status === 410) kind = 'absent';
  return new WebError(kind, `it answers ${status}`, status);
}

/** Whether the same request may succeed a moment later. */
export function isTemporary(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/**
 * Milliseconds to wait before the next attempt.
 * @param failures how many attempts have failed, at least 1
 * @param retryAfter the header of the last response: seconds, or a date
 * @param limits.first the wait after the first failure; doubles with each
 * @param limits.longest cuts off whatever a server asks for
 */
export function pauseBefore(
  failures: number,
  retryAfter: string | undefined,
  now: number,
  limits: { readonly first: number; readonly longest: number },
): number {
  const own = limits.first * 2 ** (failures - 1);
  const header = retryAfter?.trim() ?? '';
  const theirs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Math.min(limits.longest, Math.max(own, Number.isNaN(theirs) ? 0 : theirs));
}

/** A user name and password, decoded. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** @returns the credentials in a URL, decoded; undefined when it has none */
export function credentialsIn({ username, password }: URL): Credentials | undefined {
  if (username === '' && password === '') return undefined;
  return { username: decoded(username), password: decoded(password) };
}

/** The same URL without credentials and fragment. */
export function bareUrl(url: URL | string): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  bare.hash = '';
  return bare;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The credentials for a URL: its own, or else those of the index at the same origin that shares most
 * of its path. An index without credentials counts too: what is below it is requested without any.
 * @param indexes URLs, which may contain credentials
 */
export function credentialsFor(url: URL, indexes: readonly string[]): Credentials | undefined {
  const own = credentialsIn(url);
  if (own !== undefined) return own;
  const rank = (index: URL): number =>
    2 * sharedSegments(index, url) + (credentialsIn(index) === undefined ? 0 : 1);
  const [best] = indexes
    .filter((index) => URL.canParse(index))
    .map((index) => new URL(index))
    .filter(({ origin }) => origin === url.origin)
    .sort((a, b) => rank(b) - rank(a));
  return best && credentialsIn(best);
}

function sharedSegments(one: URL, other: URL): number {
  const [first, second] = [one, other].map(({ pathname }) => pathname.split('/').filter(Boolean));
  const length = first?.findIndex((segment, index) => segment !== second?.[index]) ?? 0;
  return length < 0 ? (first?.length ?? 0) : length;
}

/** The address of a project's page. @param project normalised @throws for an invalid URL */
export function pageUrl(index: string, project: string): string {
  return new URL(`${index.replace(/\/*(?=$|[?#])/, '')}/${project}/`).href;
}

/** Whether credentials for one URL may go to another: the same origin, or the same host over https. */
export function isSameOwner(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true;
  const isUpgrade = from.protocol === 'http:' && to.protocol === 'https:';
  return isUpgrade && from.hostname === to.hostname && from.port === '' && to.port === '';
}

/** @param trustedHosts hosts, with or without a port, as in pip's --trusted-host */
export function isTrustedHost({ host, hostname }: URL, trustedHosts: readonly string[]): boolean {
  return trustedHosts.some((trusted) => trusted === host || trusted === hostname);
}

/**
 * The proxy that requests, and so the newest pip, would use: `getproxies_environment` of urllib, and
 * `select_proxy` and `should_bypass_proxies` of requests.
 * @param environment variables `https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` in either
 *   case; lower case wins
 * @returns its URL, which may contain credentials; undefined for none
 */
export function proxyFor(
  url: URL,
  environment: Readonly<Record<string, string>>,
): string | undefined {
  if (bypassesProxies(url, variable(environment, 'no_proxy') ?? '')) return undefined;
  const scheme = url.protocol.slice(0, -1);
  // In CGI programs, the sender of a request could set HTTP_PROXY.
  const isCgi = scheme === 'http' && environment['REQUEST_METHOD'] !== undefined;
  const own = isCgi ? environment['http_proxy'] : variable(environment, `${scheme}_proxy`);
  const proxy = own || variable(environment, 'all_proxy');
  if (!proxy) return undefined;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** Whether only pip may know how to use a proxy, because it is not an http one (SOCKS). */
export function isForeignProxy(proxy: string | undefined): boolean {
  return proxy !== undefined && !(/^https?:/i.test(proxy) && URL.canParse(proxy));
}

/** An empty variable in lower case takes back the one in upper case. */
function variable(environment: Readonly<Record<string, string>>, name: string): string | undefined {
  return environment[name] ?? environment[name.toUpperCase()];
}

function bypassesProxies(url: URL, setting: string): boolean {
  const hostname = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const host = url.port === '' ? hostname : `${hostname}:${url.port}`;
  if (setting.trim() === '*') return true;
  const names = setting
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const address = addressOf(hostname);
  return names.some((name) => {
    const [network, bits] = name.split('/');
    const start = addressOf(network ?? '');
    if (address !== undefined && start !== undefined && bits !== undefined) {
      const size = 2 ** (32 - Number(bits));
      return Math.floor(start / size) === Math.floor(address / size);
    }
    const bare = name.replace(/^\.+/, '');
    const forms = address === undefined ? [hostname, host] : [hostname];
    return forms.some((form) => form === bare || form.endsWith(`.${bare}`));
  });
}

/** @returns an IPv4 address as a number */
function addressOf(host: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  return parts?.reduce((sum, part) => sum * 256 + part, 0);
}

/** What pip knows about the way to its indexes. */
export interface PipWay {
  /** URLs, which may contain credentials. */
  readonly indexes: readonly string[];
  /** pip may find credentials outside the URL, in keyring or netrc. */
  readonly otherCredentials: boolean;
  /** pip's own setting `proxy`. */
  readonly proxy: string | undefined;
  /** pip's own setting `client-cert`. */
  readonly clientCertificate: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Whether requests have to go through pip's own session from the start, because it alone knows a
 * proxy, a client certificate or the credentials.
 */
export function needsPip(way: PipWay): boolean {
  const { indexes, otherCredentials, proxy, clientCertificate, environment } = way;
  if (proxy !== undefined || clientCertificate !== undefined) return true;
  const urls = indexes.filter((index) => URL.canParse(index)).map((index) => new URL(index));
  return urls.some(
    (url) =>
      !/^https?:$/.test(url.protocol) ||
      isForeignProxy(proxyFor(url, environment)) ||
      (otherCredentials && (url.username === '' || url.password === '')),
  );
}
