/** What a publishing run works on and reports. */

import { UserError } from '../../logic/errors.ts';
import type { Request } from '../../logic/model.ts';
import type { ProjectFile } from '../../logic/project-page.ts';

export const uploaders = ['twine', 'uv'] as const;

export type Uploader = (typeof uploaders)[number];

export const auditModes = ['off', 'warn', 'fail'] as const;

export type AuditMode = (typeof auditModes)[number];

/** The request of a publishing run. */
export interface PublishRequest {
  /** The packages, and the index that they come from. */
  readonly source: Request;
  /** Platform tags; empty for the platform of this machine. */
  readonly platforms: readonly string[];
  /** `3.12` or `3.12.4`; empty for the version of the chosen Python. */
  readonly pythonVersions: readonly string[];
  readonly feed: FeedAccess;
  readonly uploadUrl: string;
  readonly uploader: Uploader;
  readonly audit: AuditMode;
  readonly dryRun: boolean;
}

/** A private feed with its credentials. The password is a secret: never show it. */
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
  /** The options that make pip choose its files; empty for the running Python. */
  readonly options: readonly string[];
  /** Values of environment marker variables; undefined for those of the running Python. */
  readonly markers: Readonly<Record<string, string>> | undefined;
}

/** A file that the source index lists under this name, version and hash. */
export interface SourceFile {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  /** `runtime` for the packages and their dependencies, `build` for the build requirements of sdists. */
  readonly role: 'runtime' | 'build';
}

/** A file that pip downloaded. */
export type DownloadedFile = Pick<SourceFile, 'file' | 'sha256' | 'size'>;

/** The metadata of a file that is neither built nor installed. */
export interface FileMetadata {
  /** Every name and version that an uploader might read from it. */
  readonly identities: readonly Identity[];
  /** Text of an sdist's pyproject.toml; undefined when it has none, and for wheels. */
  readonly pyproject: string | undefined;
}

export interface Identity {
  readonly name: string;
  readonly version: string;
}

/** An index's answer to a request for a page. */
export interface IndexPage {
  /** The HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly contentType: string;
  /** The address after redirects, without credentials. */
  readonly url: string;
  readonly body: string;
  /** Why there is no complete answer, in a few words. */
  readonly fault: string | undefined;
}

/** A feed's answer for one project. */
export type FeedAnswer =
  | { readonly state: 'listed'; readonly files: readonly ProjectFile[] }
  /** The feed does not have it; `forwarded` is the host that it redirects to. */
  | { readonly state: 'absent'; readonly forwarded?: string }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'unreadable'; readonly reason: string };

export type FileState = 'present' | 'conflict' | 'absent';

/** A file with its state on the feed. */
export interface PublishRow extends SourceFile {
  readonly state: FileState | 'uploaded';
  /** Digest of the feed's file of that name, in lower-case hex; undefined when it has none. */
  readonly feedSha256: string | undefined;
}

export interface AuditResult {
  /** `failed` when at least one look-up did not take place, so nothing is known. */
  readonly state: 'off' | 'clean' | 'vulnerable' | 'failed';
  /** `name version: ID, ID`, or why the look-up failed. */
  readonly findings: readonly string[];
}

/** The result of a publishing run. */
export interface PublishReport {
  readonly rows: readonly PublishRow[];
  readonly targets: readonly string[];
  readonly feed: string;
  readonly audit: AuditResult;
  readonly dryRun: boolean;
  /** Text of a pip.conf for machines that install from the feed. */
  readonly pipConf: string;
  /** The packages as lines `name==version --hash=…`, without build requirements. */
  readonly lock: string;
}

/** The feed has files of the same name with different content. */
export class PublishConflict extends UserError {
  readonly report: PublishReport;

  constructor(message: string, report: PublishReport) {
    super(message);
    this.report = report;
  }
}
