/** Checkouts that install themselves: every common build backend, editable or not. */
import type { Case } from '../case.ts';

export const projects: readonly Case[] = [
  {
    name: 'psf/requests, -e .[socks] with setuptools',
    source:
      'psf/requests at 1f6589ec3a1ee910f9a65cc3ceac60b26677bc0e, requirements-dev.txt, pyproject.toml',
    files: {
      'requirements-dev.txt': `
        -e .[socks]
        pytest>=2.8.0,<10
        trustme==1.2.1; python_version < "3"
        wheel
        pytest-mock==3.14.0
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["setuptools>=61.0"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "requests"
        requires-python = ">=3.10"
        dependencies = [
            "charset_normalizer>=2,<4",
            "idna>=2.5,<4",
            "urllib3>=1.26,<3",
            "certifi>=2023.5.7"
        ]
        dynamic = ["version"]

        [project.optional-dependencies]
        security = []
        socks = ["PySocks>=1.5.6, !=1.5.7"]
        use_chardet_on_py3 = ["chardet>=3.0.2,<8"]

        [tool.setuptools]
        package-dir = {"" = "src"}

        [tool.setuptools.packages.find]
        where = ["src"]

        [tool.setuptools.dynamic]
        version = {attr = "requests.__version__.__version__"}
        `,
      'src/requests/__init__.py': '',
      'src/requests/__version__.py': '__version__ = "2.34.2"\n',
    },
    inputs: { requirements: ['requirements-dev.txt'] },
    bump: { file: 'requirements-dev.txt', from: 'pytest-mock==3.14.0', to: 'pytest-mock==3.14.1' },
  },
  {
    name: 'encode/httpx, -e . with hatchling and a plugin',
    source:
      'encode/httpx at ae1b9f66238f75ced3ced5e4485408435de10768, requirements.txt, pyproject.toml',
    files: {
      'requirements.txt': `
        # On the other hand, we're not pinning package dependencies.
        -e .[cli,http2,socks]

        # Optional charset auto-detection
        chardet==5.2.0

        # Packaging
        build==1.3.0

        # Tests & Linting
        pytest==8.4.1
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["hatchling", "hatch-fancy-pypi-readme"]
        build-backend = "hatchling.build"

        [project]
        name = "httpx"
        requires-python = ">=3.9"
        dependencies = [
            "certifi",
            "httpcore==1.*",
            "anyio",
            "idna",
        ]
        dynamic = ["readme", "version"]

        [project.optional-dependencies]
        cli = [
            "click==8.*",
            "pygments==2.*",
            "rich>=10,<15",
        ]
        http2 = [
            "h2>=3,<5",
        ]
        socks = [
            "socksio==1.*",
        ]

        [project.scripts]
        httpx = "httpx:main"

        [tool.hatch.version]
        path = "httpx/__version__.py"

        [tool.hatch.metadata.hooks.fancy-pypi-readme]
        content-type = "text/markdown"

        [[tool.hatch.metadata.hooks.fancy-pypi-readme.fragments]]
        path = "README.md"
        `,
      'README.md': '# httpx\n',
      'httpx/__init__.py': 'def main():\n    pass\n',
      'httpx/__version__.py': '__version__ = "0.28.1"\n',
    },
    bump: { file: 'requirements.txt', from: 'build==1.3.0', to: 'build==1.2.2.post1' },
  },
  {
    name: 'encode/uvicorn, -e . with hatchling',
    source:
      'encode/uvicorn at e6c7ce791fc634b6eedee40e0d0207faa8a9aefd, requirements.txt, pyproject.toml',
    files: {
      'requirements.txt': `
        -e .

        # Core dependencies
        h11==0.16.0

        # Explicit optionals
        a2wsgi==1.10.8
        wsproto==1.2.0
        websockets==13.1

        # Testing
        pytest==8.3.5
        pytest-mock==3.14.0
        types-click==7.1.8
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"

        [project]
        name = "uvicorn"
        dynamic = ["version"]
        readme = "README.md"
        requires-python = ">=3.9"
        dependencies = [
            "click>=7.0",
            "h11>=0.8",
            "typing_extensions>=4.0; python_version < '3.11'",
        ]

        [project.optional-dependencies]
        standard = [
            "colorama>=0.4; sys_platform == 'win32'",
            "httptools>=0.6.3",
            "uvloop>=0.15.1; sys_platform != 'win32' and (sys_platform != 'cygwin' and platform_python_implementation != 'PyPy')",
        ]

        [project.scripts]
        uvicorn = "uvicorn.main:main"

        [tool.hatch.version]
        path = "uvicorn/__init__.py"
        `,
      'README.md': '# uvicorn\n',
      'uvicorn/__init__.py': '__version__ = "0.35.0"\n',
      'uvicorn/main.py': 'def main():\n    pass\n',
    },
    by: 'action',
    bump: { file: 'requirements.txt', from: 'a2wsgi==1.10.8', to: 'a2wsgi==1.10.7' },
  },
  {
    name: 'jupyterhub/jupyterhub, dependencies from requirements.txt',
    source:
      'jupyterhub/jupyterhub at 2841153db6c1c25d8b50955e2f4b39f78f3d0119, pyproject.toml, requirements.txt',
    files: {
      'ci/requirements.txt': `
        .[test]
        pytest-mock==3.14.0
        `,
      'requirements.txt': `
        jinja2>=2.11.0
        oauthlib>=3.0
        packaging
        pamela>=1.1.0; sys_platform != 'win32'
        prometheus_client>=0.5.0
        psutil>=5.6.5; sys_platform == 'win32'
        python-dateutil
        requests
        tornado>=6.5
        traitlets>=5.4
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["setuptools>=77", "setuptools-scm"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "jupyterhub"
        version = "6.0.0b2"
        dynamic = ["readme", "dependencies"]
        requires-python = ">=3.9"

        [project.optional-dependencies]
        test = [
          "beautifulsoup4[html5lib]",
          "pytest>=3.3",
          "requests-mock",
        ]

        [project.scripts]
        jupyterhub = "jupyterhub.app:main"

        [project.entry-points."jupyterhub.authenticators"]
        default = "jupyterhub.auth:PAMAuthenticator"

        [tool.setuptools.packages.find]
        where = [""]
        include = ["jupyterhub*"]

        [tool.setuptools.dynamic]
        readme = { file = "README.md", content-type = "text/markdown" }
        dependencies = { file = "requirements.txt" }
        `,
      'README.md': '# JupyterHub\n',
      'jupyterhub/__init__.py': '',
      'jupyterhub/app.py': 'def main():\n    pass\n',
    },
    inputs: { requirements: ['ci/requirements.txt'] },
    bump: {
      file: 'requirements.txt',
      from: 'prometheus_client>=0.5.0',
      to: 'prometheus_client==0.21.0',
    },
  },
  {
    name: 'pallets/jinja, -e . with flit and a group',
    source: 'pallets/jinja at 5ef70112a1ff19c05324ff889dd30405b1002044, pyproject.toml',
    files: {
      'requirements.txt': '-e .\n',
      'pyproject.toml': `
        [project]
        name = "Jinja2"
        version = "3.2.0.dev"
        description = "A very fast and expressive template engine."
        requires-python = ">=3.10"
        dependencies = ["MarkupSafe>=3.0"]

        [project.optional-dependencies]
        i18n = ["Babel>=2.17"]

        [dependency-groups]
        tests = [
            "pytest",
            "pytest-timeout",
            "trio"
        ]

        [build-system]
        requires = ["flit_core<4"]
        build-backend = "flit_core.buildapi"

        [tool.flit.module]
        name = "jinja2"
        `,
      'src/jinja2/__init__.py': '"""A very fast and expressive template engine."""\n',
    },
    inputs: { requirements: ['requirements.txt'], groups: ['tests'] },
    pip: '25.1',
    bump: { file: 'pyproject.toml', from: '"pytest-timeout"', to: '"pytest-timeout==2.3.1"' },
  },
  {
    name: 'python-attrs/attrs, groups that include groups',
    source: 'python-attrs/attrs at c1dc5dcba16ed827aa6dcad896b41a3afedb4e32, pyproject.toml',
    files: {
      'pyproject.toml': `
        [dependency-groups]
        mypy = [
          { include-group = "tests" },
          'pytest-mypy-plugins; platform_python_implementation == "CPython" and python_version >= "3.10"',
        ]
        tests = [
          # For regression test to ensure cloudpickle compat doesn't break.
          'cloudpickle; platform_python_implementation == "CPython"',
          "pympler",
          "pytest>9",
          "pytest-xdist",
        ]
        cov = [{ include-group = "tests" }, "coverage[toml]"]
        tox = ["tox>4"]
        dev = [
            { include-group = "cov" },
            { include-group = "tests" },
        ]
        `,
    },
    inputs: { groups: ['dev'] },
    // pip before 25.1 has no groups of its own.
    plain: (bumped) => ({
      packages: [
        'cloudpickle; platform_python_implementation == "CPython"',
        bumped ? 'pympler==1.0.1' : 'pympler',
        'pytest>9',
        'pytest-xdist',
        'coverage[toml]',
      ],
    }),
    bump: { file: 'pyproject.toml', from: '"pympler"', to: '"pympler==1.0.1"' },
  },
  {
    name: 'urllib3/urllib3, a group beside packages',
    source: 'urllib3/urllib3 at 6a8536b6e1b0cbe69ae801337c599951e527ae29, pyproject.toml',
    files: {
      'pyproject.toml': `
        [dependency-groups]
        test = [
            "h2>=4.1.0",
            "pysocks>=1.7.1",
            "pytest>=8.3.4",
            "pytest-socket>=0.7.0",
            "pytest-timeout>=2.3.1",
        ]
        dev-base = [
            {include-group = "test"},
            "build>=1.2.2.post1",
            "pytest-memray==1.8.0 ; python_full_version < '3.15' and implementation_name == 'cpython' and sys_platform == 'win32'",
        ]
        dev = [
            {include-group = "dev-base"},
            "idna>=3.10",
        ]
        `,
    },
    inputs: { groups: ['dev'], packages: ['towncrier==24.8.0', 'sortedcontainers'] },
    pip: '25.1',
    bump: { file: 'packages', from: 'towncrier==24.8.0', to: 'towncrier==24.7.1' },
  },
  {
    name: 'zulip/python-zulip-api, three projects that depend on each other',
    source:
      'zulip/python-zulip-api at 1ae6dbeab6a0792e35ae1b5c54471076939f1883, requirements.txt, zulip/setup.py, zulip_bots/setup.py, zulip_botserver/setup.py',
    files: {
      'requirements.txt': `
        setuptools
        crayons
        mock
        pytest
        -e ./zulip
        -e ./zulip_bots
        -e ./zulip_botserver
        types-python-dateutil
        types-pytz
        `,
      'zulip/setup.py': `
        from setuptools import find_packages, setup

        setup(
            name="zulip",
            version="0.9.1",
            python_requires=">=3.9",
            entry_points={"console_scripts": ["zulip-send=zulip.send:main"]},
            install_requires=["requests[security]>=0.12.1", "distro", "typing_extensions>=4.5.0"],
            packages=find_packages(exclude=["tests"]),
        )
        `,
      'zulip/zulip/__init__.py': '__version__ = "0.9.1"\n',
      'zulip/zulip/send.py': 'def main():\n    pass\n',
      'zulip_bots/setup.py': `
        from setuptools import find_packages, setup

        setup(
            name="zulip_bots",
            version="0.9.1",
            entry_points={"console_scripts": ["zulip-run-bot=zulip_bots.run:main"]},
            install_requires=[
                "pip",
                "zulip",
                "html2text",
                "BeautifulSoup4",
                "typing_extensions>=4.5.0",
                "importlib-metadata>=3.6",
            ],
            packages=find_packages(),
        )
        `,
      'zulip_bots/zulip_bots/__init__.py': '',
      'zulip_bots/zulip_bots/run.py': 'def main():\n    pass\n',
      'zulip_botserver/setup.py': `
        from setuptools import find_packages, setup

        setup(
            name="zulip_botserver",
            version="0.9.1",
            install_requires=["zulip", "zulip_bots", "flask>=0.12.2", "typing_extensions>=4.5.0"],
            packages=find_packages(exclude=["tests"]),
        )
        `,
      'zulip_botserver/zulip_botserver/__init__.py': '',
    },
    bump: { file: 'requirements.txt', from: 'crayons\n', to: 'crayons==0.3.1\n' },
  },
  {
    name: 'pypa/sampleproject, .[dev,test] with setuptools',
    source: 'pypa/sampleproject at 621e4974ca25ce531773def586ba3ed8e736b3fc, pyproject.toml',
    files: {
      'requirements.txt': `
        .[dev,test]
        iniconfig==2.0.0
        `,
      'pyproject.toml': `
        [project]
        name = "sampleproject"
        version = "4.0.0"
        requires-python = ">=3.9"
        dependencies = ["peppercorn"]

        [project.optional-dependencies]
        dev = ["check-manifest"]
        test = ["coverage"]

        [project.scripts]
        sample = "sample:main"

        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [tool.setuptools]
        package-data = { "sample" = ["*.dat"] }
        `,
      'src/sample/__init__.py': 'def main():\n    pass\n',
      'src/sample/package_data.dat': 'some data',
    },
    by: 'action',
    bump: { file: 'requirements.txt', from: 'iniconfig==2.0.0', to: 'iniconfig==2.1.0' },
  },
  {
    name: 'mozilla/bleach, -e . with setup.py alone',
    source:
      'mozilla/bleach at 913ab75992b845e2c9c060c41f24d46921db4693, requirements-dev.txt, setup.py',
    files: {
      'requirements-dev.txt': `
        -e .
        build==1.2.1
        pytest==9.0.3
        setuptools==80.7.1
        tox-gh-actions==3.2.0; python_version < "3"
        wheel==0.46.3
        `,
      'setup.py': `
        from setuptools import find_packages, setup

        INSTALL_REQUIRES = [
            # html5lib requirements
            "webencodings",
        ]

        EXTRAS_REQUIRE = {
            "css": [
                "tinycss2>=1.1.0",
            ],
        }

        setup(
            name="bleach",
            version="6.3.0",
            packages=find_packages(),
            python_requires=">=3.10",
            install_requires=INSTALL_REQUIRES,
            extras_require=EXTRAS_REQUIRE,
        )
        `,
      'bleach/__init__.py': '',
    },
    inputs: { requirements: ['requirements-dev.txt'] },
    bump: { file: 'requirements-dev.txt', from: 'build==1.2.1', to: 'build==1.2.2' },
  },
  {
    name: 'mitmproxy/pdoc, . with setuptools and a group',
    source: 'mitmproxy/pdoc at 00e18eb12ae2f06f3c245f796bfe7f6224db033a, pyproject.toml',
    files: {
      'requirements.txt': './\n',
      'pyproject.toml': `
        [project]
        name = "pdoc"
        requires-python = ">=3.10"
        dynamic = ["version"]

        dependencies = [
            "Jinja2 >= 2.11.0",
            "pygments >= 2.12.0",
            "MarkupSafe >= 1.1.1",
            "markdown2 >= 2.5.4",
        ]

        [project.scripts]
        pdoc = "pdoc.__main__:cli"

        [dependency-groups]
        dev = [
            "types-pygments>=2.18.0.20240506",
            "pytest>=8.3.3",
            "pytest-timeout>=2.3.1",
        ]

        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [tool.setuptools.dynamic]
        version = {attr = "pdoc.__version__"}

        [tool.setuptools.packages.find]
        include = ["pdoc*"]
        `,
      'pdoc/__init__.py': '__version__ = "16.0.0"\n',
      'pdoc/__main__.py': 'def cli():\n    pass\n',
    },
    inputs: { requirements: ['requirements.txt'], groups: ['dev'] },
    pip: '25.1',
    bump: {
      file: 'pyproject.toml',
      from: '"pytest-timeout>=2.3.1"',
      to: '"pytest-timeout==2.3.1"',
    },
  },
  {
    name: 'pypa/build, -e . with flit and a version from the source',
    source: 'pypa/build at b317437d2b5cddea5c7b45f72d1ae8af915e9815, pyproject.toml',
    files: {
      'requirements.txt': `
        -e .[virtualenv]
        pyproject_hooks==1.1.0
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["flit-core >= 3.11"]
        build-backend = "flit_core.buildapi"

        [project]
        name = "build"
        description = "A simple, correct Python build frontend"
        requires-python = ">= 3.10"
        urls.issues = "https://github.com/pypa/build/issues"
        # Version read from __version__ field in __init__.py by Flit
        dynamic = ["version"]
        dependencies = [
          "packaging >= 24.0",
          "pyproject_hooks",
          'colorama; os_name == "nt"',
          'importlib-metadata >= 4.6; python_full_version < "3.10.2"',
          'tomli >= 1.1.0; python_version < "3.11"',
        ]

        [project.optional-dependencies]
        virtualenv = [
          "virtualenv >= 20.29",
        ]

        [project.scripts]
        pyproject-build = "build.__main__:entrypoint"

        [project.entry-points."pipx.run"]
        build = "build.__main__:entrypoint"
        `,
      'src/build/__init__.py': '__version__ = "1.5.1"\n',
      'src/build/__main__.py': 'def entrypoint():\n    pass\n',
    },
    bump: {
      file: 'requirements.txt',
      from: 'pyproject_hooks==1.1.0',
      to: 'pyproject_hooks==1.2.0',
    },
  },
  {
    name: 'Textualize/rich, -e . with poetry-core',
    source: 'Textualize/rich at 42899d8a0a96b121a514516f4be9db44ff7aeaf3, pyproject.toml',
    files: {
      'requirements.txt': `
        -e .
        attrs==21.4.0
        `,
      'pyproject.toml': `
        [tool.poetry]
        name = "rich"
        version = "14.3.3"
        description = "Render rich text"
        authors = []
        include = ["rich/py.typed"]

        [tool.poetry.dependencies]
        python = ">=3.8.0"
        pygments = "^2.13.0"
        ipywidgets = { version = ">=7.5.1,<9", optional = true }
        markdown-it-py = ">=2.2.0"

        [tool.poetry.extras]
        jupyter = ["ipywidgets"]

        [build-system]
        requires = ["poetry-core>=1.0.0"]
        build-backend = "poetry.core.masonry.api"
        `,
      'rich/__init__.py': '',
      'rich/py.typed': '',
    },
    bump: { file: 'requirements.txt', from: 'attrs==21.4.0', to: 'attrs==22.1.0' },
  },
  {
    name: 'pdm-project/pdm, extras of itself with pdm-backend',
    source: 'pdm-project/pdm at a7e9d0015b4d5ca5d1b0c558582f9bf41b2fdf54, pyproject.toml',
    files: {
      'requirements.txt': '-e .[all]\n',
      'pyproject.toml': `
        [build-system]
        requires = ["pdm-backend"]
        build-backend = "pdm.backend"

        [project]
        name = "pdm"
        version = "2.26.0"
        requires-python = ">=3.9"
        dependencies = [
            "blinker",
            "packaging>22.0",
            "platformdirs",
            "pyproject-hooks",
            "tomlkit>=0.11.1,<1",
            "shellingham>=1.3.2",
            "installer<0.8,>=0.7",
            "tomli>=1.1.0; python_version < \\"3.11\\"",
        ]

        [project.optional-dependencies]
        pytest = [
            "pytest",
            "pytest-mock",
        ]
        keyring = ["jaraco.classes"]
        template = [
            "pdm[pytest]",
        ]
        all = [
            "pdm[keyring,template]",
        ]

        [project.scripts]
        pdm = "pdm.core:main"
        `,
      'src/pdm/__init__.py': '',
      'src/pdm/core.py': 'def main():\n    pass\n',
    },
    bump: { file: 'pyproject.toml', from: '"tomlkit>=0.11.1,<1"', to: '"tomlkit==0.13.2"' },
  },
  {
    name: 'jaraco/jaraco.functools, part of a namespace',
    source: 'jaraco/jaraco.functools at 9f4e0e2849659969577f40be40cabe026dd5fb0f, pyproject.toml',
    files: {
      'requirements.txt': `
        -e .[test]
        jaraco.context==6.0.1
        `,
      'pyproject.toml': `
        [build-system]
        requires = ["setuptools>=77"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "jaraco.functools"
        version = "4.4.0"
        requires-python = ">=3.9"
        license = "MIT"
        dependencies = [
          "more_itertools",
        ]

        [project.optional-dependencies]
        test = [
          # upstream
          "pytest >= 6, != 8.1.*",

          # local
          "jaraco.classes",
        ]
        `,
      'jaraco/functools/__init__.py': '',
    },
    bump: { file: 'requirements.txt', from: 'jaraco.context==6.0.1', to: 'jaraco.context==5.3.0' },
  },
  {
    name: 'langchain-ai/langchain, a project in a subdirectory',
    source:
      'langchain-ai/langchain at 08c658d3f85eb4544546a0b2f6b85cec6b2f0e13, docs/requirements.txt',
    files: {
      'docs/requirements.txt': `
        -e libs/langchain
        toml
        sphinx-typlog-theme==0.8.0
        urllib3<2`,
      'libs/langchain/pyproject.toml': `
        [tool.poetry]
        name = "langchain"
        version = "0.0.300"
        description = "Building applications with LLMs through composability"
        authors = []

        [tool.poetry.dependencies]
        python = ">=3.8.1,<4.0"
        requests = "^2"
        tenacity = "^8.1.0"
        jsonpatch = "^1.33"
        async-timeout = {version = "^4.0.0", python = "<3.11"}

        [build-system]
        requires = ["poetry-core>=1.0.0"]
        build-backend = "poetry.core.masonry.api"
        `,
      'libs/langchain/langchain/__init__.py': '',
    },
    inputs: { requirements: ['docs/requirements.txt'] },
    bump: {
      file: 'docs/requirements.txt',
      from: 'sphinx-typlog-theme==0.8.0',
      to: 'sphinx-typlog-theme==0.7.3',
    },
  },
  {
    name: 'sktime/sktime, a build that needs several packages',
    source:
      'sktime/sktime at 00504c5dd48260c21beb75738e9609c529ec07f6, pyproject.toml (with a bound of scikit-base that newer Pythons can meet)',
    files: {
      'requirements.txt': '.[dev]\n',
      'pyproject.toml': `
        [project]
        name = "sktime"
        version = "0.19.1"
        requires-python = ">=3.7"
        dependencies = [
            "deprecated>=1.2.13",
            "packaging",
            "scikit-base<2",
        ]

        [project.optional-dependencies]
        dev = [
            "backoff",
            "pytest",
            "pytest-randomly",
            "pytest-timeout",
            "wheel",
        ]

        [build-system]
        requires = ["setuptools>61", "wheel", "toml", "build"]
        build-backend = "setuptools.build_meta"

        [tool.setuptools.packages.find]
        exclude = ["tests", "tests.*"]
        `,
      'sktime/__init__.py': '',
    },
    by: 'venv',
    bump: { file: 'pyproject.toml', from: '"backoff"', to: '"backoff==2.2.0"' },
  },
];
