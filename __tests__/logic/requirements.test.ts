import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import vm from 'node:vm';
import fc from 'fast-check';
import { UserError } from '../../src/logic/errors.ts';
import { canonical } from '../../src/logic/key.ts';
import { normalizeName, sameVersion } from '../../src/logic/names.ts';
import {
  type DirectRequirement,
  type IndexRequirement,
  type OptionLine,
  parseLine,
  plainText,
  type RequestLine,
} from '../../src/logic/requirement-line.ts';
import { optionText } from '../../src/logic/requirement-options.ts';
import { expand } from '../../src/logic/requirement-words.ts';
import {
  directRequirements,
  gatherLines,
  indexRequirements,
  isCacheable,
  isHashMode,
  isPinned,
  logicalLines,
  type RequirementSources,
  requestedHashes,
} from '../../src/logic/requirements.ts';
import { fingerprinted, withoutSecrets } from '../../src/logic/secrets.ts';

const root = '/w';
const reading = { environment: {}, workingDirectory: root };
const hex = (letter: string): string => letter.repeat(64);
const hash = (letter: string): string => `sha256:${hex(letter)}`;
/** As files write a variable of the environment. */
const variable = (name: string): string => `\${${name}}`;

/** Gathers from files in memory; their names are relative to the root. */
function gathered(
  files: Readonly<Record<string, string>>,
  sources: Partial<RequirementSources> = {},
  environment: Readonly<Record<string, string>> = {},
): ReturnType<typeof gatherLines> {
  return gatherLines(
    {
      requirements: [{ location: '/w/requirements.txt', shown: 'requirements.txt' }],
      constraints: [],
      packages: [],
      groups: [],
      ...sources,
    },
    {
      workingDirectory: root,
      environment,
      read: async (location) => {
        const name = location.replace(/^\/w\//, '');
        const text = Object.hasOwn(files, name) ? files[name] : undefined;
        if (text === undefined) throw new Error('it does not exist');
        return text;
      },
    },
  );
}

async function linesOf(
  text: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<readonly RequestLine[]> {
  return (await gathered({ 'requirements.txt': text }, {}, environment)).lines;
}

async function indexLines(text: string): Promise<IndexRequirement[]> {
  return indexRequirements(await linesOf(text));
}

/** The one error of a rejected promise: message, file and line. */
async function refusal(
  promise: Promise<unknown>,
): Promise<[message: string, file: string | undefined, line: number | undefined]> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return [error.message, error.file, error.line];
  }
  return assert.fail('it was accepted');
}

describe('logical lines', () => {
  const table: readonly [string, string, (readonly [number, string])[]][] = [
    ['nothing', '', []],
    ['blank lines', '\n \n\t\n', []],
    [
      'each line by itself',
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'CRLF',
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'CR',
      'a\rb\r',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['a byte-order mark', '\uFEFFa', [[1, 'a']]],
    ['a byte-order mark before a comment', '\uFEFF# a\nb', [[2, 'b']]],
    ['white space around', '  a == 1\t\n', [[1, 'a == 1']]],
    [
      'comments',
      '# x\na # y\nb#c\n  #z',
      [
        [2, 'a'],
        [3, 'b#c'],
      ],
    ],
    ['a continuation', 'a\\\nb', [[1, 'ab']]],
    ['a continuation keeps the white space before it', 'a \\\n  --b', [[1, 'a   --b']]],
    [
      'a continuation with CRLF',
      'a \\\r\n b\r\nc',
      [
        [1, 'a  b'],
        [3, 'c'],
      ],
    ],
    [
      'three lines are one',
      '\na\\\nb\\\nc\nd',
      [
        [2, 'abc'],
        [5, 'd'],
      ],
    ],
    ['a comment does not continue', '# a \\\nb', [[2, 'b']]],
    [
      'a comment ends a continuation',
      'a \\\n# b\nc',
      [
        [1, 'a'],
        [3, 'c'],
      ],
    ],
    [
      'a comment that ends in a backslash ends one too',
      'a \\\n# b \\\nc',
      [
        [1, 'a'],
        [3, 'c'],
      ],
    ],
    [
      'a comment behind a continued line',
      'a \\\n  b # c\nd',
      [
        [1, 'a   b'],
        [3, 'd'],
      ],
    ],
    [
      'a comment before the backslash swallows the next line',
      'a # c \\\nb\nd',
      [
        [1, 'a'],
        [3, 'd'],
      ],
    ],
    [
      'a blank line ends a continuation',
      'a \\\n\nb',
      [
        [1, 'a'],
        [3, 'b'],
      ],
    ],
    ['a backslash at the very end', 'a \\', [[1, 'a']]],
    ['a lone backslash', '\\\na', [[1, 'a']]],
    [
      'a backslash before white space is none',
      'a \\ \nb',
      [
        [1, 'a \\'],
        [2, 'b'],
      ],
    ],
    [
      'a # without white space before it stays',
      'a @ https://h/x#egg=a # c',
      [[1, 'a @ https://h/x#egg=a']],
    ],
  ];
  for (const [description, text, expected] of table) {
    test(description, () => {
      assert.deepEqual(
        logicalLines(text).map((each) => [each.line, each.text]),
        expected,
      );
    });
  }

  test('line numbers count physical lines, whatever their ending', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('', '# c', 'a', 'b # c'), { maxLength: 20 }),
        fc.array(fc.constantFrom('\n', '\r\n'), { minLength: 20, maxLength: 20 }),
        (contents, endings) => {
          const text = contents.map((content, index) => content + endings[index]).join('');
          assert.deepEqual(
            logicalLines(text),
            contents.flatMap((content, index) =>
              /^[ab]/.test(content) ? [{ text: content[0], line: index + 1 }] : [],
            ),
          );
        },
      ),
    );
  });
});

describe('an index requirement', () => {
  const table: readonly [string, Partial<IndexRequirement>][] = [
    ['requests', { name: 'requests', pin: undefined, marker: undefined, hashes: [] }],
    ['Zope._Interface', { name: 'zope-interface' }],
    ['requests[a, B]>=2', { name: 'requests', pin: undefined }],
    ['requests==2.31', { pin: '2.31' }],
    ['requests == 2.31', { pin: '2.31' }],
    ['requests===2.31-odd', { pin: '2.31-odd' }],
    ['requests (==2.31)', { pin: '2.31' }],
    ['requests[x](==2.31)', { name: 'requests', pin: '2.31' }],
    ['requests==2.*', { pin: undefined }],
    ['requests==2.31,>2', { pin: undefined }],
    ['requests>=2,==2.31', { pin: undefined }],
    ['requests~=2.31', { pin: undefined }],
    ['requests!=2.31', { pin: undefined }],
    ['requests<=2.31', { pin: undefined }],
    ['requests==1!2.0+cpu.1', { pin: '1!2.0+cpu.1' }],
    ['a; python_version < "3"', { marker: 'python_version < "3"' }],
    ["a==1;extra=='x'", { pin: '1', marker: "extra=='x'" }],
    [
      `a==1 --hash=${hash('a')} --hash ${hash('B')}`,
      { pin: '1', hashes: [hash('a'), hash('b')], options: [] },
    ],
    [
      `a==1 ; os_name=="nt" --hash=sha512:${'c'.repeat(128)}`,
      {
        marker: 'os_name=="nt"',
        hashes: [`sha512:${'c'.repeat(128)}`],
        options: [],
      },
    ],
    [
      'a [ B , c_D ] (>= 1 , < 2) ; os_name=="nt"',
      { extras: ['B', 'c_D'], specifiers: ['>=1', '<2'] },
    ],
  ];
  for (const [text, expected] of table) {
    test(text.replaceAll(/([0-9a-f])\1{9,}/gi, '$1…'), async () => {
      const [line, ...more] = await linesOf(text);
      assert.equal(more.length, 0);
      assert.ok(line?.kind === 'index', line?.kind);
      assert.equal(line.text, text);
      for (const [field, value] of Object.entries(expected)) {
        assert.deepEqual(line[field as keyof IndexRequirement], value, field);
      }
    });
  }

  test('an index requirement is printed without hashes, and its options separately', async () => {
    for (const [text, plain, options] of [
      [`a==1 --hash=${hash('a')} --hash ${hash('B')}`, 'a==1', []],
      [`a==1 ; os_name=="nt" --hash=sha512:${'c'.repeat(128)}`, 'a==1 ; os_name=="nt"', []],
      ['A_b [ x , Y ] (>=1 , <2)', 'A_b[x,Y]>=1,<2', []],
      ['a==1 --config-settings="x=y"', 'a==1', ['--config-settings "x=y"']],
      ['a==1 --config-settings x=y --pre', 'a==1', ['--config-settings "x=y"']],
    ] as const) {
      const [line] = await linesOf(text);
      assert.ok(line?.kind === 'index');
      assert.equal(plainText(line), plain);
      assert.deepEqual(line.options.map(optionText), options);
    }
  });

  test('variables are expanded for parsing and unexpanded for pip', async () => {
    const [line] = await linesOf(`a==${variable('V')}`, { V: '1.5' });
    assert.ok(line?.kind === 'index');
    assert.equal(line.pin, '1.5');
    assert.equal(line.shown, 'a==1.5');
    assert.equal(line.text, `a==${variable('V')}`);
    assert.equal(plainText(line), 'a==1.5');
  });
});

describe('a direct requirement', () => {
  const url = 'https://h.example/p/local-1.0.tar.gz';
  const table: readonly [string, Partial<DirectRequirement>][] = [
    [`local @ ${url}`, { form: 'url', target: url, editable: false, extras: [], hashes: [] }],
    [`local@${url}`, { form: 'url', target: url }],
    [`local[b, A] @ ${url}`, { form: 'url', target: url, extras: ['a', 'b'] }],
    [`local @ ${url} ; os_name=="nt"`, { target: url, marker: 'os_name=="nt"' }],
    [url, { form: 'url', target: url, marker: undefined }],
    [`${url}#sha256=${hex('A')}`, { form: 'url', hashes: [hash('a')] }],
    [`${url} --hash=${hash('a')}`, { form: 'url', target: url, hashes: [hash('a')] }],
    [
      `https://u:p@h.example/x.zip?sig=s#egg=x`,
      {
        form: 'url',
        target: 'https://u:p@h.example/x.zip?sig=s#egg=x',
        shownTarget: fingerprinted('https://h.example/x.zip#egg=x'),
      },
    ],
    [
      'git+https://h.example/r.git@main',
      { form: 'vcs', target: 'git+https://h.example/r.git@main' },
    ],
    [
      'git+ssh://git@h.example/r.git@v1',
      { form: 'vcs', shownTarget: fingerprinted('git+ssh://h.example/r.git@v1') },
    ],
    ['local @ git+file:///srv/r.git@main', { form: 'vcs', target: 'git+file:///srv/r.git@main' }],
    [
      '-e git+https://h.example/r.git#egg=local[b,a]&subdirectory=s',
      { form: 'vcs', editable: true, extras: ['a', 'b'] },
    ],
    ['.', { form: 'path', target: root, shownTarget: '.', editable: false }],
    ['.[test]', { form: 'path', target: root, shownTarget: '.', extras: ['test'] }],
    ['./x', { form: 'path', target: '/w/x', shownTarget: './x' }],
    ['../x', { form: 'path', target: '/x', shownTarget: '../x' }],
    ['dir/x.whl', { form: 'path', target: '/w/dir/x.whl' }],
    ['x-1.0-py3-none-any.whl', { form: 'path', target: '/w/x-1.0-py3-none-any.whl' }],
    ['x.tar.gz', { form: 'path', target: '/w/x.tar.gz' }],
    ['/abs/x', { form: 'path', target: '/abs/x' }],
    ['file:///abs/x', { form: 'path', target: '/abs/x' }],
    ['./x ; os_name=="nt"', { form: 'path', target: '/w/x', marker: 'os_name=="nt"' }],
    [`./x.whl --hash=${hash('a')}`, { form: 'path', target: '/w/x.whl', hashes: [hash('a')] }],
    ['-e .', { form: 'path', editable: true, target: root, shownTarget: '.' }],
    ['-e.', { form: 'path', editable: true, target: root }],
    ['-e ./x[Y_z]', { form: 'path', editable: true, target: '/w/x', extras: ['y-z'] }],
    ['--editable x', { form: 'path', editable: true, target: '/w/x' }],
    ['--editable=x', { form: 'path', editable: true, target: '/w/x' }],
    ['-e "./with space"', { form: 'path', editable: true, target: '/w/with space' }],
  ];
  for (const [text, expected] of table) {
    test(text.replaceAll(/([0-9a-f])\1{9,}/gi, '$1…'), async () => {
      const [line, ...more] = await linesOf(text);
      assert.equal(more.length, 0);
      assert.ok(line?.kind === 'direct', line?.kind);
      assert.equal(line.text, text);
      for (const [field, value] of Object.entries(expected)) {
        assert.deepEqual(line[field as keyof DirectRequirement], value, field);
      }
    });
  }

  for (const [text, expected] of [
    [`${url}#sha256=${hex('a')}`, true],
    [`local @ ${url} --hash=${hash('a')}`, true],
    [url, false],
    [`git+https://h.example/r.git --hash=${hash('a')}`, false],
    [`./x.whl --hash=${hash('a')}`, false],
  ] as const) {
    test(`${text.slice(0, 45)}… is ${expected ? '' : 'not '}cacheable`, async () => {
      const [line] = directRequirements(await linesOf(text));
      assert.ok(line);
      assert.equal(isCacheable(line), expected);
    });
  }

  test('a direct requirement in a constraint file is not installed', async () => {
    const { lines } = await gathered({
      'requirements.txt': '-c c.txt\n./x',
      'c.txt': `local @ ${url}`,
    });
    assert.deepEqual(
      directRequirements(lines).map((line) => line.shownTarget),
      ['./x'],
    );
  });
});

describe('an option', () => {
  const table: readonly [string, string, string][] = [
    ['-i https://h/simple', 'index-url', 'https://h/simple'],
    ['-ihttps://h/simple', 'index-url', 'https://h/simple'],
    ['--index-url https://h/simple', 'index-url', 'https://h/simple'],
    ['--index-url=https://h/simple', 'index-url', 'https://h/simple'],
    ['--extra-index-url   https://h/simple', 'extra-index-url', 'https://h/simple'],
    ['-f https://h/links', 'find-links', 'https://h/links'],
    ['--no-binary=:all:', 'no-binary', ':all:'],
    ['--only-binary "a,b"', 'only-binary', 'a,b'],
    ['--pre', 'pre', ''],
    ['--prefer-binary', 'prefer-binary', ''],
    ['--require-hashes', 'require-hashes', ''],
    ['--trusted-host h', 'trusted-host', 'h'],
  ];
  for (const [text, name, value] of table) {
    test(text, async () => {
      const [line] = await linesOf(text);
      assert.ok(line?.kind === 'option');
      assert.deepEqual([line.name, line.value, line.text], [name, value, text]);
    });
  }

  // pip takes what lies beside the file, else what lies where it runs. The key knows no checkout.
  test('--find-links is relative to its file, then to the directory in which pip runs', async () => {
    const { lines } = await gathered({
      'requirements.txt': '-r sub/r.txt\n-f wheels\n-f /abs\n-f file:///abs',
      'sub/r.txt': '--find-links=../wheels',
    });
    const options = lines.filter((line): line is OptionLine => line.kind === 'option');
    assert.deepEqual(
      options.map((line) => [line.value, line.text]),
      [
        ['../wheels', '--find-links "/w/wheels"'],
        ['../wheels', '--find-links "../wheels"'],
        ['wheels', '--find-links "/w/wheels"'],
        ['wheels', '--find-links "wheels"'],
        ['/abs', '-f /abs'],
        ['file:///abs', '-f file:///abs'],
      ],
    );
  });

  test('secrets of an index are passed on but not shown', async () => {
    const [line] = await linesOf(`-i https://u:${variable('T')}@h/simple`, { T: 's3cret' });
    assert.ok(line?.kind === 'option');
    assert.equal(line.value, 'https://u:s3cret@h/simple');
    assert.equal(line.shown, '-i https://h/simple');
    assert.equal(line.text, `-i https://u:${variable('T')}@h/simple`);
  });

  test('several options in a line become one line each, with variables unexpanded', async () => {
    const text = `--no-index --find-links https://u:${variable('T')}@h/simple --pre`;
    assert.deepEqual(
      (await linesOf(text, { T: 's3cret' })).map((line) => line.text),
      ['--no-index', `--find-links "https://u:${variable('T')}@h/simple"`, '--pre'],
    );
  });

  test('only the first --find-links of a line counts, as in pip', async () => {
    const lines = await linesOf('-f https://h/a --pre -f https://h/b');
    assert.deepEqual(
      lines.map((line) => line.text),
      ['--find-links "https://h/a"', '--pre'],
    );
  });

  test('a line with a variable of several words stays whole and unexpanded', async () => {
    const text = `--pre -f ${variable('TWO')}`;
    const environment = { TWO: 'https://u:s3cret@h/a https://h/b' };
    const lines = await linesOf(text, environment);
    assert.deepEqual(
      lines.map((line) => line.kind === 'option' && [line.name, line.value, line.text]),
      [
        ['pre', '', text],
        ['find-links', 'https://u:s3cret@h/a', ''],
      ],
    );
    assert.deepEqual(await refusal(linesOf(`-i https://h/simple ${text}`, environment)), [
      `"-i https://h/simple ${text}" has a variable that contains several words. Write one option per line.`,
      'requirements.txt',
      1,
    ]);
  });

  test('a variable that contains an option and its value is one line', async () => {
    const text = variable('OPTION');
    const [line, ...more] = await linesOf(text, { OPTION: '--find-links https://u:s3cret@h/a' });
    assert.ok(line?.kind === 'option');
    assert.deepEqual(more, []);
    assert.deepEqual(
      [line.name, line.value, line.text],
      ['find-links', 'https://u:s3cret@h/a', text],
    );
  });

  // pip splits options as a shell does.
  test('an absolute --find-links with a space is one word', async () => {
    const { lines } = await gatherLines(
      {
        requirements: [{ location: '/my work/r.txt', shown: 'r.txt' }],
        constraints: [],
        packages: [],
        groups: [],
      },
      { workingDirectory: '/my work', environment: {}, read: async () => '--find-links wheels' },
    );
    assert.match(lines[0]?.text ?? '', /^--find-links[ =](["'])\/my work\/wheels\1$/);
  });
});

describe('included files', () => {
  test('included files are read in order, each relative to its own directory', async () => {
    const { lines, files } = await gathered({
      'requirements.txt': 'a\n-r sub/b.txt\nz',
      'sub/b.txt': 'b\n-r c.txt\n-c ../limits.txt',
      'sub/c.txt': 'c\nd',
      'limits.txt': 'l<3',
    });
    assert.deepEqual(
      lines.map((line) => [line.text, line.constraint, line.source.file, line.source.line]),
      [
        ['a', false, 'requirements.txt', 1],
        ['b', false, 'sub/b.txt', 1],
        ['c', false, 'sub/c.txt', 1],
        ['d', false, 'sub/c.txt', 2],
        ['l<3', true, 'limits.txt', 1],
        ['z', false, 'requirements.txt', 3],
      ],
    );
    assert.deepEqual(files, [
      { path: 'sub/c.txt', lines: 2 },
      { path: 'limits.txt', lines: 1 },
      { path: 'sub/b.txt', lines: 3 },
      { path: 'requirements.txt', lines: 3 },
    ]);
  });

  for (const option of [
    '-r b.txt',
    '-rb.txt',
    '--requirement b.txt',
    '--requirement=b.txt',
    '-r "b.txt"',
  ]) {
    test(`${option} includes b.txt`, async () => {
      const { lines } = await gathered({ 'requirements.txt': option, 'b.txt': 'b' });
      assert.deepEqual(
        lines.map((line) => line.text),
        ['b'],
      );
    });
  }

  test('a file that is included twice counts once, and once more as a constraint', async () => {
    const { lines } = await gathered({
      'requirements.txt': '-r a.txt\n-r ./sub/../a.txt\n-c a.txt\n-c a.txt',
      'a.txt': 'a',
    });
    assert.deepEqual(
      lines.map((line) => [line.text, line.constraint]),
      [
        ['a', false],
        ['a', true],
      ],
    );
  });

  test('includes in a URL are relative to it, and its secrets are not shown', async () => {
    const read: string[] = [];
    const { files } = await gatherLines(
      {
        requirements: [{ location: '/w/r.txt', shown: 'r.txt' }],
        constraints: [],
        packages: [],
        groups: [],
      },
      {
        workingDirectory: root,
        environment: { T: 's3cret' },
        read: async (location) => {
          read.push(location);
          if (location === '/w/r.txt') return `-r https://u:${variable('T')}@h.example/d/a.txt`;
          return location.endsWith('a.txt') ? '-c ../b.txt' : 'b<1';
        },
      },
    );
    assert.deepEqual(read, [
      '/w/r.txt',
      'https://u:s3cret@h.example/d/a.txt',
      'https://u:s3cret@h.example/b.txt',
    ]);
    assert.deepEqual(
      files.map((file) => file.path),
      ['https://h.example/b.txt', 'https://h.example/d/a.txt', 'r.txt'],
    );
  });

  test('a circular include is an error with all its files', async () => {
    assert.deepEqual(
      await refusal(
        gathered({
          'requirements.txt': 'x\n-r sub/a.txt',
          'sub/a.txt': '\n\n-c ../requirements.txt',
        }),
      ),
      [
        'Circular include in requirement files: requirements.txt → sub/a.txt → requirements.txt. Remove one of these -r or -c lines.',
        'sub/a.txt',
        3,
      ],
    );
  });

  test('a file that includes itself is a circular include', async () => {
    const [message, file, line] = await refusal(
      gathered({ 'requirements.txt': '-r requirements.txt' }),
    );
    assert.match(
      message,
      /Circular include in requirement files: requirements\.txt → requirements\.txt\./,
    );
    assert.deepEqual([file, line], ['requirements.txt', 1]);
  });

  test('a missing file is reported with the line that includes it', async () => {
    assert.deepEqual(await refusal(gathered({ 'requirements.txt': 'a\n-r sub/no.txt' })), [
      "sub/no.txt can't be read: it does not exist.",
      'requirements.txt',
      2,
    ]);
  });

  test('a missing file of an input is reported by its name', async () => {
    assert.deepEqual(await refusal(gathered({})), [
      "requirements.txt can't be read: it does not exist.",
      'requirements.txt',
      undefined,
    ]);
  });

  test('a secret after a file name is not in the error', async () => {
    const text = `-r no.txt https://u:${variable('T')}@h.example/x`;
    const [message] = await refusal(gathered({ 'requirements.txt': text }, {}, { T: 's3cret' }));
    assert.doesNotMatch(message, /s3cret/);
  });
});

describe('PIP_ variables that the user has not set', () => {
  // Only the environment of the fill has them, with credentials.
  for (const text of [
    `beta @ http://other.example/${variable('PIP_INDEX_URL')}/beta-1.0-py3-none-any.whl`,
    `--find-links http://other.example/${variable('PIP_EXTRA_INDEX_URL')}`,
    `-e git+https://other.example/${variable('PIP_CERT')}`,
    `beta==${variable('PIP_X')}`,
  ]) {
    test(`are rejected: ${text}`, async () => {
      const name = /\$\{\w+\}/.exec(text)?.[0];
      assert.deepEqual(await refusal(linesOf(`a\n${text}`)), [
        `"${text}" uses ${name}, which is not set. Set it in the job's environment, or use a variable with another name.`,
        'requirements.txt',
        2,
      ]);
    });
  }

  test('are expanded if the user has set them', async () => {
    const text = `beta @ http://h.example/${variable('PIP_X')}/beta.zip`;
    assert.equal((await linesOf(text, { PIP_X: 'x' })).length, 1);
  });

  test('are rejected if an input replaces them, except to name the index', () => {
    const context = {
      ...reading,
      environment: { PIP_INDEX_URL: 'https://mine.example/simple' },
      replacedVariables: new Set(['PIP_INDEX_URL']),
    };
    const place = { source: { file: 'r.txt', line: 7 }, constraint: false };
    const url = variable('PIP_INDEX_URL');
    for (const text of [`-f ${url}`, `-i ${url} -f x`, `-e git+${url}`, `b @ ${url}/b.zip`]) {
      assert.throws(
        () => parseLine(text, place, context),
        (error) => error instanceof UserError && error.line === 7,
      );
    }
    assert.ok('lines' in parseLine(`-i ${url}`, place, context));
  });
});

describe('an invalid line', () => {
  for (const [text, shown] of [
    ['two words', 'two words'],
    ['==1.0', '==1.0'],
    ['a[x', 'a[x'],
    ['réquests', 'réquests'],
    ['a-', 'a-'],
    ['a @@ b', undefined],
    ['"a"', '"a"'],
    ['a $(id)', 'a $(id)'],
    ['a `id`', 'a `id`'],
    ['::set-output name=x::y', undefined],
    ['x https://u:p@h/y?z', undefined],
  ] as const) {
    test(text, async () => {
      const attempt = linesOf(`\n${text}\n`);
      if (shown === undefined) {
        const outcome = await attempt.then(
          () => '',
          (error: Error) => error.message,
        );
        assert.doesNotMatch(outcome, /u:p@/);
        return;
      }
      assert.deepEqual(await refusal(attempt), [
        `"${shown}" is not a requirement. Write a name with an optional version, such as "requests>=2.31", a path or URL, or one of pip's options.`,
        'requirements.txt',
        2,
      ]);
    });
  }

  test('-e without a path is rejected', async () => {
    assert.deepEqual(await refusal(linesOf('-e')), [
      '"-e" has no path or URL. Add one.',
      'requirements.txt',
      1,
    ]);
  });

  test('name @ without a URL is rejected', async () => {
    assert.deepEqual(await refusal(linesOf('local @')), [
      '"local @" has no path or URL. Add one.',
      'requirements.txt',
      1,
    ]);
  });

  for (const option of ['-r', '--requirement', '-c', '--constraint=']) {
    test(`${option} without a file is rejected`, async () => {
      const [message, file, line] = await refusal(linesOf(`a\n${option}`));
      assert.match(message, /has no file name/);
      assert.deepEqual([file, line], ['requirements.txt', 2]);
    });
  }
});

describe('inline packages', () => {
  const only = (...packages: string[]): ReturnType<typeof gatherLines> =>
    gathered({}, { requirements: [], packages });

  test('may be requirements from an index, a URL or a repository', async () => {
    const { lines } = await only(
      'requests[socks]>=2 ; python_version > "3"',
      'a @ https://h/a.zip',
      'git+https://h/r',
    );
    assert.deepEqual(
      lines.map((line) => [line.kind, line.source.file, line.source.line]),
      [
        ['index', 'input packages', undefined],
        ['direct', 'input packages', undefined],
        ['direct', 'input packages', undefined],
      ],
    );
  });

  for (const text of [
    '-r other.txt',
    '--index-url=https://h/',
    'requests --index-url https://h/',
    'requests\t-e .',
    'requests==1 --hash=sha256:00',
    '-e .',
    '--pre',
    '-',
  ]) {
    test(`an option is rejected: ${text}`, async () => {
      assert.deepEqual(await refusal(only(text)), [
        `"${text}" contains an option; input packages takes requirements only, such as "requests>=2.31". Put options into a requirement file.`,
        'input packages',
        undefined,
      ]);
    });
  }

  for (const text of [
    '.',
    './x',
    '../x',
    '/abs/x',
    'x.whl',
    'file:///abs/x',
    '.[test]',
    './x ; `id`',
  ]) {
    test(`a path is rejected: ${text}`, async () => {
      assert.deepEqual(await refusal(only(text)), [
        `"${text}" is a path; input packages takes requirements only. Put paths and "-e" lines into a requirement file.`,
        'input packages',
        undefined,
      ]);
    });
  }

  test('the error contains no secrets', async () => {
    const [message] = await refusal(only('--index-url https://u:s3cret@h/'));
    assert.doesNotMatch(message, /s3cret/);
  });

  // pip splits lines at each of these (str.splitlines): the generated file must get no line, and no
  // option, that we have not seen.
  for (const separator of [
    '\n',
    '\r',
    '\v',
    '\f',
    '\u001C',
    '\u001D',
    '\u001E',
    '\u0085',
    '\u2028',
    '\u2029',
  ]) {
    const name = `U+${separator.charCodeAt(0).toString(16).padStart(4, '0')}`;
    for (const start of ['a==1', 'a;os_name=="nt"', 'a @ https://h/a.zip']) {
      test(`${name} starts a new line: ${start}`, async () => {
        for (const second of ['b', 'b==1']) {
          const { lines } = await only(`${start}${separator}${second}`);
          assert.deepEqual(
            lines.map((line) => line.text),
            [start, second],
          );
        }
        await refusal(only(`${start}${separator}--pre`));
        await refusal(only(`${start}${separator}./path`));
      });

      test(`an entry of a group must not contain ${name}: ${start}`, async () => {
        for (const second of ['--pre', 'b', 'b==1']) {
          const text = `${start}${separator}${second}`;
          await refusal(
            gathered({}, { requirements: [], groups: [{ text, file: 'pyproject.toml' }] }),
          );
        }
      });
    }
  }

  for (const value of ['--index-url=https://evil.example/', 'a --pre', 'a\n--pre', 'a\nb', './x']) {
    test(`a variable does not smuggle in ${JSON.stringify(value)}`, async () => {
      await refusal(gathered({}, { requirements: [], packages: [variable('X')] }, { X: value }));
    });
  }

  test('a comment after a requirement is ignored', async () => {
    const { lines } = await only('a # why', 'b==1 # use -x');
    assert.deepEqual(
      indexRequirements(lines).map((line) => [line.name, line.pin]),
      [
        ['a', undefined],
        ['b', '1'],
      ],
    );
  });

  test('an error in a dependency group names its file', async () => {
    assert.deepEqual(
      await refusal(
        gathered({}, { requirements: [], groups: [{ text: './x', file: 'sub/pyproject.toml' }] }),
      ),
      [
        '"./x" is a path; sub/pyproject.toml takes requirements only. Put paths and "-e" lines into a requirement file.',
        'sub/pyproject.toml',
        undefined,
      ],
    );
  });
});

test('the lines of a request are in order: files, groups, packages, constraints', async () => {
  const { lines } = await gathered(
    { 'requirements.txt': 'file', 'c.txt': 'limit<1' },
    {
      packages: ['inline'],
      groups: [{ text: 'group', file: 'pyproject.toml' }],
      constraints: [{ location: '/w/c.txt', shown: 'c.txt' }],
    },
  );
  assert.deepEqual(
    lines.map((line) => [line.text, line.constraint]),
    [
      ['file', false],
      ['group', false],
      ['inline', false],
      ['limit<1', true],
    ],
  );
});

describe('whether a version is pinned', () => {
  const table: readonly [string, string, string, boolean][] = [
    ['by ==', 'a==1.0', '1.0', true],
    ['by ===', 'a===1.0', '1.0', true],
    ['not by a range', 'a>=1.0', '1.0', false],
    ['not by a wildcard', 'a==1.*', '1.0', false],
    ['not by two clauses', 'a==1.0,!=2', '1.0', false],
    ['not without a version', 'a', '1.0', false],
    ['not by another project', 'b==1.0', '1.0', false],
    ['in another spelling of the name', 'A==1.0', '1.0', true],
    ['with extras', 'a[x]==1.0', '1.0', true],
    ['1.0 is 1.0.0', 'a==1.0', '1.0.0', true],
    ['1.0.0 is 1', 'a==1.0.0', '1', true],
    ['1.0 is not 1.0.1', 'a==1.0', '1.0.1', false],
    ['10 is not 1', 'a==10', '1', false],
    ['1.10 is not 1.1', 'a==1.10', '1.1', false],
    ['v1.0 is 1.0', 'a==v1.0', '1.0', true],
    ['1.0RC1 is 1.0rc1', 'a==1.0RC1', '1.0rc1', true],
    ['a post release is another version', 'a==1.0', '1.0.post1', false],
    ['a post release', 'a==1.0.post1', '1.0.post1', true],
    ['a post release, spelled with a dash', 'a==1.0-post1', '1.0.post1', true],
    ['a development release', 'a==1.0.dev0', '1.0.dev0', true],
    ['a development release is another version', 'a==1.0', '1.0.dev0', false],
    ['a local version', 'a==1.0+cpu', '1.0+cpu', true],
    ['a local version, spelled with a dash', 'a==1.0+ubuntu-1', '1.0+ubuntu.1', true],
    ['a local version of 1.0.0', 'a==1.0+cpu', '1.0.0+cpu', true],
    ['not another local version', 'a==1.0+cpu', '1.0+cu118', false],
    ['not a local version by its public one', 'a==1.0', '1.0+cpu', false],
    ['an epoch', 'a==1!1.0', '1!1.0', true],
    ['an epoch is another version', 'a==1!1.0', '1.0', false],
    ['a range beside a pin', 'a>=0.5\na==1.0', '1.0', true],
    ['a leading zero is none', 'a==2020.06.01', '2020.6.1', true],
    ['zero is not ten', 'a==1.0.1', '1.10.1', false],
    ['1.0-alpha.2 is 1.0a2', 'a==1.0-alpha.2', '1.0a2', true],
    ['1.0preview is 1.0rc0', 'a==1.0preview', '1.0rc0', true],
    ['1.0c1 is 1.0rc1', 'a==1.0c1', '1.0rc1', true],
    ['1.0a is not 1.0', 'a==1.0a', '1.0', false],
    ['1.0b1 is not 1.0a1', 'a==1.0b1', '1.0a1', false],
    ['1.0-1 is 1.0.post1', 'a==1.0-1', '1.0.post1', true],
    ['1.0-1 is not 1.0.1', 'a==1.0-1', '1.0.1', false],
    ['1.0.rev is 1.0.post0', 'a==1.0.rev', '1.0.post0', true],
    ['1.0post1dev2 is 1.0.post1.dev2', 'a==1.0post1dev2', '1.0.post1.dev2', true],
    ['0!1 is 1', 'a==0!1', '1', true],
    ['a version of another kind', 'a===2004d-Odd', '2004d-odd', true],
    ['another version of another kind', 'a===2004d-odd', '2004d', false],
    ['the first line has the version', 'a==1; os_name=="nt"\na==2; os_name!="nt"', '1', true],
    ['the second line has the version', 'a==1; os_name=="nt"\na==2; os_name!="nt"', '2', true],
    ['another line has the version', 'a==1; os_name=="nt"\na==2; os_name!="nt"', '3', false],
  ];
  for (const [description, text, version, expected] of table) {
    test(description, async () => {
      assert.equal(isPinned(await indexLines(text), 'a', version), expected);
    });
  }

  test('by a constraint', async () => {
    const { lines } = await gathered({ 'requirements.txt': 'a\n-c c.txt', 'c.txt': 'a==1.0' });
    assert.equal(isPinned(indexRequirements(lines), 'a', '1.0'), true);
  });
});

describe('hashes', () => {
  test('hashes are grouped by project, unique and sorted', async () => {
    const lines = await linesOf(
      `B==1 --hash=${hash('b')} --hash=${hash('a')}\nb==1 --hash=${hash('b')}\nc==1`,
    );
    assert.deepEqual([...requestedHashes(lines)], [['b', [hash('a'), hash('b')]]]);
  });

  for (const [description, text, expected] of [
    ['no hash', 'a==1', false],
    ['one hash', `a==1\nb==1 --hash=${hash('a')}`, true],
    ['--require-hashes', '--require-hashes\na==1', true],
    ['a hash in the fragment of a URL', `https://h/a.zip#sha256=${hex('a')}\nb`, false],
  ] as const) {
    test(`${description}: hash mode is ${expected ? 'on' : 'off'}`, async () => {
      assert.equal(isHashMode(await linesOf(text)), expected);
    });
  }

  test('a --hash option of a URL or path: hash mode is on', async () => {
    assert.equal(isHashMode(await linesOf(`https://h/a.zip --hash=${hash('a')}\nb`)), true);
    assert.equal(isHashMode(await linesOf(`./a.whl --hash=${hash('a')}\nb`)), true);
  });

  test('a hash in a constraint turns hash mode on', async () => {
    const { lines } = await gathered({
      'requirements.txt': '-c c.txt\na',
      'c.txt': `a==1 --hash=${hash('a')}`,
    });
    assert.equal(isHashMode(lines), true);
  });
});

describe('variables', () => {
  const environment = { A: '1', B_2: 'two', a: 'lower', EMPTY: '', NESTED: variable('A') };
  for (const [text, expected] of [
    [variable('A'), '1'],
    [`x${variable('A')}y${variable('B_2')}`, 'x1ytwo'],
    [variable('a'), variable('a')],
    [variable('EMPTY'), variable('EMPTY')],
    [variable('UNSET'), variable('UNSET')],
    [variable('NESTED'), variable('A')],
    ['$A', '$A'],
    [variable(''), variable('')],
  ] as const) {
    test(`${text} becomes ${expected}`, () => {
      assert.equal(expand(text, environment).value, expected);
    });
  }
});

describe('secrets of URLs', () => {
  const table: readonly [string, string, string][] = [
    ['none', 'https://h.example/simple', 'https://h.example/simple'],
    ['user and password', 'https://u:p@h.example/simple', 'https://h.example/simple'],
    ['a token as user', 'https://TOKEN:@h.example/simple', 'https://h.example/simple'],
    ['a token as user alone', 'https://TOKEN@h.example/simple', 'https://h.example/simple'],
    ['special characters', "https://u:a%40b!$&'()*+,;=~:c@h.example/x", 'https://h.example/x'],
    ['an at sign in the password', 'https://u:p@ss@h.example/x', 'https://h.example/x'],
    ['quotes in the password', 'https://u:p"x"@h.example/x', 'https://h.example/x'],
    ['a query', 'https://h.example/x.whl?sig=a/b+c==', 'https://h.example/x.whl'],
    ['a query before a fragment', 'https://h/x?t=1#sha256=ab', 'https://h/x#sha256=ab'],
    ['a space in the password', 'https://u:p w@h.example/x y@z', 'https://h.example/x y@z'],
    ['a URL in the password', 'https://u:p://x@h.example/x', 'https://h.example/x'],
    ['no password, but a port with a comma', 'https://h:80, x@y', 'https://h:80, x@y'],
    ['no password, but an address', 'https://[::1]:80/x@y', 'https://[::1]:80/x@y'],
    ['one in the other', 'https://h/https://u:p@i/x?y', 'https://h/https://i/x'],
    ['one beside the other', 'https://h/x,https://u:p@i/y', 'https://h/x,https://i/y'],
    ['one in the fragment of the other', 'https://h/?x#https://u:p@i/y', 'https://h/#https://i/y'],
    ['JSON', '{"a":"https://h/x?y","b":"u@v?w"}', '{"a":"https://h/x","b":"u@v?w"}'],
    ['HTML', '<https://u:p@h/x?y> u@v?w', '<https://h/x> u@v?w'],
    ['quotes around quotes', `'https://u:p"x@h/y?z' u@v`, `'https://h/y' u@v`],
    ['the same quotes around quotes', '"https://u:p"x"@h/y"', '"https://h/y"'],
    ['an at sign in the path', 'git+https://u:p@h/r.git@v1', 'git+https://h/r.git@v1'],
    ['a path with an at sign only', 'https://h/r@v1', 'https://h/r@v1'],
    ['the user of git', 'git+ssh://git@h/r.git', 'git+ssh://git@h/r.git'],
    ['another user of ssh', 'git+ssh://me@h/r.git', 'git+ssh://h/r.git'],
    ['a password of the user of git', 'git+ssh://git:p@h/r.git', 'git+ssh://h/r.git'],
    ['a port', 'http://u:p@h:8080/x', 'http://h:8080/x'],
    ['upper case', 'HTTPS://u:p@H/x', 'HTTPS://H/x'],
    [
      'several in one text',
      'a https://u:p@h/x, then "https://T@i/y?z" and https://j/k',
      'a https://h/x, then "https://i/y" and https://j/k',
    ],
    ['several in lines', 'https://u:p@h/x\nhttps://u:p@h/y', 'https://h/x\nhttps://h/y'],
    ['no URL', 'user@example.org: a?b=c', 'user@example.org: a?b=c'],
    ['an empty text', '', ''],
  ];
  for (const [description, text, expected] of table) {
    test(description, () => assert.equal(withoutSecrets(text), expected));
  }

  for (const mark of '/?#"\'`<>()[]{}|\\^,;:@ \t=&$%!~*+é🐍') {
    for (const quote of ['', '"', "'"]) {
      test(`an unescaped ${mark} in the password, in ${quote || 'no quotes'}`, () => {
        const url = (userinfo: string): string =>
          `-i ${quote}https://${userinfo}h.example/simple${quote}`;
        assert.equal(withoutSecrets(url(`user:s3c${mark}ret@`)), url(''));
      });
    }
  }

  test('any userinfo is removed, and the rest stays', () => {
    const safe = fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=:%@-]{1,30}$/);
    fc.assert(
      fc.property(safe, fc.constantFrom('https', 'git+ssh', 'http'), (userinfo, scheme) => {
        assert.equal(
          withoutSecrets(`--find-links ${scheme}://${userinfo}@h.example/a`),
          `--find-links ${scheme}://h.example/a`,
        );
      }),
    );
  });
});

describe('arbitrary texts', () => {
  const pieces = fc.constantFrom(
    ...['a', 'requests', '==', '1.0', '-r', '-e', '--hash=', 'sha256:00', '@', 'https://', 'u:p@h'],
    ...[
      '[',
      ']',
      '(',
      ')',
      ';',
      '#',
      ' ',
      '\t',
      '\n',
      '\r\n',
      '\\',
      '\\\n',
      '"',
      "'",
      variable('A'),
    ],
    ...[
      'git+',
      'file:',
      '.',
      './',
      '..',
      '-',
      '--',
      '=',
      ',',
      '\uFEFF',
      '\0',
      '\u2028',
      '\u0085',
      '\uD800',
      '🐍',
    ],
    ...['-c ', 'requirements.txt', '::error::', '__proto__', 'constructor', '%00', '%', '&egg='],
  );
  const texts = fc.oneof(
    fc.array(pieces, { maxLength: 30 }).map((all) => all.join('')),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
  );

  test('are parsed or rejected with a UserError, as files and as packages', async () => {
    await fc.assert(
      fc.asyncProperty(texts, fc.boolean(), async (text, inline) => {
        try {
          const { lines } = await gathered(
            { 'requirements.txt': text },
            inline ? { requirements: [], packages: [text] } : {},
            { A: 'value' },
          );
          for (const line of lines) {
            assert.ok(['index', 'direct', 'option'].includes(line.kind));
            assert.notEqual(line.text.trim(), '');
          }
        } catch (error) {
          assert.ok(error instanceof UserError, String((error as Error).stack));
        }
      }),
      { numRuns: 12_000 },
    );
  });

  test('the text of a parsed line is parsed to the same line', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const read = await linesOf(text).catch(() => []);
        for (const line of read) {
          if (line.kind === 'option') continue;
          const again = parseLine(line.text, line, reading);
          assert.deepEqual(again, { lines: [line] });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a line of 1 MB does not hang', () => {
  const run = (text: string): string => text.repeat(Math.ceil(1_000_000 / text.length));
  const table: Readonly<Record<string, string>> = {
    'white space before a #': `a${run(' ')}b#c`,
    'white space before an option': `a==1${run('\t')}-x`,
    'white space in a marker': `a; ${run(' ')}x`,
    'white space before a hash': `a==1${run(' ')}--hash=sha256:00`,
    letters: run('a'),
    'letters behind an option': `--no-binary ${run('a')}`,
    dots: `a${run('.')}`,
    dashes: run('-'),
    'a name and dashes': `a${run('-')}`,
    'brackets that open': run('['),
    'a name and brackets that open': `a${run('[')}`,
    'a path and brackets': `-e ./${run('[x]')}y`,
    'an editable of brackets': `-e ${run('[')}`,
    parentheses: `a${run('(')}`,
    'at signs': `a${run('@')}`,
    'at signs in a URL': `https://${run('@')}`,
    quotes: `--x ${run('"')}`,
    semicolons: `a${run(';')}`,
    'fragments of a repository': `git+https://h/r${run('#egg=')}`,
    'hash options': `a==1 ${run('--hash')}`,
    'zeros of a version': `a==1${run('.0')}x`,
    'variables that open': run(`$\{A`),
    backslashes: run('\\'),
    'number signs': `a${run(' #')}`,
    'schemes of URLs': run('http://'),
    'schemes of URLs and passwords': run('a://b:c/'),
    'schemes of URLs and open quotes': run('<a://b:c '),
    'schemes of URLs and queries': run('a://?#'),
    'schemes of URLs, and then nothing': `${run('a://b:c')}${run('x')}`,
    colons: run('a:'),
    'at signs and digits': run('0@'),
    options: run('-x '),
    'options with words': `--pre ${run('a ')}`,
    extras: `a[${run('x,')}x]`,
    versions: `a${run('==1,')}`,
    'a marker': `a; ${run("'x'==")}`,
    'dots of an archive': `./${run('.tar')}`,
    'white space': `a${run(' \t')}b`,
  };
  for (const [description, text] of Object.entries(table)) {
    test(description, () => {
      const read = (): void => {
        for (const logical of logicalLines(text)) {
          try {
            const parsed = parseLine(
              logical.text,
              { source: { file: 'f', line: 1 }, constraint: false },
              reading,
            );
            const lines = 'lines' in parsed ? parsed.lines : [];
            lines.forEach(canonical);
            isPinned(indexRequirements(lines), 'a', text);
            requestedHashes(lines);
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        }
        withoutSecrets(text);
        expand(text, { A: '1' });
        normalizeName(text);
        sameVersion(text, `1${text}`);
      };
      // Only V8's own clock stops a pattern that doesn't come back. A part of a second should do.
      vm.runInNewContext('read()', { read }, { timeout: 10_000 });
    });
  }
});
