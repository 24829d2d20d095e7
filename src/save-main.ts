/** Wires the story of the post step; loaded only when there is something to save. */
import { tmpdir } from 'node:os';

import { messageOf } from './plan/model.ts';
import { save } from './save.ts';
import { githubCache, transferProgram } from './world/github-cache.ts';
import { endOnSignals } from './world/process.ts';
import { actionsReporter } from './world/reporters.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

/** @param state from the main step. Whatever goes wrong is a warning. */
export async function saveFromState(state: string): Promise<void> {
  endOnSignals();
  const reporter = actionsReporter('Wheelhouse');
  try {
    await save(state, {
      reporter,
      wheelhouses: wheelhousesAdapter(),
      store: githubCache({
        environment: process.env,
        temporary: process.env['RUNNER_TEMP'] || tmpdir(),
        program: transferProgram(),
        reporter,
      }),
    });
  } catch (error) {
    reporter.warning(`The wheelhouse is not saved: ${messageOf(error)}`);
  }
}
