/** The programs that upload and audit: where they are found, what they are told. */
import { UserError } from '../../logic/errors.ts';
import type { FeedAccess, Uploader } from './model.ts';

/** A program with the arguments that stand before all others. */
export type Command = readonly [program: string, ...args: string[]];

/** Where an uploader or auditor may be found, the first one first. */
export function commandsOf(tool: Uploader | 'pip-audit', python: string): Command[] {
  return [[tool], [python, '-m', tool.replace('-', '_')]];
}

/** The oldest that does what is needed, and the requirement that brings it. */
const oldest = {
  /** 6.1 refuses Metadata 2.5; 6.2 and later don't skip files on private feeds (pypa/twine#1251). */
  twine: { version: [7, 0], install: 'twine>=7' },
  /** The oldest that was tried. */
  uv: { version: [0, 9], install: 'uv>=0.9' },
  /** The first whose options are these. */
  'pip-audit': { version: [2, 8], install: 'pip-audit>=2.8' },
} as const;

/**
 * @param versionOutput what `--version` prints; undefined: it was not found
 * @throws UserError that says what to install
 */
export function checkTool(
  tool: Uploader | 'pip-audit',
  python: string,
  versionOutput: string | undefined,
): void {
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

/** @param files names in the directory that it runs in */
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

/** Settings of an uploader that would send files or credentials elsewhere. */
const notForUpload = /^(?:TWINE_(?:REPOSITORY|REPOSITORY_URL|USERNAME|PASSWORD)|UV_PUBLISH_\w+)$/i;

/**
 * The uploader's environment: here, and never among its arguments, are the credentials.
 * @param certificates file of certificates that pip is told to trust; undefined: none
 */
export function uploadEnvironment(
  uploader: Uploader,
  environment: Readonly<Record<string, string>>,
  { username, password }: FeedAccess,
  certificates: string | undefined,
): Record<string, string> {
  const given = username !== undefined && password !== undefined;
  const kept = Object.entries(environment).filter(([name]) => !given || !notForUpload.test(name));
  const prefix = uploader === 'twine' ? 'TWINE' : 'UV_PUBLISH';
  const trust = uploader === 'twine' ? 'TWINE_CERT' : 'SSL_CERT_FILE';
  return {
    ...(certificates === undefined ? {} : { [trust]: certificates }),
    ...Object.fromEntries(kept),
    ...(given ? { [`${prefix}_USERNAME`]: username, [`${prefix}_PASSWORD`]: password } : {}),
    NO_COLOR: '1',
    COLUMNS: '200', // twine breaks lines in the middle of words.
  };
}

/** A few at a time: command lines have an end, on Windows after 32,767 characters. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

/** What to do about an uploader that failed. */
export function uploadAdvice(output: string): string {
  return /\b40[13]\b/.test(output)
    ? 'The feed refused the upload: check the inputs feed-username and feed-password, whether the secret has expired, and whether that user may upload.'
    : 'Check the input upload-url and what the feed says above; a run that is started again uploads only what is missing.';
}
