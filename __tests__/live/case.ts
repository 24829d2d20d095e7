/** What a case of the suite consists of. The cases themselves are in `cases/`. */

/** The inputs that a case sets, each a list of lines. */
export interface Inputs {
  readonly requirements?: readonly string[];
  readonly packages?: readonly string[];
  readonly constraints?: readonly string[];
  readonly groups?: readonly string[];
}

/** One change that asks for another version of one project. */
export interface Bump {
  /** The file of the case that changes, or `packages`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Case {
  /** The project and what of it is installed. */
  readonly name: string;
  /**
   * Where the facts are from: repository, commit or version, paths. The files of a case are
   * excerpts: names, versions, markers, hashes and options of some of the lines, in their order.
   * Code of local projects is the least that their build needs.
   */
  readonly source: string;
  /**
   * Files of the checkout: relative path to content. A text that begins with a line break is without
   * that, and without the indentation of its first line.
   */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Default: `requirements.txt`, as the action has it. */
  readonly inputs?: Inputs;
  /** What plain pip is given where it does not know the inputs: before the bump, and after it. */
  readonly plain?: (bumped: boolean) => Inputs;
  /** Makes exactly one artifact come from the index: of the project that `to` begins with. */
  readonly bump: Bump;
  /** The Python 3 minors that the requirements are for. */
  readonly minors?: { readonly from?: number; readonly to?: number };
  /** The oldest pip that understands it. */
  readonly pip?: string;
  /**
   * How it is installed: by the command line into an environment that is there (default), into one
   * that it makes itself (`--venv`), with the pip that Python brings, or by the action in a job.
   */
  readonly by?: 'command line' | 'venv' | 'action';
  /** Wheels to be there before: relative directory to requirements, for `--find-links`. */
  readonly vendored?: Readonly<Record<string, readonly string[]>>;
}
