#!/usr/bin/env node
/** Entry of the command line: the same stories with a directory as their store. */
import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import path from 'node:path';

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Host, type InputName, inputDefaults, loadRequest } from '../inputs.ts';
import { install } from '../install.ts';
import { environmentForPrograms } from '../logic/environment.ts';
import { asUserError } from '../logic/errors.ts';
import { harmless, harmlessJson } from '../logic/harmless.ts';
import type { Request } from '../logic/model.ts';
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
import { version } from '../version.ts';
import { indexProbe } from '../world/package-index.ts';
import { endOnSignals } from '../world/process.ts';
import { pythonAdapter } from '../world/python.ts';
import { consoleReporter } from '../world/reporters.ts';
import { sourcesAdapter } from '../world/sources.ts';
import { discard, untilExit } from '../world/temporary.ts';
import { uvAdapter } from '../world/uv.ts';
import { wheelhousesAdapter } from '../world/wheelhouses.ts';
import { directoryCache } from './directory-cache.ts';
import { doctor } from './doctor.ts';
import { installHelp, publishHelp } from './help.ts';
import type { LocalStore } from './local-store.ts';
import { prune } from './prune.ts';

/** Documented in docs/command-line.md. */
const exitCodes = { ok: 0, failed: 1, usage: 2, fault: 3 } as const;

const reporter = consoleReporter();

type Values = Readonly<Record<string, unknown>>;

/** How the inputs of an action become flags. */
interface Flags<Name extends string> {
  /** Every input of the action, with its default. */
  readonly defaults: Readonly<Record<Name, string>>;
  /** What action.yml says of it. */
  readonly help: Readonly<Record<Name, string>>;
  /** Flags of one letter. */
  readonly short: Readonly<Partial<Record<Name, string>>>;
  /** They take more than one value. */
  readonly many: readonly Name[];
  /** Passwords, addresses that may hold one, and their variables: everybody can read flags. */
  readonly variables: Readonly<Partial<Record<Name, string>>>;
  /** They take no value. */
  readonly switches?: readonly Name[];
  /** They only mean something in a workflow. */
  readonly workflowOnly?: readonly Name[];
}

const indexVariables = {
  'index-url': 'WHEELHOUSE_INDEX_URL',
  'index-password': 'WHEELHOUSE_INDEX_PASSWORD',
} as const;
const installFlags: Flags<InputName> = {
  defaults: inputDefaults,
  help: installHelp,
  short: { requirements: '-r', constraints: '-c' },
  many: [
    'requirements',
    'packages',
    'constraints',
    'groups',
    'cache-dependency-path',
    'extra-index-url',
    'trusted-host',
  ],
  variables: {
    ...indexVariables,
    'extra-index-url': 'WHEELHOUSE_EXTRA_INDEX_URL',
    'mirror-url': 'WHEELHOUSE_MIRROR_URL',
  },
  workflowOnly: ['restore-cache', 'save-cache', 'export'],
};
const publishFlags: Flags<PublishInputName> = {
  defaults: publishInputDefaults,
  help: publishHelp,
  short: { requirements: '-r', constraints: '-c' },
  many: ['packages', 'requirements', 'constraints', 'platforms', 'python-versions'],
  variables: { ...indexVariables, 'feed-password': 'WHEELHOUSE_FEED_PASSWORD' },
  switches: ['dry-run'],
};

function addInputs<Name extends string>(command: Command, flags: Flags<Name>): Command {
  const { defaults, help, many, variables, switches = [], workflowOnly = [] } = flags;
  for (const [name, value] of Object.entries(defaults) as [Name, string][]) {
    if (workflowOnly.includes(name)) continue;
    const short = flags.short[name] === undefined ? '' : `${flags.short[name]}, `;
    const argument = switches.includes(name) ? '' : ' <value>';
    const about = [
      help[name],
      ...(value === '' || argument === '' ? [] : [`Default: ${value}.`]),
      ...(many.includes(name) ? ['Can be repeated.'] : []),
    ];
    const option = new Option(`${short}--${name}${argument}`, about.join(' '));
    if (many.includes(name)) {
      option.argParser((text: string, before: string[] | undefined) => [...(before ?? []), text]);
    }
    const variable = variables[name];
    if (variable !== undefined) option.env(variable);
    command.addOption(option);
  }
  return command;
}

/** What the flags give as an input's text. */
function inputIn(values: Values): (name: string) => string {
  return (name) => {
    const value = values[name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())];
    return [value ?? ''].flat().join('\n');
  };
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
    .version(version)
    .exitOverride()
    .showHelpAfterError();

  addStore(addInputs(root.command('install'), installFlags))
    .description('install requirements through a wheelhouse')
    .option('--no-store', 'keep nothing beside --wheelhouse')
    .addOption(
      new Option('--max-size <size>', 'what the store may hold, the least recently used goes')
        .argParser(parseSize)
        .default(5e9, '5GB'),
    )
    .option('--json', 'print the result as JSON')
    .action(installCommand);
  addInputs(root.command('key'), installFlags)
    .description('print what another CI system needs to restore and save')
    .option('--json', 'print JSON')
    .action(keyCommand);
  addStore(addInputs(root.command('doctor'), installFlags))
    .description('say why a run would hit or miss, and check what it depends on')
    .option('--json', 'print JSON')
    .action(doctorCommand);
  addInputs(root.command('publish'), publishFlags)
    .description('copy packages with all their dependencies into a private feed')
    .argument('[packages...]', 'requirement specifiers, as --packages')
    .option('--json', 'print the result as JSON')
    .action(publishCommand);
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
    if (store && state !== undefined) {
      await prune(store, Number(values['maxSize']), state.key);
    }
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
      say(formatReport(report));
    }
  });
}

async function keyCommand(values: Values): Promise<void> {
  await withWorld(values, async (request, world) => {
    await world.sources.check(request);
    const interpreter = await world.python.probe(request);
    const { keys } = await readRequestWithKeys(request, interpreter, world);
    const { primary, restore } = keys;
    if (values['json']) print({ key: primary, restoreKeys: restore });
    else say([primary, ...restore]);
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
      say(lines);
    }
    if (findings.some((finding) => finding.level === 'problem')) {
      process.exitCode = exitCodes.failed;
    }
  });
}

async function pruneCommand(values: Values): Promise<void> {
  const store = directoryCache(path.resolve(String(values['store'])), reporter);
  const gone = await prune(store, Number(values['maxSize']));
  const bytes = gone.reduce((sum, entry) => sum + entry.size, 0);
  say([`deleted ${gone.length} wheelhouses, ${size(bytes)}`]);
}

async function publishCommand(packages: readonly string[], values: Values): Promise<void> {
  const given = { ...values, packages: [...packages, ...[values['packages'] ?? []].flat()] };
  await withHost(async (host) => {
    const request = loadPublishRequest(inputIn(given), host);
    const tell = (report: PublishReport): void => {
      if (values['json']) print({ counts: publishCounts(report), ...report });
      else say(formatPublishReport(report));
    };
    try {
      tell(await publish(request, publishingWorld(request, reporter)));
    } catch (error) {
      if (error instanceof PublishConflict) tell(error.report);
      throw error;
    }
  });
}

/** Says where a command runs; the directory for what is not kept is emptied when all went well. */
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

/** Gives a command the request and the world that its flags describe. */
function withWorld(
  values: Values,
  work: (request: Request, world: World, store: LocalStore | undefined) => Promise<void>,
): Promise<void> {
  return withHost(async (host) => {
    const { request } = loadRequest(inputIn(values), host);
    const store =
      typeof values['store'] === 'string'
        ? directoryCache(path.resolve(values['store']), reporter)
        : undefined;
    const world: World = {
      python: pythonAdapter(reporter, host.environment),
      uv: uvAdapter(reporter),
      sources: sourcesAdapter(),
      wheelhouses: wheelhousesAdapter(),
      store: store ?? nowhere(),
      indexProbe: indexProbe(),
      reporter,
      cores: availableParallelism(),
      now: () => new Date(),
    };
    await work(request, world, store);
  });
}

/** The store of those who keep nothing. */
function nowhere(): CacheStore {
  return {
    unavailable: 'there is no store',
    warmUp() {},
    restore: async () => undefined,
    save: async () => 'failed',
  };
}

function say(lines: readonly string[]): void {
  process.stdout.write(`${harmless(lines.join('\n'))}\n`);
}

function print(value: unknown): void {
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
