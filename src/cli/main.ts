#!/usr/bin/env node
/** Entry of the command line: the stories of the action, with a directory as their store. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Command, CommanderError } from 'commander';
import { loadBundleRequest } from '../bundle/inputs.ts';
import { amount } from '../bundle/logic/readme.ts';
import { bundle } from '../bundle/story.ts';
import { bundlesAdapter } from '../bundle/world/bundles.ts';
import { downloadsAdapter } from '../collect/world/downloads.ts';
import { completeRequest } from '../discover.ts';
import { type Host, loadRequest } from '../inputs.ts';
import { install, type Outcome } from '../install.ts';
import { environmentForPrograms } from '../logic/environment.ts';
import { asUserError } from '../logic/errors.ts';
import { harmless, harmlessJson } from '../logic/harmless.ts';
import type { Request } from '../logic/model.ts';
import type { State } from '../logic/state.ts';
import { formatReport, size, totals } from '../logic/summary.ts';
import type { CacheStore, World } from '../ports.ts';
import {
  loadPublishRequest,
  type PublishInputName,
  publishInputDefaults,
} from '../publish/inputs.ts';
import { PublishConflict, type PublishReport } from '../publish/logic/model.ts';
import { formatPublishReport, publishCounts } from '../publish/logic/report.ts';
import { publish } from '../publish/story.ts';
import { publishingWorld } from '../publish/world/world.ts';
import { readRequestWithKeys } from '../request.ts';
import { save } from '../save.ts';
import { Tools } from '../tools.ts';
import { version } from '../version.ts';
import { webAdapter } from '../world/client.ts';
import { discard, untilExit } from '../world/disk.ts';
import { gatewaysAdapter } from '../world/gateway.ts';
import { lockToolsAdapter } from '../world/lock-tools.ts';
import { indexProbe } from '../world/package-index.ts';
import { endOnSignals } from '../world/process.ts';
import { pythonAdapter } from '../world/python.ts';
import { consoleReporter } from '../world/reporters.ts';
import { sourcesAdapter } from '../world/sources.ts';
import { uvAdapter } from '../world/uv.ts';
import { wheelhousesAdapter } from '../world/wheelhouses.ts';
import { directoryCache } from './directory-cache.ts';
import { doctor } from './doctor.ts';
import {
  addInputs,
  bundleFlags,
  type InputFlags,
  indexFlagVariables,
  inputsFrom,
  installFlags,
  jsonFlag,
  maxSizeFlag,
  noStoreFlag,
  outputFlag,
  storeFlag,
  type Values,
} from './flags.ts';
import { publishHelp } from './help.ts';
import type { LocalStore } from './local-store.ts';
import { prune } from './prune.ts';

/** Documented in docs/command-line.md. */
const exitCodes = { ok: 0, failed: 1, usage: 2, fault: 3 } as const;

/** Bytes that `install` leaves in the store unless --max-size says otherwise. */
const defaultMaxSize = 5e9;

const reporter = consoleReporter();

const publishFlags: InputFlags<PublishInputName> = {
  defaults: publishInputDefaults,
  help: publishHelp,
  short: { requirements: '-r', constraints: '-c' },
  repeatable: ['packages', 'requirements', 'constraints', 'platforms', 'python-versions'],
  variables: { ...indexFlagVariables, 'feed-password': 'WHEELHOUSE_FEED_PASSWORD' },
  switches: ['dry-run'],
};

function program(): Command {
  const root = new Command('wheelhouse')
    .description('Fast, reproducible Python installs in CI, from any package index')
    .version(version)
    .exitOverride()
    .showHelpAfterError();

  addInputs(root.command('install'), installFlags)
    .description('Install requirements through a wheelhouse.')
    .addOption(storeFlag())
    .addOption(noStoreFlag())
    .addOption(maxSizeFlag().default(defaultMaxSize, size(defaultMaxSize)))
    .addOption(jsonFlag())
    .action(installCommand);
  addInputs(root.command('key'), installFlags)
    .description("Print the cache key and its restore prefixes, for another CI system's cache.")
    .addOption(jsonFlag())
    .action(keyCommand);
  addInputs(root.command('doctor'), installFlags)
    .description('Explain whether a run would hit or miss, and check what it depends on.')
    .addOption(storeFlag())
    .addOption(jsonFlag())
    .action(doctorCommand);
  addInputs(root.command('bundle'), bundleFlags)
    .description(
      'Write the wheels and their locks to a directory or an archive, to install offline.',
    )
    .addOption(outputFlag())
    .addOption(storeFlag())
    .addOption(noStoreFlag())
    .addOption(maxSizeFlag().default(defaultMaxSize, size(defaultMaxSize)))
    .addOption(jsonFlag())
    .action(bundleCommand);
  addInputs(root.command('publish'), publishFlags)
    .description('Copy packages and all their dependencies to a private feed.')
    .argument('[packages...]', 'Requirement specifiers, same as --packages.')
    .addOption(jsonFlag())
    .action(publishCommand);
  root
    .command('prune')
    .description('Delete the least recently used wheelhouses.')
    .addOption(storeFlag())
    .addOption(maxSizeFlag().makeOptionMandatory())
    .action(pruneCommand);
  return root;
}

async function installCommand(values: Values): Promise<void> {
  const store = optionalStoreOf(values);
  await withWorld(values, store ?? noStore, async (request, world) => {
    const outcome = await install(request, world);
    const { report, states } = outcome;
    await saveAndPrune(states, store, values, world);
    if (values['json']) printJson(installResult(request, outcome));
    else printLines(formatReport(report));
  });
}

/** Saves what a run leaves to save; without a store, only says why nothing is saved. */
async function saveAndPrune(
  states: readonly State[],
  store: LocalStore | undefined,
  values: Values,
  world: World,
): Promise<void> {
  for (const state of states) await save(state, { ...world, temporary: tmpdir() });
  if (store === undefined || states.length === 0) return;
  const keys = states.map(({ key }) => key);
  await prune(store, Number(values['maxSize']), keys);
}

async function bundleCommand(values: Values): Promise<void> {
  const store = optionalStoreOf(values);
  await withHost(async (host) => {
    const request = loadBundleRequest(inputsFrom(values), String(values['output']), host);
    const world = worldOf(host, store ?? noStore);
    const bundling = {
      ...world,
      downloads: downloadsAdapter(reporter, host.environment),
      bundles: bundlesAdapter(host.environment),
    };
    const { report, states } = await bundle(request, bundling, version);
    await saveAndPrune(states, store, values, world);
    const { output, ...contents } = report;
    if (values['json']) printJson({ output: output.path, ...contents });
    else {
      printLines([`Wrote ${output.path}: ${amount(report)} for ${report.targets.join(', ')}.`]);
    }
  });
}

/** What `install --json` prints. */
function installResult(request: Request, { report, wheelhouse, interpreter }: Outcome): object {
  const { cache, downloaded, built } = totals(report);
  return {
    hit: report.hit,
    key: report.primaryKey,
    matchedKey: report.matchedKey ?? null,
    indexUsed: report.index?.shown ?? null,
    python: interpreter.executable,
    wheelhouse: request.wheelhouse === undefined ? null : wheelhouse,
    venv: request.venv ?? null,
    wheels: report.wheels.map((wheel) => {
      const { name, version, file, sha256, size: bytes, origin, role } = wheel;
      return { name, version, file, sha256, size: bytes, origin, role };
    }),
    fromCache: cache,
    downloaded,
    built,
    seconds: Object.fromEntries(report.phases.map((phase) => [phase.name, phase.seconds])),
  };
}

async function keyCommand(values: Values): Promise<void> {
  await withWorld(values, noStore, async (given, world) => {
    const request = await completeRequest(given, world);
    const interpreter = await world.python.probe(request);
    const tools = new Tools(request, interpreter, world, install);
    const { keys } = await readRequestWithKeys(request, interpreter, world, tools);
    const { primary, restore } = keys;
    if (values['json']) printJson({ key: primary, restoreKeys: restore });
    else printLines([primary, ...restore]);
  });
}

async function doctorCommand(values: Values): Promise<void> {
  const store = storeOf(values);
  await withWorld(values, store, async (request, world) => {
    const { hit, findings } = await doctor(request, { ...world, store });
    const marks = { good: 'ok', note: '--', problem: '!!' } as const;
    if (values['json']) printJson({ hit, findings });
    else printLines(findings.map(({ level, text }) => `${marks[level]} ${text}`));
    if (findings.some(({ level }) => level === 'problem')) process.exitCode = exitCodes.failed;
  });
}

async function pruneCommand(values: Values): Promise<void> {
  const { entries, freed } = await prune(storeOf(values), Number(values['maxSize']));
  const wheelhouses = entries.length === 1 ? 'wheelhouse' : 'wheelhouses';
  printLines([`Deleted ${entries.length} ${wheelhouses} (${size(freed)}).`]);
}

async function publishCommand(packages: readonly string[], values: Values): Promise<void> {
  const inputs = { ...values, packages: [...packages, ...[values['packages'] ?? []].flat()] };
  const print = (report: PublishReport): void => {
    if (values['json']) printJson({ counts: publishCounts(report), ...report });
    else printLines(formatPublishReport(report));
  };
  await withHost(async (host) => {
    const request = loadPublishRequest(inputsFrom(inputs), host);
    try {
      print(await publish(request, publishingWorld(request, reporter)));
    } catch (error) {
      if (error instanceof PublishConflict) print(error.report);
      throw error;
    }
  });
}

/** Gives a command the request that its flags describe, and the world to carry it out in. */
function withWorld(
  values: Values,
  store: CacheStore,
  work: (request: Request, world: World) => Promise<void>,
): Promise<void> {
  return withHost(async (host) => {
    const { request } = loadRequest(inputsFrom(values), host);
    await work(request, worldOf(host, store));
  });
}

function worldOf(host: Host, store: CacheStore): World {
  return {
    python: pythonAdapter(reporter, host.environment),
    uv: uvAdapter(reporter),
    lockTools: lockToolsAdapter(),
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    store,
    indexProbe: indexProbe(webAdapter(), host.environment),
    web: webAdapter(),
    gateways: gatewaysAdapter(),
    reporter,
    now: () => new Date(),
  };
}

/** Gives a command the machine that it runs on. Its temporary directory is deleted afterwards. */
async function withHost(work: (host: Host) => Promise<void>): Promise<void> {
  const temporary = untilExit(await mkdtemp(path.join(tmpdir(), 'wheelhouse-')));
  await work({
    workspace: path.parse(process.cwd()).root,
    directory: process.cwd(),
    temporary,
    environment: environmentForPrograms(process.env),
    event: undefined,
  });
  await discard(temporary);
}

function storeOf(values: Values): LocalStore {
  return directoryCache(path.resolve(String(values['store'])), reporter);
}

/** @returns undefined with --no-store */
function optionalStoreOf(values: Values): LocalStore | undefined {
  return values['store'] === false ? undefined : storeOf(values);
}

/** A store that never hits and never saves. */
const noStore: CacheStore = {
  unavailable: 'there is no store',
  sharesFiles: true,
  warmUp() {},
  coolDown: async () => {},
  restore: async () => undefined,
  save: async () => 'failed',
};

function printLines(lines: readonly string[]): void {
  process.stdout.write(`${harmless(lines.join('\n'))}\n`);
}

function printJson(value: object): void {
  process.stdout.write(`${harmlessJson(value)}\n`);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  reporter.error(error);
  return asUserError(error) ? exitCodes.failed : exitCodes.fault;
}

endOnSignals();
try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
