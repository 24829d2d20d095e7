/** Project pages of a simple index: PEP 503 (HTML) and PEP 691 (JSON). */
import { isDistributionName, versionInFileName } from './names.ts';

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
 * @throws Error for JSON that is not a project page
 */
export function projectFiles(contentType: string, body: string, url: string): ProjectFile[] {
  return /json/i.test(contentType) ? jsonFiles(body, url) : htmlFiles(body, url);
}

/** The versions that a project's page offers: those with a file that is not yanked. */
export function offeredVersions(files: readonly ProjectFile[], project: string): Set<string> {
  return new Set(
    files.flatMap(({ file, yanked }) => (yanked ? [] : (versionInFileName(file, project) ?? []))),
  );
}

/** PEP 691. */
function jsonFiles(body: string, pageUrl: string): ProjectFile[] {
  const { files } = JSON.parse(body) as { files: unknown };
  if (!Array.isArray(files)) throw new Error('no list of files');
  return files.map((entry: unknown) => {
    const { filename, url, hashes, yanked } = entry as {
      filename?: unknown;
      url?: unknown;
      hashes?: { sha256?: unknown };
      yanked?: unknown;
    };
    if (typeof filename !== 'string' || typeof url !== 'string') throw new Error('no name or URL');
    const sha256 = hashes?.sha256;
    return {
      file: filename,
      url: new URL(url, pageUrl).href,
      sha256: typeof sha256 === 'string' ? sha256.toLowerCase() : undefined,
      yanked: yanked !== undefined && yanked !== false,
    };
  });
}

const anchor = /<a(?=\s)/gi;
/** A `<` starts another tag; otherwise every `<a` of a broken page would be read to its end. */
const attribute = /\s*([^\s=<>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/y;

/**
 * PEP 503. Values of attributes may contain a bare `>`, as in `data-requires-python`. No character
 * is read twice, so a hostile page takes no longer than an honest one of the same length.
 */
function htmlFiles(body: string, pageUrl: string): ProjectFile[] {
  const files: ProjectFile[] = [];
  let end = 0;
  const next = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = end;
    const match = pattern.exec(body);
    if (match !== null) end = pattern.lastIndex;
    return match;
  };
  while (next(anchor) !== null) {
    let href: string | undefined;
    let yanked = false;
    for (let found = next(attribute); found !== null; found = next(attribute)) {
      const [, name = '', double, single, bare] = found;
      if (name.toLowerCase() === 'href') href ??= double ?? single ?? bare;
      if (name.toLowerCase() === 'data-yanked') yanked = true;
    }
    const file = href === undefined ? undefined : linkedFile(unescaped(href), pageUrl);
    if (file !== undefined) files.push({ ...file, yanked });
  }
  return files;
}

/** As in pip, the last part of the address is the name of the file. */
function linkedFile(href: string, pageUrl: string): Omit<ProjectFile, 'yanked'> | undefined {
  if (!URL.canParse(href, pageUrl)) return undefined;
  const url = new URL(href, pageUrl);
  const last = url.pathname.split('/').at(-1) ?? '';
  let file: string;
  try {
    file = decodeURIComponent(last);
  } catch {
    file = last;
  }
  if (!isDistributionName(file)) return undefined;
  const sha256 = /[#&]sha256=([0-9a-f]{64})\b/i.exec(url.hash)?.[1]?.toLowerCase();
  url.hash = '';
  return { file, url: url.href, sha256 };
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
