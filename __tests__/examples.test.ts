/** Runs the scripts of the examples unchanged, and compares templates with action.yml. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { root } from '../scripts/tools.mjs';
import { readActionManifest } from './support/runner.ts';
import { type Mapping, parseYaml } from './support/yaml.ts';

const skip = spawnSync('openssl', ['version']).error ? 'openssl is not installed' : false;

test('publish.yml: the text of whoever starts it can set one output and no other', {
  skip,
}, (t) => {
  const text = readFileSync(join(root, 'examples', 'publish.yml'), 'utf8');
  const jobs = Object.values(parseYaml(text)['jobs'] as Record<string, { steps: Mapping[] }>);
  const steps = jobs.flatMap((job) => job.steps);
  const script = steps.find(({ name }) => name === 'One requirement per line')?.['run'];
  const place = mkdtempSync(join(tmpdir(), 'examples-'));
  t.after(() => rmSync(place, { recursive: true }));
  const output = join(place, 'output');
  const packages = 'requests>=2.31 END_OF_PACKAGES other<<END wrong END other=wrong';
  const { status, stderr } = spawnSync('bash', ['-e', '-c', String(script)], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', PACKAGES: packages, GITHUB_OUTPUT: output },
  });
  assert.equal(status, 0, stderr);
  const [first = '', ...lines] = readFileSync(output, 'utf8').trimEnd().split('\n');
  const [, end] = /^packages<<([0-9a-f]{32})$/.exec(first) ?? [];
  assert.equal(lines.indexOf(String(end)), lines.length - 1);
  assert.deepEqual(lines.slice(0, -1), packages.split(' '));
});

describe('every input of the action is passed on by', () => {
  const inputs = Object.keys(readActionManifest(root).inputs);
  /** Inputs that have no meaning there, or that are passed in the environment. */
  const table: readonly (readonly [string, (input: string) => string, readonly string[]])[] = [
    [
      '.github/workflows/install.yml',
      (input) => `          ${input}: \${{ `,
      [
        ...['compile-bytecode', 'export', 'install', 'python', 'restore-cache', 'save-cache'],
        ...['trusted-host', 'wheelhouse'],
      ],
    ],
    ...['templates/gitlab/wheelhouse.yml', 'templates/azure-pipelines/wheelhouse.yml'].map(
      (file) =>
        [
          file,
          (input: string) => `--${input}=`,
          [
            ...['export', 'extra-index-url', 'index-password', 'index-url', 'mirror-url'],
            ...['restore-cache', 'save-cache'],
          ],
        ] as const,
    ),
  ];
  for (const [file, form, others] of table) {
    test(file, () => {
      const text = readFileSync(join(root, file), 'utf8');
      const missing = inputs.filter((input) => !text.includes(form(input)));
      assert.deepEqual(
        missing.filter((input) => !others.includes(input)),
        [],
      );
    });
  }
});
