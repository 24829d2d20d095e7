/** What action.yml and publish/action.yml say of their inputs. Written by `npm run readme`. */
export const installHelp = {
  requirements:
    'Requirement files or globs, one per line. Default is requirements.txt, unless packages or groups is given.',
  packages: 'Requirement specifiers, one per line, such as requests>=2.31. No options, no paths.',
  constraints: 'Constraint files or globs, one per line.',
  groups:
    'Dependency groups of pyproject.toml, one per line; path/to/pyproject.toml:group for another file.',
  'working-directory': 'Where relative paths start.',
  'cache-dependency-path': 'More files or globs whose content changes the cache key, one per line.',
  python:
    'The Python to install for, as a path or a command. Default is python or python3 on PATH.',
  venv: 'A virtual environment to install into. It is made if missing, and active for later steps.',
  installer:
    'What installs from the lock, pip or uv. Where uv is not on PATH, its wheel is kept in the wheelhouse.',
  'compile-bytecode':
    'Compile to bytecode while installing (true or false). Python does it at the first import otherwise.',
  install: 'Install the packages; false only fills the wheelhouse.',
  export:
    'Set PIP_FIND_LINKS and UV_FIND_LINKS for later steps, so that tox, nox, pip and uv use the wheelhouse.',
  refresh:
    'How long a resolution of unpinned requirements counts. One of auto, always, daily, weekly, monthly, never.',
  'restore-cache':
    'Restore from the cache (true, false or auto). auto is off for releases, tags and privileged events.',
  'save-cache':
    'Save to the cache (true, false or auto). auto is also off for merge queues and forks.',
  'cache-suffix': 'Text in the cache key that sets this use apart. Letters, digits and . _ - only.',
  wheelhouse:
    "Directory of the wheelhouse. Default is a directory of its own under the runner's temporary one.",
  'index-url':
    "The package index that decides what there is; it never falls back to another. Default is pip's own configuration.",
  'extra-index-url':
    'More indexes, one per line. pip merges them, it does not fall back; see the README on dependency confusion.',
  'trusted-host': 'Hosts whose certificate need not be valid, one per line.',
  'index-username': 'User name for index-url.',
  'index-password':
    'Password or token for index-url, from a secret. Only the pip that fills the wheelhouse gets it.',
  'mirror-url':
    'A caching proxy of the index, used while it is healthy; else the index itself, with a warning.',
} as const;

export const publishHelp = {
  packages: 'Requirement specifiers, one per line, such as requests>=2.31. No options, no paths.',
  requirements: 'Requirement files or globs, one per line; a lock with hashes is one.',
  constraints: 'Constraint files or globs, one per line.',
  'working-directory': 'Where relative paths start.',
  python:
    'The Python that brings the packages, as a path or a command. Default is python or python3 on PATH.',
  platforms:
    "Platform tags to publish for, one per line, such as manylinux_2_28_x86_64 or win_amd64. Default is the runner's own.",
  'python-versions':
    'Versions of CPython to publish for, one per line, such as 3.12. Default is the version of python.',
  'index-url': "The package index that the files come from. Default is pip's own configuration.",
  'index-username': 'User name for index-url.',
  'index-password': 'Password or token for index-url, from a secret.',
  'feed-url': 'Address of the simple index of the private feed, which is asked what it has.',
  'upload-url':
    'Where files are uploaded to. Default is what feed-url tells, for the feeds that docs/publish.md names.',
  'feed-username': 'User name for the feed.',
  'feed-password': 'Password or token for the feed, from a secret.',
  uploader: 'The program that uploads, twine (7 or newer) or uv. It must be installed.',
  audit: 'Look for known vulnerabilities with pip-audit first. One of off, warn, fail.',
  'dry-run': 'Only say what would be uploaded (true or false).',
} as const;
