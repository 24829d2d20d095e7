/** What is collected from indexes. */
import type { ProjectFile } from '../../logic/project-page.ts';

/** A kind of machine that packages are collected for. */
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

/** An index's answer for one project. */
export type ProjectAnswer =
  | { readonly state: 'listed'; readonly files: readonly ProjectFile[] }
  /** It does not have the project; `forwarded` is the host that it redirects to. */
  | { readonly state: 'absent'; readonly forwarded?: string }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'unreadable'; readonly reason: string };

/** A collected file and the targets that take it. */
export interface Collected {
  readonly source: SourceFile;
  readonly targets: readonly Target[];
}

/** What files are collected for, in messages. */
export interface Purpose {
  /** `published` */
  readonly verb: string;
  /** What an error means for the run: `Nothing was uploaded.` */
  readonly onError: string;
}
