/** Entry of the action's post step: saves what the main step left, and never fails the job. */
import * as core from '@actions/core';

import { messageOf } from './plan/model.ts';
import { save } from './save.ts';
import { githubCache } from './world/github-cache.ts';
import { actionsReporter } from './world/reporters.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

const reporter = actionsReporter();
try {
  await save(core.getState('wheelhouse'), {
    reporter,
    wheelhouses: wheelhousesAdapter(),
    storeFor: (workspace) => githubCache(workspace, process.env, reporter),
  });
} catch (error) {
  core.warning(`The wheelhouse is not saved: ${messageOf(error)}`);
}
// The cache library leaves connections open for minutes (actions/toolkit#1578).
process.exit(0);
