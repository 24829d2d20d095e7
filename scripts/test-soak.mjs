/**
 * `npm run test:soak -- [runs] [seed]`: see `__tests__/faults/soak.ts`, which this runs under the
 * Node version of the action.
 */
import { join } from 'node:path';

import { ensureTools, node24, root, run } from './tools.mjs';

ensureTools('test:soak');
run(node24(), [join(root, '__tests__', 'faults', 'soak.ts'), ...process.argv.slice(2)]);
