/** Local projects and their builds, which execute their own code and may do anything. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { filesBelow, type ProjectDescription, tinybuildWheel, wheel } from '../support/packages.ts';
import {
  type Act,
  type After,
  action,
  beta,
  everything,
  group,
  type Place,
  type Row,
} from './rows.ts';

const tinybuild = tinybuildWheel();
const evil = wheel({ name: 'evil', version: '9.9' });
const withProject = 'alpha==1.0\nbeta==2.0\n./local\n';
const all = [...everything, 'local==0.1'];

/**
 * Files of a project in the workspace.
 * @param spy what its build back end begins with; `end` what it ends with
 */
function files(
  {
    spy = '',
    end = '',
    ...description
  }: Partial<ProjectDescription> & { readonly spy?: string; readonly end?: string } = {},
  directory = 'local',
): Record<string, Buffer> {
  const made = filesBelow(directory, { name: 'local', version: '0.1', ...description });
  const backend = `${directory}/intree_backend.py`;
  made[backend] = Buffer.from(`${spy}\n${made[backend]}\n${end}`);
  return made;
}

function rewrite({ job }: Place, changed: Record<string, Buffer>): void {
  for (const [name, content] of Object.entries(changed)) {
    writeFileSync(join(job.workspace, name), content);
  }
}

/** Runs the job's step twice, with a change in between. */
function twice(change: (place: Place) => Promise<void> | void = () => {}): Act {
  return async (place) => {
    const first = await place.main();
    assert.equal(first.conclusion, 'success', first.log);
    await change(place);
    place.index.reset();
    return place.main();
  };
}

const base: Pick<Row, 'files' | 'seed' | 'installed'> = {
  files: { 'requirements.txt': withProject },
  seed: withProject,
  installed: all,
};
const fresh: Partial<Row> = { ...base, empty: true, seed: 'beta==2.0\n', saved: ['…'] };
const failed: Partial<Row> = {
  ...fresh,
  conclusion: 'failure',
  installed: [],
  saved: [],
};
const failedBuild =
  'error: pip could not …. A package had to be built from source and the build failed: see its output above. It may need a compiler, headers, or an older version of the package.…';

function noCommands({ result }: After): void {
  assert.deepEqual(
    result.commands.filter(
      ({ name, message }) => /set-env|add-path|set-output/.test(name) || message === 'pwned',
    ),
    [],
  );
  assert.ok(!('pwned' in result.outputs));
}

/** Code of a build backend that adds a dependency to the metadata that pyproject.toml does not have. */
const dependsOnBeta = `_plain = _metadata
def _metadata():
    return _plain() + b'Requires-Dist: beta>=2\\n'
`;

const speech = [
  'Created wheel for evil: filename=evil-9.9-py3-none-any.whl size=1',
  'Successfully installed evil-9.9',
  'File was already downloaded /tmp/beta-3.0-py3-none-any.whl',
  '::set-output name=pwned::x',
  '::error::pwned',
  '##[error]pwned',
];
const says = `for line in ${JSON.stringify(speech)}:
    print(line, flush=True)
    print(line, file=sys.stderr, flush=True)
    with open(os.environ['PIP_LOG'], 'a') as log:
        log.write('2026-01-01T00:00:00,000 ' + line + '\\n')`;

function noEvil(after: After): void {
  noCommands(after);
  const lock = readFileSync(String(after.result.outputs['lock-file']), 'utf8');
  assert.doesNotMatch(lock, /evil/);
}

const builds: Row[] = [
  {
    fault: 'a build backend that fails',
    ...failed,
    project: files({ fail: 'no luck today' }),
    says: failedBuild,
    logs: '…no luck today…',
  },
  {
    fault: 'a build backend that is killed',
    ...failed,
    project: files({ spy: 'import os, signal\nos.kill(os.getpid(), signal.SIGKILL)' }),
    says: failedBuild,
  },
  {
    fault: 'a build backend that is killed, on an exact hit',
    ...base,
    conclusion: 'failure',
    installed: [],
    project: files(),
    arrange: (place) =>
      rewrite(place, files({ spy: 'import os, signal\nos.kill(os.getpid(), 9)' })),
    says: failedBuild,
  },
  {
    fault: "a build backend that prints pip's own lines and workflow commands",
    ...fresh,
    project: files({ spy: `import os, sys\n${says}` }),
    artifacts: ['alpha-1.0-py3-none-any.whl', beta.filename],
    check: noEvil,
  },
  {
    fault:
      "a build backend that prints pip's own lines and workflow commands, with verbose in pip.conf",
    ...fresh,
    project: {
      ...files({ spy: `import os, sys\n${says}` }),
      'pip.conf': Buffer.from('[global]\nverbose = 3\n'),
    },
    arrange: ({ job }) => {
      job.env['PIP_CONFIG_FILE'] = join(job.workspace, 'pip.conf');
    },
    check: noEvil,
  },
  {
    fault: 'a build backend that claims to have been built with a package of the index',
    ...fresh,
    project: files({ spy: `import os, sys\n${says}` }),
    arrange: ({ index, later }) => {
      index.add(evil);
      later(() => index.remove(evil.filename));
    },
    check: noEvil,
  },
  {
    fault: 'a build requirement that the index does not have',
    ...failed,
    project: files({ buildRequires: ['nowhere'] }),
    says: 'error: pip could not …. Check the name, the version and whether the index has a file for this Python and system.…nowhere…',
  },
  {
    fault: 'a build requirement at a URL of a host that is down',
    ...failed,
    project: files({
      buildRequires: ['nowhere @ http://127.0.0.1:9/nowhere-1.0-py3-none-any.whl'],
    }),
    says: 'error: pip could not …. The index could not be reached: …',
  },
  {
    fault: 'a build backend that requests another package than before',
    ...base,
    project: files({ dynamicBuildRequires: ['beta==2.0'] }),
    arrange: (place) => rewrite(place, files({ dynamicBuildRequires: ['beta==3.0'] })),
    hit: false,
    saved: ['{key}', '{key}-d…'],
    logs: 'Partial hit ({key}): ./local could not be built with the packages in the wheelhouse.',
  },
  {
    fault: 'a build requirement that the index removes as soon as the project is built',
    ...fresh,
    project: files({ backend: 'tinybuild' }),
    arrange: ({ index, later }) => later(() => index.add(tinybuild)),
    act: async ({ job, inputs, index }) => {
      const running = job.start({ action, with: inputs });
      while (!index.artifacts().includes(tinybuild.filename)) await sleep(20);
      index.remove(tinybuild.filename);
      return running.result;
    },
    logs: 'Some build requirements of local projects could not be added to the wheelhouse, so the next run will need the index.',
  },
  {
    fault: 'a build backend that deletes the directory that pip writes to',
    ...failed,
    project: files({
      spy: "import os, shutil\nshutil.rmtree(os.path.dirname(os.environ['PIP_LOG']), ignore_errors=True)",
    }),
    says: 'error: …',
  },
  {
    fault: 'a build backend that deletes the sources of the project',
    ...fresh,
    project: files({
      spy: "import os, atexit\natexit.register(lambda: os.path.exists('src/local/__init__.py') and os.remove('src/local/__init__.py'))",
    }),
    conclusion: 'success',
  },
  {
    fault: "a build backend that looks for the runner's files and tokens",
    ...failed,
    project: files({
      spy: `import os, re, sys
found = [name for name in os.environ if re.match('INPUT_|STATE_|ACTIONS_(RUNTIME|RESULTS|CACHE|ID_TOKEN)|GITHUB_(STATE|OUTPUT|ENV|PATH|STEP_SUMMARY)$', name)]
sys.exit('found %s' % (found or 'nothing'))`,
    }),
    says: `${failedBuild}`,
    logs: '…found nothing…',
  },
  {
    fault: 'a build backend that needs the network, on an exact hit while the index is down',
    ...base,
    conclusion: 'failure',
    installed: [],
    project: files(),
    arrange: async (place) => {
      rewrite(
        place,
        files({ spy: `from urllib.request import urlopen\nurlopen('${'http://127.0.0.1:9/'}')` }),
      );
      await place.index.fail('refuse');
    },
    says: ["warning: The index {index}/ can't be used: …", failedBuild],
  },
];

const dependencies: Row[] = [
  {
    fault: 'a project that depends on a path that does not exist',
    ...failed,
    project: files({ requires: ['gone @ file:///nowhere/gone'] }),
    installed: ['local==0.1'],
    says: 'error: pip could not …. …/nowhere/gone…',
  },
  {
    fault: 'a project that depends on itself by path',
    ...fresh,
    arrange: (place) =>
      rewrite(place, files({ requires: [`local @ file://${place.job.workspace}/local`] })),
    project: files(),
    act: twice(),
    hit: true,
    artifacts: [],
  },
  {
    fault: 'two projects that depend on each other by path',
    ...fresh,
    project: { ...files(), ...files({ name: 'other' }, 'other') },
    arrange: (place) => {
      const path = (name: string): string => `${name} @ file://${place.job.workspace}/${name}`;
      rewrite(place, files({ requires: [path('other')] }));
      rewrite(place, files({ name: 'other', requires: [path('local')] }, 'other'));
    },
    act: twice(),
    hit: true,
    installed: [...all, 'other==0.1'],
    artifacts: [],
  },
  {
    fault: 'a project that depends on a URL of a host that is down',
    ...failed,
    project: files({ requires: ['gone @ http://127.0.0.1:9/gone-1.0-py3-none-any.whl'] }),
    installed: ['local==0.1'],
    says: 'error: pip could not …. The server of this URL could not be reached: …',
  },
  {
    fault: 'a project that depends on a URL of the index',
    ...failed,
    project: files(),
    arrange: (place) =>
      rewrite(
        place,
        files({
          requires: [`gone @ ${place.index.url}\${PIP_INDEX_URL}/gone-1.0-py3-none-any.whl`],
        }),
      ),
    installed: ['local==0.1'],
    says: 'error: pip could not …. …',
    check: ({ index }) =>
      assert.ok(!index.log.some(({ path }) => path.includes('http:')), JSON.stringify(index.log)),
  },
  {
    fault: 'a project with the name of a pinned requirement',
    ...failed,
    project: files({ name: 'beta', version: '7.0' }),
    installed: ['beta==7.0'],
    says: 'error: pip could not …. The requirements conflict: relax one of those that pip names.…',
  },
  {
    fault: 'a project with a changed version on an exact hit',
    ...base,
    project: files(),
    arrange: (place) => rewrite(place, files({ version: '0.2' })),
    installed: [...everything, 'local==0.2'],
  },
  {
    fault: 'a build backend that reads dependencies from a file that is not in the key',
    ...base,
    project: files(),
    arrange: (place) => rewrite(place, files({ end: dependsOnBeta })),
    hit: false,
    saved: ['{key}', '{key}-d…'],
    logs: 'Partial hit ({key}): the dependencies of local have changed.',
  },
];

const outages: Row[] = [
  {
    fault: 'the index is down, and the dependencies of a project have changed on an exact hit',
    ...base,
    project: files(),
    arrange: async (place) => {
      rewrite(place, files({ end: dependsOnBeta }));
      await place.index.fail('refuse');
    },
    hit: false,
    says: "warning: The index {index}/ can't be used: the connection was refused. Installing the last good set of these requirements, …",
    logs: 'Partial hit ({key}): the dependencies of local have changed.',
  },
  {
    fault: 'the index is down on an exact hit with a local project',
    ...base,
    project: files({ backend: 'tinybuild' }),
    arrange: ({ index }) => index.fail('refuse'),
    hit: true,
  },
  {
    fault: 'the index is down, and a build requests another package on an exact hit',
    ...base,
    project: files(),
    arrange: async (place) => {
      rewrite(place, files({ dynamicBuildRequires: ['beta==3.0'] }));
      await place.index.fail('refuse');
    },
    conclusion: 'failure',
    installed: [],
    says: ["warning: The index {index}/ can't be used: …", 'error: pip could not …. …'],
  },
];

const distributions = [tinybuild];
group('local projects: builds', builds, { distributions });
group('local projects: dependencies', dependencies, { distributions });
group('local projects: outages', outages, { distributions });
