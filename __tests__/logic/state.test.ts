import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { formatState, parseState, type State } from '../../src/logic/state.ts';

const token = 'token of the job';
const state: State = {
  wheelhouse: '/tmp/wheelhouse/ab',
  key: 'wheelhouse-v2-linux',
  manifest: 'ab',
};

const base = { key: 'wheelhouse-v2-linux-base', size: 100, saved: 10 };
const change = { base, wheels: ['a-1.0-py3-none-any.whl'] };

function anyState(text: fc.Arbitrary<string>): fc.Arbitrary<State> {
  const bytes = fc.maxSafeNat();
  const key = fc.stringMatching(/^[a-z0-9._-]{1,100}$/);
  return fc.record(
    {
      ...{ wheelhouse: text, key: text, manifest: text },
      change: fc.record({
        base: fc.record({ key, size: bytes, saved: bytes }),
        wheels: fc.array(text),
      }),
    },
    { requiredKeys: ['wheelhouse', 'key', 'manifest'] },
  );
}

test('formatted states are parsed to the same values', () => {
  const text = fc.stringMatching(/^[^\p{Cc}\u2028\u2029]+$/u);
  fc.assert(
    fc.property(fc.array(anyState(text)), (value) => {
      const written = formatState(value, token);
      // Records of fast-check have no prototype.
      assert.deepEqual(parseState(written, token), structuredClone(value));
      assert.doesNotMatch(written, /\n/);
      assert.doesNotMatch(written, /token of the job/);
    }),
  );
});

describe('nothing is done with', () => {
  const whole = JSON.parse(formatState([state], token)) as Record<string, unknown>;
  const changed = (fields: Partial<State>): string =>
    JSON.stringify({ ...whole, wheelhouses: [{ ...state, ...fields }] });
  const wholeChange = JSON.parse(formatState([{ ...state, change }], token)) as object;
  const otherChange = (fields: Partial<State>): string =>
    JSON.stringify({ ...wholeChange, wheelhouses: [{ ...state, change, ...fields }] });
  const table: Record<string, string> = {
    'one more wheelhouse': JSON.stringify({ ...whole, wheelhouses: [state, state] }),
    'a wheelhouse less': JSON.stringify({ ...whole, wheelhouses: [] }),
    'no state': '',
    'what is not JSON': '{"version":4',
    'a text': '"x"',
    null: 'null',
    'a list': '[1]',
    'another version': JSON.stringify({ ...whole, version: 3 }),
    'a version that is a text': JSON.stringify({ ...whole, version: '4' }),
    'another key': changed({ key: 'wheelhouse-v2-windows' }),
    'a change instead of everything': changed({ change }),
    'everything instead of a change': JSON.stringify({ ...wholeChange, wheelhouses: [state] }),
    'another base': otherChange({ change: { ...change, base: { ...base, key: 'x' } } }),
    'another size of the base': otherChange({ change: { ...change, base: { ...base, size: 1 } } }),
    'other wheels of a change': otherChange({ change: { ...change, wheels: ['../x'] } }),
    'another directory': changed({ wheelhouse: '/tmp/evil' }),
    'another manifest': changed({ manifest: 'cd' }),
    'a signature with another token': formatState([state], 'another token'),
    'a signature without a token': formatState([state], ''),
    'a shorter signature': JSON.stringify({ ...whole, signature: 'ab' }),
  };
  for (const field of Object.keys(whole)) {
    table[`no ${field}`] = JSON.stringify({ ...whole, [field]: undefined });
    table[`an empty ${field}`] = JSON.stringify({ ...whole, [field]: '' });
    table[`a list as ${field}`] = JSON.stringify({ ...whole, [field]: ['x'] });
  }
  for (const [description, text] of Object.entries(table)) {
    test(description, () => assert.equal(parseState(text, token), undefined));
  }

  test('a job without a token', () => {
    assert.equal(parseState(formatState([state], ''), ''), undefined);
  });

  test('values of other states in the fields of this one', () => {
    const moved = { ...state, wheelhouse: state.key, key: state.wheelhouse };
    const { signature } = JSON.parse(formatState([state], token)) as { signature: string };
    const forged = JSON.stringify({ version: 4, wheelhouses: [moved], signature });
    assert.equal(parseState(forged, token), undefined);
  });
});

describe('arbitrary texts give no state', () => {
  test('bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.equal(parseState(Buffer.from(bytes).toString('utf8'), token), undefined);
      }),
      { numRuns: 5000 },
    );
  });

  test('JSON, and states with values replaced', () => {
    const fields = fc.dictionary(
      fc.constantFrom('version', 'signature', 'wheelhouses', '__proto__'),
      fc.jsonValue(),
      { minKeys: 1 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), fields, (value, replaced) => {
        assert.equal(parseState(JSON.stringify(value), token), undefined);
        const text = JSON.stringify({
          ...{ version: 4, wheelhouses: [state], signature: 'ab' },
          ...replaced,
        });
        assert.equal(parseState(text, token), undefined);
      }),
      { numRuns: 5000 },
    );
  });
});
