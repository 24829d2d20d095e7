/** Project pages of a simple index: PEP 503 (HTML) and PEP 691 (JSON). */
import {
  isDistributionName,
  isNormalizedName,
  isSdistName,
  normalizeName,
  sameVersion,
  versionInFileName,
} from './names.ts';

/** The answer of an index to a request for one project. */
export type Health =
  | { readonly state: 'healthy' }
  /** 404: the index works, but does not have the project. */
  | { readonly state: 'absent' }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'down'; readonly reason: string }
  /** This program does not trust its certificate; pip may. */
  | { readonly state: 'untrusted'; readonly reason: string };

/** A file in the list of a project's page. */
export interface ProjectFile {
  readonly file: string;
  /** Absolute. It may contain a signature, so it is never shown. */
  readonly url: string;
  /** Lower-case hex; undefined when the page has none. */
  readonly sha256: string | undefined;
  /** Installers accept it only for a pin (PEP 592). */
  readonly yanked: boolean;
}

/** A file with everything that a page says about it. */
export interface ListedFile extends ProjectFile {
  /** Lower-case hex by algorithm. */
  readonly hashes: Hashes;
  /** Why it was yanked; empty when the page does not say. */
  readonly yankedReason: string;
  /** A version specifier. */
  readonly requiresPython: string | undefined;
  /** Whether its metadata can be requested alone (PEP 658), and their hashes if the page has any. */
  readonly metadata: boolean | Hashes;
  /** ISO 8601 (PEP 700). */
  readonly uploaded: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
}

type Hashes = Readonly<Record<string, string>>;

/**
 * The health of an index, from the answer for a project's page. Status 200 is not enough: captive
 * portals and error pages of proxies have it too.
 * @param body the start of the answer
 */
export function judgePage(status: number, contentType: string, body: string): Health {
  if (status === 401 || status === 403) return { state: 'refused', status };
  if (status === 404) return { state: 'absent' };
  if (status !== 200) return { state: 'down', reason: `it answers ${status}` };
  const isPage = /json/i.test(contentType) ? isJsonPage(body) : isHtmlPage(body);
  return isPage
    ? { state: 'healthy' }
    : { state: 'down', reason: 'its answer is not a package index page' };
}

/** PEP 691: every answer contains the version of the API, and every project its files. */
function isJsonPage(body: string): boolean {
  return /"api-version"\s*:/.test(body) || /"files"\s*:\s*\[/.test(body);
}

/** PEP 503: links to distributions, or the usual title of a project's page without files. */
function isHtmlPage(body: string): boolean {
  return (
    /<meta\s[^<>]{0,500}pypi:repository-version/i.test(body) ||
    /<a\s[^<>]{0,500}href\s*=\s*["'][^"'<>]{0,2000}\.(?:whl|tar\.gz|zip|tar\.bz2|tgz|egg)\b/i.test(
      body,
    ) ||
    /<(?:title|h1)>\s*Links for /i.test(body)
  );
}

/**
 * The files that a page lists.
 * @param url of the page, for relative links
 * @param isWanted by file name; of big pages, most files may be of no use
 * @throws Error for JSON that is not a project page
 */
export function projectFiles(
  contentType: string,
  body: string,
  url: string,
  isWanted: (file: string) => boolean = () => true,
): ListedFile[] {
  return /json/i.test(contentType)
    ? jsonFiles(body, url, isWanted)
    : htmlFiles(body, url, isWanted);
}

/** PEP 691. */
function jsonFiles(
  body: string,
  pageUrl: string,
  isWanted: (file: string) => boolean,
): ListedFile[] {
  const { files } = JSON.parse(body) as { files: unknown };
  if (!Array.isArray(files)) throw new Error('no list of files');
  return files.flatMap((entry: Record<string, unknown> | null) => {
    const { filename, url, yanked, size } = entry ?? {};
    if (typeof filename !== 'string' || typeof url !== 'string') throw new Error('no name or URL');
    if (!isWanted(filename)) return [];
    const hashes = hashesIn(entry?.['hashes']);
    const metadata = entry?.['core-metadata'] ?? entry?.['dist-info-metadata'];
    return {
      file: filename,
      url: new URL(url, pageUrl).href,
      ...{ hashes, sha256: hashes['sha256'] },
      yanked: yanked !== undefined && yanked !== null && yanked !== false,
      yankedReason: textIn(yanked) ?? '',
      requiresPython: textIn(entry?.['requires-python']),
      metadata: typeof metadata === 'object' ? hashesIn(metadata) : metadata === true,
      uploaded: textIn(entry?.['upload-time']),
      size: typeof size === 'number' ? size : undefined,
    };
  });
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The hash algorithms that pip knows on a page. */
const algorithms = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'];

function hashesIn(value: unknown): Hashes {
  const given = (value ?? {}) as Readonly<Record<string, unknown>>;
  const found = algorithms.flatMap((name) => {
    const hash = textIn(given[name]);
    return hash === undefined ? [] : [[name, hash.toLowerCase()] as const];
  });
  return Object.fromEntries(found);
}

/** @param text `sha256=…`, as in a fragment or in `data-core-metadata` */
function hashesFrom(text: string): Hashes {
  const [, name = '', hash = ''] = /^(\w+)=([0-9a-f]+)$/i.exec(text) ?? [];
  return hashesIn({ [name.toLowerCase()]: hash });
}

const anchor = /<a(?=\s)/gi;
/** A `<` starts another tag; otherwise every `<a` of a broken page would be read to its end. */
const attribute = /\s*([^\s=<>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/y;

/**
 * PEP 503. Values of attributes may contain a bare `>`, as in `data-requires-python`. No character
 * is read twice, so a hostile page takes no longer than an honest one of the same length.
 */
function htmlFiles(
  body: string,
  pageUrl: string,
  isWanted: (file: string) => boolean,
): ListedFile[] {
  const files: ListedFile[] = [];
  let end = 0;
  const next = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = end;
    const match = pattern.exec(body);
    if (match !== null) end = pattern.lastIndex;
    return match;
  };
  while (next(anchor) !== null) {
    const attributes = new Map<string, string>();
    for (let found = next(attribute); found !== null; found = next(attribute)) {
      const [, name = '', double, single, bare] = found;
      const key = name.toLowerCase();
      if (knownAttributes.has(key) && !attributes.has(key)) {
        attributes.set(key, unescaped(double ?? single ?? bare ?? ''));
      }
    }
    const file = linkedFile(attributes, pageUrl);
    if (file !== undefined && isWanted(file.file)) files.push(file);
  }
  return files;
}

const knownAttributes = new Set([
  'href',
  'data-yanked',
  'data-requires-python',
  'data-core-metadata',
  'data-dist-info-metadata',
]);

/** As in pip, the last part of the address is the name of the file. */
function linkedFile(
  attributes: ReadonlyMap<string, string>,
  pageUrl: string,
): ListedFile | undefined {
  const href = attributes.get('href') ?? '';
  if (href === '' || !URL.canParse(href, pageUrl)) return undefined;
  const url = new URL(href, pageUrl);
  const last = url.pathname.split('/').at(-1) ?? '';
  let file: string;
  try {
    file = decodeURIComponent(last);
  } catch {
    file = last;
  }
  if (!isDistributionName(file)) return undefined;
  const [fragment] =
    /(?<=[#&])(?:sha256|sha512|sha384|sha224|sha1|md5)=[0-9a-f]+/i.exec(url.hash) ?? [];
  const hashes = hashesFrom(fragment ?? '');
  const metadata =
    attributes.get('data-core-metadata') ?? attributes.get('data-dist-info-metadata');
  url.hash = '';
  return {
    file,
    url: url.href,
    ...{ hashes, sha256: hashes['sha256'] },
    yanked: attributes.has('data-yanked'),
    yankedReason: attributes.get('data-yanked') ?? '',
    requiresPython: attributes.get('data-requires-python'),
    metadata: metadata !== undefined && metadata !== 'false' && metadataHashes(metadata),
    ...{ uploaded: undefined, size: undefined },
  };
}

function metadataHashes(text: string): boolean | Hashes {
  const hashes = hashesFrom(text);
  return Object.keys(hashes).length > 0 ? hashes : true;
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&#x27;': "'",
};

function unescaped(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39|#x27);/gi, (entity) => {
    return entities[entity.toLowerCase()] ?? entity;
  });
}

/** Hexadecimal digits of each hash. */
const digits: Readonly<Record<string, number>> = {
  ...{ sha256: 64, sha512: 128, sha384: 96, sha224: 56, sha1: 40, md5: 32 },
};

function isHashes(hashes: Hashes): boolean {
  return Object.entries(hashes).every(
    ([name, hash]) => hash.length === digits[name] && /^[0-9a-f]+$/.test(hash),
  );
}

/**
 * The files of a page that installers can use, each name once: with a valid name, which is also a
 * safe one for a path, valid hashes, and an address that can be requested.
 */
export function usableFiles(files: readonly ListedFile[]): Map<string, ListedFile> {
  const usable = new Map<string, ListedFile>();
  for (const each of files) {
    const { file, url, hashes, metadata } = each;
    if (usable.has(file) || file.length > longestName || !isDistributionName(file)) continue;
    if (!/^https?:/.test(url) || !isHashes(hashes)) continue;
    usable.set(
      file,
      typeof metadata === 'object' && !isHashes(metadata) ? { ...each, metadata: true } : each,
    );
  }
  return usable;
}

/** Characters of a file name, on most file systems. */
const longestName = 255;

/** The content type of {@link renderPage}. */
export const jsonPage = 'application/vnd.pypi.simple.v1+json';

/**
 * Renders a project's page as JSON (PEP 691, PEP 700). The address of each file is its name, relative
 * to the page.
 */
export function renderPage(project: string, files: Iterable<ListedFile>): string {
  return JSON.stringify({
    meta: { 'api-version': '1.1' },
    name: project,
    files: Array.from(files, (each) => ({
      filename: each.file,
      url: encodeURIComponent(each.file),
      hashes: each.hashes,
      ...(each.size === undefined ? {} : { size: each.size }),
      ...(each.uploaded === undefined ? {} : { 'upload-time': each.uploaded }),
      ...(each.requiresPython === undefined ? {} : { 'requires-python': each.requiresPython }),
      // Under its first name, dist-info-metadata, pip 22.3 to 23.1 crash on it (PEP 714).
      ...(each.metadata === false ? {} : { 'core-metadata': each.metadata }),
      yanked: each.yanked && (each.yankedReason || true),
    })),
  });
}

/**
 * Adds wheels that were built from sdists to the files of a page: each beside its sdist, with the
 * same conditions. A wheel whose sdist is gone is not listed.
 * @param project normalised name
 */
export function withBuiltWheels(
  files: ReadonlyMap<string, ListedFile>,
  project: string,
  built: readonly { readonly file: string; readonly sha256: string; readonly version: string }[],
): Map<string, ListedFile> {
  const all = new Map(files);
  for (const { file, sha256, version } of built) {
    const sdist = [...files.values()].find((each) => {
      const own = isSdistName(each.file) ? versionInFileName(each.file, project) : undefined;
      return own !== undefined && sameVersion(own, version);
    });
    if (sdist === undefined || all.has(file)) continue;
    all.set(file, { ...sdist, file, sha256, hashes: { sha256 }, metadata: false, size: undefined });
  }
  return all;
}

/**
 * The names of the projects that a wheel's metadata require, without those of its extras. Their
 * other conditions are not evaluated.
 */
export function requiredNames(metadata: string): string[] {
  const [head = ''] = metadata.split(/\r?\n\r?\n/, 1);
  const found = [...head.matchAll(/^Requires-Dist:\s*([A-Za-z0-9][A-Za-z0-9._-]*)(.*)$/gim)];
  const plain = found.filter(([, , rest = '']) => !/;.*\bextra\b/.test(rest));
  return [...new Set(plain.map(([, name = '']) => normalizeName(name)).filter(isNormalizedName))];
}
