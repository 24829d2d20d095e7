/** Makes text from anybody safe to print in CI: no runner reads a command in it. */

/**
 * Replaces or separates everything in a text that a runner or a terminal would act on.
 *
 * - GitHub's runner acts on a line that begins with `::` after any white space of .NET (including
 *   U+0085), and on `##[` anywhere in a line (actions/runner, ActionCommand.cs).
 * - Azure's agent acts on `##vso[` anywhere in a line of either stream (Command.cs).
 * - A terminal acts on control characters: only tabs, line feeds and colours remain.
 *
 * .NET compares by culture and ignores format characters such as U+200B, so a plain space separates
 * the marks.
 */
export function harmless(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(controls, '\uFFFD')
    .replace(/^((?:(?![\n\u2028\u2029])[\p{White_Space}\p{Cf}\uFFFD])*:)(?=\p{Cf}*:)/gmu, '$1 ')
    .replace(/#(?=\p{Cf}*#[\p{Cf}\w]*\[)/gu, '# ');
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are replaced.
const controls = /[\x00-\x08\x0B-\x1A\x1C-\x1F\x7F-\x9F]|\x1B(?!\[[\d;]*m)/g;

/** JSON with the same values in which no runner finds a command. */
export function harmlessJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll('#', '\\u0023');
}
