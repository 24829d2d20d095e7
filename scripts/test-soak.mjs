/**
 * `npm run test:soak -- [runs] [seed]`: see `__tests__/faults/soak.ts`, which this starts under the
 * Node that the action runs on. Needs what `npm test` needs.
 */
import { join } from 'node:path';

import { ensureTools, node24, root, run } from './tools.mjs';

ensureTools();
run(node24(), [join(root, '__tests__', 'faults', 'soak.ts'), ...process.argv.slice(2)]);
