import { parse, stringify } from 'smol-toml';
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

/** Returns a value as a table; an empty one for a value of another type. */
export function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Table)
    : {};
}

/** Returns the items of a list as tables; none for a value of another type. */
export function tables(value: unknown): Table[] {
  return Array.isArray(value) ? value.map(table) : [];
}

/** Returns the strings of a list without its other items; none for a value of another type. */
export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Returns a table as the text of a TOML file. */
export function formatToml(content: Table): string {
  return stringify(content);
}
