/** What a bundle is made from: wheels in a directory, verified, with the machines that install them. */
import type { Target } from '../collect/logic/model.ts';
import type { Interpreter } from '../logic/model.ts';
import type { RequestedSet } from '../logic/requirements.ts';
import type { State } from '../logic/state.ts';
import type { BundledWheel } from './logic/model.ts';

export interface Gathered {
  /** Path of the directory with the wheels. */
  readonly directory: string;
  /** Sorted by file name. */
  readonly wheels: readonly BundledWheel[];
  readonly targets: readonly Target[];
  /** Names of requested projects that are not among the wheels. */
  readonly missing: readonly string[];
  readonly interpreter: Interpreter;
  readonly requested: RequestedSet;
  /** The wheelhouses to save. */
  readonly states: readonly State[];
}
