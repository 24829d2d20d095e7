/** Searches for a secret everywhere that a job or a command leaves data. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { archivedFiles } from './archive.ts';
import type { CacheService } from './cache-service.ts';
import type { Job, StepResult } from './runner.ts';

export interface Canary {
  text(what: string, text: string): void;
  /** The raw output of a step, except for the commands that mask secrets. */
  step(what: string, step: StepResult | undefined): void;
  /** Every file that the job leaves: pip's configuration and cache, wheelhouse, file commands. */
  files(job: Pick<Job, 'temp' | 'home' | 'workspace'>): void;
  /** @param passed over are names of directories */
  directory(place: string, passedOver?: readonly string[]): void;
  /** Keys and the content of all entries. */
  cache(cache: CacheService): Promise<void>;
}

/** @param forms texts that must not appear */
export function canaryOf(forms: readonly string[]): Canary {
  const text: Canary['text'] = (what, content) => {
    for (const form of forms) assert.ok(!content.includes(form), `${what} holds ${form}`);
  };
  const directory: Canary['directory'] = (place, passedOver = []) => {
    for (const name of readdirSync(place, { recursive: true, encoding: 'utf8' })) {
      if (passedOver.some((each) => name.startsWith(each))) continue;
      text('the name of a file', name);
      const file = join(place, name);
      if (statSync(file).isFile()) text(file, readFileSync(file, 'latin1'));
    }
  };
  return {
    text,
    directory,
    step(what, step) {
      if (step === undefined) return;
      const raw = `${step.stdout}\n${step.stderr}`.replace(/^::add-mask::.*$/gm, '');
      text(`the output of ${what}`, raw);
      const { outputs, env, state, path, summary } = step;
      text(`what ${what} hands over`, JSON.stringify({ outputs, env, state, path, summary }));
    },
    files({ temp, home, workspace }) {
      for (const place of [temp, home, workspace]) directory(place);
    },
    async cache(cache) {
      for (const { key } of cache.entries()) {
        text('a key', key);
        for (const [name, content] of await archivedFiles(cache, key)) {
          text('the name of a file in the cache', name);
          text(`${name} in the cache`, content.toString('latin1'));
        }
      }
    },
  };
}
