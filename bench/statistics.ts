/** Statistics of several runs, and their formatting. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [least = Number.NaN] = sorted;
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] ?? Number.NaN;
  const high = sorted[Math.ceil(middle)] ?? Number.NaN;
  return { median: (low + high) / 2, least, most: sorted.at(-1) ?? Number.NaN };
}

/** Formats with three digits, which is more than any of these figures are accurate to. */
export function seconds(value: number): string {
  return `${value < 9.995 ? value.toFixed(2) : value.toFixed(1)} s`;
}

export function megabytes(bytes: number): string {
  const value = bytes / 1e6;
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} MB`;
}

/** Formats a Markdown table whose first column is text and the others numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_cell, index) => (index === 0 ? '---' : '--:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
