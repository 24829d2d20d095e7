/**
 * Requirement files of public projects with `installer: uv`, each compared with `uv pip install`: the
 * same files are installed; a second run of some makes no index request.
 * `npm run test:live`; see CONTRIBUTING.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';

import { uvCommand } from '../../scripts/tools.mjs';
import { entry } from '../support/command-line.ts';
import type { Case } from './case.ts';
import { forms } from './cases/forms.ts';
import { nested } from './cases/nested.ts';
import { pinned } from './cases/pinned.ts';
import {
  contentOf,
  differences,
  findPythons,
  type Leg,
  legsOf,
  makeEnvironment,
} from './environments.ts';
import { offline } from './offline.ts';
import { environmentIn, type Place, run } from './runs.ts';

const wanted = process.env['LIVE_CASES'] ?? '';
const legs = legsOf(findPythons());
const uvCache = realpathSync(mkdtempSync(join(tmpdir(), 'uv-cache-')));
after(() => rmSync(uvCache, { recursive: true, force: true }));

/** Where the product is meant to differ from uv. */
const stricter: Readonly<Record<string, RegExp>> = {};

/** Cases with nothing but requirement files, constraints and packages. */
const cases = [...forms, ...pinned, ...nested].filter(
  ({ vendored, by = 'command line', files = {} }) =>
    vendored === undefined &&
    by === 'command line' &&
    // pip installs local projects.
    !Object.values(files).some((content) => /^\s*-e /m.test(String(content))),
);

function dedent(text: string): string {
  const [, indentation = ''] = /^\n( *)/.exec(text) ?? [];
  if (!text.startsWith('\n')) return text;
  return text.slice(1).replace(new RegExp(`^ {1,${indentation.length}}`, 'gm'), '');
}

async function startAfresh(each: Case, leg: Leg, place: Place): Promise<void> {
  rmSync(place.project, { recursive: true, force: true });
  rmSync(place.environment, { recursive: true, force: true });
  for (const [file, content] of Object.entries({ '.keep': '', ...each.files })) {
    mkdirSync(dirname(join(place.project, file)), { recursive: true });
    const bytes = typeof content === 'string' ? dedent(content) : content;
    writeFileSync(join(place.project, file), bytes);
  }
  await makeEnvironment(leg, place.environment);
}

/** The variables of both: without pip's settings of this machine, which uv does not read. */
function variables(place: Place): Record<string, string> {
  const all = environmentIn(place);
  const own = Object.entries(all).filter(([name]) => !name.startsWith('PIP_'));
  const index = all['PIP_INDEX_URL'];
  return {
    ...Object.fromEntries(own),
    PATH: [dirname(uvCommand()), process.env['PATH'] ?? ''].join(delimiter),
    ...(index === undefined ? {} : { UV_DEFAULT_INDEX: index }),
  };
}

/** @param isHitChecked whether there is a second run @returns the result, for the report */
async function check(each: Case, leg: Leg, isHitChecked: boolean): Promise<string> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'live-uv-')));
  const place: Place = {
    root,
    project: join(root, 'project'),
    environment: join(root, 'environment'),
    pipCache: join(root, 'pip-cache'),
  };
  const inputs = each.inputs ?? { requirements: ['requirements.txt'] };
  const python = join(place.environment, 'bin', 'python');
  const env = variables(place);
  const ours = async (cut: boolean) => {
    await startAfresh(each, leg, place);
    const flags = Object.entries(inputs).flatMap(([name, values]) =>
      (values ?? []).flatMap((value: string) => [`--${name}`, value]),
    );
    const command = [process.execPath, entry, 'install', '--json', '--installer', 'uv', ...flags];
    command.push('--python', python, '--store', join(root, 'store'));
    const requests = join(root, 'requests');
    const result = await run([...(cut ? offline(requests) : []), ...command], place.project, env);
    return { ...result, requests: cut ? Number(readFileSync(requests, 'utf8')) : 0 };
  };
  try {
    await startAfresh(each, leg, place);
    const flags = (flag: string, values: readonly string[] = []) =>
      values.flatMap((value) => [flag, value]);
    const args = ['pip', 'install', `--python=${python}`, `--cache-dir=${uvCache}`];
    args.push(...flags('-r', inputs.requirements), ...flags('-c', inputs.constraints));
    args.push(...(inputs.packages ?? []));
    const plain = await run([uvCommand(), ...args], place.project, env);
    const expected = contentOf(place.environment);

    const miss = await ours(false);
    const { [each.name]: refusal } = stricter;
    if (refusal !== undefined) {
      assert.match(miss.log, refusal);
      return 'refused, as is meant to be';
    }
    if (plain.exitCode !== 0) {
      // It reads fewer forms of requirement files than pip.
      const reason = plain.log.split('\n').find((line) => line.startsWith('error'));
      return `uv alone fails (${reason}); this exits with ${miss.exitCode}`;
    }
    assert.equal(miss.exitCode, 0, miss.log);
    assert.deepEqual(differences(expected, contentOf(place.environment)), [], miss.log);

    if (!isHitChecked) return 'the same files';
    const hit = await ours(true);
    assert.equal(hit.exitCode, 0, hit.log);
    const { hit: kind, wheels } = JSON.parse(hit.stdout) as { hit: string; wheels: unknown[] };
    assert.deepEqual([kind, hit.requests], ['exact', 0], hit.log);
    assert.deepEqual(differences(expected, contentOf(place.environment)), [], hit.log);
    return `${wheels.length} packages, exact hit with 0 requests`;
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  }
}

describe('the choice of uv', { concurrency: availableParallelism() }, () => {
  for (const [number, each] of cases.entries()) {
    if (!each.name.includes(wanted)) continue;
    const { from = 0, to = 99 } = each.minors ?? {};
    const fitting = legs.filter(({ python: { minor } }) => minor >= from && minor <= to);
    const leg = fitting[number % fitting.length];
    const name = `same as uv pip install: ${each.name}`;
    if (leg === undefined) {
      test(name, { skip: `needs a Python from 3.${from} to 3.${to}` }, () => {});
      continue;
    }
    test(`${name} (Python ${leg.python.version})`, async () => {
      console.log(`${name}: ${await check(each, leg, number % 5 === 0)}`);
    });
  }
});
