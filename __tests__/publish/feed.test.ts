import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readAnswer } from '../../src/collect/logic/listing.ts';
import type { ProjectAnswer } from '../../src/collect/logic/model.ts';
import {
  conflictMessage,
  derivedUploadUrl,
  readForeignRedirect,
  stateOf,
} from '../../src/publish/logic/feed.ts';
import type { PublishRow } from '../../src/publish/logic/model.ts';
import { digit, file } from './files.ts';

describe('readAnswer', () => {
  const page = 'https://feed.example/simple/beta/';
  const json = 'application/vnd.pypi.simple.v1+json';
  const listed = (type: string, body: string) => {
    const answer = readAnswer(200, type, body, page);
    if (answer.state !== 'listed') return answer;
    const files = answer.files.map(({ file: name, url, sha256, yanked }) => {
      return { file: name, url, sha256, yanked };
    });
    return { state: answer.state, files };
  };

  test('an HTML page is read with relative links, entities, bare ">" and hashes other than SHA-256', () => {
    const answer = listed(
      'text/html; charset=utf-8',
      `<!DOCTYPE html><html><head><title>Links for beta</title></head><body><h1>Links for beta</h1>
      <a href="../../packages/beta-1.0-py3-none-any.whl#sha256=${digit('A')}" data-requires-python=">=3.8">beta-1.0-py3-none-any.whl</a>
      <a data-requires-python=">=3.8" class=x HREF='/f/beta-1.1.tar.gz?a=1&amp;b=2#md5=0123'>beta</a>
      <a href=https://cdn.example/beta-1.2%2Bcpu-py3-none-any.whl>x</a>
      <a href="../">up</a><a name="top">top</a><abbr href="beta-9-py3-none-any.whl"></abbr>
      </body></html>`,
    );
    assert.deepEqual(answer, {
      state: 'listed',
      files: [
        {
          file: 'beta-1.0-py3-none-any.whl',
          url: 'https://feed.example/packages/beta-1.0-py3-none-any.whl',
          sha256: digit('a'),
          yanked: false,
        },
        {
          file: 'beta-1.1.tar.gz',
          url: 'https://feed.example/f/beta-1.1.tar.gz?a=1&b=2',
          sha256: undefined,
          yanked: false,
        },
        {
          file: 'beta-1.2+cpu-py3-none-any.whl',
          url: 'https://cdn.example/beta-1.2%2Bcpu-py3-none-any.whl',
          sha256: undefined,
          yanked: false,
        },
      ],
    });
  });

  test('a JSON page is read (PEP 691)', () => {
    const answer = listed(
      json,
      JSON.stringify({
        meta: { 'api-version': '1.0' },
        name: 'beta',
        files: [
          {
            filename: 'beta-1.0.tar.gz',
            url: '../../+f/beta-1.0.tar.gz',
            hashes: { sha256: digit('B') },
          },
          { filename: 'beta-1.1.tar.gz', url: 'https://cdn.example/x', hashes: {} },
        ],
      }),
    );
    assert.deepEqual(answer, {
      state: 'listed',
      files: [
        {
          file: 'beta-1.0.tar.gz',
          url: 'https://feed.example/+f/beta-1.0.tar.gz',
          sha256: digit('b'),
          yanked: false,
        },
        { file: 'beta-1.1.tar.gz', url: 'https://cdn.example/x', sha256: undefined, yanked: false },
      ],
    });
  });

  const others: readonly [string, number, string, string, ProjectAnswer['state']][] = [
    ['not found', 404, 'text/html', 'no', 'absent'],
    ['unauthorized', 401, 'text/html', '', 'refused'],
    ['forbidden', 403, json, '{}', 'refused'],
    ['server error', 500, 'text/html', '', 'unreadable'],
    ['the login page of Azure', 203, 'text/html', '<html>Sign in</html>', 'unreadable'],
    ['a login page', 200, 'text/html', '<html><form action="/login"></form></html>', 'unreadable'],
    ['truncated JSON', 200, json, '{"meta":{"api-version":"1.0"},"files":[', 'unreadable'],
    ['JSON without files', 200, json, '{"meta":{"api-version":"1.0"},"projects":[]}', 'unreadable'],
    ['a file without name', 200, json, '{"files":[{"url":"x"}]}', 'unreadable'],
    ['a project without files', 200, 'text/html', '<h1>Links for beta</h1>', 'listed'],
  ];
  for (const [description, status, type, body, state] of others) {
    test(`the answer ${status} of a feed (${description}) is ${state}`, () =>
      assert.equal(readAnswer(status, type, body, page).state, state));
  }

  test('a redirect to the project on another host means absent, any other redirect means unreadable', () => {
    assert.deepEqual(
      readForeignRedirect(new URL('https://public.example/simple/Be_ta/'), 'be-ta'),
      {
        state: 'absent',
        forwarded: 'public.example',
      },
    );
    for (const url of [
      'https://login.example/?next=/simple/beta/',
      'https://login.example/beta/in',
    ]) {
      assert.equal(readForeignRedirect(new URL(url), 'beta').state, 'unreadable', url);
    }
  });
});

test('a file is present, in conflict or absent by the SHA-256 on the feed', () => {
  const one = file('beta', '1.0', 'a');
  assert.equal(stateOf(one, digit('a')), 'present');
  assert.equal(stateOf(one, digit('b')), 'conflict');
  assert.equal(stateOf(one, undefined), 'absent');
});

test('the conflict error lists every conflict and counts the uploaded files', () => {
  const rows: PublishRow[] = [
    { ...file('alpha', '1.0', 'a'), state: 'conflict', feedSha256: digit('b') },
    { ...file('beta', '1.0', 'c'), state: 'conflict', feedSha256: digit('d') },
    { ...file('gamma', '1.0', 'e'), state: 'absent', feedSha256: undefined },
  ];
  const message = conflictMessage(rows);
  assert.match(message, /^2 files have different content.*Nothing was uploaded.*delete them/);
  assert.ok(
    message.includes(
      `alpha-1.0-py3-none-any.whl: SHA-256 ${digit('a')} on the source index, ${digit('b')} on the feed`,
    ),
  );
  assert.ok(message.includes('beta-1.0-py3-none-any.whl'));
  assert.ok(!message.includes('gamma'));
  const late = conflictMessage([
    ...rows,
    { ...file('zeta', '1', 'f'), state: 'uploaded', feedSha256: digit('f') },
  ]);
  assert.match(late, /Other files uploaded: 1\./);
});

describe('derivedUploadUrl', () => {
  const table: readonly [string, string | undefined][] = [
    ['http://pypi.example:8080/simple/', 'http://pypi.example:8080/'],
    ['http://devpi.example/robot/dev/+simple/', 'http://devpi.example/robot/dev/'],
    ['https://feed.example/api/pypi/local/simple', 'https://feed.example/api/pypi/local/'],
    [
      'https://feed.example/org/_packaging/team/pypi/simple/',
      'https://feed.example/org/_packaging/team/pypi/upload/',
    ],
    ['https://feed.example/', undefined],
    ['https://feed.example/notsimple/', undefined],
  ];
  for (const [feed, upload] of table) {
    test(`the upload address of ${feed} is ${upload}`, () =>
      assert.equal(derivedUploadUrl(feed), upload));
  }
});
