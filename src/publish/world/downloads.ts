/** pip as it would choose files on another machine, and what is known of the files that it brought. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

import type { Interpreter } from '../../plan/model.ts';
import { lastWords } from '../../plan/pip-output.ts';
import type { PipResult, Python, Reporter } from '../../ports.ts';
import { run } from '../../world/process.ts';
import type { DownloadedFile, SdistMetadata } from '../plan/model.ts';

/**
 * pip compares markers with the machine that it runs on, also under --platform (pypa/pip#10050), so
 * `colorama; sys_platform == 'win32'` would be missing for Windows; and it takes no sdist with
 * dependencies there, so that an older version that happens to need none is silently chosen
 * instead. Both are mended within its process. Build backends run in processes of their own, for
 * the machine that they are on. See docs/decisions/0006-publish.md.
 */
const pipElsewhere = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, runpy
variables = json.loads(sys.argv[1])
def unfit(what):
    sys.exit('ERROR: This pip cannot choose for another machine (%s). Use another version of pip, or run this there.' % what)
from pip._vendor.packaging import markers
own = markers.default_environment()
markers.default_environment = lambda: dict(own, **variables)
for name, value in variables.items():
    if not markers.Marker('%s == "%s"' % (name, value)).evaluate():
        unfit(name)
from pip._internal.cli import cmdoptions
if not hasattr(cmdoptions, 'check_dist_restriction'):
    unfit('sdists')
cmdoptions.check_dist_restriction = lambda *args, **kwargs: None
sys.argv[:] = ['pip'] + sys.argv[2:]
runpy.run_module('pip', run_name='__main__', alter_sys=True)
`;

/** Prints name, version and pyproject.toml of sdists, as JSON. Nothing of them is run. */
const sdistScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, tarfile, zipfile
from email.parser import Parser

def text(path, name):
    # The file of that name in the only directory at the top.
    def matches(member):
        return member.count('/') == 1 and member.endswith('/' + name)
    if path.endswith('.zip'):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if matches(member):
                    return archive.read(member).decode('utf-8', 'replace')
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and matches(member.name):
                    return archive.extractfile(member).read().decode('utf-8', 'replace')
    return None

found = []
for path in json.load(sys.stdin):
    info = Parser().parsestr(text(path, 'PKG-INFO') or '', headersonly=True)
    found.append({
        'name': info['Name'] or '',
        'version': info['Version'] or '',
        'pyproject': text(path, 'pyproject.toml'),
    })
sys.stdout.write(json.dumps(found))
`;

/** @param environment for programs that are no pip */
export function downloadsAdapter(
  reporter: Reporter,
  environment: Readonly<Record<string, string>>,
) {
  return {
    async pip(
      interpreter: Interpreter,
      markers: Readonly<Record<string, string>>,
      args: readonly string[],
      { cwd, env, rewrite = (line) => line }: Parameters<Python['pip']>[2],
    ): Promise<PipResult> {
      const lines: string[] = [];
      const { exitCode } = await run(
        interpreter.executable,
        ['-c', pipElsewhere, JSON.stringify(markers), ...args],
        {
          cwd,
          env,
          onLine: (line) => {
            const own = rewrite(line);
            lines.push(own);
            reporter.foreign(own);
          },
        },
      );
      return { exitCode, output: lines.join('\n') };
    },
    async list(directory: string): Promise<readonly DownloadedFile[]> {
      const files: DownloadedFile[] = [];
      for (const file of (await readdir(directory)).sort()) {
        const whole = path.join(directory, file);
        const hash = createHash('sha256');
        await pipeline(createReadStream(whole), hash);
        files.push({ file, sha256: hash.digest('hex'), size: (await stat(whole)).size });
      }
      return files;
    },
    async sdists(
      interpreter: Interpreter,
      directory: string,
      files: readonly string[],
    ): Promise<readonly SdistMetadata[]> {
      if (files.length === 0) return [];
      const { exitCode, stdout, output } = await run(interpreter.executable, ['-c', sdistScript], {
        env: environment,
        input: JSON.stringify(files.map((file) => path.join(directory, file))),
      });
      if (exitCode !== 0) throw new Error(`An sdist could not be read: ${lastWords(output)}`);
      const found = JSON.parse(stdout) as (Omit<SdistMetadata, 'pyproject'> & {
        pyproject: string | null;
      })[];
      return found.map(({ pyproject, ...rest }) => ({
        ...rest,
        pyproject: pyproject ?? undefined,
      }));
    },
  };
}
