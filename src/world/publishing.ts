/** The world that publishing meets, the same for the action and the command line. */
import type { PublishRequest } from '../plan/publish.ts';
import type { PublishWorld, Reporter } from '../ports.ts';
import { downloadsAdapter } from './downloads.ts';
import { feedAdapter, programsAdapter } from './feed.ts';
import { pythonAdapter } from './python.ts';
import { sourcesAdapter } from './sources.ts';
import { wheelhousesAdapter } from './wheelhouses.ts';

/** Every adapter that publishing a request takes. */
export function publishingWorld(request: PublishRequest, reporter: Reporter): PublishWorld {
  const { environment } = request.source;
  return {
    python: pythonAdapter(reporter, environment),
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    downloads: downloadsAdapter(reporter, environment),
    feed: (certificates) => feedAdapter(request.feed, certificates),
    programs: programsAdapter(reporter),
    reporter,
  };
}
