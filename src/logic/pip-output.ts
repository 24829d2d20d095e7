/** The output of pip: what happened, and what to do about an error. */
import { isWheelFileName, normalizeName, sameVersion } from './names.ts';
import { withoutSecrets } from './secrets.ts';

/**
 * The file names of the wheels that `pip wheel` has built: from pip 22.2 to 26.3 it prints "Created
 * wheel for NAME: filename=FILE".
 */
export function builtWheels(output: string): Set<string> {
  return new Set(
    output.split('\n').flatMap((line) => {
      const [, file = ''] = /^Created wheel for .*?filename=([^ ]*)/.exec(line.trim()) ?? [];
      return isWheelFileName(file) ? [file] : [];
    }),
  );
}

/** A project in a build environment. */
export interface BuildRequirement {
  /** Normalised. */
  readonly name: string;
  readonly version: string;
}

/**
 * Reads the log of the pips that pip starts to fill its build environments: each ends with
 * "Successfully installed NAME-VERSION …" (seen on pip 22.2 to 26.3).
 */
export function readBuildLog(log: string): BuildRequirement[] {
  const found = new Map<string, BuildRequirement>();
  for (const [, items = ''] of log.matchAll(/^\S+ Successfully installed (.+)$/gm)) {
    for (const item of items.trim().split(/\s+/)) {
      const dash = item.lastIndexOf('-');
      const name = normalizeName(item.slice(0, dash));
      const version = item.slice(dash + 1);
      // A build prints into this log too, so only valid names and versions are accepted.
      if (/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name) && /^\d[A-Za-z0-9.!+]*$/.test(version)) {
        found.set(`${name} ${version}`, { name, version });
      }
    }
  }
  return [...found.values()];
}

/** One distribution of a pip installation report. */
export interface ReportItem {
  /** Normalised. */
  readonly name: string;
  /** The name in the spelling of the metadata. */
  readonly writtenName: string;
  readonly version: string;
  /** The URL of the file; empty when the report has none. */
  readonly url: string;
  /** Names of the extras that it has. */
  readonly extras: readonly string[];
  readonly requires: readonly string[];
}

/**
 * Reads pip's installation report (its documented, versioned JSON).
 * @throws Error when it has another form
 */
export function parseReport(text: string): ReportItem[] {
  const report = JSON.parse(text) as { install?: unknown };
  if (!Array.isArray(report.install)) throw new Error("pip's report has no list of installs");
  return report.install.map((item: unknown) => {
    const { metadata, download_info: download } = item as {
      metadata?: {
        name?: unknown;
        version?: unknown;
        requires_dist?: unknown;
        provides_extra?: unknown;
      };
      download_info?: { url?: unknown };
    };
    if (typeof metadata?.name !== 'string' || typeof metadata.version !== 'string') {
      throw new Error("pip's report names a distribution without name or version");
    }
    const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
    return {
      name: normalizeName(metadata.name),
      writtenName: metadata.name,
      version: metadata.version,
      url: typeof download?.url === 'string' ? download.url : '',
      extras: strings(metadata.provides_extra),
      requires: strings(metadata.requires_dist).sort(),
    };
  });
}

/** Characters of a line that an error repeats. */
const longestLine = 2000;

/**
 * The end of a program's output, without secrets: from its first error on, or else its last lines.
 * @param lines the maximum number of lines
 */
export function errorExcerpt(output: string, lines = 12): string {
  const all = withoutSecrets(output)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > longestLine ? `${line.slice(0, longestLine)}…` : line));
  // git prints the reason before pip prints that git failed.
  const firstError = all.findIndex((line) => /^\s*(?:ERROR|error|fatal):/.test(line));
  if (firstError < 0) return all.slice(-lines).join('\n');
  // Older pips print the output of a program twice, the second time without its margin.
  const earlier = new Set<string>();
  const errors = all.slice(firstError).filter((line) => {
    const bare = line.trim();
    const isNew = !earlier.has(bare) && !/^(?:note: This |╰─> See above)/.test(bare);
    earlier.add(bare);
    return isNew;
  });
  return errors.slice(-lines).join('\n');
}

const unreachable =
  /ConnectionError|NewConnectionError|Max retries exceeded|Temporary failure in name resolution|ReadTimeout|timed out|50\d (?:Server Error|Error)|Too many 5\d\d error|connection-failed|Connection aborted|RemoteDisconnected|error sending request for url|HTTP status server error/i;

const notFound =
  /No matching distribution found|Could not find a version|there (?:is|are) no versions? of|was not found in the package registry/i;

const conflict = /ResolutionImpossible|conflicting dependencies|Cannot install .{1,1000} because/i;

const advices: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /hash mismatch|DO NOT MATCH THE HASHES|SHA-256 is not the expected one/i,
    'The index offers a file whose hash is not in your requirements: compile the requirements again if you trust the change, or find out who replaced the file.',
  ],
  [
    /require-hashes mode|--require-hashes/i,
    'A single --hash turns on hash checking for everything, including dependencies and inline packages: add the missing hashes (pip-compile --generate-hashes does), or install the other packages in a separate step.',
  ],
  [conflict, 'The requirements conflict: relax one of those that pip names.'],
  [
    /\b40[13] (?:Client )?Error/i,
    "The index rejected the credentials: check those in pip's configuration.",
  ],
  [
    /× git .{0,1000}did not run successfully/,
    "git could not fetch a repository: check its address, its branch or tag, and git's credentials on this machine.",
  ],
  [
    unreachable,
    "The index could not be reached: run again, or check the network and pip's index settings.",
  ],
  [
    notFound,
    'Check the name, the version and whether the index has a file for this Python and system.',
  ],
  [
    /No solution found when resolving/i,
    'The requirements conflict: relax one of those that uv names.',
  ],
  [
    /HTTP status client error \(40[13]/i,
    'The index rejected the credentials: check the inputs index-username and index-password, or the credentials of the index in the settings of pip or uv.',
  ],
  [
    /requires a different Python/i,
    'The package does not support this Python: use another Python, or another version of the package.',
  ],
  [
    /No space left on device|Errno 28/i,
    'The disk is full: free space, or set the input wheelhouse to a larger disk.',
  ],
  [
    /Failed building wheel|Failed to build|subprocess-exited-with-error|metadata-generation-failed|build backend/i,
    'A package had to be built from source and the build failed: see its output above. It may need a compiler, headers, or an older version of the package.',
  ],
];

/** Whether pip failed because the index did not answer, or answered with a server error. */
export function isUnreachable(output: string): boolean {
  return unreachable.test(output);
}

/**
 * A project in a conflict with a version that back ends make up without a tag: `0.1.dev1+g1234567`
 * (setuptools-scm, hatch-vcs) and `0.0.0` (pbr, pdm-backend).
 */
const untagged =
  /The user requested ([\w.-]+)(?:\[[^\]\s]*\])? (0\.0\.0|0\.0\.1\.dev\d+|0\.1\.dev\d+(?:\+\S+)?)(?:\s|$)/;

/**
 * The requirements that pip found no file for, without duplicates.
 * @returns undefined when there is none
 */
export function unmetRequirements(output: string): string[] | undefined {
  const found = [...output.matchAll(/No matching distribution found for (.+)$/gm)];
  const unmet = new Set(found.map(([, requirement = '']) => requirement.trim()));
  return unmet.size === 0 ? undefined : [...unmet];
}

/**
 * The Pythons that a project is for, from pip's error that the running one is not among them.
 * @returns a version specifier; undefined after any other error
 */
export function requiredPython(output: string): string | undefined {
  return /Package '?[^'\n]+'? requires a different Python: \S+ not in '([^'\n]+)'/.exec(
    output,
  )?.[1];
}

/** Whether a mirror may be the reason that pip failed: a file was missing, refused or different. */
export function isMirrorFailure(output: string): boolean {
  return (
    isUnreachable(output) ||
    notFound.test(output) ||
    /HTTP error \d{3}|HTTP status client error|\b\d{3} Client Error|connection-failed|DO NOT MATCH THE HASHES|has an invalid wheel|BadZipFile/i.test(
      output,
    )
  );
}

/**
 * Whether an installer failed because of the machine, not of the packages: not enough memory, no
 * permission to write (EPERM, EACCES), or a broken, full or read-only disk (EIO, ENOSPC, EDQUOT,
 * EROFS). A wheel may be the reason for other system errors, such as a name that is too long.
 */
export function isMachineFailure(output: string): boolean {
  return /PermissionError|MemoryError|\b(?:Errno |os error )(?:1|5|12|13|28|30|122)\b/.test(output);
}

/**
 * What to do about a failed pip, in a sentence or two.
 * @param options.server where it downloaded from: package indexes (default), or a URL of the request
 * @param options.releaseAge the minimum age of the files that it could choose, such as `7 days`
 */
export function adviceFor(
  output: string,
  {
    server = 'index',
    releaseAge,
  }: { readonly server?: 'index' | 'url'; readonly releaseAge?: string | undefined } = {},
): string {
  const advice = adviceOn(output, server);
  return releaseAge !== undefined && (notFound.test(output) || conflict.test(output))
    ? `${advice} Files younger than ${releaseAge} were left out (minimum-release-age); to accept those of a project, name it in minimum-release-age-exclude.`
    : advice;
}

function adviceOn(output: string, server: 'index' | 'url'): string {
  const [, page] = /Index (\S+) does not provide upload-time metadata/.exec(output) ?? [];
  if (page !== undefined) return withoutUploadTimes(page);
  if (server === 'url' && unreachable.test(output)) {
    return 'The server of this URL could not be reached: check the address, or run again.';
  }
  if (notFound.test(output) && needsOtherPython(output)) {
    return 'The versions that you allow require another Python: use another Python, or allow another version.';
  }
  const [, project, version] = untagged.exec(output) ?? [];
  if (conflict.test(output) && project !== undefined) {
    return `${project} has version ${version}, as in a checkout without tags: set fetch-depth: 0 for actions/checkout, or state the version in another way.`;
  }
  return (
    advices.find(([pattern]) => pattern.test(output))?.[1] ??
    "See pip's output above; the same command should fail the same way outside this action."
  );
}

/** @param page of an index (pip requests it with a final slash), or of find-links */
function withoutUploadTimes(page: string): string {
  const [, index = page, project] = /^(.+)\/([^/]+)\/$/.exec(withoutSecrets(page)) ?? [];
  return [
    project === undefined
      ? `${index} does not say when its files were uploaded`
      : `The index ${index} does not say when the files of ${project} were uploaded`,
    ', so no age can be required of them. Use an index whose JSON pages have upload times (PEP 700),',
    ` name ${project === undefined ? 'their projects' : project} in minimum-release-age-exclude,`,
    ' or remove minimum-release-age (or uploaded-prior-to of pip).',
  ].join('');
}

/** Whether pip found no file because it ignored those that require another Python. */
function needsOtherPython(output: string): boolean {
  const ignored = [...output.matchAll(/[:;] (\S+) Requires-Python /g)].map(
    ([, version = '']) => version,
  );
  const [, pin] = /satisfies the requirement [^\s(]*===?([^\s,;(]+)/.exec(output) ?? [];
  return (
    ignored.length > 0 && (pin === undefined || ignored.some((each) => sameVersion(each, pin)))
  );
}

/** A requirement in an error of pip. */
export interface FailedRequirement {
  /** With its version, as pip prints it. */
  readonly project: string;
  /** Its file and line, or those of the requirement that depends on it, when pip prints them. */
  readonly place: { readonly file: string; readonly line: number } | undefined;
  /** The project that depends on it, when pip prints it. */
  readonly dependent: string | undefined;
}

/**
 * The requirement that pip failed for: the one in its error, or the last one that it started to
 * process before a build or a repository failed.
 * @param output with the places of the user's files, as `withUserSources` returns it
 */
export function failedRequirement(output: string): FailedRequirement | undefined {
  const lines = output.split(/\r?\n/).filter((line) => line.length <= longestLine);
  for (const line of lines) {
    const missing = /^\s*ERROR: Could not find .* the requirement (\S+)(.*) \(from versions: /.exec(
      line,
    );
    if (missing) return requirementFrom(missing[1], missing[2]);
  }
  const [, unbuilt] = /Failed building wheel for (\S+)/.exec(output) ?? [];
  const failure = lines.findIndex((line) =>
    /^\s*(?:error: subprocess-exited|error: metadata-generation|fatal:)/.test(line),
  );
  const started = lines.slice(0, unbuilt ? lines.length : Math.max(failure, 0)).flatMap((line) => {
    const [, project, rest] = /^\s*(?:Collecting|Processing|Obtaining) (\S+)(.*)/.exec(line) ?? [];
    return project === undefined ? [] : [requirementFrom(project, rest)];
  });
  return unbuilt
    ? started.findLast(({ project }) => projectIn(project) === projectIn(unbuilt))
    : started.at(-1);
}

function requirementFrom(project = '', rest = ''): FailedRequirement {
  const [, from = ''] = / \(from (.*)\)\s*$/.exec(rest) ?? [];
  const [, file, line] = /(?:^|->)(?:-[rc] )?([^()>]+) \(line (\d+)\)$/.exec(from) ?? [];
  const [dependent = ''] = from.split('->');
  return {
    project,
    place: file === undefined ? undefined : { file, line: Number(line) },
    dependent: /^[\w.-]+(?:[=<>!~[].*)?$/.test(dependent) ? dependent : undefined,
  };
}

/** The normalised name at the start of a requirement that pip prints, such as `a[x]==1`. */
export function projectIn(requirement: string): string {
  return normalizeName(requirement.replace(/[^\w.-].*$/s, ''));
}
