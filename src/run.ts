/** What the steps of a run know, from the request to the filled wheelhouse. */
import type { ChosenIndex } from './choose-index.ts';
import type { Manifest } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { KeyedRequest } from './request.ts';
import type { Timer } from './timer.ts';

/** Everything that is known before a wheelhouse is looked for. */
export interface Run extends KeyedRequest {
  readonly request: Request;
  readonly interpreter: Interpreter;
  /** Where the wheelhouse will be; a path. */
  readonly place: string;
  /** A directory for everything that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for generated files. */
  readonly scratch: string;
  readonly timer: Timer;
}

/** A run that fills a wheelhouse from an index. */
export interface FillRun extends Run {
  readonly index: ChosenIndex;
}

/** What a fill produces. */
export interface Fill {
  readonly manifest: Manifest;
  /** The local projects were installed on the way, when their metadata was read. */
  readonly hasInstalledSources: boolean;
}
