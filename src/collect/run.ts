/** What the collection of files starts from. */
import type { Indexes } from '../logic/index-choice.ts';
import type { Interpreter } from '../logic/model.ts';
import type { RequestedSet } from '../logic/requirements.ts';
import type { Purpose, Target } from './logic/model.ts';
import type { PipAccess } from './ports.ts';

export interface CollectRun {
  readonly interpreter: Interpreter;
  readonly requested: RequestedSet;
  /** The lines name everything: dependencies of packages do not count. */
  readonly noDeps: boolean;
  readonly targets: readonly Target[];
  /** The source indexes; their URLs may contain credentials. */
  readonly indexes: Indexes;
  readonly pip: PipAccess;
  readonly purpose: Purpose;
  /** Whether what sdists are built with is collected too. */
  readonly withBuildRequirements: boolean;
  /** A directory for everything that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for the collected files. */
  readonly collection: string;
}
