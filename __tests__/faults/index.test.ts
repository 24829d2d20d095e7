/** Package indexes that change, lie or must not be used, and the settings of pip that choose them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { python as systemPython } from '../../scripts/tools.mjs';
import { wheel } from '../support/packages.ts';
import { freshPython } from '../support/python.ts';
import {
  type Act,
  beta,
  everything,
  group,
  inspectInstalled,
  laterBeta,
  type Place,
  pinned,
  type Row,
} from './rows.ts';

const latestBeta = wheel({ name: 'beta', version: '4.0' });
const otherBeta = wheel({ name: 'beta', version: '2.0', files: { 'beta/other.py': '' } });
const nowhere = 'http://wheelhouse-tests.invalid/simple/';

function twice(change: (place: Place) => void): Act {
  return async (place) => {
    const first = await place.main();
    assert.equal(first.conclusion, 'success', first.log);
    // The installed packages would satisfy the second run.
    execFileSync(place.python, ['-m', 'pip', '--isolated', 'uninstall', '-q', '-y', 'beta']);
    place.index.reset();
    change(place);
    return place.main();
  };
}

function offers(place: Place, ...distributions: (typeof beta)[]): void {
  place.index.add(...distributions);
}

/** The first use's post step, as both have the same wheelhouse. */
const usedTwice = 'warning: The wheelhouse is not saved: it has changed since this step filled it.';
const cachedPages: Partial<Row> = {
  empty: true,
  with: { refresh: 'always' },
  arrange: ({ index, later }) => {
    index.mode.pageCaching = 'max-age=600';
    later(() => {
      index.mode.pageCaching = 'no-cache';
      for (const name of [latestBeta.filename, laterBeta.filename]) {
        try {
          index.remove(name);
        } catch {
          // It has already been removed.
        }
      }
      index.add(laterBeta);
    });
  },
  saved: ['…'],
  says: usedTwice,
};

const refused = { conclusion: 'failure', installed: [], empty: true, saved: [] } as const;
const nothingSent = ({ index }: Place): void => assert.deepEqual(index.log, []);
const user = { 'index-username': 'ci', 'index-password': 'c4nary' };

const pages: Row[] = [
  {
    fault: "pip's HTTP cache has a page without a new version, with refresh: always",
    ...cachedPages,
    files: { 'requirements.txt': 'beta\n' },
    act: twice((place) => offers(place, latestBeta)),
    installed: ['beta==4.0'],
    artifacts: [latestBeta.filename],
  },
  {
    fault: "pip's HTTP cache has a page with a removed version, with refresh: always",
    ...cachedPages,
    files: { 'requirements.txt': 'beta\n' },
    act: twice((place) => place.index.remove(laterBeta.filename)),
    installed: ['beta==2.0'],
    artifacts: [beta.filename],
  },
  {
    fault: 'the index has replaced a file, with refresh: always',
    with: { refresh: 'always' },
    arrange: ({ index, later }) => {
      index.add(otherBeta);
      later(() => index.add(beta));
    },
    artifacts: [beta.filename],
    saved: ['{key}', '{key}…'],
    check: ({ python }) => {
      execFileSync(python, ['-c', 'import beta.other']);
    },
  },
  {
    fault: 'the index has replaced a file, on an exact hit',
    arrange: ({ index, later }) => {
      index.add(otherBeta);
      later(() => index.add(beta));
    },
    hit: true,
    artifacts: [],
  },
];

const settings: Row[] = [
  {
    fault: 'a requirement file names another index than the one that the credentials are for',
    ...refused,
    with: user,
    files: { 'requirements.txt': `--index-url ${nowhere}\n${pinned}` },
    says: `error: The inputs index-username and index-password are set, but a requirement file names another index than pip's configuration (--index-url ${nowhere}). Set the input index-url to the index that the credentials are for.`,
    check: nothingSent,
  },
  {
    fault: 'an included file names another index than the one that the credentials are for',
    ...refused,
    with: user,
    files: { 'requirements.txt': `${pinned}-r more.txt\n`, 'more.txt': `-i ${nowhere}\n` },
    says: `error: The inputs index-username and index-password are set, but a requirement file names another index than pip's configuration (--index-url ${nowhere}). Set the input index-url to the index that the credentials are for.`,
    check: nothingSent,
  },
  ...['0', 'false', 'no', 'off', 'n', 'F'].map(
    (value): Row => ({
      fault: `PIP_NO_INDEX=${value}`,
      env: { PIP_NO_INDEX: value },
      empty: true,
      saved: ['…'],
    }),
  ),
  {
    fault: 'PIP_NO_INDEX=1 and an empty cache',
    ...refused,
    env: { PIP_NO_INDEX: '1' },
    says: 'error: pip could not …. Check the name, the version and whether the index has a file for this Python and system.…',
    check: nothingSent,
  },
  {
    fault: 'PIP_NO_INDEX has an invalid value',
    ...refused,
    env: { PIP_NO_INDEX: 'perhaps' },
    says: 'error: …',
    check: nothingSent,
  },
  {
    fault: 'an index over http on a host that is not trusted',
    ...refused,
    with: { ...user, 'index-url': nowhere },
    says: `error: The index ${nowhere} can't be used: pip ignores it because it uses plain http; use https, or add its host to the input trusted-host.`,
    check: nothingSent,
  },
  {
    fault: 'a mirror over http on a host that is not trusted',
    with: { 'mirror-url': nowhere },
    empty: true,
    saved: ['…'],
    says: `warning: The mirror ${nowhere} is not used: pip ignores it because it uses plain http; use https, or add its host to the input trusted-host. Using {index}/.`,
  },
  {
    fault: 'a pip that ignores PIP_UPLOADED_PRIOR_TO',
    ...refused,
    pip: '23.2.1',
    env: { PIP_UPLOADED_PRIOR_TO: 'P3D' },
    says: 'error: pip is configured with uploaded-prior-to, which pip 23.2.1 ignores. Upgrade pip to 26.0 or newer before this step, or remove the setting. The input minimum-release-age works with older pips too.',
    check: nothingSent,
  },
  {
    fault: 'PIP_UPLOADED_PRIOR_TO and an index without upload times',
    ...refused,
    env: { PIP_UPLOADED_PRIOR_TO: 'P3D' },
    says: 'error: pip could not …. …upload-time…',
  },
  {
    fault: 'minimum-release-age and an index without upload times',
    ...refused,
    with: { 'minimum-release-age': '7 days' },
    says: 'error: pip could not …. The index {index} does not say when the files of … were uploaded, so no age can be required of them. …',
  },
  {
    fault: 'minimum-release-age and an older pip, with an index that has no newer one',
    ...refused,
    pip: '23.2.1',
    with: { 'minimum-release-age': '7 days' },
    says: 'error: minimum-release-age needs pip 26.3, which is not there and could not be installed: …',
  },
  {
    fault: 'minimum-release-age and no-index',
    ...refused,
    with: { 'minimum-release-age': '7 days' },
    env: { PIP_NO_INDEX: '1' },
    says: 'error: The input minimum-release-age is set, but pip uses no index (no-index is set), and files of find-links have no upload times. Remove one of the two settings.',
    check: nothingSent,
  },
  {
    fault: 'a pip that ignores PIP_BUILD_CONSTRAINT',
    ...refused,
    pip: '22.2',
    files: { 'build.txt': 'tinybuild<2\n' },
    env: { PIP_BUILD_CONSTRAINT: 'build.txt' },
    says: 'error: pip is configured with build-constraint, which pip 22.2 ignores. Upgrade pip to 25.3 or newer before this step, or remove the setting.',
    check: nothingSent,
  },
  {
    fault: 'a pip that ignores only-final in pip.conf',
    ...refused,
    pip: '23.2.1',
    files: { 'pip.conf': '[global]\nonly-final = :all:\n' },
    arrange: ({ job }) => {
      job.env['PIP_CONFIG_FILE'] = join(job.workspace, 'pip.conf');
    },
    says: 'error: pip is configured with only-final, which pip 23.2.1 ignores. Upgrade pip to 26.0 or newer before this step, or remove the setting.',
    check: nothingSent,
  },
];

/** Asserts that the environment of the input venv has all packages, and the other one none. */
function inVenv(directory: string, version?: string): Pick<Row, 'installed' | 'check'> {
  return {
    installed: [],
    check: async ({ job, result }) => {
      const python = join(job.workspace, directory, 'bin', 'python');
      const found = await inspectInstalled(python);
      assert.deepEqual(
        found.installed.filter((each) => !/^setuptools/.test(each)),
        everything,
        result.log,
      );
      if (version === undefined) return;
      const said = execFileSync(python, ['-m', 'pip', '--version'], { encoding: 'utf8' });
      assert.match(said, new RegExp(`^pip ${version.replaceAll('.', '\\.')} `));
    },
  };
}

const environments: Row[] = [
  {
    fault: 'venv: created from a Python with the oldest pip',
    pip: '22.2',
    with: { venv: 'made' },
    hit: true,
    ...inVenv('made', '22.2'),
  },
  {
    fault: 'venv: an existing environment without pip',
    with: { venv: 'made' },
    arrange: ({ job }) => {
      execFileSync(systemPython, ['-m', 'venv', '--without-pip', join(job.workspace, 'made')]);
    },
    conclusion: 'failure',
    installed: [],
    says: 'error: Python … at {workspace}/made/bin/python has no pip. Run "{workspace}/made/bin/python -m ensurepip", or set the input venv.',
  },
  {
    fault: 'venv: an existing environment whose interpreter is a broken link',
    with: { venv: 'made' },
    arrange: ({ job }) => {
      const made = join(job.workspace, 'made');
      freshPython(made);
      rmSync(join(made, 'bin', 'python'));
      execFileSync('ln', ['-s', '/nowhere/python3', join(made, 'bin', 'python')]);
    },
    hit: true,
    ...inVenv('made'),
  },
  {
    fault: 'venv: an unfinished environment with nothing but its pyvenv.cfg',
    with: { venv: 'made' },
    arrange: ({ job }) => {
      mkdirSync(join(job.workspace, 'made'));
      writeFileSync(join(job.workspace, 'made', 'pyvenv.cfg'), 'home = /nowhere\n');
    },
    hit: true,
    ...inVenv('made'),
  },
  {
    fault: 'venv: a directory with other files',
    with: { venv: 'made' },
    files: { 'made/precious.txt': 'precious\n' },
    conclusion: 'failure',
    installed: [],
    says: 'error: {workspace}/made exists and is not a virtual environment. Set the input venv to another directory, or remove that one.',
    check: ({ job }) => assert.ok(existsSync(join(job.workspace, 'made', 'precious.txt'))),
  },
  {
    fault: 'venv: a file',
    with: { venv: 'made' },
    files: { made: 'precious\n' },
    conclusion: 'failure',
    installed: [],
    says: 'error: {workspace}/made exists and is not a virtual environment. Set the input venv to another directory, or remove that one.',
    check: ({ job }) => assert.ok(existsSync(join(job.workspace, 'made'))),
  },
];

group('package index: pages', pages);
group('package index: settings', settings);
group('package index: environments', environments);
