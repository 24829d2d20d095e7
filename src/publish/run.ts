/** What the steps of a publishing run know. */
import type { CollectRun } from '../collect/run.ts';
import type { PublishRequest } from './logic/model.ts';
import type { Feed } from './ports.ts';

export interface PublishRun extends CollectRun {
  readonly request: PublishRequest;
  readonly feed: Feed;
  /** Path of a file of certificates that pip is configured to trust. */
  readonly certificates: string | undefined;
}
