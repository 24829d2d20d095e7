/** uv, which resolves, builds and installs, and the files with its settings. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

import { sha256 } from '../logic/digest.ts';
import { messageOf, UserError } from '../logic/errors.ts';
import { parseToml, strings, type Table, table } from '../logic/toml.ts';
import { referencedFiles, type UvFile } from '../logic/uv-settings.ts';
import type { Reporter, Uv } from '../ports.ts';
import { run } from './process.ts';
import { runProgram } from './python-program.ts';

type Environment = Readonly<Record<string, string>>;

export function uvAdapter(reporter: Reporter): Uv {
  return {
    async onPath(environment) {
      try {
        const { exitCode, stdout } = await run('uv', ['--version'], { env: environment });
        const [, version] = /^uv (\d+(?:\.\d+)+)/.exec(stdout) ?? [];
        return exitCode === 0 && version !== undefined ? { command: 'uv', version } : undefined;
      } catch {
        return undefined;
      }
    },
    async unpack(interpreter, wheel, directory) {
      const { executable } = interpreter;
      const { exitCode, stdout, output } = await runProgram(
        executable,
        'unpack_uv',
        [wheel, directory],
        { env: {} },
      );
      if (exitCode !== 0) throw new Error(`uv could not be unpacked: ${output}`);
      return stdout;
    },
    async run(command, args, { rewrite = (line) => line, shows, ...options }) {
      const lines: string[] = [];
      const { exitCode } = await run(command, args, {
        ...options,
        onLine(line, stream) {
          // `uv pip compile` also prints the lock that it writes.
          if (stream === 'stdout') return;
          const shown = rewrite(line);
          lines.push(shown);
          if (shows === undefined) reporter.foreign(shown);
        },
      });
      const outcome = exitCode === 0 ? 'successes' : 'failures';
      if (shows === outcome) for (const line of lines) reporter.foreign(line);
      return { exitCode, output: lines.join('\n') };
    },
    async settingFiles(directory, environment) {
      const files = await settingFiles(directory, environment);
      const referenced = referencedFiles(environment, directory).map(async (file) => {
        const text = await readFile(file, 'utf8').catch(() => '');
        return { path: file, digest: sha256(text) };
      });
      return { files, referenced: await Promise.all(referenced) };
    },
  };
}

/**
 * The files that uv reads where it runs, the one with the highest precedence first: the nearest
 * uv.toml or pyproject.toml with a table for uv (of the workspace, for a member of one), the user's,
 * and the system's.
 */
async function settingFiles(directory: string, environment: Environment): Promise<UvFile[]> {
  const named = environment['UV_CONFIG_FILE'];
  if (named) return present(await read(path.resolve(directory, named)));
  if (isYes(environment['UV_NO_CONFIG']) || isYes(environment['UV_ISOLATED'])) return [];
  const start = (await workspaceRoot(directory)) ?? directory;
  const found = await Promise.all([
    nearest(start),
    read(path.join(userDirectory(environment), 'uv', 'uv.toml')),
    systemFile(environment),
  ]);
  return found.flatMap(present);
}

function present(file: UvFile | undefined): UvFile[] {
  return file === undefined ? [] : [file];
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|true|yes|on|y|t)$/i.test(value);
}

function userDirectory(environment: Environment): string {
  if (process.platform === 'win32') {
    return environment['APPDATA'] ?? path.join(homedir(), 'AppData', 'Roaming');
  }
  return environment['XDG_CONFIG_HOME'] || path.join(environment['HOME'] ?? homedir(), '.config');
}

async function systemFile(environment: Environment): Promise<UvFile | undefined> {
  if (isYes(environment['UV_NO_SYSTEM_CONFIG'])) return undefined;
  if (process.platform === 'win32') {
    const drive = environment['SYSTEMDRIVE'] ?? 'C:';
    return read(path.join(`${drive}\\`, 'ProgramData', 'uv', 'uv.toml'));
  }
  const directories = (environment['XDG_CONFIG_DIRS'] || '/etc/xdg').split(':');
  for (const directory of [...directories, '/etc']) {
    const file = await read(path.join(directory, 'uv', 'uv.toml'));
    if (file !== undefined) return file;
  }
  return undefined;
}

/** Returns the first file with settings in a directory or above. */
async function nearest(start: string): Promise<UvFile | undefined> {
  for (const directory of withParents(start)) {
    for (const name of ['uv.toml', 'pyproject.toml']) {
      const file = await read(path.join(directory, name));
      const counts = file !== undefined && (name === 'uv.toml' || uvTable(file) !== undefined);
      if (counts) return { ...file, isOfProject: true };
    }
  }
  return undefined;
}

/**
 * Returns the root of the workspace that a directory is in: for uv, a project is one of its own.
 * @returns undefined where there is no project
 */
async function workspaceRoot(start: string): Promise<string | undefined> {
  let project: string | undefined;
  for (const directory of withParents(start)) {
    const file = await read(path.join(directory, 'pyproject.toml'));
    if (file === undefined) continue;
    const own = uvTable(file) ?? {};
    const workspace = own['workspace'] === undefined ? undefined : table(own['workspace']);
    if (project === undefined) {
      if (workspace !== undefined) return directory;
      if (own['managed'] === false || contentOf(file)['project'] === undefined) return undefined;
      project = directory;
      continue;
    }
    if (workspace === undefined) continue;
    const relative = path.relative(directory, project).split(path.sep).join('/');
    const matches = (key: string): boolean =>
      strings(workspace[key]).some((glob) => path.matchesGlob(relative, glob.replace(/\/+$/, '')));
    return matches('members') && !matches('exclude') ? directory : project;
  }
  return project;
}

function withParents(start: string): string[] {
  const parent = path.dirname(start);
  return parent === start ? [start] : [start, ...withParents(parent)];
}

function uvTable(file: UvFile): Table | undefined {
  const { uv } = table(contentOf(file)['tool']);
  return uv === undefined ? undefined : table(uv);
}

/** Returns nothing for a file that is not valid, which uv ignores with a warning. */
function contentOf(file: UvFile): Table {
  try {
    return parseToml(file.text, file.path);
  } catch {
    return {};
  }
}

/** @returns undefined when there is no such file */
async function read(file: string): Promise<UvFile | undefined> {
  try {
    return { path: file, text: await readFile(file, 'utf8'), isOfProject: false };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES'].includes(code)) return undefined;
    throw new UserError(`uv's settings in ${file} can't be read: ${messageOf(error)}.`);
  }
}
