import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { harmless, harmlessJson } from '../../src/logic/harmless.ts';

/** White space as .NET's `Char.IsWhiteSpace` knows it: what `TrimStart` of the runner passes over. */
const whiteSpace = [
  ...'\t\n\u000B\f\r \u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009',
  ...'\u200A\u2028\u2029\u202F\u205F\u3000',
];
/** What .NET passes over in comparisons by culture. */
const ignored = [...'\u200B\u200D\u2060\uFEFF\u00AD'];

/** As GitHub's runner and Azure's agent look for commands; lenient where .NET's culture may be. */
function holdsCommand(text: string): boolean {
  return text.split(/\r\n|[\r\n]/).some((line) => {
    const bare = [...line].filter((character) => !ignored.includes(character)).join('');
    const start = [...bare].findIndex((character) => !whiteSpace.includes(character));
    return [...bare].slice(start).join('').startsWith('::') || /##(?:vso)?\[/i.test(bare);
  });
}

describe('harmless() breaks every command of a runner', () => {
  for (const command of ['::error::x', '::stop-commands::x9', '##[error]x', '##vso[task.x]y']) {
    for (const before of [
      '',
      ...whiteSpace,
      ...ignored,
      '\u0085\u00A0 ',
      'a\n\u0085',
      'a\r',
      '\0',
    ]) {
      test(JSON.stringify(before + command), () => {
        const text = harmless(before + command);
        assert.equal(holdsCommand(text), false, text);
      });
    }
  }

  for (const text of [
    ':\u200B:error::x',
    '#\u200B#[error]x',
    '##\u200D[error]x',
    '###[error]x',
    '##VSO[a]',
    'a ##vso[a] ##[b]',
  ]) {
    test(JSON.stringify(text), () => assert.equal(holdsCommand(harmless(text)), false));
  }
});

describe('harmless() leaves other text unchanged', () => {
  for (const text of [
    'Collecting alpha==1.0',
    'a::b and std::vector',
    '# a comment, ## another',
    '\tindented\nsecond line',
    'coloured: \u001B[31mred\u001B[0m',
    'ünïcode 🐍👩‍🔬',
    '',
  ]) {
    test(JSON.stringify(text), () => assert.equal(harmless(text), text));
  }
});

test('control characters are replaced, and CRLF becomes LF', () => {
  assert.equal(harmless('a\r\nb\rc\u001B[2Jd\u009Be\u0007'), 'a\nb\uFFFDc\uFFFD[2Jd\uFFFDe\uFFFD');
});

test('harmless JSON keeps its values', () => {
  const value = { a: '##vso[task.setvariable variable=PATH]/x', b: ['::error::x', '#', 1] };
  const text = harmlessJson(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.equal(holdsCommand(text), false);
});

test('harmless() takes a megabyte of any text without hanging', () => {
  for (const text of [
    '\n',
    ' ',
    '#',
    '##a',
    ':',
    '\u200B',
    '#\u200B',
    '\u0085\n',
    '##\u200B',
    'x',
  ]) {
    harmless(text.repeat(1_000_000 / text.length));
  }
});
