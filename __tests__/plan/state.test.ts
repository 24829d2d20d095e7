import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { formatState, parseState, type State } from '../../src/plan/state.ts';

const state: State = {
  wheelhouse: '/tmp/wheelhouse/ab',
  key: 'wheelhouse-v1-linux',
  request: 'ab',
  interpreter: 'cpython 3.11',
};

test('what is written is read', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' });
  fc.assert(
    fc.property(
      fc.record({ wheelhouse: text, key: text, request: text, interpreter: text }),
      (value) => {
        const written = formatState(value);
        // Records of fast-check have no prototype.
        assert.deepEqual(parseState(written), structuredClone(value));
        assert.doesNotMatch(written, /\n/);
      },
    ),
  );
});

describe('nothing is done with', () => {
  const whole = JSON.parse(formatState(state)) as Record<string, unknown>;
  const table: Record<string, string> = {
    'no state': '',
    'what is not JSON': '{"version":1',
    'a text': '"x"',
    null: 'null',
    'a list': '[1]',
    'another version': JSON.stringify({ ...whole, version: 2 }),
    'a version that is a text': JSON.stringify({ ...whole, version: '1' }),
  };
  for (const field of Object.keys(whole)) {
    table[`no ${field}`] = JSON.stringify({ ...whole, [field]: undefined });
    table[`an empty ${field}`] = JSON.stringify({ ...whole, [field]: '' });
    table[`a list as ${field}`] = JSON.stringify({ ...whole, [field]: ['x'] });
  }
  for (const [description, text] of Object.entries(table)) {
    test(description, () => assert.equal(parseState(text), undefined));
  }
});

describe('arbitrary texts give a whole state or none', () => {
  const read = (text: string): void => {
    const value = parseState(text);
    if (value === undefined) return;
    assert.deepEqual(Object.keys(value).sort(), Object.keys(state).sort());
    for (const field of Object.values(value)) assert.ok(typeof field === 'string' && field !== '');
  };

  test('bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        read(Buffer.from(bytes).toString('utf8'));
      }),
      { numRuns: 5000 },
    );
  });

  test('JSON, and states with values replaced', () => {
    const fields = fc.dictionary(
      fc.constantFrom('version', ...Object.keys(state), '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.jsonValue(), fields, (value, replaced) => {
        read(JSON.stringify(value));
        read(JSON.stringify({ version: 1, ...state, ...replaced }));
      }),
      { numRuns: 5000 },
    );
  });
});
