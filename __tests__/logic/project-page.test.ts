import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { versionInFileName } from '../../src/logic/names.ts';
import { projectFiles } from '../../src/logic/project-page.ts';

const page = 'https://index.example/simple/zope-interface/';
const versions = (contentType: string, body: string): string[] =>
  projectFiles(contentType, body, page)
    .flatMap(({ file, yanked }) =>
      yanked ? [] : (versionInFileName(file, 'zope-interface') ?? []),
    )
    .filter((version, index, all) => all.indexOf(version) === index)
    .sort();

describe('versions on a page', () => {
  test('JSON: a yanked file, with a reason or without, is not offered', () => {
    const files = [
      { filename: 'zope_interface-1.0-cp311-cp311-win_amd64.whl', url: 'a', yanked: false },
      { filename: 'zope.interface-2.0.tar.gz', url: 'b' },
      { filename: 'zope-interface-3.0.zip', url: 'c', yanked: true },
      { filename: 'zope_interface-4.0-py3-none-any.whl', url: 'd', yanked: 'broken' },
      { filename: 'zope_interface-5.0-py3-none-any.whl', url: 'e', yanked: 'broken' },
      { filename: 'zope_interface-5.0.tar.gz', url: 'f' },
    ];
    const body = JSON.stringify({ meta: { 'api-version': '1.1' }, files });
    assert.deepEqual(versions('application/vnd.pypi.simple.v1+json', body), ['1.0', '2.0', '5.0']);
  });

  test('HTML: a yanked file is not offered, wherever the attribute is and whatever its value', () => {
    const link = (file: string, before = '', after = ''): string =>
      `<a ${before} href="../../f/${file}#sha256=${'0'.repeat(64)}" ${after}>${file}</a><br>`;
    const body = [
      link('zope_interface-1.0-py3-none-any.whl'),
      link('zope-interface-2.0.post1.tar.gz', 'data-requires-python="&gt;=3"'),
      link('zope-interface-3.0.tar.gz', 'data-yanked="broken"'),
      link('zope-interface-4.0.tar.gz', '', 'data-yanked=""'),
      link('zope-interface-5.0.tar.gz', '', 'data-yanked'),
      '<a href="https://data-yanked.example/zope-interface-6.0.tar.bz2">data-yanked</a>',
    ].join('\n');
    assert.deepEqual(versions('text/html', body), ['1.0', '2.0.post1', '6.0']);
  });

  test('files of other projects do not count', () => {
    const body = ['zope-1.0.tar.gz', 'zope_interface_more-1.0.tar.gz', 'interface-1.0.zip']
      .map((file) => `<a href="${file}">${file}</a>`)
      .join('');
    assert.deepEqual(versions('text/html', body), []);
  });

  test('JSON that is not a project page is an error', () => {
    assert.throws(() => versions('application/json', '{"meta": {}}'));
  });
});

describe('broken pages', () => {
  const file = 'zope_interface-1.0-py3-none-any.whl';

  // Each of them takes minutes where characters are read again for each tag.
  for (const [name, part] of [
    ['open tags', '<a '],
    ['open tags with names', '<a x '],
    ['open tags with white space', '<a                     '],
    ['values without an end', '<a x="'],
    ['values with other quotes', `<a x='<a y="`],
    ['names without values', '<a href = '],
    ['many attributes', 'a="1" '],
  ] as const) {
    test(`a megabyte of ${name} does not hang`, () => {
      const body = `<a ${part.repeat(1e6 / part.length)}"'><a href="${file}">x</a>`;
      const files = projectFiles('text/html', body, page);
      assert.ok(files.length <= 1);
    });
  }

  test('a link after an unfinished tag is found', () => {
    const body = `<a class=x <a href="${file}">x</a><a\n<a\nHREF=zope_interface-2.0-py3-none-any.whl>`;
    assert.deepEqual(versions('text/html', body), ['1.0', '2.0']);
  });
});
