import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  line,
  list,
  object,
  oneOf,
  optional,
  SchemaError,
  string,
} from '../../src/logic/schema.ts';

const person = object({
  name: line,
  role: oneOf('author', 'reader'),
  notes: optional(list(string)),
  home: object({ city: string }),
});
const ada = { name: 'Ada', role: 'author', home: { city: 'London' } };

test('a valid value is accepted', () => {
  const value: { name: string; role: 'author' | 'reader'; notes?: readonly string[] } = person(
    { ...ada, notes: ['a', ''] },
    '',
  );
  assert.deepEqual(value, { ...ada, notes: ['a', ''] });
});

test('unknown fields are dropped', () => {
  assert.deepEqual(person({ ...ada, age: 36, home: { city: 'London', street: 1 } }, ''), ada);
});

describe('an invalid value is an error with its path and the expected form', () => {
  const table: readonly [string, unknown, string][] = [
    ['null', null, 'it is not an object'],
    ['a list', [], 'it is not an object'],
    ['a missing field', { ...ada, name: undefined }, '"name" must be a line of text'],
    ['two lines', { ...ada, name: 'A\nB' }, '"name" must be a line of text'],
    ['a line separator', { ...ada, name: 'A\u2028B' }, '"name" must be a line of text'],
    ['an empty line', { ...ada, name: '' }, '"name" must be a line of text'],
    ['another word', { ...ada, role: 'editor' }, '"role" must be "author" or "reader"'],
    ['a text for a list', { ...ada, notes: 'a' }, '"notes" must be a list'],
    ['another item in a list', { ...ada, notes: ['a', 1] }, '"notes[1]" must be a string'],
    ['another field in an object', { ...ada, home: { city: 1 } }, '"home.city" must be a string'],
    ['a list for an object', { ...ada, home: [] }, '"home" must be an object'],
    ['an inherited field', Object.create(ada), '"name" must be a line of text'],
  ];
  for (const [description, value, message] of table) {
    test(description, () => {
      assert.throws(
        () => person(value, ''),
        (error) => error instanceof SchemaError && error.message === message,
      );
    });
  }
});

test('a field named __proto__ does not set the prototype', () => {
  const value = person(
    JSON.parse(`{"__proto__": {"name": "x"}, ${JSON.stringify(ada).slice(1)}`),
    '',
  );
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.deepEqual(value, ada);
});
