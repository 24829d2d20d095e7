/** Entry of the action's post step: saves what the main step left, and never fails the job. */
import { tmpdir } from 'node:os';

import * as core from '@actions/core';

import { messageOf } from './plan/model.ts';
import { save } from './save.ts';
import { githubCache, transferProgram } from './world/github-cache.ts';
import { endOnSignals } from './world/process.ts';
import { actionsReporter } from './world/reporters.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

const reporter = actionsReporter();
endOnSignals();
try {
  await save(core.getState('wheelhouse'), {
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
  core.warning(`The wheelhouse is not saved: ${messageOf(error)}`);
}
process.exit(0);
