#!/usr/bin/env node
/** Entry of the command line: the same stories with a directory as their store. */
import { mkdtemp } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

import { doctor } from './doctor.ts';
import { type InputName, inputDefaults, loadRequest } from './inputs.ts';
import { install } from './install.ts';
import { environmentForPrograms } from './plan/environment.ts';
import { asUserError, messageOf, type Request } from './plan/model.ts';
import { formatReport, size, totals } from './plan/summary.ts';
import type { CacheStore, LocalStore, Reporter, World } from './ports.ts';
import { prune } from './prune.ts';
import { save } from './save.ts';
import { understand } from './understand.ts';
import { directoryCache } from './world/directory-cache.ts';
import { indexProbe } from './world/package-index.ts';
import { endOnSignals } from './world/process.ts';
import { pythonAdapter } from './world/python.ts';
import { consoleReporter } from './world/reporters.ts';
import { sourcesAdapter } from './world/sources.ts';
import { discard, untilExit } from './world/temporary.ts';
import { uvAdapter } from './world/uv.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

/** Documented in docs/command-line.md. */
const exitCodes = { ok: 0, failed: 1, usage: 2, fault: 3 } as const;

type Values = Readonly<Record<string, unknown>>;

const manyLines = new Set<InputName>([
  'requirements',
  'packages',
  'constraints',
  'groups',
  'cache-dependency-path',
  'extra-index-url',
  'trusted-host',
]);
const secret = new Set<InputName>(['index-password']);
/** They only mean something in a workflow. */
const workflowOnly = new Set<InputName>(['restore-cache', 'save-cache', 'export']);

function addInputs(command: Command): Command {
  for (const [name, value] of Object.entries(inputDefaults) as [InputName, string][]) {
    if (workflowOnly.has(name)) continue;
    const short = name === 'requirements' ? '-r, ' : '';
    const option = new Option(`${short}--${name} <value>`, describe(name, value));
    if (manyLines.has(name)) {
      option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
    }
    if (secret.has(name)) option.env('WHEELHOUSE_INDEX_PASSWORD');
    command.addOption(option);
  }
  return command;
}

function describe(name: InputName, value: string): string {
  const more = manyLines.has(name) ? ', may be repeated' : '';
  return `as the action's input${value === '' ? '' : `, default ${value}`}${more}`;
}

function addStore(command: Command): Command {
  return command.addOption(
    new Option('--store <directory>', 'where wheelhouses are kept between runs').default(
      defaultStore(),
    ),
  );
}

/** The user's cache folder, where the system has one. */
function defaultStore(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const caches =
    process.platform === 'darwin'
      ? path.join(homedir(), 'Library', 'Caches')
      : (process.platform === 'win32' && LOCALAPPDATA) ||
        XDG_CACHE_HOME ||
        path.join(homedir(), '.cache');
  return path.join(caches, 'wheelhouse');
}

/** `500MB`, `2 GB`, or bytes. */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError('It takes a size such as 500MB or 2GB.');
  const power = ['', 'k', 'm', 'g', 't'].indexOf(String(match[2]).toLowerCase());
  return Number(match[1]) * 1000 ** power;
}

function program(): Command {
  const root = new Command('wheelhouse')
    .description('Fast, small and certain Python installs from a kept directory of wheels')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError();

  addStore(addInputs(root.command('install')))
    .description('install requirements through a wheelhouse')
    .option('--no-store', 'keep nothing beside --wheelhouse')
    .addOption(
      new Option('--max-size <size>', 'what the store may hold, the least recently used goes')
        .argParser(parseSize)
        .default(5e9, '5GB'),
    )
    .option('--json', 'print the result as JSON')
    .action(installCommand);
  addInputs(root.command('key'))
    .description('print what another CI system needs to restore and save')
    .option('--json', 'print JSON')
    .action(keyCommand);
  addStore(addInputs(root.command('doctor')))
    .description('say why a run would hit or miss, and check what it depends on')
    .option('--json', 'print JSON')
    .action(doctorCommand);
  addStore(root.command('prune'))
    .description('delete the least recently used wheelhouses')
    .addOption(
      new Option('--max-size <size>', 'what may stay').argParser(parseSize).makeOptionMandatory(),
    )
    .action(pruneCommand);
  return root;
}

async function installCommand(values: Values): Promise<void> {
  await withWorld(values, async (request, world, store) => {
    const { report, state, wheelhouse, interpreter } = await install(request, world);
    if (state !== undefined) await save(state, world);
    if (store && state !== undefined) await prune(store, Number(values['maxSize']), keyIn(state));
    const { cache, downloaded, built } = totals(report);
    if (values['json']) {
      print({
        hit: report.hit,
        key: report.primaryKey,
        matchedKey: report.matchedKey ?? null,
        indexUsed: report.index?.shown ?? null,
        python: interpreter.executable,
        wheelhouse: request.wheelhouse === undefined ? null : wheelhouse,
        venv: request.venv ?? null,
        wheels: report.wheels.map(({ name, version, file, sha256, size, origin, role }) => ({
          ...{ name, version, file, sha256, size, origin, role },
        })),
        fromCache: cache,
        downloaded,
        built,
        seconds: Object.fromEntries(report.phases.map((phase) => [phase.name, phase.seconds])),
      });
    } else {
      process.stdout.write(`${formatReport(report).join('\n')}\n`);
    }
  });
}

function keyIn(state: string): string {
  return (JSON.parse(state) as { key: string }).key;
}

async function keyCommand(values: Values): Promise<void> {
  await withWorld(values, async (request, world) => {
    await world.sources.check(request);
    const interpreter = await world.python.probe(request);
    const { keys } = await understand(request, interpreter, world);
    const { primary, restore } = keys;
    if (values['json']) print({ key: primary, restoreKeys: restore });
    else process.stdout.write(`${[primary, ...restore].join('\n')}\n`);
  });
}

async function doctorCommand(values: Values): Promise<void> {
  await withWorld(values, async (request, world, store) => {
    if (store === undefined) return;
    const { hit, findings } = await doctor(request, { ...world, store });
    const marks = { good: 'ok', note: '--', problem: '!!' } as const;
    if (values['json']) print({ hit, findings });
    else {
      const lines = findings.map(({ level, text }) => `${marks[level]} ${text}`);
      process.stdout.write(`${lines.join('\n')}\n`);
    }
    if (findings.some((finding) => finding.level === 'problem')) {
      process.exitCode = exitCodes.failed;
    }
  });
}

async function pruneCommand(values: Values): Promise<void> {
  const store = directoryCache(path.resolve(String(values['store'])), consoleReporter());
  const gone = await prune(store, Number(values['maxSize']));
  const bytes = gone.reduce((sum, entry) => sum + entry.size, 0);
  process.stdout.write(`deleted ${gone.length} wheelhouses, ${size(bytes)}\n`);
}

/** Gives a command the request and the world that its options describe. */
async function withWorld(
  values: Values,
  work: (request: Request, world: World, store: LocalStore | undefined) => Promise<void>,
): Promise<void> {
  const temporary = untilExit(await mkdtemp(path.join(tmpdir(), 'wheelhouse-')));
  const environment = environmentForPrograms(process.env);
  const reporter = consoleReporter();
  const get = (name: InputName): string => {
    const value = values[name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())];
    return [value ?? ''].flat().join('\n');
  };
  const { request } = loadRequest(get, {
    workspace: path.parse(process.cwd()).root,
    directory: process.cwd(),
    temporary,
    environment,
    event: undefined,
  });
  const store =
    typeof values['store'] === 'string'
      ? directoryCache(path.resolve(values['store']), reporter)
      : undefined;
  const world: World = {
    python: pythonAdapter(reporter, environment),
    uv: uvAdapter(reporter),
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    store: store ?? nowhere(),
    indexProbe: indexProbe(),
    reporter,
    now: () => new Date(),
  };
  await work(request, world, store);
  await discard(temporary);
}

/** The store of those who keep nothing. */
function nowhere(): CacheStore {
  return {
    unavailable: 'there is no store',
    restore: async () => undefined,
    save: async () => 'failed',
  };
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

function report(error: unknown, reporter: Pick<Reporter, 'warning'>): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const known = asUserError(error);
  if (known) {
    const { file, line } = known;
    const place = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}: `;
    process.stderr.write(`error: ${place}${known.message}\n`);
    return exitCodes.failed;
  }
  reporter.warning('this is a fault of wheelhouse');
  process.stderr.write(`${error instanceof Error ? error.stack : messageOf(error)}\n`);
  return exitCodes.fault;
}

endOnSignals();
try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = report(error, consoleReporter());
}
