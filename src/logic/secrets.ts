/**
 * Secrets in addresses and inputs. What is shown, hashed, stored or masked is decided here and
 * nowhere else; a reporter only applies it. An address can contain a secret in three places:
 *
 *     https://robot:PASSWORD@host/simple/         userinfo
 *     https://host/TOKEN/org/python/simple/       path, as Gemfury, Cloudsmith and packagecloud do
 *     https://host/one-1.0.whl?token=TOKEN        query
 *
 * | function              | for                              | turns the three into                 |
 * | --------------------- | -------------------------------- | ------------------------------------ |
 * | {@link withoutSecrets} | any text, pip's output included | `https://host/TOKEN/org/…`: a path in a text may as well be a hash |
 * | {@link shownAddress}   | a configured address, for people | `https://host/…/org/python/simple/` |
 * | {@link fingerprinted}  | keys and cache entries           | `https://host/#<digest>`            |
 * | {@link secretsOfInputs}, {@link secretsOfSettings}, {@link secretsOfLine} | masks: they also take path tokens out of pip's output | `***` |
 */
import { createHash } from 'node:crypto';

import type { IndexInputs } from './model.ts';
import type { RequestLine } from './requirement-line.ts';

/** A URL in a text: `https://` is before `start`, its host begins at `host`, it goes up to `end`. */
interface Place {
  readonly start: number;
  readonly host: number;
  readonly end: number;
  /** It is a part of another URL, such as one in a query. */
  readonly isInner: boolean;
}

const counterparts: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '<': '>' };

/** Where the scheme of the URL begins whose `://` is at `at`. */
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

/** Every URL of a text in order. A URL within another one ends where that one does. */
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
    // A password with white space in it: the URL goes on behind it.
    if (host > end) end = endOfUrl(text, at, host);
    places.push({ start, host, end, isInner });
    position = host;
  }
  return places;
}

/**
 * Where the host of a URL begins. It is not clear how far a password with reserved characters
 * goes; rather too much is taken for it than too little: a port that is not a number is part of
 * a password.
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
  // White space or a quote in the password; but a port may have punctuation behind it.
  const beyond = /[@\r\n]|:\/\//g;
  beyond.lastIndex = end;
  const found = slash >= 0 || /^\d*\W*$/.test(port) ? null : beyond.exec(text);
  return found?.[0] === '@' ? found.index + 1 : start;
}

/** A text without some of its parts, which are given in order and may overlap. */
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
 * Takes userinfo (but not `git@`, which everybody has) and query out of every URL in a text, and the query out of paths as HTTP
 * libraries print them (`url: /one.whl?token=…`, `"GET /one.whl?token=… HTTP/1.1"`).
 */
export function withoutSecrets(text: string): string {
  return withoutParts(text, (userinfo) => userinfo !== 'git@');
}

/** @param isSecret what of the userinfos is taken out */
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
    // Within a query that is already gone, or has none.
    if (start < fragment) return [];
    if (query < start) query = indexOrEnd(bare, '?', start);
    if (query >= end) return [];
    fragment = Math.min(end, indexOrEnd(bare, '#', query));
    return [[query, fragment]];
  });
  return without(bare, queries).replace(/(\burl: |"[A-Z]+ )(\/[^\s?]*)\?[^\s"]*/g, '$1$2');
}

/** Hex digits of a fingerprint: enough that nobody finds a second address with the same one. */
const fingerprintLength = 32;

/**
 * Replaces every URL in a text by its scheme, its host and a digest of the whole address without
 * userinfo and query: for keys and cache entries, which others can read. Equal addresses stay
 * equal, and a path token can be recognised only by those who can guess it.
 * @returns `https://host/#<32 hex digits>` for each; a URL that ends with its host is left alone
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
      : `${host}/#${createHash('sha256').update(clean.slice(scheme, end)).digest('hex').slice(0, fingerprintLength)}`;
    position = end;
  }
  return result + clean.slice(position);
}

/** A configured address for people: path segments that look like tokens become `…`. */
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

/** What the paths of package indexes are made of; it is no part of a token. */
const usualWords =
  /pypi|python|packages?|simple|artifactory|nexus|repository|artifacts?|snapshots?|releases?|oauth2|x86_64|linux|windows/gi;

/**
 * Whether a path segment looks like a token: at least 12 letters and digits that are mixed more
 * than names mix them, or 16 and more hexadecimal digits. `s3cr3tT0kenAbC` and a GUID do,
 * `MyPythonFeed2024`, `team-2-py3.11` and `12345678` don't.
 */
export function looksSecret(segment: string): boolean {
  const runs = decoded(segment)
    .replace(usualWords, '-')
    .split(/[^A-Za-z0-9]+/);
  const letters = runs.join('').length;
  if (letters < 12) return false;
  const hex = decoded(segment).replaceAll('-', '');
  if (/^[0-9a-f]{16,}$/i.test(hex) && /\d/.test(hex) && /[a-f]/i.test(hex)) return true;
  // Digits at the end of a word are a number or a year.
  const changes = runs.flatMap(
    (run) => run.replace(/\d+$/, '').match(/[a-z](?=[A-Z\d])|[A-Z](?=\d)|\d(?=[A-Za-z])/g) ?? [],
  ).length;
  return changes >= 3 && changes / letters > 0.17;
}

/** What a query's value is called when it is a secret. */
const secretNames = /token|secret|sig|key|pass|auth|credential/i;

/**
 * Every form in which the secrets of the URLs in a text may turn up: as they are, percent-encoded,
 * and as basic authentication sends them. A user name alone counts when it is long enough to be a
 * token; `git@` is none.
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

/** User names that indexes prescribe beside a password or another way to log in. */
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
 * The secrets of a line. A token that is written out in the path of a direct URL is as public as
 * the file; only what a variable put there is a secret, as nearly every such path has hashes.
 */
export function secretsOfLine(line: RequestLine): string[] {
  if (line.kind === 'index') return [];
  if (line.kind === 'option') return secretsOfUrl(line.value);
  const isWritten = (token: string): boolean => line.text.includes(token);
  return [
    ...secretsOfUserinfo(line.target),
    ...tokensOfUrl(line.target).filter((token) => !isWritten(token)),
  ];
}

/** As {@link secretsOfUrl}, of a user name and a password; without one the user name is the secret. */
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

/** A secret as it is, in JSON, and in URLs. */
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
      // As urllib.parse.quote of Python does.
      ...encoded.map((form) => form.replaceAll('%2F', '/')),
      ...encoded.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
    ]),
  ];
}

/**
 * What basic authentication sends, in the encoding that pip's HTTP library chooses: Latin-1
 * (`_basic_auth_str` of requests), which fails for what that doesn't have; that is UTF-8 here.
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

/** Takes known secrets out of texts, as the runner's masks would. */
export interface Redactor {
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
