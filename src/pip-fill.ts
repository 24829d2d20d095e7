/** Runs pip with an index and its credentials: the only place where a child process gets them. */
import path from 'node:path';

import { fillEnvironment } from './plan/environment.ts';
import { type Interpreter, isOlderPip, messageOf, UserError } from './plan/model.ts';
import type { FillOptions } from './plan/pip-args.ts';
import {
  adviceFor,
  isMirrorsFault,
  isUnreachable,
  lastWords,
  parseReport,
  type ReportItem,
} from './plan/pip-output.ts';
import { type GeneratedFile, type GeneratedRequest, withUserSources } from './plan/request-file.ts';
import type { World } from './ports.ts';
import type { FillPlan, Plan } from './run.ts';

/** pip could not fill the wheelhouse. */
export class FillError extends UserError {
  /** The index did not answer: not the request's fault. */
  readonly unreachable: boolean;
  /** Another index of the same content may do better. */
  readonly maybeIndex: boolean;

  constructor(message: string, output: string) {
    super(message);
    this.unreachable = isUnreachable(output);
    this.maybeIndex = isMirrorsFault(output);
  }
}

export function constraintsFile(plan: Plan): string {
  return path.join(plan.scratch, 'constraints.txt');
}

export function fillOptions(plan: Plan, wheelDir: string, requestFile: string): FillOptions {
  return { wheelDir, requestFile, usePep517: usePep517(plan.interpreter) };
}

/** pip before 23.1 runs setup.py in the open where it can't: without setuptools or wheel it fails. */
function usePep517(interpreter: Interpreter): boolean {
  return isOlderPip(interpreter.pip ?? '', [23, 1]) && !interpreter.buildsLegacy;
}

/** Files that a run of pip is given, by path: what it says of them is said of the user's own. */
export type Generated = ReadonlyMap<string, GeneratedFile>;

export async function writeRequest(
  plan: FillPlan,
  world: World,
  requestFile: string,
  files: GeneratedRequest,
): Promise<Generated> {
  await world.wheelhouses.write(constraintsFile(plan), files.constraints.text);
  await world.wheelhouses.write(requestFile, files.request.text);
  return new Map([
    [requestFile, files.request],
    [constraintsFile(plan), files.constraints],
  ]);
}

/** Runs pip with index and credentials. @returns its output */
export async function runFill(
  plan: FillPlan,
  world: World,
  args: readonly string[],
  generated: Generated,
): Promise<string> {
  const { exitCode, output } = await world.python.pip(plan.interpreter, args, {
    cwd: plan.request.workingDirectory,
    env: fillEnvironment(
      plan.request.environment,
      plan.interpreter.pipConfig,
      plan.index.environment,
      plan.interpreter.keyring,
    ),
    rewrite: (line) => withUserSources(line, generated),
  });
  if (exitCode !== 0) throw fillError(output);
  return output;
}

/**
 * Reads the report of a pip that has ended well.
 * @param output of that pip
 * @throws FillError when there is no report all the same, or none that can be read
 */
export async function readReport(
  world: Pick<World, 'wheelhouses'>,
  file: string,
  output: string,
): Promise<ReportItem[]> {
  try {
    return parseReport(await world.wheelhouses.read(file));
  } catch (error) {
    throw fillError(`${output}\nERROR: pip's report can't be read: ${messageOf(error)}`);
  }
}

export function fillError(output: string): FillError {
  return new FillError(
    `pip could not get all wheels. ${adviceFor(output)}\n${lastWords(output)}`,
    output,
  );
}
