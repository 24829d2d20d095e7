/** `npm run bench`: runs the benchmarks and writes docs/benchmarks. See docs/benchmarks/README.md. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { python, root, uvCommand } from '../scripts/tools.mjs';
import { countOfChanges, measureGrowth } from './growth.ts';
import { lanes } from './lanes.ts';
import { benchmarkPackages } from './packages.ts';
import { type Machine, type Results, writeReport } from './report.ts';
import { defaultRepetitions, defaultSuites, runSuite, suites } from './suites.ts';
import { measuredRates, newestPip, nodeFloor, startWorkbench } from './workbench.ts';

const usage = `npm run bench -- [options]
  --suites NAME,…     ${Object.keys(suites).join(', ')}; all
                      (default ${defaultSuites.join(', ')})
  --lanes ID,…        only these installation methods: ${lanes.map(({ id }) => id).join(', ')}
  --repetitions N     rounds (default ${defaultRepetitions})
  --growth            storage over 50 changes of one pin each, and big requirements; no suites
                      unless --suites is given
  --changes N         changes of --growth (default ${countOfChanges})
  --report            only write the tables and the chart again
  --output DIRECTORY  where results are written (default docs/benchmarks); keeps those of other suites
  --directory DIRECTORY  where steps run (default the system's temporary directory)
  --profile DIRECTORY  write CPU profiles of all node processes; makes the times meaningless
  --action DIRECTORY  another build of the action (default this one)`;

const { values } = parseArgs({
  options: {
    suites: { type: 'string' },
    lanes: { type: 'string' },
    repetitions: { type: 'string' },
    growth: { type: 'boolean', default: false },
    changes: { type: 'string', default: String(countOfChanges) },
    report: { type: 'boolean', default: false },
    output: { type: 'string', default: join(root, 'docs', 'benchmarks') },
    directory: { type: 'string' },
    profile: { type: 'string' },
    action: { type: 'string', default: root },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const output = resolve(values.output);
  const file = join(output, 'results.json');
  const results: Results = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Results)
    : { suites: {} };
  mkdirSync(output, { recursive: true });
  const writeResults = (): void => {
    writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
    writeReport(output, results);
  };
  if (values.directory !== undefined) process.env['TMPDIR'] = resolve(values.directory);
  const started = performance.now();
  if (!values.report) {
    results.machine = machine();
    if (!values.growth || values.suites !== undefined) await measureSuites(results, writeResults);
    if (values.growth)
      results.growth = await measureGrowth(resolve(values.action), Number(values.changes));
  }
  writeResults();
  const minutes = (performance.now() - started) / 60_000;
  console.log(`Wrote ${output} after ${minutes.toFixed(1)} minutes.`);
}

async function measureSuites(results: Results, writeResults: () => void): Promise<void> {
  const chosen =
    values.suites === 'all' ? Object.keys(suites) : (values.suites?.split(',') ?? defaultSuites);
  const options = {
    repetitions: values.repetitions === undefined ? undefined : Number(values.repetitions),
    lanes: values.lanes?.split(','),
  };
  const packages = benchmarkPackages();
  const profiles = values.profile === undefined ? undefined : resolve(values.profile);
  const workbench = await startWorkbench(resolve(values.action), packages, profiles);
  try {
    const floor = await nodeFloor(workbench);
    const rates = await measuredRates(workbench);
    for (const name of chosen) {
      const { samples, repetitions } = await runSuite(name, workbench, packages, options);
      const at = new Date().toISOString().slice(0, 16);
      const { facts } = packages;
      results.suites[name] = { packages: facts, repetitions, floor, rates, at, samples };
      writeResults();
    }
  } finally {
    await workbench.close();
  }
}

const fileSystems: Readonly<Record<number, string>> = {
  16914836: 'tmpfs',
  61267: 'ext4',
  2435016766: 'btrfs',
  1481003842: 'xfs',
  2035054128: 'overlayfs',
};

/** What the figures depend on, without anything that identifies the machine. */
function machine(): Machine {
  const first = (command: string, ...args: string[]): string => {
    try {
      const text = execFileSync(command, args, { encoding: 'utf8' });
      return /\d+(?:\.\d+)+/.exec(text)?.[0] ?? 'unknown';
    } catch {
      return 'missing';
    }
  };
  return {
    system: `${type()} ${release().replace(/-.*$/, '')}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    fileSystem: fileSystems[statfsSync(tmpdir()).type] ?? 'another file system',
    versions: {
      Node: process.versions.node,
      Python: first(python, '--version'),
      pip: newestPip,
      uv: first(uvCommand(), '--version'),
      zstd: first('zstd', '--version'),
      tar: first('tar', '--version'),
    },
  };
}

// Runs the cleanup on exit when interrupted, too.
process.once('SIGINT', () => process.exit(130));
if (values.help) {
  console.log(usage);
} else {
  await main();
}
