/** What a run knows, from the first look at the request to the filled wheelhouse. */
import type { ChosenIndex } from './choose-index.ts';
import type { Manifest } from './logic/manifest.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { KeyedRequest } from './request.ts';

/** Everything that is known before anything is looked for. */
export interface Run extends KeyedRequest {
  readonly request: Request;
  readonly interpreter: Interpreter;
  /** A directory for all that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for generated files. */
  readonly scratch: string;
}

/** A run with the index that it is carried out with. */
export interface FillRun extends Run {
  readonly index: ChosenIndex;
}

/** A wheelhouse that is complete. */
export interface Fill {
  readonly manifest: Manifest;
  /** Local projects have been installed on the way, as their metadata were read. */
  readonly hasInstalledSources: boolean;
}

/** The same, and the index that was asked for it; undefined when none was. */
export interface Filled extends Fill {
  readonly index: ChosenIndex | undefined;
}
