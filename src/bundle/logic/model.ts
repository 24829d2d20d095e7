/** What a bundle is made of. */
import { UserError } from '../../logic/errors.ts';
import type { Wheel } from '../../logic/manifest.ts';
import type { Request } from '../../logic/model.ts';

export type Form = 'directory' | 'tar.gz' | 'zip';

/** The place that a bundle is written to. */
export interface Output {
  /** Absolute. */
  readonly path: string;
  readonly form: Form;
}

/** The request of a bundle. */
export interface BundleRequest {
  /** The packages, and the index that they come from. */
  readonly source: Request;
  /** Platform tags; empty for the platform of this machine. */
  readonly platforms: readonly string[];
  /** `3.12` or `3.12.4`; empty for the version of the chosen Python. */
  readonly pythonVersions: readonly string[];
  readonly output: Output;
}

/** A wheel of a bundle. */
export interface BundledWheel
  extends Pick<Wheel, 'name' | 'project' | 'version' | 'file' | 'sha256' | 'size'> {
  /** Names of the machines that install it. */
  readonly targets: readonly string[];
}

/** What a wheel states about itself. Its author may have written anything. */
export interface WheelMetadata {
  /** `License-Expression`; empty when there is none. */
  readonly expression: string;
  /** `License`; empty when there is none. */
  readonly license: string;
  /** The classifiers of licences. */
  readonly classifiers: readonly string[];
  /** `Requires-Dist`. */
  readonly requires: readonly string[];
  /** Path and content of licence files; null for one that is too large. */
  readonly texts: readonly (readonly [path: string, content: string | null])[];
}

/** What is in a bundle. */
export interface Contents {
  /** The machines that it is for, for people. */
  readonly targets: readonly string[];
  readonly wheels: readonly BundledWheel[];
  /** Names of requested projects that are not in it, because they are installed from source. */
  readonly missing: readonly string[];
}

/** The result of a run. */
export interface BundleReport extends Contents {
  readonly output: Output;
}

/** The error for wheels that are not what they were when they were verified. */
export function changedWheels(faults: readonly string[]): UserError {
  return new UserError(
    `The wheels were changed by another program while the bundle was made: ${faults.join('; ')}. Run again.`,
  );
}
