/** The story of `doctor`: looks at everything that a run depends on, and changes nothing. */
import { chooseIndex } from '../choose-index.ts';
import { messageOf, UserError } from '../logic/errors.ts';
import { ManifestError } from '../logic/manifest.ts';
import type { Interpreter, Request } from '../logic/model.ts';
import type { Reporter, World } from '../ports.ts';
import { hideInputs, type KeyedRequest, readRequestWithKeys } from '../request.ts';
import { defaultPlace, type Found, findWheelhouse, judge, wantedOf } from '../restore.ts';
import type { Run } from '../run.ts';
import { Timer } from '../timer.ts';
import { explain, type Finding } from './diagnosis.ts';
import type { LocalStore } from './local-store.ts';

export interface Diagnosis {
  /** Whether a run would install without asking an index. */
  readonly hit: boolean;
  readonly findings: readonly Finding[];
}

type DoctorWorld = World & { readonly store: LocalStore };

/** @throws UserError for anything that would end a run before its wheelhouse is looked for */
export async function doctor(request: Request, world: DoctorWorld): Promise<Diagnosis> {
  hideInputs(request, world.reporter);
  const interpreter = await world.python.probe(request);
  const keyed = await readRequestWithKeys(request, interpreter, world);
  const lookup = await lookUp({ ...keyed, request, interpreter }, world);
  return {
    hit: lookup.hit,
    findings: [
      ...pythonFindings(request, interpreter),
      ...lookup.findings,
      ...(await storeFindings(world.store)),
      await indexFinding(request, interpreter, keyed, world, lookup.hit),
    ],
  };
}

function pythonFindings(request: Request, interpreter: Interpreter): Finding[] {
  const { version, executable, pip, externallyManaged } = interpreter;
  const findings: Finding[] = [
    {
      level: pip === undefined ? 'problem' : 'good',
      text: `Python ${version} at ${executable}, ${pip === undefined ? 'without pip' : `pip ${pip}`}`,
    },
  ];
  if (externallyManaged && request.venv === undefined && request.install) {
    findings.push({
      level: 'problem',
      text: 'this Python is managed by the system, which does not allow pip to install into it (PEP 668): set venv',
    });
  }
  return findings;
}

/** Looks for the wheelhouse as a run does; on a miss, says what the closest entry lacks. */
async function lookUp(
  asked: KeyedRequest & Pick<Run, 'request' | 'interpreter'>,
  world: DoctorWorld,
): Promise<Diagnosis> {
  const { request, interpreter, keys } = asked;
  const { wheelhouses, store } = world;
  const findings: Finding[] = [{ level: 'good', text: `key: ${keys.primary}` }];
  const reporter: Reporter = {
    ...world.reporter,
    info: () => {},
    warning: (text) => void findings.push({ level: 'problem', text: text.replace(/\.$/, '') }),
  };
  const workplace = await wheelhouses.workplace(request.temporary);
  try {
    const scratch = await wheelhouses.stage(workplace);
    const place = request.wheelhouse ?? defaultPlace(request, keys);
    const run = { ...asked, place, workplace, scratch, timer: new Timer() };
    const found = await findWheelhouse(run, { ...world, reporter, store: store.peeking() });
    if (found.state === 'serves') {
      const { python } = found.base.manifest;
      if (python !== undefined && python !== interpreter.version) {
        findings.push({
          level: 'note',
          text: `it was made with Python ${python}, this is ${interpreter.version}: a patch release does not matter`,
        });
      }
      const text = `hit: ${found.origin.name} serves, no index would be asked`;
      return { hit: true, findings: [...findings, { level: 'good', text }] };
    }
    const reasons = await differences(asked, found, world);
    return {
      hit: false,
      findings: [...findings, { level: 'note', text: `miss: ${reasons.join('\n  - ')}` }],
    };
  } finally {
    await wheelhouses.remove(workplace);
  }
}

/** Entries that are compared at most, the last used first, where a run finds nothing to use. */
const maxCompared = 20;

/** What differs between what is wanted and what was found, or else the last used sound entry. */
async function differences(
  asked: KeyedRequest & Pick<Run, 'request' | 'interpreter'>,
  found: Found,
  world: DoctorWorld,
): Promise<string[]> {
  const wanted = { ...wantedOf(asked, world.now()), keys: asked.keys };
  if (found.state === 'usable') {
    const { origin, base, mismatch, reason } = found;
    return [`compared with ${origin.name}:`, ...explain(mismatch, reason, base.manifest, wanted)];
  }
  const entries = await world.store.entries();
  for (const { key, directory } of entries.slice(0, maxCompared)) {
    try {
      const inspected = await world.wheelhouses.inspect(directory);
      if (inspected === undefined || inspected.faults.length > 0) continue;
      const judged = await judge(inspected, wanted, world);
      const reasons =
        judged.kind === 'serves'
          ? ['it would serve, but is stored under a key of another cache-suffix or refresh']
          : explain(judged.mismatch, judged.reason, inspected.manifest, wanted);
      return [`compared with ${key}:`, ...reasons];
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
    }
  }
  return [entries.length === 0 ? 'the store is empty' : 'no sound entry is left'];
}

async function storeFindings(store: LocalStore): Promise<Finding[]> {
  const reason = await store.readOnly();
  return reason === undefined
    ? [{ level: 'good', text: 'the store can be written' }]
    : [{ level: 'problem', text: `the store can't be written, so nothing new is kept: ${reason}` }];
}

async function indexFinding(
  request: Request,
  interpreter: Interpreter,
  { settings, requested }: KeyedRequest,
  world: World,
  hit: boolean,
): Promise<Finding> {
  try {
    const index = await chooseIndex({ request, interpreter, settings, requested }, world);
    return { level: 'good', text: `index: ${index.shown || 'none'} (${index.why})` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const needed = hit ? ' (a hit does not need it)' : '';
    return { level: hit ? 'note' : 'problem', text: `${messageOf(error)}${needed}` };
  }
}
