/** Decodes the user's files like pip. */
import { UserError } from '../logic/errors.ts';

/**
 * Decodes a requirement file: by its byte-order mark, by its PEP 263 comment, or as UTF-8.
 * @throws UserError with the line that can't be decoded
 */
export function decode(content: Buffer): string {
  const mark = byteOrderMark(content);
  const cookie = encodingCookie(content);
  let text: string;
  try {
    text = new TextDecoder(mark ?? cookie ?? 'utf-8', { fatal: true }).decode(content);
  } catch {
    const line = firstBadLine(content);
    throw new UserError(
      `line ${line} is not valid ${mark ?? cookie ?? 'UTF-8'}; save the file as UTF-8`,
      { line },
    );
  }
  const nul = text.indexOf('\0');
  if (nul >= 0) {
    const line = text.slice(0, nul).split('\n').length;
    throw new UserError(`line ${line} contains a NUL character; save the file as UTF-8 text`, {
      line,
    });
  }
  return text;
}

/** PEP 263 as pip implements it: a comment at the very start of one of the first two lines. */
function encodingCookie(content: Buffer): string | undefined {
  const lines = content.subarray(0, 400).toString('latin1').split('\n').slice(0, 2);
  const name = lines
    .filter((line) => line.startsWith('#'))
    .map((line) => /coding[:=]\s*([-\w.]+)/.exec(line)?.[1])
    .find((found) => found !== undefined);
  // Python's names of encodings that the WHATWG standard spells otherwise.
  return name
    ?.toLowerCase()
    .replaceAll('_', '-')
    .replace(/^latin-1$|^iso-8859-1$|^l1$/, 'latin1')
    .replace(/^utf-8-sig$/, 'utf-8')
    .replace(/^cp(125\d|874)$/, 'windows-$1');
}

function byteOrderMark(content: Buffer): string | undefined {
  if (content[0] === 0xff && content[1] === 0xfe) return 'utf-16le';
  if (content[0] === 0xfe && content[1] === 0xff) return 'utf-16be';
  return content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? 'utf-8' : undefined;
}

function firstBadLine(content: Buffer): number {
  const valid = (text: Buffer): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(text);
      return true;
    } catch {
      return false;
    }
  };
  let line = 1;
  for (let start = 0; start < content.length; line += 1) {
    const end = content.indexOf(0x0a, start);
    const stop = end < 0 ? content.length : end + 1;
    if (!valid(content.subarray(start, stop))) return line;
    start = stop;
  }
  return 1;
}
