/**
 * A stand-in for Azure Pipelines for one job: it expands templates, caches what Cache@2 caches, and
 * runs script steps as the agent does. It supports what the templates of this repository use, and
 * throws on everything else.
 *
 * Follows the documentation (process/templates, repos/multi-repo-checkout, release/caching) and
 * microsoft/azure-pipelines-agent (PipelineCacheTaskPluginBase, FingerprintCreator).
 */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';

import { start } from './command-line.ts';
import { type Mapping, type Node, parseYaml } from './yaml.ts';

/** Alias of a repository resource, or `self` → its directory. */
type Repositories = Readonly<Record<string, string>>;

/** Reads the pipeline of a repository and expands every template. */
export function expandPipeline(
  file: string,
  repositories: Repositories,
  parameters: Mapping = {},
): Mapping {
  return expandFile(file, repositories, parameters);
}

function expandFile(file: string, repositories: Repositories, given: Mapping): Mapping {
  const { parameters: declared = [], ...body } = parseYaml(readFileSync(file, 'utf8'));
  const values: Mapping = {};
  for (const parameter of declared as Mapping[]) {
    const name = String(parameter['name']);
    const value = given[name] ?? parameter['default'];
    assert.notEqual(value, undefined, `${file} needs the parameter ${name}`);
    const allowed = parameter['values'] as Node[] | undefined;
    // A parameter of type string gets a YAML scalar as text.
    values[name] = parameter['type'] === 'string' ? String(value) : (value as Node);
    assert.ok(!allowed || allowed.includes(values[name]), `${name} can't be ${value}`);
  }
  for (const name of Object.keys(given)) {
    assert.ok(name in values, `${file} has no parameter ${name}`);
  }
  return expand(body, values, repositories) as Mapping;
}

function expand(node: Node, parameters: Mapping, repositories: Repositories): Node {
  if (typeof node === 'string') return interpolate(node, parameters);
  if (Array.isArray(node)) {
    const chain = new Chain(parameters);
    return node.flatMap((item) => {
      if (item !== null && typeof item === 'object' && !Array.isArray(item)) {
        const [key = '', ...others] = Object.keys(item);
        if (key.startsWith('${{') && others.length === 0) {
          return chain.holds(key)
            ? (expand(item[key] as Node, parameters, repositories) as Node[])
            : [];
        }
        if (typeof item['template'] === 'string') {
          const [path = '', alias = 'self'] = item['template'].split('@');
          const inner = expand(item['parameters'] ?? {}, parameters, repositories) as Mapping;
          const repository = repositories[alias];
          assert.ok(repository, `no repository ${alias}`);
          const { steps } = expandFile(join(repository, path), repositories, inner);
          return steps as Node[];
        }
      }
      const value = expand(item, parameters, repositories);
      return Array.isArray(value) && typeof item === 'string' ? value : [value];
    });
  }
  if (node === null || typeof node !== 'object') return node;
  const result: Mapping = {};
  const chain = new Chain(parameters);
  for (const [key, value] of Object.entries(node)) {
    if (key.startsWith('${{')) {
      if (chain.holds(key)) Object.assign(result, expand(value, parameters, repositories));
    } else {
      result[key] = expand(value, parameters, repositories);
    }
  }
  return result;
}

/** A sequence of `if`, `elseif` and `else`. */
class Chain {
  #taken = true;
  readonly #parameters: Mapping;

  constructor(parameters: Mapping) {
    this.#parameters = parameters;
  }

  holds(key: string): boolean {
    const [, word, condition = ''] = /^\$\{\{\s*(if|elseif|else)\b\s*(.*?)\s*\}\}$/.exec(key) ?? [];
    assert.ok(word, `no such directive: ${key}`);
    if (word === 'if') this.#taken = false;
    if (this.#taken) return false;
    this.#taken = word === 'else' || evaluate(condition, this.#parameters) === true;
    return this.#taken;
  }
}

function interpolate(text: string, parameters: Mapping): Node {
  const whole = /^\$\{\{([^}]*)\}\}$/.exec(text)?.[1];
  if (whole !== undefined) return evaluate(whole, parameters);
  return text.replace(/\$\{\{([^}]*)\}\}/g, (_all, inner) => String(evaluate(inner, parameters)));
}

/** Evaluates an expression of functions, parameters and texts. */
function evaluate(expression: string, parameters: Mapping): Node {
  const tokens: string[] = expression.match(/'(?:[^']|'')*'|[\w.]+|[(),]/g) ?? [];
  const isNext = (token: string): boolean => tokens[0] === token;
  const next = (): Node => {
    const token = tokens.shift() ?? '';
    if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'");
    if (isNext('(')) {
      tokens.shift();
      const args: Node[] = [];
      while (!isNext(')')) {
        assert.ok(tokens.length > 0, `${expression} is not closed`);
        args.push(next());
        if (isNext(',')) tokens.shift();
      }
      tokens.shift();
      const isSame = () => String(args[0]).toLowerCase() === String(args[1]).toLowerCase();
      if (token === 'eq') return isSame();
      if (token === 'ne') return !isSame();
      if (token === 'coalesce') return args.find((each) => each !== '' && each !== null) ?? '';
      throw new Error(`no such function: ${token}`);
    }
    const name = /^parameters\.(\w+)$/.exec(token)?.[1];
    assert.ok(name !== undefined && name in parameters, `no such value: ${token}`);
    return parameters[name] as Node;
  };
  const value = next();
  assert.deepEqual(tokens, [], `${expression} is more than one value`);
  return value;
}

/** The cache of Cache@2 for a pipeline, whose entries can't be replaced. */
export class AzureCache {
  readonly entries: { readonly key: readonly string[]; readonly content: string }[] = [];

  /** @returns the value of `cacheHitVar` */
  restore(key: string, restoreKeys: string, path: string): 'true' | 'inexact' | 'false' {
    const wanted = segments(key);
    const begins = (prefix: readonly string[]) =>
      this.entries.findLast((entry) => prefix.every((each, order) => each === entry.key[order]));
    const exact = this.entries.find((entry) => `${entry.key}` === `${wanted}`);
    const lines = restoreKeys.split('\n').filter((line) => line.trim() !== '');
    const found = exact ?? lines.map(segments).map(begins).find(Boolean);
    if (found) cpSync(found.content, path, { recursive: true });
    return exact ? 'true' : found ? 'inexact' : 'false';
  }

  save(key: string, path: string): void {
    assert.ok(existsSync(path), `there is no ${path} to save`);
    const wanted = segments(key);
    if (this.entries.some((entry) => `${entry.key}` === `${wanted}`)) return;
    const content = mkdtempSync(join(tmpdir(), 'azure-cache-'));
    cpSync(path, content, { recursive: true });
    this.entries.push({ key: wanted, content });
  }

  remove(): void {
    for (const { content } of this.entries) rmSync(content, { recursive: true, force: true });
  }
}

function segments(key: string): string[] {
  return key.split('|').map((part) => {
    const segment = part.trim();
    const isLiteral = /^"[^"]+"$/.test(segment);
    assert.ok(isLiteral || !/[./\\*]/.test(segment), `${segment} would be taken for a file`);
    assert.doesNotMatch(segment, /\$\(/, 'a variable was not set');
    return segment;
  });
}

export interface AgentJob {
  readonly steps: readonly Mapping[];
  readonly repositories: Repositories;
  readonly cache: AzureCache;
  readonly variables?: Readonly<Record<string, string>>;
  /** Only in the environment of steps that request them. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Variables of the machine, for every step. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directory of an agent that keeps its workspace. Default: a new one for each job. */
  readonly agent?: string;
  /** Runs at the end, before the workspace is removed. */
  readonly atEnd?: (place: { workspace: string; env: Record<string, string> }) => void;
}

export interface AgentResult {
  readonly failed: string | undefined;
  readonly log: string;
  /** The value of `cacheHitVar` of the last Cache@2. */
  readonly cacheHit: string | undefined;
  readonly variables: Readonly<Record<string, string>>;
}

/** Runs the steps of a job. */
export async function runOnAgent(job: AgentJob): Promise<AgentResult> {
  const agent = job.agent ?? realpathSync(mkdtempSync(join(tmpdir(), 'azure-agent-')));
  const workspace = join(agent, '_work', '1');
  const temporary = join(agent, '_work', '_temp');
  rmSync(temporary, { recursive: true, force: true });
  for (const directory of [workspace, temporary, join(agent, 'home')]) {
    mkdirSync(directory, { recursive: true });
  }
  const sources = join(workspace, 's');
  const variables: Record<string, string> = {
    'Agent.BuildDirectory': workspace,
    'Agent.TempDirectory': temporary,
    'Build.SourcesDirectory': sources,
    'Pipeline.Workspace': workspace,
    'System.CollectionUri': 'https://dev.azure.com/example/',
    'System.DefaultWorkingDirectory': sources,
    ...job.variables,
  };
  const path: string[] = [];
  let log = '';
  let failed: string | undefined;
  let cacheHit: string | undefined;
  const saves: (() => void)[] = [];

  const macros = (text: string): string =>
    text.replace(/\$\(([\w.]+)\)/g, (all, name: string) => {
      const own = { ...variables, ...job.secrets };
      const key = Object.keys(own).find((each) => each.toLowerCase() === name.toLowerCase());
      return key === undefined ? all : String(own[key]);
    });
  const environment = (own: Mapping = {}): Record<string, string> => ({
    LANG: 'C.UTF-8',
    HOME: join(agent, 'home'),
    TF_BUILD: 'True',
    ...job.env,
    PATH: [...path, job.env?.['PATH'] ?? process.env['PATH'] ?? ''].join(delimiter),
    ...Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [
        name.toUpperCase().replace(/[. ]/g, '_'),
        value,
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(own).map(([name, value]) => [name, macros(String(value))]),
    ),
  });

  const checkouts = job.steps.filter((step) => 'checkout' in step);
  if (checkouts.length === 0)
    cpSync(String(job.repositories['self']), sources, { recursive: true });
  try {
    for (const step of job.steps) {
      if (typeof step['checkout'] === 'string') {
        const repository = job.repositories[step['checkout']];
        assert.ok(repository, `no repository ${step['checkout']}`);
        const folder = checkouts.length > 1 ? join('s', basename(repository)) : 's';
        const target = join(workspace, String(step['path'] ?? folder));
        rmSync(target, { recursive: true, force: true });
        cpSync(repository, target, { recursive: true });
      } else if (typeof step['bash'] === 'string') {
        const script = join(temporary, 'script.sh');
        writeFileSync(script, macros(step['bash']));
        mkdirSync(sources, { recursive: true });
        const { exitCode, stdout, stderr } = await start(
          ['bash', '--noprofile', '--norc', script],
          { cwd: sources, env: environment(step['env'] as Mapping) },
        );
        log += stdout + stderr;
        for (const [, command, name, value = ''] of stdout.matchAll(
          /^##vso\[task\.(\w+)(?: variable=([\w.]+))?\](.*)$/gm,
        )) {
          if (command === 'setvariable' && name !== undefined) variables[name] = value;
          else if (command === 'prependpath') path.unshift(value);
          else throw new Error(`no such command: ${command}`);
        }
        if (exitCode !== 0) {
          failed = String(step['displayName']);
          break;
        }
      } else if (step['task'] === 'Cache@2') {
        const { key = '', restoreKeys = '', path: place = '' } = step['inputs'] as Mapping;
        const [exact, target] = [macros(String(key)), macros(String(place))];
        cacheHit = job.cache.restore(exact, macros(String(restoreKeys)), target);
        saves.push(() => job.cache.save(exact, target));
      } else {
        assert.equal(step['task'], 'UsePythonVersion@0', JSON.stringify(step));
      }
    }
    // The post step of Cache@2 runs only if the job has succeeded.
    if (failed === undefined) for (const save of saves) save();
    job.atEnd?.({ workspace, env: environment() });
    return { failed, log, cacheHit, variables };
  } finally {
    if (job.agent === undefined) rmSync(agent, { recursive: true, force: true, maxRetries: 3 });
  }
}
