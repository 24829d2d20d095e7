import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareInterpreter } from '../../src/interpreter.ts';
import type { Interpreter, Request } from '../../src/logic/model.ts';
import { fetchedPip } from '../../src/logic/release-age.ts';
import type { World } from '../../src/ports.ts';

const base = {
  executable: '/usr/bin/python3',
  version: '3.8.10',
  pip: '21.1.1',
  pipConfig: { 'global.index-url': 'https://other.example/simple' },
  defaultIndex: 'https://default.example/simple',
  externallyManaged: false,
  keyring: false,
} as unknown as Interpreter;

interface PipRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Makes an environment whose pip is too old. @returns it, what pip ran, and the files for it */
async function makeEnvironment(change: Partial<Request> = {}) {
  const runs: PipRun[] = [];
  const files = new Map<string, string>();
  let probes = 0;
  const world = {
    reporter: { info() {} },
    wheelhouses: { write: async (file: string, text: string) => files.set(file, text) },
    python: {
      probe: async () => {
        probes += 1;
        return probes === 1 ? base : { ...base, executable: '/w/.venv/bin/python', pip: '25.0' };
      },
      createVenv: async () => ({ ...base, executable: '/w/.venv/bin/python' }),
      pip: async (
        _interpreter: Interpreter,
        args: readonly string[],
        { env }: { env: Readonly<Record<string, string>> },
      ) => {
        runs.push({ args, env });
        return { exitCode: 0, output: '' };
      },
    },
  } as unknown as World;
  const request = {
    venv: '/w/.venv',
    workingDirectory: '/w',
    temporary: '/tmp/runner',
    install: true,
    environment: { PATH: '/bin' },
    index: {
      url: 'https://private.example/simple',
      extra: [],
      trustedHosts: [],
      username: 'u',
      password: 'p4ssword',
      mirror: undefined,
    },
    ...change,
  } as unknown as Request;
  const { makeVenv } = await prepareInterpreter(request, world);
  return { made: await makeVenv?.(), runs, files };
}

test('the pip of a new environment is upgraded only from the index that the inputs name', async () => {
  const { made, runs } = await makeEnvironment();
  assert.equal(made?.pip, '25.0');
  assert.deepEqual(
    runs.map(({ args }) => args.at(-1)),
    ['pip'],
  );
  const [run] = runs;
  assert.equal(run?.env['PIP_INDEX_URL'], 'https://u:p4ssword@private.example/simple');
  assert.ok(!JSON.stringify(run).includes('other.example'));
});

test('with a minimum release age, the pip of a new environment gives way to the pinned one', async () => {
  const { runs, files } = await makeEnvironment({ releaseAge: { hours: 168, except: [] } });
  assert.deepEqual(
    runs.map(({ args }) => args.map((arg) => files.get(arg) ?? arg)),
    [['install', '--no-input', '-r', fetchedPip.requirements]],
  );
});
