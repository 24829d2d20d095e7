import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { Wheel } from '../../src/logic/manifest.ts';
import {
  changeLines,
  formatReport,
  formatSummary,
  headline,
  type Report,
  size,
  totals,
} from '../../src/logic/summary.ts';

const wheel = (
  name: string,
  version: string,
  bytes: number,
  change: Partial<Wheel> = {},
): Wheel => ({
  name,
  project: name,
  version,
  file: `${name}-${version}-py3-none-any.whl`,
  sha256: `${name}${version}`,
  size: bytes,
  origin: 'downloaded',
  role: 'runtime',
  ...change,
});

const report: Report = {
  hit: 'partial',
  primaryKey: 'wheelhouse-v2-linux-2026-w47',
  matchedKey: 'wheelhouse-v2-linux-2026-w46',
  before: [
    wheel('boto3', '1.34.0', 10),
    wheel('idna', '3.7', 10),
    wheel('numpy', '2.0', 2_000_000),
  ],
  wheels: [
    wheel('six', '1.16.0', 11_000),
    wheel('numpy', '2.0', 2_000_000),
    wheel('boto3', '1.35.2', 140_000),
    wheel('sd', '1.0', 900, { origin: 'built' }),
    wheel('hatchling', '1.2', 80_000, { role: 'build' }),
  ],
  direct: ['local'],
  effort: undefined,
  phases: [
    { name: 'restore', seconds: 1.234 },
    { name: 'fill', seconds: 12.34 },
  ],
  seconds: 12.5,
  index: { shown: 'https://h.example/simple', why: 'pip is configured' },
  releaseAge: undefined,
};
const exact: Report = {
  ...report,
  hit: 'exact',
  before: report.wheels,
  direct: [],
  index: undefined,
};
const miss: Report = { ...report, hit: 'miss', matchedKey: undefined, before: [], direct: [] };

test('a wheel of the earlier wheelhouse counts as from the cache, whatever its origin', () => {
  assert.deepEqual(totals(report), {
    cache: { count: 1, bytes: 2_000_000 },
    downloaded: { count: 3, bytes: 231_000 },
    built: { count: 1, bytes: 900 },
  });
  assert.deepEqual(totals(exact).cache, { count: 5, bytes: 2_231_900 });
});

describe('headline', () => {
  for (const [each, expected] of [
    [report, 'partial hit: 5 wheels, 1 from the cache (2.0 MB), 3 downloaded (231 kB), 1 built'],
    [
      exact,
      'exact hit, 0 index requests: 5 wheels, 5 from the cache (2.2 MB), 0 downloaded (0 B), 0 built',
    ],
    [miss, 'miss: 5 wheels, 0 from the cache (0 B), 4 downloaded (2.2 MB), 1 built'],
    [
      { ...miss, wheels: report.wheels.slice(0, 1) },
      'miss: 1 wheel, 0 from the cache (0 B), 1 downloaded (11 kB), 0 built',
    ],
  ] as const) {
    test(expected, () => assert.equal(headline(each), expected));
  }
});

test('the changes name updated, new and removed packages, but no build requirements', () => {
  assert.deepEqual(changeLines(report), [
    'boto3 1.34.0 → 1.35.2',
    '- idna 3.7',
    '+ sd 1.0',
    '+ six 1.16.0',
  ]);
  assert.deepEqual(changeLines(exact), []);
  assert.deepEqual(changeLines(miss), []);
});

describe('size', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [10_000, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [3_400_000, '3.4 MB'],
    [2_500_000_000, '2.5 GB'],
    [5_000_000_000_000, '5.0 TB'],
    [5_000_000_000_000_000, '5000 TB'],
  ] as const) {
    test(`${bytes} bytes are ${text}`, () => assert.equal(size(bytes), text));
  }
});

test('the log report lists changes, sources, the index and the times', () => {
  assert.deepEqual(formatReport(report), [
    headline(report),
    'changed: boto3 1.34.0 → 1.35.2, - idna 3.7, + sd 1.0, + six 1.16.0',
    'installed from source: local',
    'index: https://h.example/simple (pip is configured)',
    'time: 12.5 s (restore 1.23 s, fill 12.3 s)',
  ]);
  assert.deepEqual(formatReport(exact).slice(1), ['time: 12.5 s (restore 1.23 s, fill 12.3 s)']);
});

test('a minimum release age is in the log and in the job summary, of an exact hit too', () => {
  for (const each of [report, exact]) {
    const limited = { ...each, releaseAge: '7 days, except alpha' };
    const line = 'minimum release age: 7 days, except alpha';
    assert.ok(formatReport(limited).includes(line));
    assert.ok(formatSummary(limited).includes(`\nM${line.slice(1)}\n`));
    assert.ok(!formatSummary(each).includes('release age'));
  }
});

test('only an exact hit with a known effort says what it saves', () => {
  const line = 'saved: 2.2 MB and about 12.5 s of downloading and building';
  const known = { ...exact, effort: 12.5 };
  assert.ok(formatReport(known).includes(line), formatReport(known).join('\n'));
  assert.ok(formatSummary(known).includes(line.replace('saved', 'Saved')));
  for (const other of [exact, { ...report, effort: 12.5 }]) {
    assert.ok(!formatReport(other).some((each) => each.startsWith('saved')));
  }
});

describe('job summary', () => {
  test('the job summary has every section in order', () => {
    assert.equal(
      formatSummary(report),
      `### Wheelhouse: ${headline(report)}

Changed: \`boto3 1.34.0 → 1.35.2\`, \`- idna 3.7\`, \`+ sd 1.0\`, \`+ six 1.16.0\`

Installed from source: \`local\`

Index: \`https://h.example/simple\` (pip is configured)

<details><summary>Wheels</summary>

| package | version | from | size |
| --- | --- | --- | --: |
| boto3 | 1.35.2 | downloaded | 140 kB |
| hatchling (to build) | 1.2 | downloaded | 80 kB |
| numpy | 2.0 | cache | 2.0 MB |
| sd | 1.0 | built | 900 B |
| six | 1.16.0 | downloaded | 11 kB |

</details>

Key \`wheelhouse-v2-linux-2026-w47\`, matched \`wheelhouse-v2-linux-2026-w46\`. restore 1.23 s, fill 12.3 s.
`,
    );
  });

  test('the job summary of a miss has no changes, no sources and no matched key', () => {
    const text = formatSummary(miss);
    assert.doesNotMatch(text, /Changed|from source|matched/);
    assert.match(text, /Key `wheelhouse-v2-linux-2026-w47`\. /);
  });

  test('metadata in the job summary is neither HTML nor Markdown', () => {
    const text = formatSummary({ ...report, direct: ['<img src=x>|`[a](b)\\'] });
    assert.match(text, /^Installed from source: `<img src=x>\|'\[a\]\(b\)\\`$/m);
  });

  test('metadata in a report never begins a new line', () => {
    const text = formatSummary({ ...report, direct: ['a\n# b'] });
    assert.doesNotMatch(text, /^# b/m);
    assert.ok(
      formatReport({ ...report, direct: ['a\n::error::b'] }).every((line) => !line.includes('\n')),
    );
  });
});
