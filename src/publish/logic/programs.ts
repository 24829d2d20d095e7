/** The programs that upload and audit: where to find them, their arguments and environment. */
import { UserError } from '../../logic/errors.ts';
import type { FeedAccess, Uploader } from './model.ts';

/** What a publishing run needs besides pip. */
export type Tool = Uploader | 'pip-audit';

/** A program with its first arguments. */
export type Command = readonly [program: string, ...args: string[]];

/** The commands that may start a tool, in order of preference. */
export function commandsOf(tool: Tool, python: string): Command[] {
  return [[tool], [python, '-m', tool.replace('-', '_')]];
}

/** The oldest version that works, and the requirement that installs it. */
const oldest = {
  /** 6.1 refuses Metadata 2.5; 6.2 and later don't skip files on private feeds (pypa/twine#1251). */
  twine: { version: [7, 0], install: 'twine>=7' },
  /** The oldest tested version. */
  uv: { version: [0, 9], install: 'uv>=0.9' },
  /** The first version with these options. */
  'pip-audit': { version: [2, 8], install: 'pip-audit>=2.8' },
} as const;

/**
 * @param versionOutput the output of `--version`; undefined when the tool was not found
 * @throws UserError that says what to install
 */
export function checkTool(tool: Tool, python: string, versionOutput: string | undefined): void {
  const { version, install } = oldest[tool];
  const remedy = `Run ${python} -m pip install "${install}" before this step.`;
  const found = /\b(\d+)\.(\d+)(?:\.\d+)?/.exec(versionOutput ?? '');
  if (found === null) {
    throw new UserError(`${tool} is not on PATH and not installed for ${python}. ${remedy}`);
  }
  const [text, major = '', minor = ''] = found;
  const tooOld =
    Number(major) < version[0] || (Number(major) === version[0] && Number(minor) < version[1]);
  if (tooOld) {
    throw new UserError(
      `${tool} ${text} is too old: ${version.join('.')} or newer is needed. ${remedy}`,
    );
  }
}

/** @param files names in the working directory */
export function uploadArgs(uploader: Uploader, url: string, files: readonly string[]): string[] {
  return uploader === 'twine'
    ? [
        'upload',
        '--non-interactive',
        '--disable-progress-bar',
        `--repository-url=${url}`,
        '--',
        ...files,
      ]
    : [
        'publish',
        '--no-config',
        '--no-cache',
        '--no-progress',
        '--trusted-publishing=never',
        `--publish-url=${url}`,
        '--',
        ...files,
      ];
}

/** Variables that would make an uploader send files or credentials elsewhere. */
const notForUpload = /^(?:TWINE_(?:REPOSITORY|REPOSITORY_URL|USERNAME|PASSWORD)|UV_PUBLISH_\w+)$/i;

/**
 * Returns the uploader's environment, which contains the credentials: arguments would show them.
 * @param certificates path of a file of certificates to trust; undefined for the default ones
 */
export function uploadEnvironment(
  uploader: Uploader,
  environment: Readonly<Record<string, string>>,
  { username, password }: FeedAccess,
  certificates: string | undefined,
): Record<string, string> {
  const hasCredentials = username !== undefined && password !== undefined;
  const inherited = Object.entries(environment).filter(
    ([name]) => !hasCredentials || !notForUpload.test(name),
  );
  const prefix = uploader === 'twine' ? 'TWINE' : 'UV_PUBLISH';
  const trust = uploader === 'twine' ? 'TWINE_CERT' : 'SSL_CERT_FILE';
  return {
    ...(certificates === undefined ? {} : { [trust]: certificates }),
    ...Object.fromEntries(inherited),
    ...(hasCredentials
      ? { [`${prefix}_USERNAME`]: username, [`${prefix}_PASSWORD`]: password }
      : {}),
    NO_COLOR: '1',
    COLUMNS: '200', // twine wraps lines in the middle of words.
  };
}

/** Splits items into batches: the length of a command line is limited (Windows: 32,767). */
export function batches<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

/** What to do after a failed upload. */
export function uploadAdvice(output: string): string {
  return /\b40[13]\b/.test(output)
    ? 'The feed refused the upload. Check the inputs feed-username and feed-password, whether the secret has expired, and whether the user may upload.'
    : 'Check the input upload-url and the answer of the feed above. A new run uploads only what is missing.';
}
