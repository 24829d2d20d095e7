/** What a run says of itself: for the job summary, for the log, for a terminal. */
import { changes, type Wheel } from './manifest.ts';

export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

export interface Report {
  readonly hit: 'exact' | 'partial' | 'miss';
  readonly primaryKey: string;
  readonly matchedKey: string | undefined;
  /** Sound wheels that the run started with. */
  readonly before: readonly Wheel[];
  readonly wheels: readonly Wheel[];
  /** Names of what was installed from its own place. */
  readonly direct: readonly string[];
  /** Seconds that filling took when nothing was there; undefined: not known. */
  readonly effort: number | undefined;
  /** In the order in which they ended; some are at work at the same time. */
  readonly phases: readonly Phase[];
  /** Of the whole run. */
  readonly seconds: number;
  /** The index that was asked, and why that one; undefined: none was. */
  readonly index: { readonly shown: string; readonly why: string } | undefined;
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

/** Wheels and bytes by where they came from. */
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

/** `3.4 MB`; decimal units. */
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

/** One sentence: what kind of run it was and where its wheels came from. */
export function headline(report: Report): string {
  const { cache, downloaded, built } = totals(report);
  const parts = [
    `${cache.count} from the cache (${size(cache.bytes)})`,
    `${downloaded.count} downloaded (${size(downloaded.bytes)})`,
    `${built.count} built`,
  ];
  const asked = report.index ? '' : ', 0 index requests';
  return `${hitNames[report.hit]}${asked}: ${report.wheels.length} wheels, ${parts.join(', ')}`;
}

/** `boto3 1.34.0 → 1.35.2`, `+ six 1.16.0`, `- idna 3.7`; empty without an earlier wheelhouse. */
export function changeLines(report: Report): string[] {
  if (report.before.length === 0) return [];
  return changes(report.before, report.wheels).map(({ name, from, to }) => {
    if (from === undefined) return `+ ${name} ${to}`;
    return to === undefined ? `- ${name} ${from}` : `${name} ${from} → ${to}`;
  });
}

/** What the cache has spared; empty when it has not, or it is not known. */
function savings(report: Report): string[] {
  const { hit, effort } = report;
  const { cache } = totals(report);
  if (hit !== 'exact' || effort === undefined || cache.bytes === 0) return [];
  return [`saved: ${size(cache.bytes)} and about ${seconds(effort)} of downloading and building`];
}

/** Plain text for a log or a terminal. */
export function formatReport(report: Report): string[] {
  const times = report.phases.map(({ name, seconds: value }) => `${name} ${seconds(value)}`);
  const changed = changeLines(report);
  return [
    headline(report),
    ...savings(report),
    ...(changed.length > 0 ? [`changed: ${changed.join(', ')}`] : []),
    ...(report.index ? [`index: ${report.index.shown || 'none'} (${report.index.why})`] : []),
    ...(report.direct.length > 0 ? [`from their own place: ${report.direct.join(', ')}`] : []),
    `time: ${seconds(report.seconds)} (${times.join(', ')})`,
  ].map(oneLine);
}

const roleNames = { runtime: '', build: ' (to build)', tool: ' (to install)' } as const;

/** GitHub-flavoured Markdown for the job summary. */
export function formatSummary(report: Report): string {
  const rows = rowsOf(report).map(
    ({ wheel, from }) =>
      `| ${cell(wheel.name)}${roleNames[wheel.role]} | ${cell(wheel.version)} | ${from} | ${size(wheel.size)} |`,
  );
  const changed = changeLines(report);
  const times = report.phases.map(({ name, seconds: value }) => `${name} ${seconds(value)}`);
  return [
    `### Wheelhouse: ${headline(report)}`,
    '',
    ...savings(report).flatMap((line) => [line, '']),
    ...(changed.length > 0
      ? [`Changed: ${changed.map((line) => `\`${oneLine(line)}\``).join(', ')}`, '']
      : []),
    ...(report.direct.length > 0
      ? [`From their own place: ${report.direct.map(cell).join(', ')}`, '']
      : []),
    ...(report.index
      ? [`Index: \`${report.index.shown || 'none'}\` (${report.index.why})`, '']
      : []),
    '<details><summary>Wheels</summary>',
    '',
    '| package | version | from | size |',
    '| --- | --- | --- | --: |',
    ...rows,
    '',
    '</details>',
    '',
    `Key \`${report.primaryKey}\`${report.matchedKey === undefined ? '' : `, matched \`${report.matchedKey}\``}. ${times.join(', ')}.`,
    '',
  ].join('\n');
}

/** Text from metadata must not begin a line of its own. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

/** Text from metadata must not end a cell or open a tag. */
function cell(text: string): string {
  return oneLine(text).replace(/[|<>&`\\[\]]/g, (character) => `&#${character.charCodeAt(0)};`);
}
