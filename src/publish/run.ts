/** What the steps of a publishing run know. */
import type { Indexes } from '../logic/index-choice.ts';
import type { Interpreter } from '../logic/model.ts';
import type { RequestedSet } from '../logic/requirements.ts';
import type { PublishRequest, Target } from './logic/model.ts';
import type { Feed, PipAccess } from './ports.ts';

export interface PublishRun {
  readonly request: PublishRequest;
  readonly interpreter: Interpreter;
  readonly requested: RequestedSet;
  readonly targets: readonly Target[];
  /** The source indexes; their URLs may contain credentials. */
  readonly indexes: Indexes;
  readonly pip: PipAccess;
  readonly feed: Feed;
  /** Path of a file of certificates that pip is configured to trust. */
  readonly certificates: string | undefined;
  /** A directory for everything that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for the files to publish. */
  readonly collection: string;
}
