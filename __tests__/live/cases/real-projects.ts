/** Projects whose sdists are unpacked as checkouts: every common build back end and layout. */
import type { Inputs } from '../case.ts';

/** A change of one file: the first occurrence of a text. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Project {
  readonly name: string;
  readonly version: string;
  /** Of its sdist; undefined for a checkout that was written for the tests. */
  readonly sha256?: string;
  /** The files of such a checkout. */
  readonly files?: Readonly<Record<string, string>>;
  /** What reads its metadata, and what is special about it. */
  readonly backend: string;
  /** Inputs of the action; none by default. */
  readonly inputs?: Inputs;
  /** The arguments of plain `pip install` that mean the same; `-e .` with the extras by default. */
  readonly plain?: string[];
  readonly extras?: readonly string[];
  /** The oldest pip that can do it. */
  readonly pip?: string;
  /** Projects of which pip downloads versions that it then rejects. */
  readonly candidates?: readonly string[];
  /** Installed files that differ from one build to the next. */
  readonly volatile?: readonly string[];
  /** Changes of code, version and description, which are no cache miss. */
  readonly edits: readonly Change[];
  /** Changes that add the dependency `six==1.16.0`. */
  readonly adds: readonly Change[];
}

const comment = '# An edit.\n';

/** Four projects with four back ends, each of which depends on the next one by its path. */
const monorepo = {
  'web/pyproject.toml': `
[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
name = "web"
version = "1.0"
description = ""
authors = []

[tool.poetry.dependencies]
python = ">=3.9"
api = { path = "../api", develop = true }
`,
  'web/web/__init__.py': '',
  'api/pyproject.toml': `
[build-system]
requires = ["pdm-backend"]
build-backend = "pdm.backend"

[project]
name = "api"
version = "2.0"
dependencies = ["core @ file:///\${PROJECT_ROOT}/../core"]
`,
  'api/api/__init__.py': '',
  'core/pyproject.toml': `
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "core"
version = "3.0"
dependencies = ["util @ {root:uri}/../util", "idna"]

[tool.hatch.metadata]
allow-direct-references = true
`,
  'core/core/__init__.py': '',
  'util/pyproject.toml': `
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "util"
version = "4.0"
dependencies = ["iniconfig"]
`,
  'util/util/__init__.py': '',
};

export const projects: readonly Project[] = [
  {
    name: 'flake8',
    version: '7.1.1',
    sha256: '049d058491e228e03e67b390f311bbf88fce2dbaa8fa673e7aea87b7198b8d38',
    backend: 'setuptools, setup.cfg and setup.py, version from code',
    edits: [
      {
        file: 'src/flake8/__init__.py',
        from: '__version__ = "7.1.1"',
        to: '__version__ = "7.1.2"',
      },
      { file: 'setup.cfg', from: 'description = the modular', to: 'description = a modular' },
    ],
    adds: [{ file: 'setup.cfg', from: '\tmccabe', to: '\tsix==1.16.0\n\tmccabe' }],
  },
  {
    name: 'pluggy',
    version: '1.5.0',
    sha256: '2cffa88e94fdc978c4c574f15f9e59b7f4201d439195c3715ca9e2486f1d0cf1',
    backend: 'setuptools-scm; a dependency of its own dependencies',
    inputs: { project: ['.[testing]'] },
    extras: ['testing'],
    candidates: ['pytest'],
    edits: [
      { file: 'src/pluggy/__init__.py', from: '', to: comment },
      { file: 'PKG-INFO', from: 'Version: 1.5.0', to: 'Version: 1.5.9' },
      { file: 'setup.cfg', from: 'description = plugin', to: 'description = Plugin' },
    ],
    adds: [
      { file: 'setup.cfg', from: '\tpytest-benchmark', to: '\tsix==1.16.0\n\tpytest-benchmark' },
    ],
  },
  {
    name: 'attrs',
    version: '24.2.0',
    sha256: '5cfb1b9148b5b086569baec03f20d7b6bf3bcacc9a42bebf87ffaaca362f6346',
    backend: 'hatchling with hatch-vcs and a hook for the description; extras that refer to itself',
    inputs: { extras: ['tests'] },
    extras: ['tests'],
    edits: [
      { file: 'src/attr/__init__.py', from: '', to: comment },
      { file: 'PKG-INFO', from: 'Version: 24.2.0', to: 'Version: 24.2.9' },
      { file: 'pyproject.toml', from: '"Classes Without', to: '"Classes without' },
      { file: 'pyproject.toml', from: '## Release Information', to: '## Releases' },
    ],
    adds: [{ file: 'pyproject.toml', from: 'tests-mypy = [', to: 'tests-mypy = ["six==1.16.0",' }],
  },
  {
    name: 'flask',
    version: '3.1.0',
    sha256: '5f873c5184c897c8d9d1b05df1e3d01b14910ce69607a117bd3277098a5836ac',
    backend: 'flit-core, src layout',
    inputs: { packages: ['.[async,dotenv]'] },
    extras: ['async', 'dotenv'],
    edits: [
      { file: 'src/flask/__init__.py', from: '', to: comment },
      { file: 'pyproject.toml', from: 'version = "3.1.0"', to: 'version = "3.1.9"' },
      { file: 'pyproject.toml', from: 'description = "A', to: 'description = "One' },
    ],
    adds: [{ file: 'pyproject.toml', from: 'async = [', to: 'async = ["six==1.16.0", ' }],
  },
  {
    name: 'rich',
    version: '13.9.4',
    sha256: '439594978a49a09530cff7ebc4b5c7103ef57baf48d5ea3184f21d9a2befa098',
    backend: 'poetry-core, tables of Poetry',
    edits: [
      { file: 'rich/__init__.py', from: '', to: comment },
      { file: 'pyproject.toml', from: 'version = "13.9.4"', to: 'version = "13.9.9"' },
      { file: 'pyproject.toml', from: 'description = "Render', to: 'description = "Renders' },
    ],
    adds: [{ file: 'pyproject.toml', from: 'pygments = "', to: 'six = "1.16.0"\npygments = "' }],
  },
  {
    name: 'unearth',
    version: '0.17.2',
    sha256: '0b8a2afd3476f1ab6155fc579501ac47fffe43547d88a70e5a5b76a7fe6caa2c',
    backend: 'pdm-backend, src layout',
    inputs: { project: ['.[legacy]'] },
    extras: ['legacy'],
    edits: [
      { file: 'src/unearth/__init__.py', from: '', to: comment },
      { file: 'pyproject.toml', from: 'version = "0.17.2"', to: 'version = "0.17.9"' },
      { file: 'pyproject.toml', from: '"A utility', to: '"The utility' },
    ],
    adds: [
      { file: 'pyproject.toml', from: 'dependencies = [', to: 'dependencies = ["six==1.16.0",' },
    ],
  },
  {
    name: 'iniconfig',
    version: '2.0.0',
    sha256: '2d91e135bf72d31a410b17c16da610a82cb55f6b0477d1a902134b24a455b8b3',
    backend: 'hatchling with hatch-vcs, src layout; no dependencies',
    edits: [
      { file: 'src/iniconfig/__init__.py', from: '', to: comment },
      { file: 'PKG-INFO', from: 'Version: 2.0.0', to: 'Version: 2.0.9' },
      { file: 'pyproject.toml', from: '"brain-dead', to: '"Brain-dead' },
    ],
    adds: [
      {
        file: 'pyproject.toml',
        from: 'dynamic = [',
        to: 'dependencies = ["six==1.16.0"]\ndynamic = [',
      },
    ],
  },
  {
    name: 'structlog',
    version: '25.5.0',
    sha256: '098522a3bebed9153d4570c6d0288abf80a031dfdb2048d59a49e9dc2190fc98',
    backend: 'hatchling with hatch-vcs; a dependency group (PEP 735)',
    inputs: { project: ['.'], groups: ['tests'] },
    plain: ['-e', '.', '--group', 'tests'],
    pip: '25.3',
    edits: [
      { file: 'src/structlog/__init__.py', from: '', to: comment },
      { file: 'PKG-INFO', from: 'Version: 25.5.0', to: 'Version: 25.5.9' },
      { file: 'pyproject.toml', from: '"Structured', to: '"structured' },
    ],
    adds: [{ file: 'pyproject.toml', from: 'tests = [', to: 'tests = ["six==1.16.0", ' }],
  },
  {
    name: 'wcmatch',
    version: '10.0',
    sha256: 'e72f0de09bba6a04e0de70937b0cf06e55f36f37b3deb422dfaf854b867b840a',
    backend: 'hatchling with a hook of its own (hatch_build.py)',
    edits: [
      { file: 'hatch_build.py', from: 'Environment :: Console', to: 'Environment :: Plugins' },
      { file: 'wcmatch/__meta__.py', from: 'Version(10, 0', to: 'Version(10, 1' },
      { file: 'pyproject.toml', from: '"Wildcard/glob', to: '"Wildcards/glob' },
    ],
    adds: [{ file: 'pyproject.toml', from: '"bracex>=', to: '"six==1.16.0", "bracex>=' }],
  },
  {
    name: 'jsonpatch',
    version: '1.33',
    sha256: '9fcd4009c41e6d12348b4a0ff2563ba56a2923a7dfee731d004e212e1ee5030c',
    backend: 'setuptools, setup.py that reads requirements.txt and the version from code',
    inputs: { project: ['.'] },
    edits: [
      { file: 'jsonpatch.py', from: "__version__ = '1.33'", to: "__version__ = '1.39'" },
      { file: 'README.md', from: '', to: 'An edit.\n' },
    ],
    adds: [{ file: 'requirements.txt', from: '', to: 'six==1.16.0\n' }],
  },
  {
    name: 'typepy',
    version: '1.3.4',
    sha256: '89c1f66de6c6133209c43a94d23431d320ba03ef5db18f241091ea594035d9de',
    backend: 'setuptools-scm, setup.py that reads requirements/requirements.txt',
    inputs: { project: ['.[datetime]'] },
    extras: ['datetime'],
    edits: [
      { file: 'typepy/__init__.py', from: '', to: comment },
      { file: 'docs/pages/introduction/summary.txt', from: '', to: 'An edit: ' },
    ],
    adds: [{ file: 'requirements/requirements.txt', from: '', to: 'six==1.16.0\n' }],
  },
  {
    name: 'stevedore',
    version: '5.4.0',
    sha256: '79e92235ecb828fe952b6b8b0c6c87863248631922c8e8e0fa5b17b232c4514d',
    backend: 'pbr, which reads requirements.txt',
    inputs: { project: ['.'] },
    edits: [
      { file: 'stevedore/__init__.py', from: '', to: comment },
      { file: 'PKG-INFO', from: 'Version: 5.4.0', to: 'Version: 5.4.9' },
      { file: 'setup.cfg', from: 'summary = Manage', to: 'summary = Manages' },
    ],
    adds: [{ file: 'requirements.txt', from: '', to: 'six==1.16.0\n' }],
  },
  {
    name: 'meson-python',
    version: '0.17.1',
    sha256: 'efb91f69f2e19eef7bc9a471ed2a4e730088cc6b39eacaf3e49fc4f930eb5f83',
    backend: 'meson-python, which is the project itself (backend-path)',
    edits: [
      { file: 'mesonpy/_util.py', from: '', to: comment },
      { file: 'meson.build', from: "version: '0.17.1'", to: "version: '0.17.9'" },
      { file: 'pyproject.toml', from: "'Meson Python", to: "'A Meson Python" },
    ],
    adds: [
      { file: 'pyproject.toml', from: 'dependencies = [', to: "dependencies = ['six==1.16.0'," },
    ],
  },
  {
    name: 'levenshtein',
    version: '0.27.1',
    sha256: '3e18b73564cfc846eec94dd13fab6cb006b5d2e0cc56bad1fd7d5585881302e3',
    backend: 'scikit-build-core, a C++ extension',
    pip: '23.2.1',
    edits: [
      { file: 'src/Levenshtein/__init__.py', from: '"0.27.1"', to: '"0.27.9"' },
      { file: 'pyproject.toml', from: '"Python extension', to: '"A Python extension' },
    ],
    adds: [
      { file: 'pyproject.toml', from: 'dependencies = [', to: 'dependencies = ["six==1.16.0",' },
    ],
  },
  {
    name: 'rpds-py',
    version: '0.22.3',
    sha256: 'e32fee8ab45d3c2db6da19a5323bc3362237c8b653c70194414b892fd06a080d',
    backend: 'maturin, a Rust extension; version from Cargo.toml',
    // The list of crates has a serial number.
    volatile: ['dist-info/sboms/rpds-py.cyclonedx.json', 'rpds_py-0.22.3.dist-info/RECORD'],
    edits: [
      { file: 'src/lib.rs', from: '', to: '// An edit.\n' },
      { file: 'pyproject.toml', from: '"Python bindings', to: '"The Python bindings' },
    ],
    adds: [
      {
        file: 'pyproject.toml',
        from: 'dynamic = [',
        to: 'dependencies = ["six==1.16.0"]\ndynamic = [',
      },
    ],
  },
  {
    name: 'web',
    version: '1.0',
    files: monorepo,
    backend: 'poetry-core → pdm-backend → hatchling → setuptools: a monorepo, by path',
    inputs: { project: ['web'] },
    plain: ['-e', './web'],
    edits: [
      { file: 'util/util/__init__.py', from: '', to: comment },
      { file: 'core/pyproject.toml', from: 'version = "3.0"', to: 'version = "3.1"' },
    ],
    // No input names this project, so only its metadata tells.
    adds: [{ file: 'util/pyproject.toml', from: '"iniconfig"', to: '"iniconfig", "six==1.16.0"' }],
  },
];
