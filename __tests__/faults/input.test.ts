/** Hostile and odd input is neither executed nor taken for a command to the runner. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { inputDefaults } from '../../src/inputs.ts';
import { type After, everything, group, pinned, type Row } from './rows.ts';

/** Each part would create a file if a shell evaluated it. */
const shell = '$(touch {own}/a)`touch {own}/b`;touch {own}/c|touch {own}/d&&touch {own}/e';
const lines = 'x\n::error::pwned\n##[error]pwned\n::set-env name=A::pwned\n::add-path::/pwned';

type Input = keyof typeof inputDefaults;
type Answer = Pick<Row, 'says' | 'conclusion' | 'installed' | 'saved' | 'logs'>;

/** The input accepts the text. */
const taken: Answer = { conclusion: 'success', installed: everything, saved: ['{key}'] };

function refused(...says: string[]): Answer {
  return {
    conclusion: 'failure',
    installed: [],
    saved: [],
    says: says.map((it) => `error: ${it}`),
  };
}

function noFile(input: Input, shown: string): Answer {
  return refused(
    `No file matches "${shown}" of the input ${input} in the working directory. Correct the input, or set working-directory to the folder that contains it.`,
  );
}

function noGroup(group: string): Answer {
  return refused(
    `pyproject.toml can't be read for the group "${group}": it does not exist. Set working-directory, or write path/to/pyproject.toml:group.`,
  );
}

function oneOf(input: Input, text: string, allowed: string): Answer {
  return refused(`The input ${input} is "${text}"; it must be one of ${allowed}.`);
}

function noUrl(input: Input): Answer {
  return refused(
    `The input ${input} is not a valid URL (expected one such as https://index.example/simple).`,
  );
}

const noPath = refused(
  `"${shell}" is not the path of a local project. Write a path with optional extras, such as ".[test]"; markers and options belong into a requirement file.`,
);

function noExtra(text: string): Answer {
  return refused(
    `The input extras contains "${text}", which is not the name of an extra. Write one name per line, or separate them by commas.`,
  );
}

const noRequirement = (text: string): Answer =>
  refused(
    `"${text}" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip's options.`,
  );

const noUser = refused(
  'The input index-password is set without index-username. Set both; if the index ignores the user name (as Azure Artifacts does), use any value.',
);

/** What is said to the shell's text, and to the lines. */
const answers: Record<Input, readonly [Answer, Answer]> = {
  requirements: [noFile('requirements', shell), noFile('requirements', 'x')],
  project: [noPath, refused('./x does not exist.')],
  packages: [noPath, noRequirement('::error::pwned')],
  constraints: [noFile('constraints', shell), noFile('constraints', 'x')],
  extras: [noExtra(shell), noExtra('::error::pwned')],
  groups: [noGroup(shell), noGroup('x')],
  'working-directory': both((text) =>
    refused(
      `The working-directory {workspace}/${text} does not exist. Check the input, and that actions/checkout ran before this step.`,
    ),
  ),
  'cache-dependency-path': [
    noFile('cache-dependency-path', shell),
    noFile('cache-dependency-path', 'x'),
  ],
  python: both((text) =>
    refused(
      `Python "{workspace}/${text}" was not found. Set the input python to an interpreter that exists.`,
    ),
  ),
  venv: [
    { ...taken, installed: [] }, // They are in the environment of that name.
    refused(
      'The virtual environment {workspace}/x…could not be made: …because it contains the PATH separator…',
    ),
  ],
  installer: both((text) => oneOf('installer', text, 'pip, uv')),
  'compile-bytecode': both((text) => oneOf('compile-bytecode', text, 'true, false')),
  editable: both((text) => oneOf('editable', text, 'true, false')),
  'install-project': both((text) => oneOf('install-project', text, 'true, false')),
  install: both((text) => oneOf('install', text, 'true, false')),
  export: both((text) => oneOf('export', text, 'true, false')),
  refresh: both((text) => oneOf('refresh', text, 'auto, always, daily, weekly, monthly, never')),
  recheck: both((text) => oneOf('recheck', text, 'always, daily, weekly, monthly, never')),
  'minimum-release-age': both((text) =>
    refused(
      `The input minimum-release-age is "${text}"; expected a number of hours, days or weeks, such as "7 days", "36 hours", "7d" or "P7D".`,
    ),
  ),
  'minimum-release-age-exclude': both(() =>
    refused(
      'The input minimum-release-age-exclude is set without minimum-release-age. Set both, or remove it.',
    ),
  ),
  'restore-cache': both((text) => oneOf('restore-cache', text, 'auto, true, false')),
  'save-cache': both((text) => oneOf('save-cache', text, 'auto, true, false')),
  'cache-suffix': both((text) =>
    refused(
      `The input cache-suffix is "${text}"; it may only contain letters, digits, ".", "_" and "-".`,
    ),
  ),
  wheelhouse: [taken, taken],
  'index-url': [noUrl('index-url'), noUrl('index-url')],
  'extra-index-url': [noUrl('extra-index-url'), noUrl('extra-index-url')],
  'trusted-host': both(() => refused('pip could not download or build every wheel. …')),
  'index-username': [taken, taken],
  'index-password': [noUser, noUser],
  'mirror-url': [noUrl('mirror-url'), noUrl('mirror-url')],
};

function both(answer: (text: string) => Answer): readonly [Answer, Answer] {
  return [answer(shell), answer(lines)];
}

function nothingRan({ own, result, posts }: After): void {
  assert.deepEqual(readdirSync(own), []);
  for (const step of [result, ...posts]) {
    assert.deepEqual(
      step.commands.filter(
        ({ name, message }) => /set-env|add-path/.test(name) || message === 'pwned',
      ),
      [],
    );
    assert.doesNotMatch(JSON.stringify([step.env, step.path]), /pwned/);
  }
}

function evil(input: Input, text: string, kind: string, answer: Answer): Row {
  return {
    fault: `input ${input}: ${kind}`,
    empty: true,
    arrange: (place) => {
      place.inputs[input] = text.replaceAll('{own}', place.own);
    },
    ...answer,
    check: nothingRan,
  };
}

const everyInput: Row[] = (Object.keys(answers) as Input[]).flatMap((input) => [
  evil(input, shell, '$(…) `…` ; | &&', answers[input][0]),
  evil(input, lines, 'lines with ::commands::', answers[input][1]),
]);

test('the faults of inputs cover every input of action.yml', () => {
  assert.deepEqual(Object.keys(answers).sort(), Object.keys(inputDefaults).sort());
});

const oddNames = [
  '$(touch a).txt',
  '`touch b`; touch c .txt',
  '::error::pwned.txt',
  '##[error]pwned.txt',
  'line\n::error::pwned\n.txt',
  '--index-url=http:x.txt',
  '-r other.txt',
  'it\'s "quoted" & 100% déjà-vu 日本.txt',
  `${'x'.repeat(250)}.txt`,
];

const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(pinned, 'utf16le')]);

const failing = { conclusion: 'failure', installed: [], empty: true, saved: [] } as const;

/** A workspace in a directory of that name. */
function workspace(name: string): Pick<Row, 'arrange'> {
  return {
    arrange: ({ job }) => {
      const to = join(job.root, name);
      renameSync(job.workspace, to);
      // The stand-in runner starts the processes there too.
      symlinkSync(to, job.workspace);
      job.env['GITHUB_WORKSPACE'] = to;
    },
  };
}

function temporary(name: string): Pick<Row, 'arrange'> {
  return {
    arrange: ({ job }) => {
      const to = join(job.root, name);
      mkdirSync(to, { recursive: true });
      job.env['RUNNER_TEMP'] = to;
    },
  };
}

const deep = Array.from({ length: 6 }, () => 'd'.repeat(50)).join('/');

const files: Row[] = [
  {
    fault: 'requirement files with hostile names',
    empty: true,
    files: Object.fromEntries(oddNames.map((name) => [`odd/${name}`, pinned])),
    with: { requirements: 'odd/*' },
    saved: ['…'],
    check: (after) => {
      nothingRan(after);
      for (const part of ['touch a', '日本', 'it\'s "quoted"'])
        assert.ok(after.result.log.includes(part));
      assert.deepEqual(readdirSync(join(after.job.workspace, 'odd')).sort(), [...oddNames].sort());
    },
  },
  {
    fault: 'an error in a requirement file with a hostile name',
    ...failing,
    files: { 'a,b\n::error::pwned\n.txt': '\none two three\n' },
    with: { requirements: 'a*' },
    says: 'error: "one two three" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip\'s options.',
    check: nothingRan,
  },
  ...[
    'one --index-url=http://127.0.0.1:9/',
    '-r requirements.txt',
    '-e .',
    '--index-url http://127.0.0.1:9/',
    'beta --config-settings=x=y',
    'beta --hash=sha256:00',
  ].map(
    (packages): Row => ({
      fault: `packages: ${packages}`,
      ...failing,
      with: { packages },
      says: `error: "${packages}" contains an option; input packages takes requirements only, such as "requests>=2.31". Put options into a requirement file.`,
    }),
  ),
  {
    fault: 'packages: a path of a file',
    ...failing,
    with: { packages: 'file:///etc/passwd' },
    says: 'error: "file:///etc/passwd" is a path; input packages takes requirements only. Put paths and "-e" lines into a requirement file.',
  },
  {
    fault: 'a glob that points outside the workspace: ../*',
    ...failing,
    with: { requirements: '../*' },
    says: 'error: "../*" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    fault: 'a glob that points outside the workspace: /etc/*',
    ...failing,
    with: { requirements: '/etc/*' },
    says: 'error: "/etc/*" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    fault: 'a glob that points outside the workspace: **/../../*',
    ...failing,
    with: { requirements: '**/../../*' },
    says: 'error: "**/../../*" leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    fault: 'a glob that points outside the workspace through a symbolic link',
    ...failing,
    arrange: ({ job, own }) => {
      writeFileSync(join(own, 'secret.txt'), 'beta\n');
      symlinkSync(own, join(job.workspace, 'link'));
    },
    with: { requirements: 'link/*.txt' },
    says: 'error: "link/*.txt" of the input requirements leads outside the workspace. Only files of the checkout can be used: move the file there, or check its repository out into the workspace.',
  },
  {
    fault: 'a loop of symbolic links below a glob',
    arrange: ({ job }) => {
      mkdirSync(join(job.workspace, 'a', 'b'), { recursive: true });
      symlinkSync('..', join(job.workspace, 'a', 'b', 'up'));
      symlinkSync('.', join(job.workspace, 'a', 'self'));
      symlinkSync('loop', join(job.workspace, 'a', 'loop'));
    },
    with: { requirements: '**/requirements.txt' },
    within: 30,
    hit: true,
  },
  {
    fault: 'a requirement file that is a symbolic link to itself',
    ...failing,
    arrange: ({ job }) => symlinkSync('loop.txt', join(job.workspace, 'loop.txt')),
    with: { requirements: 'loop.txt' },
    says: 'error: No file matches "loop.txt" of the input requirements in the working directory. Correct the input, or set working-directory to the folder that contains it.',
  },
  {
    fault: 'a requirement file of 10 MB',
    empty: true,
    files: {
      'requirements.txt': `${pinned}${'# a comment that says nothing at all\n'.repeat(280_000)}`,
    },
    saved: ['…'],
    check: ({ result }) => assert.match(result.log, /[( ]read [0-4]\.\d\d s/),
  },
  {
    fault: 'requirement files that include each other',
    ...failing,
    files: { 'requirements.txt': '-r a.txt\n', 'a.txt': '-c requirements.txt\n' },
    says: 'error: Circular include in requirement files: requirements.txt → a.txt → requirements.txt. Remove one of these -r or -c lines.',
  },
  {
    fault: 'a requirement file in UTF-16 with a byte-order mark',
    files: { 'requirements.txt': utf16 },
    seed: pinned,
    hit: true,
  },
  {
    fault: 'a requirement file in UTF-16 without a byte-order mark',
    ...failing,
    files: { 'requirements.txt': utf16.subarray(2) },
    says: "error: requirements.txt can't be read: line 1 contains a NUL character; save the file as UTF-8 text.",
  },
  {
    fault: 'a requirement file in Latin-1 with a coding line',
    files: {
      'requirements.txt': Buffer.from(`# -*- coding: latin-1 -*-\n# caf\xe9\n${pinned}`, 'latin1'),
    },
    seed: pinned,
    hit: true,
  },
  {
    fault: 'a requirement file in Latin-1 without a coding line',
    ...failing,
    files: { 'requirements.txt': Buffer.from(`${pinned}# caf\xe9\n`, 'latin1') },
    says: "error: requirements.txt can't be read: line 3 is not valid UTF-8; save the file as UTF-8.",
  },
  {
    fault: 'a requirement file with NUL bytes',
    ...failing,
    files: { 'requirements.txt': 'alpha==1.0\nbeta\0==2.0\n' },
    says: "error: requirements.txt can't be read: line 2 contains a NUL character; save the file as UTF-8 text.",
  },
  { fault: 'a space in the path of the workspace', ...workspace('a b c'), hit: true },
  {
    fault: 'quotes, Unicode and more in the path of the workspace',
    ...workspace('it\'s "déjà" $(x) & 日本;[a]*'),
    hit: true,
  },
  {
    fault: '300 characters in the path of the working directory',
    files: { [`${deep}/requirements.txt`]: pinned },
    with: { 'working-directory': deep },
    hit: true,
  },
  {
    fault: "a space in the path of the runner's temporary directory",
    ...temporary('a b'),
    logs: "The cache is not used: the runner's temporary directory \"{root}/a b\" has whitespace, '\"' or ':' in its path, which the cache library can't handle.",
  },
  {
    fault: "Unicode and brackets in the path of the runner's temporary directory",
    ...temporary('déjà-日本[a]'),
    hit: true,
  },
  {
    fault: "quotes and more in the path of the runner's temporary directory",
    ...temporary('it\'s"$(x)&;*'),
    logs: 'The cache is not used: …',
  },
  {
    fault: "300 characters in the path of the runner's temporary directory",
    ...temporary(deep),
    hit: true,
  },
];

group('input: every input', everyInput);
group('input', files);
