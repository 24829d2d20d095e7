/** What action.yml and publish/action.yml say of their inputs. Written by `npm run readme`. */
export const installHelp = {
  requirements:
    'Requirement files, lock files or globs, one per line. Without this and without project, packages and groups, the files of the working directory decide.',
  project:
    'Local projects to install with their dependencies, one path per line, with optional extras, such as .[test].',
  packages:
    'Requirement specifiers or local projects, one per line, such as requests>=2.31. Options are not accepted.',
  constraints: 'Constraint files or globs, one per line.',
  extras: 'Extras of the local projects or of the lock file, one per line or separated by commas.',
  groups:
    'Dependency groups of pyproject.toml, one per line. For another file, write path/to/pyproject.toml:group.',
  editable: 'Install local projects in editable mode (true or false).',
  'install-project':
    'Install the local projects themselves (true or false). If false, only their dependencies.',
  'working-directory': 'The directory that relative paths start from.',
  'cache-dependency-path':
    'Additional files or globs whose content becomes part of the cache key, one per line.',
  python:
    'The Python to install for, as a path or a command. Defaults to python or python3 on PATH.',
  venv: 'A virtual environment to install into, created if missing and activated for later steps. Defaults to .venv where the lock of uv, Poetry, PDM or pipenv is installed.',
  installer:
    'The tool that resolves, builds and installs: pip or uv. If uv is not on PATH, a pinned version of it is downloaded and cached too.',
  'compile-bytecode':
    'Compile bytecode during installation (true or false). Otherwise Python compiles each module on first import.',
  install: 'Install the packages (true or false). If false, only fill the wheelhouse.',
  export:
    'Set PIP_FIND_LINKS and UV_FIND_LINKS for later steps (true or false), so that tox, nox, pip and uv use the wheelhouse.',
  refresh:
    'How often unpinned requirements are resolved again. One of auto, always, daily, weekly, monthly, never.',
  recheck:
    'How often the index is asked whether it still offers the wheels of pinned requirements, which are not resolved again. One of always, daily, weekly, monthly, never.',
  'minimum-release-age':
    'Minimum age of the files that are chosen, such as 7 days or 36 hours. Younger files are left out. Needs an index that tells upload times.',
  'minimum-release-age-exclude':
    'Names of projects whose files may be younger than minimum-release-age, one per line.',
  'restore-cache':
    'Restore from the cache (true, false or auto). auto skips releases, tags and privileged events.',
  'save-cache':
    'Save to the cache (true, false or auto). auto also skips merge queues and pull requests from forks.',
  'cache-suffix':
    'Text added to the cache key, to keep separate caches for separate uses. Letters, digits and . _ - only.',
  wheelhouse:
    "Directory of the wheelhouse. Defaults to a dedicated directory under the runner's temporary directory.",
  'index-url':
    "The package index to use; there is no fallback to another. Defaults to pip's own configuration.",
  'extra-index-url':
    'Additional indexes, one per line. pip merges all indexes instead of falling back; see the README on dependency confusion.',
  'trusted-host': 'Hosts to trust without a valid TLS certificate, one per line.',
  'index-username': 'User name for index-url.',
  'index-password':
    'Password or token for index-url, from a secret. Only the pip that fills the wheelhouse receives it.',
  'mirror-url':
    'A caching proxy of the index, used while it is healthy; otherwise the index itself is used, with a warning.',
} as const;

export const publishHelp = {
  packages:
    'Requirement specifiers, one per line, such as requests>=2.31. Options and paths are not accepted.',
  requirements:
    'Requirement files or globs, one per line. A lock with hashes is a requirement file.',
  constraints: 'Constraint files or globs, one per line.',
  'working-directory': 'The directory that relative paths start from.',
  python:
    'The Python that downloads the packages, as a path or a command. Defaults to python or python3 on PATH.',
  platforms:
    'Platform tags to publish for, one per line, such as manylinux_2_28_x86_64 or win_amd64. Defaults to the platform of the runner.',
  'python-versions':
    'CPython versions to publish for, one per line, such as 3.12. Defaults to the version of the input python.',
  'index-url': "The package index that the files come from. Defaults to pip's own configuration.",
  'index-username': 'User name for index-url.',
  'index-password': 'Password or token for index-url, from a secret.',
  'feed-url': 'Address of the simple index of the private feed.',
  'upload-url':
    'Address for uploads to the feed. Defaults to an address derived from feed-url, for the feeds listed in docs/publish.md.',
  'feed-username': 'User name for the feed.',
  'feed-password': 'Password or token for the feed, from a secret.',
  uploader:
    'The program that uploads, twine (7 or newer) or uv (0.9 or newer). It must be installed.',
  audit:
    'Whether pip-audit looks for known vulnerabilities before the upload. One of off, warn, fail.',
  'dry-run': 'List the files that would be uploaded, and upload nothing.',
} as const;
