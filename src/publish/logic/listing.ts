/** Whether a downloaded file is one that an index lists: only such files are published. */
import type { ProjectFile } from '../../logic/project-page.ts';
import { readAnswer } from './feed.ts';
import type { DownloadedFile, FeedAnswer, IndexPage } from './model.ts';

/** @returns URL of a project's page, as pip makes it */
export function pageUrl(index: string, project: string): string {
  return `${index.replace(/\/+$/, '')}/${project}/`;
}

/** What an index says of a project. */
export function readPage(page: IndexPage | undefined): FeedAnswer {
  if (page?.status === undefined) {
    return { state: 'unreadable', reason: page?.fault ?? 'it does not answer' };
  }
  return readAnswer(page.status, page.contentType, page.body, page.url);
}

/** What pages say of one file. */
export type Listing =
  | { readonly state: 'listed' }
  /** Listed without a hash: the content at these addresses has to be compared. */
  | { readonly state: 'unhashed'; readonly urls: readonly string[] }
  | { readonly state: 'mismatch'; readonly sha256: string }
  | { readonly state: 'unlisted' };

/**
 * @param entries the files of its project on the pages of all indexes of the request; more than one
 * index may list it
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

/** The error's text for a file that is not to be published. */
export function listingMessage(
  { file, sha256 }: DownloadedFile,
  listing: Exclude<Listing, { state: 'listed' }>,
  indexes: readonly string[],
): string {
  const where = indexes.join(', ');
  const nothing = 'Nothing was uploaded.';
  switch (listing.state) {
    case 'unlisted':
      return `${file} is not listed by ${where}; it comes from somewhere else, such as a direct reference among the dependencies of a package, or --find-links. Only files of the index are published. ${nothing} Leave out the package that asks for it.`;
    case 'mismatch':
      return `${file} was downloaded with sha256 ${sha256}, and ${where} lists it with ${listing.sha256}. ${nothing} Run again; if that persists, ask whoever runs the index.`;
    case 'unhashed':
      return `${file} was downloaded with sha256 ${sha256}, and its address on ${where}, which lists no hash, has other content or does not answer. ${nothing} Run again; if that persists, ask whoever runs the index.`;
  }
}

/** The error's text for an index that can't be read. */
export function unreadableMessage(
  index: string,
  project: string,
  answer: Extract<FeedAnswer, { state: 'refused' | 'unreadable' }>,
): string {
  return answer.state === 'refused'
    ? `The source index ${index} answers ${answer.status} for ${project}. Set the inputs index-username and index-password, or check them.`
    : `The source index ${index} can't be asked for ${project}: ${answer.reason}. Only files that it lists are published. Check the input index-url.`;
}
