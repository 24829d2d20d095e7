/**
 * Words of a line of a requirement file: each as pip reads it, with its variables expanded, beside
 * the way it is written, so that the value of a variable is never written to a file.
 */

/** A piece of a line: literal text, or a variable that is set. */
interface Fragment {
  readonly value: string;
  /** undefined for a part of a variable's value. */
  readonly written: string | undefined;
  readonly isVariable: boolean;
}

/** A line, or a part of one. */
export interface Text {
  /** With variables expanded. */
  readonly value: string;
  /** With variables as they are. */
  readonly written: string;
  readonly fragments: readonly Fragment[];
}

/** A word of a line. */
export interface Word {
  readonly value: string;
  /** With variables as they are; undefined when one of them gives more than a part of this word. */
  readonly written: string | undefined;
}

/** Expands `${NAME}` as pip does: upper-case names that are set; others stay as they are. */
export function expand(line: string, environment: Readonly<Record<string, string>>): Text {
  const fragments: Fragment[] = [];
  const literal = (text: string): void => {
    if (text !== '') fragments.push({ value: text, written: text, isVariable: false });
  };
  let end = 0;
  for (const { 0: written, 1: name = '', index } of line.matchAll(/\$\{([A-Z0-9_]+)\}/g)) {
    const value = environment[name];
    if (!value) continue;
    literal(line.slice(end, index));
    fragments.push({ value, written, isVariable: true });
    end = index + written.length;
  }
  literal(line.slice(end));
  return textOf(fragments);
}

function textOf(fragments: readonly Fragment[]): Text {
  return {
    value: fragments.map((each) => each.value).join(''),
    written: fragments.map((each) => each.written ?? '').join(''),
    fragments,
  };
}

/**
 * Cuts a text in two.
 * @param at offset in its value
 */
export function splitText({ fragments }: Text, at: number): [before: Text, behind: Text] {
  const before: Fragment[] = [];
  const behind: Fragment[] = [];
  let start = 0;
  for (const fragment of fragments) {
    const { value, isVariable } = fragment;
    const cut = at - start;
    if (cut <= 0) behind.push(fragment);
    else if (cut >= value.length) before.push(fragment);
    else {
      for (const [side, part] of [
        [before, value.slice(0, cut)],
        [behind, value.slice(cut)],
      ] as const) {
        side.push({ value: part, written: isVariable ? undefined : part, isVariable });
      }
    }
    start += value.length;
  }
  return [textOf(before), textOf(behind)];
}

/**
 * Splits a text into words as Python's `shlex.split` does.
 * @returns undefined when a quote is not closed or nothing follows a backslash
 */
export function wordsOf({ fragments }: Text): Word[] | undefined {
  const words: Word[] = [];
  let word: { value: string; written: string | undefined } | undefined;
  let quote = '';
  let isEscaped = false;
  const append = (value: string, written: string | undefined): void => {
    word ??= { value: '', written: '' };
    word.value += value;
    word.written =
      word.written === undefined || written === undefined ? undefined : word.written + written;
  };
  for (const { value, written, isVariable } of fragments) {
    // Such a value is a part of one word, whatever stands around it.
    const isPart = isVariable && written !== undefined && !/[\s"'\\]/.test(value);
    for (const unit of isPart ? [value] : value) {
      const own = isPart ? written : isVariable ? undefined : unit;
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
 * A word as pip's files want it, which are split like a shell's lines: with white space or
 * backslashes (every path of Windows has them) it needs quotes.
 */
export function quoted(word: string): string {
  return `"${word.replace(/["\\]/g, '\\$&')}"`;
}
