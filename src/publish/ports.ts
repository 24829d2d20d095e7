/** What publishing needs of the world: each is one adapter, in `world/` here or in the core. */
import type { Interpreter } from '../logic/model.ts';
import type { ProjectFile } from '../logic/project-page.ts';
import type { PipResult, Python, Reporter, Sources, Wheelhouses } from '../ports.ts';
import type { DownloadedFile, FeedAnswer, FileMetadata, IndexPage } from './logic/model.ts';
import type { Command } from './logic/programs.ts';

/** The private feed. */
export interface Feed {
  /** @param project normalised name */
  ask(project: string): Promise<FeedAnswer>;
  /** Downloads a file. @returns its SHA-256 in lower-case hex @throws Error in a few words */
  digest(file: ProjectFile): Promise<string>;
}

/** Runs programs that are not pip. */
export interface Programs {
  /**
   * Runs a program. Its output goes to the log line by line, unless `quiet` is set.
   * @returns undefined when there is no such program
   */
  run(
    command: Command,
    args: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      readonly quiet?: boolean;
    },
  ): Promise<(PipResult & { readonly stdout: string }) | undefined>;
}

/** Downloads files and reads them. */
export interface Downloads {
  /**
   * Runs pip as if it were on another machine.
   * @param markers values of marker variables (PEP 508) that differ from the interpreter's
   */
  pip(
    interpreter: Interpreter,
    markers: Readonly<Record<string, string>>,
    args: readonly string[],
    options: Parameters<Python['pip']>[2],
  ): Promise<PipResult>;
  /** Returns the files of a directory, sorted by name. */
  list(directory: string): Promise<readonly DownloadedFile[]>;
  /**
   * Reads the metadata of files, in order.
   * @param files names of files in the directory
   * @throws UserError for a file that can't be read
   */
  metadata(
    interpreter: Interpreter,
    directory: string,
    files: readonly string[],
  ): Promise<readonly FileMetadata[]>;
  /**
   * Gets pages of indexes as pip does, with its credentials, certificates and proxies, in order.
   * @param options.directory an empty directory for the pages
   */
  pages(
    interpreter: Interpreter,
    urls: readonly string[],
    options: PipAccess & { readonly directory: string },
  ): Promise<readonly IndexPage[]>;
  /**
   * Downloads files as pip does, without its cache.
   * @returns their SHA-256 in lower-case hex, in order; undefined for a file that is not there
   */
  digests(
    interpreter: Interpreter,
    urls: readonly string[],
    options: PipAccess,
  ): Promise<readonly (string | undefined)[]>;
}

/** The directory and environment in which pip asks indexes. */
export type PipAccess = Pick<Parameters<Python['pip']>[2], 'cwd' | 'env'>;

/** What publishing needs of the world. */
export interface PublishWorld {
  readonly python: Python;
  readonly sources: Sources;
  readonly wheelhouses: Wheelhouses;
  readonly downloads: Downloads;
  /** @param certificates path of a file of certificates to trust; undefined for the default ones */
  readonly feed: (certificates: string | undefined) => Feed;
  readonly programs: Programs;
  readonly reporter: Reporter;
}
