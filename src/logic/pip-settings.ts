/**
 * pip's settings for a run: its configuration files, its environment variables, the index inputs
 * and the option lines of requirement files, merged as pip merges them.
 */

import { UserError } from './errors.ts';
import type { IndexInputs, Interpreter } from './model.ts';
import { isOlderPip } from './names.ts';
import type { ReleaseAge } from './release-age.ts';
import type { RequestLine } from './requirement-line.ts';

/** Settings by the name of pip's long option without dashes: `index-url`. */
export interface PipSettings {
  /** Whether an option without a value is set. */
  flag(name: string): boolean;
  /** The effective value of an option that takes one. */
  text(name: string): string | undefined;
  /** All values of an option that can be repeated, in pip's order. */
  words(name: string): readonly string[];
  /** pip's configuration, without option lines: value by name, never empty. */
  readonly configured: ReadonlyMap<string, string>;
}

/**
 * The settings without requirement files.
 * @param index the inputs that name indexes; each replaces the setting of its name
 */
export function pipSettings(
  { pipConfig }: Pick<Interpreter, 'pipConfig'>,
  index: Pick<IndexInputs, 'url' | 'extra'>,
): PipSettings {
  return settingsOf(
    new Map([
      ...effectiveSettings(pipConfig),
      ...(index.url === undefined ? [] : [['index-url', index.url] as const]),
      ...(index.extra.length === 0 ? [] : [['extra-index-url', index.extra.join(' ')] as const]),
    ]),
    [],
  );
}

/** The same settings with the option lines of requirement files. */
export function withOptionLines(
  { configured }: PipSettings,
  lines: readonly RequestLine[],
): PipSettings {
  return settingsOf(configured, lines);
}

function settingsOf(
  configured: ReadonlyMap<string, string>,
  lines: readonly RequestLine[],
): PipSettings {
  const given = (name: string): string[] =>
    lines.flatMap((line) => (line.kind === 'option' && line.name === name ? [line.value] : []));
  return {
    configured,
    flag: (name) => given(name).length > 0 || isYes(configured.get(name)),
    text: (name) => given(name).at(-1) ?? configured.get(name),
    words: (name) => [...wordsOf(configured.get(name)), ...given(name)],
  };
}

/** The words of one setting: pip splits configured values of repeatable options at white space. */
function wordsOf(value: string | undefined): string[] {
  return (value ?? '').split(/\s+/).filter((word) => word !== '');
}

/** Whether a value is a yes to pip, which rejects values that are neither yes nor no. */
function isYes(value: string | undefined): boolean {
  return value !== undefined && !/^(?:0|n|no|f|false|off)$/i.test(value);
}

/**
 * Values by long option name. The environment overrides the sections, which override `[global]`, as
 * in pip; `[install]` overrides `[wheel]`, since for the user this is an installation.
 * @param pipConfig value by `section.option`, with `:env:` as the section of variables
 */
export function effectiveSettings(
  pipConfig: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const rank = (section: string): number =>
    ['global', 'wheel', 'install', ':env:'].indexOf(section);
  const settings = new Map<string, { value: string; rank: number }>();
  for (const [key, value] of Object.entries(pipConfig)) {
    const dot = key.indexOf('.');
    const own = rank(key.slice(0, dot));
    const name = key.slice(dot + 1).replaceAll('_', '-');
    // pip ignores empty values.
    if (own < 0 || value === '' || (settings.get(name)?.rank ?? -1) > own) continue;
    settings.set(name, { value, rank: own });
  }
  return new Map([...settings].map(([name, { value }]) => [name, value]));
}

/** The first pip with a setting that limits which files it chooses. */
const since: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  'build-constraint': [25, 3],
  'all-releases': [26, 0],
  'only-final': [26, 0],
  'uploaded-prior-to': [26, 0],
};

/**
 * pip ignores variables and configuration for options that it does not have, so a limit would have
 * no effect.
 * @throws UserError for a limit that this pip ignores
 */
export function refuseIgnoredSettings({ configured }: PipSettings, pip: string): void {
  for (const [name, version] of Object.entries(since)) {
    if (configured.has(name) && isOlderPip(pip, version)) {
      const instead =
        name === 'uploaded-prior-to'
          ? ' The input minimum-release-age works with older pips too.'
          : '';
      throw new UserError(
        `pip is configured with ${name}, which pip ${pip} ignores. Upgrade pip to ${version.join('.')} or newer before this step, or remove the setting.${instead}`,
      );
    }
  }
}

/**
 * @param settings with the option lines of requirement files
 * @throws UserError for a setting of pip under which the minimum would have no effect, or another one
 */
export function refuseReleaseAgeConflicts(
  age: ReleaseAge | undefined,
  settings: PipSettings,
): void {
  if (age === undefined) return;
  if (settings.text('uploaded-prior-to') !== undefined) {
    throw new UserError(
      'The input minimum-release-age is set, and pip is configured with uploaded-prior-to (PIP_UPLOADED_PRIOR_TO). Remove one of them.',
    );
  }
  if (settings.flag('no-index')) {
    throw new UserError(
      'The input minimum-release-age is set, but pip uses no index (no-index is set), and files of find-links have no upload times. Remove one of the two settings.',
    );
  }
}

/**
 * Whether pip builds in isolated environments. In the configuration, `no-build-isolation` means the
 * opposite of its name: a yes keeps isolation on (seen on pip 22.2 and 26.3).
 */
export function isolatesBuilds(settings: PipSettings): boolean {
  const value = settings.configured.get('no-build-isolation');
  return value === undefined || isYes(value);
}

/** Whether the user allows pip to install into a Python that the system manages (PEP 668). */
export function breaksSystemPackages({ pipConfig }: Pick<Interpreter, 'pipConfig'>): boolean {
  return isYes(effectiveSettings(pipConfig).get('break-system-packages'));
}

/** @returns path of the certificates that pip trusts; undefined for its own */
export function certificatesOf(
  settings: PipSettings,
  environment: Readonly<Record<string, string>>,
): string | undefined {
  return (settings.text('cert') ?? environment['REQUESTS_CA_BUNDLE']) || undefined;
}
