/** Entry of the action publish/action.yml: wire, run, report. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { environmentForPrograms } from '../logic/environment.ts';
import { runEntry } from '../world/process.ts';
import { actionsReporter } from '../world/reporters.ts';
import * as workflow from '../world/workflow.ts';
import { loadPublishRequest } from './inputs.ts';
import { PublishConflict, type PublishReport, type PublishRequest } from './logic/model.ts';
import { formatPublishReport, formatPublishSummary, publishCounts } from './logic/report.ts';
import { publish } from './story.ts';
import { publishingWorld } from './world/world.ts';

const reporter = actionsReporter('Wheelhouse publish');

async function main(): Promise<void> {
  const environment = environmentForPrograms(process.env);
  const workspace = environment['GITHUB_WORKSPACE'] || process.cwd();
  const request = loadPublishRequest(workflow.input, {
    workspace,
    directory: workspace,
    temporary: environment['RUNNER_TEMP'] || tmpdir(),
    environment,
    event: undefined,
  });
  const print = (report: PublishReport): void => {
    handOver(request, report);
    for (const line of formatPublishReport(report)) reporter.info(line);
    workflow.addSummary(formatPublishSummary(report));
  };
  try {
    print(await publish(request, publishingWorld(request, reporter)));
  } catch (error) {
    if (error instanceof PublishConflict) print(error.report);
    throw error;
  }
}

/** Sets the outputs for later steps. */
function handOver(request: PublishRequest, report: PublishReport): void {
  const directory = path.join(request.source.temporary, 'wheelhouse-publish');
  const lock = path.join(directory, 'requirements.lock');
  const pipConf = path.join(directory, 'pip.conf');
  mkdirSync(directory, { recursive: true });
  writeFileSync(lock, report.lock);
  writeFileSync(pipConf, report.pipConf);
  const counts = publishCounts(report);
  workflow.setOutput('uploaded', counts.uploaded);
  workflow.setOutput('present', counts.present);
  workflow.setOutput('conflicts', counts.conflict);
  workflow.setOutput('lock-file', lock);
  workflow.setOutput('pip-conf', pipConf);
}

await runEntry(main, reporter);
