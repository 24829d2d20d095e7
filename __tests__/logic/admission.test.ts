import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashRules, isAdmitted } from '../../src/logic/admission.ts';
import type { Wheel } from '../../src/logic/manifest.ts';
import type { RequestLine } from '../../src/logic/requirement-line.ts';
import { gatherLines } from '../../src/logic/requirements.ts';
import { fingerprinted } from '../../src/logic/secrets.ts';
import { manifestWheel } from '../support/fixtures.ts';

const hex = (letter: string): string => letter.repeat(64);
const wheel = manifestWheel('alpha-beta', { project: 'Alpha.Beta' });
const own = `sha256:${hex('a')}`;
const other = `sha256:${hex('b')}`;
const sha512 = `sha512:${'c'.repeat(128)}`;

async function linesOf(text: string): Promise<readonly RequestLine[]> {
  const { lines } = await gatherLines(
    {
      requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
      ...{ constraints: [], packages: [], groups: [] },
    },
    { workingDirectory: '/w', environment: {}, read: async () => text },
  );
  return lines;
}

async function admits(
  change: Partial<Wheel>,
  text: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const rules = hashRules(await linesOf(text), new Map(Object.entries(settings)));
  return isAdmitted({ ...wheel, ...change }, rules);
}

const asking = (...hashes: string[]): string =>
  `Alpha_Beta==1.0 ${hashes.map((each) => `--hash=${each}`).join(' ')}\n`;

describe('whether the hashes of a request allow a wheel', () => {
  const built = { origin: 'built', requestHashes: [other] } as const;
  const table: readonly [string, Partial<Wheel>, string, boolean][] = [
    ['no hash is asked for', {}, 'alpha-beta\n', true],
    ['its own', {}, asking(own), true],
    ['its own among others', {}, asking(other, own), true],
    ['another', {}, asking(other), false],
    ['another, whatever it says that was asked', { requestHashes: [other] }, asking(other), false],
    ['built, for these very hashes', built, asking(other), true],
    [
      'built, for these very hashes, in another order',
      { ...built, requestHashes: [other, own] },
      asking(own, other),
      true,
    ],
    ['built, for other hashes', { origin: 'built', requestHashes: [own] }, asking(other), false],
    ['built, for fewer hashes', built, asking(other, own), false],
    ['built, for no hash', { origin: 'built' }, asking(other), false],
    [
      'downloaded, for the same hashes of another kind',
      { requestHashes: [sha512] },
      asking(sha512),
      true,
    ],
    [
      'downloaded, for other hashes of another kind',
      { requestHashes: [own] },
      asking(sha512),
      false,
    ],
    ['of another kind and its own', {}, asking(sha512, own), true],
    [
      'of another kind and another',
      { requestHashes: [sha512, other] },
      asking(sha512, other),
      false,
    ],
    ['only needed to build', { role: 'build' }, asking(other), true],
    ['nobody asked for it, and all needs a hash', {}, `gamma==1 --hash=${own}`, false],
    ['nobody asked for it, and all needs a hash by option', {}, '--require-hashes', false],
    ['built, where nothing is', built, `--only-binary :all:\n${asking(other)}`, false],
    ['built, where it is not', built, `--only-binary x,alpha_beta\n${asking(other)}`, false],
    ['built, where others are not', built, `--only-binary gamma\n${asking(other)}`, true],
    ['built, where some is', built, `--only-binary :all:\n--no-binary x\n${asking(other)}`, true],
    ['built, where all is again', built, `--only-binary :all:,:none:\n${asking(other)}`, true],
  ];
  for (const [description, change, text, expected] of table) {
    test(`${description}: ${expected}`, async () => {
      assert.equal(await admits(change, text), expected);
    });
  }

  test("only-binary in pip's configuration forbids builds as the option does", async () => {
    assert.equal(await admits(built, asking(other), { 'only-binary': ':all:' }), false);
  });
});

describe('whether the hash of a URL allows a wheel', () => {
  const sdist = `https://index.example/alpha.tar.gz#sha256=${hex('b')}`;
  const file = `https://index.example/files/${wheel.file}`;
  const urlOf = (letter: string): string => fingerprinted(`${file}#sha256=${hex(letter)}`);
  const table: readonly [string, Partial<Wheel>, string, boolean][] = [
    ['its own', { url: urlOf('a'), requestHashes: [own] }, `${file}#sha256=${hex('a')}`, true],
    ['another', { url: urlOf('b'), requestHashes: [other] }, `${file}#sha256=${hex('b')}`, false],
    [
      'another, which is said to be built under these very hashes',
      { origin: 'built', url: urlOf('b'), requestHashes: [other] },
      `${file}#sha256=${hex('b')}`,
      false,
    ],
    [
      'another, which is said to be built under these very hashes, without its URL',
      { origin: 'built', requestHashes: [other] },
      `${file}#sha256=${hex('b')}`,
      false,
    ],
    [
      'another project, with the URL of a wheel',
      { name: 'beta', url: urlOf('b'), requestHashes: [other] },
      `${file}#sha256=${hex('b')}`,
      false,
    ],
    ['a URL that nobody asked for', { url: urlOf('a') }, 'alpha-beta\n', false],
    ['another, without its URL', {}, `${file}#sha256=${hex('b')}`, false],
    [
      'another, which is said to be an sdist',
      { origin: 'built', url: urlOf('b') },
      `${file}#sha256=${hex('b')}`,
      false,
    ],
    [
      'an sdist of these hashes',
      { origin: 'built', url: fingerprinted(sdist), requestHashes: [other] },
      sdist,
      true,
    ],
    [
      'an sdist of other hashes',
      { origin: 'built', url: fingerprinted(sdist), requestHashes: [own] },
      sdist,
      false,
    ],
    [
      'a URL of these hashes, and all needs one',
      { origin: 'built', url: fingerprinted(sdist), requestHashes: [other] },
      `x @ ${sdist}\ny==1 --hash=${other}`,
      true,
    ],
    [
      'no URL that was asked for, and all needs one',
      { url: urlOf('a'), requestHashes: [own] },
      `x @ ${sdist}\ny==1 --hash=${other}`,
      false,
    ],
  ];
  for (const [description, change, text, expected] of table) {
    test(`${description}: ${expected}`, async () => {
      assert.equal(await admits(change, text), expected);
    });
  }
});
