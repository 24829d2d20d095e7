/**
 * A world for unit tests of the story: pip and the indexes are fakes of a few lines; wheelhouses, the
 * store and the user's files use the real adapters on a temporary directory. A run takes a few
 * milliseconds, so that every path through the story has a test.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { directoryCache } from '../../src/cli/directory-cache.ts';
import { type Host, type InputName, loadRequest } from '../../src/inputs.ts';
import { install, type Outcome } from '../../src/install.ts';
import type { Interpreter } from '../../src/logic/model.ts';
import type { Health } from '../../src/logic/project-page.ts';
import { WebError } from '../../src/logic/web.ts';
import type { CacheStore, PipResult, Python, Reporter, WebClient, World } from '../../src/ports.ts';
import { save } from '../../src/save.ts';
import { sourcesAdapter } from '../../src/world/sources.ts';
import { wheelhousesAdapter } from '../../src/world/wheelhouses.ts';
import { interpreter as typicalInterpreter } from './fixtures.ts';

/** The projects of an index: version → names that it requires. The last version is the newest. */
export type Projects = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

export interface FakeIndex {
  projects: Projects;
  /** The result of a probe of this index. */
  health: Health;
  /** What pip prints if it fails with this index; undefined when it works. */
  fails: string | undefined;
  /** Reasons by file name. */
  readonly yanked: Record<string, string>;
  /** Files that pip has downloaded. */
  readonly fetched: string[];
}

export function fakeIndex(projects: Projects): FakeIndex {
  return { projects, health: { state: 'healthy' }, fails: undefined, yanked: {}, fetched: [] };
}

export interface Fake {
  /** Indexes by URL. */
  readonly indexes: Record<string, FakeIndex>;
  /** Files that the gateway need not fetch. */
  readonly atHand: Set<string>;
  /** URLs of pages that were requested. */
  readonly pages: string[];
  /** Installed packages: name → version. */
  readonly installed: Map<string, string>;
  /** The message that installing fails with; undefined when it works. */
  installFails: string | undefined;
  /** Notices, warnings and errors as `level: text`. */
  readonly said: string[];
  readonly log: string[];
  now: Date;
  /** Bytes of each wheel that pip downloads, if they are more than its name. */
  wheelSize: number;
  /** The version of the environment's pip. */
  pip: string;
  /** The limits by upload time of the pips that filled. */
  readonly limits: (string | undefined)[];
  /** The temporary directory that contains `workspace`, `temp` and `store`. */
  readonly root: string;
  readonly host: Host;
  /** The world of a run, as it is now. */
  readonly world: World;
  /**
   * Runs the main step and the post step.
   * @param requirements the new content of requirements.txt; unchanged by default
   */
  run(inputs: Partial<Record<InputName, string>>, requirements?: string): Promise<Outcome>;
  /** Keys of the entries in the store. */
  entries(): string[];
  /** Replaces an entry of the store. */
  damageEntry(key: string, content: string): void;
  /** Replaces a wheel in the store. */
  damageWheel(file: string, content: string): void;
}

export const indexUrl = 'https://index.example/simple/';

const interpreter: Interpreter = {
  ...typicalInterpreter,
  executable: '/opt/python/bin/python',
  sitePackages: '',
  searchPath: [],
  pip: '25.0',
  buildsLegacy: true,
  defaultIndex: 'https://default.example/simple',
};

const roots: string[] = [];
process.once('exit', () => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** @param storeAt makes its store in a directory; by default that of the command line */
export function fakeWorld(
  projects: Projects,
  storeAt: (root: string, reporter: Reporter) => CacheStore = directoryCache,
): Fake {
  const root = mkdtempSync(join(tmpdir(), 'story-'));
  roots.push(root);
  const workspace = join(root, 'workspace');
  for (const name of ['workspace', 'temp', 'site']) mkdirSync(join(root, name));
  const said: string[] = [];
  const log: string[] = [];
  const reporter: Reporter = {
    info: (text) => log.push(text),
    notice: (text) => said.push(`notice: ${text}`),
    warning: (text) => said.push(`warning: ${text}`),
    error: (error) => said.push(`error: ${String(error)}`),
    foreign: (text) => log.push(text),
    hide() {},
    group: (title, work) => {
      log.push(title);
      return work();
    },
  };
  const host: Host = {
    ...{ workspace, directory: workspace, temporary: join(root, 'temp') },
    ...{ environment: {}, event: undefined },
  };
  const store = storeAt(join(root, 'store'), reporter);
  const fake: Fake = {
    host,
    get world() {
      return worldOf(fake, reporter, store);
    },
    indexes: { [indexUrl]: fakeIndex(projects) },
    installed: new Map([['pip', '25.0']]),
    atHand: new Set(),
    pages: [],
    installFails: undefined,
    ...{ said, log, root },
    now: new Date('2026-11-21T12:00:00Z'),
    wheelSize: 0,
    pip: '25.0',
    limits: [],
    entries() {
      const entries = join(root, 'store', 'entries');
      const files = existsSync(entries) ? readdirSync(entries) : [];
      return files.map((file) => basename(file, '.json')).sort();
    },
    damageEntry: (key, content) =>
      writeFileSync(join(root, 'store', 'entries', `${key}.json`), content),
    damageWheel(file, content) {
      const wheels = join(root, 'store', 'wheels');
      for (const digest of readdirSync(wheels)) {
        const place = join(wheels, digest, file);
        if (existsSync(place)) writeFileSync(place, content);
      }
    },
    async run(inputs, requirements) {
      said.length = 0;
      log.length = 0;
      if (requirements !== undefined) {
        writeFileSync(join(workspace, 'requirements.txt'), requirements);
      }
      const given: Partial<Record<InputName, string>> = { 'index-url': indexUrl, ...inputs };
      const { request } = loadRequest((name) => given[name] ?? '', host);
      const { world } = fake;
      const outcome = await install(request, world);
      const { temporary } = host;
      for (const state of outcome.states) await save(state, { ...world, temporary });
      return outcome;
    },
  };
  return fake;
}

function worldOf(fake: Fake, reporter: Reporter, store: CacheStore): World {
  return {
    python: fakePython(fake),
    lockTools: {
      onPath: async (tool) => ({ reason: `there is no ${tool} on PATH` }),
      requirements: (tool) => `${tool}==1.0 --hash=sha256:${'0'.repeat(64)}\n`,
      run: async () => ({ exitCode: 1, stdout: '', output: '', ranIn: '' }),
    },
    uv: {
      onPath: async () => undefined,
      unpack: async () => '/uv',
      run: async () => ({ exitCode: 0, output: '' }),
      settingFiles: async () => ({ files: [], referenced: [] }),
    },
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    store,
    indexProbe: {
      probe: async (url) =>
        fake.indexes[url]?.health ?? { state: 'down', reason: 'its host name does not exist' },
    },
    web: { open: () => fakeClient(fake) },
    gateways: {
      async open({ indexes, atHand, downloaded }) {
        fake.atHand.clear();
        for (const { file } of [...atHand, ...downloaded]) fake.atHand.add(file);
        return {
          urls: indexes,
          faults: [],
          fetchAhead() {},
          shown: (text) => text,
          close: async () => {},
        };
      },
    },
    reporter,
    now: () => fake.now,
  };
}

/** Serves the pages of the fake indexes. */
function fakeClient(fake: Fake): WebClient {
  return {
    async page(url) {
      fake.pages.push(url);
      const [index, project = ''] = /^(.*\/)([^/]+)\/$/.exec(url)?.slice(1) ?? [];
      const { projects, health, yanked } = fake.indexes[index ?? ''] ?? fakeIndex({});
      if (health.state === 'down') throw new WebError('down', health.reason);
      const versions = projects[project];
      if (versions === undefined) throw new WebError('absent', 'it answers 404', 404);
      const files = Object.keys(versions).map((version) => {
        const filename = wheelFile(project, version);
        const sha256 = createHash('sha256')
          .update(`${project} ${version}`.padEnd(fake.wheelSize))
          .digest('hex');
        return { filename, url: filename, hashes: { sha256 }, yanked: yanked[filename] ?? false };
      });
      const text = JSON.stringify({ meta: { 'api-version': '1.0' }, files });
      return { url, text, body: Buffer.from(text), contentType: 'application/json' };
    },
    file: () => Promise.reject(new Error('no story downloads files')),
    close: async () => {},
  };
}

const wheelFile = (name: string, version: string): string => `${name}-${version}-py3-none-any.whl`;

/** The lines of a request that name a project, as `name==version` or `name`. */
function wanted(requestFile: string): { name: string; pin: string | undefined }[] {
  return readFileSync(requestFile, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name, pin] = /^([a-z][a-z0-9-]*)(?:==(\S+))?(?:\s|$)/.exec(line) ?? [];
      return name === undefined ? [] : [{ name, pin }];
    });
}

/** Finds the first line of a lock whose wheel has another hash; one that is installed is not read. */
function wrongHash(
  lock: string,
  directory: string,
  installed: ReadonlyMap<string, string>,
): string | undefined {
  const lines = readFileSync(lock, 'utf8').matchAll(/^(\S+)==(\S+) --hash=sha256:(\w+)$/gm);
  for (const [, name = '', version = '', expected] of lines) {
    if (installed.get(name) === version) continue;
    const wheel = readFileSync(join(directory, wheelFile(name, version)));
    if (createHash('sha256').update(wheel).digest('hex') !== expected) return name;
  }
  return undefined;
}

function fakePython(fake: Fake): Python {
  const found = (name: string): Readonly<Record<string, readonly string[]>> =>
    Object.assign({}, ...Object.values(fake.indexes).map((index) => index.projects[name] ?? {}));

  /** Names and versions of a closure, each chosen by `choose`; a string if a project is missing. */
  const closure = (
    requests: readonly { name: string; pin: string | undefined }[],
    choose: (name: string, pin: string | undefined) => string | undefined,
  ): Map<string, string> | string => {
    const chosen = new Map<string, string>();
    const queue = [...requests];
    for (const { name, pin } of queue) {
      if (chosen.has(name)) continue;
      const version = choose(name, pin);
      if (version === undefined) return `ERROR: No matching distribution found for ${name}`;
      chosen.set(name, version);
      for (const each of found(name)[version] ?? []) queue.push({ name: each, pin: undefined });
    }
    return chosen;
  };

  const optionOf = (args: readonly string[], option: string): string =>
    args.find((arg) => arg.startsWith(`--${option}=`))?.slice(option.length + 3) ?? '';
  const requestOf = (args: readonly string[]): string => String(args[args.indexOf('-r') + 1]);

  const wheel = (args: readonly string[], url: string): PipResult => {
    const index = fake.indexes[url];
    if (index === undefined || index.fails !== undefined) {
      return { exitCode: 1, output: index?.fails ?? 'ERROR: ConnectionError' };
    }
    const result = closure(wanted(requestOf(args)), (name, pin) => {
      const versions = Object.keys(index.projects[name] ?? {});
      return pin === undefined ? versions.at(-1) : versions.find((version) => version === pin);
    });
    if (typeof result === 'string') return { exitCode: 1, output: result };
    const lines = [...result].map(([name, version]) => {
      const file = wheelFile(name, version);
      const at = join(optionOf(args, 'wheel-dir'), file);
      writeFileSync(at, `${name} ${version}`.padEnd(fake.wheelSize));
      if (!fake.atHand.has(file)) index.fetched.push(file);
      fake.atHand.add(file);
      return `Saved ${at}`;
    });
    return { exitCode: 0, output: lines.join('\n') };
  };

  const report = (args: readonly string[]): PipResult => {
    const directory = optionOf(args, 'find-links');
    const files = readdirSync(directory).filter((file) => file.endsWith('.whl'));
    const isIgnored = args.includes('--ignore-installed');
    const result = closure(wanted(requestOf(args)), (name, pin) => {
      const present = isIgnored ? undefined : fake.installed.get(name);
      if (present !== undefined && (pin === undefined || pin === present)) return present;
      const versions = files.filter((file) => file.startsWith(`${name}-`)).sort();
      const version = versions.at(-1)?.split('-')[1];
      return pin === undefined || versions.includes(wheelFile(name, pin))
        ? (pin ?? version)
        : undefined;
    });
    if (typeof result === 'string') return { exitCode: 1, output: result };
    const items = [...result].filter(
      ([name, version]) => isIgnored || fake.installed.get(name) !== version,
    );
    const install = items.map(([name, version]) => ({
      metadata: { name, version, requires_dist: found(name)[version] ?? [] },
      download_info: { url: pathToFileURL(join(directory, wheelFile(name, version))).href },
    }));
    writeFileSync(optionOf(args, 'report'), JSON.stringify({ install }));
    return { exitCode: 0, output: '' };
  };

  const installLock = (args: readonly string[]): PipResult => {
    if (fake.installFails !== undefined) return { exitCode: 1, output: fake.installFails };
    const mismatch = wrongHash(requestOf(args), optionOf(args, 'find-links'), fake.installed);
    if (mismatch !== undefined) {
      const output = `ERROR: THESE PACKAGES DO NOT MATCH THE HASHES: ${mismatch}`;
      return { exitCode: 1, output };
    }
    for (const { name, pin } of wanted(requestOf(args))) fake.installed.set(name, String(pin));
    return { exitCode: 0, output: '' };
  };

  return {
    probe: async () => ({
      ...{ ...interpreter, pip: fake.pip },
      sitePackages: join(fake.root, 'site'),
    }),
    createVenv: async (made) => made,
    applies: async (_interpreter, markers) => new Map(markers.map((marker) => [marker, true])),
    tags: async () => ['py3-none-any'],
    dependencies: async (_interpreter, _directory, files) =>
      files.map((file) => {
        const [name = '', version = ''] = file.split('-');
        return {
          name,
          version,
          requires: found(name)[version] ?? [],
          python: undefined,
          extras: [],
        };
      }),
    installed: async () => fake.installed,
    present: async () => [...fake.installed].map((each) => `${each.join('-')}.dist-info`),
    writeStubs: async () => [],
    pip: async (_interpreter, args, { env }) => {
      if (args[0] === 'wheel') {
        fake.limits.push(env['PIP_UPLOADED_PRIOR_TO']);
        return wheel(args, String(env['PIP_INDEX_URL']));
      }
      return args.includes('--dry-run') ? report(args) : installLock(args);
    },
  };
}
