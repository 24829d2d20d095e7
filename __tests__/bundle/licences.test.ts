import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { formatLicences, licenceOf } from '../../src/bundle/logic/licences.ts';
import { described, metadataOf } from './described.ts';

const osi = 'License :: OSI Approved';

describe('the licence of a wheel', () => {
  for (const [what, stated, expected] of [
    [
      'its expression before everything else',
      { expression: 'MIT OR Apache-2.0', license: 'x', classifiers: [`${osi} :: X`] },
      { kind: 'expression', text: 'MIT OR Apache-2.0' },
    ],
    [
      'its License before classifiers',
      { license: ' BSD 3-Clause ', classifiers: [`${osi} :: X`] },
      { kind: 'names', names: ['BSD 3-Clause'] },
    ],
    [
      'its classifiers if License is a whole text',
      { license: 'Permission is\nhereby granted', classifiers: [`${osi} :: MIT License`, osi] },
      { kind: 'names', names: ['MIT License', 'OSI Approved'] },
    ],
    [
      'its classifiers if License is UNKNOWN',
      { license: 'UNKNOWN', classifiers: [`${osi} :: MIT License`] },
      { kind: 'names', names: ['MIT License'] },
    ],
    ['unstated without any', {}, { kind: 'unstated' }],
    [
      'not an expression with markup or line breaks',
      { expression: 'MIT"><script>', license: '' },
      { kind: 'unstated' },
    ],
    [
      'a name without what a terminal acts on',
      { license: 'MIT\u001b[2J\u202e' },
      { kind: 'names', names: ['MIT\uFFFD[2J\uFFFD'] },
    ],
  ] as const) {
    test(`is ${what}`, () => {
      assert.deepEqual(licenceOf(metadataOf(stated)), expected);
    });
  }
});

describe('the text of all licences', () => {
  test('has a line per project and version, and the different texts of its wheels below it', () => {
    const mit = { expression: 'MIT', texts: [['LICENSE', 'one\r\ntwo\n\n']] } as const;
    const other = { ...mit, texts: [...mit.texts, ['licenses/vendor/COPYING', 'three']] } as const;
    const text = formatLicences([
      described('alpha', '1.0', mit, 'cp311-cp311-win_amd64'),
      described('alpha', '1.0', other, 'cp312-cp312-win_amd64'),
      described('beta', '2.0', { texts: [['NOTICE', null]] }),
    ]);
    assert.equal(
      text,
      [
        ...['alpha 1.0: MIT', '', '  LICENSE', '    one', '    two', ''],
        ...['  licenses/vendor/COPYING', '    three', ''],
        ...['beta 2.0: no licence stated', '', '  NOTICE'],
        ...['    (left out: larger than 1 MiB)', ''],
      ].join('\n'),
    );
  });

  test('has every text of a wheel indented, so that none can pass for another project', () => {
    const text = fc.string({ unit: 'binary', maxLength: 300 });
    fc.assert(
      fc.property(text, text, text, text, (expression, license, path, content) => {
        const stated = { expression, license, classifiers: [license], texts: [[path, content]] };
        const lines = formatLicences([
          described('alpha', '1.0', { ...stated, texts: [[path, content]] }),
          described('beta'),
        ]).split('\n');
        const heads = lines.filter((line) => line !== '' && !line.startsWith('  '));
        assert.equal(heads.length, 2);
        assert.match(String(heads[0]), /^alpha 1\.0: /);
        assert.equal(heads[1], 'beta 1.0: no licence stated');
        assert.doesNotMatch(lines.join(''), /(?!\t)\p{Cc}|\p{Bidi_Control}|[\u2028\u2029]/u);
      }),
      { numRuns: 500 },
    );
  });
});
