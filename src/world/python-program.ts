/** The Python programs of `src/python`, as text for `python -c`. */
import { readFileSync } from 'node:fs';

/**
 * Modules in the working directory must not take the place of the standard library's or pip's;
 * `-c` puts it first on the path. (`-P` does the same, from Python 3.11 on.)
 */
const preamble = 'import sys\nsys.path[:] = [p for p in sys.path if p]\n';

/** Names of the files, without `.py`. */
export type PythonProgram =
  | 'file_metadata'
  | 'index_pages'
  | 'make_venv'
  | 'markers'
  | 'pip_elsewhere'
  | 'probe'
  | 'run_pip'
  | 'surroundings'
  | 'unpack_uv'
  | 'write_stubs';

export function pythonProgram(name: PythonProgram): string {
  return preamble + source(name);
}

/** The build puts a function in its place that knows all of them: see scripts/build.mjs. */
function source(name: string): string {
  return readFileSync(new URL(`../python/${name}.py`, import.meta.url), 'utf8');
}
