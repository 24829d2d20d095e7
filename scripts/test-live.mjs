/**
 * `npm run test:live`: real packages and requirement files of public projects, beside plain pip.
 * Needs the package index that pip is configured with. Each case runs with one of the Pythons and
 * pips, all in turn; `-- --all` runs each with every one, `-- TEXT` those whose name contains TEXT.
 */
import { ensureTools, node24, root, run } from './tools.mjs';

const words = process.argv.slice(2);
const [text = ''] = words.filter((word) => word !== '--all');
ensureTools();
const files = text === '' ? ['live', 'requirement-files'] : ['requirement-files'];
run(
  node24(),
  [...['--test', '--test-concurrency=1'], ...files.map((name) => `__tests__/live/${name}.test.ts`)],
  {
    cwd: root,
    env: {
      ...process.env,
      LIVE_CASES: text,
      LIVE_LEGS: words.includes('--all') ? 'all' : 'one',
    },
  },
);
