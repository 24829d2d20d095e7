/** Runs that are killed, run in parallel or lack something leave no unfinished files and no processes. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { linkedPython } from '../support/jobs.ts';
import { type RunningStep, readActionManifest, type StepResult } from '../support/runner.ts';
import { needsMount, readOnly, smallDisk } from './disks.ts';
import {
  type Act,
  action,
  alpha,
  beta,
  everything,
  group,
  inspectInstalled,
  type Place,
  type Row,
  wheelhouseFaults,
} from './rows.ts';

const notOurs =
  'warning: The wheelhouse is not saved: its state was not written by the main step of this job.';

/** Starts main and waits until pip hangs on a request to the index. */
async function untilPipWaits({ index, job, inputs, nodeOptions }: Place): Promise<RunningStep> {
  // The index answers the probe and one page.
  await index.fail({ kind: 'after', requests: 2, failure: 'timeout' });
  const running = job.start({ action, with: inputs, nodeOptions });
  while (index.count() < 3) await sleep(20);
  return running;
}

async function untilTransferWaits({ cache, job, inputs }: Place): Promise<RunningStep> {
  cache.setFault('download', 'blackhole');
  const running = job.start({ action, with: inputs });
  while (cache.calls('download').length === 0) await sleep(20);
  return running;
}

function endsAt(
  until: (place: Place) => Promise<RunningStep>,
  end: (running: RunningStep) => Promise<StepResult>,
): Act {
  return async (place) => {
    const running = await until(place);
    const begun = performance.now();
    const result = await end(running);
    assert.ok(performance.now() - begun < 3000, 'it ends at once');
    return result;
  };
}

const ended = { conclusion: 'failure', installed: [], empty: true, saved: [] } as const;

/** A PATH with only these programs of the machine. */
function onlyPrograms(place: Place, ...without: string[]): void {
  const bin = join(place.own, 'bin');
  mkdirSync(bin);
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      const isWanted = /^(?:sh|env|tar|gtar|gzip|zstd|zstdmt|unzstd|cat)$/.test(name);
      if (!isWanted || without.includes(name) || existsSync(join(bin, name))) continue;
      symlinkSync(join(directory, name), join(bin, name));
    }
  }
  place.job.env['PATH'] = bin;
}

/** Makes pip print garbage and workflow commands, then run the given code, then its own. */
function garrulous(place: Place, then: string): void {
  const lib = join(place.python, '..', '..', 'lib');
  const [version = ''] = readdirSync(lib);
  const main = join(lib, version, 'site-packages', 'pip', '__main__.py');
  const text = readFileSync(main, 'utf8');
  rmSync(main); // It is a link to the pattern's.
  writeFileSync(
    main,
    `import sys
for stream in (sys.stdout, sys.stderr):
    stream.buffer.write(b'::error::pwned\\n##[error]pwned\\n  ::set-env name=A::pwned\\n\\xff\\xfe\\x00\\x1b[2J\\r::add-path::/pwned\\n')
    stream.buffer.write(b'\\xc2\\x85::set-env name=A::pwned\\n a ##vso[task.setvariable variable=A]pwned\\n')
    stream.buffer.write(b'Created wheel for alpha: filename=../../evil.whl\\n' + b'x' * 3000000 + b'\\n')
    stream.flush()
${then}
${text}`,
  );
}

function noCommands({ result }: { result: StepResult }): void {
  assert.deepEqual(
    result.commands.filter(
      ({ name, message }) => /set-env|add-path/.test(name) || message === 'pwned',
    ),
    [],
  );
  // Azure's agent finds commands anywhere in a line; only GitHub's runner reads annotations.
  assert.doesNotMatch(`${result.stdout}${result.stderr}`, /^(?!::).*##vso\[/m);
}

function fakePython({ inputs, own }: Place, script: string): void {
  const file = join(own, 'python');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  inputs['python'] = file;
}

const shared: Act = async (place) => {
  const { job, own, python, inputs } = place;
  writeFileSync(join(job.workspace, 'other.txt'), 'beta==3.0\n');
  const wheelhouse = join(own, 'shared');
  const others = [1, 2, 3].map((number) => linkedPython(join(own, `environment-${number}`)));
  const [one = '', two = '', three = ''] = await Promise.all(others);
  const step = (to: string, requirements: string): Promise<StepResult> =>
    job.step({ action, with: { ...inputs, python: to, requirements, wheelhouse } });
  const results = await Promise.all([
    step(python, 'requirements.txt'),
    step(one, 'other.txt'),
    step(two, 'requirements.txt'),
    step(three, 'other.txt'),
  ]);
  for (const result of results) assert.equal(result.conclusion, 'success', result.log);
  for (const [at, to] of [one, two, three].entries()) {
    assert.deepEqual(await inspectInstalled(to), {
      installed: at === 1 ? everything : ['beta==3.0'],
      faults: [],
    });
  }
  assert.deepEqual(wheelhouseFaults(wheelhouse), []);
  assert.deepEqual(
    readdirSync(own).filter((name) => name.startsWith('shared')),
    ['shared'],
  );
  return results[0];
};

const rows: Row[] = [
  {
    fault: 'cancelled (SIGINT, then SIGTERM) while pip fills the wheelhouse',
    ...ended,
    act: endsAt(untilPipWaits, (running) => running.cancel()),
  },
  {
    fault: 'SIGTERM alone while pip fills the wheelhouse',
    ...ended,
    act: endsAt(untilPipWaits, (running) => {
      running.signal('SIGTERM');
      return running.result;
    }),
  },
  {
    fault: 'cancelled while an entry is downloaded',
    ...ended,
    empty: false,
    saved: ['{key}'],
    act: endsAt(untilTransferWaits, (running) => running.cancel()),
  },
  {
    fault: 'cancelled while an entry is saved',
    empty: true,
    noPost: true,
    saved: [],
    between: async ({ cache, job }) => {
      cache.setFault('upload', 'blackhole');
      const running = job.startPost();
      while (cache.calls('upload').length === 0) await sleep(20);
      const begun = performance.now();
      await running.cancel();
      assert.ok(performance.now() - begun < 3000, 'it ends at once');
    },
  },
  {
    fault: 'main killed (SIGKILL) while pip fills the wheelhouse',
    ...ended,
    mayLeave: true,
    act: async (place) => {
      const running = await untilPipWaits(place);
      running.signal('SIGKILL');
      const result = await running.result;
      await place.index.fail('reset');
      return result;
    },
  },
  {
    fault: 'main killed before its first output',
    ...ended,
    act: async ({ job, inputs }) => {
      const running = job.start({ action, with: inputs });
      running.signal('SIGKILL');
      return running.result;
    },
  },
  {
    fault: 'post without main',
    ...ended,
    conclusion: 'success',
    act: ({ job }) =>
      job.run(process.execPath, [join(action, String(readActionManifest(action).post))]),
  },
  ...[
    'not json',
    '{"version":2}',
    '{"version":99,"wheelhouse":"/","key":"x","manifest":"x","signature":"x"}',
    '{"version":2,"wheelhouse":"/","key":"x","manifest":"x","signature":"x"}',
  ].map(
    (state): Row => ({
      fault: `post with the state ${state}`,
      ...ended,
      conclusion: 'success',
      act: ({ job }) =>
        job.run(process.execPath, [join(action, String(readActionManifest(action).post))], {
          env: { STATE_wheelhouse: state },
        }),
      says: notOurs,
    }),
  ),
  {
    fault: 'the wheelhouse is deleted before it is saved',
    empty: true,
    saved: [],
    between: ({ job }) => renameSync(join(job.temp, 'wheelhouse'), join(job.temp, 'elsewhere')),
    says: 'warning: The wheelhouse is not saved: it no longer exists.',
  },
  {
    fault: 'a later step changes the wheelhouse before it is saved',
    empty: true,
    saved: [],
    between: ({ job }) => {
      const place = join(job.temp, 'wheelhouse');
      const [name = ''] = readdirSync(place);
      writeFileSync(join(place, name, beta.filename), 'changed');
    },
    says: 'warning: The wheelhouse is not saved: beta-2.0-py3-none-any.whl has 7 bytes instead of 51102.',
  },
  {
    fault: 'two uses of the action in one job',
    empty: true,
    installed: ['alpha==1.0', 'beta==3.0'],
    saved: ['{key}', '…'],
    act: async ({ job, inputs, main }) => {
      const first = await main();
      assert.equal(first.conclusion, 'success', first.log);
      writeFileSync(join(job.workspace, 'other.txt'), 'beta==3.0\n');
      return job.step({ action, with: { ...inputs, requirements: 'other.txt' } });
    },
  },
  {
    fault: 'four jobs at a time that share one wheelhouse directory',
    empty: true,
    with: { 'save-cache': false },
    act: shared,
    saved: [],
  },
  {
    fault: 'disk full while an entry is unpacked',
    skip: needsMount,
    arrange: (place) => smallDisk(place, 600),
    artifacts: [alpha.filename, beta.filename],
    says: [
      'warning: The cache could not be restored: the disk is full; tar failed with exit code 2.',
      'warning: The cache could not be saved: the disk is full; tar failed with exit code 2.',
    ],
  },
  {
    fault: 'disk full while the wheelhouse is filled',
    skip: needsMount,
    ...ended,
    arrange: (place) => smallDisk(place, 200),
    says: 'error: pip could not download or build every wheel. The disk is full: free space, or set the input wheelhouse to a larger disk.…',
  },
  ...[356, 360, 364, 368].map(
    (kilobytes): Row => ({
      fault: `disk full while the wheelhouse is closed (${kilobytes} kB)`,
      skip: needsMount,
      ...ended,
      arrange: (place) => smallDisk(place, kilobytes),
      says: 'error: …The disk is full: free space…',
    }),
  ),
  {
    fault: 'disk full while the archive is created',
    skip: needsMount,
    empty: true,
    saved: [],
    arrange: (place) => smallDisk(place, 520),
    says: 'warning: The cache could not be saved: the disk is full; tar failed with exit code 2.',
  },
  {
    fault: 'the wheelhouse directory can’t be created',
    empty: true,
    arrange: (place) => {
      writeFileSync(join(place.own, 'file'), '');
      place.inputs['wheelhouse'] = join(place.own, 'file', 'wheels');
    },
    says: "warning: The wheelhouse could not be written to {own}/file/wheels: EEXIST: file already exists, mkdir '{own}/file'. It is in {temp}/wheelhouse/….",
  },
  {
    fault: 'the wheelhouse directory is read-only',
    skip: needsMount,
    empty: true,
    arrange: (place) => {
      mkdirSync(join(place.own, 'kept'));
      readOnly(place, join(place.own, 'kept'));
      place.inputs['wheelhouse'] = join(place.own, 'kept', 'wheels');
    },
    says: "warning: The wheelhouse could not be written to {own}/kept/wheels: EROFS: read-only file system, mkdir '{own}/kept/wheels.….new'. It is in {temp}/wheelhouse/….",
  },
  {
    fault: 'the workspace is read-only',
    skip: needsMount,
    empty: true,
    arrange: (place) => readOnly(place, place.job.workspace),
  },
  {
    fault: 'the home directory is read-only',
    skip: needsMount,
    empty: true,
    arrange: (place) => readOnly(place, place.job.home),
  },
  {
    fault: 'the environment to install into is read-only',
    skip: needsMount,
    ...ended,
    empty: false,
    saved: ['{key}'],
    arrange: (place) => readOnly(place, join(place.python, '..', '..')),
    says: "error: pip could not install. See pip's output above; the same command should fail the same way outside this action.\nERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: '{root}/environment/lib/python…/site-packages/…'",
  },
  {
    fault: "the runner's temporary directory is read-only",
    skip: needsMount,
    ...ended,
    arrange: (place) => {
      mkdirSync(join(place.own, 'temp'));
      readOnly(place, join(place.own, 'temp'));
      place.job.env['RUNNER_TEMP'] = join(place.own, 'temp');
    },
    says: "error: A directory that must be writable is read-only: check where the runner stores its files (EROFS: read-only file system, mkdir '{own}/temp/wheelhouse-work-…').",
  },
  {
    fault: 'zstd is not installed',
    empty: true,
    arrange: (place) => onlyPrograms(place, 'zstd', 'zstdmt', 'unzstd'),
  },
  {
    fault: 'tar is not installed',
    arrange: (place) => onlyPrograms(place, 'tar', 'gtar'),
    artifacts: [alpha.filename, beta.filename],
    says: [
      'warning: The cache could not be restored: Failed to restore: Unable to locate executable file: tar. Please verify either the file path exists or the file can be found within a directory specified by the PATH environment variable. Also check the file mode to verify the file is executable.',
      'warning: The cache could not be saved: Failed to save: Unable to locate executable file: tar. Please verify either the file path exists or the file can be found within a directory specified by the PATH environment variable. Also check the file mode to verify the file is executable.',
    ],
  },
  {
    fault: 'tar is not installed, and the cache is empty',
    empty: true,
    saved: [],
    arrange: (place) => onlyPrograms(place, 'tar', 'gtar'),
    says: 'warning: The cache could not be saved: Failed to save: Unable to locate executable file: tar. Please verify either the file path exists or the file can be found within a directory specified by the PATH environment variable. Also check the file mode to verify the file is executable.',
  },
  {
    fault: 'a pip that prints garbage and workflow commands, and works',
    empty: true,
    arrange: (place) => garrulous(place, ''),
    check: noCommands,
  },
  {
    fault: 'a pip that prints garbage, does nothing and exits with 0',
    ...ended,
    arrange: (place) => garrulous(place, 'sys.exit(0)'),
    says: 'error: pip could not download or build every wheel. …',
    check: noCommands,
  },
  {
    fault: 'a pip that prints garbage and crashes',
    ...ended,
    arrange: (place) => garrulous(place, 'import os; os.abort()'),
    says: 'error: pip could not download or build every wheel. …',
    check: noCommands,
  },
  {
    fault: 'a pip that writes a malformed report',
    ...ended,
    arrange: (place) =>
      garrulous(
        place,
        `for a in sys.argv:
    if a.startswith('--report='):
        open(a[9:], 'w').write('[{]')
        sys.exit(0)`,
      ),
    says: 'error: pip could not download or build every wheel. …',
    check: noCommands,
  },
  {
    fault: 'a Python that crashes when it is probed',
    ...ended,
    arrange: (place) => fakePython(place, 'kill -SEGV $$'),
    says: 'error: Could not get information from Python "{own}/python" (exit code 128): no output. Check that it runs: {own}/python -c "print(1)".',
  },
  {
    fault: 'a Python that prints garbage when it is probed',
    ...ended,
    arrange: (place) => fakePython(place, "printf '::error::pwned\\n\\377\\000'"),
    says: 'error: Could not get information from Python "{own}/python" (exit code 0): ::error::pwned…. Check that it runs: {own}/python -c "print(1)".',
    check: noCommands,
  },
  {
    fault: 'a Python that prints half an answer when it is probed',
    ...ended,
    arrange: (place) => fakePython(place, `echo '{"executable": "/x"'`),
    says: 'error: Could not get information from Python "{own}/python" (exit code 0): {"executable": "/x". Check that it runs: {own}/python -c "print(1)".',
  },
  {
    fault: 'a Python that prints an unexpected answer when it is probed',
    ...ended,
    arrange: (place) => fakePython(place, `echo '{"executable": 1}'`),
    says: 'error: Could not get information from Python "{own}/python" (exit code 0): {"executable": 1}. Check that it runs: {own}/python -c "print(1)".',
  },
];

group('process', rows);
