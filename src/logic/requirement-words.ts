/**
 * The words of a line of a requirement file: each with its variables expanded, as pip reads it, and
 * raw, as the file has it, so that the value of a variable is never copied to another file.
 */

/** A piece of a line: literal text, or a variable that is set. */
interface Fragment {
  readonly value: string;
  /** As the file has it; undefined for a part of a variable's value. */
  readonly raw: string | undefined;
  readonly isVariable: boolean;
}

/** A line, or a part of one. */
export interface Text {
  /** With variables expanded. */
  readonly value: string;
  /** With variables unexpanded. */
  readonly raw: string;
  readonly fragments: readonly Fragment[];
}

/** A word of a line. */
export interface Word {
  readonly value: string;
  /** With variables unexpanded; undefined when the value of one does not fit into this word. */
  readonly raw: string | undefined;
}

/** Expands `${NAME}` as pip does: upper-case names that are set; others stay as they are. */
export function expand(line: string, environment: Readonly<Record<string, string>>): Text {
  const fragments: Fragment[] = [];
  const literal = (text: string): void => {
    if (text !== '') fragments.push({ value: text, raw: text, isVariable: false });
  };
  let end = 0;
  for (const { 0: raw, 1: name = '', index } of line.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
    const value = environment[name];
    if (!value) continue;
    literal(line.slice(end, index));
    fragments.push({ value, raw, isVariable: true });
    end = index + raw.length;
  }
  literal(line.slice(end));
  return textOf(fragments);
}

function textOf(fragments: readonly Fragment[]): Text {
  return {
    value: fragments.map((each) => each.value).join(''),
    raw: fragments.map((each) => each.raw ?? '').join(''),
    fragments,
  };
}

/**
 * Cuts a text in two.
 * @param at offset in its value
 */
export function splitText({ fragments }: Text, at: number): [before: Text, after: Text] {
  const before: Fragment[] = [];
  const after: Fragment[] = [];
  let start = 0;
  for (const fragment of fragments) {
    const { value, isVariable } = fragment;
    const cut = at - start;
    if (cut <= 0) after.push(fragment);
    else if (cut >= value.length) before.push(fragment);
    else {
      for (const [side, part] of [
        [before, value.slice(0, cut)],
        [after, value.slice(cut)],
      ] as const) {
        side.push({ value: part, raw: isVariable ? undefined : part, isVariable });
      }
    }
    start += value.length;
  }
  return [textOf(before), textOf(after)];
}

/**
 * Splits a text into words as Python's `shlex.split` does.
 * @returns undefined when a quote is not closed or nothing follows a backslash
 */
export function wordsOf({ fragments }: Text): Word[] | undefined {
  const words: Word[] = [];
  let word: Word | undefined;
  let quote = '';
  let isEscaped = false;
  const append = (value: string, raw: string | undefined): void => {
    const before = word ?? { value: '', raw: '' };
    word = {
      value: before.value + value,
      raw: before.raw === undefined || raw === undefined ? undefined : before.raw + raw,
    };
  };
  for (const { value, raw, isVariable } of fragments) {
    // Such a value is a part of one word, whatever is around it.
    const isPart = isVariable && raw !== undefined && !/[\s"'\\]/.test(value);
    for (const unit of isPart ? [value] : value) {
      const own = isPart ? raw : isVariable ? undefined : unit;
      if (isEscaped) {
        if (quote === '"' && unit !== '"' && unit !== '\\') append('\\', '\\');
        append(unit, own);
        isEscaped = false;
      } else if (unit === '\\' && quote !== "'") {
        isEscaped = true;
      } else if (quote === '' ? unit === '"' || unit === "'" : unit === quote) {
        quote = quote === '' ? unit : '';
        append('', '');
      } else if (quote === '' && /^\s$/.test(unit)) {
        if (word !== undefined) words.push(word);
        word = undefined;
      } else {
        append(unit, own);
      }
    }
  }
  if (quote !== '' || isEscaped) return undefined;
  if (word !== undefined) words.push(word);
  return words;
}

/**
 * A word in quotes, for a file that pip reads: pip splits lines like a shell, so white space and
 * backslashes (in every path on Windows) need quotes.
 */
export function quoted(word: string): string {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}
