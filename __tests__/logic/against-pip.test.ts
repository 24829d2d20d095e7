/**
 * The reader of requirement files held against pip's own: the same files are given to both, and
 * what each makes of them is compared. One start of Python reads them all.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';

import { pipDirectory, python } from '../../scripts/tools.mjs';
import { UserError } from '../../src/logic/errors.ts';
import type { RequestLine } from '../../src/logic/requirement-line.ts';
import { gatherLines } from '../../src/logic/requirements.ts';
import type { PipVersion } from '../support/python.ts';

/** Reads files with pip's own parser, as far as pip goes without an index. */
const oracleScript = `
import json, logging, os, sys
logging.disable(logging.CRITICAL)
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_install import check_invalid_constraint_type
from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.utils import canonicalize_name

def describe(parsed):
    req = install_req_from_parsed_requirement(parsed)
    problem = check_invalid_constraint_type(req) if req.constraint else ''
    if problem:
        raise Exception(problem)
    specifiers = list(req.req.specifier) if req.req else []
    pin = None
    if len(specifiers) == 1 and specifiers[0].operator in ('==', '===') and req.link is None:
        if not specifiers[0].version.endswith('.*'):
            pin = specifiers[0].version
    markers = req.markers or (req.req.marker if req.req else None)
    link = req.link
    return {
        'constraint': bool(req.constraint),
        'editable': bool(req.editable),
        'direct': link is not None,
        'vcs': bool(link is not None and link.is_vcs),
        'path': link.file_path if link is not None and link.scheme == 'file' else None,
        'name': canonicalize_name(req.req.name) if req.req and link is None else None,
        'pin': pin,
        'marker': str(markers) if markers else None,
        'extras': sorted(canonicalize_name(extra) for extra in req.extras),
        'hashes': sorted('%s:%s' % (kind, value.lower())
            for kind, values in (req.hash_options or {}).items() for value in values),
    }

def normal(marker):
    try:
        return str(Marker(marker))
    except Exception:
        return 'invalid: ' + marker

work = json.load(sys.stdin)
os.environ.update(work['environment'])
results = []
for directory in work['directories']:
    os.chdir(directory)
    try:
        lines = [describe(each) for each in
            parse_requirements(os.path.join(directory, 'requirements.txt'), session=PipSession())]
        results.append({'lines': lines})
    except Exception as error:
        results.append({'error': '%s: %s' % (type(error).__name__, error)})
json.dump({'results': results, 'markers': {each: normal(each) for each in work['markers']}}, sys.stdout)
`;

/** One requirement line as both readers can tell it. */
interface Told {
  constraint: boolean;
  editable: boolean;
  direct: boolean;
  vcs: boolean;
  path: string | null;
  name: string | null;
  pin: string | null;
  marker: string | null;
  extras: string[];
  hashes: string[];
}

type Reading = { lines: Told[] } | { error: string };

const environment = { VERSION: '1.5', INDEX_TOKEN: 'secret', EMPTY: '' };
/** As files write a variable of the environment. */
const variable = (name: string): string => `\${${name}}`;
const hash = (letter: string): string => `sha256:${letter.repeat(64)}`;

/** A file set that is read from its requirements.txt; all lie beside the projects below. */
type Files = Readonly<Record<string, string>>;

const project = '[project]\nname = "local"\nversion = "1"\n';
/** What every file set can refer to. */
const surroundings: Files = {
  'pkg/pyproject.toml': project,
  'pkg/nested/pyproject.toml': project,
  'with space/pyproject.toml': project,
  'pyproject.toml': project,
  'dist/local-1.0-py3-none-any.whl': 'not read',
  'dist/local-1.0.tar.gz': 'not read',
};

let scratch: string;

before(() => {
  scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'against-pip-')));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

let counter = 0;
function lay(files: Files): string {
  counter += 1;
  const directory = path.join(scratch, String(counter), 'repo');
  for (const [name, text] of Object.entries({ ...surroundings, ...files })) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text.replaceAll('{dir}', directory));
  }
  return directory;
}

function told(line: RequestLine): Told[] {
  if (line.kind === 'option') return [];
  const common = {
    constraint: line.constraint,
    marker: line.marker || null,
    hashes: [...line.hashes].sort(),
  };
  if (line.kind === 'index') {
    const bracket = /^[^;[]*\[([^\]]*)\]/.exec(line.shown)?.[1] ?? '';
    const extras = bracket.split(',').map((extra) => extra.trim().toLowerCase());
    return [
      {
        ...common,
        editable: false,
        direct: false,
        vcs: false,
        path: null,
        name: line.name,
        pin: line.pin ?? null,
        extras: extras
          .map((extra) => extra.replace(/[-_.]+/g, '-'))
          .filter(Boolean)
          .sort(),
      },
    ];
  }
  return [
    {
      ...common,
      // A hash in the fragment is no option: pip keeps it in the link.
      hashes: line.hashes.filter((each) => !line.shown.includes(each.replace(':', '='))),
      editable: line.editable,
      direct: true,
      vcs: line.form === 'vcs',
      path: line.form === 'path' ? line.target : null,
      name: null,
      pin: null,
      extras: [...line.extras],
    },
  ];
}

async function ours(directory: string, pip: PipVersion): Promise<Reading> {
  try {
    const { lines } = await gatherLines(
      {
        requirements: [
          { location: path.join(directory, 'requirements.txt'), shown: 'requirements.txt' },
        ],
        constraints: [],
        packages: [],
        groups: [],
      },
      {
        workingDirectory: directory,
        environment,
        pip,
        read: async (location) => readFileSync(location, 'utf8'),
      },
    );
    return { lines: lines.flatMap(told) };
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return { error: error.message };
  }
}

/** Reads all file sets with both, in order. */
async function both(
  sets: readonly Files[],
  version: PipVersion,
): Promise<{ pip: Reading; we: Reading }[]> {
  const directories = sets.map(lay);
  const we = await Promise.all(directories.map((directory) => ours(directory, version)));
  const markers = we
    .flatMap((reading) => ('lines' in reading ? reading.lines : []))
    .flatMap((line) => line.marker ?? []);
  const { stdout, stderr, status } = spawnSync(python, ['-c', oracleScript], {
    input: JSON.stringify({ directories, environment, markers }),
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      PYTHONPATH: pipDirectory(version),
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONIOENCODING: 'utf-8',
    },
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  const answer = JSON.parse(stdout) as { results: Reading[]; markers: Record<string, string> };
  return we.map((reading, index) => ({
    pip: answer.results[index] ?? { error: 'no answer' },
    we:
      'error' in reading
        ? reading
        : {
            lines: reading.lines.map((line) => ({
              ...line,
              marker: line.marker === null ? null : (answer.markers[line.marker] ?? line.marker),
            })),
          },
  }));
}

/** What is read twice, as of a file that is included twice, counts once: it asks for no more. */
function once(reading: Reading): Told[] | 'refused' {
  if ('error' in reading) return 'refused';
  const sorted = reading.lines.map((line) => JSON.stringify(Object.entries(line).sort()));
  return reading.lines.filter((_line, index) => sorted.indexOf(sorted[index] ?? '') === index);
}

/** Both refuse, or both read the same. Messages are each program's own. */
function assertAlike({ pip, we }: { pip: Reading; we: Reading }, files: Files): void {
  const refusals = [pip, we].flatMap((each) => ('error' in each ? each.error : [])).join('\n');
  assert.deepEqual(once(we), once(pip), `${JSON.stringify(files)}\n${refusals}`.trim());
}

const cases: Readonly<Record<string, string | Files>> = {
  'a name': 'requests\n',
  'a name in odd spelling': 'Zope.Interface_x--Y\n',
  'a lone pin': 'requests==2.31.0\n',
  'a pin with spaces': 'requests == 2.31.0\n',
  'an arbitrary equality': 'requests===2.31-weird\n',
  'a wildcard is no pin': 'requests==2.*\n',
  'a pin beside another clause is none': 'requests==2.31,!=2.30\n',
  'a pin in parentheses': 'requests (==2.31)\n',
  'clauses in parentheses': 'requests(>=2,<3)\n',
  extras: 'requests[security,Socks_X]>=2\n',
  'extras with spaces': 'requests [ security , socks ] >= 2\n',
  'empty extras': 'requests[]==1\n',
  'a marker': 'requests==1; python_version < "3"\n',
  'a marker without spaces': "requests==1;python_version<'3'\n",
  'a marker with parentheses':
    'requests>=1 ; (os_name=="nt" or extra == "x") and python_version>"2"\n',
  'one hash': `requests==1 --hash=${hash('a')}\n`,
  'hashes on continued lines': `requests==1 \\\n    --hash=${hash('a')} \\\n    --hash=${hash('B')}\n`,
  'a hash as a word of its own': `requests==1 --hash ${hash('a')}\n`,
  'a quoted hash': `requests==1 --hash="${hash('a')}"\n`,
  'a hash after a marker': `requests==1 ; python_version > "3" --hash=${hash('a')}\n`,
  'other kinds of hash': `requests==1 --hash=sha512:${'c'.repeat(128)} --hash=sha384:${'d'.repeat(96)}\n`,
  'two lines of one project': 'requests==1; python_version<"3"\nrequests==2; python_version>="3"\n',
  comments: '# one\nrequests # two\nother#three\n   # four\n',
  'a comment that looks like a continuation': '# one \\\nrequests\n',
  'a comment that ends a continuation': 'requests \\\n# one\nother\n',
  'a continued name': 'requ\\\nests==1\n',
  'a continuation at the end of the file': 'requests==1 \\',
  'a continuation over a blank line': 'requests==1 \\\n\nother\n',
  'several backslashes': 'requests\\\\\n==1\n',
  'a comment in a continued line': 'requests \\\n  ==1 # why\nother\n',
  CRLF: 'requests==1\r\nother \\\r\n  ==2\r\n',
  'CR alone': 'requests==1\rother==2\r',
  'blank lines and tabs': '\n\t\n  requests==1\t\n\n',
  'a variable': `requests==${variable('VERSION')}\n`,
  'a variable that is not set': `requests @ https://h.example/${variable('NOT_SET')}/r.zip\n`,
  'an empty variable stays': `requests @ https://h.example/${variable('EMPTY')}/r.zip\n`,
  'a variable in lower case stays': `requests @ https://h.example/${variable('version')}/r.zip\n`,
  'a URL': 'https://h.example/a/local-1.0-py3-none-any.whl\n',
  'a URL with hash': `https://h.example/a/local-1.0-py3-none-any.whl#sha256=${'a'.repeat(64)}`,
  'a URL with hash option': `https://h.example/local-1.0-py3-none-any.whl --hash=${hash('a')}\n`,
  'a URL with credentials': `https://u:${variable('INDEX_TOKEN')}@h.example/local-1.0.tar.gz\n`,
  'a URL with a semicolon': 'https://h.example/a;b/local-1.0.tar.gz\n',
  'a named URL': 'local @ https://h.example/local-1.0.tar.gz\n',
  'a named URL without spaces': 'local@https://h.example/local-1.0.tar.gz\n',
  'a named URL with extras': 'local[a,B] @ https://h.example/local-1.0.tar.gz\n',
  'a named URL with a marker':
    'local @ https://h.example/local-1.0.tar.gz ; python_version > "3"\n',
  'a named URL with hash': `local @ https://h.example/local-1.0.tar.gz --hash=${hash('a')}\n`,
  'git over https': 'git+https://h.example/o/r.git@main#egg=local\n',
  'git with a name': 'local @ git+https://h.example/o/r.git@v1\n',
  'git over ssh': 'git+ssh://git@h.example/o/r.git#egg=local\n',
  'git from a file': 'git+file:///srv/r.git@main#egg=local\n',
  'git with a marker': 'git+https://h.example/o/r.git ; python_version > "3"\n',
  hg: 'hg+https://h.example/o/r#egg=local\n',
  'hg with a static server': 'hg+static-http://h.example/o/r#egg=local\n',
  svn: 'svn+https://h.example/o/r/trunk#egg=local\n',
  'an editable of git': '-e git+https://h.example/o/r.git@main#egg=local\n',
  'an editable of git:': '-e git://h.example/o/r.git#egg=local\n',
  'an editable': '-e .\n',
  'an editable with extras': '-e .[test,Docs]\n',
  'an editable, long': '--editable ./pkg\n',
  'an editable, long with =': '--editable=./pkg\n',
  'an editable, joined': '-e./pkg\n',
  'an editable in quotes': '-e "./with space"\n',
  'an editable with a name only': '-e pkg\n',
  'an editable by absolute path': '-e {dir}/pkg\n',
  'an editable file URL': '-e file://{dir}/pkg\n',
  'an editable file URL with egg': '-e file://{dir}/pkg#egg=local\n',
  'an editable file URL with egg and extras': '-e file://{dir}/pkg#egg=local[a]\n',
  'an editable with a marker, which pip does not read': '-e ./pkg ; python_version < "3"\n',
  'a local directory': './pkg\n',
  'the directory itself': '.\n',
  'the directory with extras': '.[test]\n',
  'a nested directory': 'pkg/nested\n',
  'a directory with a space': './with space\n',
  'a local directory with a marker': './pkg ; python_version > "3"\n',
  'a local directory with a marker, tightly': './pkg;python_version>"3"\n',
  'a local wheel': 'dist/local-1.0-py3-none-any.whl\n',
  'a local wheel with extras': './dist/local-1.0-py3-none-any.whl[a]\n',
  'a local sdist with hash': `./dist/local-1.0.tar.gz --hash=${hash('a')}\n`,
  'an absolute path': '{dir}/pkg\n',
  'a file URL': 'file://{dir}/pkg\n',
  'a file URL with one slash': 'file:{dir}/pkg\n',
  'a file URL of localhost': 'file://localhost{dir}/pkg\n',
  'a file URL with a space': 'file://{dir}/with%20space\n',
  'a file URL with hash': `file://{dir}/dist/local-1.0.tar.gz#sha256=${'a'.repeat(64)}`,
  'a file URL with a marker': 'file://{dir}/pkg ; python_version > "3"\n',
  'a file URL with a marker, tightly': 'file://{dir}/pkg; python_version > "3"\n',
  'a file URL with a subdirectory': 'file://{dir}/dist/local-1.0.tar.gz#subdirectory=a\n',
  'a URL with a marker, tightly': 'https://h.example/local-1.0.tar.gz; python_version > "3"\n',
  'a named URL with a marker, tightly':
    'local @ https://h.example/local-1.0.tar.gz; python_version > "3"\n',
  'a named file URL': 'local @ file://{dir}/pkg\n',
  'a named file URL with extras': 'local[a] @ file://{dir}/pkg\n',
  'a named file URL with a marker, tightly': 'local @ file://{dir}/pkg; python_version > "3"\n',
  options:
    '--index-url https://h.example/simple\n--pre\n-i https://h.example/simple\n-f wheels\nrequests\n',
  'options with =': '--extra-index-url=https://h.example/simple\n--no-binary=:all:\nrequests\n',
  'several options in one line': '--no-index --find-links wheels\nrequests\n',
  'an editable behind another option': '--pre -e ./pkg\n',
  'a file included behind another option': {
    'requirements.txt': '--pre -r base.txt\n',
    'base.txt': 'other\n',
  },
  'an option in a requirement line is not heard': 'requests --no-binary :all:\n',
  'an included file': { 'requirements.txt': '-r base.txt\nrequests\n', 'base.txt': 'other==1\n' },
  'an included file, joined': { 'requirements.txt': '-rbase.txt\n', 'base.txt': 'other==1\n' },
  'an included file, long': {
    'requirements.txt': '--requirement base.txt\n--requirement=more.txt\n',
    'base.txt': 'other==1\n',
    'more.txt': 'more==1\n',
  },
  'an included file in quotes': {
    'requirements.txt': '-r "my base.txt"\n',
    'my base.txt': 'other\n',
  },
  'an included file with an escaped space': {
    'requirements.txt': '-r my\\ base.txt\n',
    'my base.txt': 'other\n',
  },
  'an included file with words behind it': {
    'requirements.txt': '-r base.txt other\n',
    'base.txt': 'more\n',
  },
  'included files are relative to their own': {
    'requirements.txt': '-r sub/base.txt\n',
    'sub/base.txt': '-r more.txt\n-r ../top.txt\n',
    'sub/more.txt': 'more\n',
    'top.txt': 'top\n',
  },
  'local paths are relative to where pip runs': {
    'requirements.txt': '-r sub/base.txt\n',
    'sub/base.txt': './pkg\n',
  },
  constraints: { 'requirements.txt': '-c c.txt\nrequests\n', 'c.txt': 'requests==2\nother<3\n' },
  'constraints with a URL': {
    'requirements.txt': '-c c.txt\nlocal\n',
    'c.txt': 'local @ https://h.example/local-1.0.tar.gz\n',
  },
  'constraints in constraints': {
    'requirements.txt': '-c c.txt\nrequests\n',
    'c.txt': '-c d.txt\n',
    'd.txt': 'requests==2\n',
  },
  // So do 22.2 and 23.2.1.
  'requirements in constraints': {
    'requirements.txt': '-c c.txt\nrequests\n',
    'c.txt': '-r d.txt\n',
    'd.txt': 'other==2\n',
  },
  'an editable among constraints': { 'requirements.txt': '-c c.txt\n', 'c.txt': '-e ./pkg\n' },
  'extras among constraints': { 'requirements.txt': '-c c.txt\n', 'c.txt': 'requests[x]==1\n' },
  'one file included twice': {
    'requirements.txt': '-r a.txt\n-r b.txt\n',
    'a.txt': '-r base.txt\n',
    'b.txt': '-r base.txt\n',
    'base.txt': 'other\n',
  },
  'an included file by URL': {
    'requirements.txt': '-r file://{dir}/sub/base.txt\n',
    'sub/base.txt': 'a\n',
  },
  'an included file by URL with a space': {
    'requirements.txt': '-r file://{dir}/my%20base.txt\n',
    'my base.txt': 'a\n',
  },
  'a constraint that an option of the same line follows': {
    'requirements.txt': '-c c.txt --pre\n',
    'c.txt': 'requests<3\n',
  },
  'a file that includes itself': '-r requirements.txt\n',
  'files that include each other': {
    'requirements.txt': '-r a.txt\n',
    'a.txt': '-c requirements.txt\n',
  },
  'a file that is missing': '-r missing.txt\n',
  'two names in a line': 'requests other\n',
  'no name': '==1\n',
  'an unclosed extra': 'requests[security\n',
  'a name that ends with a dash': 'requests-\n',
  'a form feed ends a line': '# page one\frequests\n',
  'a line separator ends a line': '# one\u2028requests==1\nother\n',
  'a next-line character ends a line': 'requests==1\u0085other==2\n',
  'a file separator ends a line': 'requests==1\u001Cother==2\n',
  'a vertical tab ends a line': 'requests==1\vother==2\n',
  'a no-break space around a name': '\u00A0requests\u00A0\n',
  'a name that is not ASCII': 'réquests\n',
  'a trailing comma': 'requests>=1,\n',
  'a version with v': 'requests==v1.0\n',
  'only a dash': '-\n',
  'an abbreviated option': '--extra-index https://h.example/simple\nrequests\n',
  'an abbreviated option with =': '--find-link=wheels\nrequests\n',
  'an abbreviated include': { 'requirements.txt': '--req a.txt\n--requi a.txt\n', 'a.txt': 'a\n' },
  'an abbreviated include that is unique': {
    'requirements.txt': '--requirem a.txt\n',
    'a.txt': 'a\n',
  },
  'an abbreviated constraint': { 'requirements.txt': '--cons a.txt\n', 'a.txt': 'a\n' },
  'an abbreviated editable': '--edit ./pkg\n',
  'an abbreviated hash': `requests==1 --ha=${hash('a')}\n`,
  'an ambiguous option': '--e ./pkg\n',
  'another ambiguous option': '--no\n',
  'a whole option that is the beginning of another': '--pre\nrequests\n',
  'an option that is too long': '--requirements a.txt\n',
  'an unknown option': '--no-such-option\n',
  'an unknown option beside a requirement': 'requests==1 --quiet\n',
  'an unknown short option': '-q\n',
  'an option of the command line': '--no-deps\nrequests\n',
  'a flag with a value': '--pre=yes\n',
  'an option without its value': '--extra-index-url\n',
  'an option with an empty value': '--find-links=\nrequests\n',
  'two dashes end the options': { 'requirements.txt': '--pre -- -r a.txt\n', 'a.txt': 'a\n' },
  'an unterminated quote': '--find-links "wheels\n',
  'a backslash at the end of an option': '--find-links wheels\\\\\n',
  'a tab before an option': 'requests==1\t--pre\n',
  'an editable before an include': {
    'requirements.txt': '-r a.txt -e ./pkg\n',
    'a.txt': 'a\n',
  },
  'a hash of a weak kind': 'requests==1 --hash=md5:abc\n',
  'a hash without a kind': 'requests==1 --hash=abc\n',
  'a hash in capitals': 'requests==1 --hash=SHA256:abc\n',
  'a hash of any text': 'requests==1 --hash=sha256:xyz\n',
  'a single equals sign': 'requests=2\n',
  'an unknown comparison': 'requests=>2\n',
  'two versions without a comma': 'requests>=1 <2\n',
  'two commas': 'requests>=1,,<2\n',
  'a comma first': 'requests,>=1\n',
  'a comma in an arbitrary equality': 'requests===1.0rc1,<2\n',
  'a compatible release of one number': 'requests~=1\n',
  'a compatible wildcard': 'requests~=1.2.*\n',
  'an unclosed parenthesis': 'requests (>=1\n',
  'a parenthesis too many': 'requests (>=1))\n',
  'empty extras between commas': 'requests[a,,b]\n',
  'extras with a comma at the end': 'requests[a,]\n',
  'extras without a comma': 'requests[a b]\n',
  'extras with a wrong character': 'requests[a/b]\n',
  'two brackets': 'requests[a][b]\n',
  'a marker with a typo': 'requests; pyton_version<"3"\n',
  'a marker without quotes': 'requests; python_version<3\n',
  'a marker with =': 'requests; python_version="3"\n',
  'a marker without a right side': 'requests; python_version<\n',
  'a marker of two texts': 'requests; "a" == "a"\n',
  'a marker with "in"': 'requests; sys_platform in "linux darwin"\n',
  'a marker with "not in"': 'requests; "win" not in sys_platform and os_name!="nt"\n',
  'a marker of PEP 345': "requests; os.name=='nt' or python_implementation=='PyPy'\n",
  'a marker with &&': 'requests; os_name=="nt" && python_version<"3"\n',
  'a marker with an unclosed quote': 'requests; os_name=="nt\n',
  'a marker with an unclosed parenthesis': 'requests; (os_name=="nt"\n',
  'a marker with a parenthesis too many': 'requests; os_name=="nt")\n',
  'a marker with nested parentheses':
    'requests; ((os_name=="nt") or (os_name=="x" and extra=="y"))\n',
  'a marker that ends in "and"': 'requests; os_name=="nt" and\n',
  'a marker and another semicolon': 'requests; os_name=="nt"; extra=="x"\n',
  'an empty marker': 'requests;\n',
  'a bad marker of a URL': 'https://h.example/local.zip ; pyton_version<"3"\n',
  'a bad marker of a named URL': 'local @ https://h.example/local.zip ; os_name\n',
  'a bad marker of a path': './pkg ; os_name\n',
  'a URL without a name among constraints': {
    'requirements.txt': '-c c.txt\n',
    'c.txt': 'https://h.example/local.zip\n',
  },
  'a wheel by URL among constraints': {
    'requirements.txt': '-c c.txt\n',
    'c.txt': 'https://h.example/local-1.0-py3-none-any.whl\n',
  },
  'a path among constraints': { 'requirements.txt': '-c c.txt\n', 'c.txt': './pkg\n' },
  'an egg among constraints': {
    'requirements.txt': '-c c.txt\n',
    'c.txt': 'git+https://h.example/r.git#egg=local\n',
  },
  'extras of a URL among constraints': {
    'requirements.txt': '-c c.txt\n',
    'c.txt': 'local[x] @ https://h.example/local.zip\n',
  },
};

/** Forms that pip 22.2 does not know. */
const settingsCases: Readonly<Record<string, string | Files>> = {
  'an editable with settings of its own': '-e ./pkg --config-settings a=b\n',
  'settings of a build': 'requests==1 --config-settings="a=b"\n',
  'settings of a build, short': 'requests==1 -C a=b\n',
  'settings of a build, abbreviated': 'requests==1 --config-setting a=b\n',
  'an abbreviation for settings': '--conf a=b\n',
};

/** Forms that only newer pips know. */
const newerCases: Readonly<Record<string, string | Files>> = {
  ...settingsCases,
  'an editable of git that has a name': '-e "local @ git+https://h.example/o/r.git"\n',
  'a version that PEP 440 does not know': 'requests>=dev\n',
  'no version behind a comparison': 'requests>=\n',
  'a wildcard behind >=': 'requests>=2.*\n',
  'a local version behind >=': 'requests>=2.0+cpu\n',
  'a wildcard behind a pre-release': 'requests==2.0rc1.*\n',
  'options of newer pips': '--all-releases a\n--only-final b\n--no-require-hashes\n',
  'an abbreviation that older pips take': '--only :all:\n',
  'an abbreviation of install options, which older pips have': '--i https://h.example/simple\n',
  'extras of a lock as markers': 'requests; "x" in extras\n',
};

/** Forms that newer pips refuse and older ones take. */
const olderCases: Readonly<Record<string, string>> = {
  'a URL with egg and extras': 'https://h.example/local.zip#egg=local[a,B]&subdirectory=x\n',
  'git with egg and extras': 'git+https://h.example/o/r.git#egg=local[a]\n',
  'an editable of git with egg and extras':
    '-e git+https://h.example/o/r.git@main#egg=local[a,b]\n',
  'a version that PEP 440 does not know': 'requests>=dev\n',
  'no version behind a comparison': 'requests>=\n',
  'a wildcard behind >=': 'requests>=2.*\n',
  'a local version behind >=': 'requests>=2.0+cpu,<3\n',
  'an old version in parentheses': 'requests (==2004d, >1-x)\n',
  'a global option': 'requests==1 --global-option=--verbose\n',
  'an abbreviation that newer pips find ambiguous': '--only :all:\n',
};

/** Forms of a pip without `--install-option`. */
const installCases: Readonly<Record<string, string>> = {
  'an abbreviation of one option alone': '--i https://h.example/simple\n',
};

function describeTable(
  title: string,
  table: Readonly<Record<string, string | Files>>,
  version: PipVersion,
): void {
  describe(title, () => {
    const sets = Object.values(table).map((given) =>
      typeof given === 'string' ? { 'requirements.txt': given } : given,
    );
    let readings: { pip: Reading; we: Reading }[];
    before(async () => {
      readings = await both(sets, version);
    });
    for (const [index, description] of Object.keys(table).entries()) {
      test(description, () => {
        const reading = readings[index];
        const files = sets[index];
        assert.ok(reading && files);
        assertAlike(reading, files);
      });
    }
  });
}

describeTable('each form, as pip 26.3 reads it', { ...cases, ...newerCases }, '26.3');
describeTable(
  'each form, as pip 23.2.1 reads it',
  { ...cases, ...olderCases, ...settingsCases, ...installCases },
  '23.2.1',
);
describeTable('each form, as pip 22.2 reads it', { ...cases, ...olderCases }, '22.2');

const text = (...choices: string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);
const joined = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => all.join(''));
const maybe = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 1, arbitrary });

const space = text('', ' ', '  ', ' \\\n', '\\\r\n ');
const version = text('1', '1.0', '1.0.0', 'v2', '1.0rc1', '1!2.0', '1.0+cpu', '1.0.post1', '1.*');
const clause = joined(text('==', '===', '>=', '<', '~=', '!='), space, version);
const clauses = fc
  .tuple(fc.array(clause, { minLength: 1, maxLength: 3 }), text(',', ' , '), fc.boolean())
  .map(([all, comma, bracketed]) => (bracketed ? `(${all.join(comma)})` : all.join(comma)));
const marker = joined(
  text(';', ' ;', ' ; ', '; '),
  text(
    'python_version<"3"',
    "sys_platform == 'win32'",
    '(os_name=="nt" and python_version > "3")  or implementation_name=="cpython"',
  ),
);
const hashOption = joined(
  text(' ', '  ', ' \\\n ', ' \\\r\n    '),
  text('--hash=', '--hash '),
  text(hash('a'), hash('B'), `sha512:${'c'.repeat(128)}`),
);
const indexLine = joined(
  text('requests', 'Zope.Interface', 'a', 'a_b--c', '0x'),
  maybe(text('[x]', ' [x,Y_z]', '[ x , y ]', '[]')),
  space,
  maybe(clauses),
  maybe(marker),
  maybe(hashOption),
);
const directLine = fc.oneof(
  joined(
    text('', 'local @ ', 'local[a,b] @ '),
    text(
      'https://h.example/local-1.0.tar.gz',
      `git+https://u:${variable('INDEX_TOKEN')}@h.example/r.git@main`,
    ),
    maybe(joined(fc.constant(' '), text('; python_version>"3"'))),
  ),
  joined(
    text('.', './pkg', 'pkg/nested', './dist/local-1.0.tar.gz'),
    maybe(text('[a]', '[a,b]')),
    maybe(marker),
  ),
  joined(text('-e ', '-e', '--editable ', '--editable='), text('.', './pkg', '"./with space"')),
);
const optionLine = text(
  '--pre',
  '-i https://u:p@h.example/simple',
  '--extra-index-url=https://h.example/simple',
  '--no-binary :all:',
  '--find-links wheels',
);
const includeLine = joined(
  text('-r ', '-r', '--requirement ', '--requirement=', '-c ', '-c', '--constraint='),
  text('a.txt', 'sub/b.txt', './sub/../a.txt'),
);
const noise = text('', '   ', '\t', '# comment', '  # comment \\', '#', '#requests');
const line = joined(
  maybe(text(' ', '\t')),
  fc.oneof(
    { weight: 6, arbitrary: indexLine },
    { weight: 2, arbitrary: directLine },
    { weight: 1, arbitrary: optionLine },
    { weight: 1, arbitrary: includeLine },
    { weight: 2, arbitrary: noise },
  ),
  maybe(text(' ', ' # why', '\t# why \\', '  #')),
  text('\n', '\n', '\r\n', '\n\n'),
);
const leafFile = fc
  .array(fc.oneof(indexLine, directLine, noise), { maxLength: 3 })
  .map((lines) => lines.map((each) => `${each}\n`).join(''));

/** The same files on each run: a text that fails can be looked at. */
const generated = fc.sample(
  fc.record({
    'requirements.txt': fc.array(line, { minLength: 1, maxLength: 6 }).map((all) => all.join('')),
    'a.txt': leafFile,
    'sub/b.txt': leafFile,
  }),
  { numRuns: 600, seed: 20261120 },
);

test('generated files: what pip takes, we take alike', async () => {
  const readings = await both(generated, '26.3');
  let taken = 0;
  for (const [index, reading] of readings.entries()) {
    if ('error' in reading.pip) continue; // It says so itself when it is given the line.
    taken += 1;
    assertAlike(reading, generated[index] ?? {});
  }
  assert.ok(taken > 100, `pip takes enough of them for the test to mean something: ${taken}`);
});
