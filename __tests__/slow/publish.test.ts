/** Publishing from the tests' index into real feeds that want credentials, with real uploaders. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { pipVersions } from '../../scripts/tools.mjs';
import { derivedUploadUrl } from '../../src/publish/logic/feed.ts';
import { createMachine } from '../support/command-line.ts';
import { type IndexServer, startIndex } from '../support/index-server.ts';
import { distributionsIn, linkedPython } from '../support/jobs.ts';
import { type Distribution, sdist, tinybuildWheel, wheel } from '../support/packages.ts';
import {
  credentials,
  finished,
  type PrivateFeed,
  publisherPath,
  startDevpi,
  startProxy,
  startPypiserver,
  uploadByHand,
} from '../support/publish-feeds.ts';
import {
  counts,
  error,
  names,
  type PublishRun,
  planned,
  publishFrom,
} from '../support/publish-job.ts';
import { sitePackages } from '../support/python.ts';
import { createJob, type Job, type StepResult } from '../support/runner.ts';
import { annotations } from '../support/scenario.ts';

const alpha = wheel({ name: 'alpha', version: '1.0', requires: ['beta>=1', 'source.only'] });
const beta = wheel({
  name: 'beta',
  version: '1.0',
  requires: ['gamma ; sys_platform == "win32"', 'delta ; sys_platform != "win32"'],
});
const gamma = wheel({ name: 'gamma', version: '1.0' });
const delta = wheel({ name: 'delta', version: '1.0' });
const sourceOnly = sdist({
  name: 'source.only',
  version: '2.0',
  backend: 'tinybuild',
  requires: ['epsilon ; sys_platform == "win32"'],
});
const epsilon = wheel({ name: 'epsilon', version: '1.0' });
const tinybuild = tinybuildWheel();
const fast = (tag: string): Distribution => wheel({ name: 'fast', version: '1.0', tag });
const fastOldLinux = fast('cp312-cp312-manylinux2014_x86_64');
const fastNewLinux = fast('cp311-cp311-manylinux_2_24_x86_64');
const fastWindows = fast('cp312-cp312-win_amd64');
const everything = [alpha, beta, gamma, delta, sourceOnly, epsilon, tinybuild]
  .concat([fastOldLinux, fastNewLinux, fastWindows])
  .concat(wheel({ name: 'alpha', version: '0.9' }));

/** What alpha is made of here, on Linux and macOS. */
const closure = [alpha, beta, delta, sourceOnly, tinybuild];

let index: IndexServer;
let pypi: PrivateFeed;
let tools: string;
let place: Job;

before(async () => {
  index = await startIndex({ distributions: everything });
  place = createJob();
  tools = publisherPath(join(place.root, 'tools'));
  pypi = await startPypiserver(['--disable-fallback']);
});
after(async () => {
  await pypi?.close();
  await index?.close();
  place?.cleanup();
});

/** Runs publish/action.yml in a job of its own. */
function publish(options: PublishRun): Promise<StepResult> {
  return publishFrom({ index, feed: pypi, tools }, options);
}

function empty(feed: PrivateFeed): void {
  for (const file of readdirSync(feed.packages)) rmSync(join(feed.packages, file));
}

/** A machine that knows the feed alone: pip.conf as printed, credentials in netrc. */
async function installFromFeed(pipConf: string, wanted: string): Promise<string[]> {
  const machine = createJob();
  try {
    const environment = join(machine.root, 'environment');
    const python = await linkedPython(environment);
    const config = join(machine.home, 'pip.conf');
    writeFileSync(config, pipConf);
    const { username, password } = credentials;
    const quoted = password.replace(/[\\"]/g, '\\$&');
    writeFileSync(
      join(machine.home, '.netrc'),
      `machine 127.0.0.1 login ${username} password "${quoted}"\n`,
      { mode: 0o600 },
    );
    const { exitCode, output } = await finished(
      python,
      ['-m', 'pip', 'install', '--no-cache-dir', '--no-input', wanted],
      { HOME: machine.home, PIP_CONFIG_FILE: config },
    );
    assert.equal(exitCode, 0, output);
    return distributionsIn(sitePackages(environment));
  } finally {
    machine.cleanup();
  }
}

describe('pypiserver, twine', () => {
  test('wrong feed credentials are an error, never "absent"', async () => {
    const step = await publish({ with: { packages: 'alpha', 'feed-password': 'wrong-secret' } });
    assert.match(error(step), /answers 40[13] for .*feed-username and feed-password/);
    assert.doesNotMatch(step.log, /Uploading|absent/);
    assert.deepEqual(readdirSync(pypi.packages), []);
    const none = await publish({
      with: { packages: 'alpha', 'feed-username': '', 'feed-password': '' },
    });
    assert.match(
      error(none),
      /requires credentials\. Set the inputs feed-username and feed-password/,
    );
  });

  test('a dry run lists the files to upload, and uploads nothing', async () => {
    const step = await publish({ with: { packages: 'alpha', 'dry-run': 'true' } });
    assert.equal(step.conclusion, 'success', step.log);
    assert.deepEqual(planned(step), names(closure));
    assert.deepEqual(counts(step), ['0', '0', '0']);
    assert.deepEqual(readdirSync(pypi.packages), []);
  });

  test('a first run uploads the original files, a second run nothing, and pip installs from the feed alone', async () => {
    const first = await publish({
      with: { packages: 'alpha' },
      meanwhile: async (_job, step) => {
        assert.equal(step.conclusion, 'success', step.log);
        assert.deepEqual(counts(step), ['5', '0', '0']);
        const pipConf = readFileSync(String(step.outputs['pip-conf']), 'utf8');
        assert.ok(!pipConf.includes(credentials.password));
        const lock = readFileSync(String(step.outputs['lock-file']), 'utf8');
        assert.match(lock, new RegExp(`^alpha==1\\.0 --hash=sha256:${alpha.sha256}$`, 'm'));
        assert.match(
          lock,
          new RegExp(`^source-only==2\\.0 --hash=sha256:${sourceOnly.sha256}$`, 'm'),
        );
        assert.doesNotMatch(lock, /tinybuild/);
        await index.fail('refuse');
        try {
          const installed = await installFromFeed(pipConf, 'alpha');
          assert.deepEqual(installed, [
            'alpha==1.0',
            'beta==1.0',
            'delta==1.0',
            'source_only==2.0',
          ]);
        } finally {
          await index.fail(undefined);
        }
      },
    });
    for (const { filename, content } of closure) {
      assert.deepEqual(readFileSync(join(pypi.packages, filename)), content, filename);
    }
    assert.match(first.summary, /\| alpha-1\.0-py3-none-any\.whl \| 1\.0 \| .* \| uploaded \|/);
    assert.match(first.summary, /tinybuild-1\.0-py3-none-any\.whl \(to build\)/);

    const second = await publish({ with: { packages: 'alpha' } });
    assert.equal(second.conclusion, 'success', second.log);
    assert.deepEqual(counts(second), ['0', '5', '0']);
    assert.doesNotMatch(second.log, /Uploading/);
  });

  test('different content under the same name is a conflict, and nothing is uploaded', async () => {
    const tampered = wheel({ name: 'beta', version: '1.0', requires: ['evil'] });
    writeFileSync(join(pypi.packages, beta.filename), tampered.content);
    rmSync(join(pypi.packages, alpha.filename));
    const step = await publish({ with: { packages: 'alpha' } });
    const message = error(step);
    assert.match(
      message,
      /^1 file has different content on the feed and on the source index\. Nothing was uploaded\./,
    );
    assert.ok(
      message.includes(`${beta.filename}: SHA-256 ${beta.sha256} on the source index`),
      message,
    );
    assert.ok(message.includes(`${tampered.sha256} on the feed`), message);
    assert.deepEqual(counts(step), ['0', '3', '1']);
    assert.ok(!existsSync(join(pypi.packages, alpha.filename)));
    assert.match(step.summary, /beta-1\.0-py3-none-any\.whl .* conflict \|/);
    empty(pypi);
  });

  test('the feed password is in the environment of the uploader and nowhere else', async () => {
    const watched = join(place.root, 'watched');
    const seen = join(place.root, 'seen');
    mkdirSync(watched);
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" >> "${seen}.args"\nenv >> "${seen}.env"\nexec "${join(tools, 'twine')}" "$@"\n`;
    writeFileSync(join(watched, 'twine'), script);
    chmodSync(join(watched, 'twine'), 0o755);
    const step = await publish({
      path: watched,
      with: { packages: 'gamma' },
      env: { TWINE_REPOSITORY_URL: 'http://127.0.0.1:9/', TWINE_USERNAME: 'other' },
    });
    assert.equal(step.conclusion, 'success', step.log);
    const args = readFileSync(`${seen}.args`, 'utf8');
    const env = readFileSync(`${seen}.env`, 'utf8');
    assert.ok(args.includes(gamma.filename));
    assert.ok(!args.includes(credentials.password));
    assert.ok(env.includes(`TWINE_PASSWORD=${credentials.password}`));
    assert.ok(env.includes(`TWINE_USERNAME=${credentials.username}`));
    assert.doesNotMatch(env, /^INPUT_/m);
    const shown = step.stdout.replace(/^::add-mask::.*$/gm, '');
    assert.ok(!shown.includes(credentials.password));
    assert.ok(step.masks.includes(credentials.password));
    empty(pypi);
  });

  test('after an upload whose answer is lost, the feed is asked again and the rest is uploaded', async () => {
    const proxy = await startProxy(pypi.url, (upload) => upload === 2);
    try {
      const step = await publish({ feed: proxy.url, with: { packages: 'alpha' } });
      assert.equal(step.conclusion, 'success', step.log);
      assert.deepEqual(counts(step), ['5', '0', '0']);
      assert.match(step.log, /asking the feed which files arrived/);
      assert.ok(proxy.uploads.includes(502));
      for (const { filename, content } of closure) {
        assert.deepEqual(readFileSync(join(pypi.packages, filename)), content, filename);
      }
    } finally {
      await proxy.close();
      empty(pypi);
    }
  });

  test('an upload-url of a different feed is an error', async () => {
    const other = await startPypiserver(['--disable-fallback']);
    try {
      const step = await publish({
        with: { packages: 'gamma', 'upload-url': new URL('/', other.url).href },
      });
      assert.match(error(step), /does not list gamma-1\.0.*upload-url and feed-url/);
      assert.deepEqual(readdirSync(other.packages), [gamma.filename]);
    } finally {
      await other.close();
    }
  });

  test('files of a feed without hashes are compared by content', async () => {
    const feed = await startPypiserver(['--disable-fallback', '--hash-algo', 'off']);
    try {
      writeFileSync(join(feed.packages, gamma.filename), gamma.content);
      const same = await publish({ feed: feed.url, with: { packages: 'gamma' } });
      assert.deepEqual(counts(same), ['0', '1', '0'], same.log);
      const other = wheel({ name: 'gamma', version: '1.0', requires: ['evil'] });
      writeFileSync(join(feed.packages, gamma.filename), other.content);
      const step = await publish({ feed: feed.url, with: { packages: 'gamma' } });
      assert.match(error(step), new RegExp(`${other.sha256} on the feed`));
    } finally {
      await feed.close();
    }
  });

  test('a feed that redirects to another index causes a warning, one that redirects to a login page an error', async () => {
    const elsewhere = `http://localhost:${new URL(index.url).port}`;
    const forwarding = await startPypiserver(['--fallback-url', `${elsewhere}/simple`]);
    const login = await startPypiserver(['--fallback-url', `${elsewhere}/login?next=`]);
    try {
      const step = await publish({ feed: forwarding.url, with: { packages: 'gamma' } });
      assert.deepEqual(counts(step), ['1', '0', '0'], step.log);
      assert.match(
        annotations(step, 'warning').join('\n'),
        /redirects requests for packages .*localhost.*gamma/,
      );
      const refused = await publish({ feed: login.url, with: { packages: 'gamma' } });
      assert.match(error(refused), /redirects to localhost.*may be a login page/);
      assert.deepEqual(readdirSync(login.packages), []);
    } finally {
      await forwarding.close();
      await login.close();
    }
  });

  test('a feed that answers nonsense or not at all is an error with the input feed-url', async () => {
    const other = await startIndex({ distributions: [] });
    try {
      for (const failure of ['garbage', 'captive', 'refuse'] as const) {
        await other.fail(failure);
        const step = await publish({ feed: other.url, with: { packages: 'gamma' } });
        assert.match(error(step), /can't be asked for gamma: .*feed-url/, failure);
      }
    } finally {
      await other.close();
    }
  });
});

describe('devpi, uv', () => {
  let devpi: PrivateFeed;
  before(async () => {
    devpi = await startDevpi();
  });
  after(() => devpi?.close());

  test('devpi and uv: upload, upload again, install from the feed, conflict, wrong credentials', async () => {
    const uv = { packages: 'alpha', uploader: 'uv' };
    // devpi lets everybody read, so wrong credentials show when a file is uploaded.
    const wrong = await publish({
      feed: devpi.url,
      with: { ...uv, 'feed-password': 'wrong-secret' },
    });
    assert.match(error(wrong), /upload .*failed.*feed-username and feed-password/);

    let pipConf = '';
    const first = await publish({
      feed: devpi.url,
      with: uv,
      // With a user name uv refuses a token.
      env: { UV_PUBLISH_TOKEN: 'of another feed' },
      meanwhile: async (_job, step) => {
        pipConf = readFileSync(String(step.outputs['pip-conf']), 'utf8');
      },
    });
    assert.deepEqual(counts(first), ['5', '0', '0'], first.log);
    const second = await publish({ feed: devpi.url, with: uv });
    assert.deepEqual(counts(second), ['0', '5', '0'], second.log);
    assert.doesNotMatch(second.log, /Uploading/);

    await index.fail('refuse');
    try {
      assert.ok((await installFromFeed(pipConf, 'alpha')).includes('source_only==2.0'));
    } finally {
      await index.fail(undefined);
    }

    const other = wheel({ name: 'gamma', version: '1.0', requires: ['evil'] });
    const file = join(place.temp, other.filename);
    writeFileSync(file, other.content);
    uploadByHand(tools, devpi.url.replace('+simple/', ''), [file]);
    const conflict = await publish({ feed: devpi.url, with: { ...uv, packages: 'gamma\nfast' } });
    assert.match(error(conflict), /gamma-1\.0.*on the feed/);
  });
});

describe('the command line', () => {
  const requests = wheel({ name: 'requests', version: '2.0', requires: ['idna>=1'] });
  const idna = wheel({ name: 'idna', version: '1.0' });
  const certifi = wheel({ name: 'certifi', version: '1.0' });
  const tampered = wheel({ name: 'certifi', version: '1.0', requires: ['evil'] });

  for (const { name, uploader, open, refusal } of [
    {
      name: 'pypiserver',
      uploader: 'twine',
      open: () => startPypiserver(['--disable-fallback']),
      refusal: /^error: The feed \S+ answers 40[13] for \w+: it does not accept the credentials/m,
    },
    {
      name: 'devpi',
      uploader: 'uv',
      open: startDevpi,
      // It lets everybody read, so that the upload is what it refuses.
      refusal: /^error: The upload to \S+ failed\. .*feed-username and feed-password/m,
    },
  ]) {
    test(`the command wheelhouse publish uploads to ${name} with ${uploader}`, async (t) => {
      const source = await startIndex({ distributions: [requests, idna, certifi, epsilon] });
      t.after(() => source.close());
      const feed = await open();
      t.after(() => feed.close());
      const machine = createMachine({}, source.url);
      t.after(machine.remove);
      const python = await machine.python();
      const run = (packages: string[], more: string[] = [], password = credentials.password) =>
        machine.run(
          [
            ...['publish', ...packages, '--python', python, '--feed-url', feed.url],
            ...['--feed-username', credentials.username, '--uploader', uploader, ...more],
          ],
          {
            env: {
              PATH: [tools, process.env['PATH']].join(delimiter),
              WHEELHOUSE_FEED_PASSWORD: password,
            },
          },
        );

      const wrong = await run(['requests'], [], 'wrong-secret');
      assert.equal(wrong.exitCode, 1, wrong.stderr);
      assert.match(wrong.stderr, refusal);
      assert.equal(wrong.stdout, '', 'nothing is known of the feed');

      const planned = await run(['requests'], ['--dry-run', '--json']);
      assert.equal(planned.exitCode, 0, planned.stderr);
      const nothing = { uploaded: 0, present: 0, conflict: 0, absent: 0 };
      assert.deepEqual(planned.json()['counts'], { ...nothing, absent: 2 });

      const first = await run(['requests']);
      assert.equal(first.exitCode, 0, first.stderr);
      assert.match(first.stdout, /^2 files: 2 uploaded, 0 already present, 0 in conflict$/m);
      assert.match(first.stdout, /^ {2}requests-2\.0-py3-none-any\.whl: uploaded$/m);
      assert.ok(!`${first.stdout}${first.stderr}`.includes(credentials.password));

      const second = await run([], ['--packages', 'requests', '--json']);
      assert.equal(second.exitCode, 0, second.stderr);
      const result = second.json();
      assert.deepEqual(Object.keys(result), [
        ...['counts', 'rows', 'targets', 'feed', 'audit', 'dryRun', 'pipConf', 'lock'],
      ]);
      assert.deepEqual(result['counts'], { ...nothing, present: 2 });
      assert.doesNotMatch(second.stderr, /Uploading/);

      const [, printed = ''] = first.stdout.split('use this pip.conf:\n');
      const pipConf = printed.replace(/^ {2}/gm, '');
      assert.equal(pipConf, result['pipConf']);
      await source.fail('refuse');
      assert.deepEqual(await installFromFeed(pipConf, 'requests'), ['idna==1.0', 'requests==2.0']);
      await source.fail(undefined);

      const file = join(machine.root, tampered.filename);
      writeFileSync(file, tampered.content);
      uploadByHand(tools, derivedUploadUrl(feed.url) ?? '', [file]);
      const conflict = await run(['requests', 'certifi', 'epsilon']);
      assert.equal(conflict.exitCode, 1);
      assert.match(conflict.stdout, /^ {2}certifi-1\.0-py3-none-any\.whl: conflict$/m);
      assert.match(conflict.stdout, /^ {2}epsilon-1\.0-py3-none-any\.whl: not uploaded$/m);
      assert.ok(conflict.stderr.includes(`${tampered.sha256} on the feed`), conflict.stderr);
      const again = await run(['requests', 'certifi', 'epsilon'], ['--json']);
      assert.equal(again.exitCode, 1);
      assert.deepEqual(again.json()['counts'], { ...nothing, present: 2, conflict: 1, absent: 1 });
      assert.deepEqual(readdirSync(machine.temporary), [], 'nothing is left where programs work');
    });
  }

  test('wheelhouse publish exits with 2 for an unknown flag and with 1 without packages', async (t) => {
    const machine = createMachine({}, index.url);
    t.after(machine.remove);
    const unknown = await machine.run(['publish', 'alpha', '--feed', pypi.url]);
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /unknown option '--feed'/);
    const nothing = await machine.run(['publish', '--feed-url', pypi.url]);
    assert.equal(nothing.exitCode, 1);
    assert.match(nothing.stderr, /^error: There is nothing to publish\. Set the input packages/m);
  });
});

describe('for other machines', () => {
  const dryRun = (more: PublishRun): Promise<StepResult> =>
    publish({ ...more, with: { 'dry-run': 'true', ...more.with } });

  test('publishing for Windows selects its wheels and its marker values', async () => {
    const step = await dryRun({
      with: { packages: 'fast\nbeta', platforms: 'win_amd64', 'python-versions': '3.12' },
    });
    assert.equal(step.conclusion, 'success', step.log);
    assert.deepEqual(planned(step), names([fastWindows, beta, gamma]));
  });

  test('publishing for a manylinux tag includes wheels of every older glibc', async () => {
    const linux = await dryRun({
      with: {
        packages: 'fast',
        platforms: 'manylinux_2_28_x86_64',
        'python-versions': '3.11, 3.12',
      },
    });
    assert.equal(linux.conclusion, 'success', linux.log);
    assert.deepEqual(planned(linux), names([fastOldLinux, fastNewLinux]));
  });

  for (const pip of pipVersions) {
    test(`publishing for Windows includes an sdist with its dependencies and build requirements (pip ${pip})`, async () => {
      const job = createJob();
      try {
        const python = await linkedPython(join(job.root, 'environment'), pip);
        const step = await dryRun({
          with: { python, packages: 'alpha', platforms: 'win_amd64', 'python-versions': '3.12' },
        });
        assert.equal(step.conclusion, 'success', step.log);
        assert.deepEqual(
          planned(step),
          names([alpha, beta, gamma, sourceOnly, epsilon, tinybuild]),
        );
      } finally {
        job.cleanup();
      }
    });
  }

  test('publishing a lock with hashes for Windows follows its marker lines', async () => {
    const line = ({ project, version, sha256 }: Distribution, marker = ''): string =>
      `${project}==${version}${marker} --hash=sha256:${sha256}`;
    const lock = [line(alpha), line(beta), line(sourceOnly)]
      .concat(line(gamma, ' ; sys_platform == "win32"'))
      .concat(line(delta, ' ; sys_platform != "win32"'))
      .concat(line(epsilon));
    const step = await dryRun({
      files: { 'requirements.txt': `${lock.join('\n')}\n` },
      with: { requirements: 'requirements.txt', platforms: 'win_amd64', 'python-versions': '3.12' },
    });
    assert.equal(step.conclusion, 'success', step.log);
    assert.deepEqual(planned(step), names([alpha, beta, gamma, sourceOnly, epsilon, tinybuild]));
  });

  test('publishing a package without files for the platform is an error', async () => {
    const step = await dryRun({
      with: { packages: 'fast', platforms: 'macosx_11_0_arm64', 'python-versions': '3.12' },
    });
    assert.match(
      error(step),
      /could not download the packages for Python 3\.12 on macosx_11_0_arm64/,
    );
  });
});

test('a locally built wheel does not replace the original sdist', async () => {
  const links = join(place.root, 'links');
  mkdirSync(links);
  const built = wheel({ name: 'source.only', version: '2.0' });
  writeFileSync(join(links, built.filename), built.content);
  const step = await publish({
    with: { packages: 'source.only', 'dry-run': 'true' },
    env: { PIP_FIND_LINKS: links },
  });
  assert.equal(step.conclusion, 'success', step.log);
  assert.deepEqual(planned(step), names([sourceOnly, tinybuild]));
});

test('publishing a local path is refused with its file and line', async () => {
  const step = await publish({
    files: { 'requirements.txt': 'gamma\n./local\n', 'local/pyproject.toml': '' },
    with: { requirements: 'requirements.txt' },
  });
  assert.match(error(step), /only files of an index are published/);
  assert.deepEqual(step.annotations[0]?.properties, {
    title: 'Wheelhouse publish',
    file: 'requirements.txt',
    line: '2',
  });
});

test('an uploader that is too old or missing is reported before any download', async () => {
  const old = join(place.root, 'old');
  mkdirSync(old);
  writeFileSync(join(old, 'twine'), '#!/bin/sh\necho "twine version 6.2.0 (keyring: 25.0)"\n');
  chmodSync(join(old, 'twine'), 0o755);
  index.reset();
  const tooOld = await publish({ path: old, with: { packages: 'gamma' } });
  assert.match(error(tooOld), /twine 6\.2\.0 is too old: 7\.0 or newer.*pip install "twine>=7"/);
  const nowhere = join(place.root, 'nowhere');
  mkdirSync(nowhere);
  const missing = await publish({ path: nowhere, with: { packages: 'gamma', uploader: 'uv' } });
  assert.match(error(missing), /uv is not on PATH.*pip install "uv>=0\.9"/);
  assert.equal(index.count(), 0);
});

describe('audit', () => {
  /** Stands for a vulnerability service that pip-audit can be told of: gamma has a hole. */
  const service = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const { name } = (JSON.parse(body) as { package: { name: string } }).package;
      const vulnerable = { vulns: [{ id: 'EXAMPLE-1', summary: 'a hole', affected: [] }] };
      response.statusCode = broken ? 500 : 200;
      response.end(JSON.stringify(name === 'gamma' ? vulnerable : {}));
    });
  });
  let broken = false;
  let env: Record<string, string>;
  before(async () => {
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const { port } = service.address() as AddressInfo;
    env = {
      PIP_AUDIT_VULNERABILITY_SERVICE: 'osv',
      PIP_AUDIT_OSV_URL: `http://127.0.0.1:${port}/`,
    };
    empty(pypi);
  });
  after(() => {
    service.close();
    service.closeAllConnections();
    empty(pypi);
  });

  test('audit: fail uploads nothing if it finds a vulnerability', async () => {
    const step = await publish({ env, with: { packages: 'gamma\ndelta', audit: 'fail' } });
    assert.match(error(step), /known vulnerabilities: gamma 1\.0: EXAMPLE-1\./);
    assert.deepEqual(readdirSync(pypi.packages), []);
  });

  test('audit: warn uploads a vulnerable package with a warning', async () => {
    const step = await publish({ env, with: { packages: 'gamma', audit: 'warn' } });
    assert.deepEqual(counts(step), ['1', '0', '0'], step.log);
    assert.match(annotations(step, 'warning').join('\n'), /gamma 1\.0: EXAMPLE-1/);
    assert.match(step.summary, /Audit: known vulnerabilities/);
  });

  test('audit: fail uploads packages without known vulnerabilities', async () => {
    const step = await publish({ env, with: { packages: 'delta', audit: 'fail' } });
    assert.deepEqual(counts(step), ['1', '0', '0'], step.log);
    assert.match(step.summary, /Audit: no known vulnerabilities\./);
  });

  test('a failed audit look-up never counts as clean', async () => {
    broken = true;
    try {
      const failing = await publish({ env, with: { packages: 'beta', audit: 'fail' } });
      assert.match(error(failing), /The audit failed, so nothing is known/);
      const warned = await publish({
        // Its own service, which can't be reached.
        env: { HTTPS_PROXY: 'http://127.0.0.1:9' },
        with: { packages: 'gamma', audit: 'warn', 'dry-run': 'true' },
      });
      assert.match(annotations(warned, 'warning').join('\n'), /nothing is known/);
      assert.match(warned.summary, /Audit: failed/);
    } finally {
      broken = false;
    }
  });
});
