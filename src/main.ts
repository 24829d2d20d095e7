/** Entry point of the action's main step: wires the adapters, runs the story, reports. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Host, loadRequest } from './inputs.ts';
import { install, type Outcome } from './install.ts';
import { workflowEvent } from './logic/cache-policy.ts';
import { environmentForPrograms } from './logic/environment.ts';
import { lockFile, pylockFile } from './logic/manifest.ts';
import { formatState } from './logic/state.ts';
import { formatReport, formatSummary } from './logic/summary.ts';
import { webAdapter } from './world/client.ts';
import { gatewaysAdapter } from './world/gateway.ts';
import { githubCache, transferProgram } from './world/github-cache.ts';
import { lockToolsAdapter } from './world/lock-tools.ts';
import { indexProbe } from './world/package-index.ts';
import { runEntry } from './world/process.ts';
import { pythonAdapter, venvBin } from './world/python.ts';
import { actionsReporter } from './world/reporters.ts';
import { sourcesAdapter } from './world/sources.ts';
import { uvAdapter } from './world/uv.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';
import * as workflow from './world/workflow.ts';

const reporter = actionsReporter('Wheelhouse');

async function main(): Promise<void> {
  const environment = environmentForPrograms(process.env);
  const { request, notices } = loadRequest(workflow.input, hostOf(environment));
  for (const notice of notices) reporter.notice(notice);
  const outcome = await install(request, {
    python: pythonAdapter(reporter, environment),
    uv: uvAdapter(reporter),
    lockTools: lockToolsAdapter(),
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    store: githubCache({
      environment: process.env,
      temporary: request.temporary,
      program: transferProgram(),
      reporter,
    }),
    indexProbe: indexProbe(webAdapter(), environment),
    web: webAdapter(),
    gateways: gatewaysAdapter(),
    reporter,
    now: () => new Date(),
  });
  handOver(outcome);
  for (const line of formatReport(outcome.report)) reporter.info(line);
  workflow.addSummary(formatSummary(outcome.report));
}

/** The runner's description of the job. */
function hostOf(environment: Readonly<Record<string, string>>): Host {
  const workspace = environment['GITHUB_WORKSPACE'] || process.cwd();
  return {
    workspace,
    directory: workspace,
    temporary: environment['RUNNER_TEMP'] || tmpdir(),
    environment,
    event: workflowEvent(environment, payloadOf(environment)),
  };
}

function payloadOf(environment: Readonly<Record<string, string>>): unknown {
  try {
    return JSON.parse(readFileSync(environment['GITHUB_EVENT_PATH'] ?? '', 'utf8'));
  } catch {
    return undefined;
  }
}

/** Sets outputs, variables and the state of the post step. */
function handOver({ request, report, states, wheelhouse, interpreter }: Outcome): void {
  workflow.setOutput('cache-hit', report.hit === 'exact');
  workflow.setOutput('cache-primary-key', report.primaryKey);
  workflow.setOutput('cache-matched-key', report.matchedKey ?? '');
  workflow.setOutput('wheelhouse', wheelhouse);
  workflow.setOutput('lock-file', path.join(wheelhouse, lockFile));
  workflow.setOutput('pylock-file', path.join(wheelhouse, pylockFile));
  workflow.setOutput('venv', request.venv ?? '');
  workflow.setOutput('python-version', interpreter.version);
  workflow.setOutput('index-used', report.index?.shown ?? '');
  // Always written, because the last value of that name counts.
  const token = process.env['ACTIONS_RUNTIME_TOKEN'] ?? '';
  workflow.saveState('wheelhouse', states.length === 0 ? '' : formatState(states, token));
  if (request.venv !== undefined) {
    workflow.exportVariable('VIRTUAL_ENV', request.venv);
    workflow.addPath(venvBin(request.venv));
  }
  if (request.export) {
    workflow.exportVariable('PIP_FIND_LINKS', wheelhouse);
    workflow.exportVariable('UV_FIND_LINKS', wheelhouse);
  }
}

await runEntry(main, reporter);
