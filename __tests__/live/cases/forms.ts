/** Rarer things that requirement files can say, and the encodings that they come in. */
import type { Case } from '../case.ts';

/** Text as PowerShell 5 writes it with `>`. */
function utf16(text: string): Buffer {
  return Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n')}`, 'utf16le');
}

export const forms: readonly Case[] = [
  {
    name: 'a frozen list in UTF-16',
    source:
      'generated, as in jasonjoh/python_tutorial (its issue 11) and others that write `pip freeze > requirements.txt` in PowerShell',
    files: {
      'requirements.txt': utf16('certifi==2024.2.2\nidna==3.6\nsix==1.16.0\nurllib3==2.2.1\n'),
      'constraints.txt': 'pytz==2024.1\n',
    },
    inputs: {
      requirements: ['requirements.txt'],
      packages: ['pytz'],
      constraints: ['constraints.txt'],
    },
    bump: { file: 'constraints.txt', from: 'pytz==2024.1', to: 'pytz==2023.4' },
  },
  {
    name: 'a byte order mark, CRLF and continued lines',
    source: 'generated, as editors of Windows write them',
    files: {
      'requirements.txt':
        '\ufeff# the basics\r\nclick \\\r\n  == 8.1.7\r\n\r\nidna==3.6 ; \\\r\n  python_version >= "3"\r\n--prefer-binary\r\nattrs == 23.2.0',
    },
    bump: { file: 'requirements.txt', from: 'attrs == 23.2.0', to: 'attrs == 23.1.0' },
  },
  {
    name: '--no-index with vendored wheels',
    source: 'generated, as in documentation of offline installs: --no-index --find-links ./vendor',
    files: {
      'requirements.txt': `
        --no-index
        --find-links ./vendor
        click==8.1.7
        itsdangerous>=2.1
        six
        `,
    },
    vendored: {
      vendor: ['click==8.1.7', 'click==8.1.8', 'itsdangerous==2.1.2', 'six==1.16.0'],
    },
    bump: { file: 'requirements.txt', from: 'click==8.1.7', to: 'click==8.1.8' },
  },
  {
    name: '--find-links beside the index',
    source: 'generated, for wheels of a private package beside public ones',
    files: {
      'requirements/base.txt': `
        -f ../wheels
        itsdangerous==2.1.2
        six
        idna==3.6
        `,
    },
    inputs: { requirements: ['requirements/base.txt'] },
    vendored: { wheels: ['itsdangerous==2.1.2'] },
    bump: { file: 'requirements/base.txt', from: 'idna==3.6', to: 'idna==3.7' },
  },
  {
    name: 'paths of wheels and sdists',
    source: 'generated, as projects that keep a patched package in their repository write it',
    files: {
      'requirements.txt': `
        ./vendor/six-1.16.0-py2.py3-none-any.whl
        ./vendor/docopt-0.6.2.tar.gz
        idna==3.6
        `,
    },
    vendored: { vendor: ['six==1.16.0', 'docopt==0.6.2'] },
    bump: { file: 'requirements.txt', from: 'idna==3.6', to: 'idna==3.7' },
  },
  {
    name: '--no-binary of a small package',
    source: 'generated, as lists of Django projects say `--no-binary psycopg2`',
    files: {
      'requirements.txt': `
        # Do not install binary wheels for these
        --no-binary six
        six==1.16.0
        python-dateutil==2.8.2
        idna==3.6
        `,
    },
    bump: { file: 'requirements.txt', from: 'idna==3.6', to: 'idna==3.7' },
  },
  {
    name: '--only-binary and --pre',
    source: 'generated, as lists that test coming releases say it',
    files: {
      'requirements.txt': `
        --only-binary=:all:
        --pre
        packaging
        pluggy
        iniconfig==2.0.0
        `,
    },
    bump: { file: 'requirements.txt', from: 'iniconfig==2.0.0', to: 'iniconfig==2.1.0' },
  },
  {
    name: 'packages without a file',
    source:
      'pypa/gh-action-pypi-publish at 81e9d935c883d0b210363ab89cf05f3894778450, requirements/runtime.in',
    inputs: { packages: ['id ~= 1.0', 'requests', 'readme-renderer==43.0', 'build[virtualenv]'] },
    by: 'action',
    bump: { file: 'packages', from: 'readme-renderer==43.0', to: 'readme-renderer==42.0' },
  },
  {
    name: 'pip, setuptools and wheel without versions',
    source: 'generated, as many lists begin',
    files: {
      'requirements.txt': `
        pip
        setuptools
        wheel
        toml==0.10.1
        `,
    },
    by: 'venv',
    bump: { file: 'requirements.txt', from: 'toml==0.10.1', to: 'toml==0.10.2' },
  },
  {
    name: 'packages that need pkg_resources',
    source:
      'generated from mozilla/treeherder at dc3080dd746d4732d5e06c0272471834d4639da0, requirements/dev.txt: zope.event 5 and its like depend on any setuptools',
    files: {
      'requirements.txt': `
        zope.event==5.0
        zope.testing==5.0.1
        zc.lockfile==3.0.post1
        pytz==2024.1
        `,
    },
    bump: { file: 'requirements.txt', from: 'pytz==2024.1', to: 'pytz==2024.2' },
  },
  {
    name: 'extras of extras, twice and in other spellings',
    source: 'generated from lists above',
    files: {
      'requirements.txt': `
        Coverage[TOML]
        coverage [toml] >= 7
        requests[socks]
        Requests[use_chardet_on_py3]==2.32.3
        PySocks
        `,
    },
    bump: {
      file: 'requirements.txt',
      from: 'Requests[use_chardet_on_py3]==2.32.3',
      to: 'Requests[use_chardet_on_py3]==2.32.4',
    },
  },
];
