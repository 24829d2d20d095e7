/** Publishing uploads nothing but what the source index lists, whatever packages ask for. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';

import { type IndexServer, startIndex } from '../support/index-server.ts';
import { sdist, wheel } from '../support/packages.ts';
import { type PrivateFeed, publisherPath, startPypiserver } from '../support/publish-feeds.ts';
import {
  counts,
  error,
  names,
  type PublishRun,
  planned,
  publishFrom,
} from '../support/publish-job.ts';
import { createJob, type Job, type StepResult } from '../support/runner.ts';
import { annotations } from '../support/scenario.ts';

const gamma = wheel({ name: 'gamma', version: '1.0' });
const stranger = wheel({ name: 'corp-internal', version: '99.0' });

let index: IndexServer;
/** Another server, whose files nobody asked for. */
let elsewhere: IndexServer;
let feed: PrivateFeed;
let tools: string;
let place: Job;

before(async () => {
  place = createJob();
  tools = publisherPath(join(place.root, 'tools'));
  elsewhere = await startIndex({ distributions: [stranger] });
  feed = await startPypiserver(['--disable-fallback']);
});
after(async () => {
  await feed?.close();
  await elsewhere?.close();
  await index?.close();
  place?.cleanup();
});
beforeEach(async () => {
  await index?.close();
  index = await startIndex({
    distributions: [gamma, wheel({ name: 'corp-internal', version: '1.0' })],
  });
  elsewhere.reset();
});

const publish = (run: PublishRun): Promise<StepResult> => publishFrom({ index, feed, tools }, run);

const strangersAddress = (): string => new URL(`/files/${stranger.filename}`, elsewhere.url).href;

/** A job that must fail, and must leave the feed as it was. @returns its error */
async function refused(run: PublishRun): Promise<string> {
  const message = error(await publish(run));
  assert.deepEqual(readdirSync(feed.packages), []);
  return message;
}

test('a direct reference in build-system.requires is refused with the name of the sdist', async () => {
  const buildRequires = [`corp-internal @ ${strangersAddress()}`];
  index.add(sdist({ name: 'liba', version: '1.0', buildRequires }));
  const message = await refused({ with: { packages: 'liba' } });
  assert.match(message, /^liba-1\.0\.tar\.gz lists "corp-internal @ http.*build-system\.requires/);
});

test('a file behind a direct reference of a package is not published', async () => {
  const requires = [`corp-internal @ ${strangersAddress()}`];
  index.add(wheel({ name: 'liba', version: '1.0', requires }));
  const message = await refused({ with: { packages: 'liba' } });
  assert.match(message, /^corp_internal-99\.0-py3-none-any\.whl is not listed by http/);
});

test('a wheel from --find-links of a requirement file is not published', async () => {
  const links = join(place.root, 'links');
  mkdirSync(links);
  const local = wheel({ name: 'gamma', version: '2.0' });
  writeFileSync(join(links, local.filename), local.content);
  const files = { 'requirements.txt': `--find-links ${links}\ngamma\n` };
  const message = await refused({ files, with: { requirements: 'requirements.txt' } });
  assert.match(message, /^gamma-2\.0-py3-none-any\.whl is not listed by .*--find-links/);
});

test('an sdist whose PKG-INFO names another project is refused', async () => {
  const honest = sdist({ name: 'libb', version: '1.0' });
  const tar = gunzipSync(honest.content);
  // Its first member is PKG-INFO; names of the same length leave the archive valid.
  tar.write('Name: corp', tar.indexOf('Name: libb'));
  const content = gzipSync(tar);
  const sha256 = createHash('sha256').update(content).digest('hex');
  index.add({ ...honest, content, sha256 });
  assert.match(
    await refused({ with: { packages: 'libb' } }),
    /^The metadata of libb-1\.0\.tar\.gz names a different project or version than its file name/,
  );
});

test('a wheel with a second METADATA file, which uploaders read first, is refused', async () => {
  const files = { METADATA: 'Metadata-Version: 2.1\nName: corp-internal\nVersion: 99.0\n' };
  index.add(wheel({ name: 'libc', version: '1.0', files }));
  assert.match(
    await refused({ with: { packages: 'libc' } }),
    /^The metadata of libc-1\.0-py3-none-any\.whl names a different project or version/,
  );
});

test('files of an index without hashes are downloaded twice and compared', async () => {
  index.mode.hashes = false;
  const step = await publish({ with: { packages: 'gamma', 'dry-run': 'true' } });
  assert.equal(step.conclusion, 'success', step.log);
  assert.deepEqual(planned(step), [gamma.filename]);
  assert.deepEqual(index.artifacts(), [gamma.filename, gamma.filename]);
});

test('a file that an index without hashes changes after the download is not published', async () => {
  index.mode.hashes = false;
  let downloads = 0;
  const changing = createServer((incoming, outgoing) => {
    get(new URL(incoming.url ?? '/', index.url), { headers: incoming.headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const isFile = /\.whl$/.test(incoming.url ?? '');
        if (isFile) downloads += 1;
        const own = `http://${incoming.headers.host}`;
        const { 'content-length': _length, ...headers } = answer.headers;
        const body = Buffer.concat(chunks);
        outgoing.writeHead(answer.statusCode ?? 500, headers);
        if (isFile) outgoing.end(downloads > 1 ? Buffer.concat([body, body]) : body);
        else outgoing.end(body.toString().replaceAll(new URL(index.url).origin, own));
      });
    });
  });
  await new Promise<void>((resolve) => changing.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = changing.address() as AddressInfo;
    const message = await refused({
      with: { packages: 'gamma', 'index-url': `http://127.0.0.1:${port}/simple/` },
    });
    assert.match(message, /^gamma-1\.0.* lists no hash, now has different content/);
    assert.equal(downloads, 2);
  } finally {
    changing.close();
    changing.closeAllConnections();
  }
});

test('an index that needs credentials from netrc can be a source', async () => {
  index.mode.auth = { username: 'reader', password: 'netrc-secret' };
  const netrc = join(place.root, 'netrc');
  writeFileSync(netrc, 'machine 127.0.0.1 login reader password netrc-secret\n', { mode: 0o600 });
  const step = await publish({
    with: { packages: 'gamma', 'dry-run': 'true' },
    env: { NETRC: netrc },
  });
  assert.equal(step.conclusion, 'success', step.log);
  assert.deepEqual(planned(step), names([gamma]));
});

test('credentials of the inputs are not sent to an index that a requirement file names', async () => {
  const step = await publish({
    files: { 'requirements.txt': `--index-url ${elsewhere.url}\ncorp-internal\n` },
    with: {
      requirements: 'requirements.txt',
      'index-username': 'ci',
      'index-password': 'private-feed-token',
    },
  });
  assert.match(error(step), /index-username and index-password .*Set the input index-url/);
  assert.deepEqual(elsewhere.log, []);
  assert.ok(!step.log.replace(/^::add-mask::.*$/gm, '').includes('private-feed-token'));
});

test('a private index together with another index causes a dependency confusion warning', async () => {
  index.mode.auth = { username: 'reader', password: 'source-secret' };
  const step = await publish({
    files: { 'requirements.txt': `--extra-index-url ${elsewhere.url}\ncorp-internal\n` },
    with: {
      requirements: 'requirements.txt',
      'index-url': index.url,
      'index-username': 'reader',
      'index-password': 'source-secret',
      'dry-run': 'true',
    },
  });
  assert.match(annotations(step, 'warning').join('\n'), /2 indexes .*dependency confusion/);
  // Listed by an index of the request, so it may be published: the warning is what there is.
  assert.deepEqual(planned(step), [stranger.filename]);
});

test('a file that changes on this machine before the upload is not uploaded', async () => {
  const meddling = join(place.root, 'meddling');
  mkdirSync(meddling);
  symlinkSync(join(tools, 'twine'), join(meddling, 'twine'));
  const script = [
    '#!/bin/sh',
    'case "$1" in --version) echo "pip-audit 2.10.1"; exit 0 ;; esac',
    `find "$RUNNER_TEMP" -name '${gamma.filename}' -exec sh -c 'echo more >> "$1"' sh {} \\;`,
  ];
  writeFileSync(join(meddling, 'pip-audit'), `${script.join('\n')}\n`);
  chmodSync(join(meddling, 'pip-audit'), 0o755);
  const message = await refused({ path: meddling, with: { packages: 'gamma', audit: 'warn' } });
  assert.match(message, /^gamma-1\.0-py3-none-any\.whl changed on this machine after the download/);
});

test('a package that the index lists is published', async () => {
  const step = await publish({ with: { packages: 'gamma' } });
  assert.deepEqual(counts(step), ['1', '0', '0'], step.log);
});
