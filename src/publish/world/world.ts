/** Wires the adapters of publishing, for the action and the command line. */
import { downloadsAdapter } from '../../collect/world/downloads.ts';
import type { Reporter } from '../../ports.ts';
import { pythonAdapter } from '../../world/python.ts';
import { sourcesAdapter } from '../../world/sources.ts';
import { wheelhousesAdapter } from '../../world/wheelhouses.ts';
import type { PublishRequest } from '../logic/model.ts';
import type { PublishWorld } from '../ports.ts';
import { feedAdapter } from './feed.ts';
import { programsAdapter } from './programs.ts';

export function publishingWorld(request: PublishRequest, reporter: Reporter): PublishWorld {
  const { environment } = request.source;
  return {
    python: pythonAdapter(reporter, environment),
    sources: sourcesAdapter(),
    wheelhouses: wheelhousesAdapter(),
    downloads: downloadsAdapter(reporter, environment),
    feed: (certificates) => feedAdapter(request.feed, certificates, environment),
    programs: programsAdapter(reporter),
    reporter,
  };
}
