import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  listingMessage,
  listingOf,
  pageUrl,
  readPage,
  unreadableMessage,
} from '../../src/collect/logic/listing.ts';
import type { ProjectFile } from '../../src/logic/project-page.ts';
import { digit, file } from '../publish/files.ts';

const alpha = file('alpha', '1.0', 'a');
const purpose = { verb: 'published', onError: 'Nothing was uploaded.' };
const entry = (more: Partial<ProjectFile> = {}): ProjectFile => ({
  file: alpha.file,
  url: `https://index.example/f/${alpha.file}`,
  sha256: digit('a'),
  yanked: false,
  ...more,
});

describe('a downloaded file', () => {
  test('a file is listed when an index has its name and hash', () => {
    assert.equal(listingOf(alpha, [entry()]).state, 'listed');
    assert.equal(listingOf(alpha, [entry({ sha256: digit('b') }), entry()]).state, 'listed');
    assert.equal(listingOf(alpha, [entry({ yanked: true })]).state, 'listed');
  });

  test('a file is not listed by a page without its name', () => {
    assert.equal(listingOf(alpha, []).state, 'unlisted');
    assert.equal(listingOf(alpha, [entry({ file: 'alpha-1.0.tar.gz' })]).state, 'unlisted');
  });

  test('a file with a different hash than the listed one is a mismatch', () => {
    assert.deepEqual(listingOf(alpha, [entry({ sha256: digit('b') })]), {
      state: 'mismatch',
      sha256: digit('b'),
    });
  });

  test('a file listed without a hash has to be compared at every address', () => {
    const unhashed = entry({ sha256: undefined });
    const other = entry({ sha256: undefined, url: 'https://second.example/f' });
    assert.deepEqual(listingOf(alpha, [entry({ sha256: digit('b') }), unhashed, other]), {
      state: 'unhashed',
      urls: [unhashed.url, other.url],
    });
  });

  for (const listing of [
    { state: 'unlisted' },
    { state: 'mismatch', sha256: digit('b') },
    { state: 'unhashed', urls: ['https://index.example/f?signature=secret'] },
  ] as const) {
    test(`the error for a file that is ${listing.state} names the file and the index, without a signature`, () => {
      const indexes = ['https://index.example/simple/'];
      const message = listingMessage(alpha, listing, indexes, purpose);
      assert.ok(message.startsWith(alpha.file));
      assert.match(message, /https:\/\/index\.example\/simple\/.*Nothing was uploaded/);
      assert.ok(!message.includes('signature'));
    });
  }
});

test('the URL of a page has one slash before the project', () => {
  for (const index of ['https://index.example/simple', 'https://index.example/simple//']) {
    assert.equal(pageUrl(index, 'alpha'), 'https://index.example/simple/alpha/');
  }
});

test('a page without an answer is unreadable, never empty', () => {
  const none = { status: undefined, contentType: '', url: '', body: '' };
  const state = readPage({ ...none, fault: 'it does not answer (ReadTimeout)' });
  assert.deepEqual(state, { state: 'unreadable', reason: 'it does not answer (ReadTimeout)' });
  assert.equal(readPage(undefined).state, 'unreadable');
  assert.equal(readPage({ ...none, status: 404, fault: undefined }).state, 'absent');
});

test('the error for an index that refuses access names the credential inputs', () => {
  const refused = { state: 'refused', status: 401 } as const;
  const message = unreadableMessage('https://i.example/', 'alpha', refused, purpose);
  assert.match(message, /answers 401 for alpha.*index-username and index-password/);
});
