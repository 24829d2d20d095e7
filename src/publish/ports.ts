/** What publishing needs of the world: each is one adapter, in `world/` here or in the core. */
import type { ProjectAnswer } from '../collect/logic/model.ts';
import type { CollectWorld } from '../collect/ports.ts';
import type { ProjectFile } from '../logic/project-page.ts';
import type { PipResult, Sources } from '../ports.ts';
import type { Command } from './logic/programs.ts';

/** The private feed. */
export interface Feed {
  /** @param project normalised name */
  ask(project: string): Promise<ProjectAnswer>;
  /** Downloads a file. @returns its SHA-256 in lower-case hex @throws Error in a few words */
  digest(file: ProjectFile): Promise<string>;
}

/** Runs programs that are not pip. */
export interface Programs {
  /**
   * Runs a program. Its output goes to the log line by line, unless `quiet` is set.
   * @returns undefined when there is no such program
   */
  run(
    command: Command,
    args: readonly string[],
    options: {
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      readonly quiet?: boolean;
    },
  ): Promise<(PipResult & { readonly stdout: string }) | undefined>;
}

/** What publishing needs of the world. */
export interface PublishWorld extends CollectWorld {
  readonly sources: Sources;
  /** @param certificates path of a file of certificates to trust; undefined for the default ones */
  readonly feed: (certificates: string | undefined) => Feed;
  readonly programs: Programs;
}
