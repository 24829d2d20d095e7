/** The format of a case. The cases themselves are in `cases/`. */

/** The inputs that a case sets, each as a list of lines. */
export interface Inputs {
  readonly requirements?: readonly string[];
  readonly packages?: readonly string[];
  readonly constraints?: readonly string[];
  readonly groups?: readonly string[];
  readonly project?: readonly string[];
  readonly extras?: readonly string[];
  readonly 'install-project'?: readonly ['false'];
}

/** A change that requires another version of one project. */
export interface Bump {
  /** The file of the case that changes, or `packages`. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Case {
  /** The project, and which part of it is installed. */
  readonly name: string;
  /**
   * Where the facts come from: repository, commit or version, paths. The files of a case are
   * excerpts: names, versions, markers, hashes and options of some of the lines, in their order.
   * Local projects contain only the code that their build needs.
   */
  readonly source: string;
  /**
   * Files of the checkout: relative path to content. If a text starts with a line break, that and
   * the indentation of its first line are removed.
   */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Default: `requirements.txt`, as the action has it. */
  readonly inputs?: Inputs;
  /** What plain pip gets instead of inputs that it does not know, before and after the bump. */
  readonly plain?: (bumped: boolean) => Inputs;
  /** Leads to exactly one download, of the project that `to` starts with. */
  readonly bump: Bump;
  /** The Python 3 minors that the requirements are for. */
  readonly minors?: { readonly from?: number; readonly to?: number };
  /** The oldest pip that understands the files. */
  readonly pip?: string;
  /**
   * How it is installed: by the command line into an existing environment (default), by the command
   * line into one that it creates with Python's own pip (`--venv`), or by the action in a job.
   */
  readonly by?: 'command line' | 'venv' | 'action';
  /** Wheels in the checkout: relative directory to requirements, for `--find-links`. */
  readonly vendored?: Readonly<Record<string, readonly string[]>>;
}
