/** Writes the results: tables in Markdown, and the chart. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { RequestKind } from '../__tests__/support/index-server.ts';
import type { Growth } from './growth.ts';
import { lanes, type Part, parts, type Sample } from './lanes.ts';
import { type Bar, type Group, plot } from './plot.ts';
import { megabytes, type Spread, seconds, spreadOf, table } from './statistics.ts';
import { type SuiteResult, suites } from './suites.ts';

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
  /** By `<packages>/<suite>`. */
  suites: Record<string, SuiteResult>;
  growth?: Growth;
}

/** The set that the summary, the targets and the chart are about. */
const reference = 86;

export function writeReport(output: string, results: Results): void {
  const picture = pictureOf(results);
  if (picture !== undefined) writeFileSync(join(output, 'warm-step.svg'), picture);
  const bySize = Object.keys(results.suites).sort(
    (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || order(a) - order(b),
  );
  const text = [
    '# Results',
    'Written by `npm run bench`; see [how it measures](README.md). Compare figures within a table only: each table is one interleaved run. Times are seconds for the whole step: median (minimum – maximum).',
    ...(picture === undefined ? [] : ['![Duration of whole warm steps](warm-step.svg)']),
    ...(results.machine ? [machineText(results.machine)] : []),
    ...summaryText(results),
    ...targetsText(results),
    ...bySize.flatMap((key) => suiteText(key, results.suites[key] as SuiteResult)),
    ...scaleText(results),
    ...(results.growth ? growthText(results.growth) : []),
  ];
  writeFileSync(join(output, 'results.md'), `${text.join('\n\n')}\n`);
}

function order(key: string): number {
  return Object.keys(suites).indexOf(key.split('/')[1] ?? '');
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

function entrySize(samples: readonly Sample[]): string {
  const bytes = medianOf(samples, (sample) => sample.entry);
  return bytes === 0 ? '' : megabytes(bytes);
}

const kinds: readonly RequestKind[] = ['page', 'metadata', 'wheel', 'sdist', 'redirect'];

function suiteText(key: string, result: SuiteResult): string[] {
  const [, name = ''] = key.split('/');
  const { set, rates, samples, repetitions } = result;
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
      entrySize(list),
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
    `## ${set.packages} packages: ${suites[name]?.title ?? name}`,
    `${megabytes(set.wheelBytes)} of wheels, ${megabytes(set.unpackedBytes)} and ${set.files} files unpacked, ${megabytes(set.sourceBytes)} of it Python; ${repetitions} rounds on ${result.at.slice(0, 10)}; ${rate}.`,
    table(['', 'whole step', 'ratio', ...parts, 'cache entry'], rows),
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
  const columns = ['exact', 'rotating', 'redirecting', 'partial', 'compiled', 'cold'].flatMap(
    (name) => {
      const result = results.suites[`${reference}/${name}`];
      return result === undefined ? [] : [{ title: short[name] ?? name, samples: result.samples }];
    },
  );
  // A lane with `-compile` is the same lane with bytecode compilation turned on.
  const lane = (id: string): string => id.replace(/-compile$/, '');
  const ids = unique(columns.flatMap(({ samples }) => Object.keys(samples).map(lane)));
  if (columns.length === 0) return [];
  const rows = ids.map((id) => [
    titleOf(id),
    ...columns.map(({ samples }) => {
      const list = samples[id] ?? samples[`${id}-compile`] ?? [];
      return list.length === 0 ? '' : seconds(total(list).median);
    }),
  ]);
  return [
    `## Summary for ${reference} packages`,
    'Medians. Compare within a column.',
    table(['', ...columns.map(({ title }) => title)], rows),
  ];
}

const short: Readonly<Record<string, string>> = {
  exact: 'exact hit',
  rotating: 'rotating URLs',
  redirecting: 'redirects',
  partial: 'one pin changed',
  compiled: 'all compile bytecode',
  cold: 'cold',
};

/** The targets of the project, as far as they have been measured. */
function targetsText(results: Results): string[] {
  const suite = (name: string): SuiteResult | undefined => results.suites[`${reference}/${name}`];
  const median = (name: string, lane: string): number =>
    total(suite(name)?.samples[lane] ?? []).median;
  const rows: string[][] = [];
  const check = (what: string, limit: number, value: number, shown: (each: number) => string) => {
    if (Number.isNaN(value)) return;
    rows.push([what, `≤ ${shown(limit)}`, shown(value), value <= limit ? 'met' : 'missed']);
  };
  const ratio = (what: string, limit: number, name: string, ours: string, other: string): void =>
    check(what, limit, median(name, ours) / median(name, other), (each) => `${each.toFixed(2)} ×`);
  ratio('exact hit, pip: vs. pip with its restored cache', 0.25, 'exact', 'action-pip', 'pip');
  ratio('the same, rotating URLs', 0.15, 'rotating', 'action-pip', 'pip');
  ratio('exact hit, pip: vs. the classic two commands', 0.25, 'exact', 'action-pip', 'classic');
  ratio('exact hit, uv: vs. uv with its restored cache', 1, 'exact', 'action-uv', 'uv');
  ratio('exact hit, uv: vs. a restored virtual environment', 1, 'exact', 'action-uv', 'venv');
  ratio('exact hit, uv: vs. only unpacking', 2.5, 'exact', 'action-uv', 'unpack');
  ratio(
    'one pin changed, pip: vs. pip with its restored cache',
    0.5,
    'partial',
    'action-pip',
    'pip',
  );
  const partial = suite('partial')?.samples['action-pip'];
  if (partial) {
    const counts = unique(partial.map((sample) => sample.artifacts));
    const isMet = counts.length === 1 && counts[0] === 1;
    rows.push([
      'one pin changed, pip: artifacts',
      '1',
      counts.join(', '),
      isMet ? 'met' : 'missed',
    ]);
  }
  const exact = suite('exact');
  const ours = exact?.samples['action-pip'] ?? [];
  const cost = (role: string, what: 'cpu' | 'memory'): number =>
    medianOf(ours, ({ own }) => own?.costs[role]?.[what] ?? 0);
  const ownCpu = cost('main', 'cpu') + cost('post', 'cpu');
  check('exact hit, pip: CPU time of main and post', 0.6, ownCpu, (each) => seconds(each));
  const memory =
    Math.max(cost('main', 'memory'), cost('post', 'memory')) - (exact?.floor.memory ?? 0);
  check('exact hit, pip: memory beyond an idle Node process', 120e6, memory, megabytes);
  const others = Math.min(median('compiled', 'pip'), median('compiled', 'classic'));
  const compiled = median('compiled', 'action-pip-compile');
  const shown = (each: number): string => `${each.toFixed(2)} ×`;
  check('all compile, pip: vs. the faster of the two pip methods', 1, compiled / others, shown);
  if (results.growth) {
    const excess = Math.max(...results.growth.changes.map((each) => each.entry / each.closure - 1));
    const percent = (each: number): string => `${(100 * each).toFixed(1)} %`;
    const what = `${results.growth.changes.length} changes: size of the entry beyond its wheels`;
    check(what, 0.02, excess, percent);
  }
  if (rows.length === 0) return [];
  return [`## Targets for ${reference} packages`, table(['target', 'limit', 'measured', ''], rows)];
}

/** The action's own cost for sets of different sizes, to see whether it is linear in bytes. */
function scaleText(results: Results): string[] {
  const exact = Object.entries(results.suites)
    .filter(([key]) => key.endsWith('/exact'))
    .map(([, result]) => result)
    .sort((a, b) => a.set.packages - b.set.packages);
  if (exact.length < 2) return [];
  const rows = exact.map(({ set, samples }) => {
    const ours = samples['action-pip'] ?? [];
    const cost = (role: string, what: 'cpu' | 'memory'): number =>
      medianOf(ours, ({ own }) => own?.costs[role]?.[what] ?? 0);
    return [
      `${set.packages} packages, ${megabytes(set.wheelBytes)}`,
      seconds(cost('main', 'cpu') + cost('post', 'cpu')),
      megabytes(cost('main', 'memory')),
      seconds(cost('transfer', 'cpu')),
      megabytes(cost('transfer', 'memory')),
    ];
  });
  const head = [
    'exact hit',
    'CPU time, main and post',
    'memory, main',
    'CPU time, transfer',
    'memory, transfer',
  ];
  return ['## The action’s own cost by size', table(head, rows)];
}

function growthText({ changes, keys, closure }: Growth): string[] {
  const excess = spreadOf(changes.map((each) => 100 * (each.entry / each.closure - 1)));
  const sizes = spreadOf(changes.map((each) => each.entry));
  const downloads = unique(changes.map((each) => each.downloads)).join(' or ');
  const phases = unique(closure.runs.flatMap((run) => Object.keys(run.seconds)));
  return [
    '## Growth',
    `${changes.length} changes of one pin of 16, each of which updates the previous entry: the entry is ${excess.least.toFixed(2)} – ${excess.most.toFixed(2)} % bigger than its wheels (${megabytes(sizes.least)} – ${megabytes(sizes.most)}), each change downloads ${downloads} artifact, and the median run takes ${seconds(spreadOf(changes.map((each) => each.seconds)).median)}.`,
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

/** The chart of whole warm steps on the three kinds of URLs; undefined if none was measured. */
function pictureOf(results: Results): string | undefined {
  const available = Object.keys(results.suites).map((key) => Number.parseInt(key, 10));
  const size = available.includes(reference) ? reference : Math.max(0, ...available);
  const titles: Record<string, string> = {
    exact: 'stable URLs',
    rotating: 'a new token in each URL',
    redirecting: 'redirects to signed URLs',
    partial: 'one pin changed',
  };
  const groups = Object.entries(titles).flatMap(([name, title]): Group[] => {
    const result = results.suites[`${size}/${name}`];
    if (result === undefined) return [];
    const bars = Object.entries(result.samples)
      .filter(([, samples]) => samples.length > 0)
      .map(([id, samples]): Bar => {
        const medians = parts.map((part) => [
          part,
          medianOf(samples, (each) => each.parts[part] ?? 0),
        ]);
        const kind = id.startsWith('action-') ? 'ours' : id === 'unpack' ? 'floor' : 'other';
        const ofParts = Object.fromEntries(medians);
        return { title: titleOf(id), kind, total: total(samples), parts: ofParts };
      });
    return [{ title, bars }];
  });
  if (groups.length === 0) return undefined;
  return plot(
    groups,
    `Seconds for a whole warm step with ${size} packages, by installation method`,
  );
}
