import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareInterpreter } from '../../src/interpreter.ts';
import type { Interpreter, Request } from '../../src/logic/model.ts';
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

test('the pip of a new environment is upgraded only from the index that the inputs name', async () => {
  const runs: { args: readonly string[]; env: Readonly<Record<string, string>> }[] = [];
  let probes = 0;
  const world = {
    reporter: { info() {} },
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
  } as unknown as Request;

  const { makeVenv } = await prepareInterpreter(request, world);
  const made = await makeVenv?.();
  assert.equal(made?.pip, '25.0');
  assert.deepEqual(
    runs.map(({ args }) => args.at(-1)),
    ['pip'],
  );
  const [run] = runs;
  assert.equal(run?.env['PIP_INDEX_URL'], 'https://u:p4ssword@private.example/simple');
  assert.ok(!JSON.stringify(run).includes('other.example'));
});
