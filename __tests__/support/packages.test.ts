import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { normalise, projectDirectory, sdist, wheel } from './packages.ts';

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'packages-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('names of generated packages', () => {
  for (const [name, version, filename] of [
    ['alpha', '1.0', 'alpha-1.0-py3-none-any.whl'],
    ['Zope.Interface', '5', 'zope_interface-5-py3-none-any.whl'],
    ['a--b_.c', '1.0+cpu.1', 'a_b_c-1.0+cpu.1-py3-none-any.whl'],
  ] as const) {
    test(`the wheel of ${name} ${version} is named ${filename}`, () => {
      assert.equal(wheel({ name, version }).filename, filename);
    });
  }

  test('normalise returns lower case with single dashes', () => {
    assert.equal(normalise('Zope._Interface'), 'zope-interface');
  });
});

test('generated packages have the same bytes for the same arguments, and different bytes otherwise', () => {
  const description = { name: 'alpha', version: '1.0', requires: ['beta'], size: 1000 };
  assert.equal(wheel(description).sha256, wheel(description).sha256);
  assert.equal(sdist(description).sha256, sdist(description).sha256);
  assert.notEqual(wheel(description).sha256, wheel({ ...description, version: '1.1' }).sha256);
});

test('Python can read generated archives, and every line of RECORD matches', () => {
  const binary = wheel({
    name: 'alpha',
    version: '1.0',
    tag: 'cp311.cp312-abi3-manylinux_2_17_x86_64',
    files: { 'alpha/ünïcode.txt': 'ü' },
    size: 100_000,
  });
  const source = sdist({ name: 'alpha', version: '1.0', files: { 'alpha/more.py': 'x = 1\n' } });
  writeFileSync(join(scratch, 'alpha.whl'), binary.content);
  writeFileSync(join(scratch, 'alpha.tar.gz'), source.content);
  const report = python(`
    import base64, csv, gzip, hashlib, json, tarfile, zipfile
    archive = zipfile.ZipFile("alpha.whl")
    assert archive.testzip() is None
    rows = list(csv.reader(archive.read("alpha-1.0.dist-info/RECORD").decode().splitlines()))
    assert {row[0] for row in rows} == set(archive.namelist())
    for path, digest, size in rows[:-1]:
        content = archive.read(path)
        own = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={own}", str(len(content))), path
    wheel = archive.read("alpha-1.0.dist-info/WHEEL").decode().splitlines()
    names = tarfile.open("alpha.tar.gz").getnames()
    # Python also takes the old form, without this; uv doesn't.
    assert gzip.open("alpha.tar.gz").read()[257:265] == b"ustar\\x0000"
    print(json.dumps({"wheel": wheel[2:], "names": names}))
  `);
  assert.deepEqual(JSON.parse(report), {
    wheel: [
      'Root-Is-Purelib: false',
      'Tag: cp311-abi3-manylinux_2_17_x86_64',
      'Tag: cp312-abi3-manylinux_2_17_x86_64',
    ],
    names: [
      'alpha-1.0/PKG-INFO',
      'alpha-1.0/pyproject.toml',
      'alpha-1.0/src/alpha/__init__.py',
      'alpha-1.0/intree_backend.py',
      'alpha-1.0/src/alpha/more.py',
    ],
  });
  assert.ok(binary.content.length > 100_000);
});

test('the generated backend reads pyproject.toml without tomllib, as before Python 3.11', () => {
  projectDirectory(join(scratch, 'plain'), {
    name: 'alpha',
    version: '1.0',
    requires: ['beta [x] >= 2 ; python_version > "3"'],
    extras: { 'a-b': ['gamma'], 'c.d': [] },
    groups: { test: ['delta'] },
    marker: 'C:\\some "where"',
  });
  python(
    `
    try:
        import tomllib
    except ImportError:
        raise SystemExit
    import intree_backend as backend
    text = open("pyproject.toml", encoding="utf-8").read()
    assert backend._read_plain_toml(text) == tomllib.loads(text), backend._read_plain_toml(text)
  `,
    'plain',
  );
});

/** Runs an indented script in a directory of `scratch`; returns what it prints. */
function python(script: string, directory = ''): string {
  const text = script.replace(/^ {4}/gm, '');
  const name = process.platform === 'win32' ? 'python' : 'python3';
  return execFileSync(name, ['-c', text], { cwd: join(scratch, directory), encoding: 'utf8' });
}
