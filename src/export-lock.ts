/** Reads the lock of a tool through the tool's own exporter. */
import { devNull } from 'node:os';
import path from 'node:path';
import { messageOf, UserError } from './logic/errors.ts';
import { type LockTool, lockToolOf } from './logic/lock-files.ts';
import {
  type ExportedLock,
  exportEnvironment,
  exportFailure,
  exportOf,
  needsNetwork,
  readExport,
  type ToolLock,
  traitsOf,
} from './logic/lock-tools.ts';
import type { Interpreter, Request } from './logic/model.ts';
import type { RequirementFile } from './logic/requirements.ts';
import type { LockTools, ToolResult, World } from './ports.ts';

/**
 * Exports everything that the tool itself would install by default, and what the request selects.
 * @param file a lock for which `lockToolOf` names a tool
 * @param install installs a tool that is not on PATH
 * @returns the lock, and the command of the tool that has read it
 * @throws UserError in the tool's own words, such as for a lock that is out of date
 */
export async function exportLock(
  file: RequirementFile,
  { request, interpreter }: { readonly request: Request; readonly interpreter: Interpreter },
  world: Pick<World, 'sources' | 'lockTools' | 'wheelhouses' | 'reporter'>,
  install: (tool: LockTool) => Promise<{ readonly venv: string }>,
): Promise<ExportedLock & { readonly command: string }> {
  const { wheelhouses } = world;
  const lock = await readToolLock(request, file, world);
  const python = interpreter.executable;
  const { commands, files } = exportOf(lock, request, python);
  const directory = path.dirname(file.location);
  const workplace = await wheelhouses.workplace(request.temporary);
  try {
    const home = await wheelhouses.stage(workplace);
    const copies = await wheelhouses.stage(workplace);
    for (const [name, text] of Object.entries(files ?? {})) {
      await wheelhouses.write(path.join(copies, name), text);
    }
    const cwd = files === undefined ? directory : copies;
    const env = exportEnvironment(lock.tool, request.environment, {
      ...{ home, python, nullDevice: devNull },
    });
    // Even "--help" makes Poetry and PDM load plugins from where they run.
    const command = await commandOf(lock, { cwd: copies, env }, world, install);
    const run = (args: readonly string[]) => world.lockTools.run(command, args, { cwd, env });
    let result: ToolResult | undefined;
    for (const { args, online } of commands) {
      result = await run(args);
      if (online !== undefined && result.exitCode !== 0 && needsNetwork(result.output)) {
        result = await run(online);
      }
      if (result.exitCode !== 0) throw exportFailure(lock, result.output);
    }
    const relative = path.relative(request.workingDirectory, directory);
    const exported = readExport(lock, result?.stdout ?? '', {
      ...request,
      ranIn: result?.ranIn ?? cwd,
      directory: relative === '' ? '.' : relative.split(path.sep).join('/'),
      defaultIndex: interpreter.defaultIndex,
    });
    return { ...exported, command };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** @returns the tool on PATH, or one that is installed */
async function commandOf(
  { tool, shown }: ToolLock,
  place: Parameters<LockTools['onPath']>[1],
  { lockTools, reporter }: Pick<World, 'lockTools' | 'reporter'>,
  install: (tool: LockTool) => Promise<{ readonly venv: string }>,
): Promise<string> {
  const found = await lockTools.onPath(tool, place);
  if ('command' in found) {
    reporter.info(`Reading ${shown} with the ${tool} on PATH.`);
    return found.command;
  }
  reporter.info(`${shown} is read by ${tool}, and ${found.reason}.`);
  const { venv } = await install(tool);
  return process.platform === 'win32'
    ? path.join(venv, 'Scripts', `${tool}.exe`)
    : path.join(venv, 'bin', tool);
}

/** Reads a lock and the file beside it that states what is locked. */
async function readToolLock(
  request: Request,
  { location, shown }: RequirementFile,
  { sources }: Pick<World, 'sources'>,
): Promise<ToolLock> {
  const tool = lockToolOf(path.basename(location));
  if (tool === undefined) throw new Error(`${shown} is not the lock of a tool`);
  const { projectFile, lockCommand } = traitsOf(tool);
  const lock = await sources.readInside(request, location);
  const beside = path.join(path.dirname(location), projectFile);
  const project = await sources.readInside(request, beside).catch((error: unknown) => {
    throw new UserError(
      `${shown} can't be used without the ${projectFile} beside it, which can't be read: ${messageOf(error)}. Add the file, and run "${lockCommand}" if it has changed.`,
      { file: shown },
    );
  });
  return { tool, shown, lock, project };
}
