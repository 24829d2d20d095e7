/** The user's files: finds them by glob, decodes them like pip, and reads local projects. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { sha256 } from '../logic/digest.ts';
import { messageOf, UserError } from '../logic/errors.ts';
import { dependencyFiles, projectParts, pythonFile } from '../logic/local-project.ts';
import type { Request } from '../logic/model.ts';
import { isWithin } from '../logic/paths.ts';
import type { RequirementFile } from '../logic/requirements.ts';
import type { RemoteAccess, Sources } from '../ports.ts';
import { decode } from './decode.ts';
import { fileSha256 } from './disk.ts';
import { filesMatching } from './glob.ts';
import { remoteFile } from './remote-files.ts';

export function sourcesAdapter(): Sources {
  return { check, find, list, read, readInside, checkInside, project };
}

async function find(request: Request): ReturnType<Sources['find']> {
  const requirements = await expand(request, request.requirements, 'requirements');
  const constraints = await expand(request, request.constraints, 'constraints');
  const extra = await expand(request, request.cacheDependencyPath, 'cache-dependency-path');
  return {
    requirements,
    constraints,
    extra: await Promise.all(
      extra.map(async ({ location, shown }) => ({
        path: shown,
        digest: contentDigest(await readFile(location)),
      })),
    ),
  };
}

async function check(request: Request): Promise<void> {
  const found = await stat(request.workingDirectory).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new UserError(
      `The working-directory ${request.workingDirectory} does not exist. Check the input, and that actions/checkout ran before this step.`,
    );
  }
}

async function expand(
  request: Request,
  patterns: readonly string[],
  input: string,
): Promise<RequirementFile[]> {
  const found = new Map<string, RequirementFile>();
  for (const pattern of patterns) {
    const matches = await matchesOf(request, pattern);
    if (matches.length === 0) {
      const place = shownDirectory(request);
      throw new UserError(
        `No file matches "${pattern}" of the input ${input} in ${place}. Correct the input, or set working-directory to the folder that contains it.`,
      );
    }
    for (const match of matches) {
      await checkInside(request, match, `"${pattern}" of the input ${input}`);
      found.set(match, { location: match, shown: shownPath(request, match) });
    }
  }
  return [...found.values()].sort((a, b) => (a.location < b.location ? -1 : 1));
}

async function matchesOf(request: Request, pattern: string): Promise<string[]> {
  const absolute = path.resolve(request.workingDirectory, pattern);
  if (!isWithin(request.workspace, absolute)) {
    throw outside(`"${pattern}"`);
  }
  const literal = await stat(absolute).catch(() => undefined);
  if (literal?.isFile()) return [absolute];
  if (literal?.isDirectory() || !/[*?[]/.test(pattern)) return [];
  return filesMatching(request.workingDirectory, pattern);
}

async function checkInside(request: Request, file: string, what: string): Promise<void> {
  // A file that does not exist is somebody else's error.
  const [root, real] = await Promise.all([
    realpath(request.workspace),
    realpath(file).catch(() => path.resolve(file)),
  ]);
  if (!isWithin(root, real)) throw outside(what);
}

function outside(what: string): UserError {
  return new UserError(
    `${what} leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.`,
  );
}

async function list(request: Request): ReturnType<Sources['list']> {
  const entries = await readdir(request.workingDirectory, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() || entry.isSymbolicLink());
  return { names: files.map(({ name }) => name).sort(), shown: shownDirectory(request) };
}

function shownDirectory(request: Request): string {
  return shownPath(request, request.workingDirectory) || 'the working directory';
}

/** Relative to the workspace, with forward slashes, as annotations need it. */
function shownPath(request: Request, file: string): string {
  const isRoot = path.parse(request.workspace).root === request.workspace;
  const relative = path.relative(isRoot ? request.workingDirectory : request.workspace, file);
  return relative.split(path.sep).join('/');
}

/** Hashes a file without its line endings and byte-order mark, which depend on the checkout. */
function contentDigest(content: Buffer): string {
  const normal = content.includes(0)
    ? content
    : Buffer.from(
        content
          .toString('latin1')
          .replace(/^\u00EF\u00BB\u00BF/, '')
          .replaceAll('\r\n', '\n'),
        'latin1',
      );
  return sha256(normal);
}

async function read(location: string, access?: RemoteAccess): Promise<string> {
  if (/^https?:/i.test(location)) return decode(await remoteFile(location, access));
  try {
    return decode(await readFile(location));
  } catch (error) {
    const reason = reasons[String((error as NodeJS.ErrnoException).code)];
    throw reason === undefined ? error : new Error(reason);
  }
}

async function readInside(request: Request, file: string): Promise<string> {
  if (!isWithin(request.workspace, file)) throw new Error(leads);
  const real = await realpath(file).catch(() => undefined);
  if (real !== undefined && !isWithin(await realpath(request.workspace), real)) {
    throw new Error(leads);
  }
  return read(file);
}

const leads = 'it leads outside the workspace, and only files of the checkout can be used';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'it does not exist',
  EISDIR: 'it is a directory',
  EACCES: 'its permissions do not allow reading it',
  ELOOP: 'it is part of a symbolic-link loop',
};

/** `./api` and `pyproject.toml` make `api/pyproject.toml`. */
function inside(shown: string, name: string): string {
  return path.posix.join(shown.replaceAll('\\', '/'), name);
}

async function project(target: string, shown: string): ReturnType<Sources['project']> {
  const found = await stat(target).catch(() => undefined);
  if (found === undefined) throw new UserError(`${shown} does not exist.`);
  if (!found.isDirectory()) {
    const digest = await fileSha256(target);
    return { path: target, shown, file: shown, digest, buildRequires: [] };
  }
  const text = async (name: string): Promise<string | undefined> => {
    try {
      return decode(await readFile(path.join(target, name)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      const file = inside(shown, name);
      throw new UserError(`${file} can't be read: ${messageOf(error)}.`, { file });
    }
  };
  const files = {
    pyproject: await text('pyproject.toml'),
    setupCfg: await text('setup.cfg'),
    setupPy: await text('setup.py'),
  };
  if (files.pyproject === undefined && files.setupPy === undefined) {
    throw new UserError(
      `${shown} is not a Python project: it has neither pyproject.toml nor setup.py.`,
    );
  }
  const pyproject = inside(shown, 'pyproject.toml');
  const below = await readdir(path.join(target, 'requirements')).catch(() => []);
  const names = [...(await readdir(target)), ...below.map((name) => `requirements/${name}`)];
  const others = dependencyFiles(files, pyproject, names)
    // setuptools reads nothing outside the project.
    .filter((name) => isWithin(target, path.resolve(target, name)))
    .map(async (name) => `${name}\n${(await text(name).catch(() => undefined)) ?? ''}`);
  const file = inside(shown, pythonFile(files));
  return {
    path: target,
    shown,
    file,
    ...projectParts(files, pyproject, await Promise.all(others)),
  };
}
