/** What a publishing run is asked for, works on, and reports. */

import { UserError } from '../../logic/errors.ts';
import type { Indexes } from '../../logic/index-choice.ts';
import type { Interpreter, Request } from '../../logic/model.ts';
import type { ProjectFile } from '../../logic/project-page.ts';
import type { RequestedSet } from '../../logic/requirements.ts';

export const uploaders = ['twine', 'uv'] as const;

export type Uploader = (typeof uploaders)[number];

export const auditModes = ['off', 'warn', 'fail'] as const;

export type AuditMode = (typeof auditModes)[number];

/** Everything that a publishing run was asked for. */
export interface PublishRequest {
  /** What is wanted and the index that it comes from. */
  readonly source: Request;
  /** Platform tags; empty: the one that this runs on. */
  readonly platforms: readonly string[];
  /** `3.12` or `3.12.4`; empty: the chosen Python's. */
  readonly pythonVersions: readonly string[];
  readonly feed: FeedAccess;
  readonly uploadUrl: string;
  readonly uploader: Uploader;
  readonly audit: AuditMode;
  readonly dryRun: boolean;
}

/** A private feed and who asks it. The password is a secret: never shown. */
export interface FeedAccess {
  /** Of its simple index, with a trailing slash and without credentials. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** A kind of machine that packages are published for. */
export interface Target {
  /** For people. */
  readonly name: string;
  /** pip's options that choose its files; empty: those of the running Python. */
  readonly options: readonly string[];
  /** What environment markers are compared with, where it is not the running Python. */
  readonly markers: Readonly<Record<string, string>> | undefined;
}

/** A file that the source index lists under this name, version and hash. */
export interface SourceFile {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  /** runtime: the request's closure; build: what its sdists are built with. */
  readonly role: 'runtime' | 'build';
}

/** A file as pip has left it. */
export type DownloadedFile = Pick<SourceFile, 'file' | 'sha256' | 'size'>;

/** What a file says of itself, without being built or installed. */
export interface FileMetadata {
  /** Every name and version in it that an uploader might take for its own. */
  readonly identities: readonly Identity[];
  /** Text of an sdist's pyproject.toml; undefined for one without, and for a wheel. */
  readonly pyproject: string | undefined;
}

export interface Identity {
  readonly name: string;
  readonly version: string;
}

/** A page as an index answered. */
export interface IndexPage {
  /** Of HTTP; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly contentType: string;
  /** Where it came from in the end, without credentials. */
  readonly url: string;
  readonly body: string;
  /** Why there is no whole answer, in a few words. */
  readonly fault: string | undefined;
}

/** What a feed says of one project. */
export type FeedAnswer =
  | { readonly state: 'listed'; readonly files: readonly ProjectFile[] }
  /** The feed does not have it; `forwarded`: the host where it sends those who ask. */
  | { readonly state: 'absent'; readonly forwarded?: string }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'unreadable'; readonly reason: string };

export type FileState = 'present' | 'conflict' | 'absent';

/** One file with what became of it. */
export interface PublishRow extends SourceFile {
  readonly state: FileState | 'uploaded';
  /** Lower-case hex: the content that the feed has under that name, where it has any. */
  readonly feedSha256: string | undefined;
}

export interface AuditResult {
  /** failed: at least one look-up did not take place, so nobody knows. */
  readonly state: 'off' | 'clean' | 'vulnerable' | 'failed';
  /** `name version: ID, ID`, or why the look-up failed. */
  readonly findings: readonly string[];
}

/** What one publishing run did. */
export interface PublishReport {
  readonly rows: readonly PublishRow[];
  readonly targets: readonly string[];
  readonly feed: string;
  readonly audit: AuditResult;
  readonly dryRun: boolean;
  /** Text for the machines that install from the feed. */
  readonly pipConf: string;
  /** The closure as `name==version --hash=…`, what sdists are built with left out. */
  readonly lock: string;
}

/** Files on the feed have other content than the source's. */
export class PublishConflict extends UserError {
  readonly report: PublishReport;

  constructor(message: string, report: PublishReport) {
    super(message);
    this.report = report;
  }
}

/** What is known before anything is downloaded. */
export interface PublishPlan {
  readonly request: PublishRequest;
  readonly interpreter: Interpreter;
  /** Where files come from; their URLs may hold credentials. */
  readonly indexes: Indexes;
  readonly requested: RequestedSet;
  readonly certificates: string | undefined;
  readonly workplace: string;
  /** Where all files come together. */
  readonly collection: string;
}
