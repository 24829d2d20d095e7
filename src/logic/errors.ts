/** Errors that users see, and where they point. */

/** The place of a line that the user wrote: shown in errors and in the log. */
export interface Source {
  /** As the user would write it: relative to the workspace. */
  readonly file: string;
  /** 1-based; undefined for inputs. */
  readonly line: number | undefined;
}

/** An error that the user can fix: shown as its message, without a stack. */
export class UserError extends Error {
  readonly file: string | undefined;
  readonly line: number | undefined;

  /**
   * @param message what is wrong and what to do, in one or two sentences
   * @param at the file (as the user would write it) and the 1-based line with the mistake
   */
  constructor(message: string, at: { file?: string | undefined; line?: number | undefined } = {}) {
    super(message);
    this.name = 'UserError';
    this.file = at.file;
    this.line = at.line;
  }
}

/** Errors of the machine rather than of this program, and what to do about them. */
const systemAdvice: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free space and run again',
  EDQUOT: 'The disk quota is used up: free space and run again',
  EROFS: 'A directory that must be writable is read-only: check where the runner stores its files',
  EACCES: 'A file or directory is not accessible: check its owner and its permissions',
};

/** @returns the error as one that the user can fix; undefined when it is a bug of this program */
export function asUserError(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  const advice = systemAdvice[String(code)];
  return advice === undefined ? undefined : new UserError(`${advice} (${messageOf(error)}).`);
}

/** The text of any thrown value, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
