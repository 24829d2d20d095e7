/**
 * Secrets in addresses and inputs: what may be shown, hashed and stored, and what is masked. An
 * address can contain a secret in three places:
 *
 *     https://robot:PASSWORD@host/simple/         userinfo
 *     https://host/TOKEN/org/python/simple/       path, as Gemfury, Cloudsmith and packagecloud do
 *     https://host/one-1.0.whl?token=TOKEN        query
 *
 * | function              | for                              | turns the three into                 |
 * | --------------------- | -------------------------------- | ------------------------------------ |
 * | {@link withoutSecrets} | any text, such as pip's output | `https://host/TOKEN/org/…`: a part of a path could also be a hash |
 * | {@link shownAddress}   | a configured address, for people | `https://host/…/org/python/simple/` |
 * | {@link fingerprinted}  | keys and cache entries           | `https://host/#<digest>`            |
 * | {@link secretsOfInputs}, {@link secretsOfSettings}, {@link secretsOfLine} | masks, which also remove path tokens from pip's output | `***` |
 */
import { sha256 } from './digest.ts';

import type { IndexInputs } from './model.ts';

/** The offsets of a URL in a text: `start` is after `https://`. */
interface Place {
  readonly start: number;
  readonly host: number;
  readonly end: number;
  /** It is part of another URL, for example in a query. */
  readonly isInner: boolean;
}

const counterparts: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '<': '>' };

/** The start of the scheme of the URL with its `://` at `at`. */
function schemeOf(text: string, at: number): number {
  let first = at;
  while (first > 0 && /[a-z0-9+.-]/i.test(text.charAt(first - 1))) first -= 1;
  return first;
}

/** The end of that URL: white space, or the counterpart of the quote before it. */
function endOfUrl(text: string, at: number, from = at): number {
  const quote = counterparts[text.charAt(schemeOf(text, at) - 1)] ?? '';
  const stop = new RegExp(`[\\s${quote}]`, 'g');
  stop.lastIndex = from;
  return stop.exec(text)?.index ?? text.length;
}

/** All URLs of a text in order. A URL inside another one has the same end. */
function urlsIn(text: string): Place[] {
  const places: Place[] = [];
  let end = 0;
  let lastAt = -1;
  let position = 0;
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', position)) {
    const isInner = at < end;
    if (!isInner) {
      end = endOfUrl(text, at);
      lastAt = at + text.slice(at, end).lastIndexOf('@');
    }
    const start = at + 3;
    const host = hostOf(text, start, end, lastAt);
    // The password contains white space: the URL continues after it.
    if (host > end) end = endOfUrl(text, at, host);
    places.push({ start, host, end, isInner });
    position = host;
  }
  return places;
}

/**
 * The start of the host of a URL. The end of a password with reserved characters is ambiguous, and
 * hiding too much is better than hiding too little: a port that is not a number is part of a
 * password.
 */
function hostOf(text: string, start: number, end: number, lastAt: number): number {
  const url = text.slice(start, end);
  const slash = url.search(/[/?#]/);
  const authority = slash < 0 ? url : url.slice(0, slash);
  const inAuthority = authority.lastIndexOf('@');
  if (inAuthority >= 0) return start + inAuthority + 1;
  const port = /^[^:[]*:(.*)$/.exec(authority)?.[1] ?? '';
  if (/^\d*$/.test(port)) return start;
  if (lastAt >= start) return lastAt + 1;
  // There is white space or a quote in the password; but punctuation may also follow a port.
  const beyond = /[@\r\n]|:\/\//g;
  beyond.lastIndex = end;
  const found = slash >= 0 || /^\d*\W*$/.test(port) ? null : beyond.exec(text);
  return found?.[0] === '@' ? found.index + 1 : start;
}

/** A text without some of its parts, which are in order and may overlap. */
function without(text: string, parts: readonly (readonly [start: number, end: number])[]): string {
  let result = '';
  let position = 0;
  for (const [start, end] of parts) {
    result += text.slice(position, start);
    position = Math.max(position, end);
  }
  return result + text.slice(position);
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from);
  return index < 0 ? text.length : index;
}

/**
 * Removes the userinfo (except `git@`, which is no secret) and the query of every URL in a text, and
 * the query of paths that HTTP libraries print (`url: /one.whl?token=…`, `"GET /one.whl?token=…
 * HTTP/1.1"`).
 */
export function withoutSecrets(text: string): string {
  return withoutParts(text, (userinfo) => userinfo !== 'git@');
}

/** @param isSecret which userinfos to remove */
function withoutParts(text: string, isSecret: (userinfo: string) => boolean): string {
  const bare = without(
    text,
    urlsIn(text)
      .filter(({ start, host }) => isSecret(text.slice(start, host)))
      .map(({ start, host }) => [start, host]),
  );
  let query = 0;
  let fragment = 0;
  const queries = urlsIn(bare).flatMap(({ start, end }): [number, number][] => {
    // Inside a query that is removed already, or there is no query.
    if (start < fragment) return [];
    if (query < start) query = indexOrEnd(bare, '?', start);
    if (query >= end) return [];
    fragment = Math.min(end, indexOrEnd(bare, '#', query));
    return [[query, fragment]];
  });
  return without(bare, queries).replace(/(\burl: |"[A-Z]+ )(\/[^\s?]*)\?[^\s"]*/g, '$1$2');
}

/** Hex digits of a fingerprint: enough to make collisions infeasible. */
const fingerprintLength = 32;

/**
 * Replaces every URL in a text by its scheme, its host and a digest of the whole address without
 * userinfo and query: for keys and cache entries, which others can read. Equal addresses stay equal,
 * and only a guess of a path token can be confirmed.
 * @returns `https://host/#<32 hex digits>` for each; a URL without a path is unchanged
 */
export function fingerprinted(text: string): string {
  const clean = withoutParts(text, () => true);
  let result = '';
  let position = 0;
  for (const { start, end, isInner } of urlsIn(clean)) {
    if (isInner) continue;
    const scheme = schemeOf(clean, start - 3);
    const [, host = '', rest = ''] =
      /^([A-Za-z0-9.-]*(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?)((?:[/?#].*)?)$/s.exec(
        clean.slice(start, end),
      ) ?? ['', '', clean.slice(start, end)];
    result += clean.slice(position, start);
    result += /^\/?$/.test(rest)
      ? `${host}${rest}`
      : `${host}/#${sha256(clean.slice(scheme, end)).slice(0, fingerprintLength)}`;
    position = end;
  }
  return result + clean.slice(position);
}

/** A configured address for people; path segments that look like tokens become `…`. */
export function shownAddress(address: string): string {
  const clean = withoutSecrets(address);
  let result = '';
  let position = 0;
  for (const { host, end, isInner } of urlsIn(clean)) {
    if (isInner) continue;
    result += clean.slice(position, host);
    result += clean
      .slice(host, end)
      .replace(/(?<=\/)[^/?#]+/g, (segment) => (looksSecret(segment) ? '…' : segment));
    position = end;
  }
  return result + clean.slice(position);
}

/** Usual words in the paths of package indexes, which are not part of a token. */
const usualWords =
  /pypi|python|packages?|simple|artifactory|nexus|repository|artifacts?|snapshots?|releases?|oauth2|x86_64|linux|windows/gi;

/**
 * Whether a path segment looks like a token: 12 or more letters and digits that are more mixed than
 * in a name, or 16 or more hexadecimal digits. `s3cr3tT0kenAbC` and a GUID do; `MyPythonFeed2024`,
 * `team-2-py3.11` and `12345678` do not.
 */
export function looksSecret(segment: string): boolean {
  const runs = decoded(segment)
    .replace(usualWords, '-')
    .split(/[^A-Za-z0-9]+/);
  const letters = runs.join('').length;
  if (letters < 12) return false;
  const hex = decoded(segment).replaceAll('-', '');
  if (/^[0-9a-f]{16,}$/i.test(hex) && /\d/.test(hex) && /[a-f]/i.test(hex)) return true;
  // Digits at the end of a word are usually a number or a year.
  const changes = runs.flatMap(
    (run) => run.replace(/\d+$/, '').match(/[a-z](?=[A-Z\d])|[A-Z](?=\d)|\d(?=[A-Za-z])/g) ?? [],
  ).length;
  return changes >= 3 && changes / letters > 0.17;
}

/** The names of query parameters with a secret. */
const secretNames = /token|secret|sig|key|pass|auth|credential/i;

/**
 * The secrets of the URLs in a text in every form that may be printed: as is, percent-encoded, and as
 * basic authentication sends them. A user name without a password counts when it is long enough to
 * be a token; `git@` is not.
 */
export function secretsOfUrl(text: string): string[] {
  return [...secretsOfUserinfo(text), ...tokensOfUrl(text)];
}

function secretsOfUserinfo(text: string): string[] {
  return urlsIn(text).flatMap(({ start, host }) => {
    const userinfo = text.slice(start, Math.max(start, host - 1));
    const colon = userinfo.indexOf(':');
    const username = colon < 0 ? userinfo : userinfo.slice(0, colon);
    const password = colon < 0 ? '' : userinfo.slice(colon + 1);
    if (password === '' && !isUserToken(username)) return [];
    return [password || username, ...secretForms(decoded(username), decoded(password))];
  });
}

/** Tokens in the path and the query of the URLs in a text. */
function tokensOfUrl(text: string): string[] {
  return urlsIn(text).flatMap(({ host, end, isInner }) => {
    if (isInner) return [];
    const [, path = '', query = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(text.slice(host, end)) ?? [];
    const segments = path.split('/').slice(1).filter(looksSecret);
    const values = query.split('&').flatMap((parameter) => {
      const equals = parameter.indexOf('=');
      const value = parameter.slice(equals + 1);
      const isSecret = secretNames.test(parameter.slice(0, Math.max(equals, 0)));
      return looksSecret(value) || (isSecret && value.length >= 8) ? [value] : [];
    });
    const tokens = [...segments, ...values];
    return [...new Set(tokens.flatMap((token) => [token, ...spellings(decoded(token))]))];
  });
}

/** User names that indexes require together with a password or another way to log in. */
const prescribedNames = ['__token__', 'oauth2accesstoken', 'VssSessionToken', 'gitlab-ci-token'];

/** Whether a user name without a password is a token. */
function isUserToken(username: string): boolean {
  return username.length >= 8 && !prescribedNames.includes(username);
}

/** The secrets of the inputs that name indexes. */
export function secretsOfInputs(index: IndexInputs): string[] {
  const { url = '', mirror = '', username = '', password = '', extra } = index;
  const isSecret = password !== '' || isUserToken(username);
  return [
    ...[url, mirror, ...extra].flatMap(secretsOfUrl),
    ...(isSecret ? secretForms(username, password) : []),
  ];
}

/** The secrets of pip's settings. */
export function secretsOfSettings(settings: ReadonlyMap<string, string>): string[] {
  return [...settings.values()].flatMap(secretsOfUrl);
}

/**
 * The secrets of a line. A token in the path of a direct URL is as public as the file; nearly every
 * such path has a hash, so only a value from a variable is a secret.
 */
export function secretsOfLine(
  line:
    | { readonly kind: 'index' }
    | { readonly kind: 'option'; readonly value: string }
    | { readonly kind: 'direct'; readonly target: string; readonly text: string },
): string[] {
  if (line.kind === 'index') return [];
  if (line.kind === 'option') return secretsOfUrl(line.value);
  return [
    ...secretsOfUserinfo(line.target),
    ...tokensOfUrl(line.target).filter((token) => !line.text.includes(token)),
  ];
}

/** As {@link secretsOfUrl}, for a user name and a password; if that is empty, for the user name. */
export function secretForms(username: string, password: string): string[] {
  const secret = password || username;
  if (secret === '') return [];
  const base64 = [
    Buffer.from(secret, 'utf8').toString('base64'),
    Buffer.from(`${username}:${password}`, 'utf8').toString('base64'),
    basicCredentials(username, password),
  ];
  return [
    ...new Set([
      ...spellings(secret),
      ...base64,
      // As in URLs.
      ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')),
    ]),
  ];
}

/** A secret as is, in JSON, and in URLs. */
function spellings(secret: string): string[] {
  const strict = encodeURIComponent(secret).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const encoded = [encodeURIComponent(secret), strict];
  return [
    ...new Set([
      secret,
      JSON.stringify(secret).slice(1, -1),
      ...encoded,
      // Like urllib.parse.quote of Python.
      ...encoded.map((form) => form.replaceAll('%2F', '/')),
      ...encoded.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
    ]),
  ];
}

/**
 * The text of basic authentication in the encoding of pip's HTTP library: Latin-1 (`_basic_auth_str`
 * of requests). It fails for other characters; here those are UTF-8.
 */
export function basicCredentials(username: string, password: string): string {
  const text = `${username}:${password}`;
  const isLatin = [...text].every((character) => character <= '\u00ff');
  return Buffer.from(text, isLatin ? 'latin1' : 'utf8').toString('base64');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Removes known secrets from texts, like the runner's masks. */
interface Redactor {
  add(secrets: readonly string[]): void;
  clean(text: string): string;
}

export function redactor(): Redactor {
  let known: readonly string[] = [];
  return {
    add(secrets) {
      // The longest first: one may be a part of another.
      known = [...new Set([...known, ...secrets])]
        .filter((secret) => secret !== '')
        .sort((a, b) => b.length - a.length);
    },
    clean: (text) => known.reduce((clean, secret) => clean.replaceAll(secret, '***'), text),
  };
}
