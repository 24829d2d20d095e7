/** Bundles of wheels that change on the way, or whose authors are hostile. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { Version } from '@cyclonedx/cyclonedx-library/Spec';
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation';

import { loadBundleRequest } from '../../src/bundle/inputs.ts';
import type { WheelMetadata } from '../../src/bundle/logic/model.ts';
import type { Bundles } from '../../src/bundle/ports.ts';
import { bundle } from '../../src/bundle/story.ts';
import { bundlesAdapter } from '../../src/bundle/world/bundles.ts';
import type { CollectWorld } from '../../src/collect/ports.ts';
import { fakeWorld, indexUrl } from '../support/fake-world.ts';
import { metadataOf } from './described.ts';

const bundles = bundlesAdapter({});

/** Bundles two projects, whose wheels have these metadata. @returns the path of the bundle */
async function bundled(stated: Partial<WheelMetadata>, changes: Partial<Bundles> = {}) {
  const fake = fakeWorld({ alpha: { '1.0': ['beta'] }, beta: { '1.0': [] } });
  const inputs: Record<string, string> = { packages: 'alpha', 'index-url': indexUrl };
  const request = loadBundleRequest((name) => inputs[name] ?? '', 'bundle', fake.host);
  const metadata: Bundles['metadata'] = async (_interpreter, _directory, files) =>
    files.map(() => metadataOf(stated));
  const downloads = {} as CollectWorld['downloads'];
  const world = { ...fake.world, downloads, bundles: { ...bundles, metadata, ...changes } };
  const made = bundle(request, world, '1.2.3');
  return { path: request.output.path, made, temporary: fake.host.temporary };
}

test('a wheel that changes while it is copied is an error, and no bundle is written', async () => {
  const { path, made, temporary } = await bundled(
    {},
    {
      async copy(files, from, to) {
        await bundles.copy(files, from, to);
        await appendFile(join(to, 'beta-1.0-py3-none-any.whl'), 'x');
      },
    },
  );
  await assert.rejects(made, {
    name: 'UserError',
    message:
      'The wheels were changed by another program while the bundle was made: beta-1.0-py3-none-any.whl has a different hash. Run again.',
  });
  assert.equal(existsSync(path), false);
  const left = readdirSync(temporary).filter((name) => name.startsWith('wheelhouse-work'));
  assert.deepEqual(left, []);
});

test('metadata with markup, line breaks and terminal escapes change neither locks nor structure', async () => {
  const hostile = '</a>\u001b]0;x\u0007\r\nevil==1.0 --hash=sha256:0\n[[packages]]\u202e';
  const { path, made } = await bundled({
    expression: `MIT${hostile}`,
    license: hostile,
    classifiers: [`License :: ${hostile}`],
    requires: [hostile, 'beta'],
    texts: [[`licenses/${hostile}`, hostile]],
  });
  await made;
  const read = (file: string): string => readFileSync(join(path, file), 'utf8');
  const names = /^(?:name = "(.*)"|([^\s=]+)==.*)$/gm;
  for (const lock of ['requirements.lock', 'pylock.toml']) {
    const found = [...read(lock).matchAll(names)].map(([, one, other]) => one ?? other);
    assert.deepEqual(
      found.filter((name) => !name?.endsWith('.whl')),
      ['alpha', 'beta'],
      lock,
    );
  }
  for (const file of readdirSync(path).filter((name) => !name.endsWith('.whl'))) {
    assert.doesNotMatch(read(file).replaceAll('\n', ''), /\p{Cc}|\p{Bidi_Control}/u, file);
  }
  const validator = new JsonStrictValidator(Version.v1dot6);
  assert.equal(await validator.validate(read('sbom.cdx.json')), null);
  const heads = read('LICENSES.txt').match(/^\S.*$/gm) ?? [];
  assert.deepEqual(
    heads.map((line) => line.split(':')[0]),
    ['alpha 1.0', 'beta 1.0'],
  );
});
