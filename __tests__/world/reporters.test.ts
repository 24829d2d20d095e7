import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { UserError } from '../../src/logic/errors.ts';
import type { Reporter } from '../../src/ports.ts';
import { actionsReporter, consoleReporter } from '../../src/world/reporters.ts';

/** What a reporter writes to the stream of its runner. */
async function written(
  stream: NodeJS.WriteStream,
  work: () => Promise<unknown> | unknown,
): Promise<string> {
  const { write } = stream;
  let text = '';
  stream.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    await work();
  } finally {
    stream.write = write;
  }
  return text;
}

const evil = ['::stop-commands::x9', '\u0085::stop-commands::x9', ' ::error::x', '##vso[task.x]y'];

/** Sends this text through every method of a reporter. */
async function sayAll(reporter: Reporter, text: string): Promise<void> {
  reporter.info(text);
  reporter.notice(text);
  reporter.warning(text);
  reporter.error(new UserError(text, { file: 'requirements.txt', line: 1 }));
  reporter.error(new Error(text));
  reporter.foreign(text);
  await reporter.group(text, async () => {});
}

describe('a line of another program has no effect as a workflow command', () => {
  for (const text of evil) {
    test(`in a workflow: ${JSON.stringify(text)}`, async () => {
      const log = await written(process.stdout, () => {
        actionsReporter('Wheelhouse').foreign(text);
        actionsReporter('Wheelhouse').info(`first\n${text}`);
      });
      assert.doesNotMatch(log, /^[\s\u0085]*::|##(?:vso)?\[/m);
    });

    test(`on the command line: ${JSON.stringify(text)}`, async () => {
      const log = await written(process.stderr, () => sayAll(consoleReporter(), `x\n${text}`));
      assert.doesNotMatch(log, /^[\s\u0085]*::|##(?:vso)?\[/m);
    });
  }
});

describe('a hidden text is masked in every message', () => {
  const secret = 'k7Qm2Vx9Rb4Tz8Lw';

  test('in a workflow', async () => {
    const reporter = actionsReporter('Wheelhouse');
    const log = await written(process.stdout, async () => {
      reporter.hide([secret]);
      await sayAll(reporter, `https://h.example/${secret}/x`);
    });
    assert.equal(log.split(secret).length, 2, 'only add-mask has it');
    assert.ok(log.includes(`::add-mask::${secret}`));
  });

  test('on the command line', async () => {
    const reporter = consoleReporter();
    const log = await written(process.stderr, async () => {
      reporter.hide([secret]);
      await sayAll(reporter, `https://h.example/${secret}/x`);
    });
    assert.equal(log.includes(secret), false);
    assert.equal(log.split('https://h.example/***/x').length, 8, log);
  });
});
