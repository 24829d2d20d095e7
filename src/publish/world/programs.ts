/** Programs that are not pip: uploaders and the auditor. */
import type { Reporter } from '../../ports.ts';
import { type Finished, run } from '../../world/process.ts';
import type { Command } from '../logic/programs.ts';

export function programsAdapter(reporter: Reporter) {
  return {
    async run(
      [program, ...first]: Command,
      args: readonly string[],
      {
        cwd,
        env,
        quiet = false,
      }: {
        readonly cwd: string;
        readonly env: Readonly<Record<string, string>>;
        readonly quiet?: boolean;
      },
    ): Promise<Finished | undefined> {
      try {
        return await run(program, [...first, ...args], {
          cwd,
          env,
          ...(quiet ? {} : { onLine: (line: string) => reporter.foreign(line) }),
        });
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'ENOENT' || code === 'EACCES') return undefined;
        throw error;
      }
    },
  };
}
