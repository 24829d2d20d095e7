/** Measures the phases of a run, for its report. */
import type { Phase } from './logic/summary.ts';

export class Timer {
  readonly #start = performance.now();
  readonly #phases: Phase[] = [];

  /** Finished phases, in the order in which they ended; some run at the same time. */
  get phases(): readonly Phase[] {
    return this.#phases;
  }

  /** Seconds since the run started. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Does the work of a phase. */
  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#phases.push({ name, seconds: (performance.now() - start) / 1000 });
    }
  }
}
