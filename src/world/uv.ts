/** uv, as an installer from the lock. */
import type { Reporter, Uv } from '../ports.ts';
import { run } from './process.ts';
import { pythonProgram } from './python-program.ts';

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
      const { exitCode, stdout, output } = await run(
        interpreter.executable,
        ['-c', pythonProgram('unpack_uv'), wheel, directory],
        { env: {} },
      );
      if (exitCode !== 0) throw new Error(`uv could not be unpacked: ${output}`);
      return stdout;
    },
    run: (command, args, options) =>
      run(command, args, { ...options, onLine: (line) => reporter.foreign(line) }),
  };
}
