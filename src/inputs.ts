/** Reads and checks all inputs, here only, and makes a frozen Request from them. */
import path from 'node:path';

import {
  type CachePolicy,
  cachePolicy,
  type Setting,
  type WorkflowEvent,
} from './logic/cache-policy.ts';
import { UserError } from './logic/errors.ts';
import { recheckPeriods, refreshPeriods } from './logic/freshness.ts';
import type { IndexInputs, Request } from './logic/model.ts';
import { isValidName } from './logic/names.ts';
import { isWithin } from './logic/paths.ts';
import { readReleaseAge } from './logic/release-age.ts';

/** Where a run happens: the parts of a Request that are no inputs. */
export interface Host {
  /** Absolute path of the checkout; the root of the file system when files may be anywhere. */
  readonly workspace: string;
  /** Absolute path that relative paths start from without a working-directory. */
  readonly directory: string;
  readonly temporary: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly event: WorkflowEvent | undefined;
}

/** Every input with its default, as action.yml declares them. */
export const inputDefaults = {
  requirements: '',
  project: '',
  packages: '',
  constraints: '',
  extras: '',
  groups: '',
  editable: 'true',
  'install-project': 'true',
  'working-directory': '.',
  'cache-dependency-path': '',
  python: '',
  venv: '',
  installer: 'pip',
  'compile-bytecode': 'false',
  install: 'true',
  export: 'false',
  refresh: 'auto',
  recheck: 'weekly',
  'minimum-release-age': '',
  'minimum-release-age-exclude': '',
  'restore-cache': 'auto',
  'save-cache': 'auto',
  'cache-suffix': '',
  wheelhouse: '',
  'index-url': '',
  'extra-index-url': '',
  'trusted-host': '',
  'index-username': '',
  'index-password': '',
  'mirror-url': '',
} as const;

export type InputName = keyof typeof inputDefaults;

/**
 * Returns readers of single inputs, which throw a UserError for a value that is not accepted.
 * @param get returns the text of an input, empty when it is not set
 * @param separator between the values of an input with several
 */
export function inputReader<Name extends string>(
  get: (name: Name) => string,
  defaults: Readonly<Record<Name, string>>,
  separator: RegExp,
) {
  const text = (name: Name): string => {
    const value = get(name).trim() || defaults[name];
    if (value.includes('\0')) throw new UserError(`The input ${name} contains a NUL character.`);
    return value;
  };
  const lines = (name: Name): string[] =>
    text(name)
      .split(separator)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  const oneOf = <T extends string>(name: Name, allowed: readonly T[]): T => {
    const value = text(name);
    const found = allowed.find((each) => each === value.toLowerCase());
    if (found !== undefined) return found;
    throw new UserError(
      `The input ${name} is "${value}"; it must be one of ${allowed.join(', ')}.`,
    );
  };
  const flag = (name: Name): boolean => oneOf(name, ['true', 'false']) === 'true';
  return { text, lines, oneOf, flag };
}

/**
 * Reads the inputs of the action.
 * @param get returns the text of an input, empty when it is not set
 * @throws UserError with the input and the values that it accepts
 */
export function loadRequest(
  get: (name: InputName) => string,
  host: Host,
): { request: Request; notices: readonly string[] } {
  const { text, lines, oneOf, flag } = inputReader(get, inputDefaults, /\r?\n/);
  const setting = (name: InputName): Setting => oneOf(name, ['auto', 'true', 'false']);

  const workingDirectory = path.resolve(host.directory, text('working-directory'));
  const within = (name: InputName): string | undefined => {
    const value = text(name);
    return value === '' ? undefined : path.resolve(workingDirectory, value);
  };
  const packages = lines('packages');
  const groups = lines('groups');
  const requirements = lines('requirements');
  const projects = lines('project');
  const suffix = text('cache-suffix');
  if (!/^[A-Za-z0-9._-]*$/.test(suffix)) {
    throw new UserError(
      `The input cache-suffix is "${suffix}"; it may only contain letters, digits, ".", "_" and "-".`,
    );
  }
  if (suffix.length > 100)
    throw new UserError('The input cache-suffix is longer than 100 characters.');
  const wheelhouse = within('wheelhouse');
  const contained = [workingDirectory, host.workspace].find(
    (directory) => wheelhouse !== undefined && isWithin(wheelhouse, directory),
  );
  if (contained !== undefined) {
    throw new UserError(
      `The input wheelhouse is ${wheelhouse}, which contains the ${contained === host.workspace ? 'checkout' : 'working directory'} and would be overwritten. Choose a dedicated directory.`,
    );
  }
  const policy: CachePolicy = cachePolicy(
    host.event,
    setting('restore-cache'),
    setting('save-cache'),
  );
  return {
    notices: policy.notices,
    request: Object.freeze({
      workspace: host.workspace,
      directory: host.directory,
      workingDirectory,
      requirements,
      projects,
      isOpen: [requirements, projects, packages, groups].every((each) => each.length === 0),
      packages,
      constraints: lines('constraints'),
      extras: lines('extras')
        .flatMap((line) => line.split(','))
        .map(extraName),
      groups,
      editable: flag('editable'),
      installProject: flag('install-project'),
      cacheDependencyPath: lines('cache-dependency-path'),
      python: text('python') || undefined,
      venv: within('venv'),
      installer: oneOf('installer', ['pip', 'uv']),
      compileBytecode: flag('compile-bytecode'),
      install: flag('install'),
      export: flag('export'),
      refresh: oneOf('refresh', refreshPeriods),
      recheck: oneOf('recheck', recheckPeriods),
      releaseAge: readReleaseAge(text('minimum-release-age'), lines('minimum-release-age-exclude')),
      restoreCache: policy.restore,
      saveCache: policy.save,
      cacheSuffix: suffix,
      wheelhouse,
      index: indexInputs(text, lines),
      temporary: host.temporary,
      environment: host.environment,
    }),
  };
}

function extraName(text: string): string {
  const name = text.trim();
  if (isValidName(name)) return name;
  throw new UserError(
    `The input extras contains "${name}", which is not the name of an extra. Write one name per line, or separate them by commas.`,
  );
}

function indexInputs(
  text: (name: InputName) => string,
  lines: (name: InputName) => string[],
): IndexInputs {
  const url = (name: InputName, value: string): string => {
    // The message leaves out the value, which may contain a secret. The parser ignores line breaks;
    // whatever reads the value next may not.
    if (/\s/.test(value) || !URL.canParse(value)) {
      throw new UserError(
        `The input ${name} is not a valid URL (expected one such as https://index.example/simple).`,
      );
    }
    return value;
  };
  const optional = (name: InputName): string | undefined =>
    text(name) === '' ? undefined : url(name, text(name));
  const username = text('index-username') || undefined;
  const password = text('index-password') || undefined;
  if (password !== undefined && username === undefined) {
    throw new UserError(
      'The input index-password is set without index-username. Set both; if the index ignores the user name (as Azure Artifacts does), use any value.',
    );
  }
  return {
    url: optional('index-url'),
    extra: lines('extra-index-url').map((value) => url('extra-index-url', value)),
    trustedHosts: lines('trusted-host'),
    username,
    password,
    mirror: optional('mirror-url'),
  };
}
