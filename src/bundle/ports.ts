/** What a bundle needs of the world beside what an installation needs. */
import type { CollectWorld } from '../collect/ports.ts';
import type { Interpreter } from '../logic/model.ts';
import type { World } from '../ports.ts';
import type { Output, WheelMetadata } from './logic/model.ts';

/** Writes bundles. */
export interface Bundles {
  /**
   * Checks that an output can be written.
   * @throws UserError when there is something that is not a bundle, which would be lost
   */
  check(output: Output): Promise<void>;
  /**
   * Reads the metadata of wheels, in order.
   * @throws UserError for a wheel that can't be read
   */
  metadata(
    interpreter: Interpreter,
    directory: string,
    files: readonly string[],
  ): Promise<readonly WheelMetadata[]>;
  /** Copies files from one directory to another. */
  copy(files: readonly string[], from: string, to: string): Promise<void>;
  /**
   * Puts the files of a directory into the place of a bundle, whole: a directory, or an archive. The
   * same files give the same bytes, times and modes.
   */
  place(directory: string, output: Output): Promise<void>;
}

export interface BundleWorld extends World, CollectWorld {
  readonly bundles: Bundles;
}
