/** What a feed says of its files, and where it takes new ones. */

import { normalizeName } from '../../logic/names.ts';
import { type Health, judgePage, projectFiles } from '../../logic/project-page.ts';
import type { FeedAnswer, FileState, PublishRow, SourceFile } from './model.ts';

/**
 * What a feed's answer says of one project.
 * @param url of the page, for relative links
 */
export function readAnswer(
  status: number,
  contentType: string,
  body: string,
  url: string,
): FeedAnswer {
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
    return { state: 'unreadable', reason: 'its JSON is not that of a project page (PEP 691)' };
  }
}

/**
 * What a redirect to another origin means: feeds send those who ask for a project that they don't
 * have to a public index (pypiserver's and GitLab's default), and those whom they don't know to a
 * page to log in.
 */
export function readForeignRedirect(location: URL, project: string): FeedAnswer {
  const last = location.pathname.split('/').findLast((part) => part !== '') ?? '';
  return normalizeName(last) === project
    ? { state: 'absent', forwarded: location.host }
    : {
        state: 'unreadable',
        reason: `it redirects to ${location.host}, which is no page of ${project}; that may be a page to log in`,
      };
}

/** @param feedSha256 of the file of that name on the feed; undefined: there is none */
export function stateOf(file: SourceFile, feedSha256: string | undefined): FileState {
  if (feedSha256 === undefined) return 'absent';
  return feedSha256 === file.sha256 ? 'present' : 'conflict';
}

/** The error's text for files that the feed has with other content. */
export function conflictMessage(rows: readonly PublishRow[]): string {
  const conflicts = rows.filter((row) => row.state === 'conflict');
  const uploaded = rows.filter((row) => row.state === 'uploaded').length;
  const [what, them] =
    conflicts.length === 1 ? ['1 file has', 'it'] : [`${conflicts.length} files have`, 'them'];
  return [
    `${what} other content on the feed than on the source index; ${uploaded === 0 ? 'nothing was' : `${uploaded} others were`} uploaded. Find out which content is the right one, then delete ${them} from the feed or leave that version out.`,
    ...conflicts.map(
      ({ file, sha256, feedSha256 }) =>
        `  ${file}: sha256 ${sha256} at the source, ${feedSha256} on the feed`,
    ),
  ].join('\n');
}

/**
 * Where files of a feed are uploaded to, if its address tells. Nearly all serve `…/simple/` below
 * the address for uploads (pypiserver, Artifactory, CodeArtifact, Gitea, GitLab, Nexus); devpi has
 * `…/+simple/` there, and Azure Artifacts `…/upload/` beside it.
 */
export function derivedUploadUrl(feedUrl: string): string | undefined {
  const url = new URL(feedUrl);
  const path = url.pathname.replace(/\/+$/, '');
  if (/\/_packaging\/[^/]+\/pypi\/simple$/.test(path)) {
    url.pathname = path.replace(/simple$/, 'upload/');
    return url.href;
  }
  if (!/\/\+?simple$/.test(path)) return undefined;
  url.pathname = path.replace(/\+?simple$/, '');
  return url.href;
}
