/**
 * Programs that a run needs and the machine lacks. Each is a request of its own, pinned with hashes
 * in this action, so that it comes from the user's index, is cached like any other wheelhouse, and is
 * verified by hash whoever wrote the cache.
 */
import path from 'node:path';
import { exportLock } from './export-lock.ts';
import { digest } from './logic/digest.ts';
import { messageOf, UserError } from './logic/errors.ts';
import type { ExportedLock } from './logic/lock-tools.ts';
import type { Interpreter, Request } from './logic/model.ts';
import { isOlderPip } from './logic/names.ts';
import type { RequirementFile } from './logic/requirements.ts';
import type { State } from './logic/state.ts';
import type { World } from './ports.ts';

/** The first uv whose resolution lists only files that fit the interpreter. */
const oldestUv = [0, 11] as const;

/** A program from an index. */
export interface Tool {
  /** The name of its project. */
  readonly name: string;
  /** For people, such as a name with a version; by default the name. */
  readonly shown?: string;
  /** Content of a requirement file that names it and all its dependencies, with hashes. */
  readonly requirements: string;
}

/** Where a tool is. */
export interface PreparedTool {
  /** Directory with its wheels. */
  readonly wheelhouse: string;
  /** Directory of the virtual environment that it is installed into. */
  readonly venv: string;
}

/** Installs a request. */
type Install = (
  request: Request,
  world: World,
) => Promise<{ readonly states: readonly State[]; readonly wheelhouse: string }>;

/** The tools of one run. */
export class Tools {
  /** The wheelhouses of tools that the post step has to save. */
  readonly states: State[] = [];
  readonly #request: Request;
  readonly #interpreter: Interpreter;
  readonly #world: World;
  readonly #run: Install;
  #uv: Promise<string> | undefined;
  readonly #prepared = new Map<string, Promise<PreparedTool>>();

  constructor(request: Request, interpreter: Interpreter, world: World, install: Install) {
    this.#request = request;
    this.#interpreter = interpreter;
    this.#world = world;
    this.#run = install;
  }

  /**
   * Installs a tool into an environment of its own, once.
   * @param purpose for messages, such as `poetry.lock`
   * @throws UserError when it can't be installed
   */
  prepare(tool: Tool, purpose: string): Promise<PreparedTool> {
    const known = this.#prepared.get(tool.name) ?? this.#prepare(tool, purpose);
    this.#prepared.set(tool.name, known);
    return known;
  }

  /**
   * Finds the uv that resolves, builds and installs: the one on PATH, or a pinned one. It is looked
   * for once, from the first call on.
   * @returns its command
   * @throws UserError when it can't be installed
   */
  uv(): Promise<string> {
    this.#uv ??= this.#findUv();
    this.#uv.catch(() => {}); // Whoever needs it gets the error.
    return this.#uv;
  }

  /**
   * Reads the lock of uv, Poetry, PDM or pipenv through the tool's own exporter.
   * @throws UserError in the tool's own words, such as for a lock that is out of date
   */
  exportLock(file: RequirementFile): Promise<ExportedLock & { readonly command: string }> {
    const run = { request: this.#request, interpreter: this.#interpreter };
    return exportLock(file, run, this.#world, (name) => {
      const requirements = this.#world.lockTools.requirements(name);
      return this.prepare({ name, requirements }, file.shown);
    });
  }

  async #findUv(): Promise<string> {
    const { uv, reporter, lockTools, wheelhouses } = this.#world;
    const { environment, temporary } = this.#request;
    const found = await uv.onPath(environment);
    const oldest = oldestUv.join('.');
    if (found !== undefined && !isOlderPip(found.version, oldestUv)) {
      reporter.info(`Using uv ${found.version} from PATH.`);
      return found.command;
    }
    const requirements = lockTools.requirements('uv');
    const [, version = ''] = /^uv==(\S+)/m.exec(requirements) ?? [];
    reporter.info(
      found === undefined
        ? `There is no uv on PATH; using uv ${version}.`
        : `The uv on PATH is ${found.version}, older than ${oldest}; using uv ${version}.`,
    );
    const { wheelhouse } = await this.#install(
      { name: 'uv', shown: `uv ${version}`, requirements },
      'installer: uv',
      undefined,
    );
    const [wheel] = await wheelhouses.list(wheelhouse);
    if (wheel === undefined) throw new Error(`${wheelhouse} has no wheel of uv`);
    const directory = await wheelhouses.workplace(temporary);
    return uv.unpack(this.#interpreter, path.join(wheelhouse, wheel), directory);
  }

  async #prepare(tool: Tool, purpose: string): Promise<PreparedTool> {
    const venv = path.join(this.#directoryOf(tool), 'venv');
    const { shown = tool.name } = tool;
    this.#world.reporter.info(
      `Installing ${shown}, which ${purpose} needs, into an environment of its own.`,
    );
    return { wheelhouse: (await this.#install(tool, purpose, venv)).wheelhouse, venv };
  }

  #directoryOf({ name, requirements }: Tool): string {
    const directory = `${name}-${digest([requirements]).slice(0, 16)}`;
    return path.join(this.#request.temporary, 'wheelhouse-tools', directory);
  }

  /** @param venv where it is installed; undefined for nothing but its wheelhouse */
  async #install(
    tool: Tool,
    purpose: string,
    venv: string | undefined,
  ): Promise<Pick<PreparedTool, 'wheelhouse'>> {
    const { name, shown = name, requirements } = tool;
    const directory = this.#directoryOf(tool);
    const { wheelhouses } = this.#world;
    await wheelhouses.write(path.join(directory, 'requirements.txt'), requirements);
    try {
      const request = toolRequest(this.#request, this.#interpreter, name, directory, venv);
      const { states, wheelhouse } = await this.#run(request, this.#worldFor(venv));
      this.states.push(...states);
      return { wheelhouse };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(
        `${purpose} needs ${shown}, which is not there and could not be installed: ${messageOf(error)} Install ${shown} before this step.`,
      );
    }
  }

  /** What only needs a wheelhouse runs beside the main run: its log has no groups of its own. */
  #worldFor(venv: string | undefined): World {
    const { reporter, python } = this.#world;
    if (venv !== undefined) return this.#world;
    return {
      ...this.#world,
      reporter: {
        ...reporter,
        group(title, work) {
          reporter.info(title);
          return work();
        },
      },
      python: { ...python, probe: async () => withoutPackages(this.#interpreter) },
    };
  }
}

/** Settings of pip that are about the user's packages, and would break those of a tool. */
const packageSettings =
  /^PIP_(?:CONSTRAINT|BUILD_CONSTRAINT|NO_BINARY|ONLY_BINARY|NO_DEPS|PRE|REQUIRE_HASHES|UPLOADED_PRIOR_TO)$/i;

/** The interpreter as if nothing were installed and no setting were about the user's packages. */
function withoutPackages(interpreter: Interpreter): Interpreter {
  const settings = Object.entries(interpreter.pipConfig).filter(([key]) => {
    const [, name = ''] = /^:env:\.(.*)$/.exec(key) ?? [];
    return !packageSettings.test(`PIP_${name.replaceAll('-', '_')}`);
  });
  return { ...interpreter, searchPath: [], pipConfig: Object.fromEntries(settings) };
}

/** The user's request, for a tool instead of the user's packages. */
function toolRequest(
  request: Request,
  { executable }: Interpreter,
  name: string,
  directory: string,
  venv: string | undefined,
): Request {
  const { cacheSuffix, environment } = request;
  return {
    ...request,
    workspace: directory,
    directory,
    workingDirectory: directory,
    requirements: ['requirements.txt'],
    projects: [],
    isOpen: false,
    packages: [],
    constraints: [],
    extras: [],
    groups: [],
    cacheDependencyPath: [],
    python: executable,
    venv,
    installer: 'pip',
    install: venv !== undefined,
    wheelhouse: undefined,
    // Its versions are pinned in this action, so they neither age nor change.
    releaseAge: undefined,
    refresh: 'never',
    recheck: 'never',
    // A restore for the user's packages must never find a tool's wheelhouse, nor the reverse.
    cacheSuffix: [...(cacheSuffix === '' ? [] : [cacheSuffix]), 'tool', name].join('-'),
    environment: Object.fromEntries(
      Object.entries(environment).filter(([key]) => !packageSettings.test(key)),
    ),
  };
}
