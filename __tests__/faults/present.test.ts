/** Packages that are installed beforehand count as they do for pip, even in a broken environment. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { sdist, wheel } from '../support/packages.ts';
import { editManifest, type ManifestText, tampered } from './archives.ts';
import { editable, has, packagesOf, pip, placeOfBeta, put } from './environment.ts';
import { type Act, alpha, beta, group, laterBeta, type Place, type Row } from './rows.ts';

const earlyBeta = wheel({ name: 'beta', version: '1.0' });
/** A requirement that both beta 2.0 and the 3.0 of the lock satisfy. */
const loose = { files: { 'requirements.txt': 'alpha==1.0\n' } };
const newest = ['alpha==1.0', 'beta==3.0'];

const needsBeta = wheel({ name: 'needy', version: '1.0', requires: ['beta>=2'] });
const sha256 = createHash('sha256').update(needsBeta.content).digest('hex');
/** beta has no hash, so the environment must have it. */
const relies: Pick<Row, 'files' | 'empty' | 'seed'> = {
  seed: 'alpha==1.0\n',
  files: { 'requirements.txt': `needy==1.0 --hash=sha256:${sha256}\n` },
  empty: true,
};

/** Puts beta into a directory of PYTHONPATH. */
function onPath(version: typeof beta): (place: Place) => void {
  return (place) => {
    const directory = join(place.own, 'lib');
    put(place, version, '--target', directory);
    place.job.env['PYTHONPATH'] = directory;
  };
}

/** Runs the job's step again after a change. */
function again(change: (place: Place) => void): Act {
  return async (place) => {
    const first = await place.main();
    assert.equal(first.conclusion, 'success', first.log);
    change(place);
    place.index.reset();
    return place.main();
  };
}

/** Adds files to site-packages that belong to no package, and removes them before the inspection. */
function rubbish(
  files: Readonly<Record<string, string | undefined>>,
): Pick<Row, 'arrange' | 'between'> {
  return {
    arrange: (place) => {
      for (const [name, content] of Object.entries(files)) {
        const path = join(packagesOf(place), name);
        mkdirSync(content === undefined ? path : dirname(path), { recursive: true });
        if (content !== undefined) writeFileSync(path, content);
      }
    },
    between: (place) => {
      for (const name of Object.keys(files)) {
        const [top = ''] = name.split('/');
        if (!/^(?:alpha|beta)/.test(top)) {
          assert.ok(existsSync(join(packagesOf(place), top)), `${top} is left alone`);
        }
        rmSync(join(packagesOf(place), top), { recursive: true, force: true });
      }
    },
  };
}

function lies(edit: (manifest: ManifestText, place: Place) => void): Pick<Row, 'arrange'> {
  return {
    arrange: tampered((at, place) => editManifest(at, (manifest) => edit(manifest, place))),
  };
}

function without(manifest: ManifestText, name: string): void {
  manifest.wheels = manifest.wheels.filter((each) => each.name !== name);
}

/** A package that a hostile manifest makes pip download and build. */
const evil = sdist({ name: 'evil', version: '1.0' });
const direct = { requirement: 'x', name: 'other', version: '1.0', extras: [], requires: [] };
const refused = (reason: string): Partial<Row> => ({
  saved: ['{key}', '{key}-r1'],
  says: `warning: The cache entry {key} is not used: wheelhouse.json is not valid: ${reason}.`,
  hit: false,
});

const versions: Row[] = [
  {
    fault: 'a dependency is installed in an older version that satisfies the requirement',
    ...loose,
    arrange: has(beta),
    hit: true,
    artifacts: [],
    logs: 'Leaving beta 2.0, which satisfies the request.',
  },
  {
    fault:
      'a dependency is installed as editable in an older version that satisfies the requirement',
    ...loose,
    arrange: editable('2.0'),
    hit: true,
    check: (after) => assert.match(placeOfBeta(after), /\/own\/beta\/src\//),
  },
  {
    fault: 'a dependency is installed in an older version, with PIP_IGNORE_INSTALLED',
    ...loose,
    env: { PIP_IGNORE_INSTALLED: '1' },
    arrange: has(beta),
    installed: newest,
    hit: true,
  },
  {
    fault: 'a dependency is installed in an older version, with PIP_FORCE_REINSTALL',
    ...loose,
    env: { PIP_FORCE_REINSTALL: '1' },
    arrange: has(beta),
    installed: newest,
    hit: true,
  },
  {
    fault: 'a dependency is installed in an older version, with PIP_UPGRADE',
    ...loose,
    env: { PIP_UPGRADE: '1' },
    arrange: has(beta),
    hit: true,
  },
  {
    fault: 'a dependency is installed in an older version, with PIP_UPGRADE and the eager strategy',
    ...loose,
    env: { PIP_UPGRADE: '1', PIP_UPGRADE_STRATEGY: 'eager' },
    arrange: has(beta),
    installed: newest,
    hit: true,
  },
  {
    fault: 'a dependency is installed in an older version, and an installation was interrupted',
    ...loose,
    arrange: (place) => {
      put(place, beta);
      writeFileSync(join(packagesOf(place), '.wheelhouse-installing'), '');
    },
    hit: true,
    installed: newest,
    logs: 'A previous installation was interrupted; reinstalling everything.',
  },
  {
    fault: 'a directory in place of the marker file of an interrupted installation',
    arrange: (place) => {
      put(place, laterBeta);
      mkdirSync(join(packagesOf(place), '.wheelhouse-installing', 'x'), { recursive: true });
    },
    hit: true,
    logs: 'A previous installation was interrupted; reinstalling everything.',
    check: (place) => {
      assert.ok(!existsSync(join(packagesOf(place), '.wheelhouse-installing')));
    },
  },
  {
    fault: 'PYTHONPATH has a dependency in a version that satisfies the requirement',
    ...loose,
    arrange: onPath(beta),
    hit: true,
    installed: ['alpha==1.0'],
    check: (place) => rmSync(join(place.own, 'lib'), { recursive: true }),
  },
  {
    fault: 'PYTHONPATH has a package in another version than the pinned one',
    arrange: onPath(laterBeta),
    hit: true,
  },
  {
    fault: 'an environment with access to the system packages',
    arrange: (place) => {
      const file = join(dirname(dirname(place.python)), 'pyvenv.cfg');
      const text = execFileSync('cat', [file], { encoding: 'utf8' });
      rmSync(file); // It is a link to the pattern's.
      writeFileSync(file, text.replace(/(include-system-site-packages\s*=).*/, '$1 true'));
      pip(place, 'list');
    },
    hit: true,
  },
];

const oddVersions = [
  ['one', '0.1.43ubuntu1'],
  ['two', 'unknown'],
  ['three', '1 0'],
] as const;

const hashed: Row[] = [
  {
    fault: 'with --hash: an installed project without a hash has been removed',
    ...relies,
    arrange: has(beta),
    act: again((place) => pip(place, 'uninstall', '-y', 'beta', 'needy')),
    conclusion: 'failure',
    installed: [],
    says: [
      'warning: The wheelhouse from … could not be installed and is not used: …',
      'error: pip could not …. A single --hash turns on hash checking for everything, including dependencies and inline packages: …beta…',
    ],
    saved: ['…'],
  },
  {
    fault: 'with --hash: an installed project without a hash is too old',
    ...relies,
    arrange: has(beta),
    act: again((place) => {
      pip(place, 'uninstall', '-y', 'needy');
      put(place, earlyBeta);
    }),
    conclusion: 'failure',
    installed: ['beta==1.0'],
    says: [
      'warning: The wheelhouse from … could not be installed and is not used: …',
      'error: pip could not …. The requirements conflict: …beta…',
    ],
    saved: ['…'],
  },
  {
    fault: 'with --hash: an installed project without a hash is newer',
    ...relies,
    arrange: has(beta),
    act: again((place) => {
      pip(place, 'uninstall', '-y', 'needy');
      put(place, laterBeta);
    }),
    hit: true,
    installed: ['beta==3.0', 'needy==1.0'],
    artifacts: [],
    saved: ['…'],
  },
  {
    fault: 'with --hash: installed projects with invalid versions',
    ...relies,
    pip: '23.2.1', // Newer ones refuse to work in such an environment.
    arrange: (place) => {
      put(place, beta);
      for (const [name, version] of oddVersions) {
        const directory = join(packagesOf(place), `${name}-${version}.dist-info`);
        mkdirSync(directory);
        writeFileSync(
          join(directory, 'METADATA'),
          `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
        );
      }
    },
    between: (place) => {
      for (const [name, version] of oddVersions) {
        rmSync(join(packagesOf(place), `${name}-${version}.dist-info`), { recursive: true });
      }
    },
    installed: ['beta==2.0', 'needy==1.0'],
    saved: ['…'],
  },
  {
    fault: 'with --hash: 300 installed projects',
    ...relies,
    ...rubbish(
      Object.fromEntries(
        Array.from({ length: 300 }, (_none, at) => [
          `many${at}-1.0.dist-info/METADATA`,
          `Metadata-Version: 2.1\nName: many${at}\nVersion: 1.0\n`,
        ]),
      ),
    ),
    conclusion: 'failure', // Nothing has installed beta.
    installed: [],
    says: 'error: pip could not …. A single --hash turns on hash checking for everything, including dependencies and inline packages: …beta…',
    saved: [],
    within: 60,
  },
];

const broken: Row[] = [
  {
    fault: 'the metadata directory of another package is empty',
    ...rubbish({ 'other-1.0.dist-info': undefined }),
    hit: true,
  },
  {
    fault: 'the metadata directory of a package of the lock is empty, in another version',
    ...loose,
    ...rubbish({ 'beta-2.0.dist-info': undefined }),
    hit: true,
    installed: ['alpha==1.0'],
  },
  {
    fault: 'a file in place of a metadata directory',
    ...loose,
    ...rubbish({ 'beta-2.0.dist-info': 'nothing\n' }),
    hit: true,
    installed: ['alpha==1.0'],
  },
  {
    fault: 'metadata that are not text',
    ...loose,
    ...rubbish({ 'other-2.0.dist-info/METADATA': '\0\u00ff'.repeat(1000) }),
    hit: true,
    installed: newest,
  },
  {
    fault: 'directories in site-packages named like workflow commands',
    ...rubbish({
      '::error::pwned-1.0.dist-info': undefined,
      'x\n::error::pwned-1.0.dist-info': undefined,
      '..-1.0.dist-info': undefined,
      '$(touch pwned)-1.0.dist-info': undefined,
      '-r-1.0.dist-info': undefined,
    }),
    hit: true,
  },
  {
    fault: 'site-packages with 5,000 directories',
    ...loose,
    ...rubbish(
      Object.fromEntries(Array.from({ length: 5_000 }, (_none, at) => [`dir${at}`, undefined])),
    ),
    hit: true,
    installed: newest,
    within: 60,
  },
];

const manifests: Row[] = [
  {
    fault: 'a manifest relies on 100,000 projects',
    ...lies((manifest) => {
      manifest['relied'] = Array.from({ length: 100_000 }, (_none, at) => ({
        name: `p${at}`,
        version: '1.0',
      }));
    }),
    hit: true,
    artifacts: [],
    within: 60,
  },
  {
    fault: 'a manifest relies on a name with a line break',
    ...lies((manifest) => {
      manifest['relied'] = [{ name: 'x\n-r /etc/passwd', version: '1.0' }];
    }),
    ...refused('"relied[0].name" must be a normalized project name'),
  },
  {
    fault: 'a manifest relies on a version with a URL',
    ...lies((manifest) => {
      manifest['relied'] = [{ name: 'x', version: '1.0 @ http://127.0.0.1:9/' }];
    }),
    ...refused('"relied[0].version" must be a version'),
  },
  {
    fault: 'a manifest lacks a dependency and relies on the environment to have it',
    ...loose,
    ...lies((manifest) => {
      without(manifest, 'beta');
      manifest['relied'] = [{ name: 'beta', version: '3.0' }];
    }),
    installed: newest,
    hit: false,
    artifacts: [alpha.filename, laterBeta.filename],
    saved: ['{key}', '{key}-r1'],
    says: [
      'warning: The wheelhouse from {key} … not in the manifest.',
      'warning: The wheelhouse from {key} could not be installed and is not used: …beta…',
    ],
  },
  {
    fault: 'a manifest relies on another version of a project than the one installed',
    ...loose,
    arrange: async (place) => {
      await tampered((at) =>
        editManifest(at, (manifest) => {
          manifest['relied'] = [{ name: 'beta', version: '9.9' }];
        }),
      )(place);
      put(place, beta);
    },
    hit: true,
    artifacts: [],
  },
  ...(
    [
      ['names an address', 'x] @ http://127.0.0.1:9/evil-1.0-py3-none-any.whl #'],
      ['adds an sdist of the index', 'x] @ {files}evil-1.0.tar.gz\nevil[x'],
      ['adds an option', 'x]\n--index-url {index}\nevil[x'],
      ['is a variable', '$' + '{HOME}'],
    ] as const
  ).map(
    ([what, extra]): Row => ({
      fault: `a manifest names a local project with an extra that ${what}`,
      ...loose,
      arrange: async (place) => {
        await tampered((at) =>
          editManifest(at, (manifest) => {
            const { url } = place.index;
            const files = new URL('/files/', url).href;
            const name = extra.replace('{index}', url).replace('{files}', files);
            manifest['direct'] = [{ ...direct, extras: [name] }];
            manifest['relied'] = [{ name: 'x', version: '1.0' }];
          }),
        )(place);
      },
      installed: newest,
      ...refused('"direct[0].extras[0]" must be the name of an extra'),
      check: ({ index }) => {
        assert.ok(!index.log.some(({ path }) => path.includes('evil')), 'nothing else is fetched');
      },
    }),
  ),
  {
    fault: 'a manifest names local projects with URLs and malformed texts as dependencies',
    ...loose,
    arrange: async (place) => {
      await tampered((at) =>
        editManifest(at, (manifest) => {
          manifest['direct'] = [
            'evil @ {index}/evil-1.0-py3-none-any.whl',
            'evil @ file:///{own}/evil.tar.gz',
            '${PIP_INDEX_URL}',
            'x\nRequires-Dist: evil @ {index}/evil-1.0-py3-none-any.whl',
            '-r /etc/passwd',
          ].map((text, at_) => ({
            ...{ ...direct, name: `other${at_}` },
            requires: [
              text
                .replace('{index}', place.index.url.replace(/\/$/, ''))
                .replace('{own}', place.own),
            ],
          }));
          manifest['relied'] = [{ name: 'x', version: '1.0' }];
        }),
      )(place);
    },
    installed: newest,
    saved: ['{key}', '{key}-r1'],
    says: 'warning: The wheelhouse from {key} could not be installed and is not used: …',
    check: ({ index }) =>
      assert.deepEqual(
        index.log.filter(({ path }) => /evil/.test(path)),
        [],
      ),
  },
];

group('install: installed versions', versions);
group('install: hashes and installed projects', hashed, { distributions: [needsBeta] });
group('install: broken environments', broken);
group('install: hostile manifests', manifests, { distributions: [evil] });
