/** Wheels with metadata, as logic gets them. */
import type { DescribedWheel } from '../../src/bundle/logic/licences.ts';
import type { WheelMetadata } from '../../src/bundle/logic/model.ts';
import { sha256 } from '../../src/logic/digest.ts';

export function metadataOf(stated: Partial<WheelMetadata> = {}): WheelMetadata {
  return { expression: '', license: '', classifiers: [], requires: [], texts: [], ...stated };
}

export function described(
  name: string,
  version = '1.0',
  stated: Partial<WheelMetadata> = {},
  tag = 'py3-none-any',
): DescribedWheel {
  const file = `${name.replaceAll('-', '_')}-${version}-${tag}.whl`;
  const metadata = metadataOf(stated);
  return {
    name,
    project: name,
    version,
    file,
    sha256: sha256(file),
    size: 1,
    targets: [],
    metadata,
  };
}
