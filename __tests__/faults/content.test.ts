/** Damaged, edited, incomplete or hostile content of a cache entry is never installed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
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
import { pipVersions } from '../../scripts/tools.mjs';
import { top } from '../support/archive.ts';
import { type Distribution, wheel } from '../support/packages.ts';
import { edited, editManifest, listed, poison, tampered } from './archives.ts';
import { type After, alpha, below, beta, group, laterBeta, type Place, type Row } from './rows.ts';

const isRepaired = { saved: ['{key}', '{key}-r1'] } as const;
const damagedBeta = { ...isRepaired, artifacts: [beta.filename] };
const allNew = { ...isRepaired, artifacts: [alpha.filename, beta.filename] };

/** Changes the wheel of beta. */
function ofBeta(change: (file: string, place: Place) => void): Pick<Row, 'arrange'> {
  return { arrange: tampered((at, place) => change(join(at, beta.filename), place)) };
}

/** Changes what the manifest says about beta. */
function betaEdited(fields: Record<string, unknown>): Pick<Row, 'arrange'> {
  return { arrange: listed('beta', fields) };
}

const flippedBeta: Pick<Row, 'arrange' | 'artifacts' | 'saved' | 'says'> = {
  ...ofBeta((file) => {
    const content = readFileSync(file);
    content.writeUInt8(content.readUInt8(2000) ^ 1, 2000);
    writeFileSync(file, content);
  }),
  ...damagedBeta,
  says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has a different hash than in the manifest.',
};

/** Later steps find the right wheel in the wheelhouse. */
function intactOnDisk({ result }: After): void {
  const file = join(String(result.outputs['wheelhouse']), beta.filename);
  assert.ok(readFileSync(file).equals(beta.content));
}

function interpreter(pattern: RegExp, to: string): Pick<Row, 'arrange'> {
  const arrange = edited((manifest) => {
    const before = String(manifest['interpreter']);
    const after = before.replace(pattern, to);
    assert.notEqual(after, before, before);
    manifest['interpreter'] = after;
  });
  return { arrange };
}

/** Members of an archive with other paths; `evil` is a file outside the wheelhouse. */
function withEvil(name: (place: Place) => string): Pick<Row, 'arrange'> {
  return {
    arrange: tampered(
      (at) => writeFileSync(join(at, '..', 'evil'), 'evil\n'),
      (place) => [`--transform=s,^evil$,${name(place)},`, top, 'evil'],
    ),
  };
}

async function noEvil({ job }: Place): Promise<void> {
  const found = (await below(job.root)).filter((file) => /evil|escaped/.test(file));
  assert.deepEqual(found, []);
}

const foreign = wheel({ name: 'beta', version: '2.0', tag: 'cp27-cp27m-win_amd64' });
const unknown = wheel({ name: 'stranger', version: '1.0' });

/** Makes the manifest list another wheel instead of beta's. */
function instead(other: Distribution): Pick<Row, 'arrange'> {
  return {
    arrange: tampered((at) => {
      renameSync(join(at, beta.filename), join(at, other.filename));
      editManifest(at, ({ wheels }) => {
        Object.assign(wheels.find(({ name }) => name === 'beta') ?? {}, {
          file: other.filename,
          version: other.version,
        });
      });
      poison(at, other.filename, other.content);
    }),
  };
}

const rows: Row[] = [
  {
    fault: 'a truncated wheel',
    ...ofBeta((file) => truncateSync(file, 1000)),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has 1000 bytes instead of 51102.',
  },
  {
    fault: 'an empty wheel file',
    ...ofBeta((file) => truncateSync(file, 0)),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has 0 bytes instead of 51102.',
  },
  {
    fault: 'a flipped bit in a wheel',
    ...flippedBeta,
    // Nothing was installed when pip noticed it.
    check: ({ result }) => assert.doesNotMatch(result.log, /interrupted|--force-reinstall/),
  },
  ...pipVersions.map((pip) => ({
    fault: `a flipped bit in a wheel, with pip ${pip}`,
    ...{ ...flippedBeta, pip },
  })),
  {
    fault: 'a flipped bit in a wheel, with install: false',
    ...{ ...flippedBeta, with: { install: false }, installed: [] },
    check: intactOnDisk,
  },
  {
    fault: 'a flipped bit in a wheel, with export: true',
    ...{ ...flippedBeta, with: { export: true } },
    check: intactOnDisk,
  },
  {
    fault: 'a flipped bit in a wheel of a project that is already installed',
    ...flippedBeta,
    arrange: async (place) => {
      await flippedBeta.arrange?.(place);
      writeFileSync(join(place.own, beta.filename), beta.content);
      execFileSync(place.python, [
        ...['-m', 'pip', 'install', '--quiet', '--no-index', join(place.own, beta.filename)],
      ]);
    },
    check: intactOnDisk,
  },
  {
    fault: 'a wheel replaced by another one with the same file name',
    ...ofBeta((file) => writeFileSync(file, laterBeta.content)),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has 923 bytes instead of 51102.',
  },
  {
    fault: 'a missing wheel',
    ...ofBeta((file) => rmSync(file)),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is missing.',
  },
  {
    fault: 'a directory in place of a wheel',
    ...ofBeta((file) => {
      rmSync(file);
      mkdirSync(join(file, 'x'), { recursive: true });
    }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is not a regular file.',
  },
  {
    fault: 'a symbolic link to a file with the same content in place of a wheel',
    ...ofBeta((file, { own }) => {
      writeFileSync(join(own, 'beta'), beta.content);
      rmSync(file);
      symlinkSync(join(own, 'beta'), file);
    }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is not a regular file.',
  },
  {
    fault: 'a symbolic link to another wheel in place of a wheel',
    ...ofBeta((file) => {
      rmSync(file);
      symlinkSync(alpha.filename, file);
    }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is not a regular file.',
  },
  {
    fault: 'a named pipe in place of a wheel',
    ...ofBeta((file) => {
      rmSync(file);
      execFileSync('mkfifo', [file]);
    }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl is not a regular file.',
  },
  {
    fault: 'a wheel that unpacks to 1.6 GB',
    ...ofBeta((file) => {
      rmSync(file);
      const program =
        'import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:\n  with z.open("beta/x", "w") as f:\n    [f.write(bytes(1 << 24)) for _ in range(100)]';
      execFileSync('python3', ['-c', program, file]);
    }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has … bytes instead of 51102.',
  },
  {
    fault: 'an unlisted wheel of a higher version',
    arrange: tampered((at) => writeFileSync(join(at, laterBeta.filename), laterBeta.content)),
    artifacts: [],
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-3.0-py3-none-any.whl is not in the manifest.',
  },
  {
    fault: 'unlisted files and directories',
    arrange: tampered((at) => {
      mkdirSync(join(at, 'sub', 'deep'), { recursive: true });
      writeFileSync(join(at, 'sub', 'deep', 'file'), 'x');
      writeFileSync(join(at, 'pip.conf'), '[global]\nindex-url = http://127.0.0.1:9/\n');
      writeFileSync(join(at, '::warning::pwned\n::error::pwned'), '');
    }),
    artifacts: [],
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: ::warning::pwned\n::error::pwned is not in the manifest; pip.conf is not in the manifest; sub is not in the manifest.',
  },
  {
    fault: 'a symbolic link to another directory in place of the wheelhouse',
    arrange: tampered(
      (at) => {
        renameSync(at, join(at, '..', 'real'));
        symlinkSync('real', at);
      },
      () => [top, 'real'],
    ),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (real); it is not used.',
  },
  {
    fault: 'a symbolic link to a directory outside in place of the wheelhouse',
    arrange: tampered((at, { job }) => {
      rmSync(at, { recursive: true });
      symlinkSync(job.workspace, at);
    }),
    ...allNew,
    says: 'warning: The cache entry {key} contains no directory; it is not used.',
    check: ({ job }) => assert.deepEqual(readdirSync(job.workspace), ['requirements.txt']),
  },
  {
    fault: 'a symbolic link to a directory outside, and an archive member below it',
    arrange: tampered(
      (at, { own }) => {
        symlinkSync(own, join(at, 'link'));
        writeFileSync(join(at, '..', 'evil'), 'evil\n');
      },
      () => ['--transform=s,^evil$,wheelhouse/link/evil,', top, 'evil'],
    ),
    ...allNew,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
    check: noEvil,
  },
  {
    fault: 'an archive member whose path starts with ../',
    ...withEvil(() => '../escaped'),
    ...allNew,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
    check: noEvil,
  },
  {
    fault: 'an archive member with an absolute path',
    ...withEvil(({ own }) => `${own}/escaped`),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (tmp); it is not used.',
    check: noEvil,
  },
  {
    fault: 'an archive member outside the wheelhouse directory',
    ...withEvil(() => 'other/evil'),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (other); it is not used.',
    check: noEvil,
  },
  {
    fault: 'an archive member in the directory of the transfer process',
    ...withEvil(() => '../programs/tar'),
    ...allNew,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
    check: noEvil,
  },
  {
    fault: 'a hard link to a file outside',
    arrange: tampered(
      (at) => {
        writeFileSync(join(at, '..', 'evil'), 'evil\n');
        linkSync(join(at, '..', 'evil'), join(at, 'linked'));
      },
      ({ job }) => [
        `--transform=flags=h;s,^evil$,${job.workspace}/requirements.txt,`,
        '--transform=flags=r;s,^evil$,wheelhouse/own,',
        'evil',
        top,
      ],
    ),
    ...allNew,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
    check: ({ job }) => {
      assert.match(readFileSync(join(job.workspace, 'requirements.txt'), 'utf8'), /^alpha/);
    },
  },
  {
    fault: 'an archive with another directory layout',
    arrange: tampered(
      (at) => renameSync(at, join(at, '..', 'dist')),
      () => ['dist'],
    ),
    ...allNew,
    says: 'warning: The cache entry {key} contains files outside its directory (dist); it is not used.',
  },
  {
    fault: 'an empty archive',
    arrange: tampered(
      () => {},
      () => ['-T', '/dev/null'],
    ),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it is empty.',
  },
  {
    fault: 'a file that is not an archive',
    arrange: ({ cache, entry }) => cache.replaceArchive(entry.key, Buffer.from('not an archive')),
    ...allNew,
    says: 'warning: The cache could not be restored: tar failed with exit code 2.',
  },
  {
    fault: 'an archive that unpacks to 3 GB',
    arrange: tampered((at) => execFileSync('truncate', ['-s', '3G', join(at, 'zeros')])),
    ...allNew,
    says: 'warning: The cache could not be restored: the archive unpacks to far more than wheels do.',
  },
  {
    fault: 'an archive of 100 000 empty files',
    arrange: tampered((at) => {
      for (let number = 0; number < 100_000; number++) writeFileSync(join(at, `f${number}`), '');
    }),
    ...allNew,
    says: 'warning: The cache could not be restored: the archive contains far more files than a wheelhouse.',
  },
  {
    fault: 'manifest: missing',
    arrange: tampered((at) => rmSync(join(at, 'wheelhouse.json'))),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it has no wheelhouse.json.',
  },
  {
    fault: 'manifest: present, but no wheels',
    arrange: tampered((at) => {
      for (const { filename } of [alpha, beta]) rmSync(join(at, filename));
    }),
    ...allNew,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: alpha-1.0-py3-none-any.whl is missing; beta-2.0-py3-none-any.whl is missing.',
  },
  {
    fault: 'manifest: truncated',
    arrange: tampered((at) => truncateSync(join(at, 'wheelhouse.json'), 200)),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not JSON.',
  },
  {
    fault: 'manifest: 100 000 nested lists',
    arrange: tampered((at) => writeFileSync(join(at, 'wheelhouse.json'), '['.repeat(100_000))),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not JSON.',
  },
  {
    fault: 'manifest: 20 MB',
    arrange: tampered((at) => writeFileSync(join(at, 'wheelhouse.json'), ' '.repeat(20_000_000))),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not a regular file.',
  },
  {
    fault: 'manifest: a symbolic link',
    arrange: tampered((at, { own }) => {
      renameSync(join(at, 'wheelhouse.json'), join(own, 'manifest'));
      symlinkSync(join(own, 'manifest'), join(at, 'wheelhouse.json'));
    }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not a regular file.',
  },
  {
    fault: 'manifest: a newer schema',
    arrange: edited((manifest) => (manifest['schema'] = 4)),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json has schema 4; this version reads 3.',
  },
  {
    fault: 'manifest: the first schema, which contains URLs',
    arrange: edited((manifest) => {
      manifest['schema'] = 1;
      manifest['parts'] = { sources: ['index-url=https://h.example/simple'], lines: [] };
    }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json has schema 1; this version reads 3.',
  },
  {
    fault: 'manifest: a wrong sha256',
    ...betaEdited({ sha256: '0'.repeat(64) }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has a different hash than in the manifest.',
  },
  {
    fault: 'manifest: a wrong size',
    ...betaEdited({ size: 1 }),
    ...damagedBeta,
    says: 'warning: The wheelhouse from {key} is partly damaged; reusing the intact wheels. Problems: beta-2.0-py3-none-any.whl has 51102 bytes instead of 1.',
  },
  {
    fault: 'manifest: a wrong version',
    ...betaEdited({ version: '3.0' }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: beta-2.0-py3-none-any.whl is not version "3.0".',
  },
  {
    fault: 'manifest: a wrong project name',
    ...betaEdited({ name: 'stranger' }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: beta-2.0-py3-none-any.whl is not a wheel of "stranger".',
  },
  {
    fault: 'manifest: a file name with ..',
    ...betaEdited({ file: `../${beta.filename}` }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not valid: "wheels[1].file" must be the file name of a wheel.',
  },
  {
    fault: 'manifest: an absolute path as file name',
    ...betaEdited({ file: `/tmp/${beta.filename}` }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not valid: "wheels[1].file" must be the file name of a wheel.',
  },
  {
    fault: 'manifest: a line break and a workflow command in a project name',
    ...betaEdited({ file: 'beta-2.0\n::error::pwned-py3-none-any.whl' }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not valid: "wheels[1].file" must be the file name of a wheel.',
  },
  {
    fault: 'manifest: a pip option in a version',
    ...betaEdited({ version: '2.0 --index-url http://127.0.0.1:9/' }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: wheelhouse.json is not valid: "wheels[1].version" must be a version.',
  },
  {
    fault: 'manifest: a wheel is not listed',
    arrange: edited((manifest) => {
      manifest.wheels = manifest.wheels.filter(({ name }) => name !== 'beta');
    }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it lacks beta.',
  },
  {
    fault: 'manifest: a wheel is not listed, and its file is missing',
    arrange: tampered((at) => {
      rmSync(join(at, beta.filename));
      editManifest(at, (manifest) => {
        manifest.wheels = manifest.wheels.filter(({ name }) => name !== 'beta');
      });
    }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it lacks beta.',
  },
  {
    fault: 'manifest: a dependency is not listed, and its file is missing (not defended)',
    files: { 'requirements.txt': 'alpha==1.0\n' },
    arrange: tampered((at) => {
      rmSync(join(at, laterBeta.filename));
      editManifest(at, (manifest) => {
        manifest.wheels = manifest.wheels.filter(({ name }) => name !== 'beta');
      });
    }),
    hit: true,
    installed: ['alpha==1.0'],
  },
  {
    fault: 'manifest: an empty list of wheels',
    arrange: tampered((at) => {
      for (const { filename } of [alpha, beta]) rmSync(join(at, filename));
      editManifest(at, (manifest) => {
        manifest.wheels = [];
      });
    }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it lacks alpha.',
  },
  {
    fault: 'manifest: an installed wheel has the role build',
    ...betaEdited({ role: 'build' }),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it lacks beta.',
  },
  {
    fault: 'manifest: another version of a pinned project, with a matching wheel and lock',
    ...instead(laterBeta),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it contains beta 3.0 instead of 2.0.',
  },
  {
    fault: 'manifest: a wheel for another ABI and system, with a matching lock',
    ...instead(foreign),
    ...allNew,
    says: 'warning: The wheelhouse from {key} could not be installed and is not used: ERROR: …',
  },
  {
    fault: 'manifest: a wheel that is not a zip file, with matching hashes',
    arrange: tampered((at) => poison(at, beta.filename, Buffer.from('no zip file'))),
    ...allNew,
    says: 'warning: The wheelhouse from {key} could not be installed and is not used: ERROR: …',
  },
  {
    fault: 'manifest: a wheel that contains another project, with matching hashes',
    arrange: tampered((at) => poison(at, beta.filename, unknown.content)),
    ...allNew,
    says: 'warning: The wheelhouse from {key} could not be installed and is not used: ERROR: …',
  },
  {
    fault: 'manifest: made for another Python',
    ...interpreter(/cpython 3\.\d+/, 'cpython 3.99'),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it was filled for another Python (cpython 3.99 …).',
  },
  {
    fault: 'manifest: made for another ABI',
    ...interpreter(/cpython-\d+/, 'cpython-399d'),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it was filled for another Python (cpython … .cpython-399d-…).',
  },
  {
    fault: 'manifest: made for another system',
    ...interpreter(/linux|macosx/g, 'freebsd'),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it was filled for another Python (cpython … freebsd-…).',
  },
  {
    fault: 'manifest: made for another libc',
    ...interpreter(/(?:glibc|macos)\d+/, 'musl1'),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it was filled for another Python (cpython … musl1.…).',
  },
  {
    fault: 'manifest: made with other indexes',
    arrange: edited((manifest) => (manifest['sources'] = 'x')),
    ...allNew,
    says: 'warning: The cache entry {key} is not used: it was filled from other indexes, or with other build settings, another resolver or another minimum release age.',
  },
  {
    fault: 'a lock with other packages and another index',
    arrange: tampered((at) =>
      writeFileSync(
        join(at, 'requirements.lock'),
        '--index-url http://127.0.0.1:9/\nstranger==1.0\n',
      ),
    ),
    artifacts: [],
    hit: true,
  },
  {
    fault: 'a missing lock',
    arrange: tampered((at) => rmSync(join(at, 'requirements.lock'))),
    artifacts: [],
    hit: true,
  },
  {
    fault: 'a pylock.toml with another package from another index',
    arrange: tampered((at) =>
      writeFileSync(
        join(at, 'pylock.toml'),
        `lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "stranger"\narchive = { url = "http://127.0.0.1:9/x.zip", hashes = { sha256 = "${'a'.repeat(64)}" } }\n`,
      ),
    ),
    artifacts: [],
    hit: true,
  },
  {
    fault: 'no pylock.toml, as in entries of earlier versions',
    arrange: tampered((at) => rmSync(join(at, 'pylock.toml'))),
    artifacts: [],
    hit: true,
  },
];

group('wheelhouse content', rows);
