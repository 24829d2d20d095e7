import { parse } from 'smol-toml';
import { UserError } from './errors.ts';

/** A table of a TOML file. */
export type Table = Readonly<Record<string, unknown>>;

/**
 * Parses a TOML file.
 * @param shown its name in messages
 * @throws UserError with the file and line of a mistake
 */
export function parseToml(text: string, shown: string): Table {
  try {
    return parse(text) as Table;
  } catch (error) {
    const { line, message } = error as { line?: number; message: string };
    throw new UserError(
      `${shown} is not valid TOML: ${String(message).split('\n')[0]}. Fix the file.`,
      { file: shown, line },
    );
  }
}
