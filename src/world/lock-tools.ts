/** The tools whose locks are read by their own exporters: uv, Poetry, PDM and pipenv. */
import { readFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';

import type { LockTool } from '../logic/lock-files.ts';
import { traitsOf } from '../logic/lock-tools.ts';
import type { LockTools } from '../ports.ts';
import { run } from './process.ts';

export function lockToolsAdapter(): LockTools {
  return {
    async onPath(tool, place) {
      const { probe, sign } = traitsOf(tool);
      try {
        const { exitCode, stdout } = await run(tool, probe, place);
        if (exitCode !== 0) return { reason: `the ${tool} on PATH can't export locks` };
        if (stdout.includes(sign)) return { command: tool };
        return { reason: `the ${tool} on PATH is too old` };
      } catch {
        return { reason: `there is no ${tool} on PATH` };
      }
    },
    requirements: source,
    async run(command, args, options) {
      const [finished, ranIn] = await Promise.all([
        run(command, args, options),
        realpath(options.cwd),
      ]);
      return { ...finished, ranIn };
    },
  };
}

/** The build replaces this function with one that contains all files: see scripts/build.mjs. */
function source(name: LockTool): string {
  return readFileSync(new URL(`../locktools/${name}.txt`, import.meta.url), 'utf8');
}
