/** What people see: in a workflow's log, or on a terminal. */
import { asUserError } from '../logic/errors.ts';
import { harmless } from '../logic/harmless.ts';
import { redactor, withoutSecrets } from '../logic/secrets.ts';
import type { Reporter } from '../ports.ts';
import { command, print } from './workflow.ts';

/** @returns the stack of an error that is a bug of this program */
function stackOf(error: unknown): string {
  return error instanceof Error ? String(error.stack) : String(error);
}

/**
 * Groups, notices and annotations of a workflow run.
 * @param title of errors
 */
export function actionsReporter(title: string): Reporter {
  const { add, clean } = redactor();
  return {
    info: (text) => print(harmless(clean(text))),
    notice: (text) => command('notice', clean(text)),
    warning: (text) => command('warning', clean(text)),
    error: (error) => {
      const known = asUserError(error);
      if (known) {
        const { message, file, line } = known;
        command('error', clean(message), { title, file, line });
      } else {
        command(
          'error',
          clean(`${title} failed unexpectedly; this is a bug in the action: ${stackOf(error)}`),
        );
      }
    },
    foreign: (text) => print(harmless(withoutSecrets(clean(text)))),
    group: async (title, work) => {
      command('group', clean(title));
      try {
        return await work();
      } finally {
        command('endgroup');
      }
    },
    hide: (secrets) => {
      for (const secret of secrets) command('add-mask', secret);
      add(secrets);
    },
  };
}

/** Plain text on standard error; standard output is for results only. */
export function consoleReporter(): Reporter {
  const { add, clean } = redactor();
  const say = (text: string): void => {
    process.stderr.write(`${harmless(clean(text))}\n`);
  };
  return {
    info: say,
    notice: (text) => say(`note: ${text}`),
    warning: (text) => say(`warning: ${text}`),
    error: (error) => {
      const known = asUserError(error);
      if (known) {
        const { message, file, line } = known;
        const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
        say(`error: ${place}${message}`);
      } else {
        say(`error: this is a bug in wheelhouse: ${stackOf(error)}`);
      }
    },
    foreign: (text) => say(`  ${withoutSecrets(clean(text))}`),
    group: (title, work) => {
      say(title);
      return work();
    },
    hide: add,
  };
}
