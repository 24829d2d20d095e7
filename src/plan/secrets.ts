/** Secrets in URLs: how they are kept out of what is shown and hashed. */

/**
 * Takes userinfo and query out of every URL in a text: what is left may be hashed and shown. Where
 * it is not clear how far a secret goes, rather too much is taken out than too little.
 */
export function withoutSecrets(text: string): string {
  return withoutQueries(withoutUserinfo(text));
}

const counterparts: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '<': '>' };

/** The end of the URL whose `://` is at `at`: white space, or the counterpart of what it opens with. */
function endOfUrl(text: string, at: number): number {
  let before = at - 1;
  while (before >= 0 && /[a-z0-9+.-]/i.test(text.charAt(before))) before -= 1;
  const stop = new RegExp(`[\\s${counterparts[text.charAt(before)] ?? ''}]`, 'g');
  stop.lastIndex = at;
  return stop.exec(text)?.index ?? text.length;
}

/** Where the userinfo of each URL in a text begins and ends, the `@` included. */
function userinfos(text: string): [start: number, end: number][] {
  const found: [number, number][] = [];
  let end = 0;
  let lastAt = -1;
  let position = 0;
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', position)) {
    // Within a URL there may be others: they end where it does.
    if (at >= end) {
      end = endOfUrl(text, at);
      lastAt = at + text.slice(at, end).lastIndexOf('@');
    }
    const start = at + 3;
    position = hostOf(text, start, end, lastAt);
    if (position > start) found.push([start, position]);
  }
  return found;
}

function withoutUserinfo(text: string): string {
  let result = '';
  let position = 0;
  for (const [start, end] of userinfos(text)) {
    result += text.slice(position, start);
    position = end;
  }
  return result + text.slice(position);
}

/** Where the host of a URL begins. What would be its port but is no number is a part of a password. */
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

function withoutQueries(text: string): string {
  let result = '';
  let position = 0;
  let end = 0;
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', position)) {
    if (at >= end) end = endOfUrl(text, at);
    const url = text.slice(at, end);
    const query = url.indexOf('?');
    const fragment = query < 0 ? -1 : url.indexOf('#', query);
    result += text.slice(position, query < 0 ? end : at + query);
    position = fragment < 0 ? end : at + fragment;
  }
  return result + text.slice(position);
}

/**
 * Every form in which the secrets of the URLs in a text may turn up: as they are, percent-encoded,
 * and as basic authentication sends them. A user name alone counts when it is long enough to be a
 * token; `git@` is none.
 */
export function secretsOfUrl(text: string): string[] {
  return userinfos(text).flatMap(([start, end]) => {
    const userinfo = text.slice(start, end - 1);
    const colon = userinfo.indexOf(':');
    const username = colon < 0 ? userinfo : userinfo.slice(0, colon);
    const password = colon < 0 ? '' : userinfo.slice(colon + 1);
    if (password === '' && username.length < 8) return [];
    return [password || username, ...secretForms(decoded(username), decoded(password))];
  });
}

/** As {@link secretsOfUrl}, of a user name and a password; without one the user name is the secret. */
export function secretForms(username: string, password: string): string[] {
  const secret = password || username;
  if (secret === '') return [];
  const strict = encodeURIComponent(secret).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const encoded = [encodeURIComponent(secret), strict];
  const base64 = [
    Buffer.from(secret, 'utf8').toString('base64'),
    Buffer.from(`${username}:${password}`, 'utf8').toString('base64'),
    basicCredentials(username, password),
  ];
  return [
    ...new Set([
      secret,
      JSON.stringify(secret).slice(1, -1),
      ...encoded,
      // As urllib.parse.quote of Python does.
      ...encoded.map((form) => form.replaceAll('%2F', '/')),
      ...encoded.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
      ...base64,
      // As in URLs.
      ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')),
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
