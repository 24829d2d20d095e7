/** What collecting needs of the world. */
import type { Interpreter } from '../logic/model.ts';
import type { PipResult, Python, World } from '../ports.ts';
import type { DownloadedFile, FileMetadata, IndexPage } from './logic/model.ts';

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
   */
  pages(
    interpreter: Interpreter,
    urls: readonly string[],
    options: PipAccess,
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

export interface CollectWorld extends Pick<World, 'python' | 'wheelhouses' | 'reporter'> {
  readonly downloads: Downloads;
}
