/** What a publishing run works on and reports. */

import type { SourceFile } from '../../collect/logic/model.ts';
import { UserError } from '../../logic/errors.ts';
import type { Request } from '../../logic/model.ts';

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
