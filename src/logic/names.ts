/** Names of projects and of their files, and versions: when two spellings are equal. */

/** @returns a project's name in the normal form of PEP 503 */
export function normalizeName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

const part = '[A-Za-z0-9._+!]';
const wheelFileName = new RegExp(
  [
    `^[A-Za-z0-9]${part}*-${part}+`,
    `(?:-[0-9]${part}*)?`, // build tag
    `-[A-Za-z]${part}*-${part}+-${part}+`, // Python, ABI, platform
    `(?:-${part}+)?[.]whl$`, // variant label
  ].join(''),
);

/**
 * Whether a file name is a valid wheel name: name, version, an optional build tag, three
 * compatibility tags and an optional variant label (PEP 427, PEP 825). Such a name has no path
 * separator and no leading dot, and never needs escaping.
 */
export function isWheelFileName(file: string): boolean {
  return wheelFileName.test(file);
}

/** @returns the normalised name and the version of a wheel (PEP 427: neither contains a dash) */
export function wheelNameParts(file: string): { name: string; version: string } {
  const [name = '', version = ''] = file.split('-');
  return { name: normalizeName(name), version };
}

/** Returns the wheel of a project's version, if it is among these file names. */
export function wheelOf(
  { name, version }: { readonly name: string; readonly version: string },
  files: readonly string[],
): string | undefined {
  return files.find((file) => {
    const parts = wheelNameParts(file);
    return parts.name === name && sameVersion(parts.version, version);
  });
}

/** Whether a text is a project's name in the normal form of PEP 503. */
export function isNormalizedName(text: string): boolean {
  return /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}

/** Whether a text is a valid name of a project, of an extra or of a dependency group (PEP 508, PEP 735). */
export function isValidName(text: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text);
}

/** Whether a file name is a valid sdist name, which never needs escaping. */
export function isSdistName(file: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._+!-]*\.(?:tar\.gz|zip|tar\.bz2|tgz)$/.test(file);
}

/** Whether a file name is a valid wheel or sdist name. */
export function isDistributionName(file: string): boolean {
  return isWheelFileName(file) || isSdistName(file);
}

/**
 * The version in the name of a project's wheel or sdist. In the names of old sdists the project may
 * contain dashes, so the version can only be found with the project's name.
 * @param project normalised name
 * @returns undefined for a file of another project, or of another kind
 */
export function versionInFileName(file: string, project: string): string | undefined {
  if (isWheelFileName(file)) {
    const { name, version } = wheelNameParts(file);
    return name === project ? version : undefined;
  }
  if (!isSdistName(file)) return undefined;
  const stem = file.replace(/\.(?:tar\.\w+|\w+)$/, '');
  for (let dash = stem.indexOf('-'); dash !== -1; dash = stem.indexOf('-', dash + 1)) {
    if (normalizeName(stem.slice(0, dash)) === project) return stem.slice(dash + 1);
  }
  return undefined;
}

/** Whether two spellings are the same version by PEP 440: `1.0` is `1.0.0`. */
export function sameVersion(one: string, other: string): boolean {
  return canonicalVersion(one) === canonicalVersion(other);
}

/** Whether a pip is older than a version. An invalid version counts as the oldest. */
export function isOlderPip(version: string, [major, minor]: readonly [number, number]): boolean {
  const [own = 0, ownMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return own < major || (own === major && ownMinor < minor);
}

/** All spellings that PEP 440 allows; file names have `_` instead of `-`. */
const versionForm =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|rc|c)[-_.]?(\d*))?(?:[-_](\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?dev[-_.]?(\d*))?(?:\+(.+))?$/;

function canonicalVersion(version: string): string {
  const text = version.toLowerCase();
  const parts = versionForm.exec(text);
  if (parts === null) return text;
  const [, epoch, release = '', stage, pre, implied, post = implied, dev, local = ''] = parts;
  const number = (digits: string): string => digits.replace(/^0+(?=\d)/, '') || '0';
  const numbers = release.split('.').map(number);
  while (numbers.at(-1) === '0') numbers.pop();
  return [
    number(epoch ?? ''),
    numbers.join('.'),
    stage && `${stage.replace(/^(?:c|pre|preview)$/, 'rc').slice(0, 1)}${number(pre ?? '')}`,
    post !== undefined && number(post),
    dev !== undefined && number(dev),
    local.split(/[-_.]/).map(number).join('.'),
  ].join(' ');
}
