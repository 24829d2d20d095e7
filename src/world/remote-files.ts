/** Gets requirement files behind URLs: by a request of our own, else as pip would. */
import { messageOf } from '../logic/errors.ts';
import { withoutSecrets } from '../logic/secrets.ts';
import type { RemoteAccess } from '../ports.ts';
import { bytesOf, follow } from './pages.ts';
import { run } from './process.ts';

/** Bytes of a requirement file. */
const maxFile = 16 * 1024 * 1024;
/** Milliseconds for a request of our own, from the look-up of the name to the last byte. */
const quickLimit = 10_000;
/** Seconds for pip, which waits 15 s for each answer and tries up to 6 times. */
const patientLimit = 100;

/** No other way would bring the file. */
class Hopeless extends Error {}

/**
 * The content of a URL. pip is only started where a request of our own gets nothing: that takes half
 * a second, and is the only way with a keyring, a netrc, a client certificate or a proxy of pip's.
 * @throws Error with the reason in a few words, without secrets
 */
export async function remoteFile(url: string, access: RemoteAccess | undefined): Promise<Buffer> {
  let reason: string | undefined;
  if (access?.hasProxy !== true) {
    try {
      return await quickly(url, access?.certificates);
    } catch (error) {
      reason = withoutSecrets(messageOf(error));
      if (error instanceof Hopeless || access === undefined) throw new Error(reason);
    }
  }
  if (access === undefined) throw new Error(reason);
  const { exitCode, stdout } = await run(access.python, ['-c', downloadScript], {
    cwd: access.cwd,
    env: access.env,
    input: JSON.stringify({ url, seconds: patientLimit, bytes: maxFile }),
  });
  const answer = exitCode === 0 ? readAnswer(stdout) : {};
  if (answer.body !== undefined) return Buffer.from(answer.body, 'base64');
  throw new Error(
    answer.status ? statusText(answer.status) : (reason ?? withoutSecrets(answer.error ?? unclear)),
  );
}

const unclear = 'pip could not get it';

async function quickly(address: string, certificates: string | undefined): Promise<Buffer> {
  const url = new URL(address);
  const [username, password] = [url.username, url.password].map(decodeURIComponent);
  url.username = '';
  url.password = '';
  const signal = AbortSignal.timeout(quickLimit);
  try {
    const { response } = await follow(url, {
      credentials: username ? { username, password: password ?? '' } : undefined,
      certificates,
      accept: '*/*',
      signal,
    });
    const { statusCode = 0 } = response.message;
    if (statusCode !== 200) {
      response.message.destroy();
      throw new Error(statusText(statusCode));
    }
    const { bytes, isWhole } = await bytesOf(response, maxFile);
    if (!isWhole) throw new Hopeless(`it is larger than ${maxFile / 1024 / 1024} MB`);
    if (!response.message.complete) throw new Error('the connection ended too early');
    return bytes;
  } catch (error) {
    if (signal.aborted) throw new Error(`it did not arrive within ${quickLimit / 1000} s`);
    throw error;
  }
}

function statusText(status: number): string {
  return `the server answers ${status}`;
}

interface Answer {
  readonly body?: string;
  readonly status?: number;
  readonly error?: string;
}

function readAnswer(stdout: string): Answer {
  try {
    return JSON.parse(stdout) as Answer;
  } catch {
    return {}; // An environment may print something whenever Python starts.
  }
}

/** Gets a URL with pip's own session: its credentials, certificates, proxies and retries. */
const downloadScript = `
import sys
# Modules of the working directory must not stand in for the standard library's.
sys.path[:] = [p for p in sys.path if p]
import base64, json, os, threading

work = json.load(sys.stdin)

def end(answer):
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)

timer = threading.Timer(work['seconds'], end, [{'error': 'it did not arrive within %d s' % work['seconds']}])
timer.daemon = True
timer.start()
try:
    from pip._internal.commands import create_command
    command = create_command('download')
    options, _ = command.parse_args([])
    session = command._build_session(options)
    session.auth.prompting = False
    response = session.get(work['url'], headers={'Cache-Control': 'no-cache'}, stream=True)
    if response.status_code != 200:
        end({'status': response.status_code})
    body = b''
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > work['bytes']:
            end({'error': 'it is larger than %d MB' % (work['bytes'] >> 20)})
    end({'body': base64.b64encode(body).decode('ascii')})
except BaseException as error:
    end({'error': str(error) or type(error).__name__})
`;
