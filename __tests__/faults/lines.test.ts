/** Lines of requirement files that pip rejects, and surprising ones that it accepts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { sdist, wheel } from '../support/packages.ts';
import { alpha, beta, group, type Place, pinned, type Row } from './rows.ts';

const failing = { conclusion: 'failure', installed: [], empty: true, saved: [] } as const;
const variable = (name: string): string => `\${${name}}`;
const hash = (content: Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

const future = wheel({ name: 'future', version: '2.0', requiresPython: '>=3.99' });
const past = wheel({ name: 'future', version: '1.0' });
const broken = sdist({ name: 'broken', version: '1.0', fail: 'there is no compiler here' });

/** An error that names the file and the line. */
function at(file: string, line: number): Pick<Row, 'check'> {
  return {
    check: ({ result }) => {
      const [annotation] = result.annotations;
      assert.deepEqual(
        [annotation?.properties['file'], annotation?.properties['line']],
        [file, String(line)],
        result.log,
      );
    },
  };
}

function refused(fault: string, text: string, reason: string): Row {
  return {
    ...failing,
    fault,
    files: { 'requirements.txt': `alpha==1.0\n\n${text}\n` },
    says: `error: "${text}" ${reason}`,
    ...at('requirements.txt', 3),
  };
}

function constrained(fault: string, text: string, reason: string): Row {
  return {
    ...failing,
    fault,
    files: { 'requirements.txt': '-c limits.txt\nbeta\n', 'limits.txt': `\n${text}\n` },
    says: `error: "${text}" ${reason}`,
    ...at('limits.txt', 2),
  };
}

/** Starts a second file server, whose address replaces `{host}` in the files of the workspace. */
function served(listener: RequestListener): (place: Place) => Promise<void> {
  return async ({ job, later }) => {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    later(() => {
      server.closeAllConnections();
      server.close();
    });
    job.env['HOST'] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
}

const rows: Row[] = [
  refused(
    'a typo in a marker',
    "beta==2.0; pyton_version<'3'",
    'has an invalid marker: "pyton_version" is not a marker variable; strings need quotes. Correct what follows the semicolon.',
  ),
  refused(
    'an incomplete marker',
    "beta==2.0; os_name=='nt' and",
    'has an invalid marker: a variable or a quoted string is missing at its end. Correct what follows the semicolon.',
  ),
  refused(
    '= instead of ==',
    'beta=2.0',
    'uses "=", which is not a comparison operator. Write "==".',
  ),
  refused(
    'a comparison without a version',
    'beta==2.0,<',
    'has a comparison without a version. Add one, or remove the operator.',
  ),
  refused(
    'two versions without a comma',
    'beta>=1 <2',
    'has an invalid version specifier. Write it as in "requests>=2.31,<3".',
  ),
  refused(
    'a command-line option in a requirement file',
    '--no-deps',
    "has the option --no-deps, which pip does not accept in a requirement file. Remove it, or set it in pip's configuration.",
  ),
  refused(
    'an ambiguous abbreviation of an option',
    '--e .',
    'has the ambiguous option --e (--extra-index-url, --editable?). Write it out.',
  ),
  refused('an option without its value', '--find-links', 'has no value for --find-links. Add one.'),
  refused('a value for a flag', '--pre=yes', 'gives a value to --pre, which takes none.'),
  refused('a quote that is not closed', '-f "wheels', 'has an unterminated quote. Close it.'),
  refused(
    'a hash with a weak algorithm',
    'beta==2.0 --hash=md5:00',
    'has a --hash that pip does not accept: "md5:00". Write --hash=sha256: and the digest.',
  ),
  constrained(
    'extras in a constraint',
    'beta[x]==2.0',
    'is a constraint with extras, which pip does not accept. Remove the extras here and ask for them in a requirement file.',
  ),
  constrained(
    'a URL without a name in a constraint',
    'https://files.example/beta.zip',
    'is a constraint without a name, which pip does not accept. Write it as "name @ URL".',
  ),
  constrained(
    'an editable project in a constraint',
    '-e .',
    'is editable, which pip does not accept as a constraint. Move it to a requirement file, or name the project with a version.',
  ),
  {
    fault: 'abbreviated options, which pip accepts',
    files: {
      'requirements.txt': `--requirem more.txt\nbeta==2.0 --ha=${hash(beta.content)}\n`,
      'more.txt': `alpha==1.0 --has ${hash(alpha.content)}\n`,
    },
    seed: pinned,
    empty: true,
    saved: ['…'],
  },
  {
    fault: 'a variable that expands to two options',
    files: { 'requirements.txt': `${variable('OPTIONS')}\nalpha==1.0\nbeta==2.0\n` },
    env: { OPTIONS: '--prefer-binary --only-binary :all:' },
    seed: pinned,
    empty: true,
    saved: ['…'],
  },
  {
    fault: "a variable that only pip's own environment has",
    ...failing,
    files: {
      'requirements.txt': `beta @ http://127.0.0.1:9/${variable('PIP_EXTRA_INDEX_URL')}/b.zip\n`,
    },
    env: { PIP_ONLY_BINARY: ':all:' },
    says: `error: "beta @ http://127.0.0.1:9/${variable('PIP_EXTRA_INDEX_URL')}/b.zip" uses ${variable('PIP_EXTRA_INDEX_URL')}, which is not set. Set it in the job's environment, or use a variable with another name.`,
    ...at('requirements.txt', 1),
  },
  {
    fault: 'a variable whose value an input replaces with one that has credentials',
    ...failing,
    files: {
      'requirements.txt': `beta @ http://127.0.0.1:9/${variable('PIP_INDEX_URL')}/b.zip\n`,
    },
    arrange: ({ inputs, index }) => {
      Object.assign(inputs, { 'index-url': index.url, 'index-username': 'robot' });
      inputs['index-password'] = 'pw-canary-1';
    },
    says: `error: "beta @ http://127.0.0.1:9/${variable('PIP_INDEX_URL')}/b.zip" uses ${variable('PIP_INDEX_URL')}, whose value an input of this action replaces. Use a variable with another name.`,
    ...at('requirements.txt', 1),
  },
  {
    fault: 'a version for another Python',
    ...failing,
    files: { 'requirements.txt': 'beta==2.0\nfuture==2.0\n' },
    says: 'error: pip could not download or build every wheel (it failed on future==2.0). The versions that you allow require another Python: use another Python, or allow another version.\n…',
    ...at('requirements.txt', 2),
  },
  {
    fault: 'a version that does not exist',
    ...failing,
    files: { 'requirements.txt': '-r sub/more.txt\n', 'sub/more.txt': 'beta==2.0\n\nalpha==9.9\n' },
    says: 'error: pip could not download or build every wheel (it failed on alpha==9.9). Check the name, the version and whether the index has a file for this Python and system.\n…',
    ...at('sub/more.txt', 3),
  },
  {
    fault: 'a package that fails to build',
    ...failing,
    files: { 'requirements.txt': 'beta==2.0\n# why\nbroken==1.0\n' },
    says: 'error: pip could not download or build every wheel (it failed on broken==1.0). A package had to be built from source and the build failed: …',
    ...at('requirements.txt', 3),
  },
  {
    fault: 'a repository whose host is down',
    ...failing,
    files: { 'requirements.txt': 'beta==2.0\nx @ git+https://127.0.0.1:9/x/y.git\n' },
    says: "error: pip could not install. git could not fetch a repository: check its address, its branch or tag, and git's credentials on this machine.\n…fatal: unable to access 'https://127.0.0.1:9/x/y.git/': …",
    ...at('requirements.txt', 2),
  },
  {
    fault: 'a URL whose host is down',
    ...failing,
    files: { 'requirements.txt': 'beta==2.0\nx @ http://127.0.0.1:9/x-1.0-py3-none-any.whl\n' },
    says: 'error: pip could not install. The server of this URL could not be reached: check the address, or run again.\n…',
    ...at('requirements.txt', 2),
  },
  {
    fault: 'a dependency group outside the workspace',
    ...failing,
    arrange: ({ job, inputs }) => {
      writeFileSync(join(job.root, 'outside.toml'), '[dependency-groups]\ndev = ["beta==2.0"]\n');
      inputs['groups'] = '../outside.toml:dev';
    },
    says: 'error: ../outside.toml can\'t be read for the group "../outside.toml:dev": it leads outside the workspace, and only files of the checkout can be used. …',
  },
  {
    fault: 'a dependency group outside the workspace, through a symbolic link',
    ...failing,
    arrange: ({ job, own, inputs }) => {
      mkdirSync(join(own, 'project'));
      writeFileSync(
        join(own, 'project', 'pyproject.toml'),
        '[dependency-groups]\ndev = ["beta==2.0"]\n',
      );
      symlinkSync(join(own, 'project'), join(job.workspace, 'link'));
      inputs['groups'] = 'link/pyproject.toml:dev';
    },
    says: 'error: link/pyproject.toml can\'t be read for the group "link/pyproject.toml:dev": it leads outside the workspace, and only files of the checkout can be used. …',
  },
  {
    fault: 'constraints at a URL that needs credentials from a netrc file',
    files: {
      'requirements.txt': `-c http://${variable('HOST')}/limits.txt\nalpha\nbeta\n`,
    },
    seed: pinned,
    empty: true,
    saved: ['…'],
    arrange: async (place) => {
      await served(({ headers }, response) => {
        const given = Buffer.from(headers.authorization?.slice(6) ?? '', 'base64').toString();
        if (given === 'me:pw-canary-2') response.end('beta<3\n');
        else response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      })(place);
      place.job.env['NETRC'] = join(place.own, 'netrc');
      writeFileSync(place.job.env['NETRC'], 'machine 127.0.0.1 login me password pw-canary-2\n');
    },
    check: ({ result }) => assert.ok(!result.log.includes('pw-canary-2')),
  },
  {
    fault: 'constraints at a URL with credentials',
    files: {
      'requirements.txt': `-c http://me:pw-canary-3@${variable('HOST')}/limits.txt\nalpha\nbeta\n`,
    },
    seed: pinned,
    empty: true,
    saved: ['…'],
    arrange: served(({ headers }, response) => {
      const given = Buffer.from(headers.authorization?.slice(6) ?? '', 'base64').toString();
      if (given === 'me:pw-canary-3') response.end('beta<3\n');
      else response.writeHead(404).end();
    }),
    check: ({ result }) => assert.ok(!result.log.includes('pw-canary-3')),
  },
  {
    fault: 'constraints at a URL that does not exist',
    ...failing,
    files: { 'requirements.txt': `alpha\n-c http://${variable('HOST')}/limits.txt\n` },
    arrange: served((_request, response) => response.writeHead(404).end()),
    says: "error: http://127.0.0.1:…/limits.txt can't be read: the server answers 404.",
    ...at('requirements.txt', 2),
  },
  {
    fault: 'constraints at a URL that never stops sending',
    ...failing,
    files: { 'requirements.txt': `alpha\n-c http://${variable('HOST')}/limits.txt\n` },
    arrange: served((_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1 << 16, '#')));
        response.once('drain', more);
      };
      more();
    }),
    says: "error: http://127.0.0.1:…/limits.txt can't be read: it is larger than 16 MB.",
    within: 60,
    ...at('requirements.txt', 2),
  },
  {
    fault: 'constraints at a URL whose connection is lost once',
    files: { 'requirements.txt': `-c http://${variable('HOST')}/limits.txt\nalpha\nbeta\n` },
    env: { PIP_RETRIES: '2' },
    seed: pinned,
    empty: true,
    saved: ['…'],
    arrange: async (place) => {
      let requests = 0;
      await served((request, response) => {
        requests += 1;
        if (requests === 1) request.destroy();
        else response.end('beta<3\n');
      })(place);
    },
  },
];

group('input: lines', rows, { distributions: [future, past, broken] });
