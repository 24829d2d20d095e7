/** The published closure as files: for pip, and for pip-audit. */
import type { SourceFile } from '../../collect/logic/model.ts';

/** The lock for pip. It can be installed if all targets have the same versions. */
export function publishLock(files: readonly SourceFile[]): string {
  const runtime = files.filter((file) => file.role === 'runtime');
  const lines = versionsByName(runtime).flatMap((versions) => versions.map(lockLine));
  return `${lines.join('\n')}\n`;
}

/**
 * Requirement files for pip-audit, with a hash for every file. It accepts each project once per
 * requirement file, so a second version of a project goes into a second one.
 */
export function auditLists(files: readonly SourceFile[]): string[] {
  const lists: SourceFile[][][] = [];
  for (const versions of versionsByName(files)) {
    versions.forEach((version, index) => {
      lists[index] ??= [];
      lists[index]?.push(version);
    });
  }
  return lists.map((list) => `${list.map(lockLine).join('\n')}\n`);
}

/** Files by project, then by version; both sorted. */
function versionsByName(files: readonly SourceFile[]): SourceFile[][][] {
  const projects = new Map<string, Map<string, SourceFile[]>>();
  for (const file of [...files].sort(
    (a, b) => compare(a.name, b.name) || compare(a.file, b.file),
  )) {
    const versions = projects.get(file.name) ?? new Map<string, SourceFile[]>();
    versions.set(file.version, [...(versions.get(file.version) ?? []), file]);
    projects.set(file.name, versions);
  }
  return [...projects.values()].map((versions) => [...versions.values()]);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function lockLine(files: readonly SourceFile[]): string {
  const [first] = files;
  const hashes = [...new Set(files.map((file) => file.sha256))].sort();
  return [
    `${first?.name}==${first?.version}`,
    ...hashes.map((hash) => `--hash=sha256:${hash}`),
  ].join(' ');
}
