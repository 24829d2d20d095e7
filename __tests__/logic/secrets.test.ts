import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { gatherLines } from '../../src/logic/requirements.ts';
import {
  fingerprinted,
  looksSecret,
  redactor,
  secretsOfInputs,
  secretsOfLine,
  secretsOfUrl,
  shownAddress,
  withoutSecrets,
} from '../../src/logic/secrets.ts';

const token = '1bZ7q4Kd9xWm2TfR';
const guid = '7c0f1f6e-5d1e-4b0a-9d35-0c2b7f6a1e88';

/** Addresses of private indexes as their manuals give them; names are made up. */
const addresses: Readonly<Record<string, string>> = {
  Gemfury: `https://pypi.fury.io/${token}/acme-tools/`,
  Cloudsmith: `https://dl.cloudsmith.io/${token}/acme/python-prod/python/simple/`,
  packagecloud:
    'https://packagecloud.io/4f1b7c2d9e8a6f3b5c1d7e9f2a4b6c8d0e1f3a5b7c9d2e4f/acme/repo/pypi/simple',
  MyGet: `https://www.myget.org/F/acme-feed/auth/${guid}/python/`,
  'a token of letters, digits and dashes': 'http://127.0.0.1:80/simple/ENTITLEMENT-s3cr3tT0ken/x/',
  'a token with encoded characters': `https://h.example/${token}%2B%2F/simple`,
  'a token in base64': 'https://h.example/ZGVwbG95OnMzY3JldHBhc3N3b3Jk/simple',
};
const withoutTokens: Readonly<Record<string, string>> = {
  Gemfury: 'https://pypi.fury.io/…/acme-tools/',
  Cloudsmith: 'https://dl.cloudsmith.io/…/acme/python-prod/python/simple/',
  packagecloud: 'https://packagecloud.io/…/acme/repo/pypi/simple',
  MyGet: 'https://www.myget.org/F/acme-feed/auth/…/python/',
  'a token of letters, digits and dashes': 'http://127.0.0.1:80/simple/…/x/',
  'a token with encoded characters': 'https://h.example/…/simple',
  'a token in base64': 'https://h.example/…/simple',
};

describe('path of an index with a token', () => {
  for (const [what, address] of Object.entries(addresses)) {
    test(`${what}: the token is not shown`, () => {
      assert.equal(shownAddress(address), withoutTokens[what]);
    });

    test(`${what}: only the token is masked`, () => {
      const secrets = secretsOfUrl(address);
      const segments = address.split('/').slice(3);
      const masked = segments.filter((segment) => secrets.includes(segment));
      assert.equal(masked.length, 1, masked.join());
      const { add, clean } = redactor();
      add(secrets);
      assert.equal(clean(`Looking in indexes: ${address}`).includes(masked[0] ?? ''), false);
    });
  }
});

describe('path of an index without a token is shown and not masked', () => {
  for (const address of [
    'https://acme.jfrog.io/artifactory/api/pypi/acme-python-virtual-2024/simple',
    'https://artifactory.acme.example/artifactory/api/pypi/PyPI-Remote-Cache1/simple',
    'https://pkgs.dev.azure.com/AcmeCorp2/DataPlatform2024/_packaging/python-feed@Release/pypi/simple/',
    'https://gitlab.example.com/api/v4/projects/123456789012/packages/pypi/simple',
    'https://gitlab.example.com/api/v4/groups/acme%2Fdata%2Dscience/-/packages/pypi/simple',
    'https://acme-111122223333.d.codeartifact.us-east-1.amazonaws.com/pypi/my-repo-v2/simple/',
    'https://europe-west1-python.pkg.dev/acme-prod-482913/python-x86-64/simple/',
    'https://nexus.example/repository/pypi-all-internal3/simple',
    'https://dl.cloudsmith.io/public/acme/python-prod/python/simple/',
    'https://pypi.anaconda.org/scientific-python-nightly-wheels/simple',
    'https://download.pytorch.org/whl/nightly/cu121',
    'https://data.pyg.org/whl/torch-2.1.0+cu118.html',
    'https://storage.googleapis.com/jax-releases/jax_cuda_releases.html',
    'https://devpi.example/root/team2feed/+simple/',
    'https://repo.example/MyCompanyPythonPackages2024/simple/',
    'https://repo.example/internationalisation-guidelines/simple/',
    'https://github.com/acme/wheels/releases/expanded_assets/v2024.11.20',
  ]) {
    test(address, () => {
      assert.equal(shownAddress(address), address);
      assert.deepEqual(secretsOfUrl(address), []);
    });
  }
});

test('tokens of 16 or more random characters are nearly always detected', () => {
  // A generator of its own, so that the figures are the same each time.
  let state = 1;
  const random = (limit: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  const alphabets = {
    base62: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
    base36: 'abcdefghijklmnopqrstuvwxyz0123456789',
    hex: '0123456789abcdef',
  };
  for (const [name, alphabet] of Object.entries(alphabets)) {
    for (const [length, atLeast] of [
      [16, 0.9],
      [20, 0.95],
      [32, 0.98],
    ] as const) {
      const noticed = Array.from({ length: 2000 }, () =>
        Array.from({ length }, () => alphabet.charAt(random(alphabet.length))).join(''),
      ).filter(looksSecret).length;
      assert.ok(noticed / 2000 >= atLeast, `${name} of ${length}: ${noticed} of 2000`);
    }
  }
});

describe('a fingerprint', () => {
  const same = (one: string, other: string): boolean => fingerprinted(one) === fingerprinted(other);

  test('a fingerprint has the scheme, host and port of the address but not its path', () => {
    for (const address of Object.values(addresses)) {
      const { origin } = new URL(address);
      assert.match(fingerprinted(address).replace(origin, 'X'), /^X(?::80)?\/#[0-9a-f]{32}$/);
    }
    assert.match(
      fingerprinted('git+ssh://git@h.example:org/r.git'),
      /^git\+ssh:\/\/\/#[0-9a-f]{32}$/,
    );
    assert.match(fingerprinted('http://[::1]:8080/s'), /^http:\/\/\[::1\]:8080\/#[0-9a-f]{32}$/);
  });

  test('a fingerprint does not depend on userinfo and query', () => {
    assert.ok(same('https://u:p@h.example/x?t=1', 'https://h.example/x?t=2'));
    assert.ok(same('https://h.example/x?t=1#sha256=a', 'https://h.example/x#sha256=a'));
  });

  test('a fingerprint differs for another scheme, host, path or fragment', () => {
    const all = ['https://h/x', 'http://h/x', 'https://i/x', 'https://h/y', 'https://h/x#y'];
    assert.equal(new Set(all.map(fingerprinted)).size, all.length);
  });

  test('fingerprints replace every URL of a text and nothing else', () => {
    const one = fingerprinted('https://h.example/x');
    assert.equal(
      fingerprinted('https://h.example/x https://i.example/'),
      `${one} https://i.example/`,
    );
    assert.equal(fingerprinted(':all:'), ':all:');
    assert.equal(fingerprinted('../wheels'), '../wheels');
    assert.equal(fingerprinted('https://h.example'), 'https://h.example');
  });
});

describe('a query', () => {
  test('the query of paths that HTTP libraries print is removed', () => {
    for (const [text, expected] of [
      [
        'Max retries exceeded with url: /x/a.whl?token=QUERY-CANARY (Caused by X)',
        'Max retries exceeded with url: /x/a.whl (Caused by X)',
      ],
      ['"GET /x/a.whl?token=Q HTTP/1.1" 200 None', '"GET /x/a.whl HTTP/1.1" 200 None'],
      ['url: what?', 'url: what?'],
    ] as const) {
      assert.equal(withoutSecrets(text), expected);
    }
  });

  test('a query parameter is masked if its name or its value looks secret', () => {
    const secrets = secretsOfUrl(
      `https://h/alpha-1.0-py3-none-any.whl?sv=2024-01-01&name=alpha-1.0-py3-none-any.whl&sig=QUERY-CANARY&x=${token}`,
    );
    assert.deepEqual(secrets, ['QUERY-CANARY', token]);
  });
});

describe('the inputs', () => {
  const index = { extra: [], trustedHosts: [], url: undefined, mirror: undefined };
  const of = (username: string | undefined, password: string | undefined): string[] =>
    secretsOfInputs({ ...index, username, password });

  test('a user name without a password is masked when it can be a token', () => {
    assert.ok(of('tokentoken', undefined).includes('tokentoken'));
    assert.deepEqual(of('git', undefined), []);
    assert.deepEqual(of('oauth2accesstoken', undefined), []);
    assert.equal(of('tokentoken', 'password').includes('tokentoken'), false);
  });

  test('path tokens of every address are masked', () => {
    const url = (name: string): string => `https://h.example/${token}${name}/simple`;
    const secrets = secretsOfInputs({
      ...index,
      ...{ username: undefined, password: undefined },
      ...{ url: url('1a1'), mirror: url('2a2'), extra: [url('3a3')] },
    });
    for (const name of ['1a1', '2a2', '3a3']) assert.ok(secrets.includes(token + name), name);
  });
});

describe('a line', () => {
  const of = async (text: string): Promise<{ secrets: string[]; shown: string }> => {
    const { lines } = await gatherLines(
      {
        requirements: [{ location: '/w/requirements.txt', shown: 'requirements.txt' }],
        ...{ constraints: [], packages: [], groups: [] },
      },
      {
        workingDirectory: '/w',
        environment: { TOKEN: token, NAME: 'main' },
        read: async () => text,
      },
    );
    return { secrets: lines.flatMap(secretsOfLine), shown: lines.map((line) => line.shown).join() };
  };

  test('a token from a variable in the path of a URL is masked, and shown unexpanded', async () => {
    const variable = '${TOKEN}';
    const text = `one @ https://h.example/${variable}/one-1.0-py3-none-any.whl`;
    const { secrets, shown } = await of(text);
    assert.deepEqual(secrets, [token]);
    assert.equal(shown, text);
  });

  test('a literal hash in the path of a URL is not masked', async () => {
    const { secrets } = await of(`one @ https://h.example/${'0a1b2c3d'.repeat(5)}/one-1.0.tar.gz`);
    assert.deepEqual(secrets, []);
  });

  test('a variable that is not a token is not masked', async () => {
    const name = '${NAME}';
    assert.deepEqual((await of(`one @ https://h.example/${name}/one.zip`)).secrets, []);
  });

  test('an index with a token is masked', async () => {
    assert.ok((await of(`--find-links https://h.example/${token}/`)).secrets.includes(token));
  });
});

test('a redactor removes the longest secret first', () => {
  const { add, clean } = redactor();
  add(['abc', '']);
  add(['abcdef']);
  assert.equal(clean('abcdef abc ab'), '*** *** ab');
});
