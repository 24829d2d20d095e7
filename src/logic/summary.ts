/** The report of a run: for the job summary, the log and a terminal. */
import { changes, type Wheel } from './manifest.ts';

export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

export interface Report {
  readonly hit: 'exact' | 'partial' | 'miss';
  readonly primaryKey: string;
  readonly matchedKey: string | undefined;
  /** Intact wheels that the run started with. */
  readonly before: readonly Wheel[];
  readonly wheels: readonly Wheel[];
  /** Names of the projects that were installed from source. */
  readonly direct: readonly string[];
  /** Seconds that a fill without any wheels took; undefined when not known. */
  readonly effort: number | undefined;
  /** In the order in which they ended; some overlap. */
  readonly phases: readonly Phase[];
  /** Of the whole run. */
  readonly seconds: number;
  /** The index of the fill, and the reason for the choice; undefined when no index was used. */
  readonly index: { readonly shown: string; readonly why: string } | undefined;
  /** The minimum age of the files that were chosen, for people; undefined for none. */
  readonly releaseAge: string | undefined;
}

interface Row {
  readonly wheel: Wheel;
  readonly from: 'cache' | 'downloaded' | 'built';
}

function rowsOf(report: Report): Row[] {
  const before = new Set(report.before.map((wheel) => wheel.sha256));
  return [...report.wheels]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((wheel) => ({ wheel, from: before.has(wheel.sha256) ? 'cache' : wheel.origin }));
}

/** The number and the bytes of the wheels, by where they came from. */
export function totals(report: Report): Record<Row['from'], { count: number; bytes: number }> {
  const sums = {
    cache: { count: 0, bytes: 0 },
    downloaded: { count: 0, bytes: 0 },
    built: { count: 0, bytes: 0 },
  };
  for (const { wheel, from } of rowsOf(report)) {
    sums[from].count += 1;
    sums[from].bytes += wheel.size;
  }
  return sums;
}

/** `3.4 MB`, in decimal units. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function seconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} s`;
}

const hitNames = { exact: 'exact hit', partial: 'partial hit', miss: 'miss' } as const;

/** One sentence: the kind of hit and where the wheels came from. */
export function headline(report: Report): string {
  const { cache, downloaded, built } = totals(report);
  const count = report.wheels.length;
  const parts = [
    `${count} wheel${count === 1 ? '' : 's'}`,
    `${cache.count} from the cache (${size(cache.bytes)})`,
    `${downloaded.count} downloaded (${size(downloaded.bytes)})`,
    `${built.count} built`,
  ];
  const requests = report.index ? '' : ', 0 index requests';
  return `${hitNames[report.hit]}${requests}: ${parts.join(', ')}`;
}

/** `boto3 1.34.0 → 1.35.2`, `+ six 1.16.0`, `- idna 3.7`; empty without an earlier wheelhouse. */
export function changeLines(report: Report): string[] {
  if (report.before.length === 0) return [];
  return changes(report.before, report.wheels).map(({ name, from, to }) => {
    if (from === undefined) return `+ ${name} ${to}`;
    return to === undefined ? `- ${name} ${from}` : `${name} ${from} → ${to}`;
  });
}

/** Everything below the headline but the times. @param mark puts a name into its form */
function details(report: Report, mark: (text: string) => string): string[] {
  const { hit, effort, direct, index, releaseAge } = report;
  const { bytes } = totals(report).cache;
  const isSaving = hit === 'exact' && effort !== undefined && bytes > 0;
  const listed = (label: string, names: readonly string[]): string[] =>
    names.length > 0 ? [`${label}: ${names.map(mark).join(', ')}`] : [];
  return [
    ...(isSaving
      ? [`saved: ${size(bytes)} and about ${seconds(effort)} of downloading and building`]
      : []),
    ...listed('changed', changeLines(report)),
    ...listed('installed from source', direct),
    ...(releaseAge ? [`minimum release age: ${releaseAge}`] : []),
    ...(index ? [`index: ${mark(index.shown || 'none')} (${oneLine(index.why)})`] : []),
  ];
}

function times({ phases }: Report): string {
  return phases.map((phase) => `${phase.name} ${seconds(phase.seconds)}`).join(', ');
}

/** Plain text for a log or a terminal. */
export function formatReport(report: Report): string[] {
  return [
    headline(report),
    ...details(report, oneLine),
    `time: ${seconds(report.seconds)} (${times(report)})`,
  ];
}

const roleNames = { runtime: '', build: ' (to build)', tool: ' (to install)' } as const;

/** GitHub-flavoured Markdown for the job summary. */
export function formatSummary(report: Report): string {
  const { primaryKey, matchedKey } = report;
  const matched = matchedKey === undefined ? '' : `, matched ${code(matchedKey)}`;
  return [
    `### Wheelhouse: ${headline(report)}`,
    '',
    ...details(report, code).flatMap((text) => [text.charAt(0).toUpperCase() + text.slice(1), '']),
    '<details><summary>Wheels</summary>',
    '',
    '| package | version | from | size |',
    '| --- | --- | --- | --: |',
    ...rowsOf(report).map(
      ({ wheel, from }) =>
        `| ${cell(wheel.name)}${roleNames[wheel.role]} | ${cell(wheel.version)} | ${from} | ${size(wheel.size)} |`,
    ),
    '',
    '</details>',
    '',
    `Key ${code(primaryKey)}${matched}. ${times(report)}.`,
    '',
  ].join('\n');
}

/** Text from metadata must not begin a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

/** Text from metadata must not end a code span. */
function code(text: string): string {
  return `\`${oneLine(text).replaceAll('`', "'")}\``;
}

/** Text from metadata must not end a cell or open a tag. */
function cell(text: string): string {
  return oneLine(text).replace(/[|<>&`\\[\]]/g, (character) => `&#${character.charCodeAt(0)};`);
}
