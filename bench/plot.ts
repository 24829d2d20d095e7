/** The chart: horizontal bars as SVG, each split into the parts of a step. */
import type { Part } from './lanes.ts';
import type { Spread } from './statistics.ts';

export interface Bar {
  readonly title: string;
  /** This action, or a method that it is compared with. */
  readonly kind: 'ours' | 'other';
  readonly total: Spread;
  /** Medians of the parts. */
  readonly parts: Readonly<Partial<Record<Part, number>>>;
}

export interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const width = 760;
const labels = 290;
const valueWidth = 64;
const barHeight = 15;
const pitch = 23;
const partNames: Readonly<Record<Part, string>> = {
  restore: 'restore',
  environment: 'environment',
  install: 'install',
  rest: 'start, report',
  post: 'post',
};
const shown: readonly Part[] = ['restore', 'environment', 'install', 'rest', 'post'];

// Both greys of the text are readable on white and on black; colours change with the reader's theme.
const style = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #59636e; }
  .title { font-weight: 600; fill: #1f2328; }
  .value { font-variant-numeric: tabular-nums; }
  .ours { font-weight: 600; fill: #1f2328; }
  .grid { stroke: #8c959f; stroke-opacity: .25; }
  .spread { stroke: #59636e; stroke-width: 1.2; }
  .restore { fill: #6e9bd1; } .environment { fill: #c9a24d; } .install { fill: #4f9d7c; }
  .rest { fill: #a98bc4; } .post { fill: #c4788a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; } .title, .ours { fill: #f0f6fc; } .spread { stroke: #9198a1; }
  }`;

export function plot(groups: readonly Group[], description: string): string {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ total }) => total.most)));
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((each) => most / each <= 8) ?? 100;
  const scale = (width - labels - valueWidth) / most;
  const x = (value: number): string => (labels + value * scale).toFixed(1);
  const body: string[] = [];
  let y = 34;
  for (const { title, bars } of groups) {
    y += 10;
    body.push(`<text class="title" x="0" y="${y}">${escaped(title)}</text>`);
    y += 9;
    const bottom = y + bars.length * pitch;
    for (let value = 0; value <= most; value += step) {
      body.push(`<path class="grid" d="M${x(value)} ${y}V${bottom}"/>`);
    }
    for (const bar of bars) {
      const top = y + (pitch - barHeight) / 2;
      const base = top + barHeight - 3.5;
      const label = `<text class="${bar.kind}" text-anchor="end" x="${labels - 8}" y="${base}">`;
      body.push(`${label}${escaped(bar.title)}</text>`);
      let from = 0;
      // The medians of the parts do not necessarily add up to the median of the whole.
      const sum = shown.reduce((total, part) => total + (bar.parts[part] ?? 0), 0);
      const fit = sum > 0 ? bar.total.median / sum : 0;
      for (const part of shown) {
        const value = (bar.parts[part] ?? 0) * fit;
        const size = `width="${(value * scale).toFixed(1)}" height="${barHeight}"`;
        if (value > 0) body.push(`<rect class="${part}" x="${x(from)}" y="${top}" ${size}/>`);
        from += value;
      }
      const middle = top + barHeight / 2;
      body.push(
        `<path class="spread" d="M${x(bar.total.least)} ${middle}H${x(bar.total.most)}"/>`,
        `<text class="value ${bar.kind}" x="${Number(x(bar.total.most)) + 7}" y="${base}">${bar.total.median.toFixed(1)} s</text>`,
      );
      y += pitch;
    }
    y += 14;
  }
  const legend: string[] = [];
  let left = labels;
  for (const part of shown) {
    legend.push(
      `<rect class="${part}" x="${left}" y="6" width="11" height="11"/>`,
      `<text x="${left + 16}" y="16">${partNames[part]}</text>`,
    );
    left += Math.round(30 + partNames[part].length * 6.2);
  }
  const height = y + 4;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(description)}</title>`,
    `<style>${style}\n</style>`,
    ...legend,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
