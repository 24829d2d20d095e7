/** Reads and checks the inputs of a bundle. */
import { type Host, type InputName, inputDefaults, loadRequest } from '../inputs.ts';
import type { BundleRequest } from './logic/model.ts';
import { outputOf } from './logic/output.ts';

/** Every input with its default. */
export const bundleInputDefaults = inputDefaults;

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
  get: (name: InputName) => string,
  output: string,
  host: Host,
): BundleRequest {
  const { request } = loadRequest(
    (name) => (inputsOfInstallation.includes(name) ? '' : get(name)),
    host,
  );
  return { source: { ...request, install: false }, output: outputOf(output, host.directory) };
}
