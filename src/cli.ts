/** Entry of the command line: the same story with a directory as its store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { type InputName, inputDefaults, loadRequest } from './inputs.ts';
import { install } from './install.ts';
import { environmentForPrograms } from './plan/environment.ts';
import { UserError } from './plan/model.ts';
import { formatReport } from './plan/summary.ts';
import { save } from './save.ts';
import { directoryCache } from './world/directory-cache.ts';
import { indexProbe } from './world/package-index.ts';
import { endOnSignals } from './world/process.ts';
import { pythonAdapter } from './world/python.ts';
import { consoleReporter } from './world/reporters.ts';
import { sourcesAdapter } from './world/sources.ts';
import { wheelhousesAdapter } from './world/wheelhouses.ts';

const usage = `usage: wheelhouse install [options]

  -r, --requirements FILE   requirement file or glob; may be repeated
      --store DIR           where wheelhouses are kept between runs
      --INPUT VALUE         any other input of the action, under its own name:
                            ${Object.keys(inputDefaults).join(', ')}
`;

async function main(argv: readonly string[]): Promise<void> {
  const [command, ...rest] = argv;
  const values = command === 'install' ? readOptions(rest) : undefined;
  if (values === undefined) throw new UserError(usage);
  const store = String(values['store'] ?? path.join(homedir(), '.cache', 'wheelhouse'));
  const temporary = await mkdtemp(path.join(tmpdir(), 'wheelhouse-'));
  try {
    await installFor(
      (name) => [values[name] ?? ''].flat().join('\n'),
      path.resolve(store),
      temporary,
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function installFor(
  get: (name: InputName) => string,
  storeDirectory: string,
  temporary: string,
): Promise<void> {
  const environment = environmentForPrograms(process.env);
  const { request } = loadRequest(get, {
    workspace: path.parse(process.cwd()).root,
    directory: process.cwd(),
    temporary,
    environment,
    event: undefined,
  });
  const reporter = consoleReporter();
  const store = directoryCache(storeDirectory, reporter);
  const wheelhouses = wheelhousesAdapter();
  const { report, state } = await install(request, {
    python: pythonAdapter(reporter, environment),
    sources: sourcesAdapter(),
    wheelhouses,
    store,
    indexProbe: indexProbe(),
    reporter,
    now: () => new Date(),
  });
  if (state !== undefined) await save(state, { wheelhouses, reporter, store });
  process.stdout.write(`${formatReport(report).join('\n')}\n`);
}

type Values = Readonly<Record<string, string | string[] | undefined>>;

function readOptions(args: readonly string[]): Values {
  const inputs = Object.keys(inputDefaults).map((name) => [
    name,
    { type: 'string', multiple: true, ...(name === 'requirements' ? { short: 'r' } : {}) } as const,
  ]);
  try {
    return parseArgs({
      args: [...args],
      options: { ...Object.fromEntries(inputs), store: { type: 'string' } },
    }).values as Values;
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n${usage}`);
  }
}

endOnSignals();
try {
  await main(process.argv.slice(2));
} catch (error) {
  const place =
    error instanceof UserError && error.file
      ? `${error.file}${error.line ? `:${error.line}` : ''}: `
      : '';
  process.stderr.write(
    error instanceof UserError ? `${place}${error.message}\n` : `${(error as Error).stack}\n`,
  );
  process.exitCode = 1;
}
