"""Runs pip like `python -m pip`, which would however run a pip.py in the working directory.

WHEELHOUSE_PIP is the path of another pip to run: a directory with the package, or a wheel.

WHEELHOUSE_AGE_EXCEPT names the projects that --uploaded-prior-to does not apply to; pip itself knows
no exceptions. The pips that this one starts for its build environments make them as well.

WHEELHOUSE_BUILD_LOG names a log file for the pips that this one starts for its build environments.
PIP_LOG would do that, but this pip would use it as well, and then hide the output of failing builds.
So PIP_LOG is set only after this pip has read its options, when it configures its logging.
"""

import importlib
import logging.config
import os
import runpy
import sys
import tempfile

# Like pip's own __pip-runner__.py: a path at the start of sys.path would hide other modules too.
redirection = '''
import sys
from importlib.machinery import PathFinder


class PipFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [%r], target) if name == 'pip' else None


sys.meta_path.insert(0, PipFinder)
'''

exceptions = '''
import os
from pip._internal.index.package_finder import LinkEvaluator

exempt = os.environ['WHEELHOUSE_AGE_EXCEPT'].split()
construct = LinkEvaluator.__init__


def construct_with_exceptions(self, *args, **options):
    construct(self, *args, **options)
    if self._canonical_name in exempt:
        self._uploaded_prior_to = None


LinkEvaluator.__init__ = construct_with_exceptions
'''

start = '''
import runpy
runpy.run_module('pip', run_name='__main__', alter_sys=True)
'''


def run(program):
    exec(program, {'__name__': 'wheelhouse'})


other_pip = os.environ.pop('WHEELHOUSE_PIP', None)
if other_pip:
    run(redirection % other_pip)

if os.environ.get('WHEELHOUSE_AGE_EXCEPT'):
    run(exceptions)
    import pip

    root = os.path.dirname(os.path.dirname(pip.__file__))
    with tempfile.NamedTemporaryFile('w', suffix='.py', delete=False) as file:
        file.write(redirection % root + exceptions + start)
    # It is in the first module up to pip 26.1, and in the second one since.
    for name in ('pip._internal.build_env', 'pip._internal.build_env.installer'):
        try:
            builds = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(builds, 'get_runnable_pip'):
            builds.get_runnable_pip = lambda: file.name

log = os.environ.pop('WHEELHOUSE_BUILD_LOG', None)
if log:
    configure = logging.config.dictConfig

    def configure_and_log(config):
        os.environ['PIP_LOG'] = log
        return configure(config)

    logging.config.dictConfig = configure_and_log
runpy.run_module('pip', run_name='__main__', alter_sys=True)
