/** Words, digests and files as the tests of publishing write them. */
import type { SourceFile } from '../../src/collect/logic/model.ts';

export const words = (text: string): string[] => text.split(' ');
export const digit = (character: string): string => character.repeat(64);

export const file = (
  name: string,
  version: string,
  hash: string,
  more: Partial<SourceFile> = {},
): SourceFile => ({
  file: `${name}-${version}-py3-none-any.whl`,
  name,
  version,
  sha256: digit(hash),
  size: 1500,
  role: 'runtime',
  ...more,
});
