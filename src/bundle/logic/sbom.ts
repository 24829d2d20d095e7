/** The software bill of materials of a bundle, in CycloneDX 1.6. */
import {
  ComponentType,
  ExternalReferenceType,
  HashAlgorithm,
  LicenseAcknowledgement,
} from '@cyclonedx/cyclonedx-library/Enums';
import {
  Bom,
  Component,
  ExternalReference,
  type License,
  LicenseExpression,
  NamedLicense,
  SpdxLicense,
} from '@cyclonedx/cyclonedx-library/Models';
import { JSON as Json, JsonSerializer } from '@cyclonedx/cyclonedx-library/Serialize';
import { fixupSpdxId } from '@cyclonedx/cyclonedx-library/SPDX';
import { Spec1dot6 } from '@cyclonedx/cyclonedx-library/Spec';

import { sha256 } from '../../logic/digest.ts';
import type { IndexRequirement } from '../../logic/requirement-line.ts';
import { indexRequirementsIn } from '../../logic/requirements.ts';
import { type DescribedWheel, licenceOf } from './licences.ts';

/**
 * @param requested the requirements of the request, whose extras count
 * @param version of this program
 * @returns the same text for the same wheels: its serial number is made from its content, and it has
 *   no time
 */
export function formatSbom(
  unsorted: readonly DescribedWheel[],
  requested: readonly IndexRequirement[],
  version: string,
): string {
  const wheels = unsorted.toSorted((one, other) => (one.file < other.file ? -1 : 1));
  const bom = new Bom();
  bom.metadata.tools.components.add(
    new Component(ComponentType.Application, 'wheelhouse', { version }),
  );
  const components = componentsOf(wheels);
  for (const component of components.values()) bom.components.add(component);
  connect(components, wheels, requested);
  bom.serialNumber = serialNumber(serialized(bom));
  return `${serialized(bom)}\n`;
}

const serializer = new JsonSerializer(new Json.Normalize.Factory(Spec1dot6));

function serialized(bom: Bom): string {
  // The library sorts by the locale of the machine, so lists are in order before.
  return serializer.serialize(bom, { sortLists: false, space: 2 });
}

/** A UUID of version 8 (RFC 9562) from a digest, as a URN. */
function serialNumber(content: string): string {
  const hex = sha256(content);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0b11) | 0b1000).toString(16);
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A package URL (purl) of the type pypi. */
function packageUrl(name: string, version: string): string {
  return `pkg:pypi/${name}@${encodeURIComponent(version).replaceAll('!', '%21')}`;
}

/** One component per project and version, by its package URL; its wheels are references. */
function componentsOf(wheels: readonly DescribedWheel[]): Map<string, Component> {
  const components = new Map<string, Component>();
  for (const { name, project, version, file, sha256: digest, metadata } of wheels) {
    const purl = packageUrl(name, version);
    let component = components.get(purl);
    if (component === undefined) {
      component = new Component(ComponentType.Library, project, { version, purl, bomRef: purl });
      for (const licence of licencesOf(metadata)) component.licenses.add(licence);
      components.set(purl, component);
    }
    const reference = new ExternalReference(file, ExternalReferenceType.Distribution);
    reference.hashes.set(HashAlgorithm['SHA-256'], digest);
    component.externalReferences.add(reference);
  }
  return components;
}

function licencesOf(metadata: DescribedWheel['metadata']): License[] {
  const licence = licenceOf(metadata);
  if (licence.kind === 'unstated') return [];
  const names = licence.kind === 'names' ? licence.names : [licence.text];
  const licences = names.map((name) => {
    const id = fixupSpdxId(name);
    if (id !== undefined) return new SpdxLicense(id);
    return licence.kind === 'names' ? new NamedLicense(name) : new LicenseExpression(name);
  });
  for (const each of licences) each.acknowledgement = LicenseAcknowledgement.Declared;
  return licences;
}

/**
 * Adds the dependencies among the components: those of the metadata, with an extra only if the
 * request or a wheel asks for that extra. Other markers are not evaluated, because what they leave
 * out is not in the bundle either.
 */
function connect(
  components: ReadonlyMap<string, Component>,
  wheels: readonly DescribedWheel[],
  requested: readonly IndexRequirement[],
): void {
  const requires = new Map(
    wheels.map((wheel) => [wheel.file, indexRequirementsIn(wheel.metadata.requires)]),
  );
  const extras = new Set(
    [...requested, ...[...requires.values()].flat()].flatMap((line) =>
      line.extras.map((extra) => `${line.name}[${extra.toLowerCase()}]`),
    ),
  );
  for (const { name, version, file } of wheels) {
    const component = components.get(packageUrl(name, version));
    const names = (requires.get(file) ?? [])
      .filter(({ marker = '' }) => {
        const wanted = extrasIn(marker);
        return wanted.length === 0 || wanted.some((extra) => extras.has(`${name}[${extra}]`));
      })
      .map((requirement) => requirement.name);
    for (const other of wheels) {
      if (!names.includes(other.name) || other.name === name) continue;
      const dependency = components.get(packageUrl(other.name, other.version));
      if (dependency) component?.dependencies.add(dependency.bomRef);
    }
  }
}

function extrasIn(marker: string): string[] {
  return [...marker.matchAll(/\bextra\s*==\s*["']([^"']+)["']/g)].map(([, extra = '']) =>
    extra.toLowerCase(),
  );
}
