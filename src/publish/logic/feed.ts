/** A feed's answers, and the address for uploads to it. */

import type { ProjectAnswer, SourceFile } from '../../collect/logic/model.ts';
import { normalizeName } from '../../logic/names.ts';
import type { FileState, PublishRow } from './model.ts';

/**
 * Interprets a redirect to another origin. Feeds redirect to a public index for a project that they
 * do not have (the default of pypiserver and GitLab), or to a login page without valid credentials.
 */
export function readForeignRedirect(location: URL, project: string): ProjectAnswer {
  const last = location.pathname.split('/').findLast((part) => part !== '') ?? '';
  return normalizeName(last) === project
    ? { state: 'absent', forwarded: location.host }
    : {
        state: 'unreadable',
        reason: `it redirects to ${location.host}, but not to a page of ${project}; that may be a login page`,
      };
}

/** @param feedSha256 digest of the feed's file of that name; undefined when there is none */
export function stateOf(file: SourceFile, feedSha256: string | undefined): FileState {
  if (feedSha256 === undefined) return 'absent';
  return feedSha256 === file.sha256 ? 'present' : 'conflict';
}

/** Whether the feed has a file of the same name with different content. */
export function hasConflict(rows: readonly PublishRow[]): boolean {
  return rows.some((row) => row.state === 'conflict');
}

/** The error for files that the feed has with different content. */
export function conflictMessage(rows: readonly PublishRow[]): string {
  const conflicts = rows.filter((row) => row.state === 'conflict');
  const uploaded = rows.filter((row) => row.state === 'uploaded').length;
  const [subject, object] =
    conflicts.length === 1 ? ['1 file has', 'it'] : [`${conflicts.length} files have`, 'them'];
  const others = uploaded === 0 ? 'Nothing was uploaded.' : `Other files uploaded: ${uploaded}.`;
  return [
    `${subject} different content on the feed and on the source index. ${others} Find out which content is right, then delete ${object} from the feed or exclude that version.`,
    ...conflicts.map(
      ({ file, sha256, feedSha256 }) =>
        `  ${file}: SHA-256 ${sha256} on the source index, ${feedSha256} on the feed`,
    ),
  ].join('\n');
}

/**
 * Derives a feed's address for uploads from the address of its simple index; undefined when that is
 * impossible. Most feeds serve `…/simple/` below the address for uploads (pypiserver, Artifactory,
 * CodeArtifact, Gitea, GitLab, Nexus); devpi serves `…/+simple/` there, and Azure Artifacts has
 * `…/upload/` beside it.
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
