/**
 * The runner's side of an action: inputs, commands on standard output, and files of values. A module of
 * its own because @actions/core loads an HTTP library whenever it is imported (docs/decisions/0005).
 * https://docs.github.com/actions/reference/workflow-commands-for-github-actions
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { EOL } from 'node:os';
import path from 'node:path';

/** @returns the value of an input without the space around it; empty when it is not set */
export function input(name: string): string {
  return (process.env[`INPUT_${name.toUpperCase().replaceAll(' ', '_')}`] ?? '').trim();
}

/** Prints a line. A command in it takes effect. */
export function print(line: string): void {
  process.stdout.write(`${line}${EOL}`);
}

/** Prints a workflow command, whose text and properties may contain anything. */
export function command(
  name: 'add-mask' | 'endgroup' | 'error' | 'group' | 'notice' | 'warning',
  text = '',
  properties: Readonly<Record<string, string | number | undefined>> = {},
): void {
  const list = Object.entries(properties).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${escapeProperty(String(value))}`],
  );
  print(`::${[name, ...(list.length > 0 ? [list.join(',')] : [])].join(' ')}::${escapeText(text)}`);
}

export function setOutput(name: string, value: string | number | boolean): void {
  writeValue('GITHUB_OUTPUT', name, String(value));
}

/** Keeps a value for the post step of this action. */
export function saveState(name: string, value: string): void {
  writeValue('GITHUB_STATE', name, value);
}

/** Sets an environment variable of later steps. */
export function exportVariable(name: string, value: string): void {
  writeValue('GITHUB_ENV', name, value);
}

/** Puts a directory first on the PATH of later steps. */
export function addPath(directory: string): void {
  appendTo('GITHUB_PATH', `${directory}${EOL}`);
}

/** Adds Markdown to the summary of the job. */
export function addSummary(text: string): void {
  appendTo('GITHUB_STEP_SUMMARY', text);
}

/** The value may contain line breaks: it ends with a text that nobody can foresee. */
function writeValue(variable: string, name: string, value: string): void {
  const end = `end-${randomUUID()}`;
  appendTo(variable, [`${name}<<${end}`, value, end, ''].join(EOL));
}

/** @param variable has the path of a file that the runner reads; without a runner, nobody does */
function appendTo(variable: string, text: string): void {
  const file = process.env[variable];
  if (file) appendFileSync(path.resolve(file), text);
}

/** A line break would start a line, which could be a command. */
function escapeText(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeText(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
