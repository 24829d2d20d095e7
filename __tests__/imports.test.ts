import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { circlesIn, upward } from '../scripts/imports.mjs';

function imports(...pairs: [string, string][]) {
  return pairs.map(([from, to]) => ({ from, to, line: 3, typesOnly: false }));
}

describe('the check of imports', () => {
  test('allows imports from the layers below', () => {
    assert.deepEqual(
      upward(
        imports(
          ['main.ts', 'world/python.ts'],
          ['fill.ts', 'ports.ts'],
          ['world/python.ts', 'logic/names.ts'],
          ['publish/story.ts', 'interpreter.ts'],
          ['cli/main.ts', 'publish/world/world.ts'],
          ['publish/story.ts', 'collect/collect.ts'],
        ),
      ),
      [],
    );
  });

  for (const [from, to, message] of [
    ['logic/key.ts', 'ports.ts', 'src/ports.ts (ports), but logic may import no other layer.'],
    ['fill.ts', 'world/uv.ts', 'src/world/uv.ts (world), but story may import only logic, ports.'],
    ['world/uv.ts', 'fill.ts', 'src/fill.ts (story), but world may import only logic, ports.'],
    ['ports.ts', 'world/uv.ts', 'src/world/uv.ts (world), but ports may import only logic.'],
    [
      'install.ts',
      'cli/prune.ts',
      'src/cli/prune.ts (command line), but story may import only logic, ports.',
    ],
    [
      'publish/logic/feed.ts',
      'fill.ts',
      'src/fill.ts (story), but logic of publish may import only logic, logic of collect.',
    ],
    [
      'collect/logic/listing.ts',
      'publish/logic/feed.ts',
      'src/publish/logic/feed.ts (logic of publish), but logic of collect may import only logic.',
    ],
    [
      'install.ts',
      'bundle/story.ts',
      'src/bundle/story.ts (story of bundle), but story may import only logic, ports.',
    ],
  ] as const) {
    test(`names an import of ${to} from ${from}`, () => {
      assert.deepEqual(upward(imports([from, to])), [`src/${from}:3 imports ${message}`]);
    });
  }

  test('finds circles of any length', () => {
    const chain = imports(['a.ts', 'b.ts'], ['b.ts', 'c.ts'], ['c.ts', 'd.ts']);
    assert.deepEqual(circlesIn(chain), []);
    assert.deepEqual(circlesIn([...chain, ...imports(['d.ts', 'b.ts'])]), [
      'b.ts → c.ts → d.ts → b.ts',
    ]);
  });
});
