/**
 * `npm run bench`: installs what is needed, then measures under the Node version of the action.
 * Plain JavaScript for any Node from 20 on, as it runs before `npm ci`.
 */
import { join } from 'node:path';

import { ensureTools, node24, root, run } from '../scripts/tools.mjs';

ensureTools('bench');
run(node24(), [join(root, 'bench', 'bench.ts'), ...process.argv.slice(2)]);
