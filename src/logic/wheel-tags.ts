/** Which wheels are certainly not for a Python, by their names alone. */
import type { Interpreter } from './model.ts';

type Machine = Pick<Interpreter, 'implementation' | 'version' | 'os' | 'arch'>;

/** The platform tags of each system that has a fixed prefix. */
const prefixes: Readonly<Record<string, RegExp>> = {
  linux: /^(?:many|musl)?linux/,
  macos: /^macosx/,
  windows: /^win/,
};

const linuxMachine = /_(x86_64|aarch64|i686|armv7l|ppc64le|s390x|riscv64)$/;
const knownMachines = new Set(['x86_64', 'aarch64', 'ppc64le', 's390x', 'riscv64']);

/**
 * Whether a wheel may be for a Python. Most pages list more files for other systems and Pythons than
 * for this one, and pip reads the name of each. What is not known is left to pip: it alone decides.
 * @param file a valid wheel name
 */
export function mayFit(file: string, { implementation, version, os, arch }: Machine): boolean {
  const parts = file.slice(0, -'.whl'.length).split('-');
  const first = /^\d/.test(parts[2] ?? '') ? 3 : 2;
  const [pythons, abis, platforms] = parts.slice(first, first + 3).map((part) => part.split('.'));
  const prefix = prefixes[os];
  const isPlatform = (tag: string): boolean => {
    if (tag === 'any' || prefix === undefined) return true;
    if (!prefix.test(tag)) return false;
    const [, machine] = os === 'linux' ? (linuxMachine.exec(tag) ?? []) : [];
    return machine === undefined || machine === arch || !knownMachines.has(arch);
  };
  if (platforms !== undefined && !platforms.some(isPlatform)) return false;
  if (implementation !== 'cpython') return true;
  const [, minor] = version.split('.').map(Number);
  const isStable = abis?.some((abi) => !/^cp3\d+\w?$/.test(abi)) ?? true;
  return (
    pythons?.some((tag) => {
      const [, digits] = /^cp3(\d+)$/.exec(tag) ?? [];
      if (digits === undefined) return !/^(?:cp2\d*|pp\d+)$/.test(tag);
      return Number(digits) === minor || (isStable && Number(digits) < Number(minor));
    }) ?? true
  );
}
