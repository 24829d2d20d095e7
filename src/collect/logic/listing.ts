/** Whether an index lists a downloaded file: only such files are collected. */
import {
  type Health,
  judgePage,
  type ProjectFile,
  projectFiles,
} from '../../logic/project-page.ts';
import type { DownloadedFile, IndexPage, ProjectAnswer, Purpose } from './model.ts';

/** Returns the URL of a project's page, as pip builds it. */
export function pageUrl(index: string, project: string): string {
  return `${index.replace(/\/+$/, '')}/${project}/`;
}

/** Reads an index's page of a project. */
export function readPage(page: IndexPage | undefined): ProjectAnswer {
  if (page?.status === undefined) {
    return { state: 'unreadable', reason: page?.fault ?? 'it does not answer' };
  }
  return readAnswer(page.status, page.contentType, page.body, page.url);
}

/**
 * Reads an index's answer for one project.
 * @param url the address of the page, for relative links
 */
export function readAnswer(
  status: number,
  contentType: string,
  body: string,
  url: string,
): ProjectAnswer {
  const health: Health = judgePage(status, contentType, body);
  switch (health.state) {
    case 'refused':
    case 'absent':
      return health;
    case 'healthy':
      break;
    default:
      return { state: 'unreadable', reason: health.reason };
  }
  try {
    return { state: 'listed', files: projectFiles(contentType, body, url) };
  } catch {
    return { state: 'unreadable', reason: 'its JSON is not a project page (PEP 691)' };
  }
}

/** How the pages of a project list one file. */
export type Listing =
  | { readonly state: 'listed' }
  /** Listed without a hash, so the content at these addresses has to be compared. */
  | { readonly state: 'unhashed'; readonly urls: readonly string[] }
  | { readonly state: 'mismatch'; readonly sha256: string }
  | { readonly state: 'unlisted' };

/**
 * @param entries the files of its project on the pages of all indexes of the request
 */
export function listingOf(file: DownloadedFile, entries: readonly ProjectFile[]): Listing {
  const named = entries.filter((entry) => entry.file === file.file);
  if (named.some((entry) => entry.sha256 === file.sha256)) return { state: 'listed' };
  const unhashed = named.filter((entry) => entry.sha256 === undefined);
  if (unhashed.length > 0) return { state: 'unhashed', urls: unhashed.map(({ url }) => url) };
  const [other] = named;
  return other?.sha256 === undefined
    ? { state: 'unlisted' }
    : { state: 'mismatch', sha256: other.sha256 };
}

/** The error for a file that must not be collected. */
export function listingMessage(
  { file, sha256 }: DownloadedFile,
  listing: Exclude<Listing, { state: 'listed' }>,
  indexes: readonly string[],
  { verb, onError }: Purpose,
): string {
  const where = indexes.join(', ');
  switch (listing.state) {
    case 'unlisted':
      return `${file} is not listed by ${where}: it comes from elsewhere, such as a direct reference in the dependencies of a package, or --find-links. Only files of the index are ${verb}. ${onError} Exclude the package that requires it.`;
    case 'mismatch':
      return `${file} was downloaded with SHA-256 ${sha256}, but ${where} lists ${listing.sha256}. ${onError} Run again; if it happens again, ask the owner of the index.`;
    case 'unhashed':
      return `${file} was downloaded with SHA-256 ${sha256}, but its address on ${where}, which lists no hash, now has different content or does not answer. ${onError} Run again; if it happens again, ask the owner of the index.`;
  }
}

/** The error for an index that can't be read. */
export function unreadableMessage(
  index: string,
  project: string,
  answer: Extract<ProjectAnswer, { state: 'refused' | 'unreadable' }>,
  { verb }: Purpose,
): string {
  return answer.state === 'refused'
    ? `The source index ${index} answers ${answer.status} for ${project}. Set or check the inputs index-username and index-password.`
    : `The source index ${index} can't be asked for ${project}: ${answer.reason}. Only files that it lists can be ${verb}. Check the input index-url.`;
}
