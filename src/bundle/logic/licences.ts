/** The licences of a bundle, as the metadata of its wheels state them. */
import type { BundledWheel, WheelMetadata } from './model.ts';
import { plainLine, plainText } from './text.ts';

/** A project's statement of its licence, in the order of trust. */
export type Licence =
  /** An SPDX expression (PEP 639). */
  | { readonly kind: 'expression'; readonly text: string }
  /** Free text, or the names of classifiers. */
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'unstated' };

/** Characters after which a licence is a text and not a name. */
const maxName = 200;

/** The licence that a wheel states: its expression, or else its short `License`, or its classifiers. */
export function licenceOf({ expression, license, classifiers }: WheelMetadata): Licence {
  const text = plainLine(expression, maxName);
  if (/^[A-Za-z0-9.+() :-]+$/.test(text)) return { kind: 'expression', text };
  const isName = license.trim().length <= maxName && !license.trim().includes('\n');
  const name = isName ? plainLine(license, maxName) : '';
  if (name !== '' && !/^(?:unknown|none)$/i.test(name)) return { kind: 'names', names: [name] };
  const names = classifiers
    .map((classifier) => plainLine(classifier.split('::').at(-1) ?? '', maxName))
    .filter((each) => each !== '');
  const unique = [...new Set(names)].slice(0, 20);
  return unique.length > 0 ? { kind: 'names', names: unique } : { kind: 'unstated' };
}

/** A wheel with its metadata. */
export interface DescribedWheel extends BundledWheel {
  readonly metadata: WheelMetadata;
}

/**
 * All licences as one text: a line per project and version, below it the licence files of its
 * wheels. Everything from wheels is indented, so that no text can pass for another project's.
 */
export function formatLicences(wheels: readonly DescribedWheel[]): string {
  const sections = new Map<string, Set<string>>();
  for (const { name, project, version, metadata } of wheels) {
    const key = `${name} ${version}`;
    const texts = sections.get(key) ?? new Set([`${project} ${version}: ${shown(metadata)}\n`]);
    for (const [path, content] of textsOf(metadata)) {
      texts.add(`  ${plainLine(path, maxName)}\n${indented(content)}`);
    }
    sections.set(key, texts);
  }
  return [...sections.values()].map((texts) => [...texts].join('\n')).join('\n');
}

function shown(metadata: WheelMetadata): string {
  const licence = licenceOf(metadata);
  if (licence.kind === 'unstated') return 'no licence stated';
  return licence.kind === 'expression' ? licence.text : licence.names.join('; ');
}

/** Licence files, and a `License` of the metadata that is a whole text. */
function textsOf({ license, texts }: WheelMetadata): WheelMetadata['texts'] {
  const isText = license.trim().length > maxName || license.trim().includes('\n');
  return isText ? [['License', license], ...texts] : texts;
}

function indented(content: string | null): string {
  if (content === null) return '    (left out: larger than 1 MiB)\n';
  return plainText(content)
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '' ? '\n' : `    ${line.trimEnd()}\n`))
    .join('');
}
