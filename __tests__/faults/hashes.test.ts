/** What hashes in the user's own files defend against, and what nothing does: docs/threat-model.md. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { filesBelow, sdist, wheel } from '../support/packages.ts';
import { editManifest, poison, tampered } from './archives.ts';
import { type After, alpha, beta, everything, group, type Place, type Row } from './rows.ts';

const gamma = sdist({ name: 'gamma', version: '1.0' });
const builtGamma = 'gamma-1.0-py3-none-any.whl';
/** The same project and version with other code. */
const evilBeta = wheel({
  name: 'beta',
  version: '2.0',
  files: { 'beta/evil.py': 'evil = True\n' },
});
const evilGamma = wheel({ name: 'gamma', version: '1.0', files: { 'gamma/evil.py': '' } });

const hash = (content: Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;
const line = (name: string, ...hashes: string[]): string =>
  `${name} ${hashes.map((each) => `--hash=${each}`).join(' ')}\n`;
const hashedBeta = line('beta==2.0', hash(beta.content));
const hashed = line('alpha==1.0', hash(alpha.content)) + hashedBeta;
const hashedGamma = line('gamma==1.0', hash(gamma.content));
const otherGamma = line('gamma==1.0', hash(gamma.content), `sha256:${'0'.repeat(64)}`);

const claimsBuilt = tampered((at) =>
  poison(at, beta.filename, evilBeta.content, {
    origin: 'built',
    requestHashes: [hash(beta.content)],
  }),
);

const stranger = wheel({ name: 'stranger', version: '1.0' });
const withStranger = tampered((at) => {
  writeFileSync(join(at, stranger.filename), stranger.content);
  editManifest(at, ({ wheels }) => {
    const { filename: file, content, sha256 } = stranger;
    const listed = {
      name: 'stranger',
      project: 'stranger',
      version: '1.0',
      file,
      sha256,
      size: content.length,
    };
    wheels.push({ ...listed, origin: 'downloaded', role: 'runtime' });
  });
});

const rows: Row[] = [
  {
    fault: 'with --hash: a poisoned wheel with a matching manifest and lock',
    files: { 'requirements.txt': hashed },
    arrange: tampered((at) => poison(at, beta.filename, evilBeta.content)),
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit ({key}): some of its wheels are not usable.',
  },
  {
    fault: 'with --hash: a poisoned wheel, and a manifest that claims the required hash',
    files: { 'requirements.txt': hashed },
    arrange: tampered((at) =>
      poison(at, beta.filename, evilBeta.content, { requestHashes: [hash(beta.content)] }),
    ),
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit ({key}): some of its wheels are not usable.',
  },
  {
    fault:
      'with --hash and --only-binary: a poisoned wheel, and a manifest that claims it was built',
    files: { 'requirements.txt': `--only-binary :all:\n${hashed}` },
    arrange: claimsBuilt,
    artifacts: [beta.filename],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit ({key}): some of its wheels are not usable.',
  },
  {
    fault: 'with --hash: a poisoned wheel, and a manifest that claims it was built (not defended)',
    files: { 'requirements.txt': hashed },
    arrange: claimsBuilt,
    artifacts: [],
    hit: true,
  },
  {
    fault: 'with --hash: an additional wheel in the manifest that no requirement names',
    files: { 'requirements.txt': hashed },
    arrange: withStranger,
    artifacts: [],
    saved: ['{key}', '{key}-r1'],
    logs: 'Partial hit ({key}): some of its wheels are not usable.',
  },
  {
    fault:
      'without --hash: an additional wheel in the manifest that no requirement names (not defended)',
    arrange: withStranger,
    artifacts: [],
    hit: true,
    installed: [...everything, 'stranger==1.0'],
  },
  {
    fault: 'with --hash: a built wheel, and other hashes are required for its sdist',
    files: { 'requirements.txt': otherGamma },
    seed: hashedGamma,
    installed: ['gamma==1.0'],
    artifacts: [gamma.filename],
    saved: ['{key}', '…'],
  },
  {
    fault: 'with --hash of the sdist: a poisoned built wheel (not defended)',
    files: { 'requirements.txt': hashedGamma },
    arrange: tampered((at) => poison(at, builtGamma, evilGamma.content)),
    installed: ['gamma==1.0'],
    hit: true,
    artifacts: [],
  },
  {
    fault: 'without --hash: a poisoned wheel with a matching manifest and lock (not defended)',
    arrange: tampered((at) => poison(at, beta.filename, evilBeta.content)),
    hit: true,
    artifacts: [],
  },
];

group('hash roots', rows, { distributions: [gamma] });

/** A file that sorts before the right one, listed with a role that needs no hash. */
const evilAlpha = wheel({ name: 'alpha', version: '1.0', files: { 'alpha/evil.py': '' } });
const evilFile = 'alpha-1.0-1-py3-none-any.whl';
const closed = `--only-binary :all:\n${hashed}`;
const more = closed.replace('beta==2.0', 'beta == 2.0 ; python_version > "3"');

function withEvil(role: string): (place: Place) => Promise<void> {
  return tampered((at) => {
    const directory = role === 'runtime' ? at : join(at, 'build');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, evilFile), evilAlpha.content);
    editManifest(at, ({ wheels }) => {
      const { content, sha256 } = evilAlpha;
      const listed = { name: 'alpha', project: 'alpha', version: '1.0', file: evilFile, sha256 };
      wheels.push({ ...listed, size: content.length, origin: 'downloaded', role });
    });
  });
}

function noEvil({ python, result }: After): void {
  execFileSync(python, [
    '-c',
    "import alpha, importlib.util; assert not importlib.util.find_spec('alpha.evil')",
  ]);
  const lock = readFileSync(String(result.outputs['lock-file']), 'utf8');
  assert.ok(!lock.includes(evilAlpha.sha256), lock);
}

/** Settings that suppress or change the lines of pip's output that the action reads. */
const manners: readonly {
  readonly what: string;
  readonly conf?: string;
  readonly env?: Record<string, string>;
}[] = [
  { what: '[global] quiet = 1', conf: '[global]\nquiet = 1\n' },
  { what: '[wheel] quiet = 3', conf: '[wheel]\nquiet = 3\n' },
  { what: '[global] verbose = 3', conf: '[global]\nverbose = 3\n' },
  { what: '[global] no-color = true', conf: '[global]\nno-color = true\n' },
  { what: 'PIP_QUIET=3', env: { PIP_QUIET: '3' } },
  { what: 'FORCE_COLOR=1', env: { FORCE_COLOR: '1', COLUMNS: '20' } },
];

function configured(conf: string | undefined): (place: Place) => void {
  return ({ job, own }) => {
    if (conf === undefined) return;
    writeFileSync(join(own, 'pip.conf'), conf);
    job.env['PIP_CONFIG_FILE'] = join(own, 'pip.conf');
  };
}

/** A partial hit: the entry was made for other requirements, and has an additional wheel. */
const hidden: Row[] = [
  ...manners.map(
    ({ what, conf, env = {} }): Row => ({
      fault: `with --hash and --only-binary: an additional wheel with the role build, and ${what}`,
      files: { 'requirements.txt': more },
      seed: closed,
      env,
      arrange: async (place) => {
        await withEvil('build')(place);
        configured(conf)(place);
      },
      hit: false,
      artifacts: [],
      saved: ['{key}', '…'],
      check: noEvil,
    }),
  ),
  {
    fault:
      'with --hash and --only-binary: an additional wheel with the role runtime, and [global] quiet = 1',
    files: { 'requirements.txt': more },
    seed: closed,
    arrange: async (place) => {
      await withEvil('runtime')(place);
      configured('[global]\nquiet = 1\n')(place);
    },
    hit: false,
    saved: ['{key}', '…'],
    says: 'warning: The cache entry {key} is not used: a project is listed twice.',
    check: noEvil,
  },
  {
    fault:
      'with --hash and a local project: an additional wheel with the role build, and [global] quiet = 1',
    files: { 'requirements.txt': `${more}./local\n` },
    seed: `${closed}./local\n`,
    project: filesBelow('local', { name: 'local', version: '0.1' }),
    arrange: async (place) => {
      await withEvil('build')(place);
      configured('[global]\nquiet = 1\n')(place);
    },
    hit: false,
    artifacts: [],
    installed: [...everything, 'local==0.1'],
    saved: ['{key}', '…'],
    check: noEvil,
  },
];

const other: Row[] = [
  {
    fault: 'with --hash: the index has another file with the same name',
    files: { 'requirements.txt': hashed },
    seed: 'gamma==1.0\n',
    empty: true,
    arrange: ({ index, later }) => {
      index.add({ ...evilBeta, filename: beta.filename });
      later(() => index.add(beta));
    },
    conclusion: 'failure',
    installed: [],
    saved: [],
    says: 'error: pip could not …. The index offers a file whose hash is not in your requirements: compile the requirements again if you trust the change, or find out who replaced the file.…',
  },
  {
    fault: 'with --hash: the index sends a damaged file',
    files: { 'requirements.txt': hashed },
    seed: 'gamma==1.0\n',
    empty: true,
    arrange: ({ index, later }) => {
      index.add({ ...beta, content: evilBeta.content });
      later(() => index.add(beta));
    },
    conclusion: 'failure',
    installed: [],
    saved: [],
    says: 'error: pip could not …. The index offers a file whose hash is not in your requirements: …',
  },
  {
    fault: 'PIP_REQUIRE_HASHES=1 and requirements without hashes',
    env: { PIP_REQUIRE_HASHES: '1' },
    empty: true,
    conclusion: 'failure',
    installed: [],
    saved: [],
    says: 'error: pip could not …. A single --hash turns on hash checking for everything, including dependencies and inline packages: …',
  },
  {
    fault: 'PIP_REQUIRE_HASHES=1 and requirements with hashes',
    files: { 'requirements.txt': hashed },
    seed: 'gamma==1.0\n',
    empty: true,
    env: { PIP_REQUIRE_HASHES: '1' },
    saved: ['…'],
  },
  {
    fault: 'PIP_REQUIRE_HASHES=0 with --hash: a poisoned wheel with a matching manifest and lock',
    files: { 'requirements.txt': hashed },
    env: { PIP_REQUIRE_HASHES: '0' },
    arrange: tampered((at) => poison(at, beta.filename, evilBeta.content)),
    artifacts: [beta.filename],
    saved: ['{key}', '…'],
  },
  {
    fault: 'with --hash: a wheel is replaced between two runs, with a matching manifest',
    files: { 'requirements.txt': hashed },
    seed: 'gamma==1.0\n',
    empty: true,
    with: { wheelhouse: 'kept' },
    act: async (place) => {
      const first = await place.main();
      assert.equal(first.conclusion, 'success', first.log);
      poison(join(place.job.workspace, 'kept'), beta.filename, evilBeta.content);
      place.index.reset();
      return place.main();
    },
    hit: false,
    artifacts: [beta.filename],
    saved: ['…'],
    // The first use's post step, as both have the same wheelhouse.
    says: 'warning: The wheelhouse is not saved: it has changed since this step filled it.',
    check: ({ python }) => {
      execFileSync(python, [
        '-c',
        "import beta, importlib.util; assert not importlib.util.find_spec('beta.evil')",
      ]);
    },
  },
];

group('hash roots: output of pip', hidden, { distributions: [gamma] });
group('hash roots: index and settings', other, { distributions: [gamma] });
