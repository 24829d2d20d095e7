/** The story of `doctor`: checks everything that a run depends on, and changes nothing. */
import { chooseIndex } from '../choose-index.ts';
import { completeRequest } from '../discover.ts';
import { install } from '../install.ts';
import { checkTarget, venvToMake } from '../interpreter.ts';
import { UserError } from '../logic/errors.ts';
import { ManifestError } from '../logic/manifest.ts';
import type { Request } from '../logic/model.ts';
import { enforcerOf, fetchedPip, releaseAgeText } from '../logic/release-age.ts';
import type { Reporter, World } from '../ports.ts';
import { hideInputs, type KeyedRequest, readRequestWithKeys } from '../request.ts';
import { defaultPlace, type Found, findIntactWheelhouse, judge, wantedOf } from '../restore.ts';
import type { Run } from '../run.ts';
import { Timer } from '../timer.ts';
import { Tools } from '../tools.ts';
import { explain, type Finding } from './diagnosis.ts';
import type { LocalStore } from './local-store.ts';

export interface Diagnosis {
  /** Whether a run would install without asking an index. */
  readonly hit: boolean;
  readonly findings: readonly Finding[];
}

/** What a run would know before it looks for a wheelhouse. */
type Inquiry = KeyedRequest & Pick<Run, 'request' | 'interpreter' | 'tools'>;

type DoctorWorld = World & { readonly store: LocalStore };

/** @throws UserError when a run could not even look for a wheelhouse */
export async function doctor(given: Request, world: DoctorWorld): Promise<Diagnosis> {
  hideInputs(given, world.reporter);
  const request = await completeRequest(given, world);
  const interpreter = await world.python.probe(request);
  const tools = new Tools(request, interpreter, world, install);
  const keyed = await readRequestWithKeys(request, interpreter, world, tools);
  const inquiry: Inquiry = { ...keyed, interpreter, tools };
  const { hit, findings } = await lookUp(inquiry, world);
  return {
    hit,
    findings: [
      requestFinding(inquiry),
      pythonFinding(inquiry),
      ...findings,
      await storeFinding(world.store),
      await indexFinding(inquiry, world, hit),
      ...releaseAgeFindings(inquiry),
    ],
  };
}

/** Says where the lines of the request come from. */
function requestFinding({ requested: { lines } }: Inquiry): Finding {
  const counts = new Map<string, number>();
  for (const { source } of lines) counts.set(source.file, (counts.get(source.file) ?? 0) + 1);
  const parts = [...counts].map(([file, count]) => `${file} (${count})`);
  return { level: 'good', text: `requirements: ${parts.join(', ') || 'none'}` };
}

function pythonFinding({ request, interpreter }: Inquiry): Finding {
  const { version, executable, pip } = interpreter;
  try {
    if (venvToMake(request, interpreter) === undefined) checkTarget(request, interpreter);
  } catch (error) {
    return { level: 'problem', text: adviceOf(error) };
  }
  const text = `Python ${version} at ${executable}, ${pip === undefined ? 'no pip' : `pip ${pip}`}`;
  return { level: 'good', text };
}

/** Returns the message of an error that the user can fix; throws any other error. */
function adviceOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  throw error;
}

/** Looks for a wheelhouse as a run does. */
async function lookUp(inquiry: Inquiry, world: DoctorWorld): Promise<Diagnosis> {
  const { request, interpreter, keys } = inquiry;
  const { wheelhouses, store } = world;
  const findings: Finding[] = [{ level: 'good', text: `key: ${keys.primary}` }];
  const reporter: Reporter = {
    ...world.reporter,
    info: () => {},
    warning: (text) => void findings.push({ level: 'problem', text }),
  };
  const workplace = await wheelhouses.workplace(request.temporary);
  try {
    const scratch = await wheelhouses.stage(workplace);
    const place = request.wheelhouse ?? defaultPlace(request, keys);
    const run: Run = { ...inquiry, place, workplace, scratch, timer: new Timer() };
    const found = await findIntactWheelhouse(run, {
      ...world,
      reporter,
      store: store.withoutTouch(),
    });
    if (found.state !== 'serves') {
      const text = `miss: ${(await differences(run, found, world)).join('\n  - ')}`;
      return { hit: false, findings: [...findings, { level: 'note', text }] };
    }
    const { python } = found.base.manifest;
    if (python !== undefined && python !== interpreter.version) {
      findings.push({
        level: 'note',
        text: `the wheelhouse was made with Python ${python} and this is ${interpreter.version}: a different patch release does not matter`,
      });
    }
    findings.push({
      level: 'good',
      text: `hit: ${found.origin.name} serves; no index requests needed`,
    });
    return { hit: true, findings };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/**
 * Returns what differs between the request and the wheelhouse that a run starts from, or else the
 * most recently used intact one. The first line says which one that is.
 */
async function differences(run: Run, found: Found, world: DoctorWorld): Promise<string[]> {
  const { workplace, keys } = run;
  const wanted = { ...wantedOf(run, world.now()), keys };
  if (found.state === 'usable') {
    const { origin, base, mismatch, reason } = found;
    return [`compared with ${origin.name}:`, ...explain(mismatch, reason, base.manifest, wanted)];
  }
  const entries = await world.store.entries();
  for (const { key } of entries) {
    try {
      const directory = await world.wheelhouses.stage(workplace);
      const restored = await world.store.withoutTouch().restore(directory, key, []);
      const inspected = restored?.arrived
        ? await world.wheelhouses.inspect(directory, 'content')
        : undefined;
      if (inspected === undefined || inspected.faults.length > 0) continue;
      const verdict = await judge(inspected, wanted, world);
      const reasons =
        verdict.kind === 'serves'
          ? [
              'it would serve, but its key has a different cache-suffix or refresh period, or it is for other files',
            ]
          : explain(verdict.mismatch, verdict.reason, inspected.manifest, wanted);
      return [`compared with ${key}:`, ...reasons];
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
    }
  }
  return [entries.length === 0 ? 'the store is empty' : 'the store has no intact wheelhouse'];
}

async function storeFinding(store: LocalStore): Promise<Finding> {
  const fault = await store.writeFault();
  return fault === undefined
    ? { level: 'good', text: 'the store is writable' }
    : {
        level: 'problem',
        text: `the store is not writable, so new wheelhouses are not saved: ${fault}`,
      };
}

/** Which pip enforces a minimum release age. */
function releaseAgeFindings({ request, interpreter }: Inquiry): Finding[] {
  const { releaseAge } = request;
  if (releaseAge === undefined) return [];
  try {
    const pip =
      enforcerOf(releaseAge, interpreter) === 'own'
        ? `pip ${interpreter.pip}`
        : `pip ${fetchedPip.version}, which a run installs for that, as pip ${interpreter.pip} can't`;
    const text = `minimum release age: ${releaseAgeText(releaseAge)}, enforced by ${pip}`;
    return [{ level: 'good', text }];
  } catch (error) {
    return [{ level: 'problem', text: adviceOf(error) }];
  }
}

async function indexFinding(inquiry: Inquiry, world: World, hit: boolean): Promise<Finding> {
  try {
    const { shown, why } = await chooseIndex(inquiry, world);
    return { level: 'good', text: `index: ${shown || 'none'} (${why})` };
  } catch (error) {
    const text = adviceOf(error);
    return hit
      ? { level: 'note', text: `${text.replace(/\.$/, '')} (not needed for a hit)` }
      : { level: 'problem', text };
  }
}
