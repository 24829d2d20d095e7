/** What publishing decides: what to ask pip for, what a feed's pages say, what is to be done. */

import { type Interpreter, type Request, type RequestedSet, UserError } from './model.ts';
import { normalizeName, wheelNameParts } from './names.ts';
import { indexesOf, indexVariables } from './package-index.ts';
import type { PipSettings } from './pip-settings.ts';
import { type Health, judgePage, type ProjectFile, projectFiles } from './project-page.ts';
import { directRequirements } from './requirements.ts';

export const uploaders = ['twine', 'uv'] as const;
export type Uploader = (typeof uploaders)[number];

export const auditModes = ['off', 'warn', 'fail'] as const;
export type AuditMode = (typeof auditModes)[number];

/** Everything that a publishing run was asked for. */
export interface PublishRequest {
  /** What is wanted and the index that it comes from. */
  readonly source: Request;
  /** Platform tags; empty: the one that this runs on. */
  readonly platforms: readonly string[];
  /** `3.12` or `3.12.4`; empty: the chosen Python's. */
  readonly pythonVersions: readonly string[];
  readonly feed: FeedAccess;
  readonly uploadUrl: string;
  readonly uploader: Uploader;
  readonly audit: AuditMode;
  readonly dryRun: boolean;
}

/** A private feed and who asks it. The password is a secret: never shown. */
export interface FeedAccess {
  /** Of its simple index, with a trailing slash and without credentials. */
  readonly url: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** A kind of machine that packages are published for. */
export interface Target {
  /** For people. */
  readonly name: string;
  /** pip's options that choose its files; empty: those of the running Python. */
  readonly options: readonly string[];
  /** What environment markers are compared with, where it is not the running Python. */
  readonly markers: Readonly<Record<string, string>> | undefined;
}

/** A file of the source index, byte by byte as it came from there. */
export interface SourceFile {
  readonly file: string;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  /** asked: the request's closure; build: what its sdists are built with. */
  readonly role: 'asked' | 'build';
}

/** A file as pip has left it. */
export type DownloadedFile = Pick<SourceFile, 'file' | 'sha256' | 'size'>;

/** What an sdist says of itself, without being built. */
export interface SdistMetadata {
  readonly name: string;
  readonly version: string;
  /** Text of its pyproject.toml; undefined: it has none. */
  readonly pyproject: string | undefined;
}

/** What a feed says of one project. */
export type FeedAnswer =
  | { readonly state: 'listed'; readonly files: readonly ProjectFile[] }
  /** The feed does not have it; `forwarded`: the host where it sends those who ask. */
  | { readonly state: 'absent'; readonly forwarded?: string }
  | { readonly state: 'refused'; readonly status: 401 | 403 }
  | { readonly state: 'unreadable'; readonly reason: string };

export type FileState = 'present' | 'conflict' | 'absent';

/** One file with what became of it. */
export interface PublishRow extends SourceFile {
  readonly state: FileState | 'uploaded';
  /** Lower-case hex: the content that the feed has under that name, where it has any. */
  readonly feedSha256: string | undefined;
}

export interface AuditResult {
  /** failed: at least one look-up did not take place, so nobody knows. */
  readonly state: 'off' | 'clean' | 'vulnerable' | 'failed';
  /** `name version: ID, ID`, or why the look-up failed. */
  readonly findings: readonly string[];
}

/** What one publishing run did. */
export interface PublishReport {
  readonly rows: readonly PublishRow[];
  readonly targets: readonly string[];
  readonly feed: string;
  readonly audit: AuditResult;
  readonly dryRun: boolean;
  /** Text for the machines that install from the feed. */
  readonly pipConf: string;
  /** The closure as `name==version --hash=…`, what sdists are built with left out. */
  readonly lock: string;
}

/** Files on the feed have other content than the source's. */
export class PublishConflict extends UserError {
  readonly report: PublishReport;

  constructor(message: string, report: PublishReport) {
    super(message);
    this.report = report;
  }
}

/**
 * Only what an index has can be mirrored.
 * @throws UserError for a path, a branch or a URL among the requirements
 */
export function refuseDirect(requested: RequestedSet): void {
  const [first] = directRequirements(requested.lines);
  if (first === undefined) return;
  throw new UserError(
    `"${first.shown}" comes from its own place, and only files of an index are published. Upload a project of yours from where it is built, and remove this line.`,
    first.source,
  );
}

/**
 * The machines that are asked for: every platform with every version.
 * @throws UserError for a platform or version of another form
 */
export function targetsOf(
  platforms: readonly string[],
  pythonVersions: readonly string[],
  interpreter: Pick<Interpreter, 'version' | 'series' | 'platform'>,
): Target[] {
  if (platforms.length + pythonVersions.length === 0) {
    const name = `Python ${interpreter.series} on ${interpreter.platform}`;
    return [{ name, options: [], markers: undefined }];
  }
  for (const version of pythonVersions) {
    if (!/^3\.\d+(\.\d+)?$/.test(version)) {
      throw new UserError(
        `The input python-versions holds "${version}"; it takes versions of CPython such as 3.12, one per line.`,
      );
    }
  }
  const versions = pythonVersions.length > 0 ? pythonVersions : [interpreter.version];
  return (platforms.length > 0 ? platforms : [undefined]).flatMap((platform) =>
    versions.map((version) => ({
      name: `Python ${pythonVersions.length > 0 ? version : interpreter.series} on ${platform ?? interpreter.platform}`,
      options: [
        '--implementation=cp',
        `--python-version=${version.split('.').slice(0, 3).join('.')}`,
        ...(platform === undefined ? [] : platformTags(platform).map((tag) => `--platform=${tag}`)),
      ],
      markers: {
        ...versionMarkers(version),
        ...(platform === undefined ? {} : platformMarkers(platform)),
      },
    })),
  );
}

/** The glibc that each of the old names of PEP 600 stands for. */
const oldManylinux = [
  ['manylinux2014', 17],
  ['manylinux2010', 12],
  ['manylinux1', 5],
] as const;

/**
 * All platform tags whose wheels run on a platform. pip's `--platform` takes
 * `manylinux_2_28_x86_64` by the letter, although it stands for every older glibc too (PEP 600,
 * PEP 656 for musl).
 */
export function platformTags(platform: string): string[] {
  const linux = /^(manylinux|musllinux)_(\d+)_(\d+)_(\w+)$/.exec(platform);
  if (linux === null) return [platform];
  const [, family = '', major = '', minor = '', arch = ''] = linux;
  const oldest = family === 'manylinux' ? 5 : 0;
  const tags: string[] = [];
  for (let each = Number(minor); each >= oldest; each -= 1) {
    tags.push(`${family}_${major}_${each}_${arch}`);
    const old = oldManylinux.find(([, glibc]) => family === 'manylinux' && glibc === each);
    if (old !== undefined && major === '2') tags.push(`${old[0]}_${arch}`);
  }
  return tags.length > 0 ? tags : [platform];
}

/** The variables of PEP 508 that a version decides. */
function versionMarkers(version: string): Record<string, string> {
  const full = /^3\.\d+$/.test(version) ? `${version}.0` : version;
  return {
    implementation_name: 'cpython',
    implementation_version: full,
    platform_python_implementation: 'CPython',
    python_full_version: full,
    python_version: full.split('.').slice(0, 2).join('.'),
  };
}

/**
 * The variables of PEP 508 that a platform decides.
 * @throws UserError for a tag whose system is not known
 */
function platformMarkers(platform: string): Record<string, string> {
  const known: readonly (readonly [RegExp, Record<string, string>])[] = [
    [
      /^(?:manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+|linux)_(\w+)$/,
      { os_name: 'posix', sys_platform: 'linux', platform_system: 'Linux' },
    ],
    [
      /^macosx_\d+_\d+_(\w+)$/,
      { os_name: 'posix', sys_platform: 'darwin', platform_system: 'Darwin' },
    ],
    [/^win_?(\w+)$/, { os_name: 'nt', sys_platform: 'win32', platform_system: 'Windows' }],
  ];
  for (const [form, system] of known) {
    const machine = form.exec(platform)?.[1];
    if (machine !== undefined) {
      return { ...system, platform_machine: machines[platform] ?? machines[machine] ?? machine };
    }
  }
  throw new UserError(
    `The input platforms holds "${platform}"; it takes platform tags such as manylinux_2_28_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64 or win_amd64, one per line.`,
  );
}

/** `platform.machine()` where it is spelt in another way than the tag, or the tag names several. */
const machines: Readonly<Record<string, string>> = {
  win_amd64: 'AMD64',
  win_arm64: 'ARM64',
  win32: 'x86',
  universal2: 'arm64',
};

/** Variables that name the source index to pip; they hold its credentials. */
export function sourceEnvironment(
  request: Request,
  interpreter: Interpreter,
  settings: PipSettings,
): Record<string, string> {
  const indexes = indexesOf(request, interpreter, settings);
  if (indexes === undefined) {
    throw new UserError('pip is told to use no index (no-index), so there is nothing to publish.');
  }
  return indexVariables(indexes, indexes.authoritative);
}

/** The files of a request for a target, with all that they depend on. */
export function downloadArgs(options: {
  readonly target: Target;
  readonly directory: string;
  readonly requestFile: string;
}): string[] {
  return [
    'download',
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar=off',
    ...options.target.options,
    `--dest=${options.directory}`,
    '-r',
    options.requestFile,
  ];
}

/**
 * Name and version of a file: a wheel's name says them, an sdist's metadata do.
 * @throws UserError for metadata that hold something else
 */
export function identity(
  file: string,
  metadata: { readonly name: string; readonly version: string } | undefined,
): { name: string; version: string } {
  const { name, version } = metadata ?? wheelNameParts(file);
  const normalized = normalizeName(name);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(normalized) || !/^[A-Za-z0-9.!+_-]+$/.test(version)) {
    throw new UserError(
      `${file} of the source index has no usable name and version in its metadata. Leave that version out.`,
    );
  }
  return { name: normalized, version };
}

/**
 * What a feed's answer says of one project.
 * @param url of the page, for relative links
 */
export function readAnswer(
  status: number,
  contentType: string,
  body: string,
  url: string,
): FeedAnswer {
  const health: Health = judgePage(status, contentType, body);
  switch (health.state) {
    case 'refused':
    case 'absent':
      return health;
    case 'healthy':
      break;
    default:
      return { state: 'unreadable', reason: health.reason };
  }
  try {
    return { state: 'listed', files: projectFiles(contentType, body, url) };
  } catch {
    return { state: 'unreadable', reason: 'its JSON is not that of a project page (PEP 691)' };
  }
}

/**
 * What a redirect to another origin means: feeds send those who ask for a project that they don't
 * have to a public index (pypiserver's and GitLab's default), and those whom they don't know to a
 * page to log in.
 */
export function readForeignRedirect(location: URL, project: string): FeedAnswer {
  const last = location.pathname.split('/').findLast((part) => part !== '') ?? '';
  return normalizeName(last) === project
    ? { state: 'absent', forwarded: location.host }
    : {
        state: 'unreadable',
        reason: `it redirects to ${location.host}, which is no page of ${project}; that may be a page to log in`,
      };
}

/** @param feedSha256 of the file of that name on the feed; undefined: there is none */
export function stateOf(file: SourceFile, feedSha256: string | undefined): FileState {
  if (feedSha256 === undefined) return 'absent';
  return feedSha256 === file.sha256 ? 'present' : 'conflict';
}

/** The error's text for files that the feed has with other content. */
export function conflictMessage(rows: readonly PublishRow[]): string {
  const conflicts = rows.filter((row) => row.state === 'conflict');
  const uploaded = rows.filter((row) => row.state === 'uploaded').length;
  const [what, them] =
    conflicts.length === 1 ? ['1 file has', 'it'] : [`${conflicts.length} files have`, 'them'];
  return [
    `${what} other content on the feed than on the source index; ${uploaded === 0 ? 'nothing was' : `${uploaded} others were`} uploaded. Find out which content is the right one, then delete ${them} from the feed or leave that version out.`,
    ...conflicts.map(
      ({ file, sha256, feedSha256 }) =>
        `  ${file}: sha256 ${sha256} at the source, ${feedSha256} on the feed`,
    ),
  ].join('\n');
}

/**
 * Where files of a feed are uploaded to, if its address tells. Nearly all serve `…/simple/` below
 * the address for uploads (pypiserver, Artifactory, CodeArtifact, Gitea, GitLab, Nexus); devpi has
 * `…/+simple/` there, and Azure Artifacts `…/upload/` beside it.
 */
export function derivedUploadUrl(feedUrl: string): string | undefined {
  const url = new URL(feedUrl);
  const path = url.pathname.replace(/\/+$/, '');
  if (/\/_packaging\/[^/]+\/pypi\/simple$/.test(path)) {
    url.pathname = path.replace(/simple$/, 'upload/');
    return url.href;
  }
  if (!/\/\+?simple$/.test(path)) return undefined;
  url.pathname = path.replace(/\+?simple$/, '');
  return url.href;
}

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

/**
 * Requirement files for pip-audit, with a hash for every file. It takes each project once a file,
 * so a second version of one is in a second file.
 */
export function auditLists(files: readonly SourceFile[]): string[] {
  const lists: SourceFile[][][] = [];
  for (const versions of versionsByName(files)) {
    versions.forEach((version, index) => {
      lists[index] ??= [];
      lists[index]?.push(version);
    });
  }
  return lists.map((list) => `${list.map(lockLine).join('\n')}\n`);
}

/** Files by project, then by version; both sorted. */
function versionsByName(files: readonly SourceFile[]): SourceFile[][][] {
  const projects = new Map<string, Map<string, SourceFile[]>>();
  for (const file of [...files].sort(
    (a, b) => compare(a.name, b.name) || compare(a.file, b.file),
  )) {
    const versions = projects.get(file.name) ?? new Map<string, SourceFile[]>();
    versions.set(file.version, [...(versions.get(file.version) ?? []), file]);
    projects.set(file.name, versions);
  }
  return [...projects.values()].map((versions) => [...versions.values()]);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function lockLine(files: readonly SourceFile[]): string {
  const [first] = files;
  const hashes = [...new Set(files.map((file) => file.sha256))].sort();
  return [
    `${first?.name}==${first?.version}`,
    ...hashes.map((hash) => `--hash=sha256:${hash}`),
  ].join(' ');
}

/** The closure for pip: installable where all targets have the same versions. */
export function publishLock(files: readonly SourceFile[]): string {
  const asked = files.filter((file) => file.role === 'asked');
  const lines = versionsByName(asked).flatMap((versions) => versions.map(lockLine));
  return `${lines.join('\n')}\n`;
}

export function auditArgs(list: string, cache: string): string[] {
  return [
    '--strict',
    '--disable-pip',
    '--require-hashes',
    '--progress-spinner=off',
    '--format=json',
    `--cache-dir=${cache}`,
    `--requirement=${list}`,
  ];
}

/**
 * What one run of pip-audit says. Only a report that has every project of the list, none of them
 * skipped, counts as a look-up: without --strict it calls a service that answers 404 to everything
 * clean, and no exit code tells "vulnerable" from "failed" (both 1).
 */
export function readAudit(list: string, exitCode: number, stdout: string): AuditResult {
  const failed = (why: string): AuditResult => ({ state: 'failed', findings: [why] });
  let dependencies: unknown;
  try {
    ({ dependencies } = JSON.parse(stdout) as { dependencies?: unknown });
  } catch {
    return failed(`pip-audit gave no report (exit code ${exitCode})`);
  }
  if (!Array.isArray(dependencies)) return failed('the report of pip-audit has another form');
  const looked = new Map<string, string[]>();
  for (const entry of dependencies as {
    name?: unknown;
    skip_reason?: unknown;
    vulns?: unknown;
  }[]) {
    const name = normalizeName(String(entry.name));
    if (!Array.isArray(entry.vulns) || entry.skip_reason !== undefined) {
      return failed(`${name} was not looked up`);
    }
    looked.set(
      name,
      entry.vulns.map((vulnerability: { id?: unknown }) =>
        String(vulnerability.id).replace(/[^\w.:-]/g, '?'),
      ),
    );
  }
  const asked = list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => /^(\S+)==(\S+)/.exec(line) ?? ['', line, '']);
  const missing = asked.find(([, name = '']) => !looked.has(name));
  if (missing !== undefined) return failed(`${missing[1]} was not looked up`);
  const findings = asked.flatMap(([, name = '', version = '']) => {
    const ids = looked.get(name) ?? [];
    return ids.length > 0 ? [`${name} ${version}: ${ids.join(', ')}`] : [];
  });
  if (findings.length > 0) return { state: 'vulnerable', findings };
  return exitCode === 0
    ? { state: 'clean', findings: [] }
    : failed(`pip-audit ended with exit code ${exitCode}`);
}

/** Several look-ups as one: as bad as the worst of them. */
export function mergedAudit(results: readonly AuditResult[]): AuditResult {
  const order = ['failed', 'vulnerable', 'clean'] as const;
  const state = order.find((each) => results.some((result) => result.state === each)) ?? 'clean';
  return { state, findings: results.flatMap((result) => result.findings) };
}

/** One sentence on an audit that was not clean. */
export function auditMessage({ state, findings }: AuditResult): string {
  return state === 'failed'
    ? `The audit could not be made, so nothing is known about these packages: ${findings.join('; ')}. See pip-audit's words above; the vulnerability service must be reachable and know every package.`
    : `The audit found known vulnerabilities: ${findings.join('; ')}. Choose other versions.`;
}

/** What a machine needs to install from the feed; it holds no credentials. */
export function pipConf(feed: FeedAccess): string {
  const { protocol, hostname, host, pathname } = new URL(feed.url);
  const credentials =
    feed.username === undefined
      ? []
      : [
          '# Credentials are not in here. pip finds them in ~/.netrc:',
          `#   machine ${hostname} login USER password TOKEN`,
          '# in keyring (pip install keyring, and keyring-provider = import below),',
          '# or in the environment of one step, which takes the place of index-url:',
          `#   PIP_INDEX_URL=${protocol}//USER:TOKEN@${host}${pathname}`,
        ];
  return [
    '# ~/.config/pip/pip.conf (Windows: %APPDATA%\\pip\\pip.ini), or where PIP_CONFIG_FILE says.',
    ...credentials,
    '[global]',
    `index-url = ${feed.url}`,
    // pip takes nothing over plain http from another machine that it is not told to trust.
    ...(protocol === 'http:' ? [`trusted-host = ${host}`] : []),
    '',
  ].join('\n');
}
