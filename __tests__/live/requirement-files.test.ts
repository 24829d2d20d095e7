/**
 * Requirement files of public projects, each compared with plain pip: the same packages, the same
 * files, no index requests on the second run, one download after one version bump.
 * `npm run test:live`; see CONTRIBUTING.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';

import { entry } from '../support/command-line.ts';
import type { Case, Inputs } from './case.ts';
import { cases } from './cases/index.ts';
import {
  bundledLegsOf,
  contentOf,
  differences,
  findPythons,
  interpreterOf,
  type Leg,
  legsOf,
  makeEnvironment,
} from './environments.ts';
import { offline } from './offline.ts';
import {
  action,
  environmentIn,
  fetchedIn,
  freeze,
  isOlder,
  normalize,
  type Place,
  type Product,
  renewPipCache,
  run,
} from './runs.ts';

const everyLeg = process.env['LIVE_LEGS'] === 'all';
const wanted = process.env['LIVE_CASES'] ?? '';

const pythons = findPythons();
const legs = legsOf(pythons);
const bundledLegs = bundledLegsOf(pythons);
const rows: { readonly name: string; readonly held: boolean; readonly seconds: number }[] = [];

/** Removes the indentation of the second line from each line of a text that starts with a line break. */
function dedent(text: string): string {
  const [, indentation = ''] = /^\n( *)/.exec(text) ?? [];
  if (!text.startsWith('\n')) return text;
  return text.slice(1).replace(new RegExp(`^ {1,${indentation.length}}`, 'gm'), '');
}

function fits({ minors: { from = 0, to = 99 } = {}, pip = '0' }: Case, leg: Leg): boolean {
  return leg.python.minor >= from && leg.python.minor <= to && !isOlder(leg.pip, pip);
}

/** Creates the checkout and the environment as on a new machine. */
async function startAfresh(
  each: Case,
  files: Readonly<Record<string, string | Buffer>>,
  leg: Leg,
  place: Place,
): Promise<void> {
  rmSync(place.project, { recursive: true, force: true });
  rmSync(place.environment, { recursive: true, force: true });
  for (const [file, content] of Object.entries({ '.keep': '', ...files })) {
    mkdirSync(dirname(join(place.project, file)), { recursive: true });
    writeFileSync(
      join(place.project, file),
      typeof content === 'string' ? dedent(content) : content,
    );
  }
  for (const [directory, requirements] of Object.entries(each.vendored ?? {})) {
    for (const requirement of requirements) {
      const args = ['-m', 'pip', 'download', '-q', '--no-deps', '-d', directory, requirement];
      const env = environmentIn(place);
      const { exitCode, log } = await run([leg.python.command, ...args], place.project, env);
      assert.equal(exitCode, 0, log);
    }
  }
  renewPipCache(place);
  if (each.by !== 'venv') await makeEnvironment(leg, place.environment);
}

function hasEditable({ files = {} }: Case): boolean {
  return Object.values(files).some((content) => /^\s*-e /m.test(String(content)));
}

/** Installs with plain pip, which is what everything is compared with. */
async function installPlainly(each: Case, inputs: Inputs, leg: Leg, place: Place): Promise<void> {
  if (each.by === 'venv') {
    const made = await run(
      [await interpreterOf(leg), '-m', 'venv', place.environment],
      place.root,
      environmentIn(place),
    );
    assert.equal(made.exitCode, 0, made.log);
  }
  const flags = (flag: string, values: readonly string[] = []) =>
    values.flatMap((value) => [flag, value]);
  const args = [
    ...['-m', 'pip', 'install', '--no-compile'],
    // Older pips install an sdist without building a wheel (`setup.py install`) if it has no
    // pyproject.toml and the environment has no `wheel`. A wheelhouse always contains a wheel, except
    // for editable projects, which pip itself installs.
    ...(isOlder(leg.pip, '23.1') && !hasEditable(each) ? ['--use-pep517'] : []),
    ...flags('-r', inputs.requirements),
    ...flags('-c', inputs.constraints),
    ...flags('--group', inputs.groups),
    ...(inputs.packages ?? []),
  ];
  const python = join(place.environment, 'bin', 'python');
  const plain = await run([python, ...args], place.project, environmentIn(place));
  assert.equal(plain.exitCode, 0, `plain pip fails:\n${plain.stdout}${plain.log}`);
}

function commandLine(each: Case, leg: Leg, place: Place): Product {
  const stored = new Set<string>();
  return {
    async install(inputs, cut) {
      const flags = Object.entries(inputs).flatMap(([name, values]) =>
        (values ?? []).flatMap((value: string) => [`--${name}`, value]),
      );
      const into =
        each.by === 'venv'
          ? ['--python', await interpreterOf(leg), '--venv', place.environment]
          : ['--python', join(place.environment, 'bin', 'python')];
      const command = [process.execPath, entry, 'install', '--json', ...into, ...flags];
      command.push('--store', join(place.root, 'store'));
      const requests = join(place.root, 'requests');
      const env = environmentIn(place);
      if (cut) Object.assign(env, { PIP_CACHE_DIR: join(place.root, 'empty'), PIP_RETRIES: '0' });
      const finished = await run(
        [...(cut ? offline(requests) : []), ...command],
        place.project,
        env,
      );
      assert.equal(finished.exitCode, 0, `exit code ${finished.exitCode}\n${finished.log}`);
      const { hit, wheels, fromCache } = JSON.parse(finished.stdout) as {
        hit: string;
        wheels: { name: string; sha256: string }[];
        fromCache: { count: number };
      };
      const came = wheels.filter(({ sha256 }) => !stored.has(sha256));
      assert.equal(fromCache.count, wheels.length - came.length, finished.stdout);
      for (const { sha256 } of came) stored.add(sha256);
      return {
        log: finished.log,
        exact: hit === 'exact',
        fetched: [
          ...new Set([...came.map(({ name }) => normalize(name)), ...fetchedIn(finished.log)]),
        ],
        requests: cut ? Number(readFileSync(requests, 'utf8')) : 0,
      };
    },
    close: async () => {},
  };
}

/** The case after its version bump. */
function bumped({ name, bump, ...rest }: Case, inputs: Inputs) {
  const replace = (text: string) => {
    assert.equal(text.split(bump.from).length, 2, `${name}: ${bump.from} is not there once`);
    return text.replace(bump.from, () => bump.to);
  };
  if (bump.file === 'packages') {
    const packages = [replace((inputs.packages ?? []).join('\n'))];
    return {
      files: rest.files ?? {},
      inputs: { ...inputs, packages: packages[0]?.split('\n') ?? [] },
    };
  }
  const content = rest.files?.[bump.file];
  assert.equal(typeof content, 'string', `${name}: no text file ${bump.file}`);
  return { files: { ...rest.files, [bump.file]: replace(String(content)) }, inputs };
}

/** Checks one case with one pair of Python and pip. @returns the result, for the report */
async function check(each: Case, leg: Leg): Promise<string> {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'live-')));
  const directories: Place = {
    root: place,
    project: join(place, 'project'),
    environment: join(place, 'environment'),
    pipCache: join(place, 'pip-cache'),
  };
  const inputs = each.inputs ?? { requirements: ['requirements.txt'] };
  const product =
    each.by === 'action' ? await action(directories) : commandLine(each, leg, directories);
  const seconds: Record<string, number> = {};
  async function timed<T>(name: string, work: Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work;
    seconds[name] = (performance.now() - begun) / 1000;
    return result;
  }
  const observed = async () => ({
    freeze: await freeze(directories),
    content: contentOf(directories.environment),
  });
  try {
    await startAfresh(each, each.files ?? {}, leg, directories);
    await timed('pip', installPlainly(each, each.plain?.(false) ?? inputs, leg, directories));
    const plain = await observed();
    const same = async (what: string, { freeze, content }: typeof plain, log: string) => {
      const now = await observed();
      assert.deepEqual(now.freeze, freeze, `${what}: pip freeze\n${log}`);
      assert.deepEqual(differences(content, now.content), [], `${what}: installed files\n${log}`);
    };

    await startAfresh(each, each.files ?? {}, leg, directories);
    const miss = await timed('miss', product.install(inputs, false));
    await same('miss', plain, miss.log);

    await startAfresh(each, each.files ?? {}, leg, directories);
    const hit = await timed('hit', product.install(inputs, true));
    assert.ok(hit.exact, `the second run is not an exact hit\n${hit.log}`);
    assert.deepEqual([hit.requests, hit.fetched], [0, []], `requests of an exact hit\n${hit.log}`);
    await same('exact hit', plain, hit.log);

    const next = bumped(each, inputs);
    await startAfresh(each, next.files, leg, directories);
    await installPlainly(each, each.plain?.(true) ?? next.inputs, leg, directories);
    const plainBumped = await observed();
    assert.notDeepEqual(plainBumped.freeze, plain.freeze, 'the bump changes nothing');
    await startAfresh(each, next.files, leg, directories);
    const bump = await timed('bump', product.install(next.inputs, false));
    await same('bump', plainBumped, bump.log);
    const project = normalize(String(/^[\w.-]+/.exec(each.bump.to.replace(/^["']/, ''))));
    assert.deepEqual(bump.fetched, [project], `fetched after the bump\n${bump.log}`);
    const times = Object.entries(seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
    return `${plain.freeze.length} packages, exact hit with 0 requests, bump fetched ${project}; ${times.join(', ')}`;
  } finally {
    await product.close();
    rmSync(place, { recursive: true, force: true, maxRetries: 3 });
  }
}

describe('requirement files of public projects', { concurrency: availableParallelism() }, () => {
  for (const [number, each] of cases.entries()) {
    if (!each.name.includes(wanted)) continue;
    const fitting = (each.by === 'venv' ? bundledLegs : legs).filter((leg) => fits(each, leg));
    const chosen = everyLeg
      ? fitting
      : [fitting[number % fitting.length]].flatMap((leg) => leg ?? []);
    if (chosen.length === 0) {
      const { from = 9, to = 14 } = each.minors ?? {};
      const skip = `needs a Python from 3.${from} to 3.${to}`;
      test(`same as plain pip: ${each.name}`, { skip }, () => {});
    }
    for (const leg of chosen) {
      const name = `same as plain pip: ${each.name} (Python ${leg.python.version}, pip ${leg.pip})`;
      test(name, async () => {
        const begun = performance.now();
        let outcome = 'FAILS';
        try {
          outcome = await check(each, leg);
        } catch (error) {
          // The whole error is printed at the end.
          const [reason = ''] = String((error as Error).message).split('\n');
          outcome = `FAILS: ${reason.slice(0, 120)}`;
          throw error;
        } finally {
          const seconds = (performance.now() - begun) / 1000;
          rows.push({ name, held: !outcome.startsWith('FAILS'), seconds });
          console.log(`${name}: ${outcome}; ${seconds.toFixed(0)} s`);
        }
      });
    }
  }
});

after(() => {
  const failing = rows.filter(({ held }) => !held);
  const all = `${rows.length} runs of ${cases.length} cases on ${pythons.map(({ version }) => version).join(' and ')}`;
  console.log(
    `${all}: ${rows.length - failing.length} same as plain pip, ${failing.length} different.`,
  );
  for (const { name } of failing) console.log(`  not ${name}`);
});
