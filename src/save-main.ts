/** Wires the post step; loaded only when there is something to save. */
import { tmpdir } from 'node:os';

import { messageOf } from './logic/errors.ts';
import { parseState } from './logic/state.ts';
import { save } from './save.ts';
import { githubCache, transferProgram } from './world/github-cache.ts';
import { endOnSignals } from './world/process.ts';
import { actionsReporter } from './world/reporters.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

/** @param text the state of the main step, not empty. Every failure is only a warning. */
export async function saveFromState(text: string): Promise<void> {
  endOnSignals();
  const reporter = actionsReporter('Wheelhouse');
  try {
    const states = parseState(text, process.env['ACTIONS_RUNTIME_TOKEN'] ?? '');
    if (states === undefined) {
      reporter.warning(
        'The wheelhouse is not saved: its state was not written by the main step of this job.',
      );
      return;
    }
    const temporary = process.env['RUNNER_TEMP'] || tmpdir();
    const world = {
      reporter,
      temporary,
      wheelhouses: wheelhousesAdapter(),
      store: githubCache({
        environment: process.env,
        temporary,
        program: transferProgram(),
        reporter,
      }),
    };
    for (const state of states) await save(state, world);
  } catch (error) {
    reporter.warning(`The wheelhouse is not saved: ${messageOf(error)}`);
  }
}
