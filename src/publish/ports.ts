/** What publishing needs of the world: each is one adapter, here in `world/` or of the core. */
import type { Interpreter } from '../logic/model.ts';
import type { ProjectFile } from '../logic/project-page.ts';
import type { PipResult, Python, Reporter, Sources, Wheelhouses } from '../ports.ts';
import type { DownloadedFile, FeedAnswer, FileMetadata, IndexPage } from './logic/model.ts';
import type { Command } from './logic/programs.ts';

/** Asks the feed. */
export interface Feed {
  /** @param project normalised name */
  ask(project: string): Promise<FeedAnswer>;
  /** Downloads a file. @returns lower-case hex of its sha256 @throws Error in a few words */
  digest(file: ProjectFile): Promise<string>;
}

/** Runs programs that are not pip. */
export interface Programs {
  /**
   * Its output goes to the log as it comes, unless it is run quietly.
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

/** Brings files, and says what they are. */
export interface Downloads {
  /**
   * Runs pip as it would choose on another machine.
   * @param markers variables of PEP 508 that are not those of the interpreter
   */
  pip(
    interpreter: Interpreter,
    markers: Readonly<Record<string, string>>,
    args: readonly string[],
    options: Parameters<Python['pip']>[2],
  ): Promise<PipResult>;
  /** The files of a directory, sorted by name. */
  list(directory: string): Promise<readonly DownloadedFile[]>;
  /**
   * @param files names of files in the directory
   * @returns in order
   * @throws UserError for a file that can't be read
   */
  metadata(
    interpreter: Interpreter,
    directory: string,
    files: readonly string[],
  ): Promise<readonly FileMetadata[]>;
  /**
   * Asks for pages of indexes as pip does, with its credentials, certificates and proxies.
   * @param options.directory an empty one, for the pages
   * @returns in order
   */
  pages(
    interpreter: Interpreter,
    urls: readonly string[],
    options: PipAccess & { readonly directory: string },
  ): Promise<readonly IndexPage[]>;
  /**
   * Downloads files as pip does, past its cache.
   * @returns lower-case hex of their sha256, in order; undefined where there is no file
   */
  digests(
    interpreter: Interpreter,
    urls: readonly string[],
    options: PipAccess,
  ): Promise<readonly (string | undefined)[]>;
}

/** Where and with which environment pip asks indexes. */
type PipAccess = Pick<Parameters<Python['pip']>[2], 'cwd' | 'env'>;

/** What publishing needs of the world. */
export interface PublishWorld {
  readonly python: Python;
  readonly sources: Sources;
  readonly wheelhouses: Wheelhouses;
  readonly downloads: Downloads;
  /** @param certificates path of a file of certificates that pip is told to trust */
  readonly feed: (certificates: string | undefined) => Feed;
  readonly programs: Programs;
  readonly reporter: Reporter;
}
