/**
 * `npm run test:live`: real packages, requirement files of public projects, and whole projects,
 * compared with plain pip, from the package index that pip is configured with. Each case runs with
 * one pair of Python and pip, and the pairs take turns. `-- --all` runs each requirement file with
 * every pair, `-- TEXT` only the cases whose name contains TEXT.
 */
import { ensureTools, node24, root, run } from './tools.mjs';

/** Prints which Pythons take turns, or how to have a second one. */
const pythons = `
import { findPythons } from './__tests__/live/environments.ts';
const versions = findPythons().map(({ version }) => version);
console.log(versions.length > 1
  ? '# Pythons: ' + versions.join(', ')
  : '# Every case runs with Python ' + versions + ': put a second Python (3.9 or newer) on PATH.');
`;

const words = process.argv.slice(2);
const [text = ''] = words.filter((word) => word !== '--all');
ensureTools('test:live');
run(node24(), ['--input-type=module-typescript', '--eval', pythons]);
const files = [...(text === '' ? ['live'] : []), 'requirement-files', 'uv', 'projects'];
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
