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
import type { RequirementFile } from './logic/requirements.ts';
import type { State } from './logic/state.ts';
import type { World } from './ports.ts';

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
  readonly #install: Install;
  readonly #prepared = new Map<string, Promise<PreparedTool>>();

  constructor(request: Request, interpreter: Interpreter, world: World, install: Install) {
    this.#request = request;
    this.#interpreter = interpreter;
    this.#world = world;
    this.#install = install;
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

  async #prepare(tool: Tool, purpose: string): Promise<PreparedTool> {
    const { wheelhouses, reporter } = this.#world;
    const { name, shown = name, requirements } = tool;
    const directory = path.join(
      this.#request.temporary,
      'wheelhouse-tools',
      `${name}-${digest([requirements]).slice(0, 16)}`,
    );
    const venv = path.join(directory, 'venv');
    await wheelhouses.write(path.join(directory, 'requirements.txt'), requirements);
    reporter.info(`Installing ${shown}, which ${purpose} needs, into an environment of its own.`);
    try {
      const request = toolRequest(this.#request, this.#interpreter, name, directory, venv);
      const { states, wheelhouse } = await this.#install(request, this.#world);
      this.states.push(...states);
      return { wheelhouse, venv };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(
        `${purpose} needs ${shown}, which is not there and could not be installed: ${messageOf(error)} Install ${shown} before this step.`,
      );
    }
  }
}

/** Settings of pip that are about the user's packages, and would break those of a tool. */
const packageSettings =
  /^PIP_(?:CONSTRAINT|BUILD_CONSTRAINT|NO_BINARY|ONLY_BINARY|NO_DEPS|PRE|REQUIRE_HASHES|UPLOADED_PRIOR_TO)$/i;

/** The user's request, for a tool instead of the user's packages. */
function toolRequest(
  request: Request,
  { executable }: Interpreter,
  name: string,
  directory: string,
  venv: string,
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
    install: true,
    wheelhouse: undefined,
    // Its versions are pinned in this action, so they neither age nor change.
    releaseAge: undefined,
    refresh: 'never',
    // A restore for the user's packages must never find a tool's wheelhouse, nor the reverse.
    cacheSuffix: [...(cacheSuffix === '' ? [] : [cacheSuffix]), 'tool', name].join('-'),
    environment: Object.fromEntries(
      Object.entries(environment).filter(([key]) => !packageSettings.test(key)),
    ),
  };
}
