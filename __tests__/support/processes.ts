/** The processes of this machine, from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  readonly id: number;
  /** The program and its arguments. */
  readonly words: readonly string[];
}

/** All processes at this moment. */
export function processes(): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((id) => ({ id: Number(id), words: wordsOf(Number(id), 'cmdline') }));
}

/** Returns the command line or the variables (`NAME=value`) of a process; nothing if it has exited. */
export function wordsOf(id: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
