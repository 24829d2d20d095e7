/** From a request and an interpreter to what is really asked for, and under which key it is kept. */
import { gather } from './gather.ts';
import { type Keys, keysOf } from './plan/key.ts';
import type { Interpreter, Request, RequestedSet, RequestLine } from './plan/model.ts';
import { type PipSettings, pipSettings, withOptionLines } from './plan/pip-settings.ts';
import { secretForms, secretsOfUrl } from './plan/secrets.ts';
import type { Reporter, World } from './ports.ts';

export interface Understanding {
  /** pip's settings, with the index inputs and the option lines of the request in force. */
  readonly settings: PipSettings;
  readonly requested: RequestedSet;
  readonly keys: Keys;
  /** uv on PATH, when it is the installer and is there. */
  readonly uv: string | undefined;
}

/** Keeps the secrets of the inputs out of everything that is shown. */
export function hideInputs(request: Request, reporter: Reporter): void {
  const { url = '', mirror = '', username = '', password = '', extra } = request.index;
  reporter.hide([url, mirror, ...extra].flatMap(secretsOfUrl));
  if (password !== '') reporter.hide(secretForms(username, password));
}

/**
 * Reads pip's settings and the user's files, and keeps their secrets out of what is shown.
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
export async function readRequest(
  request: Request,
  interpreter: Interpreter,
  { reporter, sources }: Pick<World, 'sources' | 'reporter'>,
): Promise<Pick<Understanding, 'settings' | 'requested'>> {
  const configured = pipSettings(interpreter, request.index);
  reporter.hide([...configured.configured.values()].flatMap(secretsOfUrl));
  const requested = await gather(request, configured, sources);
  reporter.hide(requested.lines.flatMap(secretsOfLine));
  return { settings: withOptionLines(configured, requested.lines), requested };
}

/**
 * Reads everything that is asked for; changes nothing.
 * @throws UserError for anything in the user's files that can't be used, with its place
 */
export async function understand(
  request: Request,
  interpreter: Interpreter,
  world: Pick<World, 'sources' | 'uv' | 'reporter' | 'now'>,
): Promise<Understanding> {
  const { settings, requested } = await readRequest(request, interpreter, world);
  const wantsUv = request.installer === 'uv';
  const uv = wantsUv ? await world.uv.onPath(request.environment) : undefined;
  const keys = keysOf(interpreter, requested, settings.configured, {
    refresh: request.refresh,
    suffix: request.cacheSuffix,
    now: world.now(),
    tools: wantsUv && uv === undefined ? ['uv'] : [],
  });
  return { settings, requested, keys, uv };
}

function secretsOfLine(line: RequestLine): string[] {
  if (line.kind === 'index') return [];
  return secretsOfUrl(line.kind === 'option' ? line.value : line.target);
}
