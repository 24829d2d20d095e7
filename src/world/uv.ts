/** uv, which can install from the lock. */
import type { Reporter, Uv } from '../ports.ts';
import { run } from './process.ts';
import { runProgram } from './python-program.ts';

export function uvAdapter(reporter: Reporter): Uv {
  return {
    async onPath(environment) {
      try {
        const { exitCode } = await run('uv', ['--version'], { env: environment });
        return exitCode === 0 ? 'uv' : undefined;
      } catch {
        return undefined;
      }
    },
    async unpack(interpreter, wheel, directory) {
      const { executable } = interpreter;
      const { exitCode, stdout, output } = await runProgram(
        executable,
        'unpack_uv',
        [wheel, directory],
        { env: {} },
      );
      if (exitCode !== 0) throw new Error(`uv could not be unpacked: ${output}`);
      return stdout;
    },
    run: (command, args, options) =>
      run(command, args, { ...options, onLine: (line) => reporter.foreign(line) }),
  };
}
