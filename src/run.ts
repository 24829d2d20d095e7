/** What the steps of a run know, from the request to the filled wheelhouse. */
import type { Manifest, Wheel } from './logic/manifest.ts';
import type { Interpreter } from './logic/model.ts';
import type { Resolved } from './logic/request-file.ts';
import type { Gateway, IndexTrust, Measured } from './ports.ts';
import type { KeyedRequest } from './request.ts';
import type { Timer } from './timer.ts';
import type { Tools } from './tools.ts';

/** Everything that is known before a wheelhouse is looked for. */
export interface Run extends KeyedRequest {
  readonly interpreter: Interpreter;
  /** Where the wheelhouse will be; a path. */
  readonly place: string;
  /** A directory for everything that the run does not keep. */
  readonly workplace: string;
  /** A directory in it for generated files. */
  readonly scratch: string;
  readonly timer: Timer;
  readonly tools: Tools;
}

/** A run with the directory of its wheelhouse. */
export interface WheelhouseRun extends Run {
  readonly wheelhouse: string;
}

/** The index that a fill uses. */
export interface ChosenIndex {
  /** Variables for pip, with the credentials. */
  readonly environment: Readonly<Record<string, string>>;
  /** For people; empty when there is none. */
  readonly shown: string;
  /** For people, to be put in brackets. */
  readonly why: string;
  readonly role: 'mirror' | 'authoritative' | 'none';
  /**
   * pip may reuse wheels that were built earlier. Not where it has to prove its credentials: it
   * would hide a refusal as long as those wheels satisfy the request.
   */
  readonly mayOffer: boolean;
  /** The indexes that may be asked; several when pip merges indexes. */
  readonly urls: readonly string[];
  readonly trust: IndexTrust;
  /** Why the index may turn out to be unreachable, when only pip can tell. */
  readonly doubt?: string;
}

/** The pip that chooses files on the index. */
export interface Resolver {
  readonly version: string;
  /** Path of the pip, if it is not the environment's own. */
  readonly path: string | undefined;
  /** Variables that limit what it chooses. */
  readonly environment: Readonly<Record<string, string>>;
  /** The minimum age of what it chooses, for people; undefined for none. */
  readonly releaseAge: string | undefined;
}

/** What a pip needs that may ask an index. */
export interface IndexAccess {
  readonly index: ChosenIndex;
  /** Through which it asks the index; undefined when it asks the index itself. */
  readonly gateway: Gateway | undefined;
  readonly resolver: Resolver;
}

/** A run that fills its wheelhouse. */
export interface FillRun extends WheelhouseRun, IndexAccess {
  /** The verified wheels that the wheelhouse already has. */
  readonly earlier: readonly Wheel[];
}

/** A run that installs from its wheelhouse, which is complete. */
export interface InstallRun extends WheelhouseRun {
  readonly manifest: Manifest;
}

/** What is to be gathered besides the lines of the request. */
export interface Additional {
  /** Local projects and URLs as files: the wheels of `wheelhouse` for some, stubs for the others. */
  readonly resolved: readonly Resolved[];
  /** Paths of the stubs, which take part in the resolution only. */
  readonly stubs: ReadonlySet<string>;
}

/** A wheel of the closure of a request, in the wheelhouse. */
export interface GatheredWheel extends Measured {
  /** The project's name in the spelling of its metadata. */
  readonly writtenName: string;
  readonly version: string;
  /** Its requirements, as in its metadata, with those of extras. */
  readonly requires: readonly string[];
  readonly origin: Wheel['origin'];
  /** SHA-256 in hex of the sdist that it was built from, if known. */
  readonly sdist?: string;
}

/** What a fill produces. */
export interface Fill {
  readonly manifest: Manifest;
  /** The local projects were installed on the way, when their metadata was read. */
  readonly hasInstalledSources: boolean;
}
