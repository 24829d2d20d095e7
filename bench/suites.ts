/** The suites. Each is one interleaved run that becomes a table. */
import type { Mode } from '../__tests__/support/index-server.ts';
import { lanes, makeArchive, runLane, type Sample, type State } from './lanes.ts';
import type { SetFacts, WheelSet } from './sets.ts';
import type { Cost, Workbench } from './workbench.ts';

export interface Suite {
  readonly title: string;
  readonly urls: Mode['urls'];
  readonly state: State;
  readonly repetitions: number;
  /** Ids of lanes; the first is the reference for the others. */
  readonly lanes: readonly string[];
}

export const suites: Readonly<Record<string, Suite>> = {
  exact: {
    title: 'Exact hit, stable URLs, default settings',
    ...{ urls: 'stable', state: 'exact', repetitions: 5 },
    lanes: ['pip', 'classic', 'venv', 'uv', 'action-pip', 'action-uv', 'unpack'],
  },
  rotating: {
    title: 'Exact hit, a new token in each URL',
    ...{ urls: 'query-token', state: 'exact', repetitions: 3 },
    lanes: ['pip', 'uv', 'action-pip', 'action-uv'],
  },
  redirecting: {
    title: 'Exact hit, URLs that redirect to signed URLs',
    ...{ urls: 'redirect', state: 'exact', repetitions: 3 },
    lanes: ['pip', 'uv', 'action-pip', 'action-uv'],
  },
  partial: {
    title: 'Partial hit: one pin differs from the restored entry',
    ...{ urls: 'stable', state: 'bumped', repetitions: 3 },
    lanes: ['pip', 'uv', 'action-pip', 'action-uv'],
  },
  compiled: {
    title: 'Exact hit, bytecode compiled by all',
    ...{ urls: 'stable', state: 'exact', repetitions: 3 },
    lanes: ['pip', 'classic', 'uv-compile', 'action-pip-compile', 'action-uv-compile'],
  },
  plain: {
    title: 'Exact hit, bytecode compiled by none',
    ...{ urls: 'stable', state: 'exact', repetitions: 3 },
    lanes: ['pip-no-compile', 'uv', 'action-pip', 'action-uv'],
  },
  cold: {
    title: 'Cold: nothing in the cache; saved at the end',
    ...{ urls: 'stable', state: 'cold', repetitions: 3 },
    lanes: ['pip', 'classic', 'venv', 'uv', 'action-pip', 'action-uv'],
  },
};

/** The results of a suite. */
export interface SuiteResult {
  readonly set: SetFacts;
  readonly repetitions: number;
  /** Samples of each lane, by its id, in the order of the rounds. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
  /** The cost of a node process that does nothing. */
  readonly floor: Cost;
  /** Bytes per second. */
  readonly rates: { readonly index: number; readonly cache: number };
  /** The time of the run: figures of different runs are not comparable. */
  readonly at: string;
}

export interface SuiteOptions {
  readonly repetitions: number | undefined;
  readonly lanes: readonly string[] | undefined;
}

/** Runs the lanes of a suite in turns, A B C D A B C D, after filling the cache for each. */
export async function runSuite(
  name: string,
  workbench: Workbench,
  set: WheelSet,
  options: SuiteOptions,
): Promise<Pick<SuiteResult, 'repetitions' | 'samples'>> {
  const suite = suites[name];
  if (suite === undefined)
    throw new Error(`Unknown suite ${name}. The suites are ${Object.keys(suites).join(', ')}.`);
  const { cache } = workbench;
  const chosen = suite.lanes
    .filter((id) => options.lanes?.includes(id) ?? true)
    .flatMap((id) => lanes.find((lane) => lane.id === id) ?? []);
  const repetitions = options.repetitions ?? suite.repetitions;
  workbench.setUrls(suite.urls);
  if (chosen.some((lane) => lane.id === 'unpack')) await makeArchive(workbench, set);
  const circumstances = { workbench, set, scope: `${set.facts.packages}-${suite.urls}` };

  const all = new Set(cache.entries().map((entry) => entry.key));
  if (suite.state === 'cold') {
    for (const key of all) await cache.delete(key);
  } else {
    for (const lane of chosen) {
      const isCached = [...cache.entries()].some(({ key }) =>
        key.startsWith(keyPrefix(lane.cacheName)),
      );
      if (lane.cacheName === 'unpack' || isCached) continue;
      console.log(`${name}: filling the cache of ${lane.title}`);
      await runLane(lane, { ...circumstances, state: 'cold' });
    }
  }
  const before = new Set(cache.entries().map((entry) => entry.key));
  const samples: Record<string, Sample[]> = Object.fromEntries(chosen.map(({ id }) => [id, []]));
  for (let round = 1; round <= repetitions; round += 1) {
    for (const lane of chosen) {
      const sample = await runLane(lane, { ...circumstances, state: suite.state });
      samples[lane.id]?.push(sample);
      console.log(`${name} ${round}/${repetitions}: ${sample.seconds.toFixed(2)} s ${lane.title}`);
      // The next step must find the same cache state as this one.
      const added = cache.entries().filter((entry) => !before.has(entry.key));
      for (const { key } of added) await cache.delete(key);
    }
  }
  return { repetitions, samples };

  /** The action's keys do not depend on the kind of URLs, so its entries serve all of them. */
  function keyPrefix(cacheName: string): string {
    return cacheName === 'action' ? 'wheelhouse-' : `${cacheName}-${circumstances.scope}-`;
  }
}
