/** The suites. Each is one interleaved run that becomes a table. */
import type { Mode } from '../__tests__/support/index-server.ts';
import { type Lane, lanes, runLane, type Sample, type State } from './lanes.ts';
import type { PackageFacts, Packages } from './packages.ts';
import type { Cost, Workbench } from './workbench.ts';

export interface Suite {
  readonly title: string;
  readonly urls: Mode['urls'];
  readonly state: State;
  /** Ids of lanes; the first is the reference for the others. */
  readonly lanes: readonly string[];
}

/** Rounds, unless the command says otherwise. */
export const defaultRepetitions = 3;

const states: Readonly<Record<State, string>> = {
  exact: 'Exact hit',
  bumped: 'One pin changed',
  cold: 'Cold: nothing in the cache; saved at the end',
};

const indexes = {
  stable: { urls: 'stable', title: 'stable URLs' },
  rotating: { urls: 'query-token', title: 'a new token in each URL' },
  redirecting: { urls: 'redirect', title: 'URLs that redirect to signed URLs' },
} as const;

const methods = ['pip', 'uv', 'action-pip', 'action-uv'];
const moreMethods: Readonly<Record<string, readonly string[]>> = {
  'exact-stable': ['pip-older', 'venv', 'action-pip-older'],
};

export const suites: Readonly<Record<string, Suite>> = {
  ...Object.fromEntries(
    (Object.keys(states) as State[]).flatMap((state) =>
      Object.entries(indexes).map(([index, { urls, title }]) => {
        const name = `${state}-${index}`;
        const lanes = [...methods, ...(moreMethods[name] ?? [])];
        return [name, { title: `${states[state]}; ${title}`, urls, state, lanes }];
      }),
    ),
  ),
  compiled: {
    title: 'Exact hit; bytecode compiled by all',
    ...{ urls: 'stable', state: 'exact' },
    lanes: ['pip', 'uv-compile', 'action-pip-compile', 'action-uv-compile'],
  },
};

/** What `npm run bench` measures by default: all that the targets are about. */
export const defaultSuites = [
  'exact-stable',
  'exact-rotating',
  'exact-redirecting',
  'bumped-stable',
  'cold-stable',
];

/** The results of a suite. */
export interface SuiteResult {
  readonly packages: PackageFacts;
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
  packages: Packages,
  options: SuiteOptions,
): Promise<Pick<SuiteResult, 'repetitions' | 'samples'>> {
  const suite = suites[name];
  if (suite === undefined)
    throw new Error(`Unknown suite ${name}. The suites are ${Object.keys(suites).join(', ')}.`);
  const { cache } = workbench;
  const chosen = suite.lanes
    .filter((id) => options.lanes?.includes(id) ?? true)
    .flatMap((id) => lanes.find((lane) => lane.id === id) ?? []);
  const repetitions = options.repetitions ?? defaultRepetitions;
  workbench.setUrls(suite.urls);
  const circumstances = { workbench, packages, scope: suite.urls };

  const all = new Set(cache.entries().map((entry) => entry.key));
  if (suite.state === 'cold') {
    for (const key of all) await cache.delete(key);
  } else {
    for (const lane of chosen) {
      const isCached = [...cache.entries()].some(({ key }) => isOf(lane, key));
      if (isCached) continue;
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
  function isOf(lane: Lane, key: string): boolean {
    return lane.cacheName.startsWith('action-')
      ? key.startsWith('wheelhouse-') && key.includes(`-${lane.cacheName}-`)
      : key.startsWith(`${lane.cacheName}-${suite?.urls}-`);
  }
}
