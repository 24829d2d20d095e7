/** pip as it would choose files on another machine, and what is known of the files that it brought. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

import { type Interpreter, UserError } from '../../plan/model.ts';
import { lastWords } from '../../plan/pip-output.ts';
import type { PipResult, Python, Reporter } from '../../ports.ts';
import { accept, maxPage } from '../../world/pages.ts';
import { run } from '../../world/process.ts';
import type { DownloadedFile, FileMetadata, Identity, IndexPage } from '../plan/model.ts';

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

/**
 * Prints, as JSON, the identities and pyproject.toml of files. Nothing of them is run. All metadata
 * that an uploader might read is looked at: twine takes the METADATA nearest to a wheel's top.
 */
const metadataScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import json, tarfile, zipfile
from email.parser import Parser

def members(path):
    if path.endswith(('.zip', '.whl')):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename, lambda: archive.read(member)
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    yield member.name, lambda: archive.extractfile(member).read()

def describe(path):
    identities = []
    pyproject = None
    wheel = path.endswith('.whl')
    for name, read in members(path):
        parts = name.split('/')
        if len(parts) <= 2 and ('METADATA' in name if wheel else parts[-1] == 'PKG-INFO'):
            text = read().decode('utf-8', 'replace')
            if wheel and 'Metadata-Version' not in text:
                continue
            info = Parser().parsestr(text, headersonly=True)
            for one in info.get_all('Name', ['']):
                for version in info.get_all('Version', ['']):
                    identities.append({'name': str(one), 'version': str(version)})
        elif len(parts) == 2 and parts[1] == 'pyproject.toml' and not wheel:
            pyproject = read().decode('utf-8', 'replace')
    return {'identities': identities, 'pyproject': pyproject}

found = []
for path in json.load(sys.stdin):
    try:
        found.append(describe(path))
    except Exception as error:
        found.append({'fault': type(error).__name__})
sys.stdout.write(json.dumps(found))
`;

/**
 * Asks indexes through the HTTP session of pip's own "download": what pip reaches (by keyring,
 * netrc, proxies, certificates of clients) is reached here, and nothing comes from its cache.
 * Errors are named by their class alone, since their texts may hold addresses with credentials.
 */
const sessionScript = `
import sys
sys.path[:] = [p for p in sys.path if p]
import hashlib, json, os
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname
job = json.load(sys.stdin)
from pip._internal.commands.download import DownloadCommand
command = DownloadCommand('download', 'download')
options, _ = command.parse_args(['--no-cache-dir', '--no-input'])
session = command._build_session(options)

def chunks(response):
    raw = response.raw
    if hasattr(raw, 'stream'):
        return raw.stream(65536, decode_content=False)
    return iter(lambda: raw.read(65536), b'')

def page(url, target):
    if url.startswith('file:') and os.path.isdir(url2pathname(urlsplit(url).path)):
        url = urljoin(url, 'index.html')
    headers = {'Accept': job['accept'], 'Cache-Control': 'max-age=0'}
    with session.get(url, headers=headers, stream=True) as response:
        size = 0
        with open(target, 'wb') as file:
            for chunk in response.iter_content(65536):
                size += len(chunk)
                if size > job['limit']:
                    return {'fault': 'its page is longer than %d MB' % (job['limit'] >> 20)}
                file.write(chunk)
        kind = response.headers.get('Content-Type', '')
        return {'status': response.status_code, 'contentType': kind, 'url': response.url}

def digest(url):
    with session.get(url, headers={'Accept-Encoding': 'identity'}, stream=True) as response:
        if response.status_code != 200:
            return {}
        hash = hashlib.sha256()
        for chunk in chunks(response):
            hash.update(chunk)
        return {'sha256': hash.hexdigest()}

answers = []
for number, url in enumerate(job['urls']):
    try:
        directory = job.get('directory')
        answers.append(page(url, os.path.join(directory, str(number))) if directory else digest(url))
    except Exception as error:
        answers.append({'fault': 'it does not answer (%s)' % type(error).__name__})
sys.stdout.write(json.dumps(answers))
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
    async metadata(
      interpreter: Interpreter,
      directory: string,
      files: readonly string[],
    ): Promise<readonly FileMetadata[]> {
      if (files.length === 0) return [];
      const { exitCode, stdout, output } = await run(
        interpreter.executable,
        ['-c', metadataScript],
        {
          env: environment,
          input: JSON.stringify(files.map((file) => path.join(directory, file))),
        },
      );
      if (exitCode !== 0) throw new Error(`Files could not be read: ${lastWords(output)}`);
      const found = JSON.parse(stdout) as readonly {
        readonly identities?: readonly Identity[];
        readonly pyproject?: string | null;
        readonly fault?: string;
      }[];
      return found.map(({ identities = [], pyproject, fault }, index) => {
        if (fault !== undefined) {
          throw new UserError(
            `${files[index]} of the source index can't be read (${fault}). Leave that version out.`,
          );
        }
        return { identities, pyproject: pyproject ?? undefined };
      });
    },
    async pages(
      interpreter: Interpreter,
      urls: readonly string[],
      { directory, ...options }: PipAccess & { readonly directory: string },
    ): Promise<readonly IndexPage[]> {
      const answers = await throughPip(interpreter, { urls, directory }, options);
      const pages: IndexPage[] = [];
      for (const [index, { status, contentType = '', url = '', fault }] of answers.entries()) {
        const body =
          status === undefined ? '' : await readFile(path.join(directory, String(index)), 'utf8');
        pages.push({ status, contentType, url, body, fault });
      }
      return pages;
    },
    async digests(
      interpreter: Interpreter,
      urls: readonly string[],
      options: PipAccess,
    ): Promise<readonly (string | undefined)[]> {
      const answers = await throughPip(interpreter, { urls }, options);
      return answers.map(({ sha256 }) => sha256);
    },
  };
}

type PipAccess = Pick<Parameters<Python['pip']>[2], 'cwd' | 'env'>;

/** What the script prints for one URL. */
interface SessionAnswer {
  readonly status?: number;
  readonly contentType?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly fault?: string;
}

async function throughPip(
  interpreter: Interpreter,
  job: { readonly urls: readonly string[]; readonly directory?: string },
  { cwd, env }: PipAccess,
): Promise<readonly SessionAnswer[]> {
  if (job.urls.length === 0) return [];
  // URLs may hold credentials, so they are not among the arguments.
  const input = JSON.stringify({ ...job, accept, limit: maxPage });
  const { exitCode, stdout, output } = await run(interpreter.executable, ['-c', sessionScript], {
    cwd,
    env,
    input,
  });
  if (exitCode === 0) return JSON.parse(stdout) as SessionAnswer[];
  throw new UserError(
    `This pip (${interpreter.pip}) can't be used to ask the source index what it lists: ${lastWords(output)}. Use another version of pip.`,
  );
}
