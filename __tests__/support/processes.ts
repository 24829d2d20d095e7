/** What runs on this machine, as Linux shows it in /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  readonly id: number;
  /** The program and its arguments. */
  readonly words: readonly string[];
}

/** All that runs at this moment. */
export function processes(): RunningProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((id) => ({ id: Number(id), words: wordsOf(Number(id), 'cmdline') }));
}

/** @returns the command line or the variables (`NAME=value`) of a process; nothing when it has ended */
export function wordsOf(id: number, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${id}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
