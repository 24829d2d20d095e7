/** What people see: in a workflow's log, or on a terminal. */
import * as core from '@actions/core';

import { withoutSecrets } from '../plan/requirements.ts';
import type { Reporter } from '../ports.ts';

/**
 * Text as the runner may see it: a line that begins with `::`, or holds `##[`, would be taken as a
 * command to the runner (actions/runner, ActionCommand.cs).
 */
function harmless(text: string): string {
  return text.replace(/^(\s*)::/gm, '$1\u200B::').replaceAll('##[', '#\u200B#[');
}

/** Groups, notices and annotations of a workflow run. */
export function actionsReporter(): Reporter {
  return {
    info: (text) => core.info(harmless(text)),
    notice: (text) => core.notice(text),
    warning: (text) => core.warning(text),
    foreign: (text) => core.info(harmless(withoutSecrets(text))),
    group: (title, work) => core.group(title, work),
  };
}

/** Plain text on standard error; standard output stays free for results. */
export function consoleReporter(): Reporter {
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  return {
    info: say,
    notice: (text) => say(`note: ${text}`),
    warning: (text) => say(`warning: ${text}`),
    foreign: (text) => say(`  ${withoutSecrets(text)}`),
    group: (title, work) => {
      say(title);
      return work();
    },
  };
}
