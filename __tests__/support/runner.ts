/**
 * Runs an action's committed files the way the Actions runner does: in a job of several steps and
 * post steps, with fresh file commands for each, workflow commands read from both output streams,
 * and nothing of the surrounding environment except PATH.
 *
 * Behaviour follows github.com/actions/runner (ActionCommandManager, FileCommandManager,
 * NodeScriptActionHandler).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { parse } from 'yaml';

/** Options of a job; everything has a default. */
export interface JobOptions {
  /** Variables of the whole job: a workflow's `env:`, the cache service's, or other runner facts. */
  env?: Record<string, string>;
  /** `GITHUB_EVENT_NAME`. Default: `push`. */
  eventName?: string;
  /** The payload in the file at `GITHUB_EVENT_PATH`. */
  event?: unknown;
  /** `GITHUB_REF`. Default: `refs/heads/main`. */
  ref?: string;
  /** `GITHUB_HEAD_REF` and `GITHUB_BASE_REF`, which only pull requests have. */
  headRef?: string;
  baseRef?: string;
  /** `GITHUB_REPOSITORY`. Default: `octo-org/example`. */
  repository?: string;
  /** Files of the workspace: relative path to content. */
  files?: Record<string, string | Buffer>;
  /** A home directory, workspace or tool cache to share with an earlier job (self-hosted). */
  home?: string;
  workspace?: string;
  toolCache?: string;
  /** Step debug logging is on. */
  debug?: boolean;
  /** Directories to put before PATH. */
  path?: string[];
  /** Deadline of each process in milliseconds. Default: 120 000. */
  timeout?: number;
}

/** Options of any process. */
export interface ProcessOptions {
  env?: Record<string, string>;
  /** Deadline in milliseconds, instead of the job's. */
  timeout?: number;
  /** A failure does not change the job's outcome. */
  continueOnError?: boolean;
  /** Relative to the workspace. */
  cwd?: string;
}

/** Options of an action's processes, which always start in the workspace. */
export type PostOptions = Omit<ProcessOptions, 'cwd'>;

/** A step that uses an action. */
export interface StepOptions extends PostOptions {
  /** The directory of action.yml. */
  action: string;
  with?: Record<string, string | number | boolean>;
  /** Options of node itself. */
  nodeOptions?: string[];
}

/** An annotation, or any other workflow command, decoded. */
export interface WorkflowCommand {
  name: string;
  properties: Record<string, string>;
  message: string;
}

/** What the page of a run shows: `::error`, `::warning`, `::notice`. */
export interface Annotation {
  level: 'error' | 'warning' | 'notice';
  message: string;
  properties: Record<string, string>;
}

/** A collapsible part of the log. */
export interface Group {
  title: string;
  lines: string[];
}

/** What one process did. */
export interface StepResult {
  /** Also `failure` if a file command was malformed, as in the runner. */
  conclusion: 'success' | 'failure';
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  timedOut: boolean;
  durationMs: number;
  /** Raw output, including commands. */
  stdout: string;
  stderr: string;
  /** Both streams as the log of the run shows them: commands executed, masks applied. */
  log: string;
  annotations: Annotation[];
  /** Messages of `::debug::`. */
  debug: string[];
  masks: string[];
  groups: Group[];
  /** Every command that was executed, including the above. */
  commands: WorkflowCommand[];
  outputs: Record<string, string>;
  env: Record<string, string>;
  path: string[];
  state: Record<string, string>;
  summary: string;
}

/** A process that is still running. */
export interface RunningStep {
  child: ChildProcess;
  result: Promise<StepResult>;
  /** Sends a signal to this process only, as the runner does. */
  signal(signal: NodeJS.Signals): void;
  /** Cancels the job as the runner does: SIGINT, SIGTERM after 7.5 s, SIGKILL after another 2.5 s. */
  cancel(): Promise<StepResult>;
  /** Waits until the output matches. @throws Error if the process exits before it does. */
  printed(pattern: RegExp): Promise<void>;
}

/** A job of the stand-in runner. */
export interface Job {
  root: string;
  workspace: string;
  temp: string;
  home: string;
  toolCache: string;
  /** Variables as later steps see them, including what steps have exported. */
  env: Record<string, string>;
  /** Directories that steps have added to the start of PATH, in the order of PATH. */
  path: string[];
  outcome: 'success' | 'failure' | 'cancelled';
  /** Runs an action's main. Never rejects for a failing action. */
  step(options: StepOptions): Promise<StepResult>;
  start(options: StepOptions): RunningStep;
  /** Runs a command as a script step. Background processes are killed when it exits. */
  run(command: string, args?: string[], options?: ProcessOptions): Promise<StepResult>;
  /** Runs the post steps of all actions so far, last one first, as at the end of a job. */
  post(options?: PostOptions): Promise<StepResult[]>;
  startPost(options?: PostOptions): RunningStep;
  cleanup(): void;
}

/** What the runner reads of an action.yml. */
export interface ActionManifest {
  inputs: Record<string, { default: string | undefined; required: boolean }>;
  using: string;
  main: string;
  post: string | undefined;
  postIf: string;
}

interface PostStep {
  manifest: ActionManifest;
  options: StepOptions;
  state: Record<string, string>;
}

/** YAML with every scalar as the text that it is. */
type Yaml = string | { [key: string]: Yaml };

const commandNames = new Set([
  ...['error', 'warning', 'notice', 'debug', 'group', 'endgroup', 'add-mask', 'add-matcher'],
  ...['remove-matcher', 'echo', 'set-output', 'save-state', 'set-env', 'add-path'],
  'stop-commands',
]);
const systems: Record<string, string> = { linux: 'Linux', darwin: 'macOS', win32: 'Windows' };
// Without these, programs of Windows don't start.
const windowsVariables = ['SystemRoot', 'SystemDrive', 'PATHEXT', 'COMSPEC', 'ProgramFiles'];
const fileCommands = ['ENV', 'OUTPUT', 'STATE', 'PATH', 'STEP_SUMMARY'] as const;

type FileCommand = (typeof fileCommands)[number];

/** Creates a job with its own directories. Call its `cleanup()` at the end. */
export function createJob(options: JobOptions = {}): Job {
  assert.match(process.version, /^v24\./, 'actions run on Node 24, so their tests do');
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'wheelhouse-job-')));
  const repository = options.repository ?? 'octo-org/example';
  const [owner, name] = repository.split('/') as [string, string];
  const ref = options.ref ?? 'refs/heads/main';
  const directory = (given: string | undefined, ...parts: string[]) => {
    const path = given ?? join(root, ...parts);
    mkdirSync(path, { recursive: true });
    return path;
  };
  // As on hosted runners: `work/NAME/NAME` below the root, next to the runner's own directories.
  const workspace = directory(options.workspace, 'work', name, name);
  const temp = directory(undefined, 'work', '_temp');
  const toolCache = directory(options.toolCache, 'tools');
  const home = directory(options.home, 'home');
  const commandDirectory = directory(undefined, 'work', '_temp', '_runner_file_commands');
  for (const [path, content] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(workspace, path)), { recursive: true });
    writeFileSync(join(workspace, path), content);
  }
  const eventPath = join(directory(undefined, 'work', '_temp', '_github_workflow'), 'event.json');
  writeFileSync(eventPath, JSON.stringify(options.event ?? {}));

  const fixed: Record<string, string> = {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: owner,
    GITHUB_API_URL: 'https://api.github.com',
    GITHUB_BASE_REF: options.baseRef ?? '',
    GITHUB_EVENT_NAME: options.eventName ?? 'push',
    GITHUB_EVENT_PATH: eventPath,
    GITHUB_GRAPHQL_URL: 'https://api.github.com/graphql',
    GITHUB_HEAD_REF: options.headRef ?? '',
    GITHUB_JOB: 'test',
    GITHUB_REF: ref,
    GITHUB_REF_NAME: ref.replace(/^refs\/(heads|tags|pull)\//, ''),
    GITHUB_REF_TYPE: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    GITHUB_REPOSITORY: repository,
    GITHUB_REPOSITORY_OWNER: owner,
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_RUN_ID: '1000000001',
    GITHUB_RUN_NUMBER: '1',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_SHA: '0123456789abcdef0123456789abcdef01234567',
    GITHUB_WORKFLOW: 'test',
    GITHUB_WORKSPACE: workspace,
    RUNNER_ARCH: process.arch.toUpperCase(),
    RUNNER_ENVIRONMENT: 'github-hosted',
    RUNNER_NAME: 'test-runner',
    RUNNER_OS: systems[process.platform] ?? process.platform,
    RUNNER_TEMP: temp,
    RUNNER_TOOL_CACHE: toolCache,
    ...(options.debug ? { RUNNER_DEBUG: '1' } : {}),
  };
  const inherited: Record<string, string> = {
    HOME: home,
    LANG: 'C.UTF-8',
    ...(process.platform === 'win32' ? windowsEnvironment(home, temp) : {}),
  };

  const masks: string[] = [];
  const posts: PostStep[] = [];
  let processes = 0;

  const job: Job = {
    root,
    workspace,
    temp,
    home,
    toolCache,
    env: { ...options.env },
    path: [...(options.path ?? [])],
    outcome: 'success',
    step: (step) => job.start(step).result,
    start(step) {
      const manifest = readActionManifest(step.action);
      const inputs = inputVariables(manifest, step.with ?? {});
      const post: PostStep = { manifest, options: step, state: {} };
      // The runner registers the post step before main runs, so it runs even if main fails.
      if (manifest.post !== undefined) posts.push(post);
      const running = startNode(step, manifest.main, inputs);
      running.result = running.result.then((result) => {
        Object.assign(post.state, result.state);
        const unknown = Object.keys(step.with ?? {}).filter((input) => !isInput(manifest, input));
        if (unknown.length > 0) {
          const valid = Object.keys(manifest.inputs).map((input) => `'${input}'`);
          const list = unknown.map((input) => `'${input}'`).join(', ');
          const message = `Unexpected input(s) ${list}, valid inputs are [${valid.join(', ')}]`;
          result.annotations.unshift({ level: 'warning', message, properties: {} });
        }
        return result;
      });
      return running;
    },
    run: (command, args = [], process = {}) => startProcess(command, args, process, {}).result,
    async post(process = {}) {
      const results: StepResult[] = [];
      while (posts.length > 0) {
        const running = startNextPost(process);
        if (running !== undefined) results.push(await running.result);
      }
      return results;
    },
    startPost(process = {}) {
      while (posts.length > 0) {
        const running = startNextPost(process);
        if (running !== undefined) return running;
      }
      throw new Error('no action so far has a post step left to run');
    },
    cleanup: () => rmSync(root, { recursive: true, force: true, maxRetries: 3 }),
  };
  return job;

  function startNextPost(process: PostOptions): RunningStep | undefined {
    const post = posts.pop() as PostStep;
    if (!holds(post.manifest.postIf, job.outcome)) return undefined;
    const state = Object.entries(post.state).map(([key, value]) => [`STATE_${key}`, value]);
    const inputs = inputVariables(post.manifest, post.options.with ?? {});
    return startNode(
      { ...post.options, ...process, env: { ...post.options.env, ...process.env } },
      post.manifest.post as string,
      { ...inputs, ...Object.fromEntries(state) },
    );
  }

  function startNode(
    step: StepOptions,
    script: string,
    variables: Record<string, string>,
  ): RunningStep {
    const args = [...(step.nodeOptions ?? []), resolve(step.action, script)];
    return startProcess(process.execPath, args, step, variables);
  }

  function startProcess(
    command: string,
    args: string[],
    settings: ProcessOptions,
    variables: Record<string, string>,
  ): RunningStep {
    const number = ++processes;
    const files = Object.fromEntries(
      fileCommands.map((kind) => [kind, join(commandDirectory, `${kind.toLowerCase()}_${number}`)]),
    ) as Record<FileCommand, string>;
    for (const file of Object.values(files)) writeFileSync(file, '');
    const path = [...job.path, process.env.PATH ?? process.env.Path ?? ''].join(delimiter);
    const env: Record<string, string> = {
      ...inherited,
      PATH: path,
      ...fixed,
      ...job.env,
      ...settings.env,
      ...variables,
      GITHUB_ACTION: `step_${number}`,
      ...Object.fromEntries(fileCommands.map((kind) => [`GITHUB_${kind}`, files[kind]])),
    };
    const child = spawn(command, args, {
      cwd: resolve(workspace, settings.cwd ?? '.'),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that the deadline also kills its children.
      detached: process.platform !== 'win32',
    });
    const reader = followLog(masks);
    const raw = { stdout: '', stderr: '' };
    const waiting = new Set<() => void>();
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        raw[stream] += text;
        for (const check of waiting) check();
      });
      // Line by line, because a mask applies only to later lines.
      createInterface({ input: child[stream] as NodeJS.ReadableStream }).on('line', (line) =>
        reader.read(line),
      );
    }

    const ended = waitFor(child, settings.timeout ?? options.timeout ?? 120_000);
    const result = ended.then((end): StepResult => {
      const written = readFileCommands(files, reader);
      const failed = end.exitCode !== 0 || !written.valid;
      if (failed && !settings.continueOnError && job.outcome === 'success') job.outcome = 'failure';
      Object.assign(job.env, written.env);
      job.path.unshift(...written.path);
      const { lines, ...log } = reader.log;
      const { valid, ...effects } = written;
      const conclusion = failed ? 'failure' : 'success';
      return { conclusion, ...end, ...raw, log: lines.join('\n'), ...log, ...effects };
    });

    const running: RunningStep = {
      child,
      result,
      signal: (signal) => void child.kill(signal),
      async cancel() {
        job.outcome = 'cancelled';
        child.kill('SIGINT');
        const terminate = setTimeout(() => child.kill('SIGTERM'), 7500);
        const kill = setTimeout(() => killTree(child), 10_000);
        const outcome = await running.result;
        clearTimeout(terminate);
        clearTimeout(kill);
        return outcome;
      },
      printed(pattern) {
        return new Promise((found, fail) => {
          const check = () => {
            if (!pattern.test(raw.stdout) && !pattern.test(raw.stderr)) return;
            waiting.delete(check);
            found();
          };
          waiting.add(check);
          check();
          ended.then(() => fail(new Error(`the process ended without printing ${pattern}`)), fail);
        });
      },
    };
    return running;
  }
}

/**
 * Reads what the runner needs of a directory's action.yml.
 *
 * @throws Error if it isn't a JavaScript action, or isn't valid YAML
 */
export function readActionManifest(directory: string): ActionManifest {
  const text = readFileSync(join(directory, 'action.yml'), 'utf8');
  const document = asMap(parse(text, { schema: 'failsafe' }));
  const runs = asMap(document.runs);
  const using = String(runs.using ?? '');
  if (!/^node(20|24)$/.test(using)) throw new Error(`${directory}: no JavaScript action: ${using}`);
  if (runs.pre !== undefined) throw new Error(`${directory}: pre steps are not supported`);
  const inputs = Object.entries(asMap(document.inputs)).map(([name, value]) => {
    const fields = asMap(value);
    const fallback = fields.default === undefined ? undefined : expand(String(fields.default));
    return [name, { default: fallback, required: fields.required === 'true' }] as const;
  });
  return {
    inputs: Object.fromEntries(inputs),
    using,
    main: String(runs.main),
    post: runs.post === undefined ? undefined : String(runs.post),
    postIf: String(runs['post-if'] ?? 'always()'),
  };
}

/**
 * Parses a file of `name=value` lines and heredocs, as `GITHUB_ENV`, `GITHUB_OUTPUT` and
 * `GITHUB_STATE` are written.
 *
 * @throws Error with the runner's message if it is malformed
 */
export function parseFileCommand(text: string): Record<string, string> {
  const result: Record<string, string> = {};
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] as string;
    if (line === '') continue;
    const equals = line.indexOf('=');
    const heredoc = line.indexOf('<<');
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      if (equals === 0) throw new Error(`Invalid format '${line}'. Name must not be empty`);
      result[line.slice(0, equals)] = line.slice(equals + 1);
    } else if (heredoc >= 0) {
      const name = line.slice(0, heredoc);
      const end = line.slice(heredoc + 2);
      if (name === '' || end === '') {
        throw new Error(
          `Invalid format '${line}'. Name must not be empty and delimiter must not be empty`,
        );
      }
      const close = lines.indexOf(end, index + 1);
      if (close < 0) throw new Error(`Invalid value. Matching delimiter not found '${end}'`);
      result[name] = lines.slice(index + 1, close).join('\n');
      index = close;
    } else {
      throw new Error(`Invalid format '${line}'`);
    }
  }
  return result;
}

/** Decodes a workflow command in either syntax; undefined if the line is not one. */
export function parseWorkflowCommand(line: string): WorkflowCommand | undefined {
  const current = /^[\s\x85]*::([\w-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$/s.exec(line);
  if (current !== null) {
    const [, name, properties = '', message] = current as unknown as [
      string,
      string,
      string,
      string,
    ];
    return {
      name,
      properties: readProperties(properties, ',', unescapeProperty),
      message: unescapeData(message),
    };
  }
  // The runner finds the older syntax anywhere in a line, and still executes it.
  const older = /##\[([\w-]+)(?: ([^\]]*))?\](.*)$/s.exec(line);
  if (older === null) return undefined;
  const [, name, properties = '', message] = older as unknown as [string, string, string, string];
  return {
    name,
    properties: readProperties(properties, ';', unescapeOlder),
    message: unescapeOlder(message),
  };
}

/** The parsed log of one process. */
interface Log {
  lines: string[];
  annotations: Annotation[];
  debug: string[];
  masks: string[];
  groups: Group[];
  commands: WorkflowCommand[];
}

interface LogReader {
  log: Log;
  /** Takes the next line of either stream. */
  read(line: string): void;
  /** Adds an error of the runner itself. */
  fail(message: string): void;
}

/** Reads the log of one process and executes its commands. `secrets` belong to the whole job. */
function followLog(secrets: string[]): LogReader {
  const log: Log = { lines: [], annotations: [], debug: [], masks: [], groups: [], commands: [] };
  let open: Group | undefined;
  let stopToken: string | undefined;

  const mask = (text: string) =>
    secrets.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
  const write = (text: string) => {
    const masked = mask(text);
    log.lines.push(masked);
    open?.lines.push(masked);
  };
  const annotate = (level: Annotation['level'], message: string, properties = {}) => {
    log.annotations.push({ level, message: mask(message), properties });
    write(`##[${level}]${message}`);
  };
  const addMask = (secret: string) => {
    if (secret.trim() === '') return;
    log.masks.push(secret);
    // A secret of several lines is masked as a whole and line by line.
    for (const part of [secret, ...secret.split(/\r?\n/)]) {
      if (part.trim() !== '' && !secrets.includes(part)) secrets.push(part);
    }
    secrets.sort((a, b) => b.length - a.length);
  };

  return {
    log,
    fail: (message) => annotate('error', message),
    read(line) {
      if (stopToken !== undefined) {
        if (line.trim() === `::${stopToken}::`) stopToken = undefined;
        else write(line);
        return;
      }
      const command = parseWorkflowCommand(line);
      const name = command?.name.toLowerCase() ?? '';
      if (command === undefined || !commandNames.has(name)) {
        write(line);
        return;
      }
      log.commands.push(command);
      const { message, properties } = command;
      if (name === 'error' || name === 'warning' || name === 'notice') {
        annotate(name, message, properties);
      } else if (name === 'debug') {
        log.debug.push(mask(message));
      } else if (name === 'group') {
        write(`##[group]${message}`);
        open = { title: mask(message), lines: [] };
        log.groups.push(open);
      } else if (name === 'endgroup') {
        open = undefined;
        write('##[endgroup]');
      } else if (name === 'add-mask') {
        addMask(message);
      } else if (name === 'stop-commands') {
        stopToken = message;
      }
    },
  };
}

/** Waits until a process exits; at its deadline, kills it and all its children. */
function waitFor(child: ChildProcess, timeout: number) {
  const begun = performance.now();
  let durationMs = 0;
  let timedOut = false;
  let grace: NodeJS.Timeout | undefined;
  const deadline = setTimeout(() => {
    timedOut = true;
    killTree(child);
  }, timeout);
  child.once('exit', () => {
    durationMs = performance.now() - begun;
    // A background process that keeps the streams open must not block the test.
    grace = setTimeout(() => killTree(child), 2000);
  });
  return new Promise<Pick<StepResult, 'exitCode' | 'signal' | 'timedOut' | 'durationMs'>>(
    (settle, fail) => {
      child.once('error', (error) => {
        clearTimeout(deadline);
        fail(error);
      });
      child.once('close', (exitCode, signal) => {
        clearTimeout(deadline);
        clearTimeout(grace);
        killTree(child);
        settle({ exitCode, signal, timedOut, durationMs });
      });
    },
  );
}

/** Reads the file commands of a process; malformed ones become errors in the log. */
function readFileCommands(files: Record<FileCommand, string>, reader: LogReader) {
  let valid = true;
  const refuse = (message: string) => {
    valid = false;
    reader.fail(message);
  };
  const parse = (kind: FileCommand): Record<string, string> => {
    try {
      return parseFileCommand(readFileSync(files[kind], 'utf8'));
    } catch (error) {
      refuse(`Unable to process file command '${kind.toLowerCase()}' successfully.`);
      refuse((error as Error).message);
      return {};
    }
  };
  const env = parse('ENV');
  const outputs = parse('OUTPUT');
  const state = parse('STATE');
  if (env.NODE_OPTIONS !== undefined) {
    refuse("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.");
    delete env.NODE_OPTIONS;
  }
  // The runner's own variables can't be overwritten from a step.
  for (const name of Object.keys(env)) if (/^(GITHUB|RUNNER)_/.test(name)) delete env[name];
  // Each line goes in front of all earlier ones.
  const path = readFileSync(files.PATH, 'utf8').split(/\r?\n/).filter(Boolean).reverse();
  const summary = readFileSync(files.STEP_SUMMARY, 'utf8');
  return { valid, env, outputs, state, path, summary };
}

/** The variables of an action's inputs: `with`, whose names ignore case, else the defaults. */
function inputVariables(
  manifest: ActionManifest,
  given: Record<string, string | number | boolean>,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, input] of Object.entries(manifest.inputs)) {
    variables[inputVariable(name)] = input.default ?? '';
  }
  for (const [name, value] of Object.entries(given)) variables[inputVariable(name)] = String(value);
  return variables;
}

function inputVariable(name: string): string {
  return `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`;
}

function isInput(manifest: ActionManifest, name: string): boolean {
  return Object.keys(manifest.inputs).some((input) => input.toLowerCase() === name.toLowerCase());
}

/** Evaluates the only expression that the defaults of inputs contain. */
function expand(text: string): string {
  const expanded = text.replace(
    /\$\{\{ *github\.token *\}\}/g,
    'ghs_000000000000000000000000000000000000',
  );
  if (expanded.includes('${{')) throw new Error(`expression not supported: ${text}`);
  return expanded;
}

function holds(condition: string, outcome: Job['outcome']): boolean {
  const plain = condition.replace(/^\$\{\{(.*)\}\}$/, '$1').replaceAll(' ', '');
  if (plain === 'always()') return true;
  if (plain === 'success()') return outcome === 'success';
  if (plain === 'failure()') return outcome === 'failure';
  if (plain === 'cancelled()') return outcome === 'cancelled';
  if (plain === '!cancelled()') return outcome !== 'cancelled';
  throw new Error(`post-if not supported: ${condition}`);
}

function killTree(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (process.platform === 'win32') {
    if (child.exitCode === null) spawnSync('taskkill', ['/pid', String(child.pid), '/T', '/F']);
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has already ended.
  }
}

function windowsEnvironment(home: string, temp: string): Record<string, string> {
  const kept = windowsVariables.map((name) => [name, process.env[name] ?? '']);
  return { ...Object.fromEntries(kept), USERPROFILE: home, TEMP: temp, TMP: temp };
}

function asMap(value: Yaml | undefined): Record<string, Yaml> {
  return typeof value === 'object' ? value : {};
}

function readProperties(
  text: string,
  separator: string,
  decode: (value: string) => string,
): Record<string, string> {
  const pairs = text.split(separator).flatMap((part) => {
    const equals = part.indexOf('=');
    return equals > 0 ? [[part.slice(0, equals).trim(), decode(part.slice(equals + 1))]] : [];
  });
  return Object.fromEntries(pairs);
}

function unescapeData(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
}

function unescapeProperty(text: string): string {
  return unescapeData(text.replaceAll('%3A', ':').replaceAll('%2C', ','));
}

function unescapeOlder(text: string): string {
  return unescapeData(text.replaceAll('%3B', ';').replaceAll('%5D', ']'));
}
