/** Options in requirement files, as the optparse of pip's `req_file.py` reads them. */

import { type Source, UserError } from './errors.ts';
import { isOlderPip } from './names.ts';
import { quoted, type Text, wordsOf } from './requirement-words.ts';

/** An option of a line. */
export interface LineOption {
  /** Long form without dashes: `index-url`. */
  readonly name: string;
  readonly isFlag: boolean;
  /** With variables expanded. May contain secrets, so it is never shown. Empty for flags. */
  readonly value: string;
  /** The value with variables unexpanded; undefined when one of them gives more than this value. */
  readonly raw: string | undefined;
}

interface Form {
  readonly name: string;
  /** In addition to the long form of its name. */
  readonly spellings?: readonly string[];
  readonly isFlag?: true;
  /** The first pip (of those tested) that knows it; matters for abbreviations only. */
  readonly since?: readonly [number, number];
  /** The first pip that no longer does. */
  readonly until?: readonly [number, number];
}

/** SUPPORTED_OPTIONS and SUPPORTED_OPTIONS_REQ of pip 22.2 to 26.3. */
const forms: readonly Form[] = [
  { name: 'index-url', spellings: ['-i', '--pypi-url'] },
  { name: 'extra-index-url' },
  { name: 'no-index', isFlag: true },
  { name: 'constraint', spellings: ['-c'] },
  { name: 'requirement', spellings: ['-r'] },
  { name: 'editable', spellings: ['-e'] },
  { name: 'find-links', spellings: ['-f'] },
  { name: 'no-binary' },
  { name: 'only-binary' },
  { name: 'prefer-binary', isFlag: true },
  { name: 'require-hashes', isFlag: true },
  { name: 'no-require-hashes', isFlag: true, since: [26, 2] },
  { name: 'pre', isFlag: true },
  { name: 'all-releases', since: [26, 0] },
  { name: 'only-final', since: [26, 0] },
  { name: 'trusted-host' },
  { name: 'use-feature' },
  { name: 'hash' },
  { name: 'install-option', until: [23, 1] },
  { name: 'global-option', until: [25, 3] },
  { name: 'config-settings', spellings: ['-C'], since: [23, 1] },
];

/** Options of a single requirement; pip ignores all others on a requirement's line. */
const ownOptions = ['install-option', 'global-option', 'config-settings'];

export function isOwnOption({ name }: LineOption): boolean {
  return ownOptions.includes(name);
}

const missing: Readonly<Record<string, string>> = {
  requirement: 'has no file name',
  constraint: 'has no file name',
  editable: 'has no path or URL',
};

/** The newest pip whose options are listed here. */
const newestPip = [26, 3] as const;

/** Whether a pip is newer than this program knows. */
export function isUnknownPip(pip: string | undefined): boolean {
  return pip !== undefined && !isOlderPip(pip, [newestPip[0], newestPip[1] + 1]);
}

const bySpelling = new Map(
  forms.flatMap((form) =>
    [`--${form.name}`, ...(form.spellings ?? [])].map((spelling) => [spelling, form] as const),
  ),
);

/**
 * Reads the options of a line. Other words are ignored, as in pip.
 * @param line the whole line, for messages
 * @param pip version of the pip that decides what an abbreviation means; undefined for the newest
 * @throws UserError where pip would reject the line
 */
export function optionsOf(
  text: Text,
  line: { readonly shown: string; readonly source: Source },
  pip: string | undefined,
): LineOption[] {
  const refuse = (reason: string): never => {
    throw new UserError(`"${line.shown}" ${reason}`, line.source);
  };
  const words = wordsOf(text);
  if (words === undefined) return refuse('has an unterminated quote. Close it.');
  const options: LineOption[] = [];
  const rest = words.values();
  for (const word of rest) {
    if (word.value === '--') break;
    if (!word.value.startsWith('-') || word.value === '-') continue;
    const isLong = word.value.startsWith('--');
    const equals = isLong ? word.value.indexOf('=') : -1;
    const end = isLong ? (equals < 0 ? word.value.length : equals) : 2;
    const spelling = word.value.slice(0, end);
    const attached = isLong ? equals >= 0 : word.value.length > 2;
    const found = isLong ? formOf(spelling, pip) : bySpelling.get(spelling);
    if (Array.isArray(found)) {
      return refuse(`has the ambiguous option ${spelling} (${found.join(', ')}?). Write it out.`);
    }
    if (found === undefined && !isUnknownPip(pip)) {
      return refuse(
        `has the option ${spelling}, which pip does not accept in a requirement file. Remove it, or set it in pip's configuration.`,
      );
    }
    const name = found?.name ?? spelling.replace(/^-+/, '');
    if (found === undefined || found.isFlag) {
      if (attached && found) return refuse(`gives a value to --${name}, which takes none.`);
      options.push({ name, isFlag: true, value: '', raw: '' });
    } else if (attached) {
      const prefix = word.value.slice(0, end + (isLong ? 1 : 0));
      options.push({
        name,
        isFlag: false,
        value: word.value.slice(prefix.length),
        raw: word.raw?.startsWith(prefix) ? word.raw.slice(prefix.length) : undefined,
      });
    } else {
      const next = rest.next().value;
      if (next === undefined)
        return refuse(`${missing[name] ?? `has no value for --${name}`}. Add one.`);
      options.push({ name, isFlag: false, ...next });
    }
  }
  return options;
}

/** @returns the candidates of an ambiguous abbreviation; undefined when no option matches */
function formOf(spelling: string, pip = newestPip.join('.')): Form | string[] | undefined {
  const exact = bySpelling.get(spelling);
  if (exact !== undefined) return exact;
  const longer = [...bySpelling].filter(
    ([known, { since, until }]) =>
      known.startsWith(spelling) &&
      !(since && isOlderPip(pip, since)) &&
      !(until && !isOlderPip(pip, until)),
  );
  return longer.length > 1 ? longer.map(([known]) => known) : longer[0]?.[1];
}

/**
 * An option for a file that pip reads, with variables unexpanded.
 * @returns undefined when its raw text can't be separated from the rest of its line
 */
export function optionText({ name, isFlag, raw }: LineOption): string | undefined {
  if (isFlag) return `--${name}`;
  return raw === undefined ? undefined : `--${name} ${quoted(raw)}`;
}
