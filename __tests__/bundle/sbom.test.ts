import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Version } from '@cyclonedx/cyclonedx-library/Spec';
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation';
import fc from 'fast-check';

import type { DescribedWheel } from '../../src/bundle/logic/licences.ts';
import { formatSbom } from '../../src/bundle/logic/sbom.ts';
import { indexRequirementsIn } from '../../src/logic/requirements.ts';
import { described } from './described.ts';

interface Sbom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp?: string };
  readonly components: readonly {
    readonly 'bom-ref': string;
    readonly licenses?: readonly object[];
    readonly externalReferences: readonly { readonly url: string }[];
  }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: string[] }[];
}

const validator = new JsonStrictValidator(Version.v1dot6);

function text(wheels: readonly DescribedWheel[], requested: string[] = []): string {
  return formatSbom(wheels, indexRequirementsIn(requested), '1.2.3');
}

async function sbom(wheels: readonly DescribedWheel[], requested: string[] = []): Promise<Sbom> {
  const made = text(wheels, requested);
  assert.equal(await validator.validate(made), null);
  return JSON.parse(made);
}

/** Component → what it depends on; without those that depend on nothing. */
function edges({ dependencies }: Sbom): Record<string, string[]> {
  return Object.fromEntries(
    dependencies.flatMap(({ ref, dependsOn }) => (dependsOn ? [[ref, dependsOn]] : [])),
  );
}

describe('the software bill of materials', () => {
  test('lists a project with several wheels once, with each file and its digest', async () => {
    const { components } = await sbom([
      described('alpha', '1.0+cpu', {}, 'cp311-cp311-win_amd64'),
      described('alpha', '1.0+cpu', {}, 'cp312-cp312-win_amd64'),
      described('alpha', '1!2.0'),
    ]);
    assert.deepEqual(
      components.map((each) => [each['bom-ref'], each.externalReferences.map(({ url }) => url)]),
      [
        ['pkg:pypi/alpha@1%212.0', ['alpha-1!2.0-py3-none-any.whl']],
        [
          'pkg:pypi/alpha@1.0%2Bcpu',
          ['alpha-1.0+cpu-cp311-cp311-win_amd64.whl', 'alpha-1.0+cpu-cp312-cp312-win_amd64.whl'],
        ],
      ],
    );
  });

  test('states licences by SPDX identifier, expression or name', async () => {
    const { components } = await sbom([
      described('a', '1', { license: 'mit' }),
      described('b', '1', { expression: 'MIT AND Zlib' }),
      described('c', '1', { classifiers: ['License :: One', 'License :: Two'] }),
      described('d', '1'),
    ]);
    const acknowledgement = 'declared';
    assert.deepEqual(
      components.map(({ licenses }) => licenses),
      [
        [{ license: { id: 'MIT', acknowledgement } }],
        [{ expression: 'MIT AND Zlib', acknowledgement }],
        [
          { license: { name: 'One', acknowledgement } },
          { license: { name: 'Two', acknowledgement } },
        ],
        undefined,
      ],
    );
  });

  test('has the dependencies of the metadata, and those of extras that are asked for', async () => {
    const wheels = [
      described('alpha', '1', {
        requires: ['Beta>=1', 'gamma; extra == "big"', 'delta; extra == "huge"', 'absent', '@@'],
      }),
      described('beta', '1', { requires: ['gamma[x]; python_version < "4"', 'beta[y]'] }),
      described('gamma', '1', { requires: ['delta; extra == "X" and os_name == "posix"'] }),
      described('delta', '1'),
    ];
    const [alpha, beta, gamma, delta] = ['alpha', 'beta', 'gamma', 'delta'].map(
      (name) => `pkg:pypi/${name}@1`,
    ) as [string, string, string, string];
    const without = { [beta]: [gamma], [gamma]: [delta] };
    assert.deepEqual(edges(await sbom(wheels)), { [alpha]: [beta], ...without });
    assert.deepEqual(edges(await sbom(wheels, ['Alpha[BIG]==1'])), {
      ...{ [alpha]: [beta, gamma] },
      ...without,
    });
  });

  test('is the same text for the same wheels in any order, with a serial number and no time', async () => {
    const wheels = ['a', 'b', 'c'].map((name) => described(name, '1', { requires: ['a', 'b'] }));
    assert.equal(text(wheels.toReversed()), text(wheels));
    const { serialNumber, metadata } = await sbom(wheels);
    assert.match(
      serialNumber,
      /^urn:uuid:[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
    );
    assert.equal(metadata.timestamp, undefined);
    assert.notEqual((await sbom(wheels.slice(1))).serialNumber, serialNumber);
  });

  test('is valid whatever the metadata contain', async () => {
    const any = fc.string({ unit: 'binary', maxLength: 60 });
    const stated = fc.record({
      expression: any,
      license: any,
      classifiers: fc.array(any, { maxLength: 3 }),
      requires: fc.array(any, { maxLength: 3 }),
      texts: fc.constant([]),
    });
    await fc.assert(
      fc.asyncProperty(stated, async (metadata) => {
        const made = text([described('alpha', '1.0', metadata)]);
        assert.equal(await validator.validate(made), null);
        assert.doesNotMatch(made.replaceAll('\n', ''), /\p{Cc}/u);
      }),
      { numRuns: 100 },
    );
  });
});
