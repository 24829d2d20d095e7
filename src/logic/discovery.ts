/** What to install when no input says it: the files of the working directory decide. */
import { declaresProject } from './local-project.ts';

/** Files that say what to install, the most decisive first. */
const decisiveFiles = [
  'requirements.txt',
  'pylock.toml',
  'uv.lock',
  'poetry.lock',
  'pdm.lock',
  'Pipfile.lock',
  'pyproject.toml',
  'setup.py',
] as const;

/** Files that may say what to install, but are never chosen. */
const relatedFile = /^(?:requirements.*\.(?:txt|in)|pylock\..+\.toml|Pipfile)$/;

export interface Discovery {
  /** The file that decides. */
  readonly file: string;
  /** It lists packages, and does not only describe the project. */
  readonly isList: boolean;
  /** The project in the directory is installed. Tools add theirs to what they export. */
  readonly isProject: boolean;
  /** Other files there that could have decided. */
  readonly others: readonly string[];
}

/**
 * Chooses what to install.
 * @param names of the files in the working directory
 * @param pyproject the text of pyproject.toml, if there is one
 * @param options.extras whether extras are asked for, which a requirement file does not have
 * @returns undefined when there is nothing to install
 * @throws UserError for a pyproject.toml that is not valid TOML
 */
export function discover(
  names: readonly string[],
  pyproject: string | undefined,
  options: { readonly extras: boolean },
): Discovery | undefined {
  // pip builds a project with setup.cfg alone only if there is a pyproject.toml, which may be empty.
  const hasProject =
    names.includes('setup.py') ||
    (pyproject !== undefined &&
      (names.includes('setup.cfg') || declaresProject(pyproject, 'pyproject.toml')));
  const isProject = (name: string): boolean =>
    hasProject && (name === 'pyproject.toml' || name === 'setup.py');
  const isChosen = (name: string): boolean => {
    if (!names.includes(name)) return false;
    if (name === 'requirements.txt') return !options.extras;
    return isProject(name) || !(name === 'pyproject.toml' || name === 'setup.py');
  };
  const file = decisiveFiles.find(isChosen);
  if (file === undefined) return undefined;
  const isInstalled = isProject(file) || (file === 'pylock.toml' && hasProject);
  return {
    file,
    isList: !isProject(file),
    isProject: isInstalled,
    others: names.filter(
      (name) =>
        name !== file &&
        !(isInstalled && isProject(name)) &&
        (relatedFile.test(name) || decisiveFiles.some((decisive) => decisive === name)),
    ),
  };
}

/** The message when there is nothing to install. */
export function nothingFound(directory: string, names: readonly string[]): string {
  const hints = [
    ...(names.includes('pyproject.toml')
      ? [' Its pyproject.toml has neither [project] nor [build-system].']
      : []),
    ...(names.includes('setup.cfg') && !names.includes('pyproject.toml')
      ? [' pip cannot build a project that has only setup.cfg: add a pyproject.toml.']
      : []),
  ];
  const files = `${decisiveFiles.slice(0, -1).join(', ')} and ${decisiveFiles.at(-1)}`;
  return `There is nothing to install in ${directory}: looked for ${files}.${hints.join('')} Set the input requirements, project, packages or groups, or set working-directory to the folder of the project; check that actions/checkout ran before this step.`;
}
