/** Writes the results: tables in Markdown, and the chart. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { RequestKind } from '../__tests__/support/index-server.ts';
import { olderPip } from '../scripts/tools.mjs';
import type { Growth } from './growth.ts';
import { lanes, type Part, parts, type Sample } from './lanes.ts';
import { type Bar, type Group, plot } from './plot.ts';
import { megabytes, type Spread, seconds, spreadOf, table } from './statistics.ts';
import { type SuiteResult, suites } from './suites.ts';
import { newestPip } from './workbench.ts';

export interface Machine {
  /** File system of the steps' directories. */
  readonly fileSystem: string;
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memory: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** The content of results.json. */
export interface Results {
  machine?: Machine;
  suites: Record<string, SuiteResult>;
  growth?: Growth;
}

export function writeReport(output: string, results: Results): void {
  const picture = pictureOf(results);
  if (picture !== undefined) writeFileSync(join(output, 'warm-step.svg'), picture);
  const names = Object.keys(suites).filter((name) => results.suites[name] !== undefined);
  const text = [
    '# Results',
    'Written by `npm run bench`; see [how it measures](README.md). Compare figures within a table only: each table is one interleaved run. Times are seconds for the whole step: median (minimum – maximum).',
    ...(picture === undefined ? [] : ['![Duration of whole steps](warm-step.svg)']),
    ...(results.machine ? [machineText(results.machine)] : []),
    ...summaryText(results),
    ...targetsText(results),
    ...names.flatMap((name) => suiteText(name, results.suites[name] as SuiteResult)),
    ...(results.growth ? growthText(results.growth) : []),
  ];
  writeFileSync(join(output, 'results.md'), `${text.join('\n\n')}\n`);
}

function machineText({ system, processor, cores, memory, fileSystem, versions }: Machine): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gigabytes = Math.round(memory / 2 ** 30);
  return `Machine: ${system}, ${cores} cores (${processor}), ${gigabytes} GB of memory, steps on ${fileSystem}. ${list.join(', ')}.`;
}

function titleOf(id: string): string {
  return lanes.find((lane) => lane.id === id)?.title ?? id;
}

function total(samples: readonly Sample[]): Spread {
  return spreadOf(samples.map((sample) => sample.seconds));
}

function medianOf(samples: readonly Sample[], value: (sample: Sample) => number): number {
  return spreadOf(samples.map(value)).median;
}

function traffic(samples: readonly Sample[], way: 'restored' | 'saved'): string {
  const bytes = medianOf(samples, (sample) => sample[way]);
  return bytes === 0 ? '' : megabytes(bytes);
}

const kinds: readonly RequestKind[] = ['page', 'metadata', 'wheel', 'sdist', 'redirect'];

function suiteText(name: string, result: SuiteResult): string[] {
  const { packages, rates, samples, repetitions } = result;
  const entries = Object.entries(samples).filter(([, list]) => list.length > 0);
  const base = entries[0] ? total(entries[0][1]).median : Number.NaN;
  const rows = entries.map(([id, list]) => {
    const { median, least, most } = total(list);
    const part = (each: Part): string => {
      const value = medianOf(list, (sample) => sample.parts[each] ?? 0);
      return value < 0.005 ? '' : value.toFixed(2);
    };
    return [
      titleOf(id),
      `**${median.toFixed(2)}** (${least.toFixed(2)} – ${most.toFixed(2)})`,
      (median / base).toFixed(2),
      ...parts.map(part),
      traffic(list, 'restored'),
      traffic(list, 'saved'),
    ];
  });
  const requests = entries.map(([id, list]) => {
    const last = list.at(-1) as Sample;
    const cells = kinds.map((kind) => {
      const { count, bytes } = last.requests[kind] ?? { count: 0, bytes: 0 };
      if (count === 0) return '';
      return bytes < 50_000 ? String(count) : `${count}, ${megabytes(bytes)}`;
    });
    return [titleOf(id), ...cells, last.artifacts === 0 ? '' : String(last.artifacts)];
  });
  const hasRequests = requests.some((row) => row.slice(1).some(Boolean));
  const rate = `index ${Math.round(rates.index / 1e6)} MB/s, cache service ${Math.round(rates.cache / 1e6)} MB/s (as measured)`;
  return [
    `## ${suites[name]?.title ?? name}`,
    `${packages.packages} packages, ${megabytes(packages.wheelBytes)} of wheels, ${megabytes(packages.unpackedBytes)} and ${packages.files} files unpacked, ${megabytes(packages.sourceBytes)} of it Python; ${packages.listed} files on their pages; ${repetitions} rounds on ${result.at.slice(0, 10)}; ${rate}.`,
    table(['', 'whole step', 'ratio', ...parts, 'restored', 'saved'], rows),
    ...(hasRequests
      ? [
          'Requests to the index in the last round, with the size where it is large; artifacts are wheels and sdists that were sent whole:',
          table(
            ['', ...kinds.map((kind) => (kind === 'metadata' ? kind : `${kind}s`)), 'artifacts'],
            requests,
          ),
        ]
      : []),
    ...ownText(result),
  ];
}

/** Phases of the action, and the cost of its processes. */
function ownText({ samples, floor }: SuiteResult): string[] {
  const ours = Object.entries(samples).filter(([, list]) => list.some(({ own }) => own));
  if (ours.length === 0) return [];
  const phaseNames = unique(
    ours.flatMap(([, list]) => list.flatMap(({ own }) => Object.keys(own?.phases ?? {}))),
  );
  const phases = ours.map(([id, list]) => [
    titleOf(id),
    ...phaseNames.map((name) => medianOf(list, ({ own }) => own?.phases[name] ?? 0).toFixed(2)),
  ]);
  const roles = ['main', 'post', 'transfer'];
  const costs = ours.map(([id, list]) => [
    titleOf(id),
    ...roles.map((role) => {
      const cpu = medianOf(list, ({ own }) => own?.costs[role]?.cpu ?? 0);
      const memory = medianOf(list, ({ own }) => own?.costs[role]?.memory ?? 0);
      return memory === 0 ? '' : `${cpu.toFixed(2)} s, ${megabytes(memory)}`;
    }),
    seconds(medianOf(list, ({ own }) => own?.costs['main']?.children ?? 0)),
  ]);
  return [
    'Phases as the action reports them:',
    table(['', ...phaseNames], phases),
    `CPU time and peak memory of the action’s own processes (a Node process that does nothing: ${floor.cpu.toFixed(2)} s, ${megabytes(floor.memory)}), and CPU time of everything it starts:`,
    table(['', ...roles, 'started'], costs),
  ];
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** One table for readers in a hurry, and for the project's README. */
function summaryText(results: Results): string[] {
  const columns = Object.entries(suites).flatMap(([name, { title }]) => {
    const samples = results.suites[name]?.samples;
    return samples === undefined || name === 'compiled' ? [] : [{ title, samples }];
  });
  if (columns.length === 0) return [];
  const ids = unique(columns.flatMap(({ samples }) => Object.keys(samples)));
  const rows = ids.map((id) => [
    titleOf(id),
    ...columns.map(({ samples }) => {
      const list = samples[id] ?? [];
      return list.length === 0 ? '' : seconds(total(list).median);
    }),
  ]);
  return [
    '## Summary',
    'Medians. Compare within a column.',
    table(['', ...columns.map(({ title }) => title)], rows),
  ];
}

/** Ratios of medians: this action's lane, the lane that it is compared with, and the limit. */
const ratioTargets: readonly (readonly [
  what: string,
  suite: string,
  ours: string,
  other: string,
  limit: number,
])[] = [
  ['uv, exact hit, stable URLs : setup-uv', 'exact-stable', 'action-uv', 'uv', 1],
  ['uv, exact hit, rotating URLs : setup-uv', 'exact-rotating', 'action-uv', 'uv', 0.8],
  ['uv, exact hit, redirects : setup-uv', 'exact-redirecting', 'action-uv', 'uv', 0.6],
  ['uv, cold : setup-uv', 'cold-stable', 'action-uv', 'uv', 1.2],
  ['uv, one pin changed : setup-uv (cold)', 'bumped-stable', 'action-uv', 'uv', 0.8],
  [
    `pip ${olderPip}, exact hit : setup-python`,
    ...(['exact-stable', 'action-pip-older', 'pip-older', 0.33] as const),
  ],
  [`pip ${newestPip}, exact hit : setup-python`, 'exact-stable', 'action-pip', 'pip', 0.25],
  ['pip, cold : setup-python', 'cold-stable', 'action-pip', 'pip', 0.5],
  ['pip, one pin changed : setup-python', 'bumped-stable', 'action-pip', 'pip', 0.3],
];

/** Bytes that a change may cost beyond the changed wheels. */
const changeOverhead = 64_000;

/** The targets of the project, as far as they have been measured. */
function targetsText(results: Results): string[] {
  const samplesOf = (suite: string, lane: string): readonly Sample[] =>
    results.suites[suite]?.samples[lane] ?? [];
  const rows: string[][] = [];
  const check = (what: string, limit: number, value: number, shown: (each: number) => string) => {
    if (Number.isNaN(value)) return;
    rows.push([what, `≤ ${shown(limit)}`, shown(value), value <= limit ? 'met' : 'missed']);
  };
  const times = (each: number): string => `${each.toFixed(2)} ×`;
  for (const [what, suite, ours, other, limit] of ratioTargets) {
    const [one, two] = [ours, other].map((lane) => total(samplesOf(suite, lane)).median);
    check(what, limit, Number(one) / Number(two), times);
  }
  for (const [lane, installer] of [
    ['action-uv', 'uv'],
    ['action-pip', 'pip'],
  ] as const) {
    const saved = spreadOf(samplesOf('bumped-stable', lane).map((sample) => sample.saved)).most;
    const changed = results.suites['bumped-stable']?.packages.changedBytes ?? Number.NaN;
    const kilobytes = (each: number): string => `${Math.round(each / 1000)} kB`;
    const what = `${installer}, one pin changed: bytes saved`;
    check(what, changed + changeOverhead, saved, kilobytes);
    const artifacts = spreadOf(samplesOf('bumped-stable', lane).map((each) => each.artifacts)).most;
    check(`${installer}, one pin changed: artifacts`, 1, artifacts, String);
  }
  for (const [pin, { changes, service, directory, closure }] of Object.entries(
    results.growth?.storage ?? {},
  )) {
    const what = `storage after ${changes} changes, ${pin} : the closure`;
    check(`${what}; GitHub`, 2, service / closure, times);
    check(`${what}; directory`, 2, directory / closure, times);
  }
  const ours = samplesOf('exact-stable', 'action-uv');
  const cpu = (role: string): number => medianOf(ours, ({ own }) => own?.costs[role]?.cpu ?? 0);
  check('uv, exact hit: own CPU time', 0.4, cpu('main') + cpu('post'), seconds);
  if (rows.length === 0) return [];
  return ['## Targets', table(['target', 'limit', 'measured', ''], rows)];
}

function growthText({ storage, keys, closure }: Growth): string[] {
  const phases = unique(closure.runs.flatMap((run) => Object.keys(run.seconds)));
  return [
    '## Growth',
    'All that is stored after a number of changes of one pin each, none of it deleted; uv fills, and each job restores what the one before it saved:',
    table(
      ['changed pin', 'changes', 'closure', 'GitHub', 'directory store', 'downloads per change'],
      Object.entries(storage).map(([pin, each]) => [
        ...[pin, String(each.changes), megabytes(each.closure), megabytes(each.service)],
        ...[megabytes(each.directory), String(each.downloads)],
      ]),
    ),
    table(
      ['`wheelhouse key`', 'whole command', 'memory'],
      keys.map((each) => [each.of, seconds(each.seconds), megabytes(each.memory)]),
    ),
    table(
      [`${closure.packages} packages from one line`, ...phases],
      closure.runs.map((run) => [
        run.hit,
        ...phases.map((name) => seconds(run.seconds[name] ?? 0)),
      ]),
    ),
  ];
}

/** Suites in the chart, with their titles there. */
const charted = {
  'exact-stable': 'exact hit, stable URLs',
  'exact-rotating': 'exact hit, a new token in each URL',
  'exact-redirecting': 'exact hit, redirects to signed URLs',
  'bumped-stable': 'one pin changed',
} as const;

/** The chart of whole steps on exact hits and after a change; undefined if none was measured. */
function pictureOf(results: Results): string | undefined {
  const groups = Object.entries(charted).flatMap(([name, title]): Group[] => {
    const result = results.suites[name];
    if (result === undefined) return [];
    const bars = Object.entries(result.samples)
      .filter(([, samples]) => samples.length > 0)
      .map(([id, samples]): Bar => {
        const medians = parts.map((part) => [
          part,
          medianOf(samples, (each) => each.parts[part] ?? 0),
        ]);
        const kind = id.startsWith('action-') ? 'ours' : 'other';
        const ofParts = Object.fromEntries(medians);
        return { title: titleOf(id), kind, total: total(samples), parts: ofParts };
      });
    return [{ title, bars }];
  });
  if (groups.length === 0) return undefined;
  return plot(groups, 'Seconds for a whole step that installs, by installation method');
}
