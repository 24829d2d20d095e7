/** The inputs of an action as flags of the command line, and the flags that only it has. */
import { homedir } from 'node:os';
import path from 'node:path';

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type BundleInputName,
  bundleInputDefaults,
  inputsOfInstallation,
} from '../bundle/inputs.ts';
import { type InputName, inputDefaults } from '../inputs.ts';
import { installHelp } from './help.ts';

/** What the parser gives, by flag in camel case. */
export type Values = Readonly<Record<string, unknown>>;

/** The inputs of an action that become flags. */
export interface InputFlags<Name extends string> {
  /** Every input of the action, with its default. */
  readonly defaults: Readonly<Record<Name, string>>;
  /** Their descriptions in action.yml. */
  readonly help: Readonly<Record<Name, string>>;
  /** One-letter forms. */
  readonly short: Readonly<Partial<Record<Name, string>>>;
  readonly repeatable: readonly Name[];
  /** Environment variables for values that may be secret: every user of a machine can read flags. */
  readonly variables: Readonly<Partial<Record<Name, string>>>;
  /** Flags without a value. */
  readonly switches?: readonly Name[];
  /** Inputs without a flag, because they have no meaning for the command. */
  readonly withoutFlag?: readonly Name[];
}

/** Variables for the index flags that `install` and `publish` share. */
export const indexFlagVariables = {
  'index-url': 'WHEELHOUSE_INDEX_URL',
  'index-password': 'WHEELHOUSE_INDEX_PASSWORD',
} as const;

/** The flags of `install`, `key` and `doctor`. */
export const installFlags: InputFlags<InputName> = {
  defaults: inputDefaults,
  help: installHelp,
  short: { requirements: '-r', constraints: '-c' },
  repeatable: [
    'requirements',
    'project',
    'packages',
    'constraints',
    'extras',
    'groups',
    'cache-dependency-path',
    'minimum-release-age-exclude',
    'extra-index-url',
    'trusted-host',
  ],
  variables: {
    ...indexFlagVariables,
    'extra-index-url': 'WHEELHOUSE_EXTRA_INDEX_URL',
    'mirror-url': 'WHEELHOUSE_MIRROR_URL',
  },
  withoutFlag: ['restore-cache', 'save-cache', 'export'],
};

/** The flags of `bundle`. */
export const bundleFlags: InputFlags<BundleInputName> = {
  ...installFlags,
  defaults: bundleInputDefaults,
  help: {
    ...installHelp,
    platforms:
      'Platform tags to bundle for, such as manylinux_2_28_x86_64 or win_amd64. Defaults to the platform of this machine.',
    'python-versions':
      'CPython versions to bundle for, such as 3.12. Defaults to the version of the flag --python.',
  },
  repeatable: [...installFlags.repeatable, 'platforms', 'python-versions'],
  withoutFlag: [...(installFlags.withoutFlag ?? []), ...inputsOfInstallation],
};

/** Adds a flag for each input. */
export function addInputs<Name extends string>(
  command: Command,
  { defaults, help, short, repeatable, variables, ...rare }: InputFlags<Name>,
): Command {
  const { switches = [], withoutFlag = [] } = rare;
  for (const [name, value] of Object.entries(defaults) as [Name, string][]) {
    if (withoutFlag.includes(name)) continue;
    const letter = short[name] === undefined ? '' : `${short[name]}, `;
    const isSwitch = switches.includes(name);
    const isRepeatable = repeatable.includes(name);
    const description = [
      help[name],
      ...(isRepeatable ? ['Can be repeated.'] : []),
      ...(value === '' || isSwitch ? [] : [`(default: ${value})`]),
    ];
    const option = new Option(
      `${letter}--${name}${isSwitch ? '' : ' <value>'}`,
      description.join(' '),
    );
    if (isRepeatable) {
      option.argParser((text: string, before: string[] = []) => [...before, text]);
    }
    const variable = variables[name];
    if (variable !== undefined) option.env(variable);
    command.addOption(option);
  }
  return command;
}

/** Reads inputs from flags: returns the text of an input by its name, one line per value. */
export function inputsFrom(values: Values): (name: string) => string {
  return (name) => {
    const value = values[name.replace(/-(.)/g, (_dash, letter: string) => letter.toUpperCase())];
    return [value ?? ''].flat().join('\n');
  };
}

export function outputFlag(): Option {
  return new Option(
    '-o, --output <path>',
    'The bundle to write: a directory, or an archive whose name ends in .tar.gz or .zip.',
  ).makeOptionMandatory();
}

export function noStoreFlag(): Option {
  return new Option('--no-store', 'Do not use a store.');
}

export function storeFlag(): Option {
  return new Option(
    '--store <directory>',
    'Directory where wheelhouses are kept between runs.',
  ).default(defaultStore());
}

/** `wheelhouse` in the user's cache directory. */
function defaultStore(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const caches =
    process.platform === 'darwin'
      ? path.join(homedir(), 'Library', 'Caches')
      : (process.platform === 'win32' && LOCALAPPDATA) ||
        XDG_CACHE_HOME ||
        path.join(homedir(), '.cache');
  return path.join(caches, 'wheelhouse');
}

/** A flag whose value is a number of bytes. */
export function maxSizeFlag(): Option {
  return new Option(
    '--max-size <size>',
    'Largest size of the store, such as 500MB. The least recently used wheelhouses are deleted first.',
  ).argParser(parseSize);
}

/** @param text `500MB`, `2 GB`, or bytes */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError('Expected a size such as 500MB or 2GB.');
  const power = ['', 'k', 'm', 'g', 't'].indexOf(String(match[2]).toLowerCase());
  return Number(match[1]) * 1000 ** power;
}

export function jsonFlag(): Option {
  return new Option('--json', 'Print the result as JSON.');
}
