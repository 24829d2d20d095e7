/** What the runner reads of an action: commands in its output, and files of values. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';

import * as workflow from '../../src/world/workflow.ts';

const scratch = mkdtempSync(join(tmpdir(), 'workflow-'));
const before = { ...process.env };
afterEach(() => {
  process.env = { ...before };
});
after(() => rmSync(scratch, { recursive: true }));

/** What a work prints. */
function printed(work: () => void): string {
  const { write } = process.stdout;
  let text = '';
  process.stdout.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    work();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

test('an input is read under the name that the runner gives it, without the space around it', () => {
  process.env['INPUT_CACHE-SUFFIX'] = ' x \n';
  process.env['INPUT_TWO_WORDS'] = 'y';
  assert.equal(workflow.input('cache-suffix'), 'x');
  assert.equal(workflow.input('two words'), 'y');
  assert.equal(workflow.input('missing'), '');
});

test('a command is one line, whatever its text and properties contain', () => {
  const text = printed(() =>
    workflow.command('error', '50 %\r\n::set-env name=x::y', {
      ...{ title: 'a,b:c%\n', file: undefined, line: 3 },
    }),
  );
  assert.equal(text, '::error title=a%2Cb%3Ac%25%0A,line=3::50 %25%0D%0A::set-env name=x::y\n');
  assert.equal(
    printed(() => workflow.command('endgroup')),
    '::endgroup::\n',
  );
});

for (const [variable, write] of [
  ['GITHUB_OUTPUT', workflow.setOutput],
  ['GITHUB_STATE', workflow.saveState],
  ['GITHUB_ENV', workflow.exportVariable],
] as const) {
  test(`values in the file of ${variable} can't set others`, () => {
    const file = join(scratch, variable);
    process.env[variable] = file;
    write('one', 'a\nother=b\nother<<end\nc\nend');
    write('two', '');
    const lines = readFileSync(file, 'utf8').split('\n');
    const [, end = ''] = /^one<<(\S{20,})$/.exec(lines[0] ?? '') ?? [];
    assert.deepEqual(lines.slice(1, 7), ['a', 'other=b', 'other<<end', 'c', 'end', end]);
    const [, last = ''] = /^two<<(\S{20,})$/.exec(lines[7] ?? '') ?? [];
    assert.deepEqual(lines.slice(8), ['', last, '']);
    assert.notEqual(end, last);
  });
}

test('paths and summaries are appended to their files', () => {
  process.env['GITHUB_PATH'] = join(scratch, 'path');
  process.env['GITHUB_STEP_SUMMARY'] = join(scratch, 'summary');
  for (const each of ['/a', '/b']) workflow.addPath(each);
  for (const each of ['# One\n', '# Two\n']) workflow.addSummary(each);
  assert.equal(readFileSync(join(scratch, 'path'), 'utf8'), '/a\n/b\n');
  assert.equal(readFileSync(join(scratch, 'summary'), 'utf8'), '# One\n# Two\n');
});

test('without a runner, values go nowhere', () => {
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']) delete process.env[name];
  assert.equal(
    printed(() => workflow.setOutput('one', true)),
    '',
  );
  workflow.addSummary('x');
});
