/** Text from wheels, which anybody may have written, made safe to read in a terminal. */

/** Characters that a terminal acts on, or that make text look different from what it is. */
const unsafe = /(?!\n|\t)\p{Cc}|\p{Bidi_Control}|[\u2028\u2029]/gu;

/** A text of several lines without anything that a terminal acts on. */
export function plainText(text: string): string {
  // Licences of the GNU project have form feeds between their pages.
  return text.replace(/\r\n?|\f/g, '\n').replace(unsafe, '\uFFFD');
}

/** A text as one line. @param limit characters after which it is cut */
export function plainLine(text: string, limit: number): string {
  const line = plainText(text).replace(/\s+/g, ' ').trim();
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
