import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { UserError } from '../../src/logic/errors.ts';
import { pipSettings, refuseReleaseAgeConflicts } from '../../src/logic/pip-settings.ts';
import {
  enforcerOf,
  fetchedPip,
  latestUpload,
  readReleaseAge,
  releaseAgeParts,
  releaseAgeText,
} from '../../src/logic/release-age.ts';

const week = { hours: 168, except: [] };

describe('minimum-release-age reads', () => {
  for (const [text, hours] of [
    ['7 days', 168],
    ['1 day', 24],
    ['7d', 168],
    ['7 D', 168],
    ['P7D', 168],
    ['p7d', 168],
    ['36 hours', 36],
    ['1 hour', 1],
    ['36h', 36],
    ['PT36H', 36],
    ['2 weeks', 336],
    ['P2W', 336],
    ['9999 weeks', 1_679_832],
  ] as const) {
    test(text, () => assert.deepEqual(readReleaseAge(text, []), { hours, except: [] }));
  }

  test('nothing as no minimum', () => assert.equal(readReleaseAge('', []), undefined));

  test('exceptions in any spelling and order, each once', () => {
    const age = readReleaseAge('7d', ['Zope.Interface', 'a_b', 'zope-interface', 'A']);
    assert.deepEqual(age?.except, ['a', 'a-b', 'zope-interface']);
  });
});

describe('minimum-release-age rejects', () => {
  const invalid = [
    ...['7', 'days', 'seven days', '-7 days', '0 days', 'P0D', '1.5 days', '7 months', '7 minutes'],
    ...['P7', 'PT7D', 'P36H', 'P1DT2H', '7 days 2 hours', '10000 days', '7 days\n8 days', '٧ days'],
    ...['2026-11-01', '7 constructor', 'now'],
  ];
  for (const text of invalid) {
    test(JSON.stringify(text), () => {
      assert.throws(
        () => readReleaseAge(text, []),
        (error) =>
          error instanceof UserError &&
          error.message ===
            `The input minimum-release-age is "${text}"; expected a number of hours, days or weeks, such as "7 days", "36 hours", "7d" or "P7D".`,
      );
    });
  }

  test('exceptions without an age', () =>
    assert.throws(() => readReleaseAge('', ['a']), /is set without minimum-release-age/));

  for (const name of ['a>=1', 'a==2', 'a b', 'a,b', '-a', 'a[x]', './a', '*', 'ä']) {
    test(`the exception "${name}"`, () =>
      assert.throws(() => readReleaseAge('7d', ['ok', name]), {
        message: `The input minimum-release-age-exclude contains "${name}", which is not the name of a project. Write one name per line, without a version.`,
      }));
  }
});

test('any text is a valid age or an error of the user', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        const age = readReleaseAge(text, []);
        assert.ok(age === undefined ? text === '' : age.hours > 0);
      } catch (error) {
        assert.ok(error instanceof UserError);
      }
    }),
  );
});

test('the text and the parts of the key name the age in one form, and the exceptions', () => {
  assert.equal(releaseAgeText(week), '7 days');
  assert.equal(releaseAgeText({ hours: 24, except: ['a', 'b'] }), '1 day, except a, b');
  assert.equal(releaseAgeText({ hours: 36, except: [] }), '36 hours');
  assert.equal(releaseAgeText({ hours: 1, except: [] }), '1 hour');
  assert.deepEqual(releaseAgeParts(undefined), []);
  assert.deepEqual(releaseAgeParts(week), ['minimum-release-age=7 days']);
  assert.deepEqual(releaseAgeParts({ hours: 168, except: ['a', 'b'] }), [
    'minimum-release-age=7 days',
    'minimum-release-age-exclude=a,b',
  ]);
});

test('the age counts back from the given moment', () => {
  const now = new Date('2026-11-21T12:34:56.789Z');
  assert.equal(latestUpload(week, now), '2026-11-14T12:34:56+00:00');
  assert.equal(latestUpload({ hours: 36, except: [] }, now), '2026-11-20T00:34:56+00:00');
});

describe('the pip that enforces it', () => {
  const excepting = { hours: 168, except: ['a'] };
  const [major, minor] = fetchedPip.version.split('.').map(Number);
  for (const [age, pip, version, expected] of [
    [week, fetchedPip.version, '3.13.1', 'own'],
    [week, '26.0.1', '3.9.2', 'own'],
    [week, '27.1', '3.13.1', 'own'],
    [week, '25.3', '3.13.1', 'fetched'],
    [week, '22.2', '3.10.0', 'fetched'],
    [week, undefined, '3.10.0', 'fetched'],
    [excepting, '26.0', '3.13.1', 'own'],
    [excepting, `${fetchedPip.version}.9`, '3.13.1', 'own'],
    [excepting, `${major}.${Number(minor) + 1}`, '3.13.1', 'fetched'],
    [excepting, '27.0', '3.13.1', 'fetched'],
  ] as const) {
    const exception = age === excepting ? ' with an exception' : '';
    test(`pip ${pip} on Python ${version}${exception}: ${expected}`, () =>
      assert.equal(enforcerOf(age, { pip, version }), expected));
  }

  test('a Python without such a pip is an error that says what to do', () => {
    assert.throws(() => enforcerOf(week, { pip: '24.0', version: '3.8.20' }), {
      message:
        'The input minimum-release-age needs Python 3.9 or newer, as older ones have no pip that can enforce it; this is 3.8.20. Use a newer Python, or remove the input.',
    });
    assert.throws(() => enforcerOf(week, { pip: '25.3', version: '3.9.2' }), {
      message:
        'The input minimum-release-age needs pip 26.0 or newer on Python 3.9.2; this is pip 25.3. Run "python -m pip install --upgrade pip" before this step, or use Python 3.10 or newer.',
    });
  });
});

describe('next to a minimum release age', () => {
  const settings = (pipConfig: Record<string, string>) =>
    pipSettings({ pipConfig }, { url: undefined, extra: [] });
  for (const [description, config, message] of [
    [
      "a limit in pip's configuration is refused",
      { ':env:.uploaded-prior-to': 'P3D' },
      /Remove one of them/,
    ],
    ['no-index is refused', { 'global.no-index': 'yes' }, /uses no index/],
  ] as const) {
    test(description, () => {
      assert.throws(() => refuseReleaseAgeConflicts(week, settings(config)), message);
      refuseReleaseAgeConflicts(undefined, settings(config));
      refuseReleaseAgeConflicts(week, settings({ ':env:.no-index': '0' }));
    });
  }
});
