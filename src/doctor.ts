/** The story of `doctor`: looks at everything that a run depends on, and changes nothing. */
import { chooseIndex } from './choose-index.ts';
import { differences, type Finding, type Wanted } from './plan/diagnosis.ts';
import { generations } from './plan/key.ts';
import { ManifestError } from './plan/manifest.ts';
import { type Interpreter, messageOf, type Request, UserError } from './plan/model.ts';
import type { Inspected, LocalStore, StoreEntry, World } from './ports.ts';
import { hideInputs, type KeyedRequest, readRequestWithKeys } from './request.ts';

export interface Diagnosis {
  /** Whether a run would install without asking an index. */
  readonly hit: boolean;
  readonly findings: readonly Finding[];
}

/** @throws UserError for anything that would end a run before its wheelhouse is looked for */
export async function doctor(
  request: Request,
  world: World & { readonly store: LocalStore },
): Promise<Diagnosis> {
  hideInputs(request, world.reporter);
  const interpreter = await world.python.probe(request);
  const keyed = await readRequestWithKeys(request, interpreter, world);
  const wanted = {
    keys: keyed.keys,
    interpreter,
    refresh: request.refresh,
    now: world.now(),
  };
  const verdict = await judgeStore(wanted, world);
  return {
    hit: verdict.hit,
    findings: [
      ...pythonFindings(request, interpreter),
      ...verdict.findings,
      ...(await storeFindings(world.store)),
      await indexFinding(request, interpreter, keyed, world, verdict.hit),
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
      text: 'this Python is managed by the system, which forbids pip to install into it (PEP 668): set venv',
    });
  }
  return findings;
}

/** Whether an entry serves, and if not, what of the closest one differs. */
async function judgeStore(
  wanted: Wanted,
  world: World & { readonly store: LocalStore },
): Promise<Diagnosis> {
  const findings: Finding[] = [{ level: 'good', text: `key: ${wanted.keys.primary}` }];
  const entries = await world.store.entries();
  const own = new Set(generations(wanted.keys.primary));
  const [request = '', family = ''] = wanted.keys.restore;
  // As a run looks: its key, an older period of it, then whatever was used last.
  const order = (entry: StoreEntry): number =>
    own.has(entry.key)
      ? 0
      : entry.key.startsWith(request)
        ? 1
        : entry.key.startsWith(family)
          ? 2
          : 3;
  const candidates = [...entries].sort((a, b) => order(a) - order(b));
  let closest: string[] | undefined;
  for (const entry of candidates.slice(0, 20)) {
    const seen = await inspected(entry, world);
    if (typeof seen === 'string') {
      findings.push({ level: 'problem', text: `the entry ${entry.key} is damaged: ${seen}` });
      continue;
    }
    const reasons = differences(seen.manifest, wanted);
    if (reasons.length === 0 && seen.faults.length === 0) {
      const { python } = seen.manifest;
      if (python !== undefined && python !== wanted.interpreter.version) {
        findings.push({
          level: 'note',
          text: `it was made with Python ${python}, this is ${wanted.interpreter.version}: a patch release does not matter`,
        });
      }
      findings.push({ level: 'good', text: `hit: ${entry.key} serves, no index would be asked` });
      return { hit: true, findings };
    }
    if (seen.faults.length > 0) {
      findings.push({
        level: 'problem',
        text: `the entry ${entry.key} is damaged: ${seen.faults.join('; ')}`,
      });
    }
    closest ??= reasons.length > 0 ? [`compared with ${entry.key}:`, ...reasons] : undefined;
  }
  findings.push({
    level: 'note',
    text: `miss: ${closest?.join('\n  - ') ?? (entries.length === 0 ? 'the store is empty' : 'no sound entry is left')}`,
  });
  return { hit: false, findings };
}

async function inspected(entry: StoreEntry, world: World): Promise<Inspected | string> {
  try {
    return (await world.wheelhouses.inspect(entry.directory)) ?? 'it is empty';
  } catch (error) {
    if (error instanceof ManifestError) return error.message;
    throw error;
  }
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
    return { level: 'good', text: `index: ${index.shown || 'none'}, as ${index.why}` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const needed = hit ? ' (a hit does not need it)' : '';
    return { level: hit ? 'note' : 'problem', text: `${messageOf(error)}${needed}` };
  }
}
