/**
 * Real projects as checkouts, unpacked from their sdists: what the action installs for them equals
 * what plain pip installs. `npm run test:live`; see CONTRIBUTING.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';

import { root } from '../../scripts/tools.mjs';
import type { Inputs } from './case.ts';
import { type Change, type Project, projects } from './cases/real-projects.ts';
import {
  contentOf,
  differences,
  findPythons,
  type Leg,
  legsOf,
  makeEnvironment,
} from './environments.ts';
import { action, environmentIn, freeze, isOlder, type Place, renewPipCache, run } from './runs.ts';

const wanted = process.env['LIVE_CASES'] ?? '';
const legs = legsOf(findPythons().slice(0, 1));

/** Rust's tools find their own files by these. */
const rust = {
  RUSTUP_HOME: process.env['RUSTUP_HOME'] ?? join(homedir(), '.rustup'),
  CARGO_HOME: process.env['CARGO_HOME'] ?? join(homedir(), '.cargo'),
};

/** Sdists stay here from one run of the tests to the next. */
const sdists = join(root, '.cache', 'sdists');

/** Downloads and unpacks the sdist of a project, whose hash pip checks. @returns a directory */
async function unpack(project: Project, place: Place): Promise<string> {
  const unpacked = join(place.root, 'unpacked');
  mkdirSync(unpacked);
  for (const [name, text] of Object.entries(project.files ?? {})) {
    mkdirSync(dirname(join(unpacked, name)), { recursive: true });
    writeFileSync(join(unpacked, name), text);
  }
  if (project.sha256 === undefined) return unpacked;
  const kept = join(sdists, project.sha256);
  if (!existsSync(kept)) {
    const directory = join(place.root, 'sdist');
    mkdirSync(directory);
    const line = `${project.name}==${project.version} --hash=sha256:${project.sha256}\n`;
    writeFileSync(join(directory, 'sdist.txt'), line);
    const args = [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--no-binary',
      project.name,
      '-d',
      directory,
    ];
    const command = [String(legs[0]?.python.command), ...args, '-r', join(directory, 'sdist.txt')];
    const { exitCode, stdout, log } = await run(command, directory, {
      ...environmentIn(place),
      ...rust,
    });
    assert.equal(exitCode, 0, stdout + log);
    const file = readdirSync(directory).find((name) => name.endsWith('.tar.gz'));
    mkdirSync(sdists, { recursive: true });
    renameSync(join(directory, String(file)), kept);
  }
  assert.equal(createHash('sha256').update(readFileSync(kept)).digest('hex'), project.sha256);
  execFileSync('tar', ['-xzf', kept, '-C', unpacked, '--strip-components=1']);
  return unpacked;
}

function apply(directory: string, { file, from, to }: Change): void {
  const text = readFileSync(join(directory, file), 'utf8');
  const at = text.indexOf(from);
  assert.ok(at >= 0, `${file} does not contain ${from}`);
  writeFileSync(join(directory, file), text.slice(0, at) + to + text.slice(at + from.length));
}

function plainArgs({ plain, extras = [] }: Project): string[] {
  return plain ?? ['-e', extras.length === 0 ? '.' : `.[${extras.join(',')}]`];
}

/** Checks one project. @returns the cells of its row */
async function check(project: Project, leg: Leg): Promise<string[]> {
  const top = realpathSync(mkdtempSync(join(tmpdir(), 'live-project-')));
  const place: Place = {
    root: top,
    project: join(top, 'check out'),
    environment: join(top, 'environment'),
    pipCache: join(top, 'pip-cache'),
  };
  const product = await action(place, rust);
  const seconds: Record<string, string> = {};
  try {
    const sources = await unpack(project, place);
    const startAfresh = async (changes: readonly Change[]): Promise<void> => {
      for (const each of [place.project, place.environment]) {
        rmSync(each, { recursive: true, force: true });
      }
      cpSync(sources, place.project, { recursive: true, preserveTimestamps: true });
      for (const change of changes) apply(place.project, change);
      renewPipCache(place);
      await makeEnvironment(leg, place.environment);
    };
    const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
      const begun = performance.now();
      const result = await work;
      seconds[name] = ((performance.now() - begun) / 1000).toFixed(1);
      return result;
    };
    const observed = async () => ({
      freeze: await freeze(place),
      content: contentOf(place.environment),
    });
    const install = async (
      what: string,
      changes: readonly Change[],
      { cut, inputs = project.inputs ?? {} }: { cut: boolean; inputs?: Inputs },
    ) => {
      await startAfresh(changes);
      const result = await timed(what, product.install(inputs, cut));
      return { ...result, ...(await observed()) };
    };

    const different = (...contents: Parameters<typeof differences>): string[] =>
      differences(...contents).filter(
        (line) => !(project.volatile ?? []).some((file) => line.endsWith(file)),
      );

    await startAfresh([]);
    const python = join(place.environment, 'bin', 'python');
    const args = ['-m', 'pip', 'install', '--no-compile', ...plainArgs(project)];
    const plainly = run([python, ...args], place.project, { ...environmentIn(place), ...rust });
    const { exitCode, stdout, log } = await timed('pip', plainly);
    assert.equal(exitCode, 0, `plain pip fails:\n${stdout}${log}`);
    const plain = await observed();

    const first = await install('first', [], { cut: false });
    assert.equal(first.exact, false, first.log);
    assert.deepEqual(first.freeze, plain.freeze, `first run: pip freeze\n${first.log}`);
    assert.deepEqual(different(plain.content, first.content), [], `first run\n${first.log}`);

    const second = await install('second', [], { cut: true });
    assert.ok(second.exact, `second run: no exact hit\n${second.log}`);
    assert.deepEqual([second.requests, second.fetched], [0, []], second.log);
    assert.deepEqual(second.freeze, plain.freeze, `second run: pip freeze\n${second.log}`);
    assert.deepEqual(different(plain.content, second.content), [], `second run\n${second.log}`);

    const edited = await install('edited', project.edits, { cut: true });
    assert.ok(edited.exact, `edited: no exact hit\n${edited.log}`);
    assert.equal(edited.requests, 0, edited.log);
    assert.equal(edited.freeze.length, plain.freeze.length, edited.log);

    const inputs: Inputs = { ...project.inputs, 'install-project': ['false'] };
    const without = await install('without', [], { cut: true, inputs });
    const own = (line: string): boolean => / @ file:|^-e |^# Editable/.test(line);
    assert.ok(without.exact, without.log);
    assert.deepEqual(
      without.freeze,
      plain.freeze.filter((line) => !own(line)),
      `install-project: false\n${without.log}`,
    );

    const added = await install('added', project.adds, { cut: false });
    assert.equal(added.exact, false, `a new dependency is an exact hit\n${added.log}`);
    const news = added.freeze.filter((line) => !plain.freeze.includes(line));
    assert.deepEqual(news, ['six==1.16.0'], added.log);
    const again = await install('again', project.adds, { cut: true });
    assert.ok(again.exact, `the new dependency, a second time: no exact hit\n${again.log}`);
    assert.deepEqual(again.freeze, added.freeze, again.log);
    const fetched = added.fetched.filter((name) => !project.candidates?.includes(name));
    assert.deepEqual(fetched, ['six'], added.log);
    assert.match(added.log, /, 1 downloaded \(/);

    return [
      `${project.name} ${project.version}`,
      project.backend,
      shownInputs(project.inputs ?? {}),
      leg.pip,
      String(plain.freeze.filter((line) => !line.startsWith('#')).length),
      `yes, ${plain.content.size} files`,
      'exact hit, 0 requests',
      `${seconds['pip']} / ${seconds['first']} / ${seconds['second']}`,
    ];
  } finally {
    await product.close();
    rmSync(top, { recursive: true, force: true, maxRetries: 3 });
  }
}

function shownInputs(inputs: Inputs): string {
  const shown = Object.entries(inputs).map(([name, values]) => `${name}: ${values.join(' ')}`);
  return shown.join('; ') || 'none';
}

const rows: string[][] = [];

describe('real projects', { concurrency: 1 }, () => {
  for (const [number, project] of projects.entries()) {
    if (!project.name.includes(wanted)) continue;
    const fitting = legs.filter(({ pip }) => !isOlder(pip, project.pip ?? '0'));
    const leg = fitting[number % fitting.length];
    test(`same as plain pip: ${project.name}, ${project.backend} (pip ${leg?.pip})`, async () => {
      assert.ok(leg !== undefined);
      rows.push(await check(project, leg));
      console.log(rows.at(-1)?.join(' | '));
    });
  }
});

after(() => {
  const head = ['project', 'back end', 'inputs', 'pip', 'packages', 'equal', 'second run'];
  console.log(`| ${[...head, 'seconds: pip / first / second'].join(' | ')} |`);
  console.log(`|${' --- |'.repeat(head.length + 1)}`);
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
});
