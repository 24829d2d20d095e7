/** What pip says, and what it means for us and for the user. */
import { isWheelFileName, normalizeName, sameVersion } from './names.ts';
import { withoutSecrets } from './secrets.ts';

/** What one run of `pip wheel` did. */
export interface FillLog {
  /** Wheels that it built, by file name. */
  readonly built: ReadonlySet<string>;
  /** Wheels of the wheelhouse that it chose again, by file name. */
  readonly reused: ReadonlySet<string>;
}

/**
 * Reads what `pip wheel` prints. Seen unchanged from pip 22.2 to 26.3: "File was already downloaded
 * PATH" for a wheel found in --wheel-dir, "Created wheel for NAME: filename=FILE" for a built one.
 */
export function readFillLog(output: string): FillLog {
  const built = new Set<string>();
  const reused = new Set<string>();
  for (const line of output.split('\n').map((each) => each.trim())) {
    if (line.startsWith('File was already downloaded ')) {
      reused.add(baseName(line));
    } else if (line.startsWith('Created wheel for ')) {
      const file = line.slice(line.indexOf('filename=') + 'filename='.length).split(' ')[0];
      built.add(file ?? '');
    }
  }
  return {
    built: new Set([...built].filter(isWheelFileName)),
    reused: new Set([...reused].filter(isWheelFileName)),
  };
}

function baseName(text: string): string {
  return text.slice(Math.max(text.lastIndexOf('/'), text.lastIndexOf('\\')) + 1);
}

/** A project that a build environment was made of. */
export interface BuildRequirement {
  /** Normalised. */
  readonly name: string;
  readonly version: string;
}

/**
 * Reads the log of the pips that another one starts for its build environments: each ends with "Successfully installed NAME-VERSION …" (seen on pip 22.2 to 26.3).
 */
export function readBuildLog(log: string): BuildRequirement[] {
  const found = new Map<string, BuildRequirement>();
  for (const [, items = ''] of log.matchAll(/^\S+ Successfully installed (.+)$/gm)) {
    for (const item of items.trim().split(/\s+/)) {
      const dash = item.lastIndexOf('-');
      const name = normalizeName(item.slice(0, dash));
      const version = item.slice(dash + 1);
      // A build prints into this log too: nothing but a name and a version is taken from it.
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
  /** As its metadata spell it. */
  readonly writtenName: string;
  readonly version: string;
  /** Where pip found it. */
  readonly url: string;
  readonly requires: readonly string[];
}

/**
 * Reads pip's installation report (its documented, versioned JSON).
 * @throws Error when it is of another form
 */
export function parseReport(text: string): ReportItem[] {
  const report = JSON.parse(text) as { install?: unknown };
  if (!Array.isArray(report.install)) throw new Error("pip's report has no list of installs");
  return report.install.map((item: unknown) => {
    const { metadata, download_info: download } = item as {
      metadata?: { name?: unknown; version?: unknown; requires_dist?: unknown };
      download_info?: { url?: unknown };
    };
    if (typeof metadata?.name !== 'string' || typeof metadata.version !== 'string') {
      throw new Error("pip's report names a distribution without name or version");
    }
    const requires = Array.isArray(metadata.requires_dist)
      ? metadata.requires_dist.map(String)
      : [];
    return {
      name: normalizeName(metadata.name),
      writtenName: metadata.name,
      version: metadata.version,
      url: typeof download?.url === 'string' ? download.url : '',
      requires: requires.sort(),
    };
  });
}

/** Characters of a line that are repeated in an error. */
const longestLine = 2000;

/**
 * pip's own last words, without secrets: the errors when there are any, else the last lines.
 * @param lines how many at the most
 */
export function lastWords(output: string, lines = 12): string {
  const all = withoutSecrets(output)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => (line.length > longestLine ? `${line.slice(0, longestLine)}…` : line));
  // git says why before pip says that it failed.
  const firstError = all.findIndex((line) => /^\s*(?:ERROR|error|fatal):/.test(line));
  if (firstError < 0) return all.slice(-lines).join('\n');
  // Older pips say what a program said twice, the second time without its margin.
  const said = new Set<string>();
  const errors = all.slice(firstError).filter((line) => {
    const bare = line.trim();
    const isNew = !said.has(bare) && !/^(?:note: This |╰─> See above)/.test(bare);
    said.add(bare);
    return isNew;
  });
  return errors.slice(-lines).join('\n');
}

const unreachable =
  /ConnectionError|NewConnectionError|Max retries exceeded|Temporary failure in name resolution|ReadTimeout|timed out|50\d (?:Server Error|Error)|Too many 5\d\d error|connection-failed|Connection aborted|RemoteDisconnected/i;

const notFound = /No matching distribution found|Could not find a version/i;

const advices: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /hash mismatch|DO NOT MATCH THE HASHES/i,
    'The index offers a file that your hashes do not allow: compile the requirements again if you trust the change, or find out who replaced the file.',
  ],
  [
    /require-hashes mode|--require-hashes/i,
    'One line with --hash asks for hashes on every line, also of dependencies and of inline packages: complete them (pip-compile --generate-hashes does) or install the others in a step of their own.',
  ],
  [
    /ResolutionImpossible|conflicting dependencies|Cannot install .{1,1000} because/i,
    'The requirements contradict each other: loosen one of those that pip names.',
  ],
  [
    /\b40[13] (?:Client )?Error/i,
    'The index refused the credentials: check those that pip is configured with.',
  ],
  [
    /× git .{0,1000}did not run successfully/,
    'git could not get a repository: check its address, its branch or tag, and the credentials that git has here.',
  ],
  [
    unreachable,
    'The index could not be reached: run again, or check the network and the index settings of pip.',
  ],
  [
    notFound,
    'Check the name, the version and whether the index has a file for this Python and system.',
  ],
  [
    /requires a different Python/i,
    'It does not support this Python: use another Python or another version.',
  ],
  [
    /No space left on device|Errno 28/i,
    'The disk is full: free space, or set the input wheelhouse to a larger disk.',
  ],
  [
    /Failed building wheel|Failed to build|subprocess-exited-with-error|metadata-generation-failed|build backend/i,
    'A package had to be built and its build failed: see its own output above; a compiler, headers or an older version may be what it needs.',
  ],
];

/** Whether pip failed because the index did not answer, or answered with a fault of its own. */
export function isUnreachable(output: string): boolean {
  return unreachable.test(output);
}

/**
 * Whether pip failed for something that a mirror may be to blame for: it did not have a file, did
 * not give it, or gave another one.
 */
export function isMirrorsFault(output: string): boolean {
  return (
    isUnreachable(output) ||
    notFound.test(output) ||
    /HTTP error \d{3}|\b\d{3} Client Error|connection-failed|DO NOT MATCH THE HASHES|has an invalid wheel|BadZipFile/i.test(
      output,
    )
  );
}

/**
 * Whether an installer failed for something of the machine, whatever it had to install: no memory,
 * no right to write (EPERM, EACCES), an error of the disk, a full or read-only one (EIO, ENOSPC,
 * EROFS, EDQUOT). Other errors of the system, such as a name that is too long, may be a wheel's.
 */
export function isSystems(output: string): boolean {
  return /PermissionError|MemoryError|\b(?:Errno |os error )(?:1|5|12|13|28|30|122)\b/.test(output);
}

/**
 * One sentence on what to do about a failed pip.
 * @param asked whom it asked: package indexes, or the server of a URL that the request names
 */
export function adviceFor(output: string, asked: 'index' | 'url' = 'index'): string {
  if (asked === 'url' && unreachable.test(output)) {
    return 'The server of this URL could not be reached: check the address, or run again.';
  }
  if (notFound.test(output) && needsOtherPython(output)) {
    return 'The versions that you allow require another Python: use another Python, or allow another version.';
  }
  return (
    advices.find(([pattern]) => pattern.test(output))?.[1] ??
    "See pip's output above; the same command outside this action should fail alike."
  );
}

/** pip passes over files that require another Python, and then finds none. */
function needsOtherPython(output: string): boolean {
  const ignored = [...output.matchAll(/[:;] (\S+) Requires-Python /g)].map(
    ([, version = '']) => version,
  );
  const [, pin] = /satisfies the requirement [^\s(]*===?([^\s,;(]+)/.exec(output) ?? [];
  return (
    ignored.length > 0 && (pin === undefined || ignored.some((each) => sameVersion(each, pin)))
  );
}

/** A requirement as pip speaks of it. */
export interface FailedRequirement {
  /** With its version, as it was asked for. */
  readonly project: string;
  /** Where it stands, or where the one stands that depends on it, when pip says so. */
  readonly place: { readonly file: string; readonly line: number } | undefined;
  /** The project that depends on it, when pip says so. */
  readonly dependent: string | undefined;
}

/**
 * The requirement that a pip failed for, as far as it says so: the one in its error, or the last one
 * that it had turned to when a build or a repository failed.
 * @param output in the user's words, as `withUserSources` puts them
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
  const begun = lines.slice(0, unbuilt ? lines.length : Math.max(failure, 0)).flatMap((line) => {
    const [, project, rest] = /^\s*(?:Collecting|Processing|Obtaining) (\S+)(.*)/.exec(line) ?? [];
    return project === undefined ? [] : [requirementFrom(project, rest)];
  });
  return unbuilt ? begun.findLast(({ project }) => isOf(project, unbuilt)) : begun.at(-1);
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

/** Whether two requirements are of one project, whatever versions and extras they name. */
export function isOf(one: string, other: string): boolean {
  const [name, otherName] = [one, other].map((text) => /^[\w.-]*/.exec(text)?.[0] ?? '');
  return Boolean(name) && normalizeName(name ?? '') === normalizeName(otherName ?? '');
}
