/**
 * Real packages with hashes, from the index that pip is configured with. One of them (docopt) has only
 * an sdist. Needs a network: `npm run test:live`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { freshPython } from '../support/python.ts';
import { type RunOptions, startScenario } from '../support/scenario.ts';

const wanted = [
  'attrs==24.3.0',
  'click==8.1.8',
  'docopt==0.6.2',
  'jinja2==3.1.6',
  'pytest==8.4.2',
  'python-dateutil==2.9.0.post0',
  'pyyaml==6.0.3',
  'requests==2.32.5',
  'rich==14.1.0',
  'sqlalchemy==2.0.44',
];

/** Starts a proxy that counts the connections through it; every request to an index needs one. */
async function startProxy(): Promise<{ server: Server; url: string; count(): number }> {
  let connections = 0;
  const server = createServer((_request, response) => response.writeHead(501).end());
  server.on('connect', (request, client, head) => {
    connections += 1;
    const [host, port] = String(request.url).split(':');
    const upstream = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [upstream, client]) {
      socket.on('error', () => {
        upstream.destroy();
        client.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, url, count: () => connections };
}

/** The pip settings of this machine, without its extra directories of wheels. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'PIP_FIND_LINKS'),
) as Record<string, string>;
const settings = Object.fromEntries(
  Object.entries(environment).filter(([name]) => /^PIP_(?:CERT|INDEX_URL)$/.test(name)),
);

/** Resolves requirements and pins every file with its hash. @returns lines by project */
function compile(requirements: readonly string[]): Map<string, string> {
  const directory = mkdtempSync(join(tmpdir(), 'live-'));
  try {
    const python = freshPython(join(directory, 'environment'));
    const report = join(directory, 'report.json');
    const args = ['-m', 'pip', 'install', '-q', '--dry-run', '--report', report, ...requirements];
    execFileSync(python, args, { env: environment });
    const { install } = JSON.parse(readFileSync(report, 'utf8')) as {
      install: {
        metadata: { name: string; version: string };
        download_info: { archive_info: { hashes: { sha256: string } } };
      }[];
    };
    return new Map(
      install.map(({ metadata: { name, version }, download_info: { archive_info } }) => [
        name.toLowerCase(),
        `${name}==${version} --hash=sha256:${archive_info.hashes.sha256}`,
      ]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const { cache, run } = await startScenario();
const proxy = await startProxy();
after(() => proxy.server.close());

/** Wheels and sdists that pip says it downloads. */
function downloads(log: string): string[] {
  return [...log.matchAll(/Downloading (\S+\.(?:whl|tar\.gz)) /g)].map((match) => String(match[1]));
}

test('real packages: a miss, an exact hit without a connection, and one download after one version bump', async () => {
  const lines = compile(wanted);
  assert.ok(lines.size >= 15, `${lines.size} packages`);
  const options = (content: Map<string, string>): RunOptions => ({
    files: { 'requirements.txt': [...content.values()].join('\n') },
    env: {
      ...settings,
      PIP_INDEX_URL: settings['PIP_INDEX_URL'] ?? '',
      HTTPS_PROXY: proxy.url,
      NO_PROXY: '127.0.0.1',
    },
  });
  const miss = await run(options(lines));
  assert.equal(miss.main.conclusion, 'success', miss.main.log);
  assert.ok(proxy.count() > 0);
  assert.equal(miss.installed.length, lines.size);

  const before = proxy.count();
  const hit = await run(options(lines));
  assert.equal(hit.main.outputs['cache-hit'], 'true', hit.main.log);
  assert.equal(proxy.count(), before, 'an exact hit opens no connection');
  assert.deepEqual(hit.installed, miss.installed);

  const newer = compile(['attrs==25.1.0']).get('attrs') ?? '';
  const bump = await run(options(new Map([...lines, ['attrs', newer]])));
  assert.deepEqual(downloads(bump.main.log), ['attrs-25.1.0-py3-none-any.whl'], bump.main.log);
  assert.ok(bump.installed.includes('attrs==25.1.0'));
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    const key = String(bump.main.outputs['cache-primary-key']);
    writeFileSync(join(directory, 'a.tzst'), await cache.readArchive(key));
    execFileSync('tar', ['-xf', 'a.tzst', '--use-compress-program', 'unzstd'], { cwd: directory });
    const kept = readdirSync(join(directory, 'wheelhouse')).filter((file) =>
      file.startsWith('attrs'),
    );
    assert.deepEqual(kept, ['attrs-25.1.0-py3-none-any.whl']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
