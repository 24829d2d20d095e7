/** A lock with packages from every kind of source installs the same with every pip as with pip itself. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';

import { pipVersions } from '../../scripts/tools.mjs';
import { type Distribution, projectDirectory, sdist, wheel } from '../support/packages.ts';
import { freshPython, installed } from '../support/python.ts';
import type { Job } from '../support/runner.ts';
import { startScenario } from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta'] });
const beta = wheel({ name: 'beta', version: '2.0+cpu' });
const gamma = sdist({ name: 'Gamma.Ray', version: '3.0' });
const archived = sdist({ name: 'archived', version: '1.0' });
const packed = sdist({ name: 'packed', version: '1.0' });
const { index, run } = await startScenario({ distributions: [alpha, beta, gamma, archived] });
const root = mkdtempSync(join(tmpdir(), 'lock-sources-'));
after(() => rmSync(root, { recursive: true }));

/** Serves the repository of a new project as plain files, which is enough for git. */
async function serveRepository(name: string) {
  const directory = projectDirectory(join(root, name), { name, version: '0.5' });
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@index.example', ...args], {
      cwd: directory,
      encoding: 'utf8',
    }).trim();
  git('init', '-q');
  git('add', '-A');
  git('commit', '-qm', 'first');
  git('update-server-info');
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://localhost');
    const file = join(directory, pathname.replace('/repository', '.git'));
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/repository`, commit: git('rev-parse', 'HEAD') };
}

/** A lock with packages from every kind of source. */
async function everySource(): Promise<string> {
  const { url, commit } = await serveRepository('fromgit');
  const at = (file: string): string => new URL(`/files/${file}`, index.url).href;
  const hash = (file: Distribution): string => `hashes = { sha256 = "${file.sha256}" }`;
  return `lock-version = "1.0"
created-by = "a test"
extras = ["cli", "gui"]
dependency-groups = ["docs", "test"]
default-groups = ["test"]

[[packages]]
name = "alpha"
version = "1.0"
wheels = [{ url = "${at(alpha.filename)}", ${hash(alpha)} }]

[[packages]]
name = "beta"
version = "2.0+cpu"
marker = "'cli' in extras and python_version >= '3' or 'gui' in extras"
wheels = [{ url = "${at(beta.filename)}", ${hash(beta)} }]

[[packages]]
name = "delta"
version = "1.0"
marker = "'test' not in dependency_groups"
wheels = [{ url = "https://index.example/delta-1.0-py3-none-any.whl", ${hash(beta)} }]

[[packages]]
name = "gamma-ray"
sdist = { url = "${at(gamma.filename)}", ${hash(gamma)} }

[[packages]]
name = "archived"
archive = { url = "${at(archived.filename)}", ${hash(archived)} }

[[packages]]
name = "packed"
marker = "'docs' in dependency_groups"
archive = { path = "../files/${packed.filename}", ${hash(packed)} }

[[packages]]
name = "fromgit"
vcs = { type = "git", url = "${url}", commit-id = "${commit}" }

[[packages]]
name = "plain"
directory = { path = "../plain" }

[[packages]]
name = "linked"
marker = "'docs' in dependency_groups or os_name == 'nt'"
directory = { path = "../linked", editable = true }
`;
}

function writeProjects(directory: string, lock: string): void {
  for (const name of ['plain', 'linked']) {
    projectDirectory(join(directory, name), { name, version: '0.1' });
  }
  mkdirSync(join(directory, 'files'));
  writeFileSync(join(directory, 'files', packed.filename), packed.content);
  mkdirSync(join(directory, 'locks'));
  writeFileSync(join(directory, 'locks', 'pylock.toml'), lock);
}

test('every pip installs what the newest one installs from a lock with every kind of source', async () => {
  const lock = await everySource();
  const plain = join(root, 'plain');
  mkdirSync(plain);
  writeProjects(plain, lock);
  const python = freshPython(join(plain, 'environment'));
  const selected = ['-r', 'locks/pylock.toml[cli]', '--group', 'locks/pylock.toml:docs'];
  await promisify(execFile)(
    python,
    [
      ...['-m', 'pip', '--isolated', '--disable-pip-version-check', 'install'],
      ...['--no-deps', '--no-index', '--no-require-hashes', ...selected],
    ],
    { cwd: plain, env: { PATH: process.env['PATH'] ?? '', HOME: root } },
  );
  const expected = installed(python).sort();
  assert.equal(expected.length, 8, expected.join());
  for (const pip of [String(pipVersions[0]), String(pipVersions.at(-1))]) {
    const options = {
      pip,
      before: (job: Job) => writeProjects(job.workspace, lock),
      with: { requirements: 'locks/pylock.toml', extras: 'cli', groups: 'docs' },
    };
    const first = await run(options);
    assert.equal(first.main.conclusion, 'success', first.main.log);
    assert.deepEqual(first.installed.sort(), expected, first.main.log);
    const second = await run(options);
    assert.equal(second.main.outputs['cache-hit'], 'true', second.main.log);
    assert.deepEqual(second.installed.sort(), expected);
    assert.equal(second.requests, 0);
  }
});
