"""Runs pip like `python -m pip`, which would run a pip.py of the working directory instead.

WHEELHOUSE_BUILD_LOG names a file where the pips that this one starts for its build environments log
what they install. PIP_LOG would do that, but this pip would obey it too, and then hide the output of
builds that fail. So the variable is set when this pip has read its options and sets up its logging.
"""

import logging.config
import os
import runpy

log = os.environ.pop('WHEELHOUSE_BUILD_LOG', None)
if log:
    configure = logging.config.dictConfig

    def configure_and_log(config):
        os.environ['PIP_LOG'] = log
        return configure(config)

    logging.config.dictConfig = configure_and_log
runpy.run_module('pip', run_name='__main__', alter_sys=True)
