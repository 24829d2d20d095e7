/** Reads and checks the inputs of a bundle. */
import { type Host, type InputName, inputDefaults, inputReader, loadRequest } from '../inputs.ts';
import type { BundleRequest } from './logic/model.ts';
import { outputOf } from './logic/output.ts';

/** Every input with its default. */
export const bundleInputDefaults = {
  ...inputDefaults,
  platforms: '',
  'python-versions': '',
} as const;

export type BundleInputName = keyof typeof bundleInputDefaults;

/** Inputs that say how packages are installed, which has no effect on a bundle. */
export const inputsOfInstallation: readonly InputName[] = [
  ...(['editable', 'venv', 'installer', 'compile-bytecode', 'install', 'export'] as const),
  'wheelhouse',
];

/**
 * @param get gives the text of an input, empty when it is not set
 * @param output the path of the bundle, as the user wrote it
 * @throws UserError that names the input and what it accepts
 */
export function loadBundleRequest(
  get: (name: BundleInputName) => string,
  output: string,
  host: Host,
): BundleRequest {
  const { request } = loadRequest(
    (name) => (inputsOfInstallation.includes(name) ? '' : get(name)),
    host,
  );
  const { lines } = inputReader(get, bundleInputDefaults, /[\r\n,]+/);
  return {
    source: { ...request, install: false },
    platforms: inOrder(lines('platforms')),
    pythonVersions: inOrder(lines('python-versions')),
    output: outputOf(output, host.directory),
  };
}

/** Each value once, sorted with numbers by their size: the order of flags changes nothing. */
function inOrder(values: readonly string[]): string[] {
  const sortable = (text: string): string =>
    text.replace(/\d+/g, (digits) => digits.padStart(4, '0'));
  return [...new Set(values)].sort((one, other) => (sortable(one) < sortable(other) ? -1 : 1));
}
