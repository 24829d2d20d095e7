import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { isWithin } from '../../src/logic/paths.ts';

describe('a path within a directory', () => {
  const table: readonly [string, string, string, boolean][] = [
    ['the directory itself', '/w/venv', '/w/venv', true],
    ['a file below it', '/w/venv', '/w/venv/bin/python', true],
    ['everything is within the root', '/', '/w/venv', true],
    ['a name that begins with two dots', '/w', '/w/..sub/file', true],
    ['not its parent', '/w/venv', '/w', false],
    ['not a directory whose name begins alike', '/w/venv', '/w/venv2/bin/python', false],
    ['not a path that leaves it again', '/w/venv', '/w/venv/../other/python', false],
  ];
  for (const [description, directory, file, expected] of table) {
    test(description, () => assert.equal(isWithin(directory, file), expected));
  }
});
