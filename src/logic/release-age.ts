/**
 * The input minimum-release-age: files that were uploaded to the index too recently are not chosen.
 * pip enforces it with `--uploaded-prior-to`, which needs an index that says when its files were
 * uploaded (PEP 700).
 */
import { UserError } from './errors.ts';
import { isOlderPip, isValidName, normalizeName } from './names.ts';

/** How old a file must be to be chosen. */
export interface ReleaseAge {
  /** A positive whole number. */
  readonly hours: number;
  /** The projects whose files may be younger: normalised names, sorted, each once. */
  readonly except: readonly string[];
}

/** Hours, days or weeks, in words and in ISO 8601. */
const forms = [
  /^(?:(\d{1,4})\s*h(?:ours?)?|(\d{1,4})\s*d(?:ays?)?|(\d{1,4})\s*w(?:eeks?)?)$/i,
  /^P(?:T(\d{1,4})H|(\d{1,4})D|(\d{1,4})W)$/i,
];

/**
 * Reads the inputs minimum-release-age and minimum-release-age-exclude.
 * @param age `7 days`, `36 hours`, `2 weeks`, `7d`, or a duration of ISO 8601 in one unit (`P7D`,
 *   `PT36H`, `P2W`); empty for no minimum
 * @throws UserError when one of them is not valid
 */
export function readReleaseAge(age: string, exclude: readonly string[]): ReleaseAge | undefined {
  if (age === '') {
    if (exclude.length === 0) return undefined;
    throw new UserError(
      'The input minimum-release-age-exclude is set without minimum-release-age. Set both, or remove it.',
    );
  }
  const form = forms.find((each) => each.test(age));
  const [hours = 0, days = 0, weeks = 0] =
    form
      ?.exec(age)
      ?.slice(1)
      .map((number) => Number(number ?? 0)) ?? [];
  const total = hours + 24 * days + 168 * weeks;
  if (total === 0) {
    throw new UserError(
      `The input minimum-release-age is "${age}"; expected a number of hours, days or weeks, such as "7 days", "36 hours", "7d" or "P7D".`,
    );
  }
  for (const name of exclude) {
    if (isValidName(name)) continue;
    throw new UserError(
      `The input minimum-release-age-exclude contains "${name}", which is not the name of a project. Write one name per line, without a version.`,
    );
  }
  return {
    hours: total,
    except: [...new Set(exclude.map(normalizeName))].sort(),
  };
}

/** The age in a normal form: `7 days`, `36 hours`. */
export function ageText({ hours }: ReleaseAge): string {
  const [count, unit] = hours % 24 === 0 ? [hours / 24, 'day'] : [hours, 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** For people: `7 days, except alpha, beta`. */
export function releaseAgeText(age: ReleaseAge): string {
  return `${ageText(age)}${age.except.length > 0 ? `, except ${age.except.join(', ')}` : ''}`;
}

/** The parts of the cache key. */
export function releaseAgeParts(age: ReleaseAge | undefined): string[] {
  if (age === undefined) return [];
  const except = age.except.join(',');
  return [
    `minimum-release-age=${ageText(age)}`,
    ...(except === '' ? [] : [`minimum-release-age-exclude=${except}`]),
  ];
}

/**
 * The moment before which a file must have been uploaded, to the second.
 * @returns in the form that every pip with `--uploaded-prior-to` reads
 */
export function latestUpload({ hours }: ReleaseAge, now: Date): string {
  const moment = new Date(now.getTime() - hours * 3_600_000);
  return moment.toISOString().replace(/\.\d+Z$/, '+00:00');
}

/** The first pip with `--uploaded-prior-to`. */
const enforcingPip = [26, 0] as const;

/** The pip that stands in for an older one. */
export const fetchedPip = {
  version: '26.3',
  /** The first Python that it supports. */
  python: [3, 10],
  /** A requirement file: the line of scripts/requirements/pip-26.3.txt. */
  requirements: `pip==26.3 \\
    --hash=sha256:6c36ae7da8695be67e3cd9f7d87919667ced53f57ce2ede75d89b5912ed2bc4c \\
    --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13
`,
} as const;

/**
 * Which pip has to choose the files: the environment's own, or the one that is fetched. Exceptions
 * reach into pip (src/python/run_pip.py), so only pips that are known to work with that are used.
 * @throws UserError when neither can be used
 */
export function enforcerOf(
  age: ReleaseAge,
  { pip = '', version }: { readonly pip: string | undefined; readonly version: string },
): 'own' | 'fetched' {
  const [major, minor] = fetchedPip.version.split('.').map(Number) as [number, number];
  const isKnown = isOlderPip(pip, [major, minor + 1]);
  if (!isOlderPip(pip, enforcingPip) && (age.except.length === 0 || isKnown)) return 'own';
  // A version of Python has the form that isOlderPip compares.
  if (!isOlderPip(version, fetchedPip.python)) return 'fetched';
  throw new UserError(
    isOlderPip(version, [3, 9])
      ? `The input minimum-release-age needs Python 3.9 or newer, as older ones have no pip that can enforce it; this is ${version}. Use a newer Python, or remove the input.`
      : `The input minimum-release-age needs pip 26.0 or newer on Python ${version}; this is pip ${pip}. Run "python -m pip install --upgrade pip" before this step, or use Python 3.10 or newer.`,
  );
}
