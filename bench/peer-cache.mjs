/**
 * Does what actions/cache, setup-python and setup-uv do around their users' commands, with the same
 * library: `restore STATE KEY PREFIX PATH…` before, `save STATE KEY PREFIX PATH…` after. It does not
 * save again after an exact hit. It is bundled into one file like theirs.
 */
import { readFileSync, writeFileSync } from 'node:fs';

import { restoreCache, saveCache } from '@actions/cache';

const [operation, state = '', key = '', prefix = '', ...paths] = process.argv.slice(2);
if (operation === 'restore') {
  const matched = await restoreCache(paths, key, prefix === '' ? [] : [prefix]);
  writeFileSync(state, matched ?? '');
} else if (readFileSync(state, 'utf8') !== key) {
  await saveCache(paths, key);
}
process.exit();
