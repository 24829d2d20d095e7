/** Entries by an attacker who knows the format: what a manifest claims and what an archive contains. */
import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { top } from '../support/archive.ts';
import { type Distribution, wheel } from '../support/packages.ts';
import { edited, editManifest, listed, poison, tampered } from './archives.ts';
import { alpha, below, beta, group, laterBeta, type Place, type Row } from './rows.ts';

const isRepaired = { saved: ['{key}', '{key}-r1'] } as const;
const allNew = { ...isRepaired, artifacts: [alpha.filename, beta.filename] };
const dropped = 'Partial hit ({key}): some of its wheels are not usable.';
const oneDropped = { ...isRepaired, artifacts: [beta.filename], logs: dropped };

/** A wheel that the request does not need, added with a matching manifest and lock. */
const evil = wheel({ name: 'alpha', version: '9.9' });
const uv = wheel({ name: 'uv', version: '9.9' });

function withWheel(
  { filename, content, sha256 }: Distribution,
  role: string,
  directory: string,
): Pick<Row, 'arrange'> {
  const [name, version] = filename.split('-') as [string, string];
  return {
    arrange: tampered((at) => {
      mkdirSync(join(at, directory), { recursive: true });
      writeFileSync(join(at, directory, filename), content);
      editManifest(at, ({ wheels }) => {
        const size = content.length;
        wheels.push({
          ...{ name, project: name, version, file: filename, sha256, size, role },
          origin: 'downloaded',
        });
      });
    }),
  };
}

/** Asserts that `export` does not offer a wheel that nothing needs to later steps. */
function noEvil({
  result,
}: {
  readonly result: { readonly outputs: Record<string, string> };
}): void {
  const files = readdirSync(String(result.outputs['wheelhouse']), { recursive: true });
  assert.deepEqual(
    files.map(String).filter((file) => /9\.9|^build/.test(file)),
    [],
  );
}

const isInvalid = (what: string): Pick<Row, 'saved' | 'artifacts' | 'says'> => ({
  ...allNew,
  says: `warning: The cache entry {key} is not used: wheelhouse.json is not valid: ${what}.`,
});
const isUnused = (why: string): Pick<Row, 'saved' | 'artifacts' | 'says'> => ({
  ...allNew,
  says: `warning: The cache entry {key} is not used: ${why}.`,
});

/** Fields of the manifest that no version of this action has written. */
const malformed: Row[] = [
  {
    fault: 'manifest: an unknown origin',
    arrange: listed('beta', { origin: 'found' }),
    ...isInvalid('"wheels[1].origin" must be "downloaded" or "built"'),
  },
  {
    fault: 'manifest: an unknown role',
    arrange: listed('beta', { role: 'admin' }),
    ...isInvalid('"wheels[1].role" must be "runtime" or "build" or "tool"'),
  },
  {
    fault: 'manifest: a negative size',
    arrange: listed('beta', { size: -1 }),
    ...isInvalid('"wheels[1].size" must be a number of bytes'),
  },
  {
    fault: 'manifest: an impossibly large size',
    arrange: listed('beta', { size: 1e300 }),
    ...isInvalid('"wheels[1].size" must be a number of bytes'),
  },
  {
    fault: 'manifest: a sha256 that is too short',
    arrange: listed('beta', { sha256: 'ab' }),
    ...isInvalid('"wheels[1].sha256" must be a SHA-256 in lower-case hex'),
  },
  {
    fault: 'manifest: a workflow command after a Unicode line separator',
    arrange: edited((manifest) => (manifest['interpreter'] = 'x\u2028::error::pwned')),
    ...isInvalid('"interpreter" must be a line of text'),
  },
  {
    fault: 'manifest: an invalid date',
    arrange: edited((manifest) => (manifest['resolvedAt'] = '2026-99-99T00:00:00Z')),
    ...isInvalid('"resolvedAt" must be a date and time in UTC'),
  },
  {
    fault: 'manifest: dependencies that are not a list',
    arrange: edited((manifest) => {
      const project = { requirement: 'x', name: 'x', version: '1', extras: [], requires: 'x' };
      manifest['direct'] = [project];
    }),
    ...isInvalid('"direct[0].requires" must be a list'),
  },
  {
    fault: 'manifest: a negative duration',
    arrange: edited((manifest) => (manifest['effort'] = -1)),
    ...isInvalid('"effort" must be a number of seconds'),
  },
  {
    fault: 'manifest: wheels that are not a list',
    arrange: edited((manifest) => Object.assign(manifest, { wheels: {} })),
    ...isInvalid('"wheels" must be a list'),
  },
  {
    fault: 'manifest: a list in place of an object',
    arrange: tampered((at) => writeFileSync(join(at, 'wheelhouse.json'), '[]')),
    ...isInvalid('it is not an object'),
  },
  {
    fault: 'manifest: null in place of an object',
    arrange: tampered((at) => writeFileSync(join(at, 'wheelhouse.json'), 'null')),
    ...isInvalid('it is not an object'),
  },
  {
    fault: 'manifest: a display name that belongs to another project',
    arrange: listed('beta', { project: 'stranger' }),
    ...isUnused('beta-2.0-py3-none-any.whl is not a wheel of "stranger"'),
  },
  {
    fault: 'manifest: a pip option in the display name of a project',
    arrange: listed('beta', { project: 'beta --index-url=http://127.0.0.1:9/' }),
    ...isInvalid('"wheels[1].project" must be a project name'),
  },
  {
    fault: 'manifest: a wheel listed twice',
    arrange: edited(({ wheels }) => wheels.push({ ...wheels[1] } as (typeof wheels)[0])),
    ...isUnused('a wheel is listed twice'),
  },
  {
    fault: 'manifest: two versions of one project',
    ...withWheel(laterBeta, 'runtime', '.'),
    ...isUnused('a project is listed twice'),
  },
  {
    fault: 'manifest: unknown fields, including __proto__',
    arrange: tampered((at) => {
      const file = join(at, 'wheelhouse.json');
      const text = readFileSync(file, 'utf8').replace(
        '{',
        '{"colour": "blue", "__proto__": {"wheels": []},',
      );
      writeFileSync(file, text);
    }),
    artifacts: [],
    hit: true,
  },
];

const ranges = { 'requirements.txt': 'alpha>=1.0\nbeta==2.0\n' };

/** Claims that the request can disprove. */
const lies: Row[] = [
  {
    fault: 'manifest: claims to be pinned for unpinned requirements',
    files: ranges,
    arrange: edited((manifest) => {
      Object.assign(manifest, { pinned: true, resolvedAt: '2020-01-01T00:00:00.000Z' });
    }),
    hit: false,
    logs: 'Partial hit ({key}): it was resolved on 2020-01-01, which is too old for refresh: auto.',
  },
  {
    fault: 'manifest: resolved in the far future',
    files: ranges,
    arrange: edited((manifest) => (manifest['resolvedAt'] = '2999-01-01T00:00:00.000Z')),
    hit: false,
    logs: 'Partial hit ({key}): it was resolved on 2999-01-01, which is too old for refresh: auto.',
  },
  {
    fault: 'manifest: claims to be pinned by URLs that no requirement names',
    files: ranges,
    arrange: edited((manifest) => {
      manifest['resolvedAt'] = '2020-01-01T00:00:00.000Z';
      for (const each of manifest.wheels) each['url'] = 'https://files.example/#0';
    }),
    hit: false,
    logs: dropped,
    saved: ['{key}', '{key}-r1'],
  },
  {
    fault: 'manifest: a URL that no requirement names',
    arrange: listed('beta', { url: 'https://files.example/#0' }),
    ...oneDropped,
  },
  {
    fault: 'manifest: the version pinned for another platform, with a matching wheel and lock',
    files: {
      'requirements.txt':
        'alpha==1.0\nbeta==2.0 ; os_name != "none"\nbeta==3.0 ; os_name == "none"\n',
    },
    arrange: tampered((at) => {
      renameSync(join(at, beta.filename), join(at, laterBeta.filename));
      editManifest(at, ({ wheels }) => {
        const [, listed = {}] = wheels;
        Object.assign(listed, { file: laterBeta.filename, version: '3.0' });
      });
      poison(at, laterBeta.filename, laterBeta.content);
    }),
    ...isUnused('it contains beta 3.0 instead of 2.0'),
  },
  {
    fault: 'manifest: a wheel whose file name is too long for any disk, with a matching lock',
    arrange: tampered((at) => poison(at, beta.filename, longName.content)),
    ...allNew,
    says: 'warning: The wheelhouse from {key} could not be installed and is not used: ERROR: …',
  },
  {
    fault: 'manifest: a build wheel that nothing needs',
    ...withWheel(evil, 'build', 'build'),
    artifacts: [],
    hit: false,
    ...isRepaired,
    logs: dropped,
    check: noEvil,
  },
  {
    fault: 'manifest: a build wheel that nothing needs, with export: true',
    with: { export: true },
    ...withWheel(evil, 'build', 'build'),
    artifacts: [],
    ...isRepaired,
    logs: dropped,
    check: noEvil,
  },
  {
    fault: 'manifest: a wheel with a role of an older version',
    ...withWheel(uv, 'tool', 'build'),
    ...isInvalid('"wheels[2].role" must be "runtime" or "build"'),
    check: noEvil,
  },
  {
    fault: 'a build wheel in the directory of installed wheels',
    ...withWheel(evil, 'build', '.'),
    artifacts: [],
    ...isRepaired,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: alpha-9.9-py3-none-any.whl is missing; alpha-9.9-py3-none-any.whl is not in the manifest.',
    check: noEvil,
  },
  {
    fault: 'an installed wheel in the directory of build wheels',
    arrange: tampered((at) => {
      mkdirSync(join(at, 'build'));
      renameSync(join(at, beta.filename), join(at, 'build', beta.filename));
    }),
    ...isRepaired,
    artifacts: [beta.filename],
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is missing; build/beta-2.0-py3-none-any.whl is not in the manifest.',
  },
  {
    fault: 'a file in place of the directory of build wheels',
    arrange: tampered((at) => writeFileSync(join(at, 'build'), 'x')),
    artifacts: [],
    hit: true,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: build is not in the manifest.',
  },
  {
    fault: 'a symbolic link to a directory outside in place of the directory of build wheels',
    arrange: tampered((at, { own }) => {
      writeFileSync(join(own, evil.filename), evil.content);
      symlinkSync(own, join(at, 'build'));
    }),
    artifacts: [],
    hit: true,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: build is not in the manifest.',
    check: ({ own }) => assert.deepEqual(readdirSync(own), [evil.filename]),
  },
];

const isRefused = (why: string): Pick<Row, 'saved' | 'artifacts' | 'says' | 'within'> => ({
  ...allNew,
  says: `warning: The cache could not be restored: ${why}.`,
  // Reading as much as they claim to contain would take hours.
  within: 60,
});

async function nothingEscaped({ job }: Place): Promise<void> {
  assert.deepEqual(
    (await below(job.root)).filter((file) => /evil|escaped/.test(file)),
    [],
  );
}

const absolute = (options: string): Pick<Row, 'env' | 'arrange' | 'check'> => ({
  env: { TAR_OPTIONS: options },
  arrange: tampered(
    (at) => writeFileSync(join(at, '..', 'evil'), 'evil\n'),
    ({ own }) => [`--transform=s,^evil$,${own}/escaped,`, top, 'evil'],
  ),
  check: nothingEscaped,
});

/** Archives that unpack to more than expected, or to other places. */
const archives: Row[] = [
  {
    fault: 'a sparse wheel of 8 TB in an archive of 1 KB',
    arrange: tampered(
      (at) => {
        truncateSync(join(at, beta.filename), 8e12);
        editManifest(at, ({ wheels }) => {
          Object.assign(wheels.find(({ name }) => name === 'beta') ?? {}, { size: 8e12 });
        });
      },
      () => ['-S', top],
    ),
    ...isRefused('the archive unpacks to far more than wheels do'),
  },
  {
    fault: '2000 hard links to a sparse file of 400 MB',
    arrange: tampered(
      (at) => {
        writeFileSync(join(at, 'zeros'), '');
        truncateSync(join(at, 'zeros'), 4e8);
        for (let number = 0; number < 2000; number++) {
          linkSync(join(at, 'zeros'), join(at, `f${number}`));
        }
      },
      () => ['-S', top],
    ),
    ...isRefused('the archive unpacks to far more than wheels do'),
  },
  {
    fault: 'a hard link between two wheels',
    arrange: tampered((at) => linkSync(join(at, beta.filename), join(at, evil.filename))),
    ...isRefused('the archive contains hard links'),
  },
  {
    fault: 'a file whose name is not valid UTF-8',
    arrange: tampered((at) => {
      writeFileSync(
        Buffer.concat([Buffer.from(`${at}/alpha-`), Buffer.from([0xff]), Buffer.from('.whl')]),
        'evil',
      );
    }),
    artifacts: [],
    hit: true,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: alpha-\ufffd.whl is not in the manifest.',
  },
  {
    fault: 'a directory whose name is not valid UTF-8',
    arrange: tampered((at) => {
      mkdirSync(Buffer.concat([Buffer.from(`${at}/`), Buffer.from([0xfe]), Buffer.from('/x')]), {
        recursive: true,
      });
    }),
    artifacts: [],
    hit: true,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: \ufffd is not in the manifest.',
  },
  {
    fault: 'files and directories without read permission',
    arrange: tampered(
      () => {},
      () => ['--mode=000', top],
    ),
    artifacts: [],
    hit: true,
  },
  {
    fault: 'world-writable files',
    arrange: tampered(
      () => {},
      () => ['--mode=777', top],
    ),
    artifacts: [],
    hit: true,
  },
  {
    fault: 'TAR_OPTIONS with -P in the job, and an archive member with an absolute path',
    ...absolute('-P'),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (tmp); it is not used.',
  },
  {
    fault:
      'TAR_OPTIONS with --absolute-names in the job, and an archive member with an absolute path',
    ...absolute('--absolute-names'),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (tmp); it is not used.',
  },
  {
    fault: 'TAR_OPTIONS with --transform in the job',
    env: { TAR_OPTIONS: '--transform=s,^,../../../,' },
    artifacts: [],
    hit: true,
  },
  {
    fault: 'TAR_OPTIONS with an unknown option in the job',
    env: { TAR_OPTIONS: '--no-such-option' },
    artifacts: [],
    hit: true,
  },
];

/** The entry claims to be a change, and leaves beta out. */
const change = (text: (place: Place) => string): Pick<Row, 'arrange'> => ({
  arrange: tampered((at, place) => {
    rmSync(join(at, beta.filename));
    writeFileSync(join(at, 'base.json'), text(place));
  }),
});
const basedOn = (key: (own: string) => string): Pick<Row, 'arrange'> =>
  change(({ entry }) => JSON.stringify({ key: key(entry.key), size: 1, saved: 1 }));
const incomplete = (why: string): Pick<Row, 'saved' | 'artifacts' | 'logs'> => ({
  ...isRepaired,
  artifacts: [beta.filename],
  logs: `{key} contains only what has changed since …, which ${why}. Other wheels come from the index.`,
});

/** What an entry claims about the one that it is a change of. */
const bases: Row[] = [
  {
    fault: 'change: its base is not in the cache',
    ...basedOn((key) => key.replace(/-[0-9a-f]{40}-/, `-${'0'.repeat(40)}-`)),
    ...incomplete('is not in the cache'),
  },
  {
    fault: 'change: its base has other sources',
    ...basedOn((key) => key.replace(/-[0-9a-f]{8}-/, '-00000000-')),
    ...incomplete('does not match any requested key'),
  },
  {
    fault: 'change: its base is for another Python',
    ...basedOn((key) => key.replace(/-cp\d+-/, '-cp27-')),
    ...incomplete('does not match any requested key'),
  },
  {
    fault: 'change: it is its own base',
    ...basedOn((key) => key),
    ...incomplete('is not a full entry'),
  },
  {
    fault: 'change: the key of its base contains a workflow command',
    ...basedOn(() => 'x\n::error::pwned'),
    ...isUnused('base.json is not valid: "key" must be a cache key'),
  },
  {
    fault: 'change: base.json is not JSON',
    ...change(() => '{'),
    ...isUnused('base.json is not valid: it is not JSON'),
  },
  {
    fault: 'change: base.json has 5 KB',
    ...change(() => ' '.repeat(5000)),
    ...isUnused('base.json is not a regular file'),
  },
  {
    fault: 'change: base.json is a link to a file outside',
    arrange: tampered((at) => symlinkSync('/etc/passwd', join(at, 'base.json'))),
    ...isUnused('base.json is not a regular file'),
  },
];

const longName = wheel({
  name: 'beta',
  version: '2.0',
  files: { [`beta/${'x'.repeat(300)}.py`]: '' },
});

/** Keys that the service answers with. */
const keys: Row[] = ['$(id)', '`id`', '"; id; "', '\n::error::pwned'].map((tail) => ({
  fault: `look-up: the key followed by ${JSON.stringify(tail)}`,
  arrange: ({ cache, entry }: Place) =>
    cache.setFault('lookup', { matchedKey: `${entry.key}${tail}` }),
  says: 'warning: The cache entry {key}… is not used: its key does not match any requested key.',
  check: ({ result }) => assert.equal(result.outputs['cache-matched-key'], ''),
}));

group('entries: malformed manifests', malformed);
group('entries: false claims', lies);
group('entries: archives', archives);
group('entries: changes', bases);
group('entries: keys', keys, { azureHost: true });
