/** The adapter for downloads, with real pips, files and an index of the tests' own. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { downloadsAdapter } from '../../src/collect/world/downloads.ts';
import type { Interpreter } from '../../src/logic/model.ts';
import { consoleReporter } from '../../src/world/reporters.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { sdist, wheel } from '../support/packages.ts';
import { freshPython } from '../support/python.ts';

const alpha = wheel({ name: 'alpha', version: '1.0' });
const source = sdist({ name: 'source', version: '2.0' });

let place: string;
let index: IndexServer;
const downloads = downloadsAdapter(consoleReporter(), { PATH: process.env['PATH'] ?? '' });

before(async () => {
  place = mkdtempSync(join(tmpdir(), 'downloads-'));
  index = await startIndex({ distributions: [alpha, source] });
});
after(async () => {
  await index?.close();
  rmSync(place, { recursive: true, force: true });
});

const interpreter = (version: string, name: string): Interpreter =>
  ({ executable: freshPython(join(place, name), version), pip: version }) as Interpreter;

describe('metadata of files', () => {
  const pip = String(pipVersions.at(-1));

  test('metadata includes every name and version that an uploader might read', async () => {
    const files = [
      alpha,
      source,
      wheel({
        name: 'two',
        version: '1.0',
        files: {
          METADATA: 'Metadata-Version: 2.1\nName: other\nName: third\nVersion: 9\n',
          'METADATA.txt': 'no metadata',
          'two/vendored.dist-info/METADATA': 'Metadata-Version: 2.1\nName: vendored\nVersion: 1\n',
        },
      }),
    ];
    for (const { filename, content } of files) writeFileSync(join(place, filename), content);
    const found = await downloads.metadata(
      interpreter(pip, 'environment'),
      place,
      files.map(({ filename }) => filename),
    );
    assert.deepEqual(
      found.map(({ identities }) => identities.map(({ name, version }) => `${name} ${version}`)),
      [['alpha 1.0'], ['source 2.0'], ['other 9', 'third 9', 'two 1.0']],
    );
    assert.equal(found[0]?.pyproject, undefined);
    assert.match(String(found[1]?.pyproject), /build-system/);
  });

  test('reading metadata of a file that is not an archive fails with its name', async () => {
    for (const file of ['bad-1.0-py3-none-any.whl', 'bad-1.0.tar.gz', 'bad-1.0.zip']) {
      writeFileSync(join(place, file), 'not an archive');
      await assert.rejects(
        downloads.metadata(interpreter(pip, `environment-${file}`), place, [file]),
        (error: Error) => error.message.startsWith(`${file} of the source index can't be read`),
      );
    }
  });
});

for (const version of pipVersions) {
  test(`pip ${version} gets pages and files of an index`, async () => {
    const python = interpreter(version, `pip-${version}`);
    const local = mkdtempSync(join(place, 'index-'));
    writeFileSync(join(local, 'index.html'), '<a href="alpha-1.0.tar.gz">alpha</a>');
    const access = {
      cwd: place,
      env: { PATH: process.env['PATH'] ?? '', PIP_RETRIES: '0', PIP_CONFIG_FILE: '/dev/null' },
    };
    const pages = await downloads.pages(
      python,
      [
        `${index.url}alpha/`,
        `${index.url}none/`,
        'http://127.0.0.1:9/simple/x/',
        `file://${local}/`,
      ],
      access,
    );
    assert.deepEqual(
      pages.map(({ status }) => status),
      [200, 404, undefined, 200],
    );
    assert.equal(pages[0]?.url, `${index.url}alpha/`);
    assert.match(String(pages[0]?.contentType), /json/);
    assert.ok(pages[0]?.body.includes(alpha.sha256));
    assert.match(String(pages[2]?.fault), /^it does not answer \(\w+\)$/);
    assert.match(String(pages[3]?.body), /alpha-1\.0\.tar\.gz/);
    const at = (file: string): string => new URL(`/files/${file}`, index.url).href;
    assert.deepEqual(
      await downloads.digests(python, [at(source.filename), at('none.whl')], access),
      [source.sha256, undefined],
    );
  });
}
